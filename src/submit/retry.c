/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/macro.h"
#include "submit/retry.h"

enum submit_outcome submit_judge_status(int status)
{
    if (status >= 200 && status < 300)
        return SUBMIT_OK;
    if (status == 408 || status == 425 || status == 429 || status >= 500)
        return SUBMIT_LATER;
    if (status >= 400)
        return SUBMIT_REFUSED;
    return SUBMIT_PROTOCOL;
}

int64_t retry_delay(unsigned attempts, int64_t retry_after, uint32_t random)
{
    int64_t span = RETRY_FIRST_SECONDS, wish = MIN(retry_after, (int64_t)RETRY_MAX_SECONDS);

    for (unsigned i = 1; i < attempts && span < RETRY_MAX_SECONDS; i++)
        span *= 2;
    span = MIN(span, (int64_t)RETRY_MAX_SECONDS);
    if (wish <= 0)
        return MAX(span * (int64_t)random / UINT32_MAX, (int64_t)1);
    span = MIN(MAX(span, wish / 4), RETRY_AHEAD_SECONDS - wish);
    return wish + span * (int64_t)random / UINT32_MAX;
}

int64_t retry_wait_ms(unsigned tries, uint32_t random)
{
    int64_t span = 1000;

    for (unsigned i = 1; i < tries && span < RETRY_WAIT_MAX_SECONDS * 1000; i++)
        span *= 2;
    span = MIN(span, (int64_t)RETRY_WAIT_MAX_SECONDS * 1000);
    return span / 2 + span * (int64_t)random / UINT32_MAX;
}

int64_t retry_first_ms(int64_t uptime, uint32_t random)
{
    int64_t left = uptime < 0 ? 0 : MAX(RETRY_SPREAD_SECONDS - uptime, (int64_t)0);

    return left * 1000 * (int64_t)random / UINT32_MAX;
}

static bool is_number(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!byte_is_digit(s.p[i]))
            return false;
    return s.n > 0;
}

int64_t retry_after_parse(struct span value, time_t now)
{
    /* RFC 9110, 5.6.7: the form that servers send, and two old ones that must be understood. */
    static const char *const forms[] = { "%a, %d %b %Y %H:%M:%S GMT", "%a, %d-%b-%y %H:%M:%S GMT",
                                         "%a %b %e %H:%M:%S %Y" };
    char date[64];
    uint64_t seconds;

    if (is_number(value)) {
        if (!span_to_u64(value, &seconds))
            seconds = RETRY_MAX_SECONDS; /* beyond 64 bits */
        return (int64_t)MIN(seconds, (uint64_t)RETRY_MAX_SECONDS);
    }
    if (!span_copy(value, date, sizeof(date)) || strlen(date) != value.n)
        return -1;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        struct tm tm = { 0 };
        const char *end = strptime(date, forms[i], &tm);

        if (end && *end == '\0')
            return MAX(MIN((int64_t)(timegm(&tm) - now), (int64_t)RETRY_MAX_SECONDS), (int64_t)0);
    }
    return -1;
}
