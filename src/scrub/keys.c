/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>

#include "scrub/keys.h"
#include "scrub/match.h"

/* What stands between the word and its value. */
enum lead {
    LEAD_COLON,  /* "Word: " */
    LEAD_ASSIGN, /* "word=", "word: ", "word="", with a quote after the word, too */
    LEAD_QUOTE,  /* "word='", "word "", "'word' value '": there must be a quote */
    LEAD_JOINED, /* "word-0x", "word.", "word(", or as LEAD_ASSIGN */
    LEAD_SLASH,  /* "word/" */
    LEAD_SET_TO, /* "word set to <", "word to <" */
    LEAD_BLANK,  /* "word " */
    LEAD_NUMBER, /* "word=1000(" */
    LEAD_TAG,    /* "word[123]: ", "word: ", at a line's beginning */
};

enum stop {
    STOP_LINE,  /* the value ends with its line */
    STOP_WORD,  /* … at a blank, quote, bracket or comma; at the quote where one opened */
    STOP_HEX,   /* … behind its hexadecimal digits */
    STOP_ID,    /* … behind digits and ':' */
    STOP_ANGLE, /* … at '>' */
    STOP_FIELD, /* … with its line, or at the next field: ", state up", ", bss: X", " ie_len=20" */
};

enum judge {
    JUDGE_ANY,
    JUDGE_SERIAL,  /* six bytes or more, with a digit, and no '/' or '.' */
    JUDGE_NAME,    /* begins with a letter */
    JUDGE_SESSION, /* is followed by "(" or " by" */
    JUDGE_FROM,    /* … " from " */
    JUDGE_SUDO,    /* … " : " */
    JUDGE_SERVER,  /* … " not responding", " OK", " error", as NFS says it */
    JUDGE_LINK,    /* twelve hexadecimal digits */
    JUDGE_HEX,     /* twelve digits or more */
    JUDGE_UUID,    /* hexadecimal digits and '-', eight or more */
    JUDGE_DIGITS,
};

struct key {
    const char *word; /* in lower case */
    /* The word before it must be this one; "A B": the last word before it B, and an A in the line
     * somewhere before. NULL: any. */
    const char *before;
    enum lead lead;
    enum stop stop;
    enum judge judge;
    enum scrub_kind kind;
};

