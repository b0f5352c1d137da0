/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Misbehaviour on demand. A fault says what goes wrong in which step, and how many times:
 * STEP[*COUNT]:KIND[:ARG][:COUNT]. A request is given, of each class, the first fault of its step
 * that is not used up; so faults of different classes add up, and those of one class follow one
 * another.
 */
#pragma once

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>

#include "base/macro.h"
#include "base/span.h"

enum step { STEP_START, STEP_PUT, STEP_FINISH, STEP_COUNT };

enum fault_kind {
    FAULT_NONE, /* so that a zeroed hit is none */
    FAULT_OK,
    FAULT_STATUS,
    FAULT_REDIRECT,
    FAULT_CUT,
    FAULT_CUT_AFTER,
    FAULT_STORE_THEN_CUT,
    FAULT_DELAY,
    FAULT_RETRY_AFTER,
    FAULT_HEADER,
    FAULT_CONTENT_TYPE,
    FAULT_NOT_JSON,
    FAULT_WRONG_TYPE,
    FAULT_JSON,
    FAULT_TRUNCATE,
    FAULT_ENDLESS,
    FAULT_SLOW,
    FAULT_HEADERS,
    FAULT_HEADER_INJECT,
    FAULT_GID,
    FAULT_URL,
    FAULT_USERINFO,
};

enum fault_class {
    CLASS_OUTCOME,  /* what becomes of the request */
    CLASS_DELAY,    /* when it is answered */
    CLASS_RETRY,    /* Retry-After */
    CLASS_HEADER,   /* a header of the answer */
    CLASS_TYPE,     /* the answer's Content-Type */
    CLASS_CONTENT,  /* what the answer says */
    CLASS_DELIVERY, /* how its body is sent */
    CLASS_PAIRS,    /* the headers handed out for the PUT */
    CLASS_GID,
    CLASS_URL,
    CLASS_COUNT
};

struct fault_hit {
    enum fault_kind kind;
    uint64_t number;
    char *text; /* owned */
};

struct fault_set {
    struct fault_hit by_class[CLASS_COUNT];
};

void fault_set_clear(struct fault_set *set);

/* All faults of a server; every function locks. */
struct faults;

struct faults *faults_new(void);
void faults_free(struct faults *f);
DEFINE_CLEANUP(struct faults *, faults_free)
/* Adds the faults of a text, one a line; blank lines and those that begin with # are skipped. All
 * or none: on failure the reason is in why (-EINVAL, -E2BIG, -ENOMEM). */
int faults_add(struct faults *f, struct span text, char *why, size_t why_size) _must_check_;
void faults_clear(struct faults *f);
/* Takes what a request of this step shall suffer; the caller clears it. -ENOMEM. */
int faults_take(struct faults *f, enum step step, struct fault_set *out) _must_check_;
/* An array of {"fault", "left", "hits"}, for the control end point; NULL when out of memory. */
json_t *faults_list(struct faults *f);
/* The table of kinds, for --help. */
void faults_print_help(FILE *out);

const char *step_name(enum step step);
