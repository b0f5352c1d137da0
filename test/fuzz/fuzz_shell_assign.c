/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "parse/os_release.h"
#include "parse/shell_assign.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const struct span text = span_bytes(bytes, n);
    struct shell_assign_cursor cursor = shell_assign_start(text);
    struct shell_assign a;
    char expected[64] = "", buf[64];
    bool given = false;
    unsigned line = 0;

    while (shell_assign_next(&cursor, &a)) {
        fuzz_check(a.line > line);
        line = a.line;
        fuzz_check(fuzz_is_within(cursor.rest, text));
        fuzz_check(strcmp(shell_assign_strerror(a.error), "unknown error") != 0);
        if (a.error != SHELL_ASSIGN_OK)
            continue;
        fuzz_check(a.key.n > 0 && fuzz_is_within(a.key, text));
        fuzz_check(a.value.p == a.buf && a.value.n <= SHELL_ASSIGN_VALUE_MAX);
        fuzz_check(span_find_byte(a.value, '\0') == SIZE_MAX);
        if (span_eq(a.key, "ID")) {
            given = true;
            (void)span_copy(a.value, expected, sizeof(expected));
        }
    }
    fuzz_check(cursor.rest.n == 0);
    fuzz_check(os_release_get(text, "ID", buf, sizeof(buf)) == given);
    fuzz_check(strcmp(buf, expected) == 0);
    return 0;
}
