/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/json_file.h"
#include "base/sha256.h"
#include "parse/os_release.h"
#include "submit/fields.h"
#include "submit/sentry_event.h"

void sentry_event_id(const char *device, const char *report, char id[SENTRY_EVENT_ID_SIZE])
{
    char hex[SHA256_HEX];
    struct sha256 h;

    sha256_start(&h);
    sha256_add(&h, span_str(device));
    sha256_add(&h, SPAN("\n"));
    sha256_add(&h, span_str(report));
    sha256_end_hex(&h, hex);
    (void)span_copy(span_str(hex), id, SENTRY_EVENT_ID_SIZE);
}

/* A string of one line that is UTF-8 and not too long, or NULL where nothing is left of it. */
static json_t *text_json(const char *s)
{
    char text[SENTRY_MAX_TEXT + 1];
    size_t n;

    (void)span_copy(span_trim(span_str(s)), text, sizeof(text));
    n = strlen(text);
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ')
            text[i] = ' ';
    /* What was cut inside of a character is no UTF-8: it loses the rest of it. */
    for (unsigned cut = 0; n > 0 && cut < 4; cut++, n--) {
        json_t *json = json_stringn(text, n);

        if (json)
            return json;
    }
    return NULL;
}

static void set_text(json_t *object, const char *key, const char *value)
{
    json_t *json = value ? text_json(value) : NULL;

    if (json)
        (void)json_object_set_new(object, key, json);
}

/* Sentry drops a tag whose value is longer. */
static void set_tag(json_t *tags, const char *key, const char *value)
{
    char text[SENTRY_MAX_TAG + 1];

    (void)span_copy(span_str(value), text, sizeof(text));
    if (text[0])
        set_text(tags, key, text);
}

static void set_hex(json_t *object, const char *key, uint64_t value)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "0x%llx", (unsigned long long)value);
    (void)json_object_set_new(object, key, json_string(text));
}

/* ABRT's names → Sentry's. */
static json_t *frame_json(const json_t *frame)
{
    json_t *out = json_object(), *vars;
    int64_t offset = json_get_int(frame, "function_offset", -1);
    int64_t length = json_get_int(frame, "function_length", -1);

    set_text(out, "function", json_get_str(frame, "function_name", "<unknown>"));
    set_text(out, "package", json_get_str(frame, "module_name", "vmlinux"));
    if (json_is_integer(json_object_get(frame, "address")))
        set_hex(out, "instruction_addr", (uint64_t)json_get_int(frame, "address", 0));
    if (offset >= 0 && length >= 0) {
        vars = json_object();
        set_hex(vars, "offset", (uint64_t)offset);
        set_hex(vars, "length", (uint64_t)length);
        (void)json_object_set_new(out, "vars", vars);
    }
    (void)json_object_set_new(out, "in_app", json_true());
    return out;
}

static bool is_reliable(const json_t *frame)
{
    return !json_is_false(json_object_get(frame, "reliable"));
}

static const char *function_of(const json_t *frame)
{
    return json_get_str(frame, "function_name", "");
}

/* Sentry has the oldest call first; the log has it last. Guesses of the unwinder are left out. rip
 * is where the CPU was, which the trace may not have. */
static json_t *stack_json(const json_t *trace, const json_t *rip, const json_t *registers)
{
    const json_t *frames = json_object_get(trace, "frames"), *frame;
    json_t *out = json_array(), *stack = json_object();
    bool has_rip = !function_of(rip)[0];
    size_t i;

    json_array_foreach(frames, i, frame)
    {
        if (!is_reliable(frame) || json_array_size(out) == SENTRY_MAX_FRAMES)
            continue;
        has_rip |= strcmp(function_of(frame), function_of(rip)) == 0;
        (void)json_array_insert_new(out, 0, frame_json(frame));
    }
    if (!has_rip)
        (void)json_array_append_new(out, frame_json(rip));
    (void)json_object_set_new(stack, "frames", out);
    if (json_object_size(registers) > 0)
        (void)json_object_set_new(stack, "registers", json_deep_copy(registers));
    return stack;
}

