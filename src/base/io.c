/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>

#include "base/io.h"

int fd_read_all(int fd, size_t max, struct strbuf *out)
{
    size_t total = 0;

    for (;;) {
        size_t want = MIN(max - total + 1, (size_t)65536);
        ssize_t got;
        int r;

        r = strbuf_reserve(out, want);
        if (r < 0)
            return r;
        got = read(fd, out->p + out->n, want);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        out->n += (size_t)got;
        out->p[out->n] = '\0';
        total += (size_t)got;
        if (got == 0)
            return 0;
        if (total > max) {
            out->n -= total - max;
            out->p[out->n] = '\0';
            return -EFBIG;
        }
    }
}

int fd_read_tail(int fd, size_t max, struct strbuf *out)
{
    struct stat st;
    int r, more = 0;

    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        off_t at = lseek(fd, 0, SEEK_CUR);

        if (at >= 0 && st.st_size - at > (off_t)max) {
            if (lseek(fd, st.st_size - (off_t)max, SEEK_SET) < 0)
                return -errno;
            more = 1;
        }
    }
    /* One that grows meanwhile, or a pipe: all but the last is forgotten, a good part at a time. */
    while ((r = fd_read_all(fd, max * 2 - out->n - 1, out)) == -EFBIG) {
        memmove(out->p, out->p + (out->n - max), max);
        out->n = max;
        more = 1;
    }
    if (r < 0)
        return r;
    if (out->n > max) {
        memmove(out->p, out->p + (out->n - max), max);
        out->n = max;
        out->p[max] = '\0';
        more = 1;
    }
    return more;
}

int fd_write_all(int fd, const void *p, size_t n)
{
    const char *at = p;

    while (n > 0) {
        ssize_t put = write(fd, at, n);

        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        if (put == 0)
            return -EIO;
        at += put;
        n -= (size_t)put;
    }
    return 0;
}

int file_read_at(int dirfd, const char *name, size_t max, struct strbuf *out)
{
    _cleanup_close_ int fd = -EBADF;
    struct stat st;

    /* O_NONBLOCK: a FIFO of this name must not hang us. */
    fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EINVAL;
    return fd_read_all(fd, max, out);
}

int dir_open_or_make(int dirfd, const char *name, mode_t mode)
{
    int fd;

    if (mkdirat(dirfd, name, mode) < 0) {
        if (errno != EEXIST)
            return -errno;
    } else if (fd_sync(dirfd) < 0) {
        return -EIO;
    }
    fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

int fd_inherit_owner(int fd, int dirfd)
{
    struct stat folder, st;

    if (geteuid() != 0)
        return 0;
    if (fstat(dirfd, &folder) < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (st.st_uid == folder.st_uid && st.st_gid == folder.st_gid)
        return 0;
    return fchown(fd, folder.st_uid, folder.st_gid) < 0 && errno != EPERM && errno != EINVAL
               ? -errno
               : 0;
}

int fd_sync(int fd)
{
    if (fsync(fd) < 0 && errno != EINVAL && errno != EROFS)
        return -errno;
    return 0;
}

DIR *dir_stream(int fd)
{
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

    if (!dir)
        close_fd(&fd);
    return dir;
}

int dir_list_read(int dirfd, int (*filter)(const struct dirent *),
                  int (*order)(const struct dirent **, const struct dirent **),
                  struct dir_list *out)
{
    struct dirent **entries;
    int n = scandirat(dirfd, ".", &entries, filter, order);

    if (n < 0)
        return -errno;
    *out = (struct dir_list){ entries, n };
    return 0;
}

void dir_list_free(struct dir_list *list)
{
    for (int i = 0; i < list->n; i++)
        free(list->entries[i]);
    free(list->entries);
    *list = (struct dir_list){ 0 };
}
