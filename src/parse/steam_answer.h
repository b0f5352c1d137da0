/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The answer of the submission API's start URL:
 * {"response": {"url": …, "gid": …, "headers": {"pairs": [{"name": …, "value": …}, …]}}}
 * It is untrusted: what gets through here is safe to hand to an HTTP client.
 */
#pragma once

#include "base/span.h"

enum { STEAM_ANSWER_MAX = 64 << 10, STEAM_ANSWER_MAX_HEADERS = 20 };

struct steam_answer {
    char url[2049]; /* absolute, printable ASCII, without user info */
    char gid[65];   /* printable ASCII without blanks; a JSON integer in decimal, below 2^63 */
    struct steam_header {
        char name[129];   /* an RFC 9110 token, none of those that frame the request */
        char value[2049]; /* printable ASCII, blanks inside; may be empty */
    } headers[STEAM_ANSWER_MAX_HEADERS];
    size_t n_headers;
};

/* 0, or -EBADMSG with *why (a constant text) saying what is wrong with it; -ENOMEM. allow_http: the
 * URL may be http, because the start URL itself was. */
int steam_answer_parse(struct span body, bool allow_http, struct steam_answer *out,
                       const char **why);
