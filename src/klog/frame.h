/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A frame of a kernel stack trace: "? func+0x1a/0x40 [module]". */
#pragma once

#include "base/span.h"

struct klog_frame {
    struct span function; /* as printed, with its suffix */
    uint64_t offset, length;
    struct span module; /* empty: the kernel itself */
    bool reliable;      /* no '?' before it */
};

/* The frame that a line of a trace holds; false where it holds none. */
bool klog_frame_parse(struct span text, struct klog_frame *out);
/* The name up to its first '.', under which a compiler's clones are one function. */
struct span klog_function_base(struct span function);