static const struct key keys[] = {
    /* wpa_supplicant, iwd, NetworkManager, drivers */
    { "ssid", NULL, LEAD_QUOTE, STOP_WORD, JUDGE_ANY, SCRUB_SSID },
    { "ssid", NULL, LEAD_ASSIGN, STOP_FIELD, JUDGE_ANY, SCRUB_SSID },
    { "essid", NULL, LEAD_QUOTE, STOP_WORD, JUDGE_ANY, SCRUB_SSID },
    { "essid", NULL, LEAD_ASSIGN, STOP_FIELD, JUDGE_ANY, SCRUB_SSID },
    /* NetworkManager's, which have the network's name unless a person gave another */
    { "connection", NULL, LEAD_QUOTE, STOP_WORD, JUDGE_ANY, SCRUB_SSID },
    /* links' addresses that are not written in pairs */
    { "mac", NULL, LEAD_ASSIGN, STOP_HEX, JUDGE_LINK, SCRUB_MAC },
    { "macaddr", NULL, LEAD_ASSIGN, STOP_HEX, JUDGE_LINK, SCRUB_MAC },
    { "bssid", NULL, LEAD_ASSIGN, STOP_HEX, JUDGE_LINK, SCRUB_MAC },
    { "bd_addr", NULL, LEAD_ASSIGN, STOP_HEX, JUDGE_LINK, SCRUB_MAC },
    { "bdaddr", NULL, LEAD_ASSIGN, STOP_HEX, JUDGE_LINK, SCRUB_MAC },
    { "addr", "node", LEAD_BLANK, STOP_HEX, JUDGE_LINK, SCRUB_MAC },
    { "address", "mac", LEAD_BLANK, STOP_HEX, JUDGE_LINK, SCRUB_MAC },
    { "address", "ethernet", LEAD_BLANK, STOP_HEX, JUDGE_LINK, SCRUB_MAC },
    { "network", "wireless", LEAD_QUOTE, STOP_WORD, JUDGE_ANY, SCRUB_SSID },
    { "network", "fi", LEAD_QUOTE, STOP_WORD, JUDGE_ANY, SCRUB_SSID },
    /* "usb 1-1: SerialNumber: X"; "SerialNumber=3" is the number of a string descriptor */
    { "serialnumber", NULL, LEAD_COLON, STOP_LINE, JUDGE_ANY, SCRUB_SERIAL },
    { "controller", "steam", LEAD_QUOTE, STOP_WORD, JUDGE_SERIAL, SCRUB_SERIAL }, /* hid-steam */
    { "imei", NULL, LEAD_ASSIGN, STOP_ID, JUDGE_DIGITS, SCRUB_SERIAL },
    { "imsi", NULL, LEAD_ASSIGN, STOP_ID, JUDGE_DIGITS, SCRUB_SERIAL },
    { "iccid", NULL, LEAD_ASSIGN, STOP_ID, JUDGE_DIGITS, SCRUB_SERIAL },
    /* dmidecode, and our own list of sysfs */
    { "number", "serial", LEAD_COLON, STOP_LINE, JUDGE_ANY, SCRUB_SERIAL },
    { "number", "serial", LEAD_ASSIGN, STOP_WORD, JUDGE_SERIAL, SCRUB_SERIAL },
    { "tag", "asset", LEAD_COLON, STOP_LINE, JUDGE_ANY, SCRUB_SERIAL },
    { "tag", "service", LEAD_COLON, STOP_LINE, JUDGE_ANY, SCRUB_SERIAL },
    { "product_serial", NULL, LEAD_ASSIGN, STOP_LINE, JUDGE_ANY, SCRUB_SERIAL },
    { "board_serial", NULL, LEAD_ASSIGN, STOP_LINE, JUDGE_ANY, SCRUB_SERIAL },
    { "chassis_serial", NULL, LEAD_ASSIGN, STOP_LINE, JUDGE_ANY, SCRUB_SERIAL },
    { "board_asset_tag", NULL, LEAD_ASSIGN, STOP_LINE, JUDGE_ANY, SCRUB_SERIAL },
    { "chassis_asset_tag", NULL, LEAD_ASSIGN, STOP_LINE, JUDGE_ANY, SCRUB_SERIAL },
    { "product_uuid", NULL, LEAD_ASSIGN, STOP_LINE, JUDGE_ANY, SCRUB_UUID },
    { "serial", NULL, LEAD_ASSIGN, STOP_WORD, JUDGE_SERIAL, SCRUB_SERIAL },
    { "serialno", NULL, LEAD_ASSIGN, STOP_WORD, JUDGE_SERIAL, SCRUB_SERIAL },
    { "sn", NULL, LEAD_ASSIGN, STOP_WORD, JUDGE_SERIAL, SCRUB_SERIAL },
    /* FAT and NTFS have short ones, which have no form of their own */
    { "uuid", NULL, LEAD_ASSIGN, STOP_WORD, JUDGE_UUID, SCRUB_UUID },
    { "partuuid", NULL, LEAD_ASSIGN, STOP_WORD, JUDGE_UUID, SCRUB_UUID },
    { "fsid", NULL, LEAD_ASSIGN, STOP_WORD, JUDGE_UUID, SCRUB_UUID },
    /* names of disks in SCSI, NVMe, udev */
    { "wwn", NULL, LEAD_JOINED, STOP_HEX, JUDGE_HEX, SCRUB_DISK },
    { "wwid", NULL, LEAD_ASSIGN, STOP_WORD, JUDGE_SERIAL, SCRUB_DISK },
    { "wwpn", NULL, LEAD_JOINED, STOP_HEX, JUDGE_HEX, SCRUB_DISK },
    { "wwnn", NULL, LEAD_JOINED, STOP_HEX, JUDGE_HEX, SCRUB_DISK },
    { "naa", NULL, LEAD_JOINED, STOP_HEX, JUDGE_HEX, SCRUB_DISK },
    { "eui", NULL, LEAD_JOINED, STOP_HEX, JUDGE_HEX, SCRUB_DISK },
    { "nguid", NULL, LEAD_JOINED, STOP_HEX, JUDGE_HEX, SCRUB_DISK },
    { "sas_address", NULL, LEAD_JOINED, STOP_HEX, JUDGE_HEX, SCRUB_DISK },
    { "sas_addr", NULL, LEAD_JOINED, STOP_HEX, JUDGE_HEX, SCRUB_DISK },
    /* systemd, getty, PAM, audit, environments */
    { "hostname", NULL, LEAD_SET_TO, STOP_ANGLE, JUDGE_ANY, SCRUB_HOST },
    { "hostname", NULL, LEAD_ASSIGN, STOP_WORD, JUDGE_NAME, SCRUB_HOST },
    { "nodename", NULL, LEAD_ASSIGN, STOP_WORD, JUDGE_NAME, SCRUB_HOST },
    { "server", "nfs", LEAD_BLANK, STOP_WORD, JUDGE_SERVER, SCRUB_HOST },
    { "user", "for", LEAD_BLANK, STOP_WORD, JUDGE_SESSION, SCRUB_USER },
    { "user", "session of", LEAD_BLANK, STOP_WORD, JUDGE_NAME, SCRUB_USER }, /* logind */
    { "user", NULL, LEAD_ASSIGN, STOP_WORD, JUDGE_NAME, SCRUB_USER },
    { "for", "publickey", LEAD_BLANK, STOP_WORD, JUDGE_FROM, SCRUB_USER }, /* sshd */
    { "for", "password", LEAD_BLANK, STOP_WORD, JUDGE_FROM, SCRUB_USER },
    { "for", "pam", LEAD_BLANK, STOP_WORD, JUDGE_FROM, SCRUB_USER },
    { "sudo", NULL, LEAD_TAG, STOP_WORD, JUDGE_SUDO, SCRUB_USER },
    { "uid", NULL, LEAD_NUMBER, STOP_WORD, JUDGE_NAME, SCRUB_USER },
    { "username", NULL, LEAD_ASSIGN, STOP_WORD, JUDGE_NAME, SCRUB_USER },
    { "logname", NULL, LEAD_ASSIGN, STOP_WORD, JUDGE_NAME, SCRUB_USER },
    { "acct", NULL, LEAD_QUOTE, STOP_WORD, JUDGE_ANY, SCRUB_USER },
    /* Steam */
    { "accountname", NULL, LEAD_QUOTE, STOP_WORD, JUDGE_ANY, SCRUB_STEAM },
    { "personaname", NULL, LEAD_QUOTE, STOP_WORD, JUDGE_ANY, SCRUB_STEAM },
    { "steamid", NULL, LEAD_ASSIGN, STOP_ID, JUDGE_DIGITS, SCRUB_STEAM },
    { "accountid", NULL, LEAD_ASSIGN, STOP_ID, JUDGE_DIGITS, SCRUB_STEAM },
    { "userdata", NULL, LEAD_SLASH, STOP_ID, JUDGE_DIGITS, SCRUB_STEAM },
    { "steam_0", NULL, LEAD_JOINED, STOP_ID, JUDGE_DIGITS, SCRUB_STEAM },
    { "steam_1", NULL, LEAD_JOINED, STOP_ID, JUDGE_DIGITS, SCRUB_STEAM },
};

