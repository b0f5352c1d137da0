/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "parse/sentry.h"

static bool all_of(struct span s, const char *more)
{
    for (size_t i = 0; i < s.n; i++)
        if (!byte_is_alnum(s.p[i]) && (s.p[i] == '\0' || !strchr(more, s.p[i])))
            return false;
    return s.n > 0;
}

/* HOST[:PORT], the host as a name, an IPv4 address or an IPv6 address in brackets. */
static bool is_host(struct span s)
{
    struct span port;
    uint64_t number;
    size_t end = span_find_byte(s, ']');
    bool brackets = s.n > 0 && s.p[0] == '[';

    if (brackets) {
        if (end == SIZE_MAX || !all_of((struct span){ s.p + 1, end - 1 }, ":."))
            return false;
        port = (struct span){ s.p + end + 1, s.n - end - 1 };
    } else {
        end = span_find_byte(s, ':');
        end = end == SIZE_MAX ? s.n : end;
        if (!all_of((struct span){ s.p, end }, ".-"))
            return false;
        port = (struct span){ s.p + end, s.n - end };
    }
    if (port.n == 0)
        return true;
    return span_skip(&port, ":") && span_take_dec(&port, &number) && port.n == 0 && number > 0 &&
           number < 65536;
}

/* "[/PATH]/PROJECT" → the length of the path. */
static bool split_path(struct span s, size_t *path)
{
    size_t slash = s.n;

    while (slash > 0 && s.p[slash - 1] != '/')
        slash--;
    if (slash == 0 || !all_of((struct span){ s.p + slash, s.n - slash }, "_-"))
        return false;
    *path = slash - 1;
    return *path == 0 || (all_of((struct span){ s.p, *path }, "/._~-") &&
                          !span_contains((struct span){ s.p, *path }, ".."));
}

bool sentry_dsn_parse(struct span text, struct sentry_dsn *out, const char **why)
{
    struct sentry_dsn dsn = { 0 };
    struct span key, secret, host, path;
    size_t at, slash, n;

    *why = "it must be shorter";
    if (text.n > SENTRY_DSN_MAX)
        return false;
    *why = "it must begin with https:// or http://";
    dsn.http = span_skip(&text, "http://");
    if (!dsn.http && !span_skip(&text, "https://"))
        return false;
    *why = "there must be a key before an @: https://KEY@HOST/PROJECT";
    at = span_find_byte(text, '@');
    if (at == SIZE_MAX)
        return false;
    secret = span_take(&text, at);
    (void)span_take(&text, 1);
    if (!span_next_field(&secret, ':', &key) || !all_of(key, "_-") ||
        !span_copy(key, dsn.key, sizeof(dsn.key)))
        return false;
    *why = "the host is none";
    slash = span_find_byte(text, '/');
    host = span_take(&text, slash == SIZE_MAX ? text.n : slash);
    if (!is_host(host))
        return false;
    *why = "there must be a project behind the host: https://KEY@HOST/PROJECT";
    path = text;
    if (!split_path(path, &n))
        return false;
    (void)snprintf(dsn.envelope_url, sizeof(dsn.envelope_url), "%s://%.*s%.*s/api%.*s/envelope/",
                   dsn.http ? "http" : "https", (int)host.n, host.p, (int)n, path.p,
                   (int)(path.n - n), path.p + n);
    *out = dsn;
    *why = "";
    return true;
}

static int64_t max_limit(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* Which of ours the categories "error;transaction" speak of; none named means all. */
static void apply(struct span categories, int64_t seconds, struct sentry_limits *limits)
{
    struct span category;
    bool any = false;

    while (span_next_field(&categories, ';', &category)) {
        category = span_trim(category);
        any |= category.n > 0;
        if (span_eq(category, "error") || span_eq(category, "default"))
            limits->error = max_limit(limits->error, seconds);
        else if (span_eq(category, "attachment"))
            limits->attachment = max_limit(limits->attachment, seconds);
    }
    if (!any) {
        limits->error = max_limit(limits->error, seconds);
        limits->attachment = max_limit(limits->attachment, seconds);
    }
}

struct sentry_limits sentry_limits_parse(struct span value)
{
    struct sentry_limits limits = { 0 };
    struct span limit, field;

    while (span_next_field(&value, ',', &limit)) {
        uint64_t seconds;

        if (!span_next_field(&limit, ':', &field))
            continue;
        field = span_trim(field);
        if (!span_take_dec(&field, &seconds) || (field.n > 0 && field.p[0] != '.'))
            continue;
        if (field.n > 0)
            seconds++; /* a fraction */
        if (!span_next_field(&limit, ':', &field))
            field = (struct span){ "", 0 };
        apply(field, seconds > SENTRY_LIMIT_MAX ? SENTRY_LIMIT_MAX : (int64_t)seconds, &limits);
    }
    return limits;
}
