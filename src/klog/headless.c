/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reports whose first lines are lost: the log begins inside of one, or the kernel dropped messages.
 * What an oops prints and hardly anything else does is still there: "Oops: 0002 [#1]", the register
 * dump of kernel code, "---[ end trace" below a call trace.
 */
#include "klog/internal.h"

#define END_TRACE "---[ end trace"

enum {
    MAX_BACK = 600, /* lines from what was found to the report's beginning */
    MAX_GAP = 4,    /* lines that are no report's, between two that are */
    MAX_TAIL = 8,   /* lines behind a report's last one that may still be of it */
    MAX_ABOVE = 20, /* lines looked at for what else prints registers */
    MAX_BELOW = 12, /* … for registers below the instruction pointer */
    MIN_REGISTERS = 3,
    MAX_FIRST = 40, /* a log may begin with that many lines of a report */
};

static struct span text_of(const struct klog *klog, size_t line)
{
    return span_trim(klog_input_text(&klog->input, line));
}

/* "Oops: 0002 [#1]", "Oops [#1]" */
static bool is_oops_line(struct span line)
{
    return span_starts(line, "Oops") && span_contains(line, " [#");
}

/* Registers are shown of healthy CPUs, too. */
static bool is_other_dump(const struct klog *klog, size_t at)
{
    static const char *const words[] = { "NMI backtrace", "Sending NMI",   "ysrq:",     "ysRq :",
                                         "LOCKUP",        "lockup",        " stall",    "Show Regs",
                                         "blocked for",   "Backtrace for", "MSR access" };

    for (size_t i = at; i > 0 && at - i < MAX_ABOVE; i--)
        for (size_t w = 0; w < ARRAY_SIZE(words); w++)
            if (span_contains(text_of(klog, i - 1), words[w]))
                return true;
    return false;
}

/* "RSP: 0018:ffff…", "x29: ffff…", "sp : ffff…" */
static bool is_register_line(struct span line)
{
    size_t n = 0;

    while (n < line.n && n < 6 && byte_is_alnum(line.p[n]))
        n++;
    if (n < 2 || n == line.n)
        return false;
    (void)span_take(&line, n);
    (void)span_skip(&line, " ");
    return span_skip(&line, ": ") && line.n > 4 && byte_hex_value(span_trim(line).p[0]) >= 0;
}

static bool has_registers_below(const struct klog *klog, size_t at)
{
    size_t found = 0, end = MIN(klog->input.n_lines, at + 1 + MAX_BELOW);

    for (size_t i = at + 1; i < end; i++)
        if (klog->input.lines[i].context == klog->input.lines[at].context)
            found += is_register_line(text_of(klog, i));
    return found >= MIN_REGISTERS;
}

/* All that stands above is of a report, but the first line, which may be half of one. */
static bool log_begins_with(const struct klog *klog, size_t at)
{
    if (at >= MAX_FIRST)
        return false;
    for (size_t i = 1; i < at; i++)
        if (!klog_is_known_line(klog_input_text(&klog->input, i)))
            return false;
    return true;
}

/* Lines that only stand near the beginning of a report. */
static bool is_head_line(struct span line)
{
    return span_starts(line, "Pid: ") || span_starts(line, "IP: ") || span_starts(line, "EIP: ") ||
           span_starts(line, "Process ");
}

/* Where the report begins that the line at is of; not before least. */
static size_t find_beginning(const struct klog *klog, size_t at, size_t least)
{
    const struct klog_input *input = &klog->input;
    size_t found = at, gap = 0;

    /* A first line without the stamp that the others have is half a line: what it names is not. */
    if (least == 0 && at > 0 && input->lines[0].offset == 0 &&
        input->lines[1].context != KLOG_NO_STAMP)
        least = 1;
    if (at > MAX_BACK && least < at - MAX_BACK)
        least = at - MAX_BACK;
    for (size_t i = at; i-- > least && gap <= MAX_GAP;) {
        if (klog->input.lines[i].context != klog->input.lines[at].context)
            continue;
        if (is_head_line(text_of(klog, i)) || klog_is_known_line(klog_input_text(&klog->input, i)))
            found = i, gap = 0;
        else
            gap++;
    }
    return found;
}

static bool has_trace(const struct klog *klog, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++) {
        struct klog_frame frame;

        if (klog->input.lines[i].context == klog->input.lines[to].context &&
            klog_frame_parse(klog_input_text(&klog->input, i), &frame))
            return true;
    }
    return false;
}

static bool is_found_at(const struct klog *klog, size_t at, size_t least)
{
    struct span line = text_of(klog, at);
    struct klog_frame ip;

    /* Most lines of a log are not looked at any further. */
    if (line.n < 4 || !strchr("-OREINpPe", line.p[0]) || line.p[0] == '\0')
        return false;
    if (line.p[0] == '-')
        return span_starts(line, END_TRACE) && has_trace(klog, find_beginning(klog, at, least), at);
    if (line.p[0] == 'O')
        return is_oops_line(line);
    return klog_ip_parse(line, &ip) == KLOG_IP_FRAME && !is_other_dump(klog, at) &&
           (log_begins_with(klog, at) || has_registers_below(klog, at));
}

/* Shortly behind the end of a report of this context, in a log that is cut: it is still that one.
 */
static bool goes_on(const struct klog *klog, size_t n_before, size_t at)
{
    for (size_t i = n_before; i > 0 && n_before - i < 8; i--) {
        const struct parsed_report *r = &klog->reports[i - 1];

        if (r->context == klog->input.lines[at].context && at <= r->last + MAX_TAIL)
            return true;
    }
    return false;
}

bool klog_find_headless(const struct klog *klog, size_t from, struct klog_headless *out)
{
    size_t report = 0, least = from;

    for (size_t i = from; i < klog->input.n_lines; i++) {
        for (; report < klog->n && klog->reports[report].begin <= i; report++)
            least = MAX(least, klog->reports[report].last + 1);
        if (i < least)
            continue;
        if (!goes_on(klog, report, i) && is_found_at(klog, i, least)) {
            out->begin = find_beginning(klog, i, least);
            out->found = i;
            out->next = report < klog->n ? klog->reports[report].begin : klog->input.n_lines;
            return true;
        }
        /* No report goes on behind this; and no line is looked at by many. */
        if (span_starts(klog_input_text(&klog->input, i), END_TRACE))
            least = i + 1;
    }
    return false;
}
