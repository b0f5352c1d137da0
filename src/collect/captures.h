/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the capture kernel has left in the kdump folder: crash/YYYYMMDDHHMMSS[-N]/ (UTC, the crash's
 * time) with dmesg.txt, and vmcore, or vmcore-incomplete where the dump was cut off.
 */
#pragma once

#include <limits.h>
#include <time.h>

#include "pstore/events.h"
#include "spool/spool.h"

enum { CAPTURES_MAX = 64 };

struct capture {
    char folder[32];    /* its name below crash/ */
    time_t time;        /* of the crash */
    struct strbuf log;  /* owned; empty where there is none */
    bool has_log;       /* a file of it is there */
    const char *vmcore; /* the dump's file name; NULL: there is none */
};

struct captures {
    struct capture items[CAPTURES_MAX]; /* oldest first */
    size_t n;
    bool left_out;       /* there are more, or more bytes, than one run takes */
    unsigned unreadable; /* they stay where they are */
};

/* Whether there is any, at the cost of listing crash/. */
bool captures_any(const struct spool *spool);
/* Reads them. What cannot be read is said on the log and passed over. -ENOMEM. */
int captures_read(const struct spool *spool, struct captures *out) _must_check_;
void captures_free(struct captures *captures); /* also the cleanup function */
/* Whether the pstore event is of the same crash: the end of its text is in the capture's log, time
 * stamps included. Pure. */
bool capture_is_of_event(const struct capture *capture, const struct pstore_event *event);
/* The report is durable: the dump gets its own name in crash/ (vmcore.TS, or vmcore-incomplete.TS),
 * then the log goes, and the folder. Each step is durable before the next one. Where the dump was
 * moved to is put into name (NAME_MAX + 1 bytes; "" : there was none). */
int capture_finish(const struct spool *spool, const struct capture *capture,
                   char *name) _must_check_;
