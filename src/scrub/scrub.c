/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pass over a text: it stops at words and at a few other bytes, and asks the matchers there. */
#include "scrub/address.h"
#include "scrub/keys.h"
#include "scrub/match.h"

enum { MAX_EMAIL_PART = 64 };

struct pass {
    struct scrub *s;
    struct span in;
    struct strbuf *out; /* NULL: it is only read */
    size_t at;          /* where the pass stands */
    size_t copied;      /* up to here in is in out */
    size_t next_at;     /* of the next '@', or in.n */
    size_t line;        /* start of the line */
    size_t judged_line; /* the line that is_trace is about, plus 1; 0: none */
    bool lists_modules; /* the line that is_trace is about */
    bool is_trace;      /* it is part of a stack trace, or lists modules */
    struct span before; /* the word before, in this line */
};

static const bool is_word[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true,   ['a' ... 'z'] = true,
    ['_'] = true,         [0x80 ... 0xff] = true,
};

/* Bytes at which something may begin or end that is no word. */
static const bool is_special[256] = { ['\n'] = true, ['/'] = true, ['<'] = true, ['"'] = true };

static char byte_at(const struct pass *p, size_t at)
{
    return at < p->in.n ? p->in.p[at] : '\0';
}

static struct span rest_at(const struct pass *p, size_t at)
{
    return (struct span){ p->in.p + at, p->in.n - at };
}

static int replace(struct pass *p, enum scrub_kind kind, size_t start, size_t n)
{
    char token[SCRUB_TOKEN_MAX];

    if (!p->out) {
        p->copied = p->at = start + n;
        return 0;
    }
    scrub_token(p->s, kind, (struct span){ p->in.p + start, n }, token);
    (void)strbuf_append(p->out, p->in.p + p->copied, start - p->copied);
    p->copied = p->at = start + n;
    return strbuf_str(p->out, token);
}

static bool is_clock(struct span s)
{
    return s.n >= 8 && s.p[2] == ':' && s.p[5] == ':' && byte_is_digit(s.p[0]) &&
           byte_is_digit(s.p[3]) && byte_is_digit(s.p[6]);
}

static bool is_month(struct span s)
{
    static const char months[] = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec ";

    for (size_t i = 0; i < sizeof(months) - 1; i += 4)
        if (s.n == 3 && memcmp(s.p, months + i, 3) == 0)
            return true;
    return false;
}

/* "Nov  9 10:19:35 HOST kernel: ", "2026-01-02T03:04:05+0000 HOST systemd[1]: " */
static void take_syslog_host(struct pass *p)
{
    struct span line = rest_at(p, p->line), date, time, host, tag;

    if (line.n < 16 || line.p[0] < '0' || line.p[0] > 'S')
        return;
    line.n = MIN(line.n, (size_t)256);
    line.n = MIN(line.n, span_find_byte(line, '\n'));
    if (!span_next_word(&line, &date))
        return;
    if (is_month(date)) {
        if (!span_next_word(&line, &date) || !span_next_word(&line, &time) || !is_clock(time))
            return;
    } else if (date.n < 19 || date.p[10] != 'T' ||
               !is_clock((struct span){ date.p + 11, date.n - 11 })) {
        return;
    }
    if (!span_next_word(&line, &host) || !span_next_word(&line, &tag) || !span_ends(tag, ":") ||
        scrub_token_length(host, "<", ">") > 0)
        return;
    scrub_learn(p->s, SCRUB_HOST, host);
    (void)replace(p, SCRUB_HOST, (size_t)(host.p - p->in.p), host.n);
}

static void new_line(struct pass *p, size_t start)
{
    p->line = start;
    p->before = (struct span){ p->in.p, 0 };
    take_syslog_host(p);
}

static bool take_address(struct pass *p, size_t start, size_t end, int *r)
{
    struct address found;
    bool joined = start > 0 && p->copied + 1 == start;

    if (!address_find(p->in, start, end, p->before, joined, &found))
        return false;
    *r = replace(p, found.kind, found.start, found.n);
    return true;
}

static bool is_local_byte(char c)
{
    return match_is_word_byte(c) || c == '.' || c == '+' || c == '-' || c == '%';
}

/* Units of systemd are written like addresses. */
static bool is_unit(struct span domain)
{
    static const char *const suffixes[] = { ".service", ".socket", ".scope", ".slice",  ".timer",
                                            ".target",  ".mount",  ".path",  ".device", ".swap" };

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
        if (span_ends(domain, suffixes[i]))
            return true;
    return false;
}

static bool is_domain(struct span domain)
{
    size_t dot = domain.n;

    if (span_eq_case(domain, "localhost"))
        return true;

    while (dot > 0 && domain.p[dot - 1] != '.')
        dot--;
    if (dot < 2 || domain.n - dot < 2 || is_unit(domain))
        return false;
    for (size_t i = dot; i < domain.n; i++)
        if (!byte_is_alpha(domain.p[i]))
            return false;
    return true;
}

