/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the owner let reports leave, and since when: a crash is sent only where that was so when
 * the machine crashed. What the configuration says at the next boot is asked besides. One file of
 * state/, state/consent.json.
 */
#pragma once

#include <time.h>

#include "base/macro.h"

enum consent {
    CONSENT_UNKNOWN, /* nothing was noted of that time */
    CONSENT_NO,
    CONSENT_YES,
};

enum { CONSENT_MAX_CHANGES = 32 }; /* kept; the oldest go first */

struct consent_history {
    struct {
        int64_t since; /* seconds since the epoch */
        bool submission;
    } changes[CONSENT_MAX_CHANGES]; /* in the order in which they were noted */
    size_t n;
};

/* statefd is the state folder. What cannot be read is an empty history; -ENOMEM is the only error.
 */
int consent_load(int statefd, struct consent_history *out) _must_check_;
/* Notes the configuration's LOG_SUBMISSION as of now; writes only what has changed. */
int consent_note(int statefd, bool submission, time_t now) _must_check_;
/* What was noted last before this time. Pure. */
enum consent consent_at(const struct consent_history *history, time_t when);
