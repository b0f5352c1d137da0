/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The report as JSON: schema 1. What is not known is absent. It is written as text, one report
 * after the other: as a tree of values a log full of traces would take many times its own size.
 */
#include "klog/internal.h"
#include "klog/utf8.h"

struct writer {
    struct strbuf *out;
    unsigned depth;
    unsigned line; /* depth from which on all is on one line; 0: none */
    bool any;      /* a value stands before the next one */
};

static void start_value(struct writer *w)
{
    static const char blanks[] = "\n              ";

    if (w->any)
        (void)strbuf_char(w->out, ',');
    if (w->line > 0 && w->depth >= w->line)
        (void)strbuf_append(w->out, " ", w->any ? 1 : 0);
    else
        (void)strbuf_append(w->out, blanks, 1 + MIN((size_t)w->depth, sizeof(blanks) - 2));
    w->any = true;
}

static void open_value(struct writer *w, char bracket)
{
    (void)strbuf_char(w->out, bracket);
    w->depth++;
    w->any = false;
}

static void close_value(struct writer *w, char bracket)
{
    bool any = w->any, line = w->line > 0 && w->depth >= w->line;

    w->depth--;
    if (any && !line) {
        w->any = false;
        start_value(w);
    }
    if (w->line > w->depth)
        w->line = 0;
    (void)strbuf_char(w->out, bracket);
    w->any = true;
}

/* All up to the matching close_value() goes on this line. */
static void open_line(struct writer *w, char bracket)
{
    open_value(w, bracket);
    if (w->line == 0)
        w->line = w->depth;
}

static void key(struct writer *w, const char *name)
{
    start_value(w);
    (void)strbuf_char(w->out, '"');
    (void)strbuf_str(w->out, name);
    (void)strbuf_append(w->out, "\": ", 3);
}