/* "Linux version 6.1.52 (user@host) (gcc …": who built it, and where. */
static bool is_builder(const struct pass *p, size_t start, size_t end)
{
    struct span line = { p->in.p + p->line, MIN(start - p->line, (size_t)256) };

    return start > p->line && p->in.p[start - 1] == '(' && byte_at(p, end) == ')' &&
           span_contains(line, "Linux version ");
}

/* The next '@' from start on: p->next_at is kept, since most texts have few. */
static bool has_at(struct pass *p, size_t start)
{
    if (start > p->next_at) {
        const char *next = memchr(p->in.p + start, '@', p->in.n - start);

        p->next_at = next ? (size_t)(next - p->in.p) : p->in.n;
    }
    return p->next_at < p->in.n;
}

/* Replaces what stands from start to the end of the domain behind the next '@', if there is one. */
static bool take_domain(struct pass *p, size_t start, int *r)
{
    size_t at = p->next_at, end;
    struct span domain;

    for (end = at + 1;
         end < p->in.n && end - at <= 4 * MAX_EMAIL_PART &&
         (match_is_word_byte(p->in.p[end]) || p->in.p[end] == '.' || p->in.p[end] == '-');
         end++)
        ;
    while (end > at + 1 && strchr(".-", p->in.p[end - 1]))
        end--;
    domain = (struct span){ p->in.p + at + 1, end - at - 1 };
    if (domain.n == 0 || (!is_domain(domain) && !is_builder(p, start, end)))
        return false;
    *r = replace(p, SCRUB_EMAIL, start, end - start);
    return true;
}

static bool take_email(struct pass *p, size_t start, int *r)
{
    size_t at = p->next_at;

    if (at - start > MAX_EMAIL_PART)
        return false;
    for (size_t i = start; i < at; i++)
        if (!is_local_byte(p->in.p[i]))
            return false;
    return take_domain(p, start, r);
}

/* "jane doe"@example.org */
static bool take_quoted_email(struct pass *p, int *r)
{
    size_t start = p->at, at;

    if (!p->out || !has_at(p, start))
        return false;
    at = p->next_at;
    if (at - start > MAX_EMAIL_PART || at - start < 3 || p->in.p[at - 1] != '"')
        return false;
    for (size_t i = start + 1; i < at - 1; i++)
        if (p->in.p[i] == '"' || p->in.p[i] == '\n')
            return false;
    return take_domain(p, start, r);
}

/* Whether the line is one of a trace, or lists modules. */
static bool is_trace_line(struct pass *p)
{
    struct span line;

    if (p->judged_line == p->line + 1)
        return p->is_trace;
    line = rest_at(p, p->line);
    line.n = MIN(span_find_byte(line, '\n'), line.n);
    p->judged_line = p->line + 1;
    p->lists_modules = span_contains(line, "Modules linked in:");
    p->is_trace = p->lists_modules || span_contains(line, "+0x");
    return p->is_trace;
}

/* A function or a module in a trace that has the name of the machine or its user:
 * "ext4+0x1/0x2 [ext4]". */
static bool names_code(struct pass *p, const struct known *known, size_t start)
{
    struct span behind = rest_at(p, start + known->value.n);

    if ((known->kind != SCRUB_HOST && known->kind != SCRUB_USER && known->kind != SCRUB_STEAM &&
         known->kind != SCRUB_SSID) ||
        !is_trace_line(p))
        return false;
    return p->lists_modules || span_starts(behind, "+0x") || span_starts(behind, ".") ||
           (start > 0 && p->in.p[start - 1] == '[');
}

static bool pass_kept(struct pass *p, size_t start, uint32_t hash)
{
    const struct known *known = scrub_find_known(p->s, rest_at(p, start), hash);

    if (!known || known->kind != SCRUB_KEPT)
        return false;
    p->before = known->value;
    p->at = start + known->value.n;
    return true;
}

static bool take_known(struct pass *p, size_t start, uint32_t hash, int *r)
{
    const struct known *known = scrub_find_known(p->s, rest_at(p, start), hash);

    if (!known || names_code(p, known, start))
        return false;
    *r = replace(p, known->kind, start, known->value.n);
    return true;
}

static bool take_key(struct pass *p, size_t start, size_t n, uint32_t hash, int *r)
{
    struct span line = { p->in.p + p->line, MIN(start - p->line, (size_t)256) };
    const struct key *key =
        key_find(&p->s->keys, hash, (struct span){ p->in.p + start, n }, line, p->before);
    struct span value;
    size_t at;

    if (!key || !key_value(key, rest_at(p, start + n), &at, &value))
        return false;
    *r = replace(p, key_kind(key), start + n + at, value.n);
    if (key_teaches(key, value, p->in))
        scrub_learn(p->s, key_kind(key), value);
    return true;
}

