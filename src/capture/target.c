/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "capture/device.h"
#include "capture/machine.h"
#include "capture/target.h"

enum {
    POLL_MS = 50,
    MOUNT_SECONDS = 120, /* the replay of a large journal on a slow card */
    OPTIONS = 1024,
};

int directory_open(int parent, const char *name)
{
    int made = mkdirat(parent, name, 0700) < 0 ? -errno : 0;
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) /* it is missing because it could not be made */
        return errno == ENOENT && made < 0 ? made : -errno;
    if (made == 0)
        (void)fsync(parent);
    return fd;
}

/* Waits until the device is there, and, of a btrfs, all its other devices. */
static int wait_for(const struct conf *conf, struct device *out)
{
    double start = uptime();
    bool told = false;
    int r;

    for (;;) {
        limit_set(MOUNT_SECONDS);
        r = device_find(conf->target, out);
        if (r == 0 && (!out->known || out->superblock.devices <= 1 ||
                       device_scan_btrfs(out->superblock.uuid) >= out->superblock.devices))
            return 0;
        if (r != 0 && r != -ENOENT)
            return r;
        if (uptime() - start > conf->wait_seconds)
            return r; /* a btrfs with devices missing may still be mounted degraded: 0 */
        if (!told && uptime() - start > 1) {
            say("waiting for %.*s", (int)conf->target.n, conf->target.p);
            told = true;
        }
        sleep_ms(POLL_MS);
    }
}

/* Only what decides which tree is mounted. */
static void keep_subvolume(char *options)
{
    struct span rest = span_str(options), word;
    size_t n = 0;

    while (span_next_field(&rest, ',', &word)) {
        if (!span_starts(word, "subvol"))
            continue;
        if (n > 0)
            options[n++] = ',';
        memmove(options + n, word.p, word.n);
        n += word.n;
    }
    options[n] = '\0';
}

static int try_mount(const char *path, const char *fstype, unsigned long flags, const char *options)
{
    struct statvfs fs;
    int r = 0;

    limit_set(MOUNT_SECONDS);
    if (mount(path, TARGET_PLACE, fstype, flags | MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
        r = -errno;
    else if (statvfs(TARGET_PLACE, &fs) == 0 && (fs.f_flag & ST_RDONLY)) {
        (void)umount2(TARGET_PLACE, 0);
        r = -EROFS;
    }
    if (r < 0)
        say("cannot mount %s as %s%s%s: %s", path, fstype, *options ? " with " : "", options,
            errno_text(r));
    return r;
}

/* As configured; without options that this kernel or file system may not know; as what lies there.
 */
static int mount_device(const struct conf *conf, const struct device *device)
{
    char fstype[32], options[OPTIONS];
    unsigned long flags = 0;
    int r = -EINVAL;

    if (!span_copy(conf->fstype, fstype, sizeof(fstype)) ||
        !conf_mount_options(conf->mountopts, &flags, options, sizeof(options))) {
        fstype[0] = options[0] = '\0';
        say("FSTYPE or MOUNTOPTS in /kdump.conf is too long, ignoring");
    }
    if (fstype[0]) {
        r = try_mount(device->path, fstype, flags, options);
        if (r == -EINVAL && options[0]) {
            keep_subvolume(options);
            r = try_mount(device->path, fstype, 0, options);
        }
        if (r == 0)
            return 0;
    }
    if (!device->known) {
        say("%s holds no file system that is known here", device->path);
        return r;
    }
    if (strcmp(fstype, device->superblock.fstype) == 0)
        return r;
    keep_subvolume(options);
    return try_mount(device->path, device->superblock.fstype, 0, options);
}

static int open_folder(struct span subdir)
{
    _cleanup_close_ int fd = open(TARGET_PLACE, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct span part;
    char name[256];

    if (fd < 0)
        return -errno;
    while (span_next_field(&subdir, '/', &part)) {
        int below;

        if (part.n == 0 || span_eq(part, "."))
            continue;
        if (span_eq(part, "..") || !span_copy(part, name, sizeof(name)))
            return -EINVAL;
        below = directory_open(fd, name);
        if (below < 0)
            return below;
        (void)close(fd);
        fd = below;
    }
    return TAKE_FD(fd);
}

int target_open(const struct conf *conf)
{
    struct device device;
    int r;

    if (conf->target.n == 0) {
        say("/kdump.conf names no target");
        return -ENOENT;
    }
    r = wait_for(conf, &device);
    if (r < 0) {
        say("%.*s: %s", (int)conf->target.n, conf->target.p,
            r == -ENOENT ? "no such device came in time" : errno_text(r));
        return r;
    }
    (void)mkdir(TARGET_PLACE, 0700);
    r = mount_device(conf, &device);
    if (r < 0)
        return r;
    r = open_folder(conf->subdir);
    if (r < 0) {
        say("cannot open the folder %.*s on %s: %s", (int)conf->subdir.n, conf->subdir.p,
            device.path, errno_text(r));
        target_close(-1);
    }
    return r;
}

void target_close(int folder)
{
    limit_set(MOUNT_SECONDS);
    if (folder >= 0) {
        (void)syncfs(folder);
        (void)close(folder);
    }
    sync();
    if (umount2(TARGET_PLACE, 0) == 0)
        return;
    say("cannot unmount the target: %s", errno_text(-errno));
    (void)mount(NULL, TARGET_PLACE, NULL, MS_REMOUNT | MS_RDONLY, NULL);
}
