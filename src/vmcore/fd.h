/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cores that are files: the only part of this room that makes a system call. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The read of a struct vmcore_file whose ctx points to a file descriptor. */
int vmcore_fd_read(void *fd, uint64_t offset, void *buf, size_t n);
