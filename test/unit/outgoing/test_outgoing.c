/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include <sys/mman.h>

#include "outgoing/destinations.h"
#include "outgoing/device.h"
#include "outgoing/outgoing.h"
#include "spool/report_zip.h"

/* A new folder below the test's tree; the caller closes it. */
static int make_folder(void **state, const char *name)
{
    struct unit_tree *t = *state;
    int fd = root_make_dir(&t->root, name, 0700);

    assert_true(fd >= 0);
    return fd;
}

static void test_device(void **state)
{
    char id[DEVICE_ID_SIZE], again[DEVICE_ID_SIZE], other[DEVICE_ID_SIZE];
    int fd = make_folder(state, "/a"), fd2 = make_folder(state, "/b");

    assert_int_equal(device_id(fd, "FVAA1", false, id), -ENOENT);
    assert_int_equal(device_id(fd, "FVAA1", true, id), 0);
    assert_int_equal(strlen(id), 32);
    assert_int_equal(device_id(fd, "FVAA1", false, again), 0);
    assert_string_equal(id, again);
    assert_int_equal(device_id(fd, "FVAA2", false, other), 0);
    assert_string_not_equal(id, other);
    /* another installation on the same device */
    assert_int_equal(device_id(fd2, "FVAA1", true, other), 0);
    assert_string_not_equal(id, other);
    (void)close(fd);
    (void)close(fd2);
}

/* A salt file that is damaged is made anew. */
static void test_damaged_salt(void **state)
{
    static const char *const damaged[] = { "", "{}", "{\"salt\": \"abc\"}", "[]", "{\"salt\": 7}" };
    char id[DEVICE_ID_SIZE], again[DEVICE_ID_SIZE];

    for (size_t i = 0; i < ARRAY_SIZE(damaged); i++) {
        char name[8];
        int fd, file;

        (void)snprintf(name, sizeof(name), "/%zu", i);
        fd = make_folder(state, name);
        file = openat(fd, "device.json", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(write(file, damaged[i], strlen(damaged[i])), (ssize_t)strlen(damaged[i]));
        (void)close(file);
        assert_int_equal(device_id(fd, "0", false, id), -ENOENT);
        assert_int_equal(device_id(fd, "0", true, id), 0);
        assert_int_equal(device_id(fd, "0", false, again), 0);
        assert_string_equal(id, again);
        (void)close(fd);
    }
}

static void test_private_values(void **state)
{
    _cleanup_private_values_ struct private_values values = { 0 }, loaded = { 0 }, none = { 0 };
    int fd = make_folder(state, "/state");
    char name[16];

    assert_int_equal(private_values_load(fd, &none), 0);
    assert_null(none.values);
    assert_int_equal(private_values_load(-EBADF, &none), 0);
    assert_int_equal(private_values_add(&values, SCRUB_HOST, SPAN(" box \n")), 0);
    assert_int_equal(private_values_add(&values, SCRUB_HOST, SPAN("box")), 0);
    assert_int_equal(private_values_add(&values, SCRUB_USER, SPAN("")), 0);
    assert_int_equal(private_values_add(&values, SCRUB_USER, SPAN("\xff\xfe")), 0);
    assert_int_equal(private_values_save(&values, fd), 0);
    assert_int_equal(private_values_load(fd, &loaded), 0);
    assert_true(json_equal(values.values, loaded.values));
    assert_int_equal(json_array_size(json_object_get(loaded.values, "host")), 1);
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "user%u", i);
        assert_int_equal(private_values_add(&values, SCRUB_USER, span_str(name)), 0);
    }
    assert_int_equal(json_array_size(json_object_get(values.values, "user")),
                     PRIVATE_VALUES_MAX - 1);
    (void)close(fd);
}

/* A file that somebody has spoilt teaches nothing, and breaks nothing. */
static void test_spoilt_values(void **state)
{
    _cleanup_private_values_ struct private_values values = {
        .values = json_pack("{s:[i, s, []], s:s, s:{}}", "host", 7, "box", "user", "x", "disk")
    };
    _cleanup_(scrub_freep) struct scrub *s = NULL;

    assert_int_equal(scrub_new(&s), 0);
    assert_int_equal(private_values_tell(&values, s), 0);
    assert_int_equal(scrub_count(s, SCRUB_HOST), 1);
}

static int make_zip(const char *name, struct span bytes)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    struct report_zip *zip;

    assert_true(fd >= 0);
    assert_int_equal(report_zip_create(fd, &zip), 0);
    assert_int_equal(report_zip_add(zip, name, 0, bytes), 0);
    assert_int_equal(report_zip_finish(zip), 0);
    return fd;
}

static int take(void *ctx, const char *name, struct span bytes)
{
    struct strbuf *out = ctx;

    (void)strbuf_printf(out, "%s=", name);
    return strbuf_span(out, bytes);
}

static void check_member(const char *name, struct span bytes, bool scrub, bool plain,
                         const char *expected)
{
    struct outgoing_options options = { .scrub = scrub, .plain = plain };
    _cleanup_outgoing_ struct outgoing made = OUTGOING_INIT;
    int zip = make_zip(name, bytes);
    struct strbuf out = { 0 };

    assert_int_equal(outgoing_make(zip, &options, &made), 0);
    assert_int_equal(report_zip_read(made.fd, 1 << 20, NULL, take, &out), 0);
    assert_string_equal(strbuf_cstr(&out), expected);
    assert_true(made.size > 0);
    strbuf_clear(&out);
    (void)close(zip);
}