/* What vendors write where they have nothing to say. */
static const char *const empty_values[] = {
    "not specified",
    "none",
    "unknown",
    "not provided",
    "not available",
    "not settable",
    "not present",
    "not applicable",
    "default string",
    "to be filled by o.e.m.",
    "fill by oem",
    "system serial number",
    "chassis serial number",
    "base board serial number",
    "no asset tag",
    "asset tag",
    "no asset information",
    "n/a",
    "na",
    "oem",
    "o.e.m.",
    "empty",
    "null",
    "(null)",
    "0123456789",
    "1234567890",
    "123456789",
    "invalid",
    "unspecified",
    "hidden",
    "any",
    "wildcard",
    "broadcast",
    "<hidden>",
};

static_assert(ARRAY_SIZE(keys) <= KEYS_MAX, "more keys than their index has room for");

void keys_index(struct key_index *out)
{
    *out = (struct key_index){ 0 };
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        uint32_t hash = word_hash(span_str(keys[i].word)), bit = hash % (8 * KEY_FILTER_BYTES);

        out->hashes[i] = hash;
        out->filter[bit / 8] = (unsigned char)(out->filter[bit / 8] | 1U << bit % 8);
    }
}

enum scrub_kind key_kind(const struct key *key)
{
    return key->kind;
}

