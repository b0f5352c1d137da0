/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "fuzz.h"
#include "scrub/match.h"
#include "scrub/values.h"

enum { MAX_INPUT = 64 << 10, MAX_GROWTH = 24, MAX_LOCAL_PART = 64 };

static struct scrub *new_scrub(void)
{
    struct scrub *s = NULL;

    fuzz_check(scrub_new(&s) == 0);
    fuzz_check(scrub_protect(s, SPAN("steamdeck_probe")) == 0);
    fuzz_check(scrub_keep(s, SPAN("6.1.52-my-pc-1")) == 0);
    fuzz_check(scrub_add_known(s, SCRUB_HOST, SPAN("my-pc")) == 0);
    fuzz_check(scrub_add_known(s, SCRUB_USER, SPAN("john")) == 0);
    fuzz_check(scrub_add_known(s, SCRUB_SERIAL, SPAN("FVAA12345678")) == 0);
    fuzz_check(scrub_add_known(s, SCRUB_MAC, SPAN("3c:a9:f4:0b:cc:01")) == 0);
    fuzz_check(scrub_rename(s, SPAN("panic: a"), SPAN("panic: b")) == 0);
    return s;
}

static size_t count_lines(struct span text)
{
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    return n;
}

static bool begins_word(struct span text, size_t at)
{
    return match_is_word_byte(text.p[at]) && (at == 0 || !match_is_word_byte(text.p[at - 1]));
}

static bool is_local_byte(char c)
{
    return byte_is_alnum(c) || c == '_' || c == '.' || c == '-';
}

/* "name@word.letters" around the '@', told from what its neighbours are; systemd's units are none.
 */
static bool is_mail(struct span line, size_t at)
{
    struct span rest = { line.p + at + 1, line.n - at - 1 };
    size_t local = 0, word = 0, top = 0;

    while (local < at && is_local_byte(line.p[at - local - 1]))
        local++;
    while (word < rest.n && word < 60 && byte_is_alnum(rest.p[word]))
        word++;
    if (local == 0 || local >= MAX_LOCAL_PART || !byte_is_alnum(line.p[at - local]) || word == 0 ||
        word == rest.n || rest.p[word] != '.' ||
        (local < at && (unsigned char)line.p[at - local - 1] >= 0x80))
        return false;
    (void)span_take(&rest, word + 1);
    while (top < rest.n && byte_is_alpha(rest.p[top]))
        top++;
    return (top == 2 || top == 3) &&
           (top == rest.n || (!match_is_word_byte(rest.p[top]) && !strchr(".-", rest.p[top])));
}

static bool starts_folded(struct span s, const char *word)
{
    size_t n = strlen(word);

    return s.n >= n && span_eq_case((struct span){ s.p, n }, word) &&
           (s.n == n || !match_is_word_byte(s.p[n]));
}

/* Nothing with the form of an address, and no name of the machine, but for what names code, and
 * versions. */
static void check_line(struct span line)
{
    bool trace = span_contains(line, "+0x") || span_contains(line, "Modules linked in:");
    unsigned groups;

    for (size_t i = 0; i < line.n; i++) {
        struct span rest = { line.p + i, line.n - i };

        if (line.p[i] == '@')
            fuzz_check(!is_mail(line, i));
        if (!begins_word(line, i))
            continue;
        if (starts_folded(rest, "6.1.52-my-pc-1")) {
            i += strlen("6.1.52-my-pc-1") - 1;
            continue;
        }
        fuzz_check(match_hex_chain(rest, &groups) == 0);
        fuzz_check(match_uuid(rest) == 0);
        fuzz_check(!span_starts(rest, "192.168.") || match_ipv4_part(rest) == 0 ||
                   (i > 0 && line.p[i - 1] == '.'));
        fuzz_check(!starts_folded(rest, "FVAA12345678") && !starts_folded(rest, "3ca9f40bcc01"));
        fuzz_check(trace || !starts_folded(rest, "my-pc"));
        fuzz_check(trace || !span_starts(rest, "john") ||
                   (rest.n > 4 && match_is_word_byte(rest.p[4])));
    }
}

/* Whether a placeholder stands inside of a word, or of what joins words to one: what is left of
 * that beside it may mean something else now ("fe80::<uuid-1>"). */
static bool is_joined(struct span text)
{
    static const char joins[] = ":.-_@+%/\\";

    for (size_t i = 0; i + 2 < text.n; i++) {
        size_t n = scrub_token_length((struct span){ text.p + i, text.n - i }, "<", ">");
        char ahead = i > 0 ? text.p[i - 1] : ' ', behind = i + n < text.n ? text.p[i + n] : ' ';

        if (n > 0 && (match_is_word_byte(ahead) || match_is_word_byte(behind) ||
                      memchr(joins, ahead, sizeof(joins)) || memchr(joins, behind, sizeof(joins))))
            return true;
    }
    return false;
}

/* Lines stay lines, the growth is bounded, what is private is gone, and what was scrubbed stays to
 * the byte, for who knows all of it and for who knows nothing more than before. */
static void check_text(struct span text)
{
    struct scrub *s = new_scrub(), *again = new_scrub();
    struct strbuf once = { 0 }, twice = { 0 }, thrice = { 0 };
    struct span rest, line;
    bool joined;

    fuzz_check(scrub_read(s, text) == 0);
    fuzz_check(scrub_text(s, text, &once) == 0);
    fuzz_check(once.n <= text.n * MAX_GROWTH);
    fuzz_check(count_lines(text) == count_lines(strbuf_view(&once)));
    rest = strbuf_view(&once);
    while (span_next_line(&rest, &line))
        check_line(line);
    joined = is_joined(strbuf_view(&once));
    fuzz_check(scrub_text(s, strbuf_view(&once), &twice) == 0);
    fuzz_check(joined || span_eq_span(strbuf_view(&once), strbuf_view(&twice)));
    fuzz_check(scrub_read(again, strbuf_view(&once)) == 0);
    fuzz_check(scrub_text(again, strbuf_view(&once), &thrice) == 0);
    fuzz_check(joined || span_eq_span(strbuf_view(&once), strbuf_view(&thrice)));
    scrub_free(s);
    scrub_free(again);
    strbuf_clear(&once);
    strbuf_clear(&twice);
    strbuf_clear(&thrice);
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

/* What stands between tags is a text. */
static void check_html(struct span text)
{
    struct strbuf once = { 0 };
    struct scrub *s = new_scrub();

    fuzz_check(scrub_html(s, text, &once) == 0);
    fuzz_check(once.n <= text.n * 2 * MAX_GROWTH);
    strbuf_clear(&once);
    scrub_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct span text = span_bytes(bytes, n < MAX_INPUT ? n : MAX_INPUT);

    check_text(text);
    check_json(text);
    check_html(text);
    return 0;
}
