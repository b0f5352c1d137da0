/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The drivers between a device and the machine's buses, from sysfs. Names are added to
 * storage->drivers, what hangs on a controller before the controller. */
#pragma once

#include "image/storage.h"

/* A path of sysfs with its links followed, below the root. */
int sysfs_real_path(const struct root *root, const char *path, char *out, size_t size) _must_check_;
/* The last part of a path. */
const char *sysfs_name(const char *path);

/* device: a block device's directory (disk or partition), its links followed. -ENODEV with
 * s->problem where a crash kernel would not find the disk again: what user space puts together,
 * what is reached over the network, and what has no driver at all. -E2BIG. */
int devices_walk(const struct root *root, const char *device, struct storage *s) _must_check_;
/* The other disks of a btrfs, by its UUID in s->target. */
int devices_walk_members(const struct root *root, struct storage *s) _must_check_;
/* A hardware watchdog that ran when the kernel died runs on: it has to be petted, or it ends the
 * capture. softdog died with the kernel. */
int devices_take_watchdogs(const struct root *root, struct storage *s) _must_check_;
