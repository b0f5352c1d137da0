/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole reads and writes on file descriptors. All return 0 or a negative errno. */
#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include "base/strbuf.h"

/* Appends all that fd gives until its end; -EFBIG when that is more than max bytes (what was read
 * so far is then in out). Sizes are not trusted: files of /proc and /sys say 0 or 4096. */
int fd_read_all(int fd, size_t max, struct strbuf *out) _must_check_;
/* Appends at most the last `max` bytes; 1 where there were more before them. out is empty at first,
 * and holds up to twice as much for a while where fd is no regular file. */
int fd_read_tail(int fd, size_t max, struct strbuf *out) _must_check_;
int fd_write_all(int fd, const void *p, size_t n) _must_check_;
/* A regular file below dirfd, read as by fd_read_all. Symbolic links are not followed; anything but
 * a regular file is -EINVAL. */
int file_read_at(int dirfd, const char *name, size_t max, struct strbuf *out) _must_check_;
/* Opens the directory `name` below dirfd, made with this mode if it is missing; returns the fd. */
int dir_open_or_make(int dirfd, const char *name, mode_t mode) _must_check_;
/* Where root has made something (open as fd, and surely new) in another user's folder, it becomes
 * that user's. For anybody else, and where the file system has no owners, nothing happens. */
int fd_inherit_owner(int fd, int dirfd) _must_check_;
/* fsync that accepts file systems without it (-EINVAL, -EROFS on special files). */
int fd_sync(int fd) _must_check_;
/* A stream over the directory at fd, which it takes over in any case; NULL (errno) on failure and
 * for a negative fd. */
DIR *dir_stream(int fd);
static inline void dir_stream_close(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}
#define _cleanup_closedir_ _cleanup_(dir_stream_close)

/* The entries of a directory that scandir(3)'s filter takes, in an order of its (alphasort). */
struct dir_list {
    struct dirent **entries; /* owned, with each */
    int n;
};

int dir_list_read(int dirfd, int (*filter)(const struct dirent *),
                  int (*order)(const struct dirent **, const struct dirent **),
                  struct dir_list *out) _must_check_;
void dir_list_free(struct dir_list *list);
#define _cleanup_dir_list_ _cleanup_(dir_list_free)
