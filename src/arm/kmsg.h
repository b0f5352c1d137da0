/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel log's side of arming: what the kernel said while ramoops was loaded. */
#pragma once

#include "base/root.h"

struct kmsg_effects {
    bool registered;         /* ramoops became the back end */
    bool compressed;         /* records are compressed */
    bool compression_failed; /* the kernel tried to, and could not */
    char complaint[240];     /* the first line that tells of a failure; "" : none */
};

/* Opens the kernel log for what will be said from now on (at_end), or for all that it holds. The
 * caller closes the fd; negative errno where it cannot be read. */
int kmsg_open(const struct root *root, bool at_end) _must_check_;
/* Appends what is there, record by record, and never waits for more; at most a few thousand
 * records. */
int kmsg_read(int fd, struct strbuf *out) _must_check_;
/* Judges records as /dev/kmsg gives them (Documentation/ABI/testing/dev-kmsg). Since_load: they
 * begin where the module was loaded, so that a kernel warning among them was caused by that. Pure.
 */
void kmsg_judge(struct span records, bool since_load, struct kmsg_effects *out);
