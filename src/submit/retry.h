/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pure: what an answer means, and when to try again. */
#pragma once

#include <time.h>

#include "base/span.h"

enum submit_outcome {
    SUBMIT_OK,
    SUBMIT_LATER,    /* may heal by itself */
    SUBMIT_PROTOCOL, /* an answer that makes no sense: later, a few times */
    SUBMIT_REFUSED,  /* for good */
};

/* 2xx; 408, 425, 429 and 5xx are for later; a redirect is a broken protocol here, as none is
 * followed; other 4xx are final. */
enum submit_outcome submit_judge_status(int status);

enum {
    RETRY_FIRST_SECONDS = 60,
    RETRY_MAX_SECONDS = 24 * 3600,
    RETRY_MAX_PROTOCOL_ERRORS = 5, /* then the report is given up as refused */
};

/* Seconds until the next try after `attempts` failed ones: full jitter (a random part of an
 * exponentially growing span), behind what the server asked for (it tells everybody
 * the same, and they must not come back at once), at most a day. */
int64_t retry_delay(unsigned attempts, int64_t retry_after, uint32_t random);
/* The value of Retry-After (RFC 9110, 10.2.3): seconds, or a date; -1 where it is neither. Bounded
 * to a day. */
int64_t retry_after_parse(struct span value, time_t now);