static bool is_plain(char c)
{
    return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* A string's inside; bytes that are no UTF-8 become U+FFFD. */
static void escape(struct writer *w, struct span s)
{
    static const char digits[] = "0123456789abcdef";

    while (s.n > 0) {
        unsigned char c;
        size_t n = 0;

        while (n < s.n && is_plain(s.p[n]))
            n++;
        (void)strbuf_span(w->out, span_take(&s, n));
        for (n = 0; n < s.n && (unsigned char)s.p[n] >= 0x7f; n++)
            ;
        if (n > 0)
            (void)utf8_append(w->out, span_take(&s, n));
        if (s.n == 0 || is_plain(s.p[0]))
            continue;
        c = (unsigned char)span_take(&s, 1).p[0];
        if (c == '"' || c == '\\' || c == '\t' || c == '\n') {
            const char pair[2] = { '\\', c == '\t' ? 't' : c == '\n' ? 'n' : (char)c };

            (void)strbuf_append(w->out, pair, sizeof(pair));
        } else {
            const char code[6] = { '\\', 'u', '0', '0', digits[c >> 4], digits[c & 15] };

            (void)strbuf_append(w->out, code, sizeof(code));
        }
    }
}

static void string(struct writer *w, struct span s)
{
    (void)strbuf_char(w->out, '"');
    escape(w, s);
    (void)strbuf_char(w->out, '"');
}

static void set_string(struct writer *w, const char *name, struct span value)
{
    key(w, name);
    string(w, value);
}

static void set_span(struct writer *w, const char *name, struct span value)
{
    if (value.n > 0)
        set_string(w, name, value);
}

static void set_number(struct writer *w, const char *name, int64_t value)
{
    if (value < 0)
        return;
    key(w, name);
    (void)strbuf_dec(w->out, (uint64_t)value);
}

static void set_boolean(struct writer *w, const char *name, bool value)
{
    key(w, name);
    (void)strbuf_str(w->out, value ? "true" : "false");
}

/* Readers of JSON have 64 bits with a sign: an address of the kernel is negative. */
static void set_offset(struct writer *w, const char *name, uint64_t value)
{
    key(w, name);
    if (value > INT64_MAX)
        (void)strbuf_char(w->out, '-');
    (void)strbuf_dec(w->out, value > INT64_MAX ? -value : value);
}

static void write_frame(struct writer *w, const struct klog_frame *f)
{
    open_line(w, '{');
    set_string(w, "function_name", f->function);
    set_offset(w, "function_offset", f->offset);
    if (f->length > 0)
        set_offset(w, "function_length", f->length);
    set_span(w, "module_name", f->module);
    if (f->has_address)
        set_offset(w, "address", f->address);
    set_boolean(w, "reliable", f->reliable);
    close_value(w, '}');
}

static void set_registers(struct writer *w, const struct klog_register *registers, size_t n)
{
    if (n == 0)
        return;
    key(w, "registers");
    open_line(w, '{');
    for (size_t i = 0; i < n; i++) {
        key(w, registers[i].name);
        (void)strbuf_printf(w->out, "\"0x%0*llx\"", (int)MIN(registers[i].digits, (unsigned)16),
                            (unsigned long long)registers[i].value);
    }
    close_value(w, '}');
}

static void write_trace(struct writer *w, const struct klog_details *d, const struct klog_trace *t)
{
    open_value(w, '{');
    set_span(w, "label", t->label);
    set_number(w, "cpu", t->who.cpu);
    set_number(w, "pid", t->who.pid);
    set_span(w, "comm", t->who.comm);
    if (t->who.has_rip) {
        key(w, "rip");
        write_frame(w, &t->who.rip);
    }
    if (t->who.n_registers > 0)
        set_registers(w, d->others + t->who.first_register, t->who.n_registers);
    key(w, "frames");
    open_value(w, '[');
    for (size_t i = 0; i < t->n; i++) {
        start_value(w);
        write_frame(w, &d->frames[t->first + i]);
    }
    close_value(w, ']');
    close_value(w, '}');
}

static void set_modules(struct writer *w, const struct klog_details *d)
{
    key(w, "modules");
    open_value(w, '[');
    for (size_t i = 0; i < d->n_modules; i++) {
        start_value(w);
        open_line(w, '{');
        set_string(w, "name", d->modules[i].name);
        set_span(w, "flags", d->modules[i].flags);
        close_value(w, '}');
    }
    close_value(w, ']');
    key(w, "modules_unloaded");
    open_line(w, '[');
    for (size_t i = 0; i < d->n_unloaded; i++) {
        start_value(w);
        string(w, d->unloaded[i].name);
    }
    close_value(w, ']');
}

/* One letter each; 'G' only says that nothing is proprietary. */
static void set_taints(struct writer *w, struct span taints)
{
    key(w, "taint_flags");
    open_line(w, '[');
    for (size_t i = 0; i < taints.n; i++) {
        if (taints.p[i] < 'A' || taints.p[i] > 'Z' || taints.p[i] == 'G')
            continue;
        start_value(w);
        string(w, (struct span){ taints.p + i, 1 });
    }
    close_value(w, ']');
}

static void write_details(struct writer *w, const struct klog_details *d)
{
    set_number(w, "cpu", d->cpu);
    set_number(w, "pid", d->pid);
    set_number(w, "uid", d->uid);
    set_span(w, "comm", d->comm);
    set_span(w, "kernel_release", d->release);
    set_span(w, "kernel_build", d->build);
    if (d->taint_known)
        set_taints(w, d->taints);
    set_span(w, "hardware", d->hardware);
    if (d->has_address) {
        key(w, "fault_address");
        (void)strbuf_printf(w->out, "\"0x%016llx\"", (unsigned long long)d->address);
    }
    if (d->has_rip) {
        key(w, "rip");
        write_frame(w, &d->rip);
    }
    set_span(w, "code", d->code);
    set_registers(w, d->registers, d->n_registers);
    if (d->modules_done)
        set_modules(w, d);
    key(w, "stacktraces");
    open_value(w, '[');
    for (size_t i = 0; i < d->n_traces; i++) {
        if (d->traces[i].n == 0)
            continue;
        start_value(w);
        write_trace(w, d, &d->traces[i]);
    }
    close_value(w, ']');
}

static void set_note(struct writer *w, const struct klog *klog, const struct parsed_report *r)
{
    struct klog_walk walk = klog_note_walk(klog, r);
    bool any = false;
    size_t line;

    key(w, "note");
    (void)strbuf_char(w->out, '"');
    while (klog_walk_next(&walk, &line)) {
        (void)strbuf_append(w->out, "\\n", any ? 2 : 0);
        escape(w, klog_input_text(&klog->input, line));
        any = true;
    }
    (void)strbuf_char(w->out, '"');
}

static void write_report(struct writer *w, const struct klog *klog, const struct parsed_report *r)
{
    open_value(w, '{');
    set_string(w, "title", span_str(r->report.title));
    set_string(w, "kind", span_str(r->kind));
    set_string(w, "type", span_str(r->type));
    set_span(w, "crash_function", span_str(r->report.crash_function));
    set_boolean(w, "corrupted", r->corrupted);
    if (r->corrupted)
        set_string(w, "corrupted_reason", span_str(r->why));
    set_boolean(w, "panicked", r->report.panic_message != NULL);
    if (r->report.panic_message)
        set_string(w, "panic_message", span_str(r->report.panic_message));
    set_string(w, "signature", span_str(r->report.signature));
    if (!r->shed) {
        write_details(w, &r->details);
        set_string(w, "stack", span_str(r->report.stack));
        set_note(w, klog, r);
    }
    set_number(w, "first_line", r->report.first_line);
    set_number(w, "last_line", r->report.last_line);
    close_value(w, '}');
}

static void set_records(struct writer *w, const struct klog_input *input)
{
    key(w, "records");
    open_value(w, '[');
    for (size_t i = 0; i < input->n_records; i++) {
        const struct klog_record *record = &input->records[i];

        start_value(w);
        open_line(w, '{');
        set_string(w, "reason", span_str(record->reason));
        set_number(w, "count", record->count);
        set_number(w, "part", record->part);
        set_number(w, "line", record->line);
        close_value(w, '}');
    }
    close_value(w, ']');
}

/* A value's text has its line breaks between values only. */
static int set_value(struct writer *w, const char *name, const json_t *value)
{
    _cleanup_free_ char *text = json_dumps(value, JSON_INDENT(1));

    if (!text)
        return -ENOMEM;
    key(w, name);
    for (const char *p = text; *p; p++) {
        (void)strbuf_char(w->out, *p);
        if (*p == '\n')
            (void)strbuf_char(w->out, ' ');
    }
    return 0;
}

int klog_write_json(const struct klog *klog, const json_t *collected, struct strbuf *out)
{
    struct writer w = { .out = out };
    int r = 0;

    open_value(&w, '{');
    set_number(&w, "schema", 1);
    set_records(&w, &klog->input);
    set_boolean(&w, "panicked", klog->panicked);
    key(&w, "reports");
    open_value(&w, '[');
    for (size_t i = 0; i < klog->n; i++) {
        start_value(&w);
        write_report(&w, klog, &klog->reports[i]);
    }
    close_value(&w, ']');
    if (klog->left_out > 0)
        set_number(&w, "reports_left_out", (int64_t)klog->left_out);
    key(&w, "primary");
    if (klog->n > 0)
        (void)strbuf_dec(out, klog_primary_index(klog));
    else
        (void)strbuf_str(out, "null");
    if (collected)
        r = set_value(&w, "collected", collected);
    close_value(&w, '}');
    (void)strbuf_char(out, '\n');
    return r < 0 ? r : out->failed;
}

int klog_to_json(const struct klog *klog, json_t **out)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    int r = klog_write_json(klog, NULL, &text);

    if (r < 0)
        return r;
    *out = json_loadb(text.p, text.n, JSON_ALLOW_NUL, NULL);
    return *out ? 0 : -ENOMEM;
}
