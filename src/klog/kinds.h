/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the first line of a report looks like, and what it is called. */
#pragma once

#include "base/span.h"

struct klog_kind {
    const char *needle; /* in the line */
    const char *second; /* must also be in the line; NULL: nothing */
    const char *title;  /* with "%" where the function goes */
    const char *kind;   /* SCHEMA's coarse class */
    bool oops;          /* taints with D: the machine is not the same after it */
};

/* The kind that a line begins, or NULL. */
const struct klog_kind *klog_kind_of(struct span text);
/* Whether a function is a helper that says nothing about what went wrong. */
bool klog_is_helper(struct span function);
