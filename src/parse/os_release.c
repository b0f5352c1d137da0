/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse/os_release.h"
#include "parse/shell_assign.h"

bool os_release_get(struct span text, const char *key, char *buf, size_t size)
{
    struct shell_assign_cursor cursor = shell_assign_start(text);
    struct shell_assign a;
    bool found = false;

    buf[0] = '\0';
    while (shell_assign_next(&cursor, &a)) {
        if (a.error != SHELL_ASSIGN_OK || !span_eq(a.key, key))
            continue;
        (void)span_copy(a.value, buf, size);
        found = true;
    }
    return found;
}
