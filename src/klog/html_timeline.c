/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/page.h"

enum {
    SECONDS = 60,
    LEAST_SECONDS = 15, /* of a boot that did not last for a minute */
    WIDTH = 900,
    HEIGHT = 150, /* of the bars' field */
    LEFT = 40,
    RIGHT = 16,
    TOP = 22,
    BOTTOM = 24,
    LEVELS = 3,    /* errors and worse, warnings, all else */
    MAX_AFTER = 5, /* seconds that are shown behind the crash */
};

static const double MAX_TIME = 1e9; /* a time stamp beyond it is damaged */

static const char *const level_names[] = { "error or worse", "warning", "other" };

struct second {
    unsigned lines[LEVELS];
    unsigned all;
};

static unsigned level_class(int level)
{
    return level >= 0 && level <= 3 ? 0 : level == 4 ? 1 : 2;
}

/* Digits before the point of log10(n + 1), in thousandths: one panic's dump has a thousand times
 * the lines of a quiet second, and both are to be seen. */
static unsigned log_scale(unsigned n)
{
    unsigned whole = 0, power = 1;

    for (n++; n / power >= 10; power *= 10)
        whole++;
    return whole * 1000 + (unsigned)(((uint64_t)n * 1000 / power - 1000) / 9);
}

/* The seconds that are shown. */
struct window {
    double first;
    unsigned n, step; /* step: width of one */
};

static void count(const struct klog *klog, const struct window *w, struct second *seconds,
                  unsigned *most)
{
    for (size_t i = 0; i < klog->input.n_lines; i++) {
        struct klog_line line = klog_line_at(&klog->input, i);
        double at = line.seconds - w->first;
        struct second *s;

        if (line.seconds < 0 || at < 0 || at >= w->n)
            continue;
        s = &seconds[(size_t)at];
        s->lines[level_class(line.level)]++;
        s->all++;
        *most = MAX(*most, s->all);
    }
}

static void write_bars(struct strbuf *out, const struct window *w, const struct second *seconds,
                       unsigned top)
{
    for (unsigned i = 0; i < w->n; i++) {
        const struct second *s = &seconds[i];
        unsigned height = s->all ? MAX(log_scale(s->all) * HEIGHT / top, 2U) : 0;
        unsigned y = TOP + HEIGHT;

        if (s->all == 0)
            continue;
        (void)strbuf_printf(out, "<g><title>%.0f s: %u lines, %u %s, %u %s</title>", w->first + i,
                            s->all, s->lines[0], level_names[0], s->lines[1], level_names[1]);
        for (unsigned level = LEVELS; level-- > 0;) {
            unsigned part = (unsigned)((uint64_t)height * s->lines[level] / s->all);

            if (s->lines[level] > 0 && part == 0)
                part = 1;
            if (part == 0)
                continue;
            y -= part;
            (void)strbuf_printf(
                out, "<rect class=\"s%u\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\"/>", level,
                LEFT + i * w->step + 1, y, w->step - 2, part);
        }
        (void)strbuf_str(out, "</g>");
    }
}

static void write_axes(struct strbuf *out, const struct window *w, unsigned top)
{
    static const unsigned ticks[] = { 1, 10, 100, 1000, 10000, 100000 };
    unsigned every = w->n > 30 ? 10 : 5;

    for (size_t i = 0; i < ARRAY_SIZE(ticks) && log_scale(ticks[i]) <= top; i++) {
        unsigned y = TOP + HEIGHT - log_scale(ticks[i]) * HEIGHT / top;

        (void)strbuf_printf(out,
                            "<line class=\"axis\" x1=\"%u\" x2=\"%u\" y1=\"%u\" y2=\"%u\"/>"
                            "<text x=\"%u\" y=\"%u\" text-anchor=\"end\">%u</text>",
                            LEFT, WIDTH, y, y, LEFT - 6, y + 4, ticks[i]);
    }
    for (unsigned i = 0; i <= w->n; i += every)
        (void)strbuf_printf(out, "<text x=\"%u\" y=\"%u\" text-anchor=\"middle\">%.0f s</text>",
                            LEFT + i * w->step, TOP + HEIGHT + 17, w->first + i);
}

static struct window choose_window(const struct klog *klog, size_t from, double crash)
{
    struct window w = { .n = SECONDS };
    double last = crash;

    for (size_t i = from; i < klog->input.n_lines; i++) {
        double at = klog_line_at(&klog->input, i).seconds;

        if (at > last && at <= crash + MAX_AFTER)
            last = at;
    }
    w.first = (double)(int64_t)last - SECONDS + 1;
    if (w.first < 0) {
        w.first = 0;
        w.n = MAX((unsigned)last + 2, (unsigned)LEAST_SECONDS);
    }
    w.n = MIN(w.n, (unsigned)SECONDS);
    w.step = (WIDTH - LEFT) / w.n;
    return w;
}

int html_timeline(struct strbuf *out, const struct klog *klog, const struct parsed_report *report)
{
    double crash = klog_line_at(&klog->input, report->line).seconds;
    struct second seconds[SECONDS] = { 0 };
    unsigned most = 0, top, x;
    struct window w;

    if (crash < 0 || crash > MAX_TIME)
        return 0;
    w = choose_window(klog, report->line, crash);
    count(klog, &w, seconds, &most);
    if (most == 0)
        return 0;
    top = log_scale(most) + 150;
    x = LEFT + (unsigned)((crash - w.first) * w.step);
    (void)strbuf_printf(out,
                        "<section><h2>The log's last %s</h2>\n<div class=\"scroll\" "
                        "tabindex=\"0\"><svg viewBox=\"0 0 %u %u\" role=\"img\" "
                        "aria-labelledby=\"timeline\"><title id=\"timeline\">Lines of the log in "
                        "each second; the crash is at %.3f seconds</title>",
                        w.n == SECONDS ? "minute" : "seconds", WIDTH + RIGHT, TOP + HEIGHT + BOTTOM,
                        crash);
    write_axes(out, &w, top);
    write_bars(out, &w, seconds, top);
    (void)strbuf_printf(out,
                        "<line class=\"now\" x1=\"%u\" x2=\"%u\" y1=\"%u\" y2=\"%u\"/>"
                        "<text class=\"nowtext\" x=\"%u\" y=\"12\" text-anchor=\"%s\">crash, %.3f "
                        "s</text></svg></div>\n",
                        x, x, TOP - 6, TOP + HEIGHT, x, x > WIDTH * 3 / 4 ? "end" : "start", crash);
    (void)strbuf_str(out,
                     "<p class=\"lead\">Lines a second since the boot, on a logarithmic scale:");
    for (unsigned level = 0; level < LEVELS; level++)
        (void)strbuf_printf(out,
                            " <svg class=\"key\" viewBox=\"0 0 9 9\"><rect class=\"s%u\" "
                            "width=\"9\" height=\"9\"/></svg> %s%s",
                            level, level_names[level], level + 1 < LEVELS ? "," : ".");
    return strbuf_str(out, "</p></section>\n");
}
