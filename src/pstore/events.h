/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pure: records → dumps → one event per crash. A dump is what one call of kmsg_dump() stored, in
 * one or many parts; an event is all dumps of one boot, for an oops and the panic that follows from
 * it are two dumps.
 */
#pragma once

#include "pstore/records.h"

struct pstore_dump {
    struct pstore_header header; /* reason "" where the record had none */
    struct pstore_name name;     /* of the newest part */
    time_t time;                 /* of the newest part; 0: unknown */
    struct strbuf text;          /* owned; headers taken off, oldest line first, gaps marked */
    unsigned missing;            /* parts that should be there and are not */
    bool undecoded;              /* text is what the kernel compressed */
    /* Owned; indices of the records that it was made of. Copies stand before originals and high
     * parts before low ones, so that removed in this order, what an interruption leaves is still a
     * dump of this time. */
    size_t *records;
    size_t n_records;
};

struct pstore_event {
    struct pstore_dump *dumps; /* owned; oldest first */
    size_t n_dumps;
    time_t time;               /* of the last dump */
    struct span console, pmsg; /* in a record; empty: none */
    size_t *extras;            /* owned; indices of the console, pmsg and ftrace records */
    size_t n_extras;
};

struct pstore_events {
    struct pstore_event *items; /* owned; oldest first */
    size_t n;
};

/* Groups records; they must outlive *out. Console, pmsg and ftrace records belong to the newest
 * event; where there is no dump at all they are no event by themselves, for they are there after
 * every clean reboot too. Machine checks and other firmware's records belong to none: they have
 * readers of their own. -ENOMEM. */
int pstore_merge(const struct pstore_records *records, struct pstore_events *out) _must_check_;
void pstore_events_free(struct pstore_events *events); /* also the cleanup function */
/* Whether a dump tells of a crash: not where the kernel was told to dump at every shutdown. */
bool pstore_dump_is_crash(const struct pstore_dump *dump);
/* All text of the event, dump after dump, without what a later dump repeats of an earlier one.
 * -ENOMEM. */
int pstore_event_text(const struct pstore_event *event, struct strbuf *out) _must_check_;
