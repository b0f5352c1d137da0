/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What leaves the machine: a report's ZIP made anew, with placeholders for what is private. The
 * report in the spool stays complete. doc/privacy.md is written for users of it.
 */
#pragma once

#include <time.h>

#include "outgoing/private_values.h"

struct outgoing_options {
    bool scrub;
    /* For readers that want what the original wrote: text members are UTF-8, version.TS is one
     * line. */
    bool plain;
    const struct private_values *known; /* may be NULL */
    time_t time;                        /* of the members */
};

struct outgoing {
    int fd; /* owned; at its start; has no name */
    uint64_t size;
    unsigned replaced[SCRUB_N_KINDS]; /* different values */
    unsigned left_out;                /* members that cannot be scrubbed, or are not known */
};

#define OUTGOING_INIT \
    {                 \
        .fd = -EBADF  \
    }

/* Makes what leaves, out of the report at zip (which stays open, and may be read at any place
 * afterwards). -EBADMSG: no whole ZIP; -EFBIG: more than may leave. */
int outgoing_make(int zip, const struct outgoing_options *options,
                  struct outgoing *out) _must_check_;
void outgoing_done(struct outgoing *outgoing);
#define _cleanup_outgoing_ _cleanup_(outgoing_done)
/* "2 mac, 1 host", or "nothing". */
void outgoing_describe(const struct outgoing *outgoing, char *buf, size_t size);
