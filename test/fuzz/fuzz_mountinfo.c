/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/macro.h"
#include "fuzz.h"
#include "parse/mountinfo.h"
#include "parse/unit_name.h"

/* fstab's answer names a unit, or is the root. */
static void ask_fstab(struct span text)
{
    static const char *const devices[] = { "UUID=1", "LABEL=\"a\"", "sda1", "/dev/disk/by-x/y" };
    char place[64], unit[PATH_MAX * 4];

    for (size_t i = 0; i < ARRAY_SIZE(devices); i++) {
        if (!fstab_place_of(text, devices[i], place, sizeof(place)))
            continue;
        fuzz_check(place[0] == '/' && strlen(place) < sizeof(place));
        if (unit_name_of_path(place, ".mount", unit, sizeof(unit)))
            fuzz_check(!strchr(unit, '/') && strlen(unit) > strlen(".mount"));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const paths[] = { "/", "/home/.steamos/offload/var/kdump", "/a", "//" };

    ask_fstab(span_bytes(bytes, n));
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct mountinfo mount;

        (void)mountinfo_is_automount(span_bytes(bytes, n), paths[i]);
        if (!mountinfo_find(span_bytes(bytes, n), paths[i], &mount))
            continue;
        fuzz_check(strlen(mount.place) <= strlen(paths[i]));
        fuzz_check(strncmp(mount.place, paths[i], strlen(mount.place)) == 0);
        fuzz_check(mountinfo_below(&mount, paths[i])[0] != '/');
    }
    return 0;
}
