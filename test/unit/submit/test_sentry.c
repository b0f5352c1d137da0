/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <zlib.h>

#include "base/json_file.h"
#include "klog/klog.h"
#include "submit/sentry_envelope.h"

static const char crash[] =
    "<4>[   99.000001] BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
    "<4>[   99.000002] Oops: 0002 [#1] SMP\n"
    "<4>[   99.000003] CPU: 3 PID: 77 Comm: sh Tainted: G           O       6.1.52-valve1 #1\n"
    "<4>[   99.000004] Hardware name: Valve Jupiter/Jupiter, BIOS F7A0119 10/24/2023\n"
    "<4>[   99.000005] RIP: 0010:crash_it+0x5/0x10 [crashme]\n"
    "<4>[   99.000006] RSP: 0018:ffffbd6348347ba0 EFLAGS: 00010206\n"
    "<4>[   99.000007] RAX: 0000000000000008 RBX: ffff9e0000000000 RCX: 0000000000000000\n"
    "<4>[   99.000008] Call Trace:\n"
    "<4>[   99.000009]  <TASK>\n"
    "<4>[   99.000010]  ? __die_body.cold+0x1a/0x1f\n"
    "<4>[   99.000011]  write_it+0x20/0x40 [crashme]\n"
    "<4>[   99.000012]  vfs_write+0xb9/0x3f0\n"
    "<4>[   99.000013]  </TASK>\n"
    "<4>[   99.000014] ---[ end trace 0000000000000000 ]---\n"
    "<0>[   99.000015] Kernel panic - not syncing: Fatal exception\n";

static const char os_release[] = "NAME=\"SteamOS\"\nVERSION_ID=3.6\nBUILD_ID=20260101.1\n"
                                 "VARIANT_ID=steamdeck\n";

static json_t *report_of(const char *log)
{
    struct klog *klog;
    json_t *json;

    assert_int_equal(klog_parse(span_str(log), &klog), 0);
    assert_int_equal(klog_to_json(klog, &json), 0);
    klog_free(klog);
    (void)json_object_set_new(json, "collected",
                              json_pack("{s:s, s:s, s:s}", "vendor", "Valve", "product", "Jupiter",
                                        "board", "Jupiter"));
    return json;
}

static json_t *event_of(json_t *report)
{
    char id[SENTRY_EVENT_ID_SIZE];
    struct sentry_source source = {
        .report = report,
        .os_release = span_str(os_release),
        .note = SPAN("the note"),
        .version = "6.1.52-valve1",
        .crash_time = 1767323045,
        .device = "d0d0",
        .event_id = id,
    };
    struct strbuf text = { 0 };
    json_t *event;

    sentry_event_id("d0d0", "steamos-0-0.202601020304.zip", id);
    assert_int_equal(sentry_event_make(&source, &text), 0);
    assert_true(text.n <= SENTRY_EVENT_MAX);
    event = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(event);
    strbuf_clear(&text);
    return event;
}

static const char *text_at(const json_t *json, const char *path)
{
    char copy[256], *saved = NULL;

    (void)snprintf(copy, sizeof(copy), "%s", path);
    for (char *key = strtok_r(copy, "/", &saved); key; key = strtok_r(NULL, "/", &saved))
        json = json_is_array(json) ? json_array_get(json, (size_t)atoi(key))
                                   : json_object_get(json, key);
    return json_is_string(json) ? json_string_value(json) : "(none)";
}

