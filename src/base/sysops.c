/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <linux/kexec.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/kmod_api.h"
#include "base/log.h"
#include "base/sysops.h"

static int open_kmod(struct kmod_ctx **out)
{
    int r = kmod_api_load();

    if (r < 0)
        return r;
    *out = kmod_api.kmod_new(NULL, NULL);
    return *out ? 0 : -ENOMEM;
}

static int host_module_load(void *ctx, const char *name, const char *options)
{
    _cleanup_(kmod_unrefp) struct kmod_ctx *kmod = NULL;
    _cleanup_(kmod_listp) struct kmod_list *list = NULL;
    int r = open_kmod(&kmod);

    if (r < 0)
        return r;
    r = kmod_api.kmod_module_new_from_lookup(kmod, name, &list);
    if (r < 0)
        return r;
    if (!list)
        return -ENOENT;
    for (struct kmod_list *item = list; item; item = kmod_api.kmod_list_next(list, item)) {
        _cleanup_(kmod_module_unrefp) struct kmod_module *m = kmod_api.kmod_module_get_module(item);

        r = kmod_api.kmod_module_probe_insert_module(m, KMOD_PROBE_FAIL_ON_LOADED, options, NULL,
                                                     NULL, NULL);
        if (r < 0)
            return r;
    }
    return 0;
}

static int host_module_unload(void *ctx, const char *name)
{
    _cleanup_(kmod_unrefp) struct kmod_ctx *kmod = NULL;
    _cleanup_(kmod_module_unrefp) struct kmod_module *m = NULL;
    int r = open_kmod(&kmod);

    if (r < 0)
        return r;
    r = kmod_api.kmod_module_new_from_name(kmod, name, &m);
    return r < 0 ? r : kmod_api.kmod_module_remove_module(m, 0);
}

static int host_mount(void *ctx, const char *source, const char *target, const char *type,
                      unsigned long flags)
{
    return mount(source, target, type, flags, NULL) < 0 ? -errno : 0;
}

/* In the child, between fork and exec: async-signal-safe calls only. */
static _Noreturn void exec_child(const char *const argv[], int output)
{
    static char env_path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", env_locale[] = "LC_ALL=C";
    char *const env[] = { env_path, env_locale, NULL };
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    char **args;

    /* execve's prototype predates const; it does not write. */
    (void)memcpy(&args, &argv, sizeof(args));
    if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
        dup2(null, STDERR_FILENO) < 0)
        _exit(126);
    (void)execve(argv[0], args, env);
    _exit(127);
}

static int64_t now_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Reads the program's output until it closes it; 0, -EFBIG, -ETIMEDOUT or a read error. */
static int collect_output(int fd, size_t max, int64_t deadline, struct strbuf *out)
{
    size_t total = 0;
    char chunk[4096];

    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        int64_t left = deadline - now_ms();
        ssize_t n;
        int r;

        if (left <= 0)
            return -ETIMEDOUT;
        r = poll(&p, 1, (int)MIN(left, (int64_t)60000));
        if (r < 0 && errno != EINTR)
            return -errno;
        if (r <= 0)
            continue;
        n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n < 0)
            continue;
        if (n == 0)
            return 0;
        total += (size_t)n;
        if (total > max)
            return -EFBIG;
        r = strbuf_append(out, chunk, (size_t)n);
        if (r < 0)
            return r;
    }
}

/* A program that has closed its output may still linger: it is given until the deadline. */
static int reap(pid_t pid, int64_t deadline)
{
    const struct timespec tick = { .tv_nsec = 2000000 };
    int status;

    for (;;) {
        pid_t got = waitpid(pid, &status, WNOHANG);

        if (got < 0 && errno != EINTR)
            return -errno;
        if (got == pid)
            break;
        if (now_ms() >= deadline) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            return -ETIMEDOUT;
        }
        (void)nanosleep(&tick, NULL);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int host_run(void *ctx, const char *const argv[], size_t max, unsigned timeout_s,
                    struct strbuf *out)
{
    _cleanup_close_ int reader = -EBADF;
    int64_t deadline = now_ms() + (int64_t)timeout_s * 1000;
    int ends[2], r;
    pid_t pid;

    if (access(argv[0], X_OK) < 0)
        return -errno;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    reader = ends[0];
    pid = fork();
    if (pid < 0) {
        r = -errno;
        (void)close(ends[1]);
        return r;
    }
    if (pid == 0)
        exec_child(argv, ends[1]);
    (void)close(ends[1]);
    r = collect_output(reader, max, deadline, out);
    if (r < 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return r;
    }
    return reap(pid, deadline);
}

static int host_crash(void *ctx)
{
    _cleanup_close_ int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

    if (fd < 0 || write(fd, "c", 1) != 1)
        return -errno;
    return -EOPNOTSUPP; /* and yet it lives */
}

/* glibc has no function for it. The length counts the NUL. */
static int sys_kexec_file_load(int kernel, int image, const char *cmdline, unsigned long flags)
{
    size_t n = cmdline ? strlen(cmdline) + 1 : 0;

    return syscall(SYS_kexec_file_load, kernel, image, n, cmdline, flags) < 0 ? -errno : 0;
}

static int host_kexec_load(void *ctx, int kernel, int image, const char *cmdline)
{
    return sys_kexec_file_load(kernel, image, cmdline, KEXEC_FILE_ON_CRASH);
}

static int host_kexec_unload(void *ctx)
{
    return sys_kexec_file_load(-1, -1, NULL, KEXEC_FILE_UNLOAD | KEXEC_FILE_ON_CRASH);
}

const struct sysops sysops_host = {
    .module_load = host_module_load,
    .module_unload = host_module_unload,
    .mount = host_mount,
    .run = host_run,
    .crash = host_crash,
    .kexec_load = host_kexec_load,
    .kexec_unload = host_kexec_unload,
};

static int planned_module_load(void *ctx, const char *name, const char *options)
{
    log_info("not the running system: would load module %s %s", name, options ? options : "");
    return 0;
}

static int planned_module_unload(void *ctx, const char *name)
{
    log_info("not the running system: would unload module %s", name);
    return 0;
}

static int planned_mount(void *ctx, const char *source, const char *target, const char *type,
                         unsigned long flags)
{
    log_info("not the running system: would mount %s on %s", type, target);
    return 0;
}

static int planned_run(void *ctx, const char *const argv[], size_t max, unsigned timeout_s,
                       struct strbuf *out)
{
    log_debug("not the running system: would run %s", argv[0]);
    return -ENOENT;
}

static int planned_crash(void *ctx)
{
    log_info("not the running system: would crash it");
    return 0;
}

static int planned_kexec_load(void *ctx, int kernel, int image, const char *cmdline)
{
    log_info("not the running system: would load a crash kernel with %s", cmdline);
    return 0;
}

static int planned_kexec_unload(void *ctx)
{
    log_info("not the running system: would unload the crash kernel");
    return 0;
}

const struct sysops sysops_planned = {
    .module_load = planned_module_load,
    .module_unload = planned_module_unload,
    .mount = planned_mount,
    .run = planned_run,
    .crash = planned_crash,
    .kexec_load = planned_kexec_load,
    .kexec_unload = planned_kexec_unload,
};