static void test_members(void **state)
{
    check_member("dmesg-pstore.1-0", SPAN("10.0.0.1 \xff \xc3\xa4"), true, false,
                 "dmesg-pstore.1-0=<ip-1> \xff \xc3\xa4");
    check_member("dmesg-pstore.1-0", SPAN("10.0.0.1 \xff \xc3\xa4 \xc3"), true, true,
                 "dmesg-pstore.1-0=<ip-1> ? \xc3\xa4 ?");
    check_member("dmesg-pstore.1-0", SPAN("10.0.0.1 \xff"), false, true,
                 "dmesg-pstore.1-0=10.0.0.1 ?");
    check_member("version.1", SPAN("6.1\ncollected by 6.2\n"), true, true, "version.1=6.1");
    check_member("version.1", SPAN("6.1\ncollected by 6.2\n"), true, false,
                 "version.1=6.1\ncollected by 6.2\n");
    check_member("report.1.json", SPAN("{broken 10.0.0.1"), true, false, "");
    check_member("dmesg-pstore.1-0.enc.z", SPAN("x"), true, false, "");
    check_member("vmcore.1", SPAN("x"), true, false, "");
    check_member("unknown", SPAN("x"), false, true, "");
    /* without scrubbing, and for readers of ours, it is the report itself */
    check_member("unknown", SPAN("10.0.0.1"), false, false, "unknown=10.0.0.1");
}

/* Where the log that leaves does not have the crash, what the title was made of is not known. */
static void test_title_without_log(void **state)
{
    check_member(
        "report.1.json",
        SPAN("{\"reports\": [{\"title\": \"kernel panic: x at 3c:a9:f4:LINE\", \"kind\": "
             "\"panic\", \"crash_function\": \"f\"}, {\"title\": \"BUG: 3c:a9:f4:LINE\"}]}"),
        true, false,
        "report.1.json={\n \"reports\": [\n  {\n   \"title\": \"panic in f\",\n   \"kind\": "
        "\"panic\",\n   \"crash_function\": \"f\"\n  },\n  {\n   \"title\": \"crash\"\n  }\n "
        "]\n}");
    check_member("report.1.json", SPAN("{\"reports\": [7, {\"title\": 8}], \"primary\": []}"), true,
                 false,
                 "report.1.json={\n \"reports\": [\n  7,\n  {\n   \"title\": 8\n  }\n ],\n "
                 "\"primary\": []\n}");
}

static void test_ring(void **state)
{
    check_member("console.1", SPAN("cut 10.0.0.1\n[ 1.0] at 10.0.0.2"), true, false,
                 "console.1=[ 1.0] at <ip-1>");
    check_member("console.1", SPAN("[ 1.0] at 10.0.0.2"), true, true, "console.1=[ 1.0] at <ip-1>");
    check_member("console.1", SPAN("cut"), true, false, "console.1=");
    check_member("console.1", SPAN("cut\n[ 1.0]"), false, true, "console.1=cut\n[ 1.0]");
}

static void test_no_zip(void **state)
{
    struct outgoing_options options = { .scrub = true };
    struct outgoing made = OUTGOING_INIT;
    int fd = memfd_create("test", MFD_CLOEXEC);

    assert_int_equal(write(fd, "no zip", 6), 6);
    assert_int_equal(outgoing_make(fd, &options, &made), -EBADMSG);
    assert_int_equal(made.fd, -EBADF);
    (void)close(fd);
}

static void test_describe(void **state)
{
    struct outgoing made = { .replaced = { [SCRUB_MAC] = 2, [SCRUB_HOST] = 1 } }, none = { 0 };
    char text[64], small[8];

    outgoing_describe(&made, text, sizeof(text));
    assert_string_equal(text, "2 mac, 1 host");
    outgoing_describe(&made, small, sizeof(small));
    assert_true(strlen(small) < sizeof(small));
    outgoing_describe(&none, text, sizeof(text));
    assert_string_equal(text, "nothing");
}

static void check_destinations(char *post_url, char *dsn, char *folder, bool scrub,
                               const char *expected)
{
    struct config config = {
        .post_url = post_url, .sentry_dsn = dsn, .handover_folder = folder, .scrub = scrub
    };
    struct strbuf out = { 0 };

    assert_int_equal(outgoing_destinations(&config, &out), 0);
    assert_string_equal(strbuf_cstr(&out), expected);
    strbuf_clear(&out);
}

static void test_destinations(void **state)
{
    char empty[] = "", url[] = "https://h/ACTION", bad[] = "x", folder[] = "/f",
         dsn[] = "https://topsecret@h:9/api/a/42";

    check_destinations(empty, empty, empty, true, "");
    check_destinations(url, empty, empty, true, "https://h/ACTION; scrubbed");
    check_destinations(url, dsn, folder, false,
                       "https://h/ACTION, Sentry project 42 at https://h:9/api/a, the folder /f; "
                       "as it is (SCRUB=0)");
    check_destinations(empty, bad, empty, true, "Sentry, but SENTRY_DSN is malformed; scrubbed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_device, unit_tree_setup, unit_tree_teardown),
        cmocka_unit_test_setup_teardown(test_damaged_salt, unit_tree_setup, unit_tree_teardown),
        cmocka_unit_test_setup_teardown(test_private_values, unit_tree_setup, unit_tree_teardown),
        cmocka_unit_test(test_spoilt_values),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_title_without_log),
        cmocka_unit_test(test_ring),
        cmocka_unit_test(test_no_zip),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_destinations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
