/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "capture/device.h"
#include "capture/machine.h"

enum {
    MAX_DEVICES = 1024, /* looked at in one round */
    NAME = 64,
    SECTOR = 512,
    MAX_SECTOR = 4096,
};

/* include/uapi/linux/btrfs.h; libc's headers do not have it. */
struct btrfs_scan {
    int64_t fd;
    char name[4088];
};
#define BTRFS_SCAN _IOW(0x94, 4, struct btrfs_scan)

typedef bool (*match_fn)(const char *name, struct span wanted, struct device *out);

static bool device_path(const char *name, char out[DEVICE_PATH])
{
    int n = snprintf(out, DEVICE_PATH, "/dev/%s", name);

    /* A '/' in a device's name is '!' in sysfs. */
    for (char *p = out; *p; p++)
        if (*p == '!')
            *p = '/';
    return n > 0 && n < DEVICE_PATH;
}

/* Bytes of a device: as many as there are, up to n. */
static struct span read_device(const char *name, uint64_t offset, char *buf, size_t n)
{
    char path[DEVICE_PATH];
    size_t done = 0;

    if (!device_path(name, path) || offset > INT64_MAX - n)
        return (struct span){ buf, 0 };
    {
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

        while (fd >= 0 && done < n) {
            ssize_t got = pread(fd, buf + done, n - done, (off_t)(offset + done));

            if (got < 0 && errno == EINTR)
                continue;
            if (got <= 0)
                break;
            done += (size_t)got;
        }
    }
    return span_bytes(buf, done);
}

static struct span read_attribute(const char *name, const char *attribute, char *buf, size_t size)
{
    char path[128];
    int n = snprintf(path, sizeof(path), "/sys/class/block/%s/%s", name, attribute);

    if (n < 0 || n >= (int)sizeof(path))
        return (struct span){ buf, 0 };
    return read_text(path, buf, size);
}

/* The disk that a partition is on: the directory above its own in sysfs. */
static bool disk_of(const char *name, char out[NAME])
{
    char link[128], target[512];
    struct span text, part, last = { 0 }, before = { 0 };
    ssize_t n;

    if (snprintf(link, sizeof(link), "/sys/class/block/%s", name) >= (int)sizeof(link))
        return false;
    n = readlink(link, target, sizeof(target));
    if (n <= 0)
        return false;
    text = span_bytes(target, (size_t)n);
    while (span_next_field(&text, '/', &part)) {
        before = last;
        last = part;
    }
    return before.n > 0 && span_copy(before, out, NAME);
}

/* From the disk's partition table, for kernels before 6.11 do not tell. */
static bool partuuid_of(const char *name, char out[SUPERBLOCK_UUID])
{
    static char sector[MAX_SECTOR];
    char buf[32], disk[NAME];
    uint64_t number, size, offset;

    if (!span_to_u64(read_attribute(name, "partition", buf, sizeof(buf)), &number) ||
        number > 65535 || !disk_of(name, disk))
        return false;
    if (!span_to_u64(read_attribute(disk, "queue/logical_block_size", buf, sizeof(buf)), &size) ||
        size < SECTOR || size > MAX_SECTOR)
        size = SECTOR;
    if (gpt_find_entry(read_device(disk, size, sector, (size_t)size), size, (unsigned)number,
                       &offset))
        return gpt_partuuid(read_device(disk, offset, sector, GPT_ENTRY), out);
    return mbr_partuuid(read_device(disk, 0, sector, SECTOR), (unsigned)number, out);
}

static bool matches_partuuid(const char *name, struct span wanted, struct device *out)
{
    char buf[1024], uuid[SUPERBLOCK_UUID];
    struct span text = read_attribute(name, "uevent", buf, sizeof(buf)), line;

    while (span_next_line(&text, &line))
        if (span_skip(&line, "PARTUUID="))
            return span_copy(line, uuid, sizeof(uuid)) && span_eq_case(wanted, uuid);
    return partuuid_of(name, uuid) && span_eq_case(wanted, uuid);
}

static bool read_superblock(const char *name, struct superblock *out)
{
    static char bytes[SUPERBLOCK_BYTES];

    return superblock_parse(read_device(name, 0, bytes, sizeof(bytes)), out);
}

static bool matches_uuid(const char *name, struct span wanted, struct device *out)
{
    return read_superblock(name, &out->superblock) && span_eq_case(wanted, out->superblock.uuid);
}

/* Calls match for each device that has a medium; stops at the first that matches, unless all. How
 * many did. */
static uint64_t for_each(match_fn match, struct span wanted, bool all, struct device *out)
{
    DIR *dir = opendir("/sys/class/block");
    struct dirent *entry;
    uint64_t found = 0;
    unsigned n = 0;

    while (dir && (all || found == 0) && (entry = readdir(dir)) && n++ < MAX_DEVICES) {
        char buf[32];
        uint64_t sectors;

        if (entry->d_name[0] == '.' || strlen(entry->d_name) >= NAME ||
            !span_to_u64(read_attribute(entry->d_name, "size", buf, sizeof(buf)), &sectors) ||
            sectors == 0)
            continue;
        if (match(entry->d_name, wanted, out) && device_path(entry->d_name, out->path))
            found++;
    }
    if (dir)
        (void)closedir(dir);
    return found;
}

int device_find(struct span wanted, struct device *out)
{
    struct device device = { 0 };
    struct stat st;

    if (span_skip(&wanted, "PARTUUID=")) {
        if (for_each(matches_partuuid, wanted, false, &device) == 0)
            return -ENOENT;
    } else if (span_skip(&wanted, "UUID=")) {
        if (for_each(matches_uuid, wanted, false, &device) == 0)
            return -ENOENT;
    } else if (!span_starts(wanted, "/dev/") ||
               !span_copy(wanted, device.path, sizeof(device.path))) {
        return -EINVAL;
    } else if (stat(device.path, &st) < 0 || !S_ISBLK(st.st_mode)) {
        return -ENOENT;
    }
    device.known = read_superblock(device.path + strlen("/dev/"), &device.superblock);
    *out = device;
    return 0;
}

static bool scan_one(const char *name, struct span wanted, struct device *out)
{
    static struct btrfs_scan scan;
    _cleanup_close_ int fd = -1;

    if (!matches_uuid(name, wanted, out) || !device_path(name, scan.name))
        return false;
    fd = open("/dev/btrfs-control", O_RDWR | O_CLOEXEC);
    return fd >= 0 && ioctl(fd, BTRFS_SCAN, &scan) == 0;
}

uint64_t device_scan_btrfs(const char *uuid)
{
    struct device device;

    return for_each(scan_one, span_str(uuid), true, &device);
}
