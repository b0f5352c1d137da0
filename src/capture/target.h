/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file system that takes the capture. */
#pragma once

#include "capture/conf.h"

#define TARGET_PLACE "/target"

/* Loads the modules that /modules.list names, in its order, and takes their files out of memory. */
void modules_load(void);

/* Waits for the device of conf->target, and mounts it; gives a descriptor of the kdump folder on
 * it. Negative errno (said on the console) where the device does not come in time, or cannot be
 * written to. */
int target_open(const struct conf *conf);
/* Takes it out of use, with all that was written to it; whatever cannot be unmounted is at least
 * made read-only. */
void target_close(int folder);

/* The directory `name` below a directory, made (0700) where it is missing; no links are followed.
 * A descriptor, or a negative errno. */
int directory_open(int parent, const char *name);
