/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse/iomem.h"

static bool parse_line(struct span line, struct iomem_region *out)
{
    struct iomem_region r = { 0 };
    unsigned blanks = 0;

    while (line.n > 0 && line.p[0] == ' ') {
        (void)span_take(&line, 1);
        blanks++;
    }
    r.depth = blanks / 2;
    if (!span_take_hex(&line, &r.start) || !span_skip(&line, "-") ||
        !span_take_hex(&line, &r.end) || !span_skip(&line, " : ") || r.end < r.start)
        return false;
    r.name = span_trim(line);
    *out = r;
    return true;
}

bool iomem_next(struct span *rest, struct iomem_region *out)
{
    struct span line;

    while (span_next_line(rest, &line))
        if (parse_line(line, out))
            return true;
    return false;
}

bool iomem_is_masked(struct span text)
{
    struct iomem_region r;
    bool any = false;

    while (iomem_next(&text, &r)) {
        if (r.start != 0 || r.end != 0)
            return false;
        any = true;
    }
    return any;
}

/* Whether any other region than the one that begins at its own line touches it. */
static bool is_used(struct span text, const struct iomem_region *buffer)
{
    struct iomem_region r;

    while (iomem_next(&text, &r)) {
        if (r.name.p == buffer->name.p)
            continue;
        if (r.start <= buffer->end && r.end >= buffer->start)
            return true;
    }
    return false;
}

bool iomem_find_ram_buffer(struct span text, uint64_t min_size, struct iomem_region *out)
{
    /* Each candidate is compared with all regions: only candidates larger than the best so far, and
     * no more than these, for a text that is made to be slow. */
    enum { MAX_CANDIDATES = 64 };
    struct span rest = text;
    struct iomem_region r, best;
    unsigned candidates = 0;
    bool found = false;

    while (iomem_next(&rest, &r)) {
        if (r.depth != 0 || !span_eq(r.name, "RAM buffer") || r.end - r.start == UINT64_MAX ||
            iomem_size(&r) < min_size || r.end == 0)
            continue;
        if (found && iomem_size(&r) <= iomem_size(&best))
            continue;
        if (++candidates > MAX_CANDIDATES)
            break;
        if (is_used(text, &r))
            continue;
        best = r;
        found = true;
    }
    if (found)
        *out = best;
    return found;
}
