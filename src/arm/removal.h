/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a package leaves on a running machine beside its files: the sysctls that
 * 60-kdump-steamos.conf sets. They are noted before they are set for the first time, and are put
 * back when the package goes, with everything in the kdump folder that is only about arming.
 */
#pragma once

#include "arm/state.h"

/* Notes the sysctls, unless they were noted before: since then they are ours. In the state folder,
 * or in /run/kdump-steamos while there is none, or it takes nothing. A logged error. */
int removal_note(const struct context *context) _must_check_;
/* Moves the note from /run, once there is a state folder; a failure is warned of, once in a
 * boot. */
void removal_take_over(const struct root *root, const struct arm_state *state);
/* Sets back what is still as we set it: to what was noted, else to the kernel's own defaults.
 * Removes capture images, and of state/ what is about arming; reports and what is known of them
 * stay. A logged error; what can be done is done all the same. */
int removal_undo(const struct context *context, const struct arm_state *state) _must_check_;
