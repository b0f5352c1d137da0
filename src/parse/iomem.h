/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* /proc/iomem (kernel/resource.c, r_show): "START-END : NAME", two blanks of indentation a level.
 */
#pragma once

#include "base/span.h"

struct iomem_region {
    uint64_t start, end; /* physical addresses, end inclusive */
    unsigned depth;      /* 0: top level */
    struct span name;
};

static inline uint64_t iomem_size(const struct iomem_region *r)
{
    return r->end - r->start + 1;
}

/* The next region; lines of another form are skipped. */
bool iomem_next(struct span *rest, struct iomem_region *out);
/* Whether all addresses are zero, which is what a reader without CAP_SYS_ADMIN gets. */
bool iomem_is_masked(struct span text);
/* The largest "RAM buffer" of at least min_size bytes that nothing lies in or over. x86 makes these
 * regions of what is left between the end of a stretch of RAM and the next boundary of 64 KiB, 1
 * MiB or 64 MiB, so that no device is put there: memory that exists and that nobody uses
 * (arch/x86/kernel/e820.c, e820__reserve_resources_late and ram_alignment). */
bool iomem_find_ram_buffer(struct span text, uint64_t min_size, struct iomem_region *out);
