/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A title is made of the log, and without what differs from run to run: half of a link's address
 * may be left in it, in no form that a scrubber knows. So a title that leaves is made of the log
 * that leaves.
 */
#pragma once

#include "scrub/scrub.h"

/* Tells s to write each title of report as what the parser makes of the scrubbed log: in JSON, and
 * in the page. Where the log has no such crash (any more), the title becomes its kind and function.
 * -ENOMEM. */
int titles_rename(struct scrub *s, const json_t *report, struct span scrubbed_log) _must_check_;
