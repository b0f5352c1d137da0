/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/macro.h"
#include "fuzz.h"
#include "parse/mountinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static const char *const paths[] = { "/", "/home/.steamos/offload/var/kdump", "/a", "//" };

    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        struct mountinfo mount;

        if (!mountinfo_find(span_bytes(bytes, n), paths[i], &mount))
            continue;
        fuzz_check(strlen(mount.place) <= strlen(paths[i]));
        fuzz_check(strncmp(mount.place, paths[i], strlen(mount.place)) == 0);
        fuzz_check(mountinfo_below(&mount, paths[i])[0] != '/');
    }
    return 0;
}