static void test_event(void **state)
{
    static const struct {
        const char *path, *value;
    } expected[] = {
        { "platform", "native" },
        { "level", "fatal" },
        { "release", "20260101.1" },
        { "environment", "steamdeck" },
        { "user/id", "d0d0" },
        { "exception/values/0/type", "Kernel oops" },
        { "exception/values/0/value",
          "BUG: unable to handle kernel NULL pointer dereference in crash_it" },
        { "exception/values/0/mechanism/type", "panic" },
        /* oldest first; the guess is left out, the crashed function is the last */
        { "exception/values/0/stacktrace/frames/0/function", "vfs_write" },
        { "exception/values/0/stacktrace/frames/0/package", "vmlinux" },
        { "exception/values/0/stacktrace/frames/1/function", "write_it" },
        { "exception/values/0/stacktrace/frames/1/package", "crashme" },
        { "exception/values/0/stacktrace/frames/2/function", "crash_it" },
        { "exception/values/0/stacktrace/frames/2/vars/offset", "0x5" },
        { "exception/values/0/stacktrace/registers/rax", "0x0000000000000008" },
        { "contexts/os/name", "SteamOS" },
        { "contexts/os/version", "3.6" },
        { "contexts/os/build", "20260101.1" },
        { "contexts/os/kernel_version", "6.1.52-valve1" },
        { "contexts/device/manufacturer", "Valve" },
        { "contexts/device/model", "Jupiter" },
        { "tags/kernel", "6.1.52-valve1" },
        { "tags/crash_function", "crash_it" },
        { "tags/panicked", "yes" },
        { "extra/note", "the note" },
    };
    json_t *report = report_of(crash), *event = event_of(report);

    for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
        if (strcmp(text_at(event, expected[i].path), expected[i].value) != 0)
            fail_msg("%s: %s, not %s", expected[i].path, text_at(event, expected[i].path),
                     expected[i].value);
    assert_int_equal(
        json_array_size(json_object_get(
            json_object_get(
                json_array_get(json_object_get(json_object_get(event, "exception"), "values"), 0),
                "stacktrace"),
            "frames")),
        3);
    assert_string_equal(text_at(event, "fingerprint/0"), text_at(report, "reports/0/signature"));
    assert_int_equal(json_array_size(json_object_get(event, "fingerprint")), 1);
    assert_int_equal(json_get_int(event, "timestamp", 0), 1767323045);
    assert_int_equal(strlen(text_at(event, "event_id")), 32);
    json_decref(event);
    json_decref(report);
}

/* A log without a crash, a report without anything: an event all the same. */
static void test_nothing_known(void **state)
{
    json_t *report = report_of("<4>[    1.000000] hello\n"), *event = event_of(report);

    assert_string_equal(text_at(event, "message"), "a crash that the log does not tell of");
    assert_null(json_object_get(event, "exception"));
    json_decref(event);
    event = event_of(NULL);
    assert_string_equal(text_at(event, "tags/kernel"), "6.1.52-valve1");
    json_decref(event);
    json_decref(report);
}

/* What makes it too long goes, what identifies it stays. */
static void test_event_is_bounded(void **state)
{
    json_t *report = report_of(crash), *event, *names = json_array();

    for (unsigned i = 0; i < 40000; i++)
        (void)json_array_append_new(names, json_string("a name of a module that is long enough"));
    (void)json_object_set_new(json_array_get(json_object_get(report, "reports"), 0),
                              "modules_unloaded", names);
    event = event_of(report);
    assert_null(json_object_get(event, "extra"));
    assert_string_equal(text_at(event, "exception/values/0/type"), "Kernel oops");
    json_decref(event);
    json_decref(report);
}

/* Names are cut, between characters, where Sentry takes no longer ones. */
static void test_long_names(void **state)
{
    json_t *report = report_of(crash), *event, *first;
    char name[2048];

    memset(name, 'n', sizeof(name));
    memcpy(name + SENTRY_MAX_TAG - 1, "\xc3\xa4", 2);
    name[sizeof(name) - 1] = '\0';
    first = json_array_get(json_object_get(report, "reports"), 0);
    (void)json_object_set_new(first, "comm", json_string(name));
    (void)json_object_set_new(first, "title", json_string(name));
    event = event_of(report);
    assert_int_equal(strlen(text_at(event, "tags/comm")), SENTRY_MAX_TAG - 1);
    assert_int_equal(strlen(text_at(event, "exception/values/0/value")), SENTRY_MAX_TEXT);
    json_decref(event);
    json_decref(report);
}

