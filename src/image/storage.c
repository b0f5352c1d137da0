/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "capture/superblock.h"
#include "image/storage.h"
#include "parse/mountinfo.h"

#define SAY(field, ...) ((void)snprintf((field), sizeof(field), __VA_ARGS__))

enum {
    MAX_MOUNTINFO = 4 << 20,
    MAX_UDEV = 64 << 10,
    MAX_PARENTS = 24,
    MAX_MEMBERS = 16,
    MAX_WATCHDOGS = 4
};

/* A path of sysfs with its links followed, below the root. */
static int real_path(const struct root *root, const char *path, char *out, size_t size)
{
    _cleanup_close_ int fd = root_open_dir(root, path);
    char proc[64], top[PATH_MAX], real[PATH_MAX];
    ssize_t n, n_top;

    if (fd < 0)
        return fd;
    (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
    n = readlink(proc, real, sizeof(real) - 1);
    (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", root->fd);
    n_top = readlink(proc, top, sizeof(top) - 1);
    if (n < 0 || n_top < 0)
        return -errno;
    real[n] = top[n_top] = '\0';
    if (n_top == 1)
        n_top = 0;
    if (strncmp(real, top, (size_t)n_top) != 0)
        return -EXDEV;
    return span_copy(span_str(real + n_top), out, size) ? 0 : -ENAMETOOLONG;
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The block device's directory in sysfs. A btrfs has no device number of its own: by its name. */
static int find_device(const struct root *root, const struct mountinfo *mount, char *out,
                       size_t size)
{
    char path[PATH_MAX];
    int r = -ENOENT;

    if (mount->major > 0) {
        (void)snprintf(path, sizeof(path), "/sys/dev/block/%u:%u", mount->major, mount->minor);
        r = real_path(root, path, out, size);
    }
    if (r < 0 && strncmp(mount->source, "/dev/", 5) == 0) {
        (void)snprintf(path, sizeof(path), "/sys/class/block/%s", last_name(mount->source));
        r = real_path(root, path, out, size);
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

/* ---- the way from the disk to its controller ---- */

static int add_driver(struct storage *s, const char *name)
{
    for (size_t i = 0; i < s->n_drivers; i++)
        if (strcmp(s->drivers[i], name) == 0)
            return 0;
    if (s->n_drivers == STORAGE_MAX_DRIVERS)
        return -E2BIG;
    return span_copy(span_str(name), s->drivers[s->n_drivers++], STORAGE_NAME) ? 0 : -ENAMETOOLONG;
}

/* The module of the driver that is bound to a device; none where the driver is part of the kernel.
 */
static int take_driver(const struct root *root, const char *device, struct storage *s)
{
    char path[PATH_MAX], module[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/driver/module", device) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    if (real_path(root, path, module, sizeof(module)) < 0)
        return 0;
    return add_driver(s, last_name(module));
}

/* What is no disk of its own. These are put together by user space, which a crash kernel has not.
 */
static int refuse_stacked(const struct root *root, const char *device, struct storage *s)
{
    char path[PATH_MAX], uuid[160] = "";

    if (snprintf(path, sizeof(path), "%s/dm/uuid", device) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    if (root_read_line(root, path, uuid, sizeof(uuid)) == 0) {
        if (strncmp(uuid, "CRYPT-", 6) == 0)
            SAY(s->problem,
                "%s is encrypted (%.40s), and nobody can type the key in a crash kernel", s->device,
                uuid);
        else
            SAY(s->problem, "%s is a mapped device (%.40s), which a crash kernel does not set up",
                s->device, uuid[0] ? uuid : "device mapper");
        return -ENODEV;
    }
    (void)snprintf(path, sizeof(path), "%s/md", device);
    if (root_exists(root, path)) {
        SAY(s->problem, "%s is a RAID of md, which a crash kernel does not assemble", s->device);
        return -ENODEV;
    }
    (void)snprintf(path, sizeof(path), "%s/loop", device);
    if (root_exists(root, path)) {
        SAY(s->problem, "%s is a file (a loop device)", s->device);
        return -ENODEV;
    }
    return 0;
}

static int walk_up(const struct root *root, const char *device, struct storage *s)
{
    char path[PATH_MAX];
    int r = refuse_stacked(root, device, s);

    (void)span_copy(span_str(device), path, sizeof(path));
    for (unsigned i = 0; r == 0 && i < MAX_PARENTS; i++) {
        char *slash = strrchr(path, '/');

        r = take_driver(root, path, s);
        if (!slash || slash == path || strcmp(path, "/sys/devices") == 0)
            break;
        *slash = '\0';
        /* "/sys/devices/pci0000:00" has no driver any more */
    }
    return r;
}

/* The other disks of a btrfs. */
static int walk_members(const struct root *root, struct storage *s)
{
    _cleanup_closedir_ DIR *dir = NULL;
    const struct dirent *entry;
    char path[PATH_MAX];
    unsigned n = 0;

    if (strcmp(s->fstype, "btrfs") != 0 || strncmp(s->target, "UUID=", 5) != 0)
        return 0;
    (void)snprintf(path, sizeof(path), "/sys/fs/btrfs/%s/devices", s->target + 5);
    dir = dir_stream(root_open_dir(root, path));
    while (dir && (entry = readdir(dir)) && n < MAX_MEMBERS) {
        char link[PATH_MAX], device[PATH_MAX];
        int r;

        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(link, sizeof(link), "/sys/class/block/%s", entry->d_name);
        if (real_path(root, link, device, sizeof(device)) < 0)
            continue;
        r = walk_up(root, device, s);
        if (r < 0)
            return r;
        n++;
    }
    return 0;
}

/* A hardware watchdog that ran when the kernel died runs on: it has to be petted, or it ends the
 * capture. softdog died with the kernel. */
static int take_watchdogs(const struct root *root, struct storage *s)
{
    int r = 0;

    for (unsigned i = 0; i < MAX_WATCHDOGS && r == 0; i++) {
        char path[PATH_MAX], device[PATH_MAX];

        SAY(path, "/sys/class/watchdog/watchdog%u/device", i);
        if (real_path(root, path, device, sizeof(device)) == 0)
            r = take_driver(root, device, s);
    }
    return r;
}

/* ---- the folder on the file system ---- */

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
        r = real_path(root, folder, real, sizeof(real));
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
    (void)span_copy(span_str(last_name(device)), out->device, sizeof(out->device));
    if (strcmp(out->fstype, "ext2") == 0 || strcmp(out->fstype, "ext3") == 0)
        (void)span_copy(span_str("ext4"), out->fstype, sizeof(out->fstype));
    r = find_subdir(&mount, folder, out);
    if (r == 0)
        r = walk_up(root, device, out);
    if (r < 0)
        return r;
    if (!ask_udev(root, device, out) && !ask_device(root, out)) {
        SAY(out->problem,
            "%s has no name that stays: neither udev nor its first blocks have a UUID",
            out->device);
        return -ENODEV;
    }
    r = walk_members(root, out);
    return r == 0 ? take_watchdogs(root, out) : r;
}
