/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "capture/machine.h"

/* include/uapi/linux/watchdog.h; libc's headers do not have it. */
#define WATCHDOG_KEEPALIVE _IOR('W', 5, int)
#define WATCHDOG_SET_TIMEOUT _IOWR('W', 6, int)

enum {
    WATCHDOG_SECONDS = 60,
    FIRST_LIMIT = 120,
    REBOOT_LIMIT = 30, /* from the decision to reboot to the guardian's */
};

static int console_fd = -1;
static bool console_is_kmsg; /* the kernel's log, which takes one line a write */
/* What PID 1 and the guardian both know. */
static struct {
    volatile int64_t deadline; /* monotonic seconds; 0: PID 1 has failed */
    volatile bool log_is_safe;
} * shared;
static unsigned limit_max = UINT_MAX;
static pid_t guardian = -1; /* 0 in itself */
static int watchdog = -1;   /* the guardian's */

double uptime(void)
{
    struct timespec t = { 0 };

    (void)clock_gettime(CLOCK_BOOTTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void sleep_ms(unsigned ms)
{
    struct timespec t = { ms / 1000, (long)(ms % 1000) * 1000000 };

    (void)nanosleep(&t, NULL);
}

const char *errno_text(int r)
{
    return strerror(-r);
}

/* How much of n bytes may go into one write. */
static size_t console_piece(const char *p, size_t n)
{
    enum { LINE = 800 }; /* below LOG_LINE_MAX of any kernel, kernel/printk/printk.c */
    const char *end;

    if (!console_is_kmsg)
        return n;
    n = MIN(n, (size_t)LINE);
    end = memchr(p, '\n', n);
    return end ? (size_t)(end - p) + 1 : n;
}

static void pet_watchdog(void);

void console_write(const char *p, size_t n)
{
    if (guardian == 0) /* a long log on a slow line */
        pet_watchdog();
    while (console_fd >= 0 && n > 0) {
        ssize_t done = write(console_fd, p, console_piece(p, n));

        if (done < 0 && errno != EINTR)
            return;
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
}

void say(const char *format, ...)
{
    char line[512];
    va_list ap;
    int n, m;

    n = snprintf(line, sizeof(line), "[%12.6f] kdump-steamos: ", uptime());
    if (n < 0)
        return;
    va_start(ap, format);
    m = vsnprintf(line + n, sizeof(line) - (size_t)n - 1, format, ap);
    va_end(ap);
    if (m < 0)
        return;
    n = MIN(n + m, (int)sizeof(line) - 2);
    line[n++] = '\n';
    console_write(line, (size_t)n);
}

struct span read_text(const char *path, char *buf, size_t size)
{
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t n = 0;

    while (fd >= 0 && n < size) {
        ssize_t got = read(fd, buf + n, size - n);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    return span_trim(span_bytes(buf, n));
}

int write_text(const char *path, const char *text)
{
    _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* ---- the way out ---- */

static _Noreturn void reboot_hard(void)
{
    (void)write_text("/proc/sysrq-trigger", "b");
    (void)reboot(RB_AUTOBOOT);
    /* PID 1's end is a panic, and a panic a reboot; the guardian's end is not: it tries again. */
    for (;;) {
        if (getpid() == 1)
            _exit(1);
        sleep_ms(1000);
        (void)write_text("/proc/sysrq-trigger", "b");
    }
}

_Noreturn void machine_reboot(void)
{
    limit_set(REBOOT_LIMIT);
    say("rebooting");
    sync();
    (void)reboot(RB_AUTOBOOT);
    say("reboot(2) failed: %s", errno_text(-errno));
    reboot_hard();
}

static void on_fault(int signal)
{
    static const char text[] = "\nkdump-steamos: the capture program failed; rebooting\n";

    (void)signal;
    console_write(text, sizeof(text) - 1);
    if (guardian > 0 && !shared->log_is_safe) { /* it has another memory, and reboots */
        shared->deadline = 0;
        while (waitpid(guardian, NULL, WNOHANG) == 0)
            sleep_ms(100);
    }
    sync();
    reboot_hard();
}

/* ---- the guardian ---- */

static int64_t now(void)
{
    struct timespec t = { 0 };

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

void limit_set(unsigned seconds)
{
    seconds = MIN(seconds, limit_max);
    if (guardian > 0)
        shared->deadline = now() + seconds;
    else
        (void)alarm(seconds);
}

void machine_log_is_safe(void)
{
    if (shared)
        shared->log_is_safe = true;
}

/* Drivers come when modules are loaded: asked for until one is there. It is never closed properly,
 * so that it also watches over the reboot itself. */
static void pet_watchdog(void)
{
    int seconds = WATCHDOG_SECONDS;

    if (watchdog < 0) {
        watchdog = open("/dev/watchdog", O_WRONLY | O_CLOEXEC);
        if (watchdog >= 0)
            (void)ioctl(watchdog, WATCHDOG_SET_TIMEOUT, &seconds);
    }
    if (watchdog >= 0)
        (void)ioctl(watchdog, WATCHDOG_KEEPALIVE, 0);
}

static void wait_for_deadline(void)
{
    while (now() <= shared->deadline) {
        pet_watchdog();
        sleep_ms(1000);
    }
}

static _Noreturn void guard(void (*last_words)(void))
{
    (void)write_text("/proc/self/oom_score_adj", "-1000");
    wait_for_deadline();
    if (!shared->log_is_safe) {
        if (shared->deadline > 0)
            say("no progress within the time limit, and the log is not saved");
        last_words();
        (void)alarm(0);
        wait_for_deadline(); /* what hung may have come to life meanwhile */
    }
    if (shared->deadline > 0)
        say("no progress within the time limit; rebooting");
    reboot_hard();
}

static void start_guardian(void (*last_words)(void))
{
    void *memory =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory != MAP_FAILED) {
        shared = memory;
        shared->deadline = now() + MIN((unsigned)FIRST_LIMIT, limit_max);
        guardian = fork();
    }
    if (guardian == 0)
        guard(last_words);
    if (guardian < 0) {
        limit_set(FIRST_LIMIT);
        say("no guardian (%s), going on with an alarm only", errno_text(-errno));
    }
}

/* ---- the start ---- */

static void open_console(void)
{
    int fd = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd < 0) { /* a kernel without console= still takes lines into its log */
        fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
        console_is_kmsg = true;
        (void)write_text("/proc/sys/kernel/printk_devkmsg", "on");
    }
    if (fd < 0)
        return;
    /* What is started later writes to it, too. */
    for (int standard = 0; standard <= 2; standard++)
        if (fd != standard)
            (void)dup2(fd, standard);
    console_fd = fd;
}

void machine_start(void (*last_words)(void))
{
    static const int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGALRM };
    static const struct {
        const char *type, *place;
    } mounts[] = { { "devtmpfs", "/dev" }, { "proc", "/proc" }, { "sysfs", "/sys" } };

    uint64_t seconds;

    (void)umask(077);
    /* What the kernel does not know of its command line it hands to its first program. */
    if (span_to_u64(span_str(getenv("kdump_limit")), &seconds) && seconds > 0 && seconds < UINT_MAX)
        limit_max = (unsigned)seconds;
    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
        (void)mkdir(mounts[i].place, 0755);
        (void)mount(mounts[i].type, mounts[i].place, mounts[i].type, MS_NOSUID | MS_NOEXEC, NULL);
    }
    open_console();
    for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
        (void)signal(faults[i], on_fault);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)write_text("/proc/sys/kernel/panic", "3");
    (void)write_text("/proc/sys/kernel/panic_on_oops", "1");
    (void)write_text("/proc/sys/kernel/softlockup_panic", "1");
    (void)write_text("/proc/sys/kernel/sysrq", "1");
    start_guardian(last_words);
}
