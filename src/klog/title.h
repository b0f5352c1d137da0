/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the lines of a report to its title and the function that is to blame. */
#pragma once

#include "base/strbuf.h"
#include "klog/demangle.h"
#include "klog/headers.h"
#include "klog/input.h"

enum { TITLE_MAX_LINES = 6000, TITLE_MAX_CANDIDATES = 2048 };

/* The lines that a title may use: those of the header's context, the header first. */
struct title_text {
    const struct klog_input *input;
    size_t *lines; /* owned; indices into the input */
    size_t n;
};

struct title_result {
    const struct klog_header *header;
    struct strbuf title;  /* owned */
    struct span function; /* to blame; empty: none was found. May lie in name: not to be copied */
    char name[KLOG_MAX_DEMANGLED];
    bool corrupted;
    const char *why; /* it is corrupted; a constant text */
};

/* -ENODATA: these lines are no report after all. -ENOMEM. */
int title_make(const struct title_text *text, struct title_result *out) _must_check_;
/* The same for a report whose header is lost. */
int title_make_headless(const struct title_text *text, struct title_result *out) _must_check_;
/* Whether a line may be a report's first one: more than a header's word stands in it. Goes on: it
 * is part of a report that stands before it. */
bool title_has_form(struct span line, bool *goes_on);
/* Takes out what differs from run to run, and what is no printable ASCII; 120 bytes at most. */
int title_clean(struct span text, struct strbuf *out);
