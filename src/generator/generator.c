/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A generator of systemd's (systemd.generator(7)): the units are written for the default folders;
 * where the configuration names others, drop-ins tell the units. Run at boot and by daemon-reload,
 * when only the root file system is there; with the default configuration it does nothing.
 */
#include <stdio.h>
#include <string.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "config/config.h"

#define DEFAULT_FOLDER "/home/.steamos/offload/var/kdump"
#define DEFAULT_HANDOVER "/var/lib/steamos-log-submitter/pending"

/* Other tools' folders, and file systems without owners, are opened by privilege. */
#define PRIVILEGES                           \
    "AmbientCapabilities=CAP_DAC_OVERRIDE\n" \
    "CapabilityBoundingSet=CAP_DAC_OVERRIDE\n"

/* Every place for which no one word is known; where the kdump folder's device is mounted is not
 * known this early. */
static const char anywhere[] =
    "[Unit]\n"
    "ConditionPathExistsGlob=\n" /* forgets all conditions */
    "ConditionPathExists=!/proc/vmcore\n"
    "ConditionVirtualization=!container\n"
    "RequiresMountsFor=\n"
    "[Service]\n" PRIVILEGES "TemporaryFileSystem=\n"
    "BindPaths=\n"
    "BindReadOnlyPaths=\n"
    "InaccessiblePaths=-/etc/shadow -/etc/gshadow -/etc/ssh -/root -/boot\n"
    "ReadWritePaths=-/home -/var -/srv -/mnt -/media -/run/media -/opt\n";

static const char collect_anywhere[] =
    "[Unit]\n" /* whether there is a capture is not known, either */
    "ConditionPathExistsGlob=\n"
    "ConditionPathExists=!/proc/vmcore\n"
    "ConditionVirtualization=!container\n";

/* What needs no quoting in any of the settings, and is no specifier. */
static bool is_plain_path(const char *path)
{
    return path[0] == '/' && path[1] != '\0' && !strstr(path, "/../") &&
           strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+@:-") ==
               strlen(path);
}

static int write_dropin(const struct root *root, const char *folder, const char *unit,
                        const char *name, struct span text)
{
    _cleanup_free_ char *path = NULL;
    _cleanup_close_ int fd = -EBADF;

    if (asprintf(&path, "%s/%s.d", folder, unit) < 0)
        return log_oom();
    fd = root_make_dir(root, path, 0755);
    return fd < 0 ? fd : file_write_atomic(fd, name, 0644, text);
}

static int write_folder(const struct root *root, const char *out, const char *folder)
{
    static const struct {
        const char *unit, *format;
    } dropins[] = {
        { "kdump-steamos-collect.service",
          "[Unit]\nRequiresMountsFor=%1$s\nConditionPathExistsGlob=|%1$s/crash/[0-9]*\n"
          "[Service]\nReadWritePaths=-%1$s\n" },
        { "kdump-steamos-submit.service", "[Unit]\nRequiresMountsFor=%1$s\n"
                                          "ConditionPathExistsGlob=|%1$s/steamos-*.zip\n"
                                          "[Service]\nBindPaths=-%1$s\n" },
        { "kdump-steamos-reserve.service", "[Unit]\nRequiresMountsFor=%1$s\n" },
        { "kdump-steamos-submit.path", "[Path]\nPathChanged=%1$s\n" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(dropins); i++) {
        _cleanup_strbuf_ struct strbuf text = { 0 };
        struct span rest = span_str(dropins[i].format);

        for (size_t n; (n = span_find(rest, "%1$s")) != SIZE_MAX;) {
            (void)strbuf_span(&text, span_take(&rest, n));
            (void)span_take(&rest, 4);
            (void)strbuf_str(&text, folder);
        }
        (void)strbuf_span(&text, rest);
        if (text.failed)
            return log_oom();
        int r = write_dropin(root, out, dropins[i].unit, "50-folder.conf", strbuf_view(&text));

        if (r < 0)
            return r;
    }
    return 0;
}

static int generate(const struct root *root, const struct config *config, const char *out)
{
    static const char submit[] = "kdump-steamos-submit.service";
    const char *folder = config->kdump_folder, *handover = config->handover_folder;
    _cleanup_strbuf_ struct strbuf text = { 0 };

    if (config->mount_devnode[0]) {
        int r = write_dropin(root, out, "kdump-steamos-collect.service", "50-folder.conf",
                             span_str(collect_anywhere));

        return r < 0 ? r : write_dropin(root, out, submit, "50-folder.conf", span_str(anywhere));
    }
    if (strcmp(folder, DEFAULT_FOLDER) != 0) {
        int r = is_plain_path(folder) ? write_folder(root, out, folder) : -EINVAL;

        if (r < 0)
            return log_error_errno(r, "the units cannot be told of KDUMP_FOLDER=%s", folder);
    }
    if (!handover[0])
        return 0;
    if (!is_plain_path(handover))
        return log_error_errno(-EINVAL, "the units cannot be told of HANDOVER_FOLDER=%s", handover);
    (void)strbuf_str(&text, "[Service]\n" PRIVILEGES);
    if (!span_starts(span_str(handover), DEFAULT_HANDOVER))
        (void)strbuf_printf(&text, "BindPaths=-%s\n", handover);
    return text.failed ? log_oom()
                       : write_dropin(root, out, submit, "50-handover.conf", strbuf_view(&text));
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
