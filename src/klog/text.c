/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report for a person at a terminal: one screen. */
#include <stdio.h>
#include <time.h>

#include "klog/explain.h"
#include "klog/names.h"
#include "klog/scene.h"
#include "klog/utf8.h"

enum {
    MAX_SHOWN_FRAMES = 16,
    MAX_SHOWN_EVENTS = 4,
    MAX_LAST_LINES = 20,
    LABEL_WIDTH = 11,
    WIDTH = 92
};

struct writer {
    struct strbuf *out;
    bool colour;
};

enum style { BOLD, RED, DIM, YELLOW };

static void set_style(const struct writer *w, enum style style)
{
    static const char *const codes[] = { "\x1b[1m", "\x1b[1;31m", "\x1b[2m", "\x1b[33m" };

    if (w->colour)
        (void)strbuf_str(w->out, codes[style]);
}

static void end_style(const struct writer *w)
{
    if (w->colour)
        (void)strbuf_str(w->out, "\x1b[0m");
}

static void styled(const struct writer *w, enum style style, struct span s)
{
    set_style(w, style);
    (void)utf8_append_plain(w->out, s);
    end_style(w);
}

static void label(const struct writer *w, const char *name)
{
    set_style(w, DIM);
    (void)strbuf_printf(w->out, "  %-*s", LABEL_WIDTH, name);
    end_style(w);
}

static void field(const struct writer *w, const char *name, struct span value)
{
    if (value.n == 0)
        return;
    label(w, name);
    (void)utf8_append_plain(w->out, value);
    (void)strbuf_char(w->out, '\n');
}

static void heading(const struct writer *w, const char *text)
{
    (void)strbuf_char(w->out, '\n');
    styled(w, BOLD, span_str(text));
    (void)strbuf_char(w->out, '\n');
}

/* Words, broken at the screen's width, behind an indent. */
static void paragraph(const struct writer *w, const char *first, struct span text)
{
    size_t column = strlen(first);
    struct span word;

    (void)strbuf_str(w->out, first);
    while (span_next_word(&text, &word)) {
        if (column + 1 + word.n > WIDTH && column > strlen(first)) {
            (void)strbuf_printf(w->out, "\n%*s", (int)strlen(first), "");
            column = strlen(first);
        } else if (column > strlen(first)) {
            (void)strbuf_char(w->out, ' ');
            column++;
        }
        (void)utf8_append_plain(w->out, word);
        column += word.n;
    }
    (void)strbuf_char(w->out, '\n');
}

static void write_when(const struct writer *w, const struct klog_view *view,
                       const struct klog_scene *scene)
{
    char date[32] = "";
    struct tm tm;
    time_t time = (time_t)view->time;

    if (view->time <= 0 && scene->seconds < 0)
        return;
    label(w, "when");
    if (view->time > 0 && gmtime_r(&time, &tm) &&
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &tm) > 0)
        (void)strbuf_str(w->out, date);
    if (scene->seconds >= 0) {
        char uptime[64];

        klog_format_uptime(scene->seconds, uptime, sizeof(uptime));
        (void)strbuf_printf(w->out, "%s%s after the boot", date[0] ? ", " : "", uptime);
    }
    (void)strbuf_char(w->out, '\n');
}

static void write_process(const struct writer *w, const struct klog_details *d)
{
    if (d->comm.n == 0 && d->pid < 0 && d->cpu < 0)
        return;
    label(w, "process");
    (void)utf8_append_plain(w->out, d->comm.n > 0 ? d->comm : span_str("?"));
    if (d->pid >= 0)
        (void)strbuf_printf(w->out, " (%lld)", (long long)d->pid);
    if (d->cpu >= 0)
        (void)strbuf_printf(w->out, " on CPU %lld", (long long)d->cpu);
    (void)strbuf_char(w->out, '\n');
}

static void write_taints(const struct writer *w, const struct klog_details *d)
{
    bool any = false;

    for (size_t i = 0; i < d->taints.n; i++) {
        const char *meaning = klog_explain_taint(d->taints.p[i]);

        if (!meaning)
            continue;
        if (!any)
            label(w, "taint");
        (void)strbuf_printf(w->out, "%s%s (%c)", any ? ", " : "", meaning, d->taints.p[i]);
        any = true;
    }
    if (any)
        (void)strbuf_char(w->out, '\n');
}

/* The first thing that one looks for: NULL and a member's offset, or a pointer that is none. */
static void write_fault(const struct writer *w, const struct klog_details *d)
{
    if (!d->has_address)
        return;
    label(w, "address");
    (void)strbuf_printf(w->out, "0x%016llx\n", (unsigned long long)d->address);
}

