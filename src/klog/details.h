/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the lines of a report say beside its title: who ran, on what, registers, modules, stacks. */
#pragma once

#include "base/strbuf.h"
#include "klog/frame.h"
#include "klog/input.h"

enum {
    DETAILS_MAX_FRAMES = 4096, /* of one report */
    DETAILS_MAX_TRACES = 256,
    DETAILS_MAX_MODULES = 2048,
    DETAILS_MAX_REGISTERS = 64,
    DETAILS_MAX_TAINTS = 32,
};

struct klog_register {
    char name[12]; /* lower case */
    uint64_t value;
    unsigned digits; /* as printed */
};

struct klog_module {
    struct span name, flags; /* flags: "OE+"; empty: none */
};

struct klog_trace {
    struct span label; /* "TASK", "IRQ", "Allocated by task 42"; empty: none */
    int cpu;           /* -1: not said */
    size_t first, n;   /* frames */
    bool call_trace;   /* began with "Call Trace:" or alike */
};

struct klog_details {
    int64_t cpu, pid, uid; /* -1: unknown */
    struct span comm, release, hardware, taints;
    bool taint_known;
    bool has_rip;
    struct klog_frame rip;
    struct klog_register *registers; /* owned, as all pointers here */
    size_t n_registers;
    struct klog_module *modules, *unloaded;
    size_t n_modules, n_unloaded;
    struct klog_frame *frames;
    size_t n_frames;
    struct klog_trace *traces;
    size_t n_traces;
    /* while lines are taken */
    bool in_modules, modules_done, in_trace, user_registers;
};

void klog_details_init(struct klog_details *details);
/* Takes one line of the report; the text must stay. -ENOMEM. */
int klog_details_line(struct klog_details *details, struct span line) _must_check_;
void klog_details_done(struct klog_details *details);
/* The crash stack: the first call trace; NULL where there is none. */
const struct klog_trace *klog_details_stack(const struct klog_details *details);
