/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "capture/full.h"
#include "capture/machine.h"

enum {
    POLL_MS = 100,
    TELL_SECONDS = 5,    /* between two lines of progress */
    STALL_SECONDS = 300, /* in which the file must have grown */
    TOTAL_SECONDS = 3600,
    STEP_SECONDS = 600, /* the guardian's limit; longer than a stall */
};
#define RESERVE (16ULL << 20) /* bytes left free on the target */
#define LEAST_FOR_FILTER (32ULL << 20)

/* Bytes that may still be written. */
static uint64_t room(int dir)
{
    struct statvfs fs;
    uint64_t n;

    if (fstatvfs(dir, &fs) < 0 || __builtin_mul_overflow(fs.f_bavail, fs.f_frsize, &n))
        return 0;
    return n > RESERVE ? n - RESERVE : 0;
}

static uint64_t mib(uint64_t bytes)
{
    return bytes >> 20;
}

/* ---- makedumpfile ---- */

static _Noreturn void exec_filter(char *argv[])
{
    static const char *const places[] = { "", "/usr/bin/", "/usr/sbin/", "/bin/", "/sbin/" };
    char *const environment[] = { (char[]){ "PATH=/usr/bin:/usr/sbin:/bin:/sbin" },
                                  (char[]){ "LC_ALL=C" }, (char[]){ "TMPDIR=/" }, NULL };
    char path[256];
    int null = open("/dev/null", O_RDWR);

    /* Its progress is for terminals; its complaints go to the console. */
    if (null >= 0) {
        (void)dup2(null, 0);
        (void)dup2(null, 1);
    }
    (void)mkdir("/tmp", 0700); /* for a copy of VMCOREINFO */
    (void)signal(SIGPIPE, SIG_DFL);
    (void)write_text("/proc/self/oom_score_adj", "1000");
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        int n = snprintf(path, sizeof(path), "%s%s", places[i], argv[0]);

        if (n > 0 && n < (int)sizeof(path) && path[0] == '/')
            (void)execve(path, argv, environment);
    }
    _exit(127);
}

/* Waits for the filter, and sees to it that it goes on. Its exit status, 128 + signal, or a
 * negative errno where it had to be ended. */
static int watch_filter(pid_t pid, int dir)
{
    double start = uptime(), grew = start, told = start;
    off_t size = 0;
    int status, r = 0;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        double t = uptime();
        struct stat st;

        if (r == 0) /* one that cannot even be killed is the guardian's */
            limit_set(STEP_SECONDS);
        if (fstatat(dir, FULL_INCOMPLETE, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_size != size) {
            size = st.st_size;
            grew = t;
        }
        if (t - told > TELL_SECONDS) {
            say("vmcore: %llu MiB written", (unsigned long long)mib((uint64_t)size));
            told = t;
        }
        if (r == 0 && (t - grew > STALL_SECONDS || t - start > TOTAL_SECONDS))
            r = -ETIMEDOUT;
        else if (r == 0 && size > 0 && room(dir) == 0)
            r = -ENOSPC;
        if (r < 0)
            (void)kill(pid, SIGKILL);
        sleep_ms(POLL_MS);
    }
    if (r < 0)
        return r;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* 0: vmcore-incomplete is a whole dump. */
static int run_filter(const struct conf *conf, int dir, const char *path)
{
    char words[2048], source[] = "/proc/vmcore", target[512];
    char *argv[CONF_MAX_WORDS + 3];
    size_t n = conf_words(conf->makedumpfile, words, sizeof(words), argv, CONF_MAX_WORDS);
    struct stat st;
    pid_t pid;
    int r;

    if (n == 0)
        return -ENOENT;
    if (room(dir) < LEAST_FOR_FILTER) {
        say("vmcore: only %llu MiB free", (unsigned long long)mib(room(dir)));
        return -ENOSPC;
    }
    r = snprintf(target, sizeof(target), "%s/%s", path, FULL_INCOMPLETE);
    if (r < 0 || r >= (int)sizeof(target))
        return -ENAMETOOLONG;
    argv[n++] = source;
    argv[n++] = target;
    argv[n] = NULL;
    say("vmcore: %.*s", (int)conf->makedumpfile.n, conf->makedumpfile.p);
    pid = fork();
    if (pid == 0)
        exec_filter(argv);
    if (pid < 0)
        return -errno;
    r = watch_filter(pid, dir);
    if (r > 0) {
        say("vmcore: %s ended with status %d", argv[0], r);
        return -EIO;
    }
    if (r == 0 && (fstatat(dir, FULL_INCOMPLETE, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_size == 0))
        r = -ENODATA; /* it says that all is well, and has written nothing */
    if (r < 0)
        say("vmcore: %s was of no use: %s", argv[0], errno_text(r));
    return r;
}

/* ---- as it is ---- */

static double copy_start, copy_told;

static int tell_copy(uint64_t offset)
{
    double t = uptime();

    limit_set(STEP_SECONDS);
    if (t - copy_told > TELL_SECONDS) {
        say("vmcore: %llu MiB copied", (unsigned long long)mib(offset));
        copy_told = t;
    }
    return t - copy_start > TOTAL_SECONDS ? -ETIMEDOUT : 0;
}

static int copy_core(int dir)
{
    _cleanup_close_ int from = open("/proc/vmcore", O_RDONLY | O_CLOEXEC), to = -1;
    uint64_t size, free_bytes = room(dir);
    off_t end = from >= 0 ? lseek(from, 0, SEEK_END) : -1;

    if (end < 0)
        return -errno;
    size = (uint64_t)end;
    /* Zero pages are not written, but how many there are is not known before. */
    if (size > free_bytes) {
        say("vmcore: no room for a copy as it is: up to %llu MiB, %llu MiB free",
            (unsigned long long)mib(size), (unsigned long long)mib(free_bytes));
        return -ENOSPC;
    }
    to = openat(dir, FULL_INCOMPLETE, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0)
        return -errno;
    say("vmcore: copying up to %llu MiB as they are", (unsigned long long)mib(size));
    copy_start = copy_told = uptime();
    return full_copy(from, to, free_bytes, tell_copy);
}

/* ---- both ---- */

static int finish(int dir)
{
    _cleanup_close_ int fd = openat(dir, FULL_INCOMPLETE, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0)
        return -errno;
    (void)fchmod(fd, 0600); /* not every file system has modes */
    if (fsync(fd) < 0 || fstat(fd, &st) < 0 || renameat(dir, FULL_INCOMPLETE, dir, FULL_NAME) < 0 ||
        fsync(dir) < 0)
        return -errno;
    say("vmcore: done, %llu MiB", (unsigned long long)mib((uint64_t)st.st_size));
    return 0;
}

int full_dump(const struct conf *conf, int dir, const char *path)
{
    int r;

    limit_set(STEP_SECONDS);
    r = run_filter(conf, dir, path);
    if (r < 0) {
        /* What it has written takes the room of a copy. */
        struct stat st = { 0 };
        bool partial = fstatat(dir, FULL_INCOMPLETE, &st, AT_SYMLINK_NOFOLLOW) == 0;

        (void)unlinkat(dir, FULL_INCOMPLETE, 0);
        if (partial)
            say("vmcore: removed %llu MiB of a dump that is not whole",
                (unsigned long long)mib((uint64_t)st.st_size));
        r = copy_core(dir);
        if (r == -ENOSPC)
            (void)unlinkat(dir, FULL_INCOMPLETE, 0);
    }
    if (r == 0)
        r = finish(dir);
    if (r < 0)
        say("vmcore: not saved: %s", errno_text(r));
    return r;
}
