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
    int64_t span = RETRY_FIRST_SECONDS, delay;

    for (unsigned i = 1; i < attempts && span < RETRY_MAX_SECONDS; i++)
        span *= 2;
    span = MIN(span, (int64_t)RETRY_MAX_SECONDS);
    delay = span * (int64_t)random / UINT32_MAX;
    if (retry_after > delay)
        delay = retry_after;
    return MAX(MIN(delay, (int64_t)RETRY_MAX_SECONDS), (int64_t)1);
}

int64_t retry_after_parse(struct span value, time_t now)
{
    char date[64];
    uint64_t seconds;
    struct tm tm = { 0 };

    if (span_to_u64(value, &seconds))
        return (int64_t)MIN(seconds, (uint64_t)RETRY_MAX_SECONDS);
    /* The one form that servers may send (RFC 9110, 5.6.7). */
    if (!span_copy(value, date, sizeof(date)) || !strptime(date, "%a, %d %b %Y %H:%M:%S GMT", &tm))
        return -1;
    return MAX(MIN((int64_t)(timegm(&tm) - now), (int64_t)RETRY_MAX_SECONDS), (int64_t)0);
}
