/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The doing: a plan becomes system operations, and their effect is looked at. */
#pragma once

#include "arm/kmsg.h"
#include "arm/plan.h"
#include "base/sysops.h"

struct arm_result {
    bool unloaded, mounted, loaded; /* what was done */
    struct pstore_backend backend;  /* as it is afterwards; zeroed where nothing was done */
    struct kmsg_effects effects;
    bool log_read;                  /* effects are known */
    char failure[480], advice[320]; /* why the machine is not armed */
};

/* Does what the plan says and verifies, from sysfs and from what the kernel said, that a crash
 * would be recorded. 0: armed; result->failure says why on an error. result is filled in both
 * cases. Logs nothing above debug. */
int arm_execute(const struct root *root, const struct sysops *ops, const struct arm_plan *plan,
                struct arm_result *result) _must_check_;
