/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "fuzz.h"
#include "scrub/scrub.h"

enum { MAX_INPUT = 64 << 10, MAX_GROWTH = 24 };

static struct scrub *new_scrub(void)
{
    struct scrub *s = NULL;

    fuzz_check(scrub_new(&s) == 0);
    fuzz_check(scrub_protect(s, SPAN("BUG: unable to handle page fault in steamdeck_probe")) == 0);
    fuzz_check(scrub_add_known(s, SCRUB_HOST, SPAN("my-pc")) == 0);
    fuzz_check(scrub_add_known(s, SCRUB_USER, SPAN("john")) == 0);
    fuzz_check(scrub_add_known(s, SCRUB_SERIAL, SPAN("FVAA12345678")) == 0);
    return s;
}

static size_t count_lines(struct span text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

/* Lines stay lines, the growth is bounded, and what was scrubbed stays so. */
static void check_text(struct span text)
{
    struct scrub *s = new_scrub(), *again = new_scrub();
    struct strbuf once = { 0 }, twice = { 0 };

    fuzz_check(scrub_text(s, text, &once) == 0);
    fuzz_check(once.n <= text.n * MAX_GROWTH);
    fuzz_check(count_lines(text) == count_lines(strbuf_view(&once)));
    fuzz_check(scrub_text(again, strbuf_view(&once), &twice) == 0);
    fuzz_check(!span_contains(strbuf_view(&once), " FVAA12345678 "));
    fuzz_check(twice.n <= once.n * MAX_GROWTH);
    scrub_free(s);
    scrub_free(again);
    strbuf_clear(&once);
    strbuf_clear(&twice);
}

static void check_json(struct span text)
{
    json_t *json = json_loadb(text.p, text.n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    struct scrub *s;
    char *dumped;
    int r;

    if (!json)
        return;
    s = new_scrub();
    r = scrub_json(s, json);
    fuzz_check(r == 0 || r == -EFBIG);
    dumped = json_dumps(json, JSON_ENCODE_ANY);
    fuzz_check(dumped);
    free(dumped);
    json_decref(json);
    scrub_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct span text = span_bytes(bytes, n < MAX_INPUT ? n : MAX_INPUT);
    struct strbuf html = { 0 };
    struct scrub *s = new_scrub();

    check_text(text);
    check_json(text);
    fuzz_check(scrub_html(s, text, &html) == 0);
    strbuf_clear(&html);
    scrub_free(s);
    return 0;
}
