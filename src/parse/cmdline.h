/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel command line, as lib/cmdline.c (next_arg) and kernel/params.c read it. */
#pragma once

#include "base/span.h"

struct cmdline_param {
    struct span name;  /* as written */
    struct span value; /* without its quotes */
    bool has_value;
};

/* The next parameter; false at the end and at "--", behind which all is for init: *rest is then
 * empty. Double quotes keep blanks together, around the whole parameter or around its value; there
 * is no way to write a quote itself. */
bool cmdline_next(struct span *rest, struct cmdline_param *out);
/* Whether a parameter has this name; '-' and '_' are equal, as in kernel/params.c. */
bool cmdline_name_is(struct span name, const char *wanted);
/* The last one of this name wins. False where there is none. */
bool cmdline_get(struct span cmdline, const char *name, struct span *value);
/* A size as memparse() takes it: decimal, 0x… or 0… (octal), with one of K M G T P E, in either
 * case, behind it. All of s must be used. False also where it does not fit, where the kernel would
 * wrap around. */
bool cmdline_parse_size(struct span s, uint64_t *out);

enum { CMDLINE_RESERVE_MEM_NAME_MAX = 15 };

/* reserve_mem=SIZE:ALIGN:NAME (mm/memblock.c, reserve_mem(), since 6.12). */
struct cmdline_reserve_mem {
    uint64_t size, align; /* bytes; size is not 0, align may be: the kernel then takes its least */
    struct span name;     /* 1 to CMDLINE_RESERVE_MEM_NAME_MAX bytes */
};
/* The next reserve_mem= of a form that the kernel accepts. Of several with one name it takes the
 * first, and no more than 8 in all: both are left to the caller. */
bool cmdline_next_reserve_mem(struct span *rest, struct cmdline_reserve_mem *out);
