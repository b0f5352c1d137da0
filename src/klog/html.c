/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report as one self-contained page. */
#include <time.h>

#include "klog/names.h"
#include "klog/page.h"
#include "klog/utf8.h"

enum { MAX_SHOWN_TRACES = 64, MAX_NAME = 400 };

static const char *entity(char c)
{
    return c == '&'    ? "&amp;"
           : c == '<'  ? "&lt;"
           : c == '>'  ? "&gt;"
           : c == '"'  ? "&quot;"
           : c == '\'' ? "&#39;"
                       : NULL;
}

int html_escape(struct strbuf *out, struct span text)
{
    while (text.n > 0) {
        const char *name = NULL;
        size_t n = 0;

        while (n < text.n && !(name = entity(text.p[n])))
            n++;
        (void)utf8_append_plain(out, span_take(&text, n));
        if (name) {
            (void)strbuf_str(out, name);
            (void)span_take(&text, 1);
        }
    }
    return out->failed;
}

static void escape_str(struct strbuf *out, const char *text)
{
    (void)html_escape(out, span_str(text));
}

static void fact(struct strbuf *out, const char *name, struct span value)
{
    if (value.n == 0)
        return;
    (void)strbuf_printf(out, "<dt>%s</dt><dd>", name);
    (void)html_escape(out, value);
    (void)strbuf_str(out, "</dd>\n");
}

static void write_head(struct strbuf *out, const char *title)
{
    (void)strbuf_str(out,
                     "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
                     "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                     "style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n"
                     "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
                     "<meta name=\"referrer\" content=\"no-referrer\">\n<title>");
    escape_str(out, title);
    (void)strbuf_str(out, "</title>\n<style>\n");
    (void)html_style(out);
    (void)strbuf_str(out, "</style>\n</head>\n<body>\n<main>\n");
}

static void write_header(struct strbuf *out, const struct parsed_report *r)
{
    (void)strbuf_str(out, "<header><p class=\"kind\">");
    escape_str(out, r->kind);
    if (r->report.panic_message && strcmp(r->kind, "panic") != 0)
        (void)strbuf_str(out, ", then panic");
    (void)strbuf_str(out, "</p>\n<h1>");
    escape_str(out, r->report.title);
    (void)strbuf_str(out, "</h1>\n<p class=\"lead\">");
    escape_str(out, klog_explain_title(r));
    (void)strbuf_str(out, ".</p></header>\n");
}

