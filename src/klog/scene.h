/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a log says of the machine around a crash: when it was, how much memory was left, what the
 * tasks did. */
#pragma once

#include "klog/internal.h"

struct klog_memory {
    bool known;
    uint64_t total, free, anonymous, file, slab; /* KiB; 0: not said */
    uint64_t other;                              /* KiB: the kernel's own and drivers' */
    uint64_t swap_total, swap_free;              /* KiB */
};

enum { SCENE_MAX_BIGGEST = 3 };

struct klog_task {
    struct span name;
    uint64_t pid, rss; /* rss: KiB */
};

struct klog_tasks {
    unsigned all, running, blocked;              /* of a dump of all tasks */
    struct klog_task biggest[SCENE_MAX_BIGGEST]; /* of the last list of a lack of memory */
    unsigned n_biggest;
};

struct klog_scene {
    double seconds; /* of the report since boot; negative: no time stamp */
    struct klog_memory memory;
    struct klog_tasks tasks;
    struct span victim;  /* "Killed process 42 (name) …", the last one; empty: none */
    struct span foreign; /* the first out-of-tree module that was loaded; empty: not said */
};

void klog_scene_read(const struct klog *klog, const struct parsed_report *report,
                     struct klog_scene *out);
/* A line with its prefixes: level and time. */
struct klog_line klog_line_at(const struct klog_input *input, size_t line);
