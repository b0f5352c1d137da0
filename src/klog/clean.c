/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Takes out of a title what differs from run to run, one kind of thing after the other. */
#include "base/macro.h"
#include "klog/title.h"

enum { MAX_TITLE = 120, MAX_TEXT = 2048, MIN_ADDRESS = 6, MIN_LONG = 7 };

static bool is_word(char c)
{
    return byte_is_alnum(c) || c == '_';
}

/* The kernel prints small letters. */
static bool is_hex(char c)
{
    return byte_is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool is_small(char c)
{
    return byte_is_digit(c) || (c >= 'a' && c <= 'z');
}

static size_t run_of(struct span s, bool (*is)(char))
{
    size_t n = 0;

    while (n < s.n && is(s.p[n]))
        n++;
    return n;
}

static struct span from(struct span s, size_t at)
{
    return (struct span){ s.p + at, s.n - at };
}

/* Each of these: how many bytes stand at this place that are to be replaced; 0: none. */

static size_t address(struct span s, size_t at)
{
    size_t prefix = span_starts(from(s, at), "0x") ? 2 : 0, n;

    if (at == 0 || byte_is_alnum(s.p[at - 1]))
        return 0;
    n = run_of(from(s, at + prefix), is_hex);
    return n >= MIN_ADDRESS ? prefix + n : 0;
}

/* "10.0.2.15" */
static size_t ipv4(struct span s, size_t at)
{
    size_t end = at;

    for (int part = 0; part < 4; part++) {
        size_t n = run_of(from(s, end), byte_is_digit);

        if (part == 3 && n > 3)
            n = 3;
        if (n == 0 || n > 3)
            return 0;
        end += n;
        if (part < 3 && (end == s.n || s.p[end++] != '.'))
            return 0;
    }
    return end - at;
}

/* ":123:45" behind ".c" */
static size_t line_number(struct span s, size_t at)
{
    size_t suffix = at, end = at;

    while (suffix > 0 && is_word(s.p[suffix - 1]))
        suffix--;
    if (suffix == at || suffix == 0 || s.p[suffix - 1] != '.')
        return 0;
    while (end < s.n && s.p[end] == ':') {
        size_t n = run_of(from(s, end + 1), byte_is_digit);

        if (n == 0)
            break;
        end += 1 + n;
    }
    return end - at;
}

/* "+0x1a/0x40" behind a function */
static size_t location(struct span s, size_t at)
{
    struct span rest = from(s, at);
    size_t n;

    if (at < 2 || !(is_word(s.p[at - 1]) || s.p[at - 1] == '.') || !span_skip(&rest, "+0x"))
        return 0;
    n = run_of(rest, is_small);
    (void)span_take(&rest, n);
    if (n == 0 || !span_skip(&rest, "/0x"))
        return 0;
    n = run_of(rest, is_small);
    return n > 0 ? s.n - at - rest.n + n : 0;
}

static size_t cpu(struct span s, size_t at)
{
    struct span rest = from(s, at);
    size_t n;

    if (!span_skip(&rest, "CPU#"))
        return 0;
    n = run_of(rest, byte_is_digit);
    return n > 0 ? strlen("CPU#") + n : 0;
}

static size_t number(struct span s, size_t at)
{
    size_t n = run_of(from(s, at), byte_is_digit);

    if (n == 0 || at == 0 || is_word(s.p[at - 1]))
        return 0;
    return at + n == s.n || !is_word(s.p[at + n]) ? n : 0;
}

/* Numbers inside of names are names ("cfg80211_"), but not so long ones. */
static size_t long_number(struct span s, size_t at)
{
    size_t n = run_of(from(s, at), byte_is_digit);

    return n >= MIN_LONG ? n : 0;
}

static const struct {
    size_t (*find)(struct span s, size_t at);
    const char *replacement;
} kinds[] = {
    { address, "ADDR" }, { ipv4, "IP" },    { line_number, ":LINE" }, { location, "" },
    { cpu, "CPU" },      { number, "NUM" }, { long_number, "NUM" },
};

static int replace(struct span text, size_t kind, struct strbuf *out)
{
    for (size_t i = 0; i < text.n;) {
        size_t n = kinds[kind].find(text, i);

        if (n > 0)
            (void)strbuf_str(out, kinds[kind].replacement);
        else
            (void)strbuf_char(out, text.p[i]);
        i += n > 0 ? n : 1;
    }
    return out->failed;
}

static void print(struct span text, struct strbuf *out)
{
    size_t start = out->n;
    char before = ' ';

    for (size_t i = 0; i < text.n && i < MAX_TITLE; i++) {
        char c = text.p[i] == '\t' ? ' ' : text.p[i];

        if (c < ' ' || c > '~' || (c == ' ' && before == ' '))
            continue;
        (void)strbuf_char(out, c);
        before = c;
    }
    while (out->n > start && out->p[out->n - 1] == ' ')
        out->p[--out->n] = '\0';
}

int title_clean(struct span text, struct strbuf *out)
{
    _cleanup_strbuf_ struct strbuf now = { .max = 8 * MAX_TEXT };

    if (text.n > MAX_TEXT)
        text.n = MAX_TEXT;
    (void)strbuf_span(&now, text);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        _cleanup_strbuf_ struct strbuf next = { .max = 8 * MAX_TEXT };

        (void)replace(strbuf_view(&now), i, &next);
        strbuf_clear(&now);
        now = next;
        next = (struct strbuf){ 0 };
    }
    print(strbuf_view(&now), out);
    return out->failed;
}
