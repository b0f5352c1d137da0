/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pure: an event and its attachments as one envelope, compressed.
 * https://develop.sentry.dev/sdk/data-model/envelopes/
 */
#pragma once

#include "submit/sentry_event.h"

struct sentry_envelope {
    struct strbuf raw; /* owned; not compressed yet */
};

/* Begins with the header and the event. sent_at: seconds since the epoch. -ENOMEM, -EFBIG. */
int sentry_envelope_start(struct sentry_envelope *e, const char *event_id, int64_t sent_at,
                          struct span event) _must_check_;
/* Adds a file. Of a log that does not fit into what is left of SENTRY_ENVELOPE_MAX, the end goes
 * (where the crash is); anything else that does not fit is left out. -ENOMEM. */
int sentry_envelope_attach(struct sentry_envelope *e, const char *filename,
                           struct span bytes) _must_check_;
/* Appends the whole, as gzip, to out. -ENOMEM. */
int sentry_envelope_compress(const struct sentry_envelope *e, struct strbuf *out) _must_check_;
void sentry_envelope_done(struct sentry_envelope *e);
#define _cleanup_sentry_envelope_ _cleanup_(sentry_envelope_done)
