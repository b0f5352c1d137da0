/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * application/x-www-form-urlencoded (WHATWG URL standard, section 5), read strictly: what a lenient
 * server forgives, a client must not send.
 */
#pragma once

#include <jansson.h>

#include "base/macro.h"
#include "base/span.h"

enum form_type {
    FORM_NUMBER, /* decimal digits, min..max */
    FORM_TEXT,   /* UTF-8 without NUL; at least min bytes */
};

struct form_field {
    const char *name;
    enum form_type type;
    uint64_t min, max;
    const char *must_be; /* the only value that is accepted; NULL: any */
};

/* Reads a form that holds each field of the table exactly once and nothing else. *out becomes an
 * object of the decoded values, all strings, owned by the caller. -EINVAL: why says what is wrong
 * with which field; -ENOMEM. */
int form_read(struct span body, const struct form_field *fields, size_t n_fields, json_t **out,
              char *why, size_t why_size) _must_check_;
