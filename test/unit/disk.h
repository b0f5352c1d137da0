/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a capture image of Linux 6.1.0 is made from, in a tree: one disk, no modules. */
#pragma once

#include "unit.h"

#include <limits.h>

#define DISK_KERNEL "6.1.0"
#define DISK "/sys/devices/pci0000:00/0000:00:01.0/block/vda"

static inline void disk_link(struct unit_tree *t, const char *path, const char *target)
{
    char full[PATH_MAX];

    (void)snprintf(full, sizeof(full), "%s%s", t->dir, path);
    unit_write_str(t, path, "");
    assert_int_equal(unlink(full), 0);
    assert_int_equal(symlink(target, full), 0);
}

static inline void disk_create(struct unit_tree *t)
{
    unit_write_str(t, "/proc/self/mountinfo", "20 1 254:0 / / rw - ext4 /dev/vda rw\n");
    unit_write_str(t, DISK "/dev", "254:0\n");
    unit_write_str(t, "/sys/bus/pci/drivers/virtio-pci/bind", "");
    disk_link(t, "/sys/devices/pci0000:00/0000:00:01.0/driver", "/sys/bus/pci/drivers/virtio-pci");
    disk_link(t, "/sys/dev/block/254:0", DISK);
    unit_write_str(t, "/run/udev/data/b254:0", "E:ID_FS_UUID=1234\n");
    unit_write_str(t, "/usr/lib/modules/" DISK_KERNEL "/modules.order", "");
    unit_write_str(t, "/usr/lib/kdump-steamos/capture", "capture");
}
