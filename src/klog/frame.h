/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames of kernel stack traces, and the lines that give an instruction pointer. */
#pragma once

#include "base/span.h"

struct klog_frame {
    struct span function; /* as printed, with its suffix */
    uint64_t offset, length;
    struct span module; /* empty: the kernel itself */
    uint64_t address;   /* where the kernel prints one */
    bool has_address;
    bool reliable; /* no '?' before it */
    bool behind;   /* the first on another stack: that of what was interrupted */
};

/* The frame that a line of a trace holds: "[<ffffffff8105c2e5>] ? f+0x1a/0x40 [m 0123…]". 32-bit
 * arm's "[<…>] (callee) from [<…>] (caller+0x…)" is the caller's. */
bool klog_frame_parse(struct span text, struct klog_frame *out);
/* The callee of 32-bit arm's form; empty otherwise. */
struct span klog_frame_callee(struct span text);

enum klog_ip { KLOG_IP_NONE, KLOG_IP_BARE, KLOG_IP_FRAME };
/* "RIP: 0010:f+0x1a/0x40", "EIP: ", "IP: ", "NIP [c0…] ", "pc : ", "PC is at ". Bare: an address
 * without a name; user mode ("0033:") is bare, too. */
enum klog_ip klog_ip_parse(struct span text, struct klog_frame *out);

/* A line behind which frames stand: "Call Trace:", "Allocated by task 42:", … */
bool klog_starts_trace(struct span text);
