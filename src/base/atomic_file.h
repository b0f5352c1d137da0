/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A file that appears whole or not at all: written under a temporary name in its directory, synced,
 * renamed, and the directory synced. Only after atomic_file_commit() has returned 0 may the source
 * of the data be deleted.
 */
#pragma once

#include <limits.h>

#include "base/io.h"

#define ATOMIC_FILE_PREFIX ".tmp-" /* of temporary names; 16 hexadecimal digits follow */

struct atomic_file {
    int dirfd; /* borrowed */
    int fd;    /* owned; write here */
    char name[NAME_MAX + 1];
    char tmp[NAME_MAX + 1];
};

#define ATOMIC_FILE_INIT              \
    {                                 \
        .dirfd = -EBADF, .fd = -EBADF \
    }
#define _cleanup_atomic_file_ _cleanup_(atomic_file_discard)

int atomic_file_open(struct atomic_file *f, int dirfd, const char *name, mode_t mode) _must_check_;
/* replace false: -EEXIST when the name is taken, and f stays open: give it another name with
 * atomic_file_set_name() and try again. */
int atomic_file_commit(struct atomic_file *f, bool replace) _must_check_;
int atomic_file_set_name(struct atomic_file *f, const char *name) _must_check_;
void atomic_file_discard(struct atomic_file *f); /* no-op after a commit */

/* The whole of it for bytes at hand; replaces what has this name. */
int file_write_atomic(int dirfd, const char *name, mode_t mode, struct span bytes) _must_check_;
/* The same for a private file (0600) of the folder's owner. */
int file_write_private(int dirfd, const char *name, struct span bytes) _must_check_;
/* A durable rename that never replaces anything (-EEXIST). */
int rename_durable(int olddirfd, const char *oldname, int newdirfd,
                   const char *newname) _must_check_;
/* A durable unlink; a file that is gone already is fine. */
int unlink_durable(int dirfd, const char *name) _must_check_;
/* Removes the temporary files that an interrupted writer left in this directory, if they are at
 * least age seconds old. Age 0 is only for where no other writer can be at work (the caller holds
 * the folder's lock). */
void atomic_file_sweep(int dirfd, unsigned age);
