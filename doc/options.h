/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The help texts of struct verb, read back: options are lines such as
 * "  -o, --output=FILE   text", with lines that are indented further behind them; the rest is
 * paragraphs. */
#pragma once

#include "base/span.h"

struct option_doc {
    char letter[4];    /* "-o" or "" */
    char name[32];     /* "--output" or "" */
    char argument[32]; /* "FILE" or "" */
    char text[512];
};

enum details_kind { DETAILS_END, DETAILS_OPTION, DETAILS_TEXT };

struct details_cursor {
    struct span rest;
};

/* The next option, or paragraph (a span of the text). */
enum details_kind details_next(struct details_cursor *cursor, struct option_doc *option,
                               struct span *text);
/* Prints the completion script for a shell; an exit status. */
int put_completion(const char *shell);
