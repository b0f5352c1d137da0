/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How much goes over the network in a day: a crash loop must neither flood a server nor use up
 * somebody's data plan. A ledger of the reports whose sending began, state/limits.json. Of crashes
 * with one signature the first few of a day are sent; the others are counted, and their number goes
 * with the next one that is sent. All but loading and saving is pure.
 */
#pragma once

#include <limits.h>

#include "base/macro.h"
#include "config/config.h"

enum {
    LIMITS_WINDOW = 24 * 3600, /* seconds */
    LIMITS_MAX_ENTRIES = 512,  /* the oldest go first */
    LIMITS_MAX_TALLIES = 64,
    LIMITS_HOURS = LIMITS_WINDOW / 3600,
    LIMITS_SIGNATURE_SIZE = 65,
};

struct limits {
    struct limits_entry {
        char report[NAME_MAX + 1];
        char signature[LIMITS_SIGNATURE_SIZE]; /* "" : the log has no known crash */
        int64_t time;   /* when sending it began (again, on another day), seconds since the epoch */
        unsigned tally; /* crashes that it speaks for, too; they are told when it is accepted */
    } entries[LIMITS_MAX_ENTRIES];
    size_t n_entries;
    struct limits_tally {
        char signature[LIMITS_SIGNATURE_SIZE];
        char last[NAME_MAX + 1]; /* the report that was counted last: never twice */
        int64_t since;           /* when the first was counted */
        unsigned n;
    } tallies[LIMITS_MAX_TALLIES];
    size_t n_tallies;
    struct limits_hour {
        int64_t hour; /* since the epoch */
        uint64_t bytes;
    } hours[LIMITS_HOURS]; /* what went over the network; in any order */
    size_t n_hours;
};

struct limits_report {
    const char *name, *signature;
    uint64_t bytes; /* that are still to go */
    bool begun;     /* a server knows of it already */
};

enum limits_verdict {
    LIMITS_SEND,
    LIMITS_COUNT, /* enough of its kind were sent today: it is counted and kept */
    LIMITS_WAIT,  /* enough was sent today */
};

/* The caller frees *out. What is not there, or damaged, is an empty ledger; where the clock was set
 * back, all of it was now. state is the state folder. */
int limits_load(int state, int64_t now, struct limits **out) _must_check_;
int limits_save(int state, const struct limits *limits) _must_check_;
/* A report whose sending began before is never counted; it waits where the bytes of a day are used
 * up, or it would be one report more on another day. One that was counted is never to be sent. */
enum limits_verdict limits_judge(const struct limits *limits, const struct config *config,
                                 const struct limits_report *report, int64_t now);
/* Its sending begins (again), and its bytes are taken for sent: to be saved before. Returns for how
 * many others it speaks (of those that were counted before it began for the first time: the server
 * may have been told), and since when; two reports that are under way never speak for the same
 * ones, but where the first has been on its way for a day. */
unsigned limits_begin(struct limits *limits, const struct limits_report *report, int64_t now,
                      int64_t *since);
/* What went of the bytes that limits_begin() took for sent. Where nothing did, and it was begun for
 * the first time, it was not begun. */
void limits_went(struct limits *limits, const struct limits_report *report, bool first,
                 uint64_t bytes, int64_t now);
bool limits_has_begun(const struct limits *limits, const char *report);
/* All have it: those that it spoke for are told. False where there was nothing to tell. */
bool limits_accepted(struct limits *limits, const char *report);
/* It is counted instead; false where it was before. */
bool limits_count(struct limits *limits, const struct limits_report *report, int64_t now);
/* How many crashes were counted and not told yet. */
unsigned limits_counted(const struct limits *limits);
