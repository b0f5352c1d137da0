/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scrub/values.h"

static const struct {
    const char *reference;
    char c;
} references[] = { { "&lt;", '<' },  { "&gt;", '>' },   { "&amp;", '&' },  { "&quot;", '"' },
                   { "&#34;", '"' }, { "&#39;", '\'' }, { "&apos;", '\'' } };

/* The text that a reader sees. Other references stay as they are written. */
static void decode(struct span html, struct strbuf *out)
{
    while (html.n > 0) {
        size_t at = span_find_byte(html, '&'), i;

        (void)strbuf_span(out, span_take(&html, MIN(at, html.n)));
        if (html.n == 0)
            break;
        for (i = 0; i < ARRAY_SIZE(references); i++)
            if (span_skip(&html, references[i].reference))
                break;
        if (i < ARRAY_SIZE(references))
            (void)strbuf_char(out, references[i].c);
        else
            (void)strbuf_span(out, span_take(&html, 1));
    }
}

static void encode(struct span text, struct strbuf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        const char *reference = NULL;

        for (size_t j = 0; j < 4; j++) /* the first of each byte */
            if (references[j].c == text.p[i])
                reference = references[j].reference;
        if (reference)
            (void)strbuf_str(out, reference);
        else
            (void)strbuf_char(out, text.p[i]);
    }
}

/* Blanks around a text that is renamed stay. */
static int scrub_decoded(struct scrub *s, struct span text, struct strbuf *out)
{
    struct span inner = span_trim(text);
    const char *renamed = inner.n > 0 ? scrub_renamed(s, inner) : NULL;

    if (!renamed)
        return scrub_text(s, text, out);
    (void)strbuf_append(out, text.p, (size_t)(inner.p - text.p));
    (void)strbuf_str(out, renamed);
    (void)span_take(&text, (size_t)(inner.p - text.p) + inner.n);
    return strbuf_span(out, text);
}

static int scrub_segment(struct scrub *s, struct span html, struct strbuf *out)
{
    _cleanup_strbuf_ struct strbuf text = { 0 }, scrubbed = { 0 };
    int r;

    decode(html, &text);
    r = text.failed ? text.failed : scrub_decoded(s, strbuf_view(&text), &scrubbed);
    if (r == 0 && span_eq_span(strbuf_view(&text), strbuf_view(&scrubbed)))
        r = strbuf_span(out, html); /* to the byte */
    else if (r == 0)
        encode(strbuf_view(&scrubbed), out);
    return r < 0 ? r : out->failed;
}

/* The length of the tag at the beginning of html; of <style>, up to its end tag. */
static size_t tag_length(struct span html)
{
    size_t end =
        span_starts(html, "<style") ? span_find(html, "</style") : span_find_byte(html, '>');

    if (end == SIZE_MAX)
        return html.n;
    return span_starts(html, "<style") ? end : end + 1;
}

int scrub_html(struct scrub *s, struct span html, struct strbuf *out)
{
    while (html.n > 0) {
        size_t at = span_find_byte(html, '<');
        int r = scrub_segment(s, span_take(&html, MIN(at, html.n)), out);

        if (r < 0)
            return r;
        if (html.n > 0)
            (void)strbuf_span(out, span_take(&html, tag_length(html)));
    }
    return out->failed;
}
