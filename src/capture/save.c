/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/macro.h"
#include "capture/save.h"
#include "capture/target.h"

#define DMESG_NAME "dmesg.txt"
#define DMESG_TEMPORARY ".tmp-dmesg.txt"

/* YYYYMMDDHHMMSS in UTC. */
static void format_timestamp(int64_t seconds, char out[SAVE_NAME])
{
    time_t t = (time_t)seconds;
    struct tm tm = { 0 };

    (void)gmtime_r(&t, &tm);
    (void)strftime(out, SAVE_NAME, "%Y%m%d%H%M%S", &tm);
}

int save_directory(int folder, int64_t seconds, char name[SAVE_NAME])
{
    _cleanup_close_ int crash = directory_open(folder, "crash");
    char stamp[SAVE_NAME];
    int fd;

    if (crash < 0)
        return crash;
    format_timestamp(seconds, stamp);
    for (unsigned i = 0; i < 1000; i++) {
        if (i == 0)
            (void)snprintf(name, SAVE_NAME, "%.20s", stamp);
        else
            (void)snprintf(name, SAVE_NAME, "%.20s-%u", stamp, i);
        if (mkdirat(crash, name, 0700) == 0) {
            fd = openat(crash, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (fd < 0)
                return -errno;
            (void)fsync(crash);
            return fd;
        }
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

int save_emit_log(const struct vmcore *v, bool callers, vmcore_emit_fn emit, void *ctx)
{
    static const char note[] =
        "[kdump-steamos: the log is damaged; this is the text in its memory]\n";
    struct vmcore_log log;
    int r = vmcore_dmesg(v, callers, emit, ctx, &log), text;

    if (log.records > 0 || (r != -EBADMSG && r != -EFAULT && r != -ENOMSG))
        return r;
    text = emit(ctx, note, sizeof(note) - 1);
    if (text == 0)
        text = vmcore_log_text(v, emit, ctx);
    return text == -ENOMSG || text == -EBADMSG ? r : text;
}

/* The log goes by twice: once to learn its size, then into the file but for its first bytes. */
struct sink {
    int fd; /* negative: only counts */
    uint64_t skip, size;
};

static int sink_bytes(void *ctx, const char *p, size_t n)
{
    struct sink *sink = ctx;
    size_t skipped = sink->skip < n ? (size_t)sink->skip : n;

    sink->size += n;
    sink->skip -= skipped;
    p += skipped;
    n -= skipped;
    while (sink->fd >= 0 && n > 0) {
        ssize_t done = write(sink->fd, p, n);

        if (done < 0 && errno != EINTR)
            return -errno;
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
    return 0;
}

static int write_dmesg(int fd, const struct vmcore *v, bool callers, uint64_t skip)
{
    static const char note[] = "[kdump-steamos: no room for the log's beginning]\n";
    struct sink sink = { .fd = fd };
    int r = 0;

    if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
        return -errno;
    if (skip > 0)
        r = sink_bytes(&sink, note, sizeof(note) - 1);
    sink.skip = skip;
    if (r == 0)
        r = save_emit_log(v, callers, sink_bytes, &sink);
    /* Some file systems find out here that there is no room. */
    if (r == 0 && fsync(fd) < 0)
        r = -errno;
    return r;
}

int64_t save_dmesg(int dir, const struct vmcore *v, bool callers)
{
    static const uint64_t tails[] = { 512 << 10, 128 << 10, 32 << 10, 8 << 10, 2 << 10 };
    struct sink all = { .fd = -1 };
    _cleanup_close_ int fd = -1;
    uint64_t skip = 0;
    int r;

    r = save_emit_log(v, callers, sink_bytes, &all);
    if (r < 0)
        return r;
    fd = openat(dir, DMESG_TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    r = write_dmesg(fd, v, callers, 0);
    for (size_t i = 0; i < ARRAY_SIZE(tails) && (r == -ENOSPC || r == -EDQUOT); i++) {
        if (tails[i] >= all.size)
            continue;
        skip = all.size - tails[i];
        r = write_dmesg(fd, v, callers, skip);
    }
    if (r == 0 && renameat(dir, DMESG_TEMPORARY, dir, DMESG_NAME) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlinkat(dir, DMESG_TEMPORARY, 0);
        return r;
    }
    return fsync(dir) < 0 ? -errno : (int64_t)(all.size - skip);
}
