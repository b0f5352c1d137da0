/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "parse/iomem.h"

static bool overlaps_another(struct span text, const struct iomem_region *buffer)
{
    struct iomem_region r;

    while (iomem_next(&text, &r))
        if (r.name.p != buffer->name.p && r.start <= buffer->end && r.end >= buffer->start)
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const struct span text = span_bytes(bytes, n);
    struct span rest = text;
    struct iomem_region r;
    bool any = false;

    while (iomem_next(&rest, &r)) {
        any = true;
        fuzz_check(r.start <= r.end);
        fuzz_check(fuzz_is_within(r.name, text));
        fuzz_check(span_find_byte(r.name, '\n') == SIZE_MAX);
        fuzz_check(fuzz_is_within(rest, text));
    }
    fuzz_check(rest.n == 0);
    if (iomem_is_masked(text))
        fuzz_check(any && !iomem_find_ram_buffer(text, 0, &r));
    if (iomem_find_ram_buffer(text, 4096, &r)) {
        fuzz_check(iomem_size(&r) >= 4096 && r.depth == 0 && span_eq(r.name, "RAM buffer"));
        fuzz_check(!overlaps_another(text, &r));
    }
    return 0;
}
