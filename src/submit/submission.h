/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run of submit: what its parts share. */
#pragma once

#include "config/verb.h"
#include "spool/limits.h"
#include "spool/spool.h"
#include "submit/backend.h"

enum { N_BACKENDS = 3 };

extern const struct backend *const backends[N_BACKENDS];

struct submission {
    struct context *context;
    bool on[N_BACKENDS]; /* by the configuration; a report goes to all of them */
    size_t n_on;
    struct spool spool;
    int state;       /* the state folder */
    int submit_lock; /* held for the whole run; the spool's own lock only around moves */
    const char *cacert;
    bool now; /* whatever the back-off says */
    unsigned
        network_tries; /* to reach a server before the first report; 0: it is not asked before */
    unsigned sent, later, refused, kept;
    bool unreachable[N_BACKENDS];
    bool network;          /* a back end is on that needs it */
    bool http;             /* libcurl is set up */
    struct limits *limits; /* of a day; owned */
    struct reserve reserve;
    bool stuck; /* nothing can be noted: nothing is sent */
};

/* Takes a report to all that are to have it now, and moves it to where it then belongs. Negative:
 * something failed that is not the way to a server; logged. */
int submission_send(struct submission *s, const struct spool_report *report) _must_check_;
/* Consent is checked again: what was pending when submission was turned off stays here. */
int submission_keep(struct submission *s, const struct spool_report *report) _must_check_;
/* Reads the configuration again: a person may have turned submission off, or chosen another server,
 * while this run waited or sent. Negative where that cannot be said, or nothing is on any more;
 * then nothing is to be sent. Logged. */
int submission_reload(struct submission *s) _must_check_;
/* A boot's network comes up when it does. Waits until one of the servers is there, or there were
 * enough tries; one that is not there then is not asked in this run, and no report has failed. Not
 * under the lock: a person may submit meanwhile. Negative: as submission_reload(). */
int submission_wait(struct submission *s) _must_check_;

/* For jitter. */
uint32_t random_number(void);
/* What a report's attempts are filed under: each back end has its own. */
const char *notes_key(size_t backend, const char *report, char buf[NAME_MAX + 32]);
/* What a back end has refused for good stays known as long as the report is there. */
void notes_forget(const struct submission *s, const char *report);
/* Of reports that are gone, or were sent: a run was cut off between the move and the removal of its
 * notes. */
void notes_sweep(const struct submission *s);
