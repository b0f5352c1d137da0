/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "parse/passwd.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct span whole = span_bytes(bytes, n), text = whole;
    struct passwd_entry entry;

    while (passwd_next(&text, &entry)) {
        fuzz_check(entry.name.n > 0 && !memchr(entry.name.p, ':', entry.name.n));
        fuzz_check(entry.name.p >= whole.p && entry.home.p + entry.home.n <= whole.p + whole.n);
    }
    (void)passwd_find(whole, "kdump-steamos", &entry);
    return 0;
}
