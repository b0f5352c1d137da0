/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One HTTP request, with every limit that an untrusted server needs. Through libcurl: TLS always
 * verified, no redirects, no cookies, no netrc. */
#pragma once

#include "base/strbuf.h"

struct http_header {
    const char *name, *value;
};

struct http_request {
    const char *url;
    bool allow_http;    /* else https only */
    const char *cacert; /* trust only this file's certificates; NULL: the system's */
    const struct http_header *headers;
    size_t n_headers;
    /* POST of a form (application/x-www-form-urlencoded), or … */
    struct span form;
    /* … PUT of a file's bytes from its start; -1: POST */
    int file;
    uint64_t file_size;
    unsigned seconds;  /* for all of a POST; 0: a minute */
    size_t max_answer; /* bytes; a longer answer is a failure */
    bool cut_answer;   /* a longer answer is cut instead: only its status counts */
    bool progress;     /* show a PUT's progress on stderr */
};

struct http_answer {
    int status;            /* 0: no answer came */
    struct strbuf body;    /* owned */
    struct strbuf headers; /* owned; of the last answer, as they came, bounded */
    int64_t retry_after;   /* seconds from now that the server asks for; -1: it does not */
    bool unreachable;      /* nobody was there: offline, no name, refused */
    char rate_limits[512]; /* X-Sentry-Rate-Limits; "" : none */
    uint64_t sent;         /* bytes of the body that went out, answered or not */
    char error[256];       /* of the transport; "" : none */
};

#define HTTP_ANSWER_INIT  \
    {                     \
        .retry_after = -1 \
    }

/* Loads and sets up libcurl, once before all requests; http_stop() undoes it. -ENOPKG, -ENOMEM. */
int http_start(void) _must_check_;
void http_stop(void);
/* Whether somebody is there who takes a connection; what they make of it is no matter. Asks once.
 */
bool http_is_reachable(const char *url, bool allow_http, const char *cacert);
/* 0 where an answer came, of whatever status; -EIO with answer->error where none did. */
int http_perform(const struct http_request *request, struct http_answer *answer) _must_check_;
void http_answer_done(struct http_answer *answer);
/* Appends "&name=value" (without '&' at the start), percent-encoded as
 * application/x-www-form-urlencoded wants it (a blank is %20, which everybody decodes). */
int http_form_add(struct strbuf *form, const char *name, struct span value);
