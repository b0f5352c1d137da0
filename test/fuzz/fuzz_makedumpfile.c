/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "image/makedumpfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const struct span text = span_bytes(bytes, n);
    _cleanup_strbuf_ struct strbuf out = { 0 }, again = { 0 };
    struct makedumpfile_can can = { 0 };
    char asked, instead;

    (void)makedumpfile_parse(text, &can);
    fuzz_check(makedumpfile_fit(text, &can, &out, &asked, &instead) == 0);
    fuzz_check(out.n == n && (asked == '\0') == (instead == '\0'));
    fuzz_check(asked != '\0' || n == 0 || memcmp(out.p, bytes, n) == 0);
    fuzz_check(makedumpfile_fit(strbuf_view(&out), &can, &again, &asked, &instead) == 0);
    fuzz_check(asked == '\0'); /* nothing is left to replace */
    return 0;
}
