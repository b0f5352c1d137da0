/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The first lines of reports, and what each is called. One row is one form of one header. */
#pragma once

#include "base/span.h"

enum {
    HEADER_NO_STACK = 1 << 0,  /* printed without a stack, or the title needs none of it */
    HEADER_CORRUPTED = 1 << 1, /* so incomplete that title or stack cannot be trusted */
    HEADER_OOPS = 1 << 3,      /* taints with D: the machine is not the same after it */
    HEADER_FOLLOWS = 1 << 4, /* part of the report before it, if there is one that it can follow */
    HEADER_NO_HELPERS = 1 << 5, /* no function is skipped */
    HEADER_ANCHOR = 1 << 6,     /* the function is found by anchor: outwards to where work begins */
    HEADER_HUNG = 1 << 7,       /* the function is the one that waits */
    HEADER_MAY_STACK = 1 << 8,  /* with or without: a stack that begins must have frames */
    HEADER_YIELDS = 1 << 10,    /* no report where its panic comes later: that has the title */
    HEADER_DIE = 1 << 9,        /* goes on with what was said before it */
};

struct klog_header {
    /* What the line holds, from its first literal on: '*' is any text, {k} a captured one, {h} a
     * function's name, {s} a source file's name and line, {n} a number, {d} a trap's name, code
     * and count. The line may go on behind it. */
    const char *pattern;
    /* What must be in a later line of the report; '|' parts alternatives; NULL: nothing. */
    const char *later;
    /* {k} as captured, {f} the function that is found, {r} Read or Write, as the text first has
     * it. */
    const char *title;
    /* Where the function is looked for, in this order, each from where the one before it ended:
     * H the header itself, R the first line with an instruction pointer, T the frames of the next
     * trace, F the frames from here on, a the next "at: f", b the next "[<…>] f+0x", W and I: see
     * title.c, A the frames below "page last allocated", u those below "which became …-unsafe at:".
     */
    const char *sources;
    const char *skip; /* helpers for this title only */
    unsigned flags;
    const char *kind; /* the coarse class */
};

struct klog_capture {
    struct span k, h;
};

/* The row that fits a header line, looking at most at rows from *row on; NULL: none. later(ctx,
 * text) says whether the report has a line with that text. *row is left behind the row found. */
const struct klog_header *klog_header_match(struct span line, bool (*later)(void *, const char *),
                                            void *ctx, struct klog_capture *capture);
/* Whether a line has a header's words and is no report: quick. */
struct klog_scanner {
    uint64_t pairs[1024]; /* two-byte beginnings of needles, one bit each */
};
void klog_scanner_init(struct klog_scanner *scanner);
bool klog_scanner_hit(const struct klog_scanner *scanner, struct span line);
/* A header of the kernel's form, by its words alone. */
bool klog_is_header(struct span line);
/* The fine class of a title. */
const char *klog_type_of(struct span title);
