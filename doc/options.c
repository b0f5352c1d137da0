/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <stdio.h>
#include <string.h>

enum { OPTION_INDENT_MAX = 8, TEXT_INDENT_MIN = 9 };

static size_t indent_of(struct span line)
{
    size_t n = 0;

    while (n < line.n && line.p[n] == ' ')
        n++;
    return n;
}

static bool is_option(struct span line)
{
    size_t n = indent_of(line);

    return n > 0 && n <= OPTION_INDENT_MAX && n < line.n && line.p[n] == '-';
}

static void take_word(struct span word, struct option_doc *out)
{
    size_t equals = span_find_byte(word, '=');

    if (word.n > 0 && word.p[word.n - 1] == ',')
        word.n--;
    if (span_starts(word, "--")) {
        if (equals != SIZE_MAX) {
            (void)span_copy(span_take(&word, equals), out->name, sizeof(out->name));
            (void)span_take(&word, 1);
            (void)span_copy(word, out->argument, sizeof(out->argument));
        } else {
            (void)span_copy(word, out->name, sizeof(out->name));
        }
    } else if (span_starts(word, "-")) {
        (void)span_copy(word, out->letter, sizeof(out->letter));
    } else {
        (void)span_copy(word, out->argument, sizeof(out->argument));
    }
}

/* FILE, as opposed to the text behind the options. */
static bool is_argument(struct span word)
{
    for (size_t i = 0; i < word.n; i++)
        if (word.p[i] < 'A' || word.p[i] > 'Z')
            return false;
    return word.n > 1;
}

static void add_text(struct option_doc *out, struct span text)
{
    size_t n = strlen(out->text);

    if (n > 0 && n + 1 < sizeof(out->text))
        out->text[n++] = ' ';
    (void)span_copy(text, out->text + n, sizeof(out->text) - n);
}

static enum details_kind take_option(struct details_cursor *cursor, struct span line,
                                     struct option_doc *out)
{
    struct span words = span_trim(line), word, next;

    *out = (struct option_doc){ 0 };
    while (span_next_word(&words, &word)) {
        if (word.p[0] != '-' && !is_argument(word)) {
            add_text(out, (struct span){ word.p, (size_t)(line.p + line.n - word.p) });
            break;
        }
        take_word(word, out);
    }
    for (struct span ahead = cursor->rest; span_next_line(&ahead, &next); cursor->rest = ahead) {
        if (indent_of(next) < TEXT_INDENT_MIN)
            break;
        add_text(out, span_trim(next));
    }
    return DETAILS_OPTION;
}

enum details_kind details_next(struct details_cursor *cursor, struct option_doc *option,
                               struct span *text)
{
    struct span line, ahead;

    do {
        if (!span_next_line(&cursor->rest, &line))
            return DETAILS_END;
    } while (span_trim(line).n == 0);
    if (is_option(line))
        return take_option(cursor, line, option);
    *text = line;
    for (ahead = cursor->rest; span_next_line(&ahead, &line); cursor->rest = ahead) {
        if (span_trim(line).n == 0 || is_option(line))
            break;
        text->n = (size_t)(line.p + line.n - text->p);
    }
    return DETAILS_TEXT;
}