static void write_kernel(const struct writer *w, const struct klog_details *d)
{
    if (d->release.n == 0)
        return;
    label(w, "kernel");
    (void)utf8_append_plain(w->out, d->release);
    if (d->build.n > 0) {
        (void)strbuf_char(w->out, ' ');
        (void)utf8_append_plain(w->out, d->build);
    }
    (void)strbuf_char(w->out, '\n');
}

static void write_memory(const struct writer *w, const struct klog_memory *m)
{
    if (!m->known)
        return;
    label(w, "memory");
    (void)strbuf_printf(w->out, "%llu of %llu MiB free", (unsigned long long)m->free / 1024,
                        (unsigned long long)m->total / 1024);
    (void)strbuf_printf(w->out, "; programs %llu, files %llu, slab %llu, other %llu MiB",
                        (unsigned long long)m->anonymous / 1024, (unsigned long long)m->file / 1024,
                        (unsigned long long)m->slab / 1024, (unsigned long long)m->other / 1024);
    if (m->swap_total > 0)
        (void)strbuf_printf(w->out, "; swap %llu of %llu MiB free",
                            (unsigned long long)m->swap_free / 1024,
                            (unsigned long long)m->swap_total / 1024);
    (void)strbuf_char(w->out, '\n');
}

static void write_tasks(const struct writer *w, const struct klog_tasks *t)
{
    if (t->all == 0)
        return;
    label(w, "tasks");
    (void)strbuf_printf(w->out, "%u in the log, %u running, %u blocked\n", t->all, t->running,
                        t->blocked);
}

/* Where in the log all this is. */
static void write_source(const struct writer *w, const struct klog *klog,
                         const struct parsed_report *r, const struct klog_view *view)
{
    const struct klog_input *input = &klog->input;

    label(w, "log");
    (void)strbuf_printf(w->out, "lines %u to %u of %u", r->report.first_line, r->report.last_line,
                        input->lines[input->n_lines - 1].number);
    if (view->source && strcmp(view->source, "-") != 0) {
        (void)strbuf_str(w->out, ", ");
        (void)utf8_append_plain(w->out, span_str(view->source));
    }
    (void)strbuf_char(w->out, '\n');
}

/* A function that calls itself is shown once. */
static void write_frame(const struct writer *w, const struct klog_frame *f, bool crashed,
                        unsigned times)
{
    struct span function = { f->function.p, MIN(f->function.n, (size_t)200) };

    set_style(w, RED);
    (void)strbuf_str(w->out, crashed ? "  -> " : "     ");
    if (!crashed)
        end_style(w);
    (void)utf8_append_plain(w->out, function);
    if (f->length > 0)
        (void)strbuf_printf(w->out, "+0x%llx/0x%llx", (unsigned long long)f->offset,
                            (unsigned long long)f->length);
    if (f->module.n > 0) {
        (void)strbuf_str(w->out, " [");
        (void)utf8_append_plain(w->out, (struct span){ f->module.p, MIN(f->module.n, (size_t)64) });
        (void)strbuf_char(w->out, ']');
    }
    if (crashed)
        end_style(w);
    if (times > 1)
        (void)strbuf_printf(w->out, "  (%u times)", times);
    (void)strbuf_char(w->out, '\n');
}

static void write_left_out(const struct writer *w, unsigned more, unsigned unreliable)
{
    char words[128] = "     not shown:";
    size_t n = strlen(words);

    if (more + unreliable == 0)
        return;
    if (more > 0)
        n += (size_t)snprintf(words + n, sizeof(words) - n, " %u more frames%s", more,
                              unreliable > 0 ? "," : "");
    if (unreliable > 0)
        (void)snprintf(words + n, sizeof(words) - n, " %u that the kernel is unsure of",
                       unreliable);
    styled(w, DIM, span_str(words));
    (void)strbuf_char(w->out, '\n');
}

/* The register dump's function on top, where the trace begins with its caller. */
static void write_trace(const struct writer *w, const struct parsed_report *r)
{
    const struct klog_details *d = &r->details;
    const struct klog_trace *t = klog_details_stack(d);
    unsigned shown = 0, unreliable = 0, more = 0;
    bool marked = false;

    if (!t && !d->has_rip)
        return;
    heading(w, "Where, innermost first");
    for (size_t i = 0; t && i < t->n; i++)
        marked |= d->has_rip && span_eq_span(d->frames[t->first + i].function, d->rip.function);
    if (d->has_rip && !marked) {
        write_frame(w, &d->rip, klog_is_crashed(r, &d->rip), 1);
        marked = klog_is_crashed(r, &d->rip);
        shown++;
    } else {
        marked = false;
    }
    for (size_t i = 0, times; t && i < t->n; i += times) {
        const struct klog_frame *f = &d->frames[t->first + i];
        bool crashed = !marked && klog_is_crashed(r, f);

        times = klog_count_same(d, t, i);
        if (!f->reliable && !crashed) {
            unreliable += (unsigned)times;
        } else if (shown >= MAX_SHOWN_FRAMES && !crashed) {
            more += (unsigned)times;
        } else {
            write_frame(w, f, crashed, (unsigned)times);
            shown++;
            marked |= crashed;
        }
    }
    write_left_out(w, more, unreliable);
}

