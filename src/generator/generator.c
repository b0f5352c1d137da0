/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A generator of systemd's (systemd.generator(7)): drop-ins tell the units of the folders that the
 * configuration names. The units themselves have no word of the kdump folder, for a dependency
 * that a unit has no drop-in takes away. Run at boot and by daemon-reload, when only the root file
 * system is there.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "config/config.h"
#include "parse/unit_name.h"
#include "parse/mountinfo.h"

#define DEFAULT_HANDOVER "/var/lib/steamos-log-submitter/pending"
#define ENABLED "/etc/systemd/system/multi-user.target.wants"

#define COLLECT "kdump-steamos-collect.service"
#define RESERVE "kdump-steamos-reserve.service"
#define SETTLED "kdump-steamos-settled.service"
#define SUBMIT "kdump-steamos-submit.service"
#define SUBMIT_PATH "kdump-steamos-submit.path"

/* Other tools' folders, and file systems without owners, are opened by privilege. */
#define PRIVILEGES                           \
    "AmbientCapabilities=CAP_DAC_OVERRIDE\n" \
    "CapabilityBoundingSet=CAP_DAC_OVERRIDE\n"

/* Where disks are mounted. */
#define PLACES "-/home -/var -/srv -/mnt -/media -/run/media -/opt"

enum { MAX_FSTAB = 1 << 20 };

struct dropin {
    const char *unit, *format; /* a % in it is the folder */
};

static const struct dropin in_folder[] = {
    { COLLECT, "[Unit]\nRequiresMountsFor=%\nConditionPathExistsGlob=|%/crash/[0-9]*\n"
               "[Service]\nReadWritePaths=-%\n" },
    { SUBMIT, "[Unit]\nRequiresMountsFor=%\nConditionPathExistsGlob=|%/steamos-*.zip\n"
              "[Service]\nBindPaths=-%\n" },
    { RESERVE, "[Unit]\nRequiresMountsFor=%\n" },
    { SUBMIT_PATH, "[Path]\nPathChanged=\nPathChanged=%\n" },
};

/* The same for a device of which it is not known where it will be mounted, nor when: every place
 * comes into question, and the timer that runs every few minutes looks whether it is there. */
static const struct dropin anywhere[] = {
    { COLLECT, "[Service]\nReadWritePaths=" PLACES "\n" },
    { SUBMIT, "[Service]\n" PRIVILEGES "TemporaryFileSystem=\nBindPaths=\n"
              "InaccessiblePaths=-/root -/boot\nReadWritePaths=" PLACES "\n" },
    /* There is no folder to watch; what is collected is submitted by the collection's success. */
    { SUBMIT_PATH, "[Unit]\nConditionPathExists=!/\n[Path]\nPathChanged=\nPathChanged=/run\n" },
};

/* A device is found by links below /dev, which a /dev of the unit's own does not have; to read or
 * write the device itself stays forbidden. */
static const struct dropin on_device[] = {
    { COLLECT, "[Service]\nPrivateDevices=no\nDevicePolicy=closed\n" },
    { SETTLED, "[Service]\nPrivateDevices=no\nDevicePolicy=closed\n" },
    { SUBMIT, "[Service]\nPrivateDevices=no\nDevicePolicy=closed\n" },
};

/* What needs no quoting in any of the settings, and is no specifier. */
static bool is_plain_path(const char *path)
{
    return path[0] == '/' && path[1] != '\0' && !strstr(path, "/../") &&
           strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+@:-") ==
               strlen(path);
}

static int open_folder_of(const struct root *root, const char *out, const char *unit,
                          const char *suffix)
{
    _cleanup_free_ char *path = NULL;

    if (asprintf(&path, "%s/%s.%s", out, unit, suffix) < 0) {
        path = NULL;
        return log_oom();
    }
    return root_make_dir(root, path, 0755);
}

static int write_dropin(const struct root *root, const char *out, const char *unit,
                        const char *name, struct span text)
{
    _cleanup_close_ int fd = open_folder_of(root, out, unit, "d");

    return fd < 0 ? fd : file_write_atomic(fd, name, 0644, text);
}

static int write_dropins(const struct root *root, const char *out, const char *name,
                         const struct dropin *dropins, size_t n, const char *folder)
{
    for (size_t i = 0; i < n; i++) {
        _cleanup_strbuf_ struct strbuf text = { 0 };
        int r;

        for (const char *c = dropins[i].format; *c; c++)
            if (*c == '%')
                (void)strbuf_str(&text, folder);
            else
                (void)strbuf_span(&text, (struct span){ c, 1 });
        if (text.failed)
            return log_oom();
        r = write_dropin(root, out, dropins[i].unit, name, strbuf_view(&text));
        if (r < 0)
            return r;
    }
    return 0;
}

/* Whether what the user has enabled starts this unit. */
static bool is_enabled(const struct root *root, const char *unit)
{
    _cleanup_close_ int fd = root_open_dir(root, ENABLED);
    char target[PATH_MAX];

    return fd >= 0 && readlinkat(fd, unit, target, sizeof(target)) > 0;
}

/* When a file system is mounted at this place, or has been, by whomever, it starts the unit. */
static int link_wanted(const struct root *root, const char *out, const char *mount,
                       const char *unit)
{
    _cleanup_close_ int fd = open_folder_of(root, out, mount, "wants");
    char target[PATH_MAX];

    if (fd < 0)
        return fd;
    (void)snprintf(target, sizeof(target), UNIT_DIR "/%s", unit);
    return symlinkat(target, fd, unit) < 0 && errno != EEXIST ? -errno : 0;
}

