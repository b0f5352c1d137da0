/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A log as it is found, made one text of plain lines: record headers taken off (and the parts of a
 * dump brought into order, oldest text first), colours and NULs out, lines that a part's end has
 * cut put together again. Pure; the lines are an index into the text.
 */
#pragma once

#include "base/macro.h"
#include "klog/line.h"

enum { KLOG_MAX_LINES = 4 << 20, KLOG_MAX_RECORDS = 4096 };

/* A line that is not empty; 16 bytes, as there may be millions. */
struct klog_entry {
    uint32_t offset, length; /* of what stands behind all prefixes */
    uint32_t context;
    uint32_t number; /* in the log as it was found, from 1 */
};

struct klog_record {
    char reason[24];
    unsigned count, part, line;
};

struct klog_input {
    struct span original;
    struct span text; /* the cleaned text, or the original itself */
    char *owned;      /* the cleaned text, if it is another */
    struct klog_entry *lines;
    size_t n_lines;
    struct klog_record *records;
    size_t n_records;
};

int klog_input_read(struct span log, struct klog_input *out) _must_check_;
void klog_input_done(struct klog_input *input);

static inline struct span klog_input_text(const struct klog_input *input, size_t line)
{
    return (struct span){ input->text.p + input->lines[line].offset, input->lines[line].length };
}