static bool stands_behind(const struct key *key, struct span line, struct span before)
{
    struct span rest = span_str(key->before), word;
    char first[16];

    if (!key->before || span_eq_case(before, key->before))
        return true;
    return span_next_field(&rest, ' ', &word) && rest.p && span_eq_span(before, rest) &&
           span_copy(word, first, sizeof(first)) && span_contains(line, first);
}

const struct key *key_find(const struct key_index *index, uint32_t hash, struct span word,
                           struct span line, struct span before)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (index->hashes[i] == hash && span_eq_case(word, keys[i].word) &&
            stands_behind(&keys[i], line, before))
            return &keys[i];
    return NULL;
}

static size_t skip_blanks(struct span s, size_t at)
{
    while (at < s.n && (s.p[at] == ' ' || s.p[at] == '\t'))
        at++;
    return at;
}

static char byte_at(struct span s, size_t at)
{
    return at < s.n ? s.p[at] : '\0';
}

static bool is_quote(char c)
{
    return c == '\'' || c == '"' || c == '`';
}

static size_t skip_literals(struct span s, size_t at, const char *const *literals)
{
    for (; *literals; literals++)
        if (span_starts((struct span){ s.p + at, s.n - at }, *literals))
            return at + strlen(*literals);
    return SIZE_MAX;
}

static size_t skip_assign(struct span s, bool needed)
{
    size_t at = is_quote(byte_at(s, 0)) ? 1 : 0;

    at = skip_blanks(s, at);
    if (byte_at(s, at) == '=' || byte_at(s, at) == ':')
        at = skip_blanks(s, at + 1);
    else if (needed)
        return SIZE_MAX;
    return at;
}

static size_t skip_joined(struct span s)
{
    size_t at = skip_assign(s, false);

    if (at == 0 && byte_at(s, 0) != '\0' && strchr("-.(", s.p[0]))
        at = 1;
    if (at == 0)
        return SIZE_MAX;
    if (byte_at(s, at) == '(')
        at++;
    if (byte_at(s, at) == '0' && (byte_at(s, at + 1) | 0x20) == 'x')
        at += 2;
    return at;
}

static size_t skip_number(struct span s)
{
    size_t at = 1;

    if (byte_at(s, 0) != '=')
        return SIZE_MAX;
    while (at < 12 && byte_is_digit(byte_at(s, at)))
        at++;
    return at > 1 && byte_at(s, at) == '(' ? at + 1 : SIZE_MAX;
}

/* "[123]: " */
static size_t skip_tag(struct span s)
{
    size_t at = 0;

    if (byte_at(s, 0) == '[')
        for (at = 1; at < 12 && byte_is_digit(byte_at(s, at)); at++)
            ;
    if (at > 0 && byte_at(s, at++) != ']')
        return SIZE_MAX;
    return byte_at(s, at) == ':' && byte_at(s, at + 1) == ' ' ? skip_blanks(s, at + 1) : SIZE_MAX;
}

/* The offset of the value, or SIZE_MAX; *quote is the quote that opened before it. */
static size_t skip_lead(enum lead lead, struct span s, char *quote)
{
    static const char *const set_to[] = { " set to <", " to <", NULL };
    static const char *const colon[] = { ": ", ":\t", NULL };
    static const char *const value[] = { "' value '", "' value \"", NULL };
    size_t at;

    switch (lead) {
    case LEAD_COLON:
        at = skip_literals(s, 0, colon);
        return at == SIZE_MAX ? at : skip_blanks(s, at);
    case LEAD_SET_TO:
        return skip_literals(s, 0, set_to);
    case LEAD_SLASH:
        return byte_at(s, 0) == '/' ? 1 : SIZE_MAX;
    case LEAD_BLANK:
        return byte_at(s, 0) == ' ' ? 1 : SIZE_MAX;
    case LEAD_NUMBER:
        return skip_number(s);
    case LEAD_TAG:
        return skip_tag(s);
    case LEAD_JOINED:
        return skip_joined(s);
    case LEAD_ASSIGN:
        at = skip_assign(s, true);
        break;
    case LEAD_QUOTE:
    default:
        at = skip_literals(s, 0, value);
        at = at == SIZE_MAX ? skip_assign(s, false) : at - 1;
        if (at == 0 || !is_quote(byte_at(s, at)))
            return SIZE_MAX;
        break;
    }
    if (at != SIZE_MAX && is_quote(byte_at(s, at)))
        *quote = s.p[at++];
    return at;
}