/* The trace that the report's stack was taken from: the one with its first function. */
static const json_t *crash_trace(const json_t *report)
{
    struct span stack = span_str(json_get_str(report, "stack", "")), line = { "", 0 };
    const json_t *traces = json_object_get(report, "stacktraces"), *trace, *frame;
    size_t i, k, end;

    (void)span_next_line(&stack, &line);
    end = span_find_byte(line, '+');
    line.n = MIN(end, line.n);
    json_array_foreach(traces, i, trace)
        json_array_foreach(json_object_get(trace, "frames"), k, frame) if (is_reliable(frame))
    {
        if (line.n > 0 && span_eq(line, function_of(frame)))
            return trace;
        break;
    }
    return json_array_get(traces, 0);
}

static json_t *exception_json(const json_t *report, const json_t *trace)
{
    json_t *exception = json_object(), *mechanism;
    const json_t *registers = json_object_get(report, "registers");
    const json_t *rip = json_object_get(report, "rip");
    char type[64];

    (void)snprintf(type, sizeof(type), "Kernel %s", json_get_str(report, "kind", "crash"));
    set_text(exception, "type", type);
    set_text(exception, "value", json_get_str(report, "title", ""));
    set_text(exception, "module", json_get_str(rip, "module_name", NULL));
    if (json_object_size(registers) == 0)
        registers = json_object_get(trace, "registers");
    (void)json_object_set_new(exception, "stacktrace", stack_json(trace, rip, registers));
    (void)json_object_set_new(exception, "thread_id", json_integer(json_get_int(report, "pid", 0)));
    mechanism = json_pack("{s:s, s:b, s:b}", "type",
                          json_is_true(json_object_get(report, "panicked")) ? "panic" : "oops",
                          "handled", 0, "synthetic", 0);
    (void)json_object_set_new(exception, "mechanism", mechanism);
    return json_pack("{s:[o]}", "values", exception);
}

/* The task that crashed, and whatever else the log shows traces of. */
static json_t *threads_json(const json_t *report, const json_t *crashed)
{
    const json_t *traces = json_object_get(report, "stacktraces"), *trace;
    json_t *values = json_array(), *thread;
    int64_t pid = json_get_int(report, "pid", 0);
    size_t i;

    thread = json_pack("{s:I, s:b, s:b}", "id", (json_int_t)pid, "crashed", 1, "current", 1);
    set_text(thread, "name", json_get_str(report, "comm", NULL));
    (void)json_array_append_new(values, thread);
    json_array_foreach(traces, i, trace)
    {
        char id[64];

        if (trace == crashed || json_array_size(values) > SENTRY_MAX_THREADS)
            continue;
        thread = json_object();
        (void)snprintf(id, sizeof(id), "%s-%zu", json_get_str(trace, "label", "trace"), i);
        set_text(thread, "id", id);
        set_text(thread, "name", json_get_str(trace, "comm", json_get_str(trace, "label", NULL)));
        (void)json_object_set_new(thread, "crashed", json_false());
        (void)json_object_set_new(thread, "stacktrace",
                                  stack_json(trace, json_object_get(trace, "rip"),
                                             json_object_get(trace, "registers")));
        (void)json_array_append_new(values, thread);
    }
    return json_pack("{s:o}", "values", values);
}

static void set_os(json_t *object, const char *key, struct span os_release, const char *name)
{
    char value[128];

    if (os_release_get(os_release, name, value, sizeof(value)))
        set_text(object, key, value);
}

static json_t *contexts_json(const struct sentry_source *s, const json_t *collected)
{
    json_t *os = json_object(), *device = json_object();

    set_os(os, "name", s->os_release, "NAME");
    set_os(os, "version", s->os_release, "VERSION_ID");
    set_os(os, "build", s->os_release, "BUILD_ID");
    set_text(os, "kernel_version", s->version);
    set_text(device, "manufacturer", json_get_str(collected, "vendor", NULL));
    set_text(device, "model", json_get_str(collected, "product", NULL));
    set_text(device, "model_id", json_get_str(collected, "board", NULL));
    return json_pack("{s:o, s:o}", "os", os, "device", device);
}

