/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pure: what a block device holds, from its first bytes. Names a device where there is no udev.
 * UUIDs are text as blkid and /dev/disk/by-uuid have them.
 */
#pragma once

#include "base/span.h"

enum {
    SUPERBLOCK_BYTES = 68 << 10, /* all superblocks that are known lie in these first bytes */
    SUPERBLOCK_UUID = 37,
};

struct superblock {
    const char *fstype; /* as mount(2) wants it: a constant */
    char uuid[SUPERBLOCK_UUID];
    uint64_t devices; /* of a btrfs that lies on several; 1 */
};

/* ext2, ext3 and ext4 (all mounted as ext4), xfs, btrfs, f2fs, vfat. False: none of them. */
bool superblock_parse(struct span start, struct superblock *out);

enum {
    GPT_ENTRY = 128, /* bytes that are looked at of an entry */
};

/* Where the partition table has the entry of partition `number` (from 1): its byte offset on the
 * disk. sector1 is the disk's sector 1 (the GPT header, UEFI 2.10, 5.3.2), sector_size in bytes.
 * False: no GPT, or not so many partitions. */
bool gpt_find_entry(struct span sector1, uint64_t sector_size, unsigned number, uint64_t *offset);
/* The PARTUUID of an entry. False: the entry is not in use. */
bool gpt_partuuid(struct span entry, char out[SUPERBLOCK_UUID]);
/* The PARTUUID that the kernel gives to a partition of an MBR disk: SSSSSSSS-NN of the disk's
 * signature (block/partitions/msdos.c). False: no MBR. */
bool mbr_partuuid(struct span sector0, unsigned number, char out[SUPERBLOCK_UUID]);
