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
    RETRY_AHEAD_SECONDS = RETRY_MAX_SECONDS + RETRY_MAX_SECONDS / 4, /* the longest delay of all */
    RETRY_SPREAD_SECONDS = 300,                                      /* of a boot */
    RETRY_WAIT_MAX_SECONDS = 60,
    RETRY_MAX_PROTOCOL_ERRORS = 5, /* then the report is given up as refused */
};

/* Seconds until the next try after `attempts` failed ones: full jitter (a random part of an
 * exponentially growing span, at most a day), behind what the server asked for (at most a day, and
 * it tells everybody the same: they must not come back at once, so the span is a quarter of it at
 * least). */
int64_t retry_delay(unsigned attempts, int64_t retry_after, uint32_t random);
/* Milliseconds between two tries to reach a server that is not there, after so many: anything from
 * a half to one and a half of 1, 2, 4 … 60 s. Where the power comes back in a town the server, or
 * the way to it, may come back after the machines, which must not wait for it in step. */
int64_t retry_wait_ms(unsigned tries, uint32_t random);
/* Milliseconds to wait before a boot's first try: the machines of a town boot together, and spread
 * over what is left of five minutes. 0 later than that. */
int64_t retry_first_ms(int64_t uptime, uint32_t random);
/* The value of Retry-After (RFC 9110, 10.2.3): seconds, or a date; -1 where it is neither. Bounded
 * to a day. */
int64_t retry_after_parse(struct span value, time_t now);
