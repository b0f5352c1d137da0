/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a server is told of a report, out of the report's own ZIP: the sender needs no access to the
 * machine that it speaks of. */
#pragma once

#include "base/strbuf.h"

struct report_fields {
    char steamid[21]; /* decimal; "0": unknown */
    char serial[65];  /* of the device; "0": unknown */
    char build[128];
    char version[128];         /* of the kernel that crashed */
    char signature[65];        /* of the crash; "" : none is known */
    int64_t crash_time;        /* seconds since the epoch */
    struct strbuf stack, note; /* owned */
};

enum { FIELDS_MAX_STACK = 4096, FIELDS_MAX_NOTE = 16384 };

/* crash_time is what the report's name says, for a ZIP that has no better. -EBADMSG: no ZIP of
 * ours. */
int report_fields_read(int zip, int64_t crash_time, struct report_fields *out) _must_check_;
void report_fields_done(struct report_fields *fields);
/* Only functions and offsets: "f+0x1a/0x40 [m]" lines, cut between lines to fit max bytes. */
int concise_stack(struct span stack, size_t max, struct strbuf *out);
/* Cut behind the last whole line that fits; a single longer line is cut where it must be. Never
 * inside a UTF-8 sequence. */
struct span cut_lines(struct span text, size_t max);
