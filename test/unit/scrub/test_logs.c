/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Real kernel logs: scrubbing takes nothing from them that explains the crash. Each is parsed
 * before and after; titles, signatures, stacks, registers and all else but the excerpt are equal.
 */
#include "unit.h"

#include <dirent.h>
#include <zlib.h>

#include "klog/klog.h"
#include "scrub/scrub.h"

enum { MAX_LOG = 4 << 20 };

static int read_gz(const char *path, struct strbuf *out)
{
    gzFile file = gzopen(path, "rb");
    int n;

    assert_non_null(file);
    assert_int_equal(strbuf_reserve(out, MAX_LOG), 0);
    n = gzread(file, out->p, MAX_LOG);
    assert_true(n > 0 && n < MAX_LOG);
    out->n = (size_t)n;
    out->p[n] = '\0';
    return gzclose(file);
}

/* The parsed log, without what quotes it. */
static json_t *parse(struct span text)
{
    struct klog *klog;
    json_t *json, *report;
    size_t i;

    assert_int_equal(klog_parse(text, &klog), 0);
    assert_int_equal(klog_to_json(klog, &json), 0);
    json_array_foreach(json_object_get(json, "reports"), i, report)(void)
        json_object_del(report, "note");
    klog_free(klog);
    return json;
}

static void protect_text(struct scrub *s, const json_t *text)
{
    assert_int_equal(scrub_protect(s, span_str(json_string_value(text))), 0);
}

/* Names of code, as of a report that leaves (src/outgoing). */
static void protect(struct scrub *s, const json_t *json)
{
    const json_t *report, *module;
    size_t i, k;

    json_array_foreach(json_object_get(json, "reports"), i, report)
    {
        protect_text(s, json_object_get(report, "crash_function"));
        protect_text(s, json_object_get(report, "stack"));
        json_array_foreach(json_object_get(report, "modules"), k, module)
            protect_text(s, json_object_get(module, "name"));
    }
}

static size_t count_lines(struct span text)
{
    struct span line;
    size_t n = 0;

    while (span_next_line(&text, &line))
        n++;
    return n;
}

static void check_log(const char *path)
{
    struct strbuf text = { 0 }, once = { 0 }, twice = { 0 };
    struct scrub *s;
    json_t *before, *after;

    assert_int_equal(read_gz(path, &text), 0);
    before = parse(strbuf_view(&text));
    assert_int_equal(scrub_new(&s), 0);
    protect(s, before);
    /* Names that a log is full of: of a host, a user, a device. */
    assert_int_equal(scrub_add_known(s, SCRUB_HOST, SPAN("kernel")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_HOST, SPAN("crashme")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_USER, SPAN("debian")), 0);
    /* Names made of the words that crashes begin with. */
    assert_int_equal(scrub_add_known(s, SCRUB_HOST, SPAN("Pointer")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_USER, SPAN("syncing")), 0);
    assert_int_equal(scrub_add_known(s, SCRUB_SSID, SPAN("Fault")), 0);
    assert_int_equal(scrub_read(s, strbuf_view(&text)), 0);
    assert_int_equal(scrub_text(s, strbuf_view(&text), &once), 0);
    after = parse(strbuf_view(&once));
    if (!json_equal(before, after)) {
        char *a = json_dumps(before, JSON_INDENT(1)), *b = json_dumps(after, JSON_INDENT(1));

        fail_msg("%s: scrubbing has changed what crashed:\n%s\n%s", path, a, b);
    }
    assert_int_equal(count_lines(strbuf_view(&text)), count_lines(strbuf_view(&once)));
    assert_int_equal(scrub_text(s, strbuf_view(&once), &twice), 0);
    assert_true(span_eq_span(strbuf_view(&once), strbuf_view(&twice)));
    /* All that is private in these: who built the kernel and wrote drivers, two file systems. */
    assert_in_range(scrub_count(s, SCRUB_EMAIL), 1, 4);
    for (int kind = 0; kind < SCRUB_N_KINDS; kind++)
        if (kind != SCRUB_EMAIL && kind != SCRUB_UUID && kind != SCRUB_HOST && kind != SCRUB_USER)
            assert_int_equal(scrub_count(s, (enum scrub_kind)kind), 0);
    json_decref(before);
    json_decref(after);
    scrub_free(s);
    strbuf_clear(&text);
    strbuf_clear(&once);
    strbuf_clear(&twice);
}

static void test_real_logs(void **state)
{
    const char *data = getenv("TEST_DATA");
    struct dirent *entry;
    char path[4096];
    unsigned n = 0;
    DIR *dir;

    assert_non_null(data);
    (void)snprintf(path, sizeof(path), "%s/klog-real", data);
    dir = opendir(path);
    assert_non_null(dir);
    while ((entry = readdir(dir))) {
        if (!span_ends(span_str(entry->d_name), ".log.gz"))
            continue;
        (void)snprintf(path, sizeof(path), "%s/klog-real/%s", data, entry->d_name);
        check_log(path);
        n++;
    }
    (void)closedir(dir);
    assert_true(n >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_real_logs) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
