/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the crash kernel must be able to reach: the file system of the kdump folder, by a name that
 * does not change from boot to boot, and the drivers between it and the machine's buses.
 */
#pragma once

#include <limits.h>

#include "base/root.h"

enum { STORAGE_MAX_DRIVERS = 64, STORAGE_NAME = 64 };

struct storage {
    char target[64];           /* "PARTUUID=…" or "UUID=…" */
    char fstype[32];           /* as mount(2) wants it */
    char options[128];         /* only what decides which tree is mounted: "subvol=/@home" */
    char subdir[PATH_MAX];     /* the folder, from what is mounted then; no slash in front */
    char device[STORAGE_NAME]; /* the kernel's name now, for messages: "nvme0n1p8" */
    char drivers[STORAGE_MAX_DRIVERS]
                [STORAGE_NAME]; /* modules, from the disk to its controller, and the watchdogs' */
    size_t n_drivers;
    char problem[256]; /* why a crash kernel cannot get there; "" : it can */
};

/* folder: a directory, or where one is to be. Fills *out; -ENODEV with out->problem where the
 * way there cannot be gone by a crash kernel. */
int storage_find(const struct root *root, const char *folder, struct storage *out) _must_check_;
