/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "capture/superblock.h"
#include "image/devices.h"
#include "image/storage.h"
#include "parse/mountinfo.h"

enum { MAX_MOUNTINFO = 4 << 20, MAX_UDEV = 64 << 10 };

static int find_by_number(const struct root *root, unsigned major, unsigned minor, char *out,
                          size_t size)
{
    char path[64];

    (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", major, minor);
    return sysfs_real_path(root, path, out, size);
}

/* The block device's directory in sysfs. A btrfs has no device number of its own: by what its name
 * leads to ("/dev/mapper/luks-home", "/dev/disk/by-partsets/shared/home"), or by the name. */
static int find_device(const struct root *root, const struct mountinfo *mount, char *out,
                       size_t size)
{
    char path[PATH_MAX];
    struct stat st;
    int r = -ENOENT;

    if (mount->major > 0)
        r = find_by_number(root, mount->major, mount->minor, out, size);
    if (r < 0 && root_stat(root, mount->source, &st) == 0 && S_ISBLK(st.st_mode))
        r = find_by_number(root, major(st.st_rdev), minor(st.st_rdev), out, size);
    if (r < 0 && strncmp(mount->source, "/dev/", 5) == 0) {
        (void)snprintf(path, sizeof(path), "/sys/class/block/%s", sysfs_name(mount->source));
        r = sysfs_real_path(root, path, out, size);
    }
    return r;
}

/* ---- names that stay ---- */

/* udev's own notes of a device (/run/udev/data/bMAJ:MIN): "E:ID_FS_UUID=…" */
static bool ask_udev(const struct root *root, const char *sysfs, struct storage *s)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    char path[PATH_MAX], number[32];
    struct span rest, line;
    bool found = false;

    if (snprintf(path, sizeof(path), "%s/dev", sysfs) >= (int)sizeof(path) ||
        root_read_line(root, path, number, sizeof(number)) < 0)
        return false;
    (void)snprintf(path, sizeof(path), "/run/udev/data/b%s", number);
    if (root_read(root, path, MAX_UDEV, &text) < 0)
        return false;
    rest = strbuf_view(&text);
    while (span_next_line(&rest, &line)) {
        /* A btrfs may lie on several partitions: all have its own UUID. */
        if (strcmp(s->fstype, "btrfs") != 0 && span_skip(&line, "E:ID_PART_ENTRY_UUID=") &&
            line.n > 0 && line.n < 48) {
            SAY(s->target, "PARTUUID=%.*s", (int)line.n, line.p);
            return true;
        }
        if (span_skip(&line, "E:ID_FS_UUID=") && line.n > 0 && line.n < 48) {
            SAY(s->target, "UUID=%.*s", (int)line.n, line.p);
            found = true;
        }
    }
    return found;
}

/* Without udev: what the device itself says. */
static bool ask_device(const struct root *root, struct storage *s)
{
    _cleanup_strbuf_ struct strbuf start = { 0 };
    _cleanup_close_ int fd = -EBADF;
    struct superblock superblock;
    char path[PATH_MAX];
    ssize_t n;

    (void)snprintf(path, sizeof(path), "/dev/%s", s->device);
    fd = root_open(root, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0);
    if (fd < 0 || strbuf_reserve(&start, SUPERBLOCK_BYTES) < 0)
        return false;
    n = pread(fd, start.p, SUPERBLOCK_BYTES, 0);
    if (n <= 0 || !superblock_parse((struct span){ start.p, (size_t)n }, &superblock))
        return false;
    SAY(s->target, "UUID=%s", superblock.uuid);
    return true;
}

/* ---- the folder on the file system ---- */

static bool is_going_up(const char *path)
{
    struct span rest = span_str(path), part;

    while (span_next_field(&rest, '/', &part))
        if (span_eq(part, ".."))
            return true;
    return false;
}

/* Without links. What is not there yet, as on a file system that takes nothing, the crash kernel
 * makes below what is there. */
static int find_real_path(const struct root *root, const char *folder, char *out, size_t size)
{
    char above[PATH_MAX], *slash;
    int r, n;

    if (!span_copy(span_str(folder), above, sizeof(above)))
        return -ENAMETOOLONG;
    while ((r = sysfs_real_path(root, above, out, size)) == -ENOENT &&
           (slash = strrchr(above, '/')) && above[1] != '\0')
        slash[slash == above] = '\0';
    if (r < 0)
        return r;
    folder += strlen(above);
    folder += strspn(folder, "/");
    if (folder[0] == '\0')
        return 0;
    if (is_going_up(folder))
        return -ENOENT;
    r = (int)strlen(out);
    n = snprintf(out + r, size - (size_t)r, "%s%s", r > 0 && out[r - 1] == '/' ? "" : "/", folder);
    return n >= (int)size - r ? -ENAMETOOLONG : 0;
}

/* btrfs: the subvolume that is mounted; else the mount's root is a folder bound here. */
static int find_subdir(const struct mountinfo *mount, const char *folder, struct storage *s)
{
    const char *inside = mount->root;
    struct span options = span_str(mount->options), option;
    int n;

    if (strcmp(mount->fstype, "btrfs") == 0)
        while (span_next_field(&options, ',', &option))
            if (span_starts(option, "subvol=") && option.n < sizeof(s->options)) {
                size_t subvolume = option.n - strlen("subvol=");

                SAY(s->options, "%.*s", (int)option.n, option.p);
                if (subvolume > 1 && strncmp(inside, option.p + strlen("subvol="), subvolume) == 0)
                    inside += subvolume;
            }
    while (*inside == '/')
        inside++;
    n = snprintf(s->subdir, sizeof(s->subdir), "%s%s%s", inside, *inside ? "/" : "",
                 mountinfo_below(mount, folder));
    return n >= (int)sizeof(s->subdir) ? -ENAMETOOLONG : 0;
}

int storage_find(const struct root *root, const char *folder, struct storage *out)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    char device[PATH_MAX], real[PATH_MAX];
    struct mountinfo mount;
    int r = root_read(root, "/proc/self/mountinfo", MAX_MOUNTINFO, &text);

    *out = (struct storage){ 0 };
    if (r == 0)
        r = find_real_path(root, folder, real, sizeof(real));
    if (r < 0)
        return r;
    folder = real;
    if (!mountinfo_find(strbuf_view(&text), folder, &mount)) {
        SAY(out->problem, "no mount holds %.180s", folder);
        return -ENODEV;
    }
    (void)span_copy(span_str(mount.fstype), out->fstype, sizeof(out->fstype));
    r = find_device(root, &mount, device, sizeof(device));
    if (r < 0) {
        SAY(out->problem, "%.100s lies on %.40s (%.60s), which is no local disk", folder,
            mount.fstype, mount.source);
        return -ENODEV;
    }
    (void)span_copy(span_str(sysfs_name(device)), out->device, sizeof(out->device));
    if (strcmp(out->fstype, "ext2") == 0 || strcmp(out->fstype, "ext3") == 0)
        (void)span_copy(span_str("ext4"), out->fstype, sizeof(out->fstype));
    r = find_subdir(&mount, folder, out);
    if (r == 0)
        r = devices_walk(root, device, out);
    if (r < 0)
        return r;
    if (!ask_udev(root, device, out) && !ask_device(root, out)) {
        SAY(out->problem,
            "%s has no name that stays: neither udev nor its first blocks have a UUID",
            out->device);
        return -ENODEV;
    }
    r = devices_walk_members(root, out);
    return r == 0 ? devices_take_watchdogs(root, out) : r;
}
