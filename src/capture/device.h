/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds a block device by a stable name, without udev: in /sys/class/block and on the devices. */
#pragma once

#include "capture/superblock.h"

enum { DEVICE_PATH = 80 };

struct device {
    char path[DEVICE_PATH]; /* below /dev */
    bool known;             /* what it holds is in superblock */
    struct superblock superblock;
};

/* Looks once for PARTUUID=…, UUID=… or /dev/…. -ENOENT: not there (yet); -EINVAL: no such kind of
 * name. */
int device_find(struct span wanted, struct device *out);
/* Tells the kernel's btrfs of all devices with this UUID that are there; their number. */
uint64_t device_scan_btrfs(const char *uuid);
