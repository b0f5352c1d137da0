/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known of a report's way to a server: state/REPORT.zip.json. Written durably before each
 * step that must not be repeated blindly, so that a run that was cut off is resumed where it stood.
 */
#pragma once

#include <limits.h>

#include "base/json_file.h"

enum attempt_phase {
    ATTEMPT_NONE,      /* begin with the start URL */
    ATTEMPT_STARTED,   /* a PUT is to be made, or repeated: gid, and the answer in REPORT.zip.upload
                        */
    ATTEMPT_FINISHING, /* the ZIP was taken: only the finish is left, under this gid */
    ATTEMPT_ACCEPTED,  /* the server has said yes: only the move is left */
    ATTEMPT_REFUSED,   /* it has said no for good */
    ATTEMPT_UNKNOWN,   /* noted by a newer version, which will go on with it: nothing is done */
};

struct attempt {
    enum attempt_phase phase;
    unsigned tries;           /* failed ones, and one that was begun and not ended */
    unsigned protocol_errors; /* of these, answers that made no sense */
    int64_t next_try;         /* seconds since the epoch; 0: now */
    char gid[65];
    bool finish_asked;    /* a finish was sent, or about to be, whose answer is not known */
    uint64_t upload_size; /* bytes that the server was told of */
    int last_status;      /* HTTP; 0: none came */
    char last_error[512]; /* for people; "" : none */
};

/* state is the state folder's fd. What is not there, or damaged, is a new attempt; what cannot be
 * read is an error: the server may have the report. */
int attempt_load(int state, const char *report, struct attempt *out) _must_check_;
int attempt_save(int state, const char *report, const struct attempt *attempt) _must_check_;
/* With all else that state/ has of it. */
int attempt_remove(int state, const char *report);
/* The answer that told where to PUT it; it may hold secrets, and goes with the PUT. -ENOENT. */
int attempt_save_upload(int state, const char *report, struct span answer) _must_check_;
int attempt_load_upload(int state, const char *report, struct strbuf *out) _must_check_;
int attempt_remove_upload(int state, const char *report);
