/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/superblock.h"

static const char hex[] = "0123456789abcdef";

static uint64_t number(struct span s, size_t at, size_t width)
{
    uint64_t value = 0;

    if (at <= s.n && s.n - at >= width)
        memcpy(&value, s.p + at, width);
    return value;
}

static bool has(struct span s, size_t at, const char *magic, size_t n)
{
    return at <= s.n && s.n - at >= n && memcmp(s.p + at, magic, n) == 0;
}

/* 16 bytes in the order of the text. */
static void format_uuid(const char *bytes, char out[SUPERBLOCK_UUID])
{
    size_t n = 0;

    for (unsigned i = 0; i < 16; i++) {
        unsigned char byte = (unsigned char)bytes[i];

        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[n++] = '-';
        out[n++] = hex[byte >> 4];
        out[n++] = hex[byte & 15];
    }
    out[n] = '\0';
}

/* The file systems with a 16-byte UUID; layouts of fs/ext4/ext4.h, fs/xfs/libxfs/xfs_format.h,
 * include/uapi/linux/btrfs_tree.h, include/linux/f2fs_fs.h. */
static const struct {
    const char *fstype;
    size_t magic_at;
    const char *magic;
    size_t magic_n, uuid_at;
} with_uuid[] = {
    { "btrfs", 65536 + 64, "_BHRfS_M", 8, 65536 + 32 },
    { "xfs", 0, "XFSB", 4, 32 },
    { "f2fs", 1024, "\x10\x20\xf5\xf2", 4, 1024 + 108 },
    { "ext4", 1024 + 56, "\x53\xef", 2, 1024 + 104 },
};
enum { BTRFS_DEVICES = 65536 + 0x88 };

static const struct {
    size_t magic_at;
    const char *magic;
    size_t serial_at;
} fats[] = { { 82, "FAT32   ", 67 }, { 54, "FAT16   ", 39 }, { 54, "FAT12   ", 39 } };

static bool parse_fat(struct span start, struct superblock *out)
{
    if (number(start, 510, 2) != 0xaa55)
        return false;
    for (size_t i = 0; i < sizeof(fats) / sizeof(fats[0]); i++) {
        uint64_t serial;
        char *p = out->uuid;

        if (!has(start, fats[i].magic_at, fats[i].magic, 8))
            continue;
        serial = number(start, fats[i].serial_at, 4);
        for (unsigned nibble = 8; nibble-- > 0;) {
            *p++ = "0123456789ABCDEF"[(serial >> (4 * nibble)) & 15];
            if (nibble == 4)
                *p++ = '-';
        }
        *p = '\0';
        out->fstype = "vfat";
        out->devices = 1;
        return true;
    }
    return false;
}

bool superblock_parse(struct span start, struct superblock *out)
{
    for (size_t i = 0; i < sizeof(with_uuid) / sizeof(with_uuid[0]); i++) {
        if (!has(start, with_uuid[i].magic_at, with_uuid[i].magic, with_uuid[i].magic_n) ||
            start.n < with_uuid[i].uuid_at + 16)
            continue;
        out->fstype = with_uuid[i].fstype;
        format_uuid(start.p + with_uuid[i].uuid_at, out->uuid);
        out->devices = 1;
        if (with_uuid[i].magic_at > 65536)
            out->devices = number(start, BTRFS_DEVICES, 8);
        return true;
    }
    return parse_fat(start, out);
}

bool gpt_find_entry(struct span sector1, uint64_t sector_size, unsigned number_, uint64_t *offset)
{
    uint64_t lba = number(sector1, 72, 8), count = number(sector1, 80, 4);
    uint64_t size = number(sector1, 84, 4), start;

    if (!has(sector1, 0, "EFI PART", 8) || number_ == 0 || number_ > count || size < GPT_ENTRY ||
        size > 4096 || __builtin_mul_overflow(lba, sector_size, &start) ||
        __builtin_add_overflow(start, (number_ - 1) * size, &start))
        return false;
    *offset = start;
    return true;
}

bool gpt_partuuid(struct span entry, char out[SUPERBLOCK_UUID])
{
    /* The first three groups of a GUID are little-endian. */
    static const unsigned char order[16] = { 3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15 };
    char bytes[16];

    if (entry.n < GPT_ENTRY || (number(entry, 0, 8) == 0 && number(entry, 8, 8) == 0))
        return false;
    for (unsigned i = 0; i < 16; i++)
        bytes[i] = entry.p[16 + order[i]];
    format_uuid(bytes, out);
    return true;
}

bool mbr_partuuid(struct span sector0, unsigned number_, char out[SUPERBLOCK_UUID])
{
    uint64_t signature = number(sector0, 440, 4);
    char *p = out;

    if (number(sector0, 510, 2) != 0xaa55 || signature == 0 || number_ == 0 || number_ > 255)
        return false;
    for (unsigned nibble = 8; nibble-- > 0;)
        *p++ = hex[(signature >> (4 * nibble)) & 15];
    *p++ = '-';
    *p++ = hex[number_ >> 4];
    *p++ = hex[number_ & 15];
    *p = '\0';
    return true;
}
