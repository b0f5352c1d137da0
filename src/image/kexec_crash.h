/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the running kernel has for a crash kernel: what arming goes by, and `status` tells. */
#pragma once

#include "base/root.h"

struct kexec_crash {
    bool supported;       /* this kernel can load another one for its crash */
    bool loaded;          /* one is loaded, whoever did that */
    uint64_t reserved;    /* bytes */
    char crashkernel[64]; /* what the command line says of it; "" : nothing */
};

/* Of what /sys/kernel and the running kernel's command line say. Waits, for seconds at most, where
 * somebody is loading a kernel right now. */
void kexec_crash_read(const struct root *root, struct span cmdline, struct kexec_crash *out);
