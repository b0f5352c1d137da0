/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <time.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/atomic_file.h"

int atomic_file_set_name(struct atomic_file *f, const char *name)
{
    if (name[0] == '\0' || strchr(name, '/') || strlen(name) > NAME_MAX)
        return -EINVAL;
    (void)span_copy(span_str(name), f->name, sizeof(f->name));
    return 0;
}

int atomic_file_open(struct atomic_file *f, int dirfd, const char *name, mode_t mode)
{
    uint64_t random;
    int r = atomic_file_set_name(f, name);

    if (r < 0)
        return r;
    for (unsigned tries = 0; tries < 16; tries++) {
        if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
            random = (uint64_t)getpid() << 32 | tries; /* early boot: O_EXCL still guards */
        (void)snprintf(f->tmp, sizeof(f->tmp), ATOMIC_FILE_PREFIX "%016llx",
                       (unsigned long long)random);
        f->fd = openat(dirfd, f->tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (f->fd >= 0) {
            f->dirfd = dirfd;
            return 0;
        }
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

/* Without RENAME_NOREPLACE (vfat in old kernels, FUSE) the check and the rename are two steps; the
 * folder's lock keeps other writers of ours away in between. */
static int rename_noreplace(int olddirfd, const char *oldname, int newdirfd, const char *newname)
{
    if (renameat2(olddirfd, oldname, newdirfd, newname, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    if (faccessat(newdirfd, newname, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    if (errno != ENOENT)
        return -errno;
    return renameat(olddirfd, oldname, newdirfd, newname) < 0 ? -errno : 0;
}

int atomic_file_commit(struct atomic_file *f, bool replace)
{
    int r = fd_sync(f->fd);

    if (r < 0)
        return r;
    if (replace)
        r = renameat(f->dirfd, f->tmp, f->dirfd, f->name) < 0 ? -errno : 0;
    else
        r = rename_noreplace(f->dirfd, f->tmp, f->dirfd, f->name);
    if (r < 0)
        return r;
    f->tmp[0] = '\0';
    r = fd_sync(f->dirfd);
    atomic_file_discard(f);
    return r;
}

void atomic_file_discard(struct atomic_file *f)
{
    int saved = errno;

    if (f->fd < 0)
        return;
    (void)close(f->fd);
    f->fd = -EBADF;
    if (f->tmp[0])
        (void)unlinkat(f->dirfd, f->tmp, 0);
    f->tmp[0] = '\0';
    errno = saved;
}

int file_write_atomic(int dirfd, const char *name, mode_t mode, struct span bytes)
{
    _cleanup_atomic_file_ struct atomic_file f = ATOMIC_FILE_INIT;
    int r = atomic_file_open(&f, dirfd, name, mode);

    if (r < 0)
        return r;
    r = fd_write_all(f.fd, bytes.p, bytes.n);
    return r < 0 ? r : atomic_file_commit(&f, true);
}

int file_write_private(int dirfd, const char *name, struct span bytes)
{
    _cleanup_atomic_file_ struct atomic_file f = ATOMIC_FILE_INIT;
    int r = atomic_file_open(&f, dirfd, name, 0600);

    if (r == 0)
        r = fd_inherit_owner(f.fd, dirfd);
    if (r == 0)
        r = fd_write_all(f.fd, bytes.p, bytes.n);
    return r < 0 ? r : atomic_file_commit(&f, true);
}

int rename_durable(int olddirfd, const char *oldname, int newdirfd, const char *newname)
{
    int r = rename_noreplace(olddirfd, oldname, newdirfd, newname);

    if (r < 0)
        return r;
    r = fd_sync(newdirfd);
    return r < 0 ? r : fd_sync(olddirfd);
}

/* On a read-only file system unlink(2) fails before it looks (do_unlinkat() in fs/namei.c, 6.12).
 */
static bool is_missing(int dirfd, const char *name)
{
    return faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT;
}

int unlink_durable(int dirfd, const char *name)
{
    int r = unlinkat(dirfd, name, 0) < 0 ? -errno : 0;

    if (r < 0)
        return r == -ENOENT || (r == -EROFS && is_missing(dirfd, name)) ? 0 : r;
    return fd_sync(dirfd);
}

static bool is_older(int dirfd, const char *name, time_t limit)
{
    struct stat st;

    return fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_mtime <= limit;
}

/* Only what atomic_file_open() makes: other programs' files may begin alike. */
static bool is_temporary(const char *name)
{
    struct span rest = span_str(name);

    return span_skip(&rest, ATOMIC_FILE_PREFIX) && rest.n == 16 &&
           strspn(rest.p, "0123456789abcdef") == 16;
}

void atomic_file_sweep(int dirfd, unsigned age)
{
    _cleanup_closedir_ DIR *dir =
        dir_stream(openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    time_t limit = time(NULL) - (time_t)age;
    const struct dirent *entry;

    while (dir && (entry = readdir(dir)))
        if (is_temporary(entry->d_name) && (age == 0 || is_older(dirfd, entry->d_name, limit)))
            (void)unlinkat(dirfd, entry->d_name, 0);
}
