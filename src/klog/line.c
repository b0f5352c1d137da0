/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/line.h"

static void take_level(struct span *s, int *level)
{
    struct span rest = *s;
    uint64_t value;

    if (span_skip(&rest, "<") && span_take_dec(&rest, &value) && value < 1024 &&
        span_skip(&rest, ">")) {
        *level = (int)(value & 7);
        *s = rest;
    }
}

/* "[   12.345678] " */
static bool take_time(struct span *s, double *seconds)
{
    struct span rest = *s;
    uint64_t whole, micro;
    size_t before;

    if (!span_skip(&rest, "["))
        return false;
    while (span_skip(&rest, " "))
        ;
    if (!span_take_dec(&rest, &whole) || !span_skip(&rest, "."))
        return false;
    before = rest.n;
    if (!span_take_dec(&rest, &micro) || before - rest.n != 6 || !span_skip(&rest, "]"))
        return false;
    *seconds = (double)whole + (double)micro / 1e6;
    *s = rest;
    return true;
}

/* "[ T2561]" or "[    C3]" (CONFIG_PRINTK_CALLER, kernel/printk/printk.c, print_caller) */
static bool take_caller(struct span *s, struct span *caller)
{
    struct span rest = *s, name;
    uint64_t id;

    if (!span_skip(&rest, "["))
        return false;
    while (span_skip(&rest, " "))
        ;
    name = rest;
    if (!span_skip(&rest, "T") && !span_skip(&rest, "C"))
        return false;
    if (!span_take_dec(&rest, &id))
        return false;
    name.n -= rest.n;
    if (!span_skip(&rest, "]"))
        return false;
    *caller = name;
    *s = rest;
    return true;
}

struct klog_line klog_line_parse(struct span raw)
{
    struct klog_line line = { .level = -1 };

    while (raw.n > 0 && (raw.p[raw.n - 1] == '\r' || raw.p[raw.n - 1] == '\0'))
        raw.n--;
    take_level(&raw, &line.level);
    line.has_time = take_time(&raw, &line.seconds);
    if (line.has_time) {
        (void)take_caller(&raw, &line.caller);
        (void)span_skip(&raw, " ");
    }
    line.text = raw;
    return line;
}
