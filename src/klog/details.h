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

/* Who a stack is of, and what its CPU's registers were. */
struct klog_who {
    int64_t cpu, pid; /* -1: not said */
    struct span comm;
    bool has_rip;
    struct klog_frame rip;
    size_t first_register, n_registers; /* of klog_details.others */
};

struct klog_trace {
    struct span label;   /* "TASK", "IRQ", "Allocated by task 42"; empty: none */
    struct klog_who who; /* rip: of a register dump inside, or right before one of another CPU */
    size_t first, n;     /* frames */
    bool call_trace;     /* began with "Call Trace:" or alike */
};

struct klog_details {
    int64_t cpu, pid, uid; /* -1: unknown */
    struct span comm, release, hardware, taints;
    struct span build; /* what stands behind the release: "#36 Debian 6.1.52-1" */
    bool taint_known;
    bool has_rip;
    struct klog_frame rip;
    uint64_t address; /* that could not be used */
    bool has_address;
    struct span code;                /* the bytes around the instruction, as printed */
    struct klog_register *registers; /* owned, as all pointers here */
    size_t n_registers;
    struct klog_register *others; /* the traces' */
    size_t n_others;
    struct klog_module *modules, *unloaded;
    size_t n_modules, n_unloaded;
    struct klog_frame *frames;
    size_t n_frames;
    struct klog_trace *traces;
    size_t n_traces;
    /* while lines are taken */
    bool in_modules, modules_done, in_trace, user_registers;
    bool behind;          /* the stack of an interrupt or exception has ended */
    bool announced;       /* next is known: the CPU's line came, its trace did not yet */
    struct klog_who next; /* the next trace's */
    enum { OWN_REGISTERS, TRACE_REGISTERS, NEXT_REGISTERS } dump; /* whose they are */
};

void klog_details_init(struct klog_details *details);
/* Takes one line of the report; the text must stay. -ENOMEM. */
int klog_details_line(struct klog_details *details, struct span line) _must_check_;
void klog_details_done(struct klog_details *details);
/* Forgets what is long: modules, registers and stacks. */
void klog_details_shed(struct klog_details *details);
/* The crash stack: the first call trace; NULL where there is none. */
const struct klog_trace *klog_details_stack(const struct klog_details *details);
