/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What arm looks at, and its steps besides pstore: the crash kernel, and the next boots. */
#pragma once

#include "arm/kdump.h"
#include "arm/reserve.h"
#include "arm/state.h"

struct arming {
    struct arm_facts facts;
    struct arm_plan plan;
    struct kdump_facts kdump;
    struct kdump_plan kdump_plan;
    struct reserve_facts reserve;
    struct reserve_plan next; /* for the next boots; meaningless unless next_known */
    bool next_known;
};

/* Reads everything and makes all plans. -ENOMEM. */
int arming_read(const struct context *context, const struct arm_state *state,
                struct arming *out) _must_check_;
/* The plan for the next boots, once it is known whether pstore works in this one. */
void arming_plan_next(const struct context *context, bool pstore_failed, struct arming *a);

/* Loads the crash kernel that the plan wants, with a capture image that is made where it is missing
 * or out of date. On an error kdump_plan has the reason. Notes in the marker what was done. */
int kdump_arm(const struct context *context, const struct arm_state *state, struct arming *a,
              struct boot_marker *marker, struct kdump_result *result) _must_check_;
/* Unloads what kdump_arm() has loaded; a logged error. */
int kdump_disarm(const struct context *context) _must_check_;

/* Does what a.next says, and says so. 0; 1 where a reboot is needed for what was done; a negative
 * errno after it was logged. */
int next_boot_prepare(const struct context *context, const struct arm_state *state,
                      struct arming *a) _must_check_;
/* Prints it, for a dry run. */
void next_boot_print(const struct arming *a);
