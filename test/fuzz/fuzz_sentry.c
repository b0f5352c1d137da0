/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "parse/sentry.h"

static void check_dsn(struct span text)
{
    struct sentry_dsn dsn;
    const char *why = NULL;

    if (!sentry_dsn_parse(text, &dsn, &why)) {
        fuzz_check(why && why[0]);
        return;
    }
    fuzz_check(span_starts(span_str(dsn.envelope_url), dsn.http ? "http://" : "https://"));
    fuzz_check(span_ends(span_str(dsn.envelope_url), "/envelope/"));
    fuzz_check(!strchr(dsn.envelope_url, '@') && dsn.key[0]);
    for (const char *c = dsn.envelope_url; *c; c++)
        fuzz_check(*c > ' ' && *c <= '~');
    for (const char *c = dsn.key; *c; c++)
        fuzz_check(byte_is_alnum(*c) || *c == '_' || *c == '-');
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct sentry_limits limits = sentry_limits_parse(span_bytes(bytes, n));

    fuzz_check(limits.error >= 0 && limits.error <= SENTRY_LIMIT_MAX);
    fuzz_check(limits.attachment >= 0 && limits.attachment <= SENTRY_LIMIT_MAX);
    check_dsn(span_bytes(bytes, n));
    return 0;
}