static json_t *tags_json(const struct sentry_source *s, const json_t *report)
{
    json_t *tags = json_object();

    set_tag(tags, "kernel", s->version);
    set_tag(tags, "signature", json_get_str(report, "signature", NULL));
    set_tag(tags, "kind", json_get_str(report, "kind", NULL));
    set_tag(tags, "type", json_get_str(report, "type", NULL));
    set_tag(tags, "crash_function", json_get_str(report, "crash_function", NULL));
    set_tag(tags, "comm", json_get_str(report, "comm", NULL));
    set_tag(tags, "hardware", json_get_str(report, "hardware", NULL));
    set_tag(tags, "panicked", json_is_true(json_object_get(report, "panicked")) ? "yes" : "no");
    return tags;
}

static json_t *extra_json(const struct sentry_source *s, const json_t *report)
{
    static const char *const keys[] = { "modules", "modules_unloaded", "taint_flags",
                                        "panic_message" };
    struct span note = cut_lines(s->note, SENTRY_MAX_NOTE);
    json_t *extra = json_object(), *text;

    /* Some JSON parsers take no NUL, and the kernel prints none. */
    note.n = MIN(note.n, span_find_byte(note, '\0'));
    text = json_stringn(note.p, note.n);

    if (text)
        (void)json_object_set_new(extra, "note", text);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        json_t *value = json_object_get(report, keys[i]);

        if (value)
            (void)json_object_set_new(extra, keys[i], json_deep_copy(value));
    }
    return extra;
}

static json_t *event_json(const struct sentry_source *s)
{
    const json_t *collected = json_object_get(s->report, "collected"), *trace;
    int64_t primary = json_get_int(s->report, "primary", -1);
    const json_t *report =
        primary < 0 ? NULL : json_array_get(json_object_get(s->report, "reports"), (size_t)primary);
    json_t *event =
        json_pack("{s:s, s:I, s:s, s:s, s:s, s:{s:s, s:s}}", "event_id", s->event_id, "timestamp",
                  (json_int_t)s->crash_time, "platform", "native", "level", "fatal", "logger",
                  "kdump-steamos", "sdk", "name", "kdump-steamos", "version", KDUMP_VERSION);

    set_os(event, "release", s->os_release, "BUILD_ID");
    set_text(event, "environment", "production");
    set_os(event, "environment", s->os_release, "VARIANT_ID");
    if (s->device)
        (void)json_object_set_new(event, "user", json_pack("{s:s}", "id", s->device));
    (void)json_object_set_new(event, "tags", tags_json(s, report));
    (void)json_object_set_new(event, "contexts", contexts_json(s, collected));
    (void)json_object_set_new(event, "extra", extra_json(s, report));
    if (!report) {
        set_text(event, "message", "a crash that the log does not tell of");
        return event;
    }
    trace = crash_trace(report);
    (void)json_object_set_new(event, "exception", exception_json(report, trace));
    (void)json_object_set_new(event, "threads", threads_json(report, trace));
    if (json_get_str(report, "signature", "")[0])
        (void)json_object_set_new(event, "fingerprint",
                                  json_pack("[s]", json_get_str(report, "signature", "")));
    return event;
}

int sentry_event_make(const struct sentry_source *source, struct strbuf *out)
{
    /* What may go where the event is too long, the least of it first. */
    static const char *const optional[] = { "", "threads", "extra", "exception" };
    _cleanup_json_ json_t *event = event_json(source);

    for (size_t i = 0; event && i < ARRAY_SIZE(optional); i++) {
        _cleanup_free_ char *text = NULL;

        (void)json_object_del(event, optional[i]);
        text = json_dumps(event, JSON_COMPACT);
        if (!text)
            return -ENOMEM;
        if (strlen(text) <= SENTRY_EVENT_MAX)
            return strbuf_str(out, text);
    }
    return event ? -EFBIG : -ENOMEM;
}
