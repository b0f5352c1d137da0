/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "image/elf_needs.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const struct span file = span_bytes(bytes, n);
    struct elf_needs needs;

    if (!elf_read_needs(file, &needs))
        return 0;
    fuzz_check(needs.n <= ELF_MAX_NEEDED);
    fuzz_check(fuzz_is_within(needs.interpreter, file));
    for (size_t i = 0; i < needs.n; i++)
        fuzz_check(fuzz_is_within(needs.libraries[i], file));
    return 0;
}
