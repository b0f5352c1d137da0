/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One line of a kernel log, taken apart. */
#pragma once

#include "base/span.h"

struct klog_line {
    struct span text;   /* behind level, time stamp and caller */
    struct span caller; /* "T2561" or "C3"; empty: none */
    bool has_time;
    double seconds; /* since boot */
    int level;      /* 0 … 7; -1: none */
};

struct klog_line klog_line_parse(struct span raw);
