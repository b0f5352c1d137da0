/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What Sentry writes: the address of a project (DSN), and how long it wants to hear nothing.
 * https://develop.sentry.dev/sdk/overview/ (Parsing the DSN),
 * https://develop.sentry.dev/sdk/expected-features/rate-limiting/
 */
#pragma once

#include "base/span.h"

enum { SENTRY_DSN_MAX = 512, SENTRY_KEY_MAX = 64, SENTRY_LIMIT_MAX = 24 * 3600 };

struct sentry_dsn {
    char envelope_url[SENTRY_DSN_MAX + 32]; /* SCHEME://HOST[:PORT][/PATH]/api/PROJECT/envelope/ */
    char key[SENTRY_KEY_MAX + 1];           /* the public one */
    bool http;                              /* else https */
};

/* SCHEME://KEY[:SECRET]@HOST[:PORT][/PATH]/PROJECT. False, and *why for people, where it is none.
 */
bool sentry_dsn_parse(struct span text, struct sentry_dsn *out, const char **why);

struct sentry_limits {
    int64_t error;      /* seconds for which no event is wanted; 0: any */
    int64_t attachment; /* the same for attachments */
};

/* The value of X-Sentry-Rate-Limits, "60:error;attachment:organization, 2700::project". What is no
 * limit of that form is skipped; no limit is longer than SENTRY_LIMIT_MAX. */
struct sentry_limits sentry_limits_parse(struct span value);
