/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "parse/cmdline.h"
#include "parse/release.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const struct span text = span_bytes(bytes, n);
    struct span rest = text, last = { NULL, 0 }, value;
    struct cmdline_reserve_mem reserved;
    struct cmdline_param p;
    bool given = false;
    uint64_t size;

    while (cmdline_next(&rest, &p)) {
        fuzz_check(fuzz_is_within(p.name, text) && fuzz_is_within(p.value, text));
        fuzz_check(p.has_value || p.value.n == 0);
        fuzz_check(fuzz_is_within(rest, text));
        if (cmdline_parse_size(p.value, &size))
            fuzz_check(byte_is_digit(p.value.p[0]));
        if (cmdline_name_is(p.name, "mem_name")) {
            given = true;
            last = p.value;
        }
    }
    fuzz_check(rest.n == 0 && !cmdline_next(&rest, &p));
    fuzz_check(cmdline_get(text, "mem_name", &value) == given);
    fuzz_check(!given || (value.p == last.p && value.n == last.n));
    rest = text;
    while (cmdline_next_reserve_mem(&rest, &reserved))
        fuzz_check(reserved.size > 0 && reserved.name.n > 0 &&
                   reserved.name.n <= CMDLINE_RESERVE_MEM_NAME_MAX &&
                   fuzz_is_within(reserved.name, text));
    if (kernel_release_at_least(text, 6, 12))
        fuzz_check(kernel_release_at_least(text, 6, 1) && kernel_release_at_least(text, 5, 99));
    return 0;
}
