/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The whole memory of the crashed kernel as a file. */
#pragma once

#include "capture/conf.h"

#define FULL_INCOMPLETE "vmcore-incomplete"
#define FULL_NAME "vmcore"

/* Writes vmcore into the directory (its path is needed for makedumpfile's command line): filtered
 * by makedumpfile, or, where that is not there or fails and there is room, as it is. The file is
 * vmcore-incomplete until it is whole; one that no room is left for is removed. Nothing in the core
 * has to make sense for that. All is said on the console. */
int full_dump(const struct conf *conf, int dir, const char *path);

/* Copies the core at `from` to `to`, of which nothing is written where it is zero. limit_bytes: how
 * much may be written at most; -ENOSPC where that is not enough. progress (may be NULL) is told the
 * offset; a negative errno of it ends the copy. */
int full_copy(int from, int to, uint64_t limit_bytes, int (*progress)(uint64_t offset));
