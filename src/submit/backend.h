/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The interface of those who take reports to a server: one file each. */
#pragma once

#include "config/config.h"
#include "submit/attempt.h"
#include "submit/fields.h"
#include "submit/reserve.h"
#include "submit/retry.h"

struct delivery {
    const struct config *config;
    const struct root *root;
    const char *cacert; /* NULL: the system's */
    bool progress;
    const char *name; /* of the report */
    const char *key;  /* what state/ has of it with this back end is filed under */
    int zip;          /* its fd */
    uint64_t size;    /* bytes */
    int state;        /* the state folder's fd, for attempt_save() */
    struct attempt *attempt;
    struct reserve *reserve;
    const struct report_fields *fields;
    unsigned counted; /* crashes of the same signature that it speaks for: they were not sent */
    int64_t counted_since; /* seconds since the epoch */
    /* what came of it */
    uint64_t sent;       /* bytes that went over the network */
    int64_t retry_after; /* seconds; -1: not said */
    bool unreachable;    /* the server was not there: the others need not be tried now */
};

struct backend {
    const char *name;
    bool local; /* needs no network */
    /* Whether the configuration has this back end on; logs what is wrong with it. */
    bool (*enabled)(const struct config *config);
    /* The URL whose server takes reports, of one that needs the network; false where there is none.
     */
    bool (*server)(const struct config *config, char *url, size_t size);
    /* For how many seconds it wants nothing, by its own word; NULL where it never says so. */
    int64_t (*pause)(int state);
    /* Takes the report as far as it goes and says what came of it; fills attempt->last_status and
     * last_error on failure. */
    enum submit_outcome (*deliver)(struct delivery *delivery);
};

extern const struct backend backend_steam;
extern const struct backend backend_sentry;
extern const struct backend backend_directory;
