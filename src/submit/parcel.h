/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a back end sends of a report: its ZIP and its fields, scrubbed unless SCRUB=0. */
#pragma once

#include "outgoing/outgoing.h"
#include "submit/backend.h"

struct parcel {
    struct outgoing outgoing;
    struct report_fields fields; /* of the outgoing ZIP */
};

#define PARCEL_INIT               \
    {                             \
        .outgoing = OUTGOING_INIT \
    }

/* plain: for readers that know the original's reports (see struct outgoing_options). Anything but
 * SUBMIT_OK has attempt->last_error. */
enum submit_outcome parcel_make(struct delivery *d, bool plain, struct parcel *out);
void parcel_done(struct parcel *parcel);
#define _cleanup_parcel_ _cleanup_(parcel_done)