static void write_other_events(const struct writer *w, const struct klog *klog, size_t primary)
{
    const char *same = klog->reports[primary].report.signature;
    size_t shown = 0, others = 0;

    /* An oops stands in its own dump and in the panic's. */
    for (size_t i = 0; i < klog->n; i++)
        others += strcmp(klog->reports[i].report.signature, same) != 0;
    if (others == 0 && klog->left_out == 0)
        return;
    heading(w, "Also in this log");
    for (size_t i = 0; i < klog->n && shown < MAX_SHOWN_EVENTS; i++) {
        const struct klog_report *r = &klog->reports[i].report;

        if (strcmp(r->signature, same) == 0)
            continue;
        (void)strbuf_printf(w->out, "  line %-6u ", r->first_line);
        (void)utf8_append_plain(w->out, span_str(r->title));
        (void)strbuf_char(w->out, '\n');
        shown++;
    }
    if (others > shown)
        (void)strbuf_printf(w->out, "  and %zu more\n", others - shown);
    if (klog->left_out > 0)
        (void)strbuf_printf(w->out, "  and %zu between these that there was no room for\n",
                            klog->left_out);
}

static int write_advice(const struct writer *w, const struct klog *klog,
                        const struct parsed_report *r, const struct klog_scene *scene,
                        const struct klog_view *view)
{
    _cleanup_strbuf_ struct strbuf advice = { 0 };
    struct span rest, line;
    int ret = klog_advice(klog, r, scene, view, &advice);

    if (ret < 0 || advice.n == 0)
        return ret;
    heading(w, "What to look at next");
    rest = strbuf_view(&advice);
    while (span_next_line(&rest, &line))
        if (line.n > 0)
            paragraph(w, "  - ", line);
    return 0;
}

static int write_no_crash(const struct writer *w, const struct klog *klog)
{
    size_t n = klog->input.n_lines;

    (void)strbuf_str(w->out, "No crash was found in this log.");
    if (n == 0)
        return strbuf_str(w->out, " It is empty.\n");
    (void)strbuf_str(w->out, " It ends:\n\n");
    for (size_t i = n > MAX_LAST_LINES ? n - MAX_LAST_LINES : 0; i < n; i++) {
        (void)strbuf_str(w->out, "  ");
        (void)utf8_append_plain(w->out, klog_input_text(&klog->input, i));
        (void)strbuf_char(w->out, '\n');
    }
    return w->out->failed;
}

int klog_to_text(const struct klog *klog, const struct klog_view *view, struct strbuf *out)
{
    const struct writer w = { out, view->colour };
    const struct parsed_report *r;
    struct klog_scene scene;
    size_t primary;
    int ret;

    if (klog->n == 0)
        return write_no_crash(&w, klog);
    primary = klog_primary_index(klog);
    r = &klog->reports[primary];
    klog_scene_read(klog, r, &scene);
    styled(&w, RED, span_str(r->report.title));
    (void)strbuf_str(out, "\n\n");
    field(&w, "what", span_str(klog_explain_title(r)));
    if (strcmp(r->kind, "panic") != 0)
        field(&w, "then", span_str(r->report.panic_message));
    write_fault(&w, &r->details);
    write_when(&w, view, &scene);
    field(&w, "machine", r->details.hardware.n > 0 ? r->details.hardware : span_str(view->machine));
    field(&w, "system", span_str(view->os));
    write_kernel(&w, &r->details);
    write_process(&w, &r->details);
    write_taints(&w, &r->details);
    write_memory(&w, &scene.memory);
    write_tasks(&w, &scene.tasks);
    field(&w, "killed", scene.victim);
    field(&w, "signature", span_str(view->signature ? view->signature : r->report.signature));
    write_source(&w, klog, r, view);
    write_trace(&w, r);
    write_other_events(&w, klog, primary);
    ret = write_advice(&w, klog, r, &scene, view);
    return ret < 0 ? ret : out->failed;
}