static void write_when(struct strbuf *out, const struct klog_view *view,
                       const struct klog_scene *scene)
{
    time_t time = (time_t)view->time;
    char date[40] = "";
    struct tm tm;

    if (view->time > 0 && gmtime_r(&time, &tm) &&
        strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S UTC", &tm) > 0)
        fact(out, "when", span_str(date));
    if (scene->seconds >= 0) {
        char uptime[64];

        klog_format_uptime(scene->seconds, uptime, sizeof(uptime));
        (void)strbuf_printf(out, "<dt>after the boot</dt><dd>%s</dd>\n", uptime);
    }
}

static void write_process(struct strbuf *out, const struct klog_details *d)
{
    if (d->comm.n > 0 || d->pid >= 0) {
        (void)strbuf_str(out, "<dt>process</dt><dd>");
        (void)html_escape(out, d->comm.n > 0 ? d->comm : span_str("?"));
        if (d->pid >= 0)
            (void)strbuf_printf(out, " <span class=\"offset\">(%lld)</span>", (long long)d->pid);
        (void)strbuf_str(out, "</dd>\n");
    }
    if (d->cpu >= 0)
        (void)strbuf_printf(out, "<dt>CPU</dt><dd>%lld</dd>\n", (long long)d->cpu);
}

static void write_taints(struct strbuf *out, const struct klog_details *d)
{
    bool any = false;

    for (size_t i = 0; i < d->taints.n; i++) {
        const char *meaning = klog_explain_taint(d->taints.p[i]);

        if (!meaning)
            continue;
        (void)strbuf_printf(out, "%s%s (%c)", any ? "<br>" : "<dt>taint</dt><dd>", meaning,
                            d->taints.p[i]);
        any = true;
    }
    if (any)
        (void)strbuf_str(out, "</dd>\n");
}

static void write_facts(struct strbuf *out, const struct parsed_report *r,
                        const struct klog_view *view, const struct klog_scene *scene)
{
    const struct klog_details *d = &r->details;

    (void)strbuf_str(out, "<section><h2>The facts</h2>\n<dl>\n");
    fact(out, strcmp(r->kind, "panic") == 0 ? "panic" : "then, panic",
         span_str(r->report.panic_message));
    write_when(out, view, scene);
    fact(out, "machine", d->hardware.n > 0 ? d->hardware : span_str(view->machine));
    fact(out, "system", span_str(view->os));
    fact(out, "kernel", d->release);
    fact(out, "build", d->build);
    if (d->has_address)
        (void)strbuf_printf(out, "<dt>address</dt><dd class=\"mono\">0x%016llx</dd>\n",
                            (unsigned long long)d->address);
    write_process(out, d);
    write_taints(out, d);
    if (scene->tasks.all > 0)
        (void)strbuf_printf(out, "<dt>tasks</dt><dd>%u in the log, %u running, %u blocked</dd>\n",
                            scene->tasks.all, scene->tasks.running, scene->tasks.blocked);
    fact(out, "killed", scene->victim);
    fact(out, "signature", span_str(r->report.signature));
    fact(out, "source", span_str(view->source));
    (void)strbuf_printf(out,
                        "<dt>in the log</dt><dd><a href=\"#L%u\">line %u</a> to <a "
                        "href=\"#L%u\">line %u</a></dd>\n",
                        r->report.first_line, r->report.first_line, r->report.last_line,
                        r->report.last_line);
    (void)strbuf_str(out, "</dl></section>\n");
}

static void write_frame(struct strbuf *out, const struct parsed_report *r,
                        const struct klog_frame *f, bool crashed, unsigned times)
{
    (void)strbuf_printf(out, "<li%s>%s",
                        crashed        ? " class=\"crashed\""
                        : !f->reliable ? " class=\"unsure\""
                                       : "",
                        f->reliable ? "" : "? ");
    (void)html_escape(out, (struct span){ f->function.p, MIN(f->function.n, (size_t)MAX_NAME) });
    if (f->length > 0)
        (void)strbuf_printf(out, "<span class=\"offset\">+0x%llx/0x%llx</span>",
                            (unsigned long long)f->offset, (unsigned long long)f->length);
    if (f->module.n > 0) {
        (void)strbuf_str(out, " <span class=\"module\">[");
        (void)html_escape(out, (struct span){ f->module.p, MIN(f->module.n, (size_t)MAX_NAME) });
        (void)strbuf_str(out, "]</span>");
    }
    if (times > 1)
        (void)strbuf_printf(out, " <span class=\"offset\">%u times</span>", times);
    if (crashed)
        (void)strbuf_printf(out, " <b class=\"here\">%s here</b>",
                            r->flags & HEADER_HUNG         ? "waits"
                            : strcmp(r->kind, "hang") == 0 ? "stuck"
                                                           : "crashed");
    (void)strbuf_str(out, "</li>\n");
}

static void write_frames(struct strbuf *out, const struct parsed_report *r,
                         const struct klog_trace *t, bool *marked)
{
    (void)strbuf_str(out, "<ol class=\"trace\">\n");
    for (size_t i = 0, times; i < t->n; i += times) {
        const struct klog_frame *f = &r->details.frames[t->first + i];
        bool crashed = !*marked && klog_is_crashed(r, f);

        times = klog_count_same(&r->details, t, i);
        write_frame(out, r, f, crashed, (unsigned)times);
        *marked |= crashed;
    }
    (void)strbuf_str(out, "</ol>\n");
}

static void write_other_traces(struct strbuf *out, const struct parsed_report *r,
                               const struct klog_trace *stack)
{
    const struct klog_details *d = &r->details;
    unsigned shown = 0;

    for (size_t i = 0; i < d->n_traces && shown < MAX_SHOWN_TRACES; i++) {
        const struct klog_trace *t = &d->traces[i];
        bool marked = true;

        if (t == stack || t->n == 0)
            continue;
        (void)strbuf_str(out, "<details><summary>");
        (void)html_escape(out, t->label.n > 0 ? t->label : span_str("another trace"));
        (void)strbuf_printf(out, " (%zu frames)</summary>", t->n);
        write_frames(out, r, t, &marked);
        (void)strbuf_str(out, "</details>\n");
        shown++;
    }
}

static void write_trace(struct strbuf *out, const struct parsed_report *r)
{
    const struct klog_details *d = &r->details;
    const struct klog_trace *t = klog_details_stack(d);
    bool in_trace = false, marked = false;

    if (!t && !d->has_rip)
        return;
    (void)strbuf_str(out, "<section class=\"long\"><h2>Where, innermost first");
    if (t && t->label.n > 0) {
        (void)strbuf_str(out, " <span class=\"offset\">");
        (void)html_escape(out, t->label);
        (void)strbuf_str(out, "</span>");
    }
    (void)strbuf_str(out, "</h2>\n");
    for (size_t i = 0; t && i < t->n; i++)
        in_trace |= d->has_rip && span_eq_span(d->frames[t->first + i].function, d->rip.function);
    if (d->has_rip && !in_trace) {
        marked = klog_is_crashed(r, &d->rip);
        (void)strbuf_str(out, "<ol class=\"trace\">\n");
        write_frame(out, r, &d->rip, marked, 1);
        (void)strbuf_str(out, "</ol>\n");
    }
    if (t)
        write_frames(out, r, t, &marked);
    write_other_traces(out, r, t);
    (void)strbuf_str(out, "</section>\n");
}

static int write_advice(struct strbuf *out, const struct klog *klog, const struct parsed_report *r,
                        const struct klog_scene *scene, const struct klog_view *view)
{
    _cleanup_strbuf_ struct strbuf advice = { 0 };
    struct span rest, line;
    int ret = klog_advice(klog, r, scene, view, &advice);

    if (ret < 0 || advice.n == 0)
        return ret;
    (void)strbuf_str(out, "<section><h2>What to look at next</h2>\n<ul class=\"plain\">\n");
    rest = strbuf_view(&advice);
    while (span_next_line(&rest, &line)) {
        if (line.n == 0)
            continue;
        (void)strbuf_str(out, "<li>");
        (void)html_escape(out, line);
        (void)strbuf_str(out, "</li>\n");
    }
    return strbuf_str(out, "</ul></section>\n");
}

/* Parts of the memory, each with its own colour in bar and list. */
static void write_memory(struct strbuf *out, const struct klog_memory *m)
{
    const struct {
        const char *name;
        uint64_t kib;
    } parts[] = { { "programs", m->anonymous },
                  { "files", m->file },
                  { "slab", m->slab },
                  { "other, the kernel's and drivers'", m->other },
                  { "free", m->free } };

    if (!m->known || m->total == 0)
        return;
    (void)strbuf_printf(out,
                        "<section><h2>Memory at the crash <span class=\"offset\">%llu MiB"
                        "</span></h2>\n<div class=\"meter\">",
                        (unsigned long long)m->total / 1024);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        (void)strbuf_printf(out, "<i class=\"m%zu\" style=\"width:%.1f%%\"></i>", i,
                            (double)MIN(parts[i].kib, m->total) * 100 / (double)m->total);
    (void)strbuf_str(out, "</div>\n<ul class=\"key\">\n");
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        (void)strbuf_printf(out, "<li><i class=\"m%zu\"></i>%s <b>%llu MiB</b></li>\n", i,
                            parts[i].name, (unsigned long long)parts[i].kib / 1024);
    if (m->swap_total > 0)
        (void)strbuf_printf(out, "<li>swap <b>%llu of %llu MiB free</b></li>\n",
                            (unsigned long long)m->swap_free / 1024,
                            (unsigned long long)m->swap_total / 1024);
    (void)strbuf_str(out, "</ul></section>\n");
}

/* The kernel puts the byte that the CPU stood at into angle or round brackets. */
static void write_code(struct strbuf *out, struct span code)
{
    struct span word;

    while (span_next_word(&code, &word)) {
        bool marked = word.p[0] == '<' || word.p[0] == '(';

        (void)strbuf_str(out, marked ? "<b class=\"now\">" : "");
        (void)html_escape(out, word);
        (void)strbuf_str(out, marked ? "</b> " : " ");
    }
}

static void write_registers(struct strbuf *out, const struct parsed_report *r)
{
    const struct klog_details *d = &r->details;

    if (d->n_registers == 0)
        return;
    (void)strbuf_str(out, "<section><h2>Registers</h2>\n<div class=\"registers mono\">\n");
    for (size_t i = 0; i < d->n_registers; i++) {
        (void)strbuf_str(out, "<div><b>");
        escape_str(out, d->registers[i].name);
        (void)strbuf_printf(out, "</b><span>%0*llx</span></div>\n",
                            (int)MIN(d->registers[i].digits, (unsigned)16),
                            (unsigned long long)d->registers[i].value);
    }
    (void)strbuf_str(out, "</div>\n");
    if (d->code.n > 0) {
        (void)strbuf_str(out, "<p class=\"bytes mono\"><span class=\"offset\">Code: </span>");
        write_code(out, d->code);
        (void)strbuf_str(out, "</p>\n");
    }
    (void)strbuf_str(out, "</section>\n");
}

static void write_modules(struct strbuf *out, const struct klog_details *d)
{
    if (d->n_modules == 0)
        return;
    (void)strbuf_printf(out, "<section><h2>Modules (%zu)</h2>\n<ul class=\"tags mono\">\n",
                        d->n_modules);
    for (size_t i = 0; i < d->n_modules; i++) {
        const struct klog_module *m = &d->modules[i];

        (void)strbuf_str(out, m->flags.n > 0 ? "<li class=\"odd\">" : "<li>");
        (void)html_escape(out, m->name);
        if (m->flags.n > 0) {
            (void)strbuf_str(out, " (");
            (void)html_escape(out, m->flags);
            (void)strbuf_char(out, ')');
        }
        (void)strbuf_str(out, "</li>\n");
    }
    (void)strbuf_str(out, "</ul>\n");
    if (d->n_unloaded > 0) {
        (void)strbuf_str(out, "<p class=\"lead\">Last unloaded: ");
        for (size_t i = 0; i < d->n_unloaded; i++) {
            (void)strbuf_str(out, i ? ", " : "");
            (void)html_escape(out, d->unloaded[i].name);
        }
        (void)strbuf_str(out, "</p>\n");
    }
    (void)strbuf_str(out, "</section>\n");
}

static void write_events(struct strbuf *out, const struct klog *klog, size_t primary)
{
    if (klog->n < 2)
        return;
    (void)strbuf_str(out, "<section><h2>All that this log tells of</h2>\n<ul class=\"plain\">\n");
    for (size_t i = 0; i < klog->n; i++) {
        const struct klog_report *r = &klog->reports[i].report;
        bool same = strcmp(r->signature, klog->reports[primary].report.signature) == 0;

        (void)strbuf_printf(out, "<li><a href=\"#L%u\">line %u</a> ", r->first_line, r->first_line);
        escape_str(out, r->title);
        (void)strbuf_printf(out, " <span class=\"offset\">%s</span></li>\n",
                            i == primary ? "the one shown here"
                            : same       ? "the same one again"
                                         : "");
    }
    (void)strbuf_str(out, "</ul>\n");
    if (klog->left_out > 0)
        (void)strbuf_printf(out,
                            "<p class=\"lead\">%zu more between these are left out: there was no "
                            "room for them.</p>\n",
                            klog->left_out);
    (void)strbuf_str(out, "</section>\n");
}

int klog_to_html(const struct klog *klog, const struct klog_view *view, struct strbuf *out)
{
    const struct parsed_report *r;
    struct klog_scene scene;
    int ret;

    if (klog->n == 0) {
        write_head(out, "No crash");
        (void)strbuf_str(out, "<header><h1>No crash was found in this log</h1></header>\n");
    } else {
        r = &klog->reports[klog_primary_index(klog)];
        klog_scene_read(klog, r, &scene);
        write_head(out, r->report.title);
        write_header(out, r);
        (void)strbuf_str(out, "<div class=\"two\">\n");
        write_facts(out, r, view, &scene);
        ret = write_advice(out, klog, r, &scene, view);
        if (ret < 0)
            return ret;
        (void)strbuf_str(out, "</div>\n");
        write_trace(out, r);
        (void)html_timeline(out, klog, r);
        write_memory(out, &scene.memory);
        write_registers(out, r);
        write_modules(out, &r->details);
        write_events(out, klog, klog_primary_index(klog));
    }
    (void)html_log(out, klog);
    return strbuf_str(out, "<footer>kdump-steamos " KDUMP_VERSION
                           "</footer>\n</main>\n</body>\n</html>\n");
}
