/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Takes out of a title what differs from run to run. */
#include "klog/title.h"

enum { MAX_TITLE = 120 };

static bool is_word(char c)
{
    return byte_is_alnum(c) || c == '_';
}

static size_t run_of(struct span s, bool (*is)(char))
{
    size_t n = 0;

    while (n < s.n && is(s.p[n]))
        n++;
    return n;
}

static bool is_hex(char c)
{
    return byte_hex_value(c) >= 0;
}

/* "10.0.2.15" */
static size_t ipv4_length(struct span s)
{
    size_t start = s.n;

    for (int part = 0; part < 4; part++) {
        size_t n = run_of(s, byte_is_digit);

        if (n == 0 || n > 3 || (part > 0 && false))
            return 0;
        (void)span_take(&s, n);
        if (part < 3 && !span_skip(&s, "."))
            return 0;
    }
    return start - s.n;
}

/* One run-dependent thing at the front of s (before: the byte in front of it): what replaces it,
 * and its length; 0: none. */
static size_t run_dependent(struct span s, char before, const char **replacement)
{
    struct span rest = s;
    size_t n;
    uint64_t value;

    if (!is_word(before) && span_skip(&rest, "CPU#")) {
        n = run_of(rest, byte_is_digit);
        if (n > 0) {
            *replacement = "CPU";
            return 4 + n;
        }
    }
    rest = s;
    if (!byte_is_alnum(before)) {
        bool prefixed = span_skip(&rest, "0x");

        n = run_of(rest, is_hex);
        if (n >= 6 && (n == rest.n || !byte_is_alnum(rest.p[n]))) {
            *replacement = "ADDR";
            return n + (prefixed ? 2 : 0);
        }
        if (prefixed && n > 0 && (n == rest.n || !is_word(rest.p[n]))) {
            *replacement = "NUM";
            return n + 2;
        }
        n = ipv4_length(s);
        if (n > 0 && (n == s.n || !is_word(s.p[n]))) {
            *replacement = "IP";
            return n;
        }
    }
    /* file.c:123 */
    if (byte_is_alpha(before) && s.n > 1 && s.p[0] == ':') {
        rest = s;
        (void)span_take(&rest, 1);
        n = run_of(rest, byte_is_digit);
        if (n > 0 && (n == rest.n || !is_word(rest.p[n]))) {
            *replacement = ":LINE";
            return n + 1;
        }
    }
    /* f+0x1a/0x40 */
    if (is_word(before)) {
        rest = s;
        if (span_skip(&rest, "+0x") && span_take_hex(&rest, &value)) {
            if (span_skip(&rest, "/0x"))
                (void)span_take_hex(&rest, &value);
            *replacement = "";
            return s.n - rest.n;
        }
    }
    n = run_of(s, byte_is_digit);
    if (n > 0 && ((!is_word(before) && (n == s.n || !is_word(s.p[n]))) || n >= 7)) {
        *replacement = "NUM";
        return n;
    }
    return 0;
}

int title_clean(struct span text, struct strbuf *out)
{
    struct strbuf b = { .max = 4096 };
    char before = ' ';
    bool blank = false;
    size_t start = out->n;

    if (text.n > 2048)
        text.n = 2048;
    while (text.n > 0) {
        const char *replacement;
        size_t n = run_dependent(text, before, &replacement);

        if (n > 0) {
            before = text.p[n - 1];
            (void)strbuf_str(&b, replacement);
            (void)span_take(&text, n);
            continue;
        }
        before = text.p[0];
        (void)strbuf_char(&b, before);
        (void)span_take(&text, 1);
    }
    for (size_t i = 0; i < b.n && i < MAX_TITLE; i++) {
        char c = b.p[i] == '\t' ? ' ' : b.p[i];

        if (c < ' ' || c > '~' || (c == ' ' && blank))
            continue;
        blank = c == ' ';
        (void)strbuf_char(out, c);
    }
    while (out->n > start && out->p[out->n - 1] == ' ')
        out->p[--out->n] = '\0';
    strbuf_clear(&b);
    return out->failed;
}