static void test_event_id(void **state)
{
    char a[SENTRY_EVENT_ID_SIZE], b[SENTRY_EVENT_ID_SIZE];

    sentry_event_id("d", "r.zip", a);
    sentry_event_id("d", "r.zip", b);
    assert_string_equal(a, b);
    sentry_event_id("e", "r.zip", b);
    assert_string_not_equal(a, b);
    sentry_event_id("d", "s.zip", b);
    assert_string_not_equal(a, b);
}

static void unpack(const struct strbuf *gzip, struct strbuf *out)
{
    z_stream z = { .next_in = (unsigned char *)gzip->p, .avail_in = (unsigned)gzip->n };

    assert_int_equal(inflateInit2(&z, 16 + MAX_WBITS), Z_OK);
    assert_int_equal(strbuf_reserve(out, SENTRY_ENVELOPE_MAX + 1), 0);
    z.next_out = (unsigned char *)out->p;
    z.avail_out = SENTRY_ENVELOPE_MAX + 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    out->n = z.total_out;
    assert_int_equal(inflateEnd(&z), Z_OK);
}

/* Items by their lengths, as a server reads them. */
static unsigned count_items(struct span envelope, size_t *last)
{
    struct span line;
    unsigned n = 0;

    assert_true(span_next_line(&envelope, &line));
    while (envelope.n > 0 && span_next_line(&envelope, &line)) {
        json_t *header = json_loadb(line.p, line.n, 0, NULL);
        int64_t length = json_get_int(header, "length", -1);

        assert_true(length >= 0 && (size_t)length < envelope.n);
        (void)span_take(&envelope, (size_t)length);
        assert_true(span_skip(&envelope, "\n"));
        *last = (size_t)length;
        json_decref(header);
        n++;
    }
    return n;
}

static void test_envelope(void **state)
{
    struct sentry_envelope e;
    struct strbuf gzip = { 0 }, raw = { 0 };
    size_t last = 0;
    char *big = malloc(SENTRY_ENVELOPE_MAX + 1);

    assert_non_null(big);
    memset(big, 'x', SENTRY_ENVELOPE_MAX + 1);
    for (size_t i = 99; i < SENTRY_ENVELOPE_MAX + 1; i += 100)
        big[i] = '\n';
    assert_int_equal(sentry_envelope_start(&e, "00", 1767323045, SPAN("{}")), 0);
    assert_int_equal(sentry_envelope_attach(&e, "build.1", SPAN("NAME=x\n")), 0);
    assert_int_equal(sentry_envelope_attach(&e, "report.1.html",
                                            span_bytes(big, SENTRY_ENVELOPE_MAX + 1)),
                     0); /* left out */
    assert_int_equal(sentry_envelope_attach(&e, "dmesg-pstore.1-0",
                                            span_bytes(big, SENTRY_ENVELOPE_MAX + 1)),
                     0);                                                     /* its end */
    assert_int_equal(sentry_envelope_attach(&e, "console.1", SPAN("x")), 0); /* full */
    assert_true(e.raw.n <= SENTRY_ENVELOPE_MAX);
    assert_int_equal(sentry_envelope_compress(&e, &gzip), 0);
    unpack(&gzip, &raw);
    assert_true(span_starts(strbuf_view(&raw),
                            "{\"event_id\":\"00\",\"sent_at\":\"2026-01-02T03:04:05Z\""));
    assert_int_equal(count_items(strbuf_view(&raw), &last), 3);
    assert_true(last > SENTRY_ENVELOPE_MAX - 2048 && last % 100 == (SENTRY_ENVELOPE_MAX + 1) % 100);
    sentry_envelope_done(&e);
    strbuf_clear(&gzip);
    strbuf_clear(&raw);
    free(big);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event),
        cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_event_is_bounded),
        cmocka_unit_test(test_long_names),
        cmocka_unit_test(test_event_id),
        cmocka_unit_test(test_envelope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