/* "bss: ", "state up", "ie_len=20" behind a value that has no quotes. */
static bool starts_field(struct span s, size_t at)
{
    size_t start, end;

    if (byte_at(s, at) != ' ' && byte_at(s, at) != ',')
        return false;
    start = skip_blanks(s, at + 1);
    for (end = start; end < s.n && end - start < 24 && (byte_is_alnum(s.p[end]) || s.p[end] == '_');
         end++)
        ;
    if (end == start)
        return false;
    if (byte_at(s, at) == ',' && (byte_at(s, end) == ' ' || byte_at(s, end) == ':'))
        return true;
    return byte_at(s, end) == '=';
}

static bool stops(enum stop stop, char quote, struct span s, size_t at)
{
    char c = s.p[at];

    if (c == '\n' || c == '\r' || c == '\0')
        return true;
    if (quote) /* but not in 'John's' */
        return c == quote && !(c == '\'' && byte_is_alnum(byte_at(s, at + 1)));
    switch (stop) {
    case STOP_LINE:
        return false;
    case STOP_HEX:
        return byte_hex_value(c) < 0 && c != ':';
    case STOP_ID:
        return !byte_is_digit(c) && c != ':';
    case STOP_ANGLE:
        return c == '>';
    case STOP_FIELD:
        return starts_field(s, at);
    case STOP_WORD:
    default:
        return strchr(" \t'\"`,;()[]{}<>|&", c) != NULL;
    }
}

static bool is_serial(struct span value)
{
    bool digit = false;

    if (span_starts(value, "tty")) /* "88c000.serial: ttyMSM0 at MMIO" */
        return false;
    for (size_t i = 0; i < value.n; i++) {
        digit |= byte_is_digit(value.p[i]);
        if (value.p[i] == '/' || value.p[i] == '.')
            return false;
    }
    return digit && value.n >= 6;
}

static bool is_uuid_like(struct span value)
{
    for (size_t i = 0; i < value.n; i++)
        if (byte_hex_value(value.p[i]) < 0 && value.p[i] != '-')
            return false;
    return value.n >= 8;
}

/* "0000:00:14.0": what the kernel gives its root hubs for a serial. */
static bool is_pci_id(struct span value)
{
    return value.n == 12 && value.p[4] == ':' && value.p[7] == ':' && value.p[10] == '.';
}

static bool is_empty_value(struct span value)
{
    if (is_pci_id(value))
        return true;
    for (size_t i = 0; i < ARRAY_SIZE(empty_values); i++)
        if (span_eq_case(value, empty_values[i]))
            return true;
    if (!span_skip(&value, "0x"))
        (void)span_skip(&value, "0X");
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] != '0' && value.p[i] != '-')
            return false;
    return true;
}

static bool passes(enum judge judge, struct span value)
{
    switch (judge) {
    case JUDGE_SERIAL:
        return is_serial(value);
    case JUDGE_NAME:
    case JUDGE_FROM:
    case JUDGE_SUDO:
    case JUDGE_SERVER:
        return match_is_word_byte(value.p[0]) && !byte_is_digit(value.p[0]) &&
               !word_is_common(value);
    case JUDGE_LINK:
        return value.n == 12 && match_is_hex(value);
    case JUDGE_HEX:
        return value.n >= 12;
    case JUDGE_UUID:
        return is_uuid_like(value);
    case JUDGE_DIGITS:
        return byte_is_digit(value.p[0]) || (value.n > 1 && byte_is_digit(value.p[1]));
    case JUDGE_ANY:
    case JUDGE_SESSION:
    default:
        return true;
    }
}

