/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scrub/address.h"
#include "scrub/match.h"

enum { LINK_LENGTH = 17 /* "aa:bb:cc:dd:ee:ff" */, MIN_CUT_GROUPS = 3 };

static char byte_at(struct span s, size_t at)
{
    return at < s.n ? s.p[at] : '\0';
}

static struct span rest_at(struct span s, size_t at)
{
    return (struct span){ s.p + at, s.n - at };
}

static bool all_digits(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!byte_is_digit(s.p[i]))
            return false;
    return true;
}

static bool ends_case(struct span s, const char *suffix)
{
    size_t n = strlen(suffix);

    return s.n >= n && span_eq_case(rest_at(s, s.n - n), suffix);
}

/* Whether the word before says that what comes is a version: "fw 10.2.1.4", "VERSION_ID=3.7.20.1".
 */
static bool is_version(struct span before)
{
    static const char *const words[] = { "ver",  "v",  "firmware", "fw",     "rev",
                                         "bios", "ec", "release",  "driver", "revision" };
    static const char *const suffixes[] = { "version", "_ver", "version_id", "build_id", "fwver" };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (span_eq_case(before, words[i]))
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
        if (ends_case(before, suffixes[i]))
            return true;
    return false;
}

/* Networks that are used at home, and no version looks like: 192.168/16, 172.16/12, 169.254/16. */
static bool is_home_network(struct span ip)
{
    uint64_t second;

    if (span_starts(ip, "192.168.") || span_starts(ip, "169.254."))
        return true;
    return span_skip(&ip, "172.") && span_take_dec(&ip, &second) && second >= 16 && second < 32;
}

/* Behind "ADDRESS-" in names that are made of an address: of interfaces, and of iSCSI's disks. */
static bool goes_on_as_name(struct span behind)
{
    static const char *const words[] = { "eth", "en", "wl", "ww", "br", "usb", "iscsi", "lan" };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (span_starts(behind, words[i]))
            return true;
    return false;
}

static bool names_address(struct span before)
{
    static const char *const words[] = { "ip", "host", "addr", "address", "net", "server", "dhcp" };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (span_eq_case(before, words[i]))
            return true;
    return false;
}

/* What follows '-' or '.' goes on with something, and what goes on behind it is longer: a USB path,
 * a version. Of a range, the first address was replaced just now. */
static size_t find_ipv4(struct span text, size_t start, struct span before, bool joined)
{
    char ahead = start > 0 ? text.p[start - 1] : '\0';
    struct span rest = rest_at(text, start);
    size_t n = match_ipv4_part(rest);
    bool home = n > 0 && is_home_network(rest);

    if (n == 0 || ahead == '.')
        return 0;
    if (ahead == '-' && !joined && !home && !names_address(before))
        return 0;
    if (home)
        return n;
    if (is_version(before) && !(span_eq_case(before, "release") && span_starts(rest, "10.")))
        return 0;
    if (match_ipv4(rest) > 0 ||
        (byte_at(text, start + n) == '-' && goes_on_as_name(rest_at(rest, n + 1))))
        return n;
    return 0;
}

/* A link's address of which a record's or a ring buffer's edge has cut a part: three to five groups
 * at the very beginning or the very end of a text. Times are written like that, too. */
static size_t find_cut_link(struct span text, size_t start)
{
    struct span rest = rest_at(text, start);
    char ahead = start > 0 ? text.p[start - 1] : ' ';
    unsigned groups = 0;
    size_t n = match_hex_groups(rest, &groups);

    if (groups < MIN_CUT_GROUPS || groups > 5 || ahead == ':' || ahead == '-')
        return 0;
    while (rest.n > n && byte_is_space(rest.p[rest.n - 1]))
        rest.n--;
    if (n == rest.n ||
        (n + 2 == rest.n && rest.p[n] == ':' && byte_hex_value(rest.p[n + 1]) >= 0) ||
        (n + 1 == rest.n && rest.p[n] == ':'))
        return rest.n;
    return start == 0 ? n : 0;
}

/* "dev_AA_BB_CC_DD_EE_FF", as BlueZ names devices: the offset of the address, or 0. */
static size_t find_underscored(struct span word)
{
    size_t at = word.n - LINK_LENGTH;

    if (at == 0 || word.p[at - 1] != '_')
        return 0;
    for (size_t i = 0; i < LINK_LENGTH; i++)
        if (i % 3 == 2 ? word.p[at + i] != '_' : byte_hex_value(word.p[at + i]) < 0)
            return 0;
    return at;
}

/* The same digits again and again: a pattern that memory is filled with. */
static bool is_pattern(struct span word)
{
    enum { LONGEST = 8 };

    for (size_t i = LONGEST; i < word.n; i++)
        if (word.p[i] != word.p[i - LONGEST])
            return false;
    return true;
}

/* Ids that are a word, or part of one. */
static bool find_id(struct span text, size_t start, size_t n, struct address *out)
{
    struct span word = { text.p + start, n };
    size_t at;

    if (n == 17 && span_starts(word, "7656119") && all_digits(word)) {
        *out = (struct address){ SCRUB_STEAM, start, n };
        return true;
    }
    if (n == 15 &&
        (span_starts(word, "enx") || span_starts(word, "wlx") || span_starts(word, "wwx"))) {
        *out = (struct address){ SCRUB_MAC, start + 3, 12 };
        return match_is_hex(rest_at(word, 3));
    }
    if (n == 32 && match_is_hex(word) && !all_digits(word) && !is_pattern(word)) {
        *out = (struct address){ SCRUB_ID, start, n };
        return true;
    }
    at = n > LINK_LENGTH ? find_underscored(word) : 0;
    *out = (struct address){ SCRUB_MAC, start + at, LINK_LENGTH };
    return at > 0;
}

/* The address whose first group is the word's end: "mac_aa:bb:…". */
static bool find_link(struct span text, size_t start, size_t end, struct address *out)
{
    unsigned groups = 0;
    size_t n;

    if (end - start > 3 && text.p[end - 3] == '_')
        start = end - 2;
    if (end - start != 2)
        return false;
    n = match_hex_chain(rest_at(text, start), &groups);
    if (n == 0)
        n = find_cut_link(text, start);
    /* Eight groups are the name of a SAS or Fibre Channel port; else links have them. */
    *out = (struct address){ groups == 8 ? SCRUB_DISK : SCRUB_MAC, start, n };
    return n > 0;
}

bool address_find(struct span text, size_t start, size_t end, struct span before, bool joined,
                  struct address *out)
{
    char behind = byte_at(text, end), ahead = start > 0 ? text.p[start - 1] : '\0';
    size_t n = end - start, length = 0;
    enum scrub_kind kind = SCRUB_IP;

    if (n >= 15)
        return find_id(text, start, n, out);
    if ((behind == ':' || behind == '-') && find_link(text, start, end, out))
        return true;
    if (byte_hex_value(text.p[start]) < 0)
        return false;
    if (n == 8 && behind == '-') {
        length = match_uuid(rest_at(text, start));
        kind = SCRUB_UUID;
    } else if (n <= 4 && behind == ':' && ahead != ':') {
        length = match_ipv6(rest_at(text, start));
    } else if (n <= 3 && behind == '.') {
        length = find_ipv4(text, start, before, joined);
    }
    *out = (struct address){ kind, start, length };
    return length > 0;
}
