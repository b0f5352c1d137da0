/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A parsed log, as the room's own files see it. */
#pragma once

#include "klog/details.h"
#include "klog/headers.h"
#include "klog/klog.h"
#include "klog/title.h"

enum {
    KLOG_MAX_REPORTS = 1024,
    KLOG_FIRST_REPORTS = 64,   /* of these, and as many last ones, which are never left out */
    KLOG_MAX_SCAN = 20000,     /* lines looked at for one report */
    KLOG_MAX_NOTE = 256 << 10, /* bytes */
    KLOG_MAX_STACK = 64 << 10,
    KLOG_MAX_DETAILS = 8192, /* frames, modules and registers of all reports but the primary one */
    KLOG_SUMMARY_LINES = 50,
};

struct parsed_report {
    struct klog_report report;
    size_t line;  /* of the header, in the input */
    size_t begin; /* where its lines begin: before the header, where a panic comes last */
    size_t last;  /* the last line that is of it */
    size_t limit; /* no line from here on can be */
    uint32_t context;
    unsigned flags;   /* enum of headers.h; 0 where the header has no row */
    const char *kind; /* coarse */
    const char *type;
    bool corrupted;
    const char *why;
    size_t note_last; /* the last line of the excerpt; before begin: it is empty */
    bool shed;        /* there was no room for its details */
    struct klog_details details;
};

struct klog {
    struct klog_input input;
    struct parsed_report *reports; /* owned */
    size_t n;
    size_t left_out; /* reports that there was no room for */
    bool panicked;
};

/* The index of klog_primary()'s report; n > 0. */
size_t klog_primary_index(const struct klog *klog);
/* Whether a report has this line's context; nmi: other CPUs' traces are part of it, too. */
bool klog_same_context(uint32_t report, uint32_t line, bool nmi);
/* Whether a line is of the kind that stands in reports, behind their headers. */
bool klog_is_known_line(struct span line);
/* A report without a header: lines of the input. */
struct klog_headless {
    size_t begin, found; /* its first line, and the one that it was found by */
    size_t next;         /* where the next report begins */
};
/* The next one from a line on, in a klog whose reports are filled and in order. */
bool klog_find_headless(const struct klog *klog, size_t from, struct klog_headless *out);
/* Takes the lines of one report that is found late. */
int klog_fill_report(const struct klog *klog, struct parsed_report *report) _must_check_;

/* The lines of one report, those of other contexts left out. */
struct klog_walk {
    const struct klog *klog;
    const struct parsed_report *report;
    size_t at, end;
    bool nmi, closed;
};
struct klog_walk klog_note_walk(const struct klog *klog, const struct parsed_report *report);
bool klog_walk_next(struct klog_walk *walk, size_t *line);

/* Takes all reports' lines: details, stack, signature, note. */
int klog_fill_reports(struct klog *klog) _must_check_;
