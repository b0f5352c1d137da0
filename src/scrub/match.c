/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scrub/match.h"

enum { MAX_CHAIN = 32, MAX_IPV6 = 45 };

bool match_is_word_byte(char c)
{
    return byte_is_alnum(c) || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_hex(char c)
{
    return byte_hex_value(c) >= 0;
}

static bool ends_word(struct span s, size_t at)
{
    return at >= s.n || !match_is_word_byte(s.p[at]);
}

bool match_is_hex(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!is_hex(s.p[i]))
            return false;
    return s.n > 0;
}

/* What is joined by '_' may be part of a name: "aa:bb:cc:dd:ee:ff_table". */
static bool is_pair(struct span s, size_t at)
{
    return at + 2 <= s.n && is_hex(s.p[at]) && is_hex(s.p[at + 1]) &&
           (ends_word(s, at + 2) || s.p[at + 2] == '_');
}

static bool has_letter(struct span s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (byte_is_alpha(s.p[i]))
            return true;
    return false;
}

/* All zeros, or all ones: no address of anybody. */
static bool is_trivial(struct span s, size_t n)
{
    char c = s.n > 0 ? s.p[0] : '\0';

    if (c != '0' && c != 'f' && c != 'F')
        return false;
    for (size_t i = 0; i < n; i++)
        if (is_hex(s.p[i]) && s.p[i] != c)
            return false;
    return true;
}

size_t match_hex_groups(struct span s, unsigned *groups)
{
    size_t at = 2;
    unsigned n = 1;
    char separator;

    if (!is_pair(s, 0) || s.n < 3 || (s.p[2] != ':' && s.p[2] != '-'))
        return 0;
    separator = s.p[2];
    while (n < MAX_CHAIN && at < s.n && s.p[at] == separator && is_pair(s, at + 1)) {
        at += 3;
        n++;
    }
    *groups = n;
    return n < 6 && (!has_letter(s, at) || is_trivial(s, at)) ? 0 : at;
}

size_t match_hex_chain(struct span s, unsigned *groups)
{
    unsigned n = 0;
    size_t at = match_hex_groups(s, &n);

    if (n < 6 || is_trivial(s, at) || (s.p[2] == '-' && !has_letter(s, at)))
        return 0;
    *groups = n;
    return at;
}

size_t match_uuid(struct span s)
{
    static const unsigned char dashes[] = { 8, 13, 18, 23 };
    enum { LENGTH = 36 };

    if (s.n < LENGTH || !ends_word(s, LENGTH))
        return 0;
    for (size_t i = 0, dash = 0; i < LENGTH; i++) {
        if (dash < sizeof(dashes) && i == dashes[dash]) {
            if (s.p[i] != '-')
                return 0;
            dash++;
        } else if (!is_hex(s.p[i])) {
            return 0;
        }
    }
    return is_trivial(s, LENGTH) ? 0 : LENGTH;
}

static bool take_octet(struct span s, size_t *at, unsigned *out)
{
    size_t start = *at, i = start;
    unsigned value = 0;

    while (i < s.n && i - start < 4 && byte_is_digit(s.p[i]))
        value = value * 10 + (unsigned)(s.p[i++] - '0');
    if (i == start || i - start > 3 || value > 255 || (i - start > 1 && s.p[start] == '0'))
        return false;
    *at = i;
    *out = value;
    return true;
}

size_t match_ipv4_part(struct span s)
{
    unsigned octets[4];
    size_t at = 0;

    for (size_t i = 0; i < 4; i++) {
        if (i > 0 && (at >= s.n || s.p[at++] != '.'))
            return 0;
        if (!take_octet(s, &at, &octets[i]))
            return 0;
    }
    if (!ends_word(s, at) || octets[0] == 0 || octets[0] == 127 || octets[0] == 255)
        return 0;
    return at;
}

size_t match_ipv4(struct span s)
{
    size_t at = match_ipv4_part(s);

    /* A version goes on: "1.2.3.4.5", "1.2.3.4-rc1". A sentence ends: "10.0.0.1." */
    if (at == 0 || (at + 1 < s.n && s.p[at] == '.' && match_is_word_byte(s.p[at + 1])))
        return 0;
    if (at + 1 < s.n && s.p[at] == '-' && match_is_word_byte(s.p[at + 1]) &&
        match_ipv4_part((struct span){ s.p + at + 1, s.n - at - 1 }) == 0)
        return 0;
    return at;
}

/* What an IPv6 address may be made of, as seen by its groups. */
struct groups {
    unsigned n;      /* not empty; an IPv4 address at the end counts as two */
    size_t longest;  /* digits */
    size_t first;    /* digits of the first */
    bool compressed; /* "::" was there */
};

static bool read_groups(struct span s, size_t *length, struct groups *g)
{
    size_t at = 0;

    for (;;) {
        size_t start = at;

        while (at < s.n && is_hex(s.p[at]) && at - start < 5)
            at++;
        if (at - start > 4)
            return false;
        if (at < s.n && s.p[at] == '.' && g->n > 0 &&
            match_ipv4((struct span){ s.p + start, s.n - start }) > 0) {
            at = start + match_ipv4((struct span){ s.p + start, s.n - start });
            g->n += 2;
            break;
        }
        if (at > start) {
            if (g->n++ == 0)
                g->first = at - start;
            g->longest = at - start > g->longest ? at - start : g->longest;
        }
        if (at >= s.n || s.p[at] != ':' || g->n == 8)
            break;
        if (at + 1 < s.n && s.p[at + 1] == ':') {
            if (g->compressed)
                return false;
            g->compressed = true;
            at += 2;
            if (at >= s.n || !is_hex(s.p[at]))
                break;
        } else if (at + 1 < s.n && is_hex(s.p[at + 1])) {
            at++;
        } else {
            break; /* "fe80::1: unreachable" */
        }
    }
    *length = at;
    return true;
}

/* Global unicast (2000::/3), unique local, link local and multicast: fc00::/7, fe80::/10, ff00::/8.
 */
static bool has_usual_prefix(struct span s, const struct groups *g)
{
    char a = s.p[0], b = s.n > 1 ? s.p[1] : '\0';

    if (g->first != 4)
        return false;
    if (a == '2' || a == '3')
        return true;
    return (a == 'f' || a == 'F') && b != '\0' && strchr("cCdDeEfF", b);
}

size_t match_ipv6(struct span s)
{
    struct groups g = { 0 };
    size_t n = 0;

    if (s.n > MAX_IPV6 + 1)
        s.n = MAX_IPV6 + 1;
    if (s.n < 4 || !is_hex(s.p[0]) || !read_groups(s, &n, &g) || n > MAX_IPV6 || !ends_word(s, n))
        return 0;
    if (!g.compressed)
        return g.n == 8 && g.longest >= 3 ? n : 0;
    if (g.n >= 8 || (g.n < 3 && !has_usual_prefix(s, &g)))
        return 0;
    return g.longest >= 3 ? n : 0;
}
