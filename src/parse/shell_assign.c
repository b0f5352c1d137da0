/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse/shell_assign.h"

static bool is_key_byte(char c, bool first)
{
    return byte_is_alpha(c) || c == '_' || (!first && byte_is_digit(c));
}

static struct span take_key(struct span *s)
{
    size_t n = 0;

    while (n < s->n && is_key_byte(s->p[n], n == 0))
        n++;
    return span_take(s, n);
}

static void skip_blanks(struct span *s)
{
    while (s->n > 0 && (s->p[0] == ' ' || s->p[0] == '\t'))
        (void)span_take(s, 1);
}

/* CR counts as part of the line's end only before LF or the end of the text. */
static bool at_line_end(struct span s)
{
    return s.n == 0 || s.p[0] == '\n' || (s.p[0] == '\r' && (s.n == 1 || s.p[1] == '\n'));
}

struct value_reader {
    struct shell_assign_cursor *cursor;
    struct shell_assign *out;
    size_t n;
    bool in_quotes;
    struct shell_assign_cursor quote; /* where the open quote begins */
};

static bool put(struct value_reader *v, char c)
{
    if (v->n == sizeof(v->out->buf)) {
        v->out->error = SHELL_ASSIGN_TOO_LONG;
        return false;
    }
    if (((unsigned char)c < ' ' && c != '\t' && c != '\n') || c == 0x7f) {
        v->out->error = SHELL_ASSIGN_BAD_BYTE;
        return false;
    }
    v->out->buf[v->n++] = c;
    return true;
}

static char take_byte(struct value_reader *v)
{
    char c = *span_take(&v->cursor->rest, 1).p;

    if (c == '\n')
        v->cursor->line++;
    return c;
}

/* Takes the end of a line; true where there was one. */
static bool take_line_end(struct value_reader *v)
{
    struct span *rest = &v->cursor->rest;

    if (rest->n == 0 || !at_line_end(*rest))
        return false;
    if (rest->p[0] == '\r')
        (void)span_take(rest, 1);
    if (rest->n > 0)
        (void)take_byte(v);
    return true;
}

static bool read_single_quoted(struct value_reader *v)
{
    struct span *rest = &v->cursor->rest;

    while (rest->n > 0) {
        char c = take_byte(v);

        if (c == '\'')
            return true;
        if (!put(v, c))
            return false;
    }
    v->out->error = SHELL_ASSIGN_UNTERMINATED;
    return false;
}

static bool read_double_quoted(struct value_reader *v)
{
    struct span *rest = &v->cursor->rest;

    while (rest->n > 0) {
        char c = take_byte(v);

        if (c == '"')
            return true;
        if (c == '$' || c == '`') {
            v->out->error = SHELL_ASSIGN_EXPANSION;
            return false;
        }
        if (c == '\\' && rest->n > 0) {
            if (take_line_end(v))
                continue;
            /* A backslash quotes only these inside double quotes. */
            if (strchr("$`\"\\", rest->p[0]) && rest->p[0] != '\0')
                c = take_byte(v);
        }
        if (!put(v, c))
            return false;
    }
    v->out->error = SHELL_ASSIGN_UNTERMINATED;
    return false;
}

static bool read_quoted(struct value_reader *v, char quote)
{
    v->in_quotes = true;
    v->quote = *v->cursor;
    if (!(quote == '"' ? read_double_quoted(v) : read_single_quoted(v)))
        return false;
    v->in_quotes = false;
    return true;
}

/* Reads the value up to a blank or the line's end outside of quotes. */
static bool read_value(struct value_reader *v)
{
    struct span *rest = &v->cursor->rest;

    if (span_starts(*rest, "~")) {
        v->out->error = SHELL_ASSIGN_EXPANSION;
        return false;
    }
    while (rest->n > 0 && !at_line_end(*rest) && rest->p[0] != ' ' && rest->p[0] != '\t') {
        char c = take_byte(v);
        bool ok;

        if (c == '$' || c == '`') {
            v->out->error = SHELL_ASSIGN_EXPANSION;
            return false;
        }
        if (c == '\'' || c == '"')
            ok = read_quoted(v, c);
        else if (c == '\\' && rest->n > 0)
            ok = take_line_end(v) || put(v, take_byte(v));
        else if (strchr(";&|<>()", c) && c != '\0')
            ok = (v->out->error = SHELL_ASSIGN_TRAILING, false);
        else
            ok = put(v, c);
        if (!ok)
            return false;
    }
    return true;
}

static void skip_line(struct shell_assign_cursor *cursor)
{
    struct span line;

    if (span_next_line(&cursor->rest, &line))
        cursor->line++;
}

bool shell_assign_next(struct shell_assign_cursor *cursor, struct shell_assign *out)
{
    struct value_reader v = { .cursor = cursor, .out = out };
    struct span *rest = &cursor->rest;

    for (;;) {
        skip_blanks(rest);
        if (rest->n == 0)
            return false;
        if (rest->p[0] != '#' && !at_line_end(*rest))
            break;
        skip_line(cursor);
    }
    out->line = cursor->line + 1;
    out->error = SHELL_ASSIGN_OK;
    out->value = (struct span){ out->buf, 0 };
    out->key = take_key(rest);
    if (span_eq(out->key, "export") && rest->n > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t')) {
        skip_blanks(rest);
        out->key = take_key(rest);
    }
    if (out->key.n == 0 || rest->n == 0 || rest->p[0] != '=') {
        out->error = SHELL_ASSIGN_NO_ASSIGNMENT;
        skip_line(cursor);
        return true;
    }
    (void)span_take(rest, 1);
    if (!read_value(&v)) {
        /* An open quote swallows what follows: only the line that it begins on is given up. Going
         * back further, a text of nothing but continued lines would be read many times. */
        if (v.in_quotes)
            *cursor = v.quote;
        skip_line(cursor);
        return true;
    }
    skip_blanks(rest);
    if (rest->n > 0 && rest->p[0] != '#' && !at_line_end(*rest))
        out->error = SHELL_ASSIGN_TRAILING;
    skip_line(cursor);
    out->value.n = v.n;
    return true;
}

const char *shell_assign_strerror(enum shell_assign_error error)
{
    static const char *const texts[] = {
        [SHELL_ASSIGN_OK] = "no error",
        [SHELL_ASSIGN_NO_ASSIGNMENT] = "no KEY=value",
        [SHELL_ASSIGN_UNTERMINATED] = "a quote is not closed",
        [SHELL_ASSIGN_EXPANSION] = "expansions ($, `, ~) are not supported; write the value itself",
        [SHELL_ASSIGN_TRAILING] = "words behind the value; quote a value that has blanks",
        [SHELL_ASSIGN_TOO_LONG] = "the value is too long",
        [SHELL_ASSIGN_BAD_BYTE] = "a control byte in the value",
    };

    return (size_t)error < sizeof(texts) / sizeof(texts[0]) ? texts[error] : "unknown error";
}
