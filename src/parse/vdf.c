/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "parse/name.h"
#include "parse/vdf.h"

enum token { TOKEN_END, TOKEN_WORD, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_INVALID };

void vdf_start(struct vdf_reader *reader, struct span text)
{
    (void)span_skip(&text, "\xef\xbb\xbf");
    reader->rest = text;
    reader->depth = 0;
    reader->line = 1;
    reader->key = reader->value = (struct span){ NULL, 0 };
}

static char take(struct vdf_reader *reader)
{
    char c = *span_take(&reader->rest, 1).p;

    if (c == '\n')
        reader->line++;
    return c;
}

/* White space, // comments and [$CONDITIONS]. */
static void skip_noise(struct vdf_reader *reader)
{
    struct span *rest = &reader->rest;

    while (rest->n > 0) {
        if (byte_is_space(rest->p[0])) {
            (void)take(reader);
        } else if (span_starts(*rest, "//")) {
            while (rest->n > 0 && rest->p[0] != '\n')
                (void)take(reader);
        } else if (rest->p[0] == '[') {
            while (rest->n > 0 && rest->p[0] != '\n' && take(reader) != ']')
                ;
        } else {
            return;
        }
    }
}

static bool append(char *buf, size_t *n, char c)
{
    if (*n == VDF_MAX_TOKEN)
        return false;
    buf[(*n)++] = c;
    return true;
}

static char unescape(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    default:
        return c; /* \\ and \", and what nobody has defined */
    }
}

static enum token quoted(struct vdf_reader *reader, char *buf, struct span *word)
{
    size_t n = 0;

    while (reader->rest.n > 0) {
        char c = take(reader);

        if (c == '"') {
            *word = (struct span){ buf, n };
            return TOKEN_WORD;
        }
        if (c == '\\') {
            if (reader->rest.n == 0)
                return TOKEN_INVALID;
            c = unescape(take(reader));
        }
        if (!append(buf, &n, c))
            return TOKEN_INVALID;
    }
    return TOKEN_INVALID;
}

static enum token unquoted(struct vdf_reader *reader, char *buf, struct span *word)
{
    struct span *rest = &reader->rest;
    size_t n = 0;

    while (rest->n > 0 && !byte_is_space(rest->p[0]) && rest->p[0] != '"' && rest->p[0] != '{' &&
           rest->p[0] != '}')
        if (!append(buf, &n, take(reader)))
            return TOKEN_INVALID;
    *word = (struct span){ buf, n };
    return TOKEN_WORD;
}

static enum token next_token(struct vdf_reader *reader, char *buf, struct span *word)
{
    struct span *rest = &reader->rest;

    skip_noise(reader);
    if (rest->n == 0)
        return TOKEN_END;
    switch (rest->p[0]) {
    case '{':
        (void)take(reader);
        return TOKEN_OPEN;
    case '}':
        (void)take(reader);
        return TOKEN_CLOSE;
    case '"':
        (void)take(reader);
        return quoted(reader, buf, word);
    default:
        return unquoted(reader, buf, word);
    }
}

enum vdf_event vdf_next(struct vdf_reader *reader)
{
    switch (next_token(reader, reader->key_buf, &reader->key)) {
    case TOKEN_END:
        return reader->depth == 0 ? VDF_END : VDF_INVALID;
    case TOKEN_CLOSE:
        if (reader->depth == 0)
            return VDF_INVALID;
        reader->depth--;
        return VDF_CLOSE;
    case TOKEN_WORD:
        break;
    case TOKEN_OPEN:
    case TOKEN_INVALID:
    default:
        return VDF_INVALID;
    }
    switch (next_token(reader, reader->value_buf, &reader->value)) {
    case TOKEN_WORD:
        return VDF_PAIR;
    case TOKEN_OPEN:
        if (reader->depth == VDF_MAX_DEPTH)
            return VDF_INVALID;
        reader->depth++;
        return VDF_OPEN;
    case TOKEN_END:
    case TOKEN_CLOSE:
    case TOKEN_INVALID:
    default:
        return VDF_INVALID;
    }
}

struct login {
    struct steam_account account;
    bool recent;
    uint64_t timestamp;
};

/* A SteamID64 is all digits; anything else is no user. */
static bool take_steamid(struct span key, char *out, size_t size)
{
    struct span rest = key;
    uint64_t id;

    return span_take_dec(&rest, &id) && rest.n == 0 && span_copy(key, out, size);
}

static void take_member(struct login *login, struct span key, struct span value)
{
    uint64_t number;

    if (span_eq_case(key, "AccountName"))
        name_sanitize(value, login->account.name, sizeof(login->account.name));
    else if (span_eq_case(key, "MostRecent"))
        login->recent = span_eq(value, "1");
    else if (span_eq_case(key, "Timestamp") && span_to_u64(value, &number))
        login->timestamp = number;
}

int vdf_most_recent_login(struct span text, struct steam_account *out, unsigned *line)
{
    struct login login = { 0 }, best = { 0 };
    struct vdf_reader reader;
    bool in_users = false, found = false;

    vdf_start(&reader, text);
    for (;;) {
        switch (vdf_next(&reader)) {
        case VDF_END:
            if (!found)
                return -ENOENT;
            *out = best.account;
            return 0;
        case VDF_OPEN:
            if (reader.depth == 1) {
                in_users = span_eq_case(reader.key, "users");
            } else if (reader.depth == 2) {
                login = (struct login){ .account.name = "0" };
                if (!take_steamid(reader.key, login.account.steamid, sizeof(login.account.steamid)))
                    login.account.steamid[0] = '\0';
            }
            break;
        case VDF_PAIR:
            if (in_users && reader.depth == 2)
                take_member(&login, reader.key, reader.value);
            break;
        case VDF_CLOSE:
            if (!in_users || reader.depth != 1 || !login.recent || !login.account.steamid[0])
                break;
            if (!found || login.timestamp > best.timestamp)
                best = login;
            found = true;
            break;
        case VDF_INVALID:
        default:
            if (line)
                *line = reader.line;
            return -EBADMSG;
        }
    }
}
