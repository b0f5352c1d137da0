/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/line.h"

enum { MAX_HOST_PREFIX = 160, MAX_CALLER = 1 << 28 };

static bool take_level(struct span *s, int *level)
{
    struct span rest = *s;
    uint64_t value;

    if (!span_skip(&rest, "<") || !span_take_dec(&rest, &value) || value > 1023 ||
        !span_skip(&rest, ">"))
        return false;
    *level = (int)(value & 7);
    *s = rest;
    return true;
}

/* "[   12.345678]" */
static bool take_time(struct span *s, double *seconds)
{
    struct span rest = *s;
    uint64_t whole, micro;
    size_t before;

    if (!span_skip(&rest, "["))
        return false;
    while (rest.n > 0 && rest.p[0] == ' ')
        (void)span_take(&rest, 1);
    if (!span_take_dec(&rest, &whole) || !span_skip(&rest, "."))
        return false;
    before = rest.n;
    if (!span_take_dec(&rest, &micro) || before - rest.n != 6 || !span_skip(&rest, "]"))
        return false;
    *seconds = (double)whole + (double)micro / 1e6;
    *s = rest;
    return true;
}

/* "[ T2561]", "[    C3]" */
static bool take_caller(struct span *s, uint32_t *context)
{
    struct span rest = *s;
    uint32_t kind;
    uint64_t id;

    if (!span_skip(&rest, "["))
        return false;
    while (rest.n > 0 && rest.p[0] == ' ')
        (void)span_take(&rest, 1);
    if (span_skip(&rest, "T"))
        kind = KLOG_TASK;
    else if (span_skip(&rest, "C"))
        kind = KLOG_CPU;
    else
        return false;
    if (!span_take_dec(&rest, &id) || id > MAX_CALLER || !span_skip(&rest, "]"))
        return false;
    *context = kind | (uint32_t)id << 2;
    *s = rest;
    return true;
}

static bool is_month(struct span s)
{
    static const char months[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

    for (size_t i = 0; i < sizeof(months) / sizeof(months[0]); i++)
        if (span_starts(s, months[i]))
            return s.n > 3 && s.p[3] == ' ';
    return false;
}

/* "Oct 05 05:40:01 host kernel: " and "2026-01-02T03:04:05+0000 host kernel: ". */
static void take_host_prefix(struct span *s)
{
    struct span head = { s->p, s->n < MAX_HOST_PREFIX ? s->n : MAX_HOST_PREFIX };
    size_t at;

    if (!is_month(head) &&
        !(head.n > 10 && byte_is_digit(head.p[0]) && head.p[4] == '-' && head.p[7] == '-'))
        return;
    at = span_find(head, " kernel: ");
    if (at != SIZE_MAX)
        (void)span_take(s, at + strlen(" kernel: "));
    else if (span_ends(head, " kernel:") && head.n == s->n)
        (void)span_take(s, s->n);
}

/* /dev/kmsg's "6,339,5140900,-;text" (Documentation/ABI/testing/dev-kmsg). */
static bool take_kmsg_prefix(struct span *s, struct klog_line *line)
{
    struct span rest = *s;
    uint64_t level, number, micro;
    size_t semicolon;

    if (rest.n == 0 || !byte_is_digit(rest.p[0]) || !span_take_dec(&rest, &level) ||
        !span_skip(&rest, ",") || !span_take_dec(&rest, &number) || !span_skip(&rest, ",") ||
        !span_take_dec(&rest, &micro) || !span_skip(&rest, ","))
        return false;
    semicolon = span_find_byte((struct span){ rest.p, rest.n < 64 ? rest.n : 64 }, ';');
    if (semicolon == SIZE_MAX)
        return false;
    (void)span_take(&rest, semicolon + 1);
    line->level = (int)(level & 7);
    line->seconds = (double)micro / 1e6;
    line->context = KLOG_NO_CALLER;
    *s = rest;
    return true;
}

/* Behind what somebody else wrote on the console without ending the line. */
static bool take_time_inside(struct span *s, double *seconds)
{
    struct span rest = { s->p, s->n < MAX_HOST_PREFIX ? s->n : MAX_HOST_PREFIX };
    size_t at;

    while ((at = span_find_byte(rest, '[')) != SIZE_MAX) {
        struct span behind;

        (void)span_take(&rest, at);
        behind = (struct span){ rest.p, (size_t)(s->p + s->n - rest.p) };
        if (take_time(&behind, seconds)) {
            *s = behind;
            return true;
        }
        (void)span_take(&rest, 1);
    }
    return false;
}

struct klog_line klog_line_parse(struct span raw)
{
    struct klog_line line = { .level = -1, .seconds = -1, .context = KLOG_NO_STAMP };

    while (raw.n > 0 && raw.p[raw.n - 1] == '\r')
        raw.n--;
    if (raw.n > 0 && raw.p[0] != '[' && raw.p[0] != '<' && raw.p[0] != ' ')
        take_host_prefix(&raw);
    if (raw.n > 0 && (raw.p[0] == '<' || raw.p[0] == ' ')) {
        struct span behind = raw;

        while (behind.n > 0 && behind.p[0] == ' ')
            (void)span_take(&behind, 1);
        if (take_level(&behind, &line.level))
            raw = behind;
    }
    if (take_time(&raw, &line.seconds) || take_time_inside(&raw, &line.seconds)) {
        line.context = KLOG_NO_CALLER;
        (void)take_caller(&raw, &line.context);
        (void)span_skip(&raw, " ");
    } else {
        (void)take_kmsg_prefix(&raw, &line);
    }
    line.text = raw;
    return line;
}
