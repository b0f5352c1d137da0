/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions that a title may name, in the order in which a header's row wants them. */
#pragma once

#include "base/macro.h"
#include "klog/frame.h"
#include "klog/title.h"

/* Where the search stands, and what it has found. */
struct title_search {
    const struct title_text *text;
    size_t at; /* the next line to look at */
    struct span names[TITLE_MAX_CANDIDATES];
    size_t n;
    char demangled[16 * KLOG_MAX_DEMANGLED]; /* what names point into, but for the log */
    size_t n_demangled;
    bool fault_injected;
    bool uncertain; /* the names are of another CPU than the one that reports */
};

static inline struct span title_line(const struct title_text *text, size_t i)
{
    return klog_input_text(text->input, text->lines[i]);
}

/* Gathers the names that a row's sources give. */
void title_gather(struct title_search *s, const struct klog_header *header,
                  const struct klog_capture *capture);
/* The one to blame; empty: none. */
struct span title_choose(const struct title_search *s, const struct klog_header *header);
/* From here on: the frames up to the next start of a trace; those of the next call trace. */
void title_take_frames(struct title_search *s, bool kmsan);
bool title_take_trace(struct title_search *s);
bool title_is_call_trace(struct span line);
/* The name behind the last " in ". */
struct span title_name_behind_in(struct span words);
