/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The members of a report ZIP, made from an event and the machine's facts. */
#pragma once

#include "collect/facts.h"
#include "pstore/events.h"

struct member {
    char *name;          /* owned; without the stamp: "dmesg-pstore" */
    int number;          /* the -N behind the stamp; -1: none */
    const char *suffix;  /* ".json" or "" */
    struct strbuf bytes; /* owned */
};

struct bundle {
    struct member *members; /* owned */
    size_t n;
    time_t time;     /* of the crash */
    bool kept;       /* the owner did not let reports leave when the machine crashed */
    bool guessed;    /* that time is the collection's, as the records have none */
    char *title;     /* owned; for people, "" where the log has no report */
    char *signature; /* owned; "" where the log has no report */
    char *kernel;    /* owned; the release of the kernel that crashed, "" : unknown */
};

/* Makes all members of an event's report. kdump is the log that the capture kernel saved of it,
 * empty where there is none; the event has no dumps where that is all there is. -ENOMEM. */
int bundle_make(const struct pstore_event *event, struct span kdump, const struct facts *facts,
                struct bundle *out) _must_check_;
void bundle_done(struct bundle *bundle);
/* "dmesg-pstore.202601020304-0" */
int member_format_name(const struct member *member, const char *stamp, char *buf, size_t size);
