/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pure: a report → an event and an envelope as Sentry wants them.
 * https://develop.sentry.dev/sdk/data-model/event-payloads/, …/envelopes/
 */
#pragma once

#include <jansson.h>

#include "base/strbuf.h"

enum {
    SENTRY_EVENT_MAX = 1 << 20,     /* bytes; what makes it longer is left out */
    SENTRY_ENVELOPE_MAX = 20 << 20, /* bytes before compression */
    SENTRY_EVENT_ID_SIZE = 33,      /* 32 hexadecimal digits and NUL */
    SENTRY_MAX_FRAMES = 128,        /* of one stack */
    SENTRY_MAX_THREADS = 32,        /* stacks beside that of the crash */
    SENTRY_MAX_TEXT = 512,          /* bytes of a name or title */
    SENTRY_MAX_TAG = 200,
    SENTRY_MAX_NOTE = 16 << 10,
};

struct sentry_source {
    const json_t *report;   /* what report --json says, with "collected"; NULL: none */
    struct span os_release; /* of the machine */
    struct span note;       /* the excerpt of the log */
    const char *version;    /* of the kernel that crashed */
    int64_t crash_time;     /* seconds since the epoch */
    const char *device;     /* hashed id; NULL: none */
    const char *event_id;
};

/* The event as JSON text, at most SENTRY_EVENT_MAX bytes. -ENOMEM. */
int sentry_event_make(const struct sentry_source *source, struct strbuf *out);

/* The same report on the same device has the same id, however often it is sent. */
void sentry_event_id(const char *device, const char *report, char id[SENTRY_EVENT_ID_SIZE]);
