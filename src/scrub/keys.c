/* SPDX-License-Identifier: LGPL-2.1-or-later */
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
};

enum stop {
    STOP_LINE,  /* the value ends with its line */
    STOP_WORD,  /* … at a blank, quote, bracket or comma; at the quote where one opened */
    STOP_HEX,   /* … behind its hexadecimal digits */
    STOP_ID,    /* … behind digits and ':' */
    STOP_ANGLE, /* … at '>' */
};

enum judge {
    JUDGE_ANY,
    JUDGE_SERIAL,  /* six bytes or more, with a digit, and no '/' or '.' */
    JUDGE_NAME,    /* begins with a letter */
    JUDGE_SESSION, /* is followed by "(" or " by" */
    JUDGE_HEX,     /* twelve digits or more */
    JUDGE_UUID,    /* hexadecimal digits and '-', eight or more */
    JUDGE_DIGITS,
};

struct key {
    const char *word;   /* in lower case */
    const char *before; /* the word before it must be this one; NULL: any */
    enum lead lead;
    enum stop stop;
    enum judge judge;
    enum scrub_kind kind;
};

static const struct key keys[] = {
    /* wpa_supplicant, iwd, NetworkManager, drivers */
    { "ssid", NULL, LEAD_QUOTE, STOP_WORD, JUDGE_ANY, SCRUB_SSID },
    { "ssid", NULL, LEAD_ASSIGN, STOP_LINE, JUDGE_ANY, SCRUB_SSID },
    { "essid", NULL, LEAD_QUOTE, STOP_WORD, JUDGE_ANY, SCRUB_SSID },
    { "essid", NULL, LEAD_ASSIGN, STOP_LINE, JUDGE_ANY, SCRUB_SSID },
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
    { "server", "nfs", LEAD_BLANK, STOP_WORD, JUDGE_NAME, SCRUB_HOST },
    { "user", "for", LEAD_BLANK, STOP_WORD, JUDGE_SESSION, SCRUB_USER },
    { "uid", NULL, LEAD_NUMBER, STOP_WORD, JUDGE_NAME, SCRUB_USER },
    { "user", NULL, LEAD_ASSIGN, STOP_WORD, JUDGE_NAME, SCRUB_USER },
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

void keys_fill_filter(unsigned char filter[KEY_FILTER_BYTES])
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        uint32_t bit = word_hash(span_str(keys[i].word)) % (8 * KEY_FILTER_BYTES);

        filter[bit / 8] = (unsigned char)(filter[bit / 8] | 1U << bit % 8);
    }
}

enum scrub_kind key_kind(const struct key *key)
{
    return key->kind;
}

const struct key *key_find(struct span word, struct span before)
{
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (span_eq_case(word, keys[i].word) &&
            (!keys[i].before || span_eq_case(before, keys[i].before)))
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

static bool stops(enum stop stop, char quote, char c)
{
    if (c == '\n' || c == '\r' || c == '\0')
        return true;
    if (quote)
        return c == quote;
    switch (stop) {
    case STOP_LINE:
        return false;
    case STOP_HEX:
        return byte_hex_value(c) < 0 && c != ':';
    case STOP_ID:
        return !byte_is_digit(c) && c != ':';
    case STOP_ANGLE:
        return c == '>';
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
        return match_is_word_byte(value.p[0]) && !byte_is_digit(value.p[0]);
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

static bool value_by(const struct key *key, struct span behind, size_t *start, struct span *value)
{
    char quote = '\0';
    size_t at = skip_lead(key->lead, behind, &quote), end, limit;

    if (at == SIZE_MAX || at >= behind.n ||
        scrub_token_length((struct span){ behind.p + at, behind.n - at }, "<", ">") > 0)
        return false;
    /* A value that may be judged to be none is not read for long: its bytes are read again. */
    limit = key->judge == JUDGE_ANY ? behind.n : MIN(behind.n, at + SCRUB_MAX_VALUE);
    for (end = at; end < limit && !stops(key->stop, quote, behind.p[end]); end++)
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
    if (key->judge == JUDGE_SESSION) {
        struct span after = { behind.p + end, behind.n - end };

        if (!span_starts(after, "(") && !span_starts(after, " by "))
            return false;
    }
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

bool key_teaches(const struct key *key, struct span value)
{
    if (key->kind == SCRUB_HOST || key->kind == SCRUB_STEAM)
        return true;
    return (key->kind == SCRUB_SERIAL || key->kind == SCRUB_DISK) && is_serial(value);
}
