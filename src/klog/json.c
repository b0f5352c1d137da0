/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The report as JSON: schema 1. What is not known is absent. */
#include <stdio.h>

#include "klog/internal.h"
#include "klog/utf8.h"

/* A string value; bytes that are no UTF-8 become U+FFFD. NULL when out of memory. */
static json_t *json_span(struct span s)
{
    _cleanup_strbuf_ struct strbuf b = { 0 };
    json_t *value = s.n > 0 ? json_stringn(s.p, s.n) : json_string("");

    if (value)
        return value;
    (void)utf8_append(&b, s);
    return b.failed ? NULL : json_stringn(strbuf_cstr(&b), b.n);
}

/* json_object_set_new() fails for a NULL value, which is how lack of memory shows. */
static void set(json_t *object, const char *key, json_t *value, int *error)
{
    if (json_object_set_new(object, key, value) < 0)
        *error = -ENOMEM;
}

static void set_span(json_t *object, const char *key, struct span value, int *error)
{
    if (value.n > 0)
        set(object, key, json_span(value), error);
}

static void set_number(json_t *object, const char *key, int64_t value, int *error)
{
    if (value >= 0)
        set(object, key, json_integer(value), error);
}

static json_t *frame_json(const struct klog_frame *f, int *error)
{
    json_t *object = json_object();

    set(object, "function_name", json_span(f->function), error);
    set(object, "function_offset", json_integer((json_int_t)f->offset), error);
    if (f->length > 0)
        set(object, "function_length", json_integer((json_int_t)f->length), error);
    set_span(object, "module_name", f->module, error);
    if (f->has_address)
        set(object, "address", json_integer((json_int_t)f->address), error);
    set(object, "reliable", json_boolean(f->reliable), error);
    return object;
}

static json_t *trace_json(const struct klog_details *d, const struct klog_trace *t, int *error)
{
    json_t *object = json_object(), *frames = json_array();

    set_span(object, "label", t->label, error);
    for (size_t i = 0; i < t->n; i++)
        if (json_array_append_new(frames, frame_json(&d->frames[t->first + i], error)) < 0)
            *error = -ENOMEM;
    set(object, "frames", frames, error);
    return object;
}

static json_t *traces_json(const struct klog_details *d, int *error)
{
    json_t *array = json_array();

    for (size_t i = 0; i < d->n_traces; i++)
        if (d->traces[i].n > 0 &&
            json_array_append_new(array, trace_json(d, &d->traces[i], error)) < 0)
            *error = -ENOMEM;
    return array;
}

static json_t *registers_json(const struct klog_details *d, int *error)
{
    json_t *object = json_object();

    for (size_t i = 0; i < d->n_registers; i++) {
        char value[32];

        (void)snprintf(value, sizeof(value), "0x%0*llx",
                       (int)MIN(d->registers[i].digits, (unsigned)16),
                       (unsigned long long)d->registers[i].value);
        set(object, d->registers[i].name, json_string(value), error);
    }
    return object;
}

static json_t *modules_json(const struct klog_module *modules, size_t n, bool names, int *error)
{
    json_t *array = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *value;

        if (names) {
            value = json_span(modules[i].name);
        } else {
            value = json_object();
            set(value, "name", json_span(modules[i].name), error);
            set_span(value, "flags", modules[i].flags, error);
        }
        if (json_array_append_new(array, value) < 0)
            *error = -ENOMEM;
    }
    return array;
}

/* One letter each; 'G' only says that nothing is proprietary. */
static json_t *taints_json(struct span taints, int *error)
{
    json_t *array = json_array();

    for (size_t i = 0; i < taints.n; i++) {
        char letter[2] = { taints.p[i], '\0' };

        if (letter[0] < 'A' || letter[0] > 'Z' || letter[0] == 'G')
            continue;
        if (json_array_append_new(array, json_string(letter)) < 0)
            *error = -ENOMEM;
    }
    return array;
}

static void set_details(json_t *object, const struct klog_details *d, int *error)
{
    set_number(object, "cpu", d->cpu, error);
    set_number(object, "pid", d->pid, error);
    set_number(object, "uid", d->uid, error);
    set_span(object, "comm", d->comm, error);
    set_span(object, "kernel_release", d->release, error);
    if (d->taint_known)
        set(object, "taint_flags", taints_json(d->taints, error), error);
    set_span(object, "hardware", d->hardware, error);
    if (d->has_rip)
        set(object, "rip", frame_json(&d->rip, error), error);
    if (d->n_registers > 0)
        set(object, "registers", registers_json(d, error), error);
    if (d->modules_done) {
        set(object, "modules", modules_json(d->modules, d->n_modules, false, error), error);
        set(object, "modules_unloaded", modules_json(d->unloaded, d->n_unloaded, true, error),
            error);
    }
    set(object, "stacktraces", traces_json(d, error), error);
}

static json_t *report_json(const struct parsed_report *r, int *error)
{
    json_t *object = json_object();

    set(object, "title", json_span(span_str(r->report.title)), error);
    set(object, "kind", json_string(r->kind), error);
    set(object, "type", json_string(r->type), error);
    set_span(object, "crash_function", span_str(r->report.crash_function), error);
    set(object, "corrupted", json_boolean(r->corrupted), error);
    if (r->corrupted)
        set(object, "corrupted_reason", json_string(r->why), error);
    set(object, "panicked", json_boolean(r->report.panic_message != NULL), error);
    if (r->report.panic_message)
        set(object, "panic_message", json_span(span_str(r->report.panic_message)), error);
    set(object, "signature", json_string(r->report.signature), error);
    set_details(object, &r->details, error);
    set(object, "stack", json_span(span_str(r->report.stack)), error);
    set(object, "note", json_span(span_str(r->report.note)), error);
    set(object, "first_line", json_integer(r->report.first_line), error);
    set(object, "last_line", json_integer(r->report.last_line), error);
    return object;
}

static json_t *records_json(const struct klog_input *input, int *error)
{
    json_t *array = json_array();

    for (size_t i = 0; i < input->n_records; i++)
        if (json_array_append_new(array, json_pack("{s:s, s:i, s:i, s:i}", "reason",
                                                   input->records[i].reason, "count",
                                                   (int)input->records[i].count, "part",
                                                   (int)input->records[i].part, "line",
                                                   (int)input->records[i].line)) < 0)
            *error = -ENOMEM;
    return array;
}

int klog_to_json(const struct klog *klog, json_t **out)
{
    json_t *top = json_object(), *reports = json_array();
    int error = 0;

    for (size_t i = 0; i < klog->n; i++)
        if (json_array_append_new(reports, report_json(&klog->reports[i], &error)) < 0)
            error = -ENOMEM;
    set(top, "schema", json_integer(1), &error);
    set(top, "records", records_json(&klog->input, &error), &error);
    set(top, "panicked", json_boolean(klog->panicked), &error);
    set(top, "reports", reports, &error);
    set(top, "primary",
        klog->n > 0 ? json_integer((json_int_t)klog_primary_index(klog)) : json_null(), &error);
    if (error < 0) {
        json_decref(top);
        return error;
    }
    *out = top;
    return 0;
}
