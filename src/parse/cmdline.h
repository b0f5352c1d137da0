/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel command line, as lib/cmdline.c (next_arg) and kernel/params.c read it. */
#pragma once

#include "base/span.h"

struct cmdline_param {
    struct span name;  /* as written */
    struct span value; /* without its quotes */
    bool has_value;
};

/* The next parameter; false at the end and behind "--". Double quotes keep blanks together, around
 * the whole parameter or around its value. */
bool cmdline_next(struct span *rest, struct cmdline_param *out);
/* Whether a parameter has this name; '-' and '_' are equal, as in kernel/params.c. */
bool cmdline_name_is(struct span name, const char *wanted);
/* The last one of this name wins. False where there is none. */
bool cmdline_get(struct span cmdline, const char *name, struct span *value);
/* A size as memparse() takes it: decimal, 0x… or 0…, with one of K M G T P E behind it. All of s
 * must be used. False also where it does not fit. */
bool cmdline_parse_size(struct span s, uint64_t *out);

/* reserve_mem=SIZE:ALIGN:NAME (mm/memblock.c, since 6.12). */
struct cmdline_reserve_mem {
    uint64_t size, align; /* bytes */
    struct span name;
};
/* The next well-formed reserve_mem= of the command line. */
bool cmdline_next_reserve_mem(struct span *rest, struct cmdline_reserve_mem *out);
