/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "image/devices.h"

#define VIRTUAL "/sys/devices/virtual/"
#define NVME_SUBSYSTEM VIRTUAL "nvme-subsystem/"

enum { MAX_PARENTS = 24, MAX_MEMBERS = 16, MAX_WATCHDOGS = 4 };

int sysfs_real_path(const struct root *root, const char *path, char *out, size_t size)
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

const char *sysfs_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* ---- drivers ---- */

/* Drivers that do not say which module they are of: mmc_register_driver() sets no owner (6.1, 6.12:
 * drivers/mmc/core/bus.c), so that sysfs has no link to the module. */
static const struct {
    const char *driver, *module;
} unowned[] = { { "mmcblk", "mmc_block" } };

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
 * *bound: there is a driver. Those of bridges do not count: they reach no disk. */
static int take_driver(const struct root *root, const char *device, struct storage *s, bool *bound)
{
    char path[PATH_MAX], driver[PATH_MAX], module[PATH_MAX];

    if (snprintf(path, sizeof(path), "%s/driver", device) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    if (sysfs_real_path(root, path, driver, sizeof(driver)) < 0)
        return 0;
    *bound |= strcmp(sysfs_name(driver), "pcieport") != 0;
    if (snprintf(path, sizeof(path), "%s/module", driver) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    if (sysfs_real_path(root, path, module, sizeof(module)) == 0)
        return add_driver(s, sysfs_name(module));
    for (size_t i = 0; i < ARRAY_SIZE(unowned); i++)
        if (strcmp(sysfs_name(driver), unowned[i].driver) == 0)
            return add_driver(s, unowned[i].module);
    return 0;
}

static int take_drivers(const struct root *root, const char *device, struct storage *s, bool *bound)
{
    char path[PATH_MAX];
    int r = 0;

    (void)span_copy(span_str(device), path, sizeof(path));
    for (unsigned i = 0; r == 0 && i < MAX_PARENTS; i++) {
        char *slash = strrchr(path, '/');

        r = take_driver(root, path, s, bound);
        if (!slash || slash == path || strcmp(path, "/sys/devices") == 0)
            break;
        *slash = '\0';
        /* "/sys/devices/pci0000:00" has no driver any more */
    }
    return r;
}

/* ---- what a crash kernel cannot reach ---- */

static bool has(const struct root *root, const char *device, const char *name)
{
    char path[PATH_MAX];

    return snprintf(path, sizeof(path), "%s/%s", device, name) < (int)sizeof(path) &&
           root_exists(root, path);
}

/* What is no disk of its own. These are put together by user space, which a crash kernel has not.
 */
static int refuse_stacked(const struct root *root, const char *disk, struct storage *s)
{
    char path[PATH_MAX], uuid[160] = "";

    if (snprintf(path, sizeof(path), "%s/dm/uuid", disk) >= (int)sizeof(path))
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
    if (has(root, disk, "md"))
        SAY(s->problem, "%s is a RAID of md, which a crash kernel does not assemble", s->device);
    else if (has(root, disk, "loop"))
        SAY(s->problem, "%s is a file (a loop device)", s->device);
    else
        return 0;
    return -ENODEV;
}

/* "/session1/" (drivers/scsi/scsi_transport_iscsi.c): the disk is at the other end of a network. */
static bool is_iscsi(const char *device)
{
    const char *at = strstr(device, "/session");

    return at && byte_is_digit(at[strlen("/session")]);
}

/* With multipath of its own, a drive's blocks belong to the NVMe subsystem and not to a controller
 * (nvme_init_subsystem(), drivers/nvme/host/core.c), and the subsystem's directory links to its
 * controllers: "nvme0". Those over a network (/sys/devices/virtual/nvme-fabrics) do not help. */
static int walk_nvme_subsystem(const struct root *root, const char *device, struct storage *s)
{
    size_t n = strcspn(device + strlen(NVME_SUBSYSTEM), "/") + strlen(NVME_SUBSYSTEM);
    _cleanup_closedir_ DIR *dir = NULL;
    const struct dirent *entry;
    char subsystem[PATH_MAX];
    bool bound = false;
    int r = 0;

    (void)span_copy((struct span){ device, n }, subsystem, sizeof(subsystem));
    dir = dir_stream(root_open_dir(root, subsystem));
    while (r == 0 && dir && (entry = readdir(dir))) {
        struct span name = span_str(entry->d_name);
        char link[PATH_MAX], controller[PATH_MAX];
        uint64_t number;

        if (!span_skip(&name, "nvme") || !span_to_u64(name, &number) ||
            snprintf(link, sizeof(link), "%s/%s", subsystem, entry->d_name) >= (int)sizeof(link) ||
            sysfs_real_path(root, link, controller, sizeof(controller)) < 0 ||
            strncmp(controller, VIRTUAL, strlen(VIRTUAL)) == 0)
            continue;
        r = take_drivers(root, controller, s, &bound);
    }
    if (r == 0 && !bound) {
        SAY(s->problem, "%s (NVMe) has no controller in this machine that could be found",
            s->device);
        return -ENODEV;
    }
    return r;
}

int devices_walk(const struct root *root, const char *device, struct storage *s)
{
    char disk[PATH_MAX];
    bool bound = false;
    int r;

    (void)span_copy(span_str(device), disk, sizeof(disk));
    if (has(root, disk, "partition"))
        *strrchr(disk, '/') = '\0';
    r = refuse_stacked(root, disk, s);
    if (r < 0)
        return r;
    if (strncmp(disk, NVME_SUBSYSTEM, strlen(NVME_SUBSYSTEM)) == 0)
        return walk_nvme_subsystem(root, disk, s);
    if (strncmp(disk, VIRTUAL, strlen(VIRTUAL)) == 0) {
        SAY(s->problem,
            "%s is no disk of this machine but made by software, which a crash kernel does not set "
            "up",
            s->device);
        return -ENODEV;
    }
    if (is_iscsi(disk)) {
        SAY(s->problem, "%s is reached over the network (iSCSI), which a crash kernel has not",
            s->device);
        return -ENODEV;
    }
    r = take_drivers(root, disk, s, &bound);
    if (r == 0 && !bound) {
        SAY(s->problem, "no driver of %s was found: it would not appear in a crash kernel",
            s->device);
        return -ENODEV;
    }
    return r;
}

int devices_walk_members(const struct root *root, struct storage *s)
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
        if (sysfs_real_path(root, link, device, sizeof(device)) < 0)
            continue;
        r = devices_walk(root, device, s);
        if (r < 0)
            return r;
        n++;
    }
    return 0;
}

int devices_take_watchdogs(const struct root *root, struct storage *s)
{
    bool bound = false; /* some have no driver of their own: no matter */
    int r = 0;

    /* With what they hang on: iTCO_wdt's device is made by the driver of the bridge or of the SMBus
     * (lpc_ich, i2c_i801), and does not appear without it. */
    for (unsigned i = 0; i < MAX_WATCHDOGS && r == 0; i++) {
        char path[PATH_MAX], device[PATH_MAX];

        SAY(path, "/sys/class/watchdog/watchdog%u/device", i);
        if (sysfs_real_path(root, path, device, sizeof(device)) == 0)
            r = take_drivers(root, device, s, &bound);
    }
    return r;
}
