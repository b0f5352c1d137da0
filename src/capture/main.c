/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PID 1 of the kernel that takes over after a crash. Saves the crashed kernel's log, and its memory
 * where that is wanted, on the target that /kdump.conf names, and reboots. There is nobody to ask
 * and nobody to see what fails: every step has a limit, and the next best thing behind it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>

#include "capture/full.h"
#include "capture/machine.h"
#include "capture/save.h"
#include "capture/target.h"
#include "vmcore/fd.h"

enum {
    LOG_SECONDS = 120,
    CONSOLE_SECONDS = 600, /* a few MiB on a serial line */
    EARLIEST = 1577836800, /* 2020: a clock that says less was never set */
};

static struct vmcore core;
static bool readable; /* what is in it is known; otherwise it is a file to copy */
static struct conf conf;
static bool callers;

/* Whether the crashed kernel would have shown callers (CONFIG_PRINTK_CALLER): this one, which is
 * the same, does so in /dev/kmsg. */
static bool kernel_shows_callers(void)
{
    _cleanup_close_ int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    char record[8192];
    struct span text, header;
    ssize_t n = -1;

    /* EPIPE: the first record was overwritten meanwhile; then the next is read. */
    for (unsigned i = 0; i < 4 && n <= 0 && fd >= 0; i++)
        n = read(fd, record, sizeof(record));
    if (n <= 0)
        return false;
    text = span_bytes(record, (size_t)n);
    return span_next_field(&text, ';', &header) && span_contains(header, ",caller=");
}

static int open_core(void)
{
    static int fd;
    int r;

    fd = open("/proc/vmcore", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        r = -errno;
        say("cannot open /proc/vmcore: %s; was this kernel started by a crash?", errno_text(r));
        return r;
    }
    r = vmcore_open(&core, &(struct vmcore_file){ &fd, vmcore_fd_read });
    readable = r == 0;
    if (r < 0)
        say("/proc/vmcore makes no sense: %s; there is no way to find the log in it",
            r == -ENOMSG ? "without VMCOREINFO" : errno_text(r));
    callers = readable && kernel_shows_callers();
    return 0;
}

/* The kernel wrote it into VMCOREINFO when it crashed. */
static int64_t crash_time(void)
{
    uint64_t seconds;
    int64_t now = time(NULL);

    if (readable && vmcore_info_number(&core, "CRASHTIME", &seconds) && seconds >= EARLIEST &&
        seconds <= INT32_MAX * 4ULL)
        return (int64_t)seconds;
    return now;
}

/* ---- without a target ---- */

static int emit_console(void *ctx, const char *p, size_t n)
{
    console_write(p, n);
    return 0;
}

/* The log where somebody or something may still see it. */
static void save_elsewhere(void)
{
    int r;

    limit_set(CONSOLE_SECONDS);
    say("the log of the crashed kernel follows");
    r = save_emit_log(&core, callers, emit_console, NULL);
    say("end of the log%s%s", r < 0 ? ": " : "", r < 0 ? errno_text(r) : "");
    machine_log_is_safe();
}

/* The guardian's, which was there before anything was opened. */
static void last_words(void)
{
    limit_set(CONSOLE_SECONDS);
    if (open_core() == 0 && readable)
        save_elsewhere();
}

/* ---- with one ---- */

static void save_log(int dir, const char *name)
{
    int64_t size = save_dmesg(dir, &core, callers);

    if (size < 0) {
        say("cannot write crash/%s/dmesg.txt: %s", name, errno_text((int)size));
        save_elsewhere();
    } else {
        say("saved crash/%s/dmesg.txt, %lld bytes", name, (long long)size);
        machine_log_is_safe();
    }
}

/* Negative: nothing could be tried. */
static int save(int folder)
{
    _cleanup_close_ int dir = -1;
    char name[SAVE_NAME], path[512];
    int n;

    limit_set(LOG_SECONDS);
    dir = save_directory(folder, crash_time(), name);
    if (dir < 0) {
        say("cannot make a folder for this crash: %s", errno_text(dir));
        return dir;
    }
    if (readable)
        save_log(dir, name);
    n = snprintf(path, sizeof(path), "%s/%.*s/crash/%s", TARGET_PLACE, (int)conf.subdir.n,
                 conf.subdir.p ? conf.subdir.p : "", name);
    if (n < 0 || n >= (int)sizeof(path))
        return 0;
    if (conf.full_coredump)
        (void)full_dump(&conf, dir, path);
    (void)rmdir(path); /* unless something is in it */
    return 0;
}

static void read_configuration(void)
{
    static char buf[CONF_MAX_FILE];
    unsigned bad;

    conf_parse(read_text("/kdump.conf", buf, sizeof(buf)), &conf, &bad);
    if (bad > 0)
        say("%u lines of /kdump.conf make no sense, ignoring", bad);
}

static void say_release(void)
{
    struct utsname names;
    struct span release;

    if (uname(&names) < 0 || !readable || !vmcore_info(&core, "OSRELEASE", &release))
        release = span_str("unknown");
    else if (!span_eq(release, names.release))
        say("this kernel is %s", names.release);
    say("Linux %.*s has crashed", (int)release.n, release.p);
}

int main(void)
{
    int folder, r;

    if (getpid() != 1) {
        (void)fprintf(stderr, "This program is PID 1 of a crash kernel; it reboots the machine.\n");
        return 2;
    }
    machine_start(last_words);
    read_configuration();
    if (open_core() < 0 || (!readable && !conf.full_coredump))
        machine_reboot();
    say_release();
    modules_load();
    folder = target_open(&conf);
    r = folder < 0 ? folder : save(folder);
    if (r < 0 && readable)
        save_elsewhere();
    if (folder >= 0)
        target_close(folder);
    machine_reboot();
}
