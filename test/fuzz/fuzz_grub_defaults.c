/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/macro.h"
#include "fuzz.h"
#include "parse/grub_defaults.h"

static struct grub_defaults before, after;

static void check_value(const struct grub_value *v)
{
    fuzz_check(v->n < GRUB_VALUE_MAX && v->text[v->n] == '\0' && strlen(v->text) == v->n);
    fuzz_check(v->given || v->n == 0);
}

/* What our line does is what it says: behind everything else, one more parameter. */
static void check_effect(struct span bare, struct span with)
{
    static char expected[GRUB_VALUE_MAX + 32];

    before = after = (struct grub_defaults){ 0 };
    grub_defaults_read(bare, &before);
    grub_defaults_read(with, &after);
    fuzz_check(!before.open && !after.open);
    if (before.regular.opaque || before.regular.n + 8 > GRUB_VALUE_MAX)
        return;
    (void)snprintf(expected, sizeof(expected), "%s a=b", before.regular.text);
    fuzz_check(strcmp(after.regular.text, expected) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const struct span text = span_bytes(bytes, n), none = { 0 };
    _cleanup_strbuf_ struct strbuf bare = { 0 }, with = { 0 }, again = { 0 }, back = { 0 };
    struct span params;
    int r;

    before = (struct grub_defaults){ 0 };
    grub_defaults_read(text, &before);
    check_value(&before.common);
    check_value(&before.regular);
    fuzz_check(grub_defaults_edit(text, none, &bare) == 0);
    fuzz_check(bare.n <= n);
    fuzz_check(!grub_defaults_ours(strbuf_view(&bare), &params));
    r = grub_defaults_edit(text, SPAN("a=b"), &with);
    fuzz_check(r == 0 || r == -EBADMSG);
    if (r < 0)
        return 0;
    fuzz_check(grub_defaults_ours(strbuf_view(&with), &params) && span_eq(params, "a=b"));
    fuzz_check(grub_defaults_edit(strbuf_view(&with), SPAN("a=b"), &again) == 0);
    fuzz_check(span_eq_span(strbuf_view(&again), strbuf_view(&with)));
    fuzz_check(grub_defaults_edit(strbuf_view(&with), none, &back) == 0);
    fuzz_check(span_eq_span(strbuf_view(&back), strbuf_view(&bare)));
    check_effect(strbuf_view(&bare), strbuf_view(&with));
    return 0;
}
