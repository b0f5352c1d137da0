/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "outgoing/destinations.h"
#include "parse/sentry.h"

static void next(struct strbuf *out, size_t start)
{
    if (out->n > start)
        (void)strbuf_str(out, ", ");
}

/* "https://HOST/api/42/envelope/" → "Sentry project 42 at https://HOST" */
static void add_sentry(const char *text, struct strbuf *out)
{
    struct sentry_dsn dsn;
    const char *why;
    struct span url, project = { "", 0 };
    size_t at = SIZE_MAX;

    if (!sentry_dsn_parse(span_str(text), &dsn, &why)) {
        (void)strbuf_str(out, "Sentry, but SENTRY_DSN is malformed");
        return;
    }
    url = span_str(dsn.envelope_url);
    for (size_t i = 0; i + 5 <= url.n; i++)
        if (span_starts((struct span){ url.p + i, url.n - i }, "/api/"))
            at = i; /* the last one: a path may have one, too */
    if (at != SIZE_MAX) {
        project = (struct span){ url.p + at + 5, url.n - at - 5 };
        project.n = MIN(project.n, span_find_byte(project, '/'));
        url.n = at;
    }
    (void)strbuf_printf(out, "Sentry project %.*s at %.*s", (int)project.n, project.p, (int)url.n,
                        url.p);
}

int outgoing_destinations(const struct config *config, struct strbuf *out)
{
    size_t start = out->n;

    if (config->post_url[0])
        (void)strbuf_printf(out, "%s", config->post_url);
    if (config->sentry_dsn[0]) {
        next(out, start);
        add_sentry(config->sentry_dsn, out);
    }
    if (config->handover_folder[0]) {
        next(out, start);
        (void)strbuf_printf(out, "the folder %s", config->handover_folder);
    }
    if (out->n > start)
        (void)strbuf_str(out, config->scrub ? "; scrubbed" : "; as it is (SCRUB=0)");
    return out->failed;
}