/* Whether what stands behind the value says that it is one. */
static bool goes_on(enum judge judge, struct span behind)
{
    switch (judge) {
    case JUDGE_SESSION:
        return span_starts(behind, "(") || span_starts(behind, " by ");
    case JUDGE_FROM:
        return span_starts(behind, " from ");
    case JUDGE_SUDO:
        return span_starts(behind, " : ");
    case JUDGE_SERVER:
        return span_starts(behind, " not responding") || span_starts(behind, " OK") ||
               span_starts(behind, " error");
    case JUDGE_LINK:
        return behind.n == 0 || !match_is_word_byte(behind.p[0]);
    default:
        return true;
    }
}

static bool value_by(const struct key *key, struct span behind, size_t *start, struct span *value)
{
    char quote = '\0';
    size_t at = skip_lead(key->lead, behind, &quote), end, limit;

    if (at == SIZE_MAX || at >= behind.n ||
        scrub_token_length((struct span){ behind.p + at, behind.n - at }, "<", ">") > 0)
        return false;
    /* A value that may be judged to be none is not read for long: its bytes are read again. */
    limit = key->judge == JUDGE_ANY ? behind.n : MIN(behind.n, at + SCRUB_MAX_VALUE);
    for (end = at; end < limit && !stops(key->stop, quote, behind, end); end++)
        if (quote && behind.p[end] == '\\' && end + 1 < limit && behind.p[end + 1] != '\n')
            end++;
    if (end > limit || (end == limit && limit < behind.n))
        return false;
    while (end > at && byte_is_space(behind.p[end - 1]))
        end--;
    *value = (struct span){ behind.p + at, end - at };
    if (key->stop == STOP_WORD && !quote) /* the end of a sentence */
        while (value->n > 0 && strchr(".:", value->p[value->n - 1]))
            value->n--;
    *start = at;
    if (!goes_on(key->judge, (struct span){ behind.p + end, behind.n - end }))
        return false;
    return value->n > 0 && (value->n > 40 || !is_empty_value(*value)) && passes(key->judge, *value);
}

bool key_value(const struct key *key, struct span behind, size_t *start, struct span *value)
{
    /* The rows of one word follow each other. */
    for (const struct key *k = key; k < keys + ARRAY_SIZE(keys); k++) {
        if (strcmp(k->word, key->word) != 0)
            break;
        if (k->before && (!key->before || strcmp(k->before, key->before) != 0))
            continue;
        if (value_by(k, behind, start, value))
            return true;
    }
    return false;
}

/* "eth0", "docker0": names of interfaces, which connections have, too. */
static bool is_interface(struct span value)
{
    static const char *const prefixes[] = { "eth",    "en",  "wl",  "ww",  "br",   "virbr",
                                            "docker", "tun", "tap", "wg",  "veth", "bond",
                                            "vlan",   "usb", "ppp", "bnep" };

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        struct span rest = value;

        if (span_skip(&rest, prefixes[i]) && rest.n > 0 && rest.n <= 12 &&
            byte_is_digit(rest.p[rest.n - 1]) && span_find_byte(rest, ' ') == SIZE_MAX)
            return true;
    }
    return false;
}

bool key_teaches(const struct key *key, struct span value, struct span around)
{
    enum { MIN_LEARNT = 4 };
    char ahead = value.p > around.p ? value.p[-1] : '\0';
    bool line_end = value.p + value.n == around.p + around.n || value.p[value.n] == '\n';

    switch (key->kind) {
    case SCRUB_HOST:
    case SCRUB_STEAM:
        return true;
    case SCRUB_SERIAL:
    case SCRUB_DISK:
        return is_serial(value);
    case SCRUB_USER:
        return value.n >= MIN_LEARNT &&
               (key->lead != LEAD_ASSIGN || is_quote(ahead) || ahead == '=');
    case SCRUB_SSID:
        return value.n >= MIN_LEARNT && !is_interface(value) &&
               (is_quote(ahead) || ahead == '=' || !line_end);
    default:
        return false;
    }
}