/* What the word itself tells: a form, or a value that is known. */
static bool take_value(struct pass *p, size_t start, size_t end, uint32_t hash, int *r)
{
    bool known = p->s->known_buckets[hash % KNOWN_BUCKETS] >= 0;
    char behind = byte_at(p, end);

    if (known && byte_is_digit(p->in.p[start]) && pass_kept(p, start, hash))
        return true;
    if (has_at(p, start) && take_email(p, start, r))
        return true;
    if ((end - start >= 15 || behind == ':' || behind == '.' || behind == '-') &&
        take_address(p, start, end, r))
        return true;
    return known && take_known(p, start, hash, r);
}

static int take_word(struct pass *p)
{
    size_t start = p->at, end = start;
    uint32_t hash = word_hash((struct span){ p->in.p, 0 });
    int r = 0;

    do {
        hash = word_hash_byte(hash, p->in.p[end]);
    } while (++end < p->in.n && is_word[(unsigned char)p->in.p[end]]);
    p->at = end;
    if (p->out && take_value(p, start, end, hash, &r))
        return r;
    if ((p->s->keys.filter[hash % (8 * KEY_FILTER_BYTES) / 8] >> hash % 8 & 1) &&
        take_key(p, start, end - start, hash, &r))
        return r;
    p->before = (struct span){ p->in.p + start, end - start };
    return 0;
}

/* A volume without a label is mounted by its device's name, which is nobody's. */
static bool is_device_name(struct span name)
{
    static const char *const prefixes[] = { "mmcblk", "nvme", "dm-", "loop", "sr", "sd" };

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
        if (span_starts(name, prefixes[i]))
            return i + 1 < ARRAY_SIZE(prefixes) || name.n <= 6;
    return false;
}

/* Places that hold a private name as a part of a path. */
static int take_path(struct pass *p)
{
    static const struct {
        const char *prefix;
        enum scrub_kind kind;
        bool anywhere; /* else only where a path begins: the kernel has a drivers/media/usb */
    } places[] = {
        { "/home/", SCRUB_USER, true },           { "/Users/", SCRUB_USER, false },
        { "/run/media/", SCRUB_USER, false },     { "/media/", SCRUB_USER, false },
        { "/dev/disk/by-id/", SCRUB_DISK, true }, { "/dev/disk/by-label/", SCRUB_DISK, true }
    };
    size_t start = p->at++, end;
    char next = byte_at(p, start + 1), ahead = start > 0 ? p->in.p[start - 1] : ' ';
    bool begins = !match_is_word_byte(ahead) && (ahead == '/' || !strchr(".-~+", ahead));

    if (next != 'h' && next != 'U' && next != 'r' && next != 'm' && next != 'd')
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct span rest = rest_at(p, start);

        if ((!begins && !places[i].anywhere) || !span_skip(&rest, places[i].prefix))
            continue;
        start = p->in.n - rest.n;
        for (end = start; end < p->in.n && !strchr("/ \t\r\n\"'`:,;()[]{}<>|&\\*?", p->in.p[end]);
             end++)
            ;
        /* ".steamos" is the system's; "*" and "<user-1>" have ended at once. */
        if (end == start || p->in.p[start] == '.')
            return 0;
        if (places[i].kind == SCRUB_USER &&
            is_device_name((struct span){ p->in.p + start, end - start }))
            return 0;
        if (span_ends(span_str(places[i].prefix), "home/"))
            scrub_learn(p->s, SCRUB_USER, (struct span){ p->in.p + start, end - start });
        return replace(p, places[i].kind, start, end - start);
    }
    return 0;
}

static int take_special(struct pass *p)
{
    size_t n;
    int r = 0;

    switch (p->in.p[p->at]) {
    case '\n':
        new_line(p, ++p->at);
        return 0;
    case '/':
        return take_path(p);
    case '"':
        if (!take_quoted_email(p, &r))
            p->at++;
        return r;
    case '<':
    default:
        n = scrub_token_length(rest_at(p, p->at), "<", ">");
        p->at += n > 0 ? n : 1;
        return 0;
    }
}

static void walk(struct pass *p)
{
    new_line(p, 0);
    while (p->at < p->in.n && !(p->out && p->out->failed)) {
        unsigned char c = (unsigned char)p->in.p[p->at];

        if (is_word[c])
            (void)take_word(p);
        else if (is_special[c])
            (void)take_special(p);
        else
            p->at++;
    }
}

int scrub_read(struct scrub *s, struct span text)
{
    struct pass p = { .s = s, .in = text, .next_at = text.n };

    walk(&p);
    return s->failed;
}

int scrub_text(struct scrub *s, struct span text, struct strbuf *out)
{
    const char *first = text.n > 0 ? memchr(text.p, '@', text.n) : NULL;
    struct pass p = {
        .s = s, .in = text, .out = out, .next_at = first ? (size_t)(first - text.p) : text.n
    };

    if (text.n == 0)
        return out->failed;
    walk(&p);
    (void)strbuf_append(out, text.p + p.copied, text.n - p.copied);
    return s->failed ? s->failed : out->failed;
}
