/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A report's JSON, as a ZIP may have it → an event that Sentry takes. */
#include <errno.h>
#include <jansson.h>

#include "fuzz.h"
#include "submit/sentry_event.h"

static void check_frames(const json_t *stack)
{
    const json_t *frames = json_object_get(stack, "frames"), *frame;
    size_t i;

    fuzz_check(json_is_array(frames) && json_array_size(frames) <= SENTRY_MAX_FRAMES + 1);
    json_array_foreach(frames, i, frame)
        fuzz_check(json_is_string(json_object_get(frame, "function")));
}

static void check(const json_t *event)
{
    const json_t *exceptions = json_object_get(json_object_get(event, "exception"), "values");
    const json_t *threads = json_object_get(json_object_get(event, "threads"), "values"), *value;
    size_t i;

    fuzz_check(json_is_object(event));
    fuzz_check(json_is_string(json_object_get(event, "event_id")));
    json_array_foreach(exceptions, i, value) check_frames(json_object_get(value, "stacktrace"));
    fuzz_check(json_array_size(threads) <= SENTRY_MAX_THREADS + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    json_t *report = json_loadb((const char *)bytes, n, JSON_REJECT_DUPLICATES, NULL), *event;
    struct sentry_source source = {
        .report = report,
        .os_release = span_bytes(bytes, n),
        .note = span_bytes(bytes, n),
        .version = "6.1",
        .crash_time = 1767323045,
        .device = "d0",
        .event_id = "e0",
    };
    struct strbuf text = { 0 };

    fuzz_check(sentry_event_make(&source, &text) == 0 && text.n <= SENTRY_EVENT_MAX);
    event = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    check(event);
    json_decref(event);
    json_decref(report);
    strbuf_clear(&text);
    return 0;
}
