/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of shell assignments (/etc/default/…, os-release): KEY=value lines whose quoting is
 * understood and which are never executed. Syntax: POSIX shell quoting (XCU 2.2), one assignment a
 * line, comments, an optional "export", continuation by a backslash at the line's end. An expansion
 * ($NAME, $(…), `…`, ~ in front) is an error, for its value cannot be known here.
 */
#pragma once

#include "base/span.h"

enum { SHELL_ASSIGN_VALUE_MAX = 4096 };

enum shell_assign_error {
    SHELL_ASSIGN_OK,
    SHELL_ASSIGN_NO_ASSIGNMENT, /* no KEY= at the line's start */
    SHELL_ASSIGN_UNTERMINATED,  /* a quote is never closed */
    SHELL_ASSIGN_EXPANSION,     /* $ or ` outside of single quotes, or a ~ in front */
    SHELL_ASSIGN_TRAILING,      /* words behind the value */
    SHELL_ASSIGN_TOO_LONG,      /* value longer than SHELL_ASSIGN_VALUE_MAX */
    SHELL_ASSIGN_BAD_BYTE,      /* NUL or another control byte inside */
};

struct shell_assign {
    struct span key;   /* in the text; empty on most errors */
    struct span value; /* in buf, unquoted; meaningless after an error */
    unsigned line;     /* from 1, of the assignment's first line */
    enum shell_assign_error error;
    char buf[SHELL_ASSIGN_VALUE_MAX];
};

struct shell_assign_cursor {
    struct span rest;
    unsigned line; /* lines behind the cursor */
};

static inline struct shell_assign_cursor shell_assign_start(struct span text)
{
    return (struct shell_assign_cursor){ text, 0 };
}
/* The next assignment or error; false at the end of the text. After an error the walk goes on with
 * the next line; behind a quote that is never closed, with the line after the one it begins on. */
bool shell_assign_next(struct shell_assign_cursor *cursor, struct shell_assign *out);
/* What is wrong, for a message: "a quote is not closed". */
const char *shell_assign_strerror(enum shell_assign_error error);
