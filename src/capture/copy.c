/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "capture/full.h"

enum {
    BLOCK = 4096, /* what is looked at for being zero */
    CHUNK = 64 * BLOCK,
    FLUSH = 8 << 20, /* written between two waits for the disk: memory is scarce here */
};

static bool is_zero(const char *p)
{
    static const char zero[BLOCK];

    return memcmp(p, zero, BLOCK) == 0;
}

static int write_at(int fd, const char *p, size_t n, uint64_t offset)
{
    while (n > 0) {
        ssize_t done = pwrite(fd, p, n, (off_t)offset);

        if (done < 0 && errno != EINTR)
            return -errno;
        if (done > 0) {
            p += done;
            n -= (size_t)done;
            offset += (uint64_t)done;
        }
    }
    return 0;
}

/* The parts of a chunk that are not zero. */
static int write_chunk(int fd, const char *p, size_t n, uint64_t offset, uint64_t *written)
{
    size_t start = 0, end;
    int r;

    while (start < n) {
        if (n - start >= BLOCK && is_zero(p + start)) {
            start += BLOCK;
            continue;
        }
        end = start;
        while (end < n && !(n - end >= BLOCK && is_zero(p + end)))
            end += n - end < BLOCK ? n - end : BLOCK;
        r = write_at(fd, p + start, end - start, offset + start);
        if (r < 0)
            return r;
        *written += end - start;
        start = end;
    }
    return 0;
}

/* A page that cannot be read is a hole: the rest is worth having. */
static ssize_t read_chunk(int fd, char *buf, uint64_t offset)
{
    ssize_t n;

    do
        n = pread(fd, buf, CHUNK, (off_t)offset);
    while (n < 0 && errno == EINTR);
    if (n < 0 && (errno == EIO || errno == EFAULT)) {
        memset(buf, 0, BLOCK);
        do
            n = pread(fd, buf, BLOCK, (off_t)offset);
        while (n < 0 && errno == EINTR);
        if (n < 0 && (errno == EIO || errno == EFAULT)) {
            memset(buf, 0, BLOCK);
            return BLOCK;
        }
    }
    return n < 0 ? -errno : n;
}

int full_copy(int from, int to, uint64_t limit_bytes, int (*progress)(uint64_t offset))
{
    static char buf[CHUNK];
    uint64_t offset = 0, written = 0, flushed = 0;
    const off_t size = lseek(from, 0, SEEK_END);
    int r;

    if (size <= 0)
        return size < 0 ? -errno : -ENODATA;
    while (offset < (uint64_t)size) {
        ssize_t n = read_chunk(from, buf, offset);

        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        r = write_chunk(to, buf, (size_t)n, offset, &written);
        if (r < 0)
            return r;
        if (written > limit_bytes)
            return -ENOSPC;
        offset += (uint64_t)n;
        if (written - flushed >= FLUSH) {
            if (fdatasync(to) < 0)
                return -errno;
            (void)posix_fadvise(to, 0, 0, POSIX_FADV_DONTNEED);
            flushed = written;
        }
        r = progress ? progress(offset) : 0;
        if (r < 0)
            return r;
    }
    if (ftruncate(to, (off_t)offset) < 0 || fsync(to) < 0)
        return -errno;
    return 0;
}
