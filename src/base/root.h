/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rooted file access. Every absolute path that the program reads or writes is resolved below a root
 * directory, and no symbolic link leads out of it (openat2(2), RESOLVE_IN_ROOT), so that a tree of
 * files is a whole test machine.
 */
#pragma once

#include <sys/types.h>

#include "base/io.h"

struct root {
    int fd;    /* O_PATH of the directory */
    bool host; /* it is the running system's own / */
    /* What an automount (autofs) would bring counts as not mounted: who opens it may wait for a
     * network that comes only when he is done. Looked at by the owners of folders (spool_open). */
    bool no_automount;
};

/* Opens the tree at dir ("/" or NULL: the running system). */
int root_init(struct root *root, const char *dir) _must_check_;
void root_done(struct root *root); /* also the cleanup function */
#define _cleanup_root_ _cleanup_(root_done)

/* All take absolute paths; flags get O_CLOEXEC. Negative errno on failure. */
int root_open(const struct root *root, const char *path, int flags, mode_t mode) _must_check_;
int root_open_dir(const struct root *root, const char *path) _must_check_;
/* Opens a directory, making it and what is missing above it (0755 above, mode for the last), each
 * made durable in its parent. Returns the fd. */
int root_make_dir(const struct root *root, const char *path, mode_t mode) _must_check_;
/* A file below a directory that others control: no link is followed below dirfd, nothing but a
 * regular file is accepted (-ELOOP, -EINVAL). */
int open_untrusted(int dirfd, const char *path) _must_check_;
bool root_exists(const struct root *root, const char *path);
int root_stat(const struct root *root, const char *path, struct stat *st) _must_check_;
/* Appends the file's bytes, at most max (-EFBIG with the first max bytes in out). */
int root_read(const struct root *root, const char *path, size_t max,
              struct strbuf *out) _must_check_;
/* The same where the file may be missing, unreadable or too long: out then has what there was of it,
 * and only -ENOMEM is an error. */
int root_read_some(const struct root *root, const char *path, size_t max,
                   struct strbuf *out) _must_check_;
/* The trimmed first line of a small file such as those of sysfs; -EFBIG where it does not fit. */
int root_read_line(const struct root *root, const char *path, char *buf, size_t size) _must_check_;
/* The number in such a file, as span_to_u64() takes it; -EBADMSG where there is none. */
int root_read_u64(const struct root *root, const char *path, uint64_t *out) _must_check_;
/* Writes to a file that exists, in one write(2), as sysfs and /proc want it. */
int root_write(const struct root *root, const char *path, const char *text) _must_check_;
