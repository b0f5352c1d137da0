/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line of a kernel log, taken apart. */
#pragma once

#include "base/span.h"

/* Who printed a line (CONFIG_PRINTK_CALLER; kernel/printk/printk.c, print_caller): lines of several
 * tasks and CPUs stand between each other, and a report is of one of them. */
enum klog_context {
    KLOG_NO_STAMP,  /* no time stamp */
    KLOG_NO_CALLER, /* a time stamp, and no caller */
    KLOG_TASK,      /* these two with the number above bit 2 */
    KLOG_CPU,
};

struct klog_line {
    struct span text; /* behind all prefixes */
    uint32_t context; /* enum klog_context | number << 2 */
    double seconds;   /* since boot; negative: no time stamp */
    int level;        /* 0 … 7; -1: none */
};

/* Takes off, in this order, a journal's or syslog's prefix, "<4>", "[  12.345678]" and the caller.
 * The line has neither colours nor NULs any more. */
struct klog_line klog_line_parse(struct span raw);

static inline bool klog_context_has_caller(uint32_t context)
{
    return (context & 3) >= KLOG_TASK;
}
