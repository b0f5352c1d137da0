/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "klog/demangle.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    char out[KLOG_MAX_DEMANGLED];

    fuzz_check(klog_demangle(span_bytes(bytes, n), out) <= sizeof(out));
    return 0;
}
