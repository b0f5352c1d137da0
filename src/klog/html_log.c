/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/page.h"

enum {
    MAX_SHOWN = 4 << 20, /* bytes of the log; a page of more opens slowly */
    LINES_BEFORE = 2000, /* that are shown before the crash where not all can be */
};

static const double MAX_SECONDS = 1e12; /* a time stamp beyond it is damaged */

/* Whether a report covers a line; reports and lines are in the same order, so that all lines need
 * one walk over the reports. */
static bool is_of_report(const struct klog *klog, size_t line, size_t *next)
{
    const struct parsed_report *r;

    while (*next < klog->n && klog->reports[*next].last < line)
        (*next)++;
    if (*next == klog->n)
        return false;
    r = &klog->reports[*next];
    return line >= r->line && klog_same_context(r->context, klog->input.lines[line].context, false);
}

/* Where to begin, so that the crash and what led to it are in, and all of it where it fits. */
static size_t first_shown(const struct klog *klog)
{
    size_t bytes = 0, i = klog->input.n_lines, crash;

    while (i > 0 && bytes < MAX_SHOWN)
        bytes += klog->input.lines[--i].length + 1;
    if (i == 0 || klog->n == 0)
        return i;
    crash = klog->reports[klog_primary_index(klog)].line;
    return MIN(i, crash > LINES_BEFORE ? crash - LINES_BEFORE : 0);
}

/* As the kernel prints it; a log has tens of thousands, and printing by format is slow. */
static void write_time(struct strbuf *out, double seconds)
{
    char text[] = "[    0.000000] ";
    char *digit = text + sizeof("[    0.000000") - 1;
    uint64_t us, whole;

    if (seconds < 0 || seconds > MAX_SECONDS)
        return;
    us = (uint64_t)(seconds * 1e6 + 0.5);
    whole = us / 1000000;
    for (us %= 1000000; us > 0; us /= 10)
        *--digit = (char)('0' + us % 10);
    if (whole > 99999) {
        (void)strbuf_char(out, '[');
        (void)strbuf_dec(out, whole);
        (void)strbuf_str(out, strchr(text, '.'));
        return;
    }
    digit = strchr(text, '.');
    do
        *--digit = (char)('0' + whole % 10);
    while ((whole /= 10) > 0);
    (void)strbuf_append(out, text, sizeof(text) - 1);
}

static void write_line(struct strbuf *out, const struct klog *klog, size_t i, bool event)
{
    struct klog_line line = klog_line_at(&klog->input, i);
    const struct klog_entry *e = &klog->input.lines[i];
    const char *level = line.level >= 0 && line.level <= 3 ? "h" : line.level == 4 ? "w" : "";

    (void)strbuf_str(out, "<span id=\"L");
    (void)strbuf_dec(out, e->number);
    (void)strbuf_char(out, '"');
    if (event || level[0])
        (void)strbuf_printf(out, " class=\"%s%s%s\"", event ? "e" : "",
                            event && level[0] ? " " : "", level);
    (void)strbuf_str(out, "><a href=\"#L");
    (void)strbuf_dec(out, e->number);
    (void)strbuf_str(out, "\">");
    (void)strbuf_dec(out, e->number);
    (void)strbuf_str(out, "</a>");
    write_time(out, line.seconds);
    (void)html_escape(out, klog_input_text(&klog->input, i));
    (void)strbuf_str(out, "</span>");
}

int html_log(struct strbuf *out, const struct klog *klog)
{
    size_t first = first_shown(klog), next = 0, bytes = 0, i;

    (void)strbuf_str(out, "<section class=\"long\" id=\"log\"><h2>The log</h2>\n");
    if (klog->n > 0)
        (void)strbuf_printf(out,
                            "<p class=\"jump\"><a href=\"#L%u\">To the crash, in line %u</a></p>\n",
                            klog_primary(klog)->first_line, klog_primary(klog)->first_line);
    if (first > 0)
        (void)strbuf_printf(out, "<p class=\"lead\">The first %zu lines are left out.</p>\n",
                            first);
    (void)strbuf_str(out, "<pre tabindex=\"0\">");
    for (i = first; i < klog->input.n_lines && bytes < 2 * (size_t)MAX_SHOWN; i++) {
        write_line(out, klog, i, is_of_report(klog, i, &next));
        bytes += klog->input.lines[i].length + 1;
    }
    (void)strbuf_str(out, "</pre>\n");
    if (i < klog->input.n_lines)
        (void)strbuf_printf(out, "<p class=\"lead\">The last %zu lines are left out.</p>\n",
                            klog->input.n_lines - i);
    return strbuf_str(out, "</section>\n");
}
