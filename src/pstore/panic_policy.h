/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sysctls without which a crash is not recorded, or the machine does not come back: what
 * 60-kdump-steamos.conf sets, checked against what the running kernel has. Reads only. */
#pragma once

#include "base/root.h"

struct panic_finding {
    const char *name; /* kernel.panic */
    int64_t live;
    int64_t wanted;     /* what 60-kdump-steamos.conf sets */
    const char *effect; /* of the live value, for people */
};

enum { PANIC_FINDINGS_MAX = 4 };

/* The number of sysctls that are not as they should be; those that this kernel does not have are
 * not counted. */
size_t panic_policy_check(const struct root *root, struct panic_finding out[PANIC_FINDINGS_MAX]);
/* A number in a file of /proc/sys; -ENOENT, -EBADMSG. */
int sysctl_read(const struct root *root, const char *path, int64_t *out) _must_check_;