/* The folder's file system may come late, by hand or by a desktop: whichever part of the path is a
 * mount point then, its mount starts what waits for it. What never is one costs nothing. */
static int want_from_mounts(const struct root *root, const char *out, const char *folder)
{
    static const char *const units[] = { COLLECT, RESERVE, SUBMIT_PATH };
    char place[PATH_MAX], mount[NAME_MAX + 1];

    if (!span_copy(span_str(folder), place, sizeof(place)))
        return -ENAMETOOLONG;
    for (size_t n = strlen(place); n > 1; n--) {
        if (place[n] != '\0' && place[n] != '/')
            continue;
        place[n] = '\0';
        if (!unit_name_of_path(place, ".mount", mount, sizeof(mount)))
            continue;
        for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
            int r = is_enabled(root, units[i]) ? link_wanted(root, out, mount, units[i]) : 0;

            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int write_folder(const struct root *root, const char *out, const char *folder)
{
    int r = is_plain_path(folder) ? 0 : -EINVAL;

    if (r == 0)
        r = write_dropins(root, out, "50-folder.conf", in_folder, ARRAY_SIZE(in_folder), folder);
    if (r == 0)
        r = want_from_mounts(root, out, folder);
    return r < 0 ? log_error_errno(r, "the units cannot be told of KDUMP_FOLDER=%s", folder) : 0;
}

/* The conditions of a folder that may be in each of the places, two folders deep: a user's and a
 * disk's name. */
static void look_everywhere(struct strbuf *text, const char *folder, const char *pattern)
{
    static const char *const places[] = { "/home", "/var",   "/srv",      "/mnt",
                                          "/opt",  "/media", "/run/media" };
    static const char *const levels[] = { "", "/*", "/*/*" };

    (void)strbuf_str(text, "[Unit]\n");
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        for (size_t k = 0; k < ARRAY_SIZE(levels); k++)
            (void)strbuf_printf(text, "ConditionPathExistsGlob=|%s%s%s/%s\n", places[i], levels[k],
                                folder, pattern);
}

static int write_conditions(const struct root *root, const char *out, const char *unit,
                            const char *folder, const char *pattern)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };

    look_everywhere(&text, folder, pattern);
    return text.failed ? log_oom()
                       : write_dropin(root, out, unit, "50-places.conf", strbuf_view(&text));
}

static int write_anywhere(const struct root *root, const char *out, const char *folder)
{
    static const char retry[] = "[Unit]\nOnSuccess=" COLLECT "\n";
    int r = is_plain_path(folder) ? 0 : -EINVAL;

    if (r == 0)
        r = write_dropins(root, out, "50-folder.conf", anywhere, ARRAY_SIZE(anywhere), folder);
    if (r == 0)
        r = write_conditions(root, out, COLLECT, folder, "crash/[0-9]*");
    if (r == 0)
        r = write_conditions(root, out, SUBMIT, folder, "steamos-*.zip");
    if (r == 0 && is_enabled(root, COLLECT))
        r = write_dropin(root, out, SETTLED, "50-folder.conf", span_str(retry));
    return r < 0 ? log_error_errno(r, "the units cannot be told of KDUMP_FOLDER=%s", folder) : 0;
}

/* The kdump folder on a device: where fstab says that the device belongs, if it does. */
static int write_on_device(const struct root *root, const struct config *config, const char *out)
{
    const char *below = config->kdump_folder + strspn(config->kdump_folder, "/");
    _cleanup_strbuf_ struct strbuf fstab = { 0 };
    _cleanup_free_ char *folder = NULL;
    char place[PATH_MAX] = "";
    int r = write_dropins(root, out, "50-device.conf", on_device, ARRAY_SIZE(on_device), "");

    if (r < 0)
        return r;
    if (root_read(root, "/etc/fstab", MAX_FSTAB, &fstab) == 0)
        (void)fstab_place_of(strbuf_view(&fstab), config->mount_devnode, place, sizeof(place));
    if (asprintf(&folder, "%s/%s", strcmp(place, "/") == 0 ? "" : place, below) < 0) {
        folder = NULL;
        return log_oom();
    }
    return place[0] != '\0' ? write_folder(root, out, folder) : write_anywhere(root, out, folder);
}

static int write_handover(const struct root *root, const char *out, const char *handover)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };

    if (!is_plain_path(handover))
        return log_error_errno(-EINVAL, "the units cannot be told of HANDOVER_FOLDER=%s", handover);
    (void)strbuf_str(&text, "[Service]\n" PRIVILEGES);
    if (!span_starts(span_str(handover), DEFAULT_HANDOVER))
        (void)strbuf_printf(&text, "BindPaths=-%s\n", handover);
    return text.failed ? log_oom()
                       : write_dropin(root, out, SUBMIT, "50-handover.conf", strbuf_view(&text));
}

static int generate(const struct root *root, const struct config *config, const char *out)
{
    int r = config->mount_devnode[0] ? write_on_device(root, config, out)
                                     : write_folder(root, out, config->kdump_folder);

    if (r < 0 || !config->handover_folder[0])
        return r;
    return write_handover(root, out, config->handover_folder);
}

int main(int argc, char **argv)
{
    _cleanup_root_ struct root root = { .fd = -EBADF };
    _cleanup_config_ struct config config = { 0 };

    /* Three folders are given; KDUMP_STEAMOS_ROOT is for tests. */
    if (argc != 4 || root_init(&root, getenv("KDUMP_STEAMOS_ROOT")) < 0) {
        log_error("usage: kdump-steamos-generator NORMAL EARLY LATE");
        return EXIT_FAILURE;
    }
    if (config_load(&root, NULL, &config) < 0)
        return EXIT_FAILURE;
    return generate(&root, &config, argv[1]) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
