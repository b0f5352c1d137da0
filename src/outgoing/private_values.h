/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names and serials of this machine that its logs may quote: state/private.json, written when a
 * crash is collected, so that who sends reports needs no access to the machine itself. It never
 * leaves the machine.
 */
#pragma once

#include "base/json_file.h"
#include "scrub/scrub.h"

enum { PRIVATE_VALUES_MAX = 240 };

struct private_values {
    json_t *values; /* owned; kind → array of strings; NULL: none */
};

/* Adds a value (trimmed; what is empty, too long or no UTF-8 is left out). -ENOMEM. */
int private_values_add(struct private_values *p, enum scrub_kind kind,
                       struct span value) _must_check_;
int private_values_save(const struct private_values *p, int state) _must_check_;
/* What cannot be read is empty. -ENOMEM. */
int private_values_load(int state, struct private_values *out) _must_check_;
/* Tells a scrubber all of them. -ENOMEM. */
int private_values_tell(const struct private_values *p, struct scrub *s) _must_check_;
void private_values_done(struct private_values *p);
#define _cleanup_private_values_ _cleanup_(private_values_done)
