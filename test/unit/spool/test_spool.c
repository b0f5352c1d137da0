/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "spool/report_zip.h"
#include "spool/spool.h"

#define FOLDER "/home/.steamos/offload/var/kdump"

static struct config test_config(void)
{
    static char folder[] = FOLDER, none[] = "";

    return (struct config){
        .kdump_folder = folder, .mount_devnode = none, .keep_reports = 2, .keep_vmcores = 1,
        .post_url = none, .sentry_dsn = none, .handover_folder = none
    };
}

static void names_round_trip(void **state)
{
    char stamp[SPOOL_STAMP_MAX], name[NAME_MAX + 1];
    struct spool_report report;
    time_t time = 1767323045; /* 2026-01-02 03:04:05 UTC */

    assert_int_equal(spool_report_format_name("FVAA 1/2", "../me", time, 0, stamp, name), 0);
    assert_string_equal(stamp, "202601020304");
    assert_null(strchr(name, '/'));
    assert_true(spool_report_parse_name(name, &report));
    assert_int_equal(report.time, time - 5);
    assert_int_equal(spool_report_format_name("", "", time, 1, stamp, name), 0);
    assert_string_equal(name, "steamos-0-0.20260102030405.zip");
    assert_int_equal(spool_report_format_name("0", "0", time, 2, stamp, name), 0);
    assert_string_equal(name, "steamos-0-0.20260102030406.zip");
    assert_true(spool_report_parse_name(name, &report));
    assert_int_equal(report.time, time + 1);
}

static void foreign_names_are_no_reports(void **state)
{
    static const char *const names[] = {
        "",
        "steamos-.zip",
        "steamos-0-0.zip",
        "steamos-0-0.2026010203.zip",
        "steamos-0-0.202613020304.zip",
        "steamos-0-0.202602300304.zip",
        "steamos-0-0.202601022504.zip",
        "steamos-0-0.202601020304.zip.json",
        "steamos-0-0.202601020304.tmp",
        "steamos-0 0.202601020304.zip",
        "steamos-0-0.2026010203041.zip",
        "steamos-0-0.20260102030 .zip",
        ".tmp-steamos-0-0.202601020304.zip",
    };
    struct spool_report report;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_false(spool_report_parse_name(names[i], &report));
}

static void add_report(struct unit_tree *t, const char *folder, const char *stamp)
{
    char path[256];

    (void)snprintf(path, sizeof(path), FOLDER "/%s%ssteamos-0-0.%s.zip", folder, *folder ? "/" : "",
                   stamp);
    unit_write_str(t, path, "zip");
}

static bool has(struct unit_tree *t, const char *name)
{
    char path[256];

    (void)snprintf(path, sizeof(path), FOLDER "/%s", name);
    return root_exists(&t->root, path);
}

static void opens_and_lists(void **state)
{
    struct unit_tree *t = *state;
    struct config config = test_config();
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    _cleanup_free_ struct spool_report *reports = NULL;
    size_t n;

    assert_int_equal(spool_open(&t->root, &config, false, &spool), -ENOENT);
    assert_int_equal(spool_open(&t->root, &config, true, &spool), 0);
    assert_int_equal(spool_list(&spool, &reports, &n), 0);
    assert_int_equal(n, 0);
    add_report(t, "", "202601020304");
    add_report(t, "sent_logs", "20260102030405");
    add_report(t, "not_sent_logs", "202501020304");
    unit_write_str(t, FOLDER "/notes.txt", "x");
    assert_int_equal(symlinkat("notes.txt", spool.fd, "steamos-0-0.202601020309.zip"), 0);
    free(reports);
    assert_int_equal(spool_list(&spool, &reports, &n), 0);
    assert_int_equal(n, 3);
    assert_string_equal(reports[0].name, "steamos-0-0.20260102030405.zip");
    assert_int_equal(reports[0].state, SPOOL_SENT);
    assert_int_equal(reports[2].state, SPOOL_KEPT);
    assert_int_equal(reports[1].size, 3);
}

static void moves_but_never_replaces(void **state)
{
    struct unit_tree *t = *state;
    struct config config = test_config();
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    const char *name = "steamos-0-0.202601020304.zip";

    assert_int_equal(spool_open(&t->root, &config, true, &spool), 0);
    add_report(t, "", "202601020304");
    assert_int_equal(spool_find(&spool, name), SPOOL_PENDING);
    assert_int_equal(spool_move(&spool, name, SPOOL_PENDING, SPOOL_SENT), 0);
    assert_int_equal(spool_find(&spool, name), SPOOL_SENT);
    assert_int_equal(spool_move(&spool, name, SPOOL_PENDING, SPOOL_SENT), -ENOENT);
    add_report(t, "", "202601020304");
    assert_int_equal(spool_move(&spool, name, SPOOL_PENDING, SPOOL_SENT), -EEXIST);
    assert_true(has(t, name));
}

static void locks_exclude_each_other(void **state)
{
    struct unit_tree *t = *state;
    struct config config = test_config();
    _cleanup_spool_ struct spool a = SPOOL_INIT, b = SPOOL_INIT;

    assert_int_equal(spool_open(&t->root, &config, true, &a), 0);
    assert_int_equal(spool_open(&t->root, &config, true, &b), 0);
    assert_int_equal(spool_lock(&a, 0), 0);
    assert_int_equal(spool_lock(&b, 60), -EBUSY);
    spool_close(&a);
    assert_int_equal(spool_lock(&b, 60), 0);
}

static void retention_keeps_the_newest(void **state)
{
    struct unit_tree *t = *state;
    struct config config = test_config();
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    unsigned removed;

    assert_int_equal(spool_open(&t->root, &config, true, &spool), 0);
    add_report(t, "", "202601010000");
    add_report(t, "", "202601020000");
    add_report(t, "", "202601030000");
    add_report(t, "sent_logs", "202512010000");
    unit_write_str(t, FOLDER "/state/steamos-0-0.202601010000.zip.json", "{}");
    unit_write_str(t, FOLDER "/state/steamos-0-0.202601020000.zip.json", "{}");
    unit_write_str(t, FOLDER "/crash/vmcore.202601010000", "core");
    unit_write_str(t, FOLDER "/crash/vmcore.202601020000", "core");
    unit_write_str(t, FOLDER "/.tmp-00000000deadbeef", "half");
    assert_int_equal(spool_prune(&spool, &config, &removed), 0);
    assert_int_equal(removed, 2);
    assert_false(has(t, "steamos-0-0.202601010000.zip"));
    assert_true(has(t, "steamos-0-0.202601020000.zip"));
    assert_true(has(t, "sent_logs/steamos-0-0.202512010000.zip"));
    assert_false(has(t, "crash/vmcore.202601010000"));
    assert_true(has(t, "crash/vmcore.202601020000"));
    assert_false(has(t, "state/steamos-0-0.202601010000.zip.json"));
    assert_true(has(t, "state/steamos-0-0.202601020000.zip.json"));
    assert_false(has(t, ".tmp-00000000deadbeef"));
}

static void short_room_sacrifices_in_order(void **state)
{
    struct unit_tree *t = *state;
    struct config config = test_config();
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    unsigned removed;

    config.keep_reports = 100;
    config.min_free_space = UINT64_MAX; /* never enough: everything that may go goes */
    assert_int_equal(spool_open(&t->root, &config, true, &spool), 0);
    add_report(t, "", "202601030000");
    add_report(t, "", "202601020000");
    add_report(t, "sent_logs", "202601010000");
    unit_write_str(t, FOLDER "/crash/vmcore.202601020000", "core");
    assert_int_equal(spool_prune(&spool, &config, &removed), 0);
    assert_int_equal(removed, 3);
    assert_true(has(t, "steamos-0-0.202601030000.zip"));
    assert_false(has(t, "crash/vmcore.202601020000"));
}

static void device_without_mount_is_told(void **state)
{
    struct unit_tree *t = *state;
    struct config config = test_config();
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    char device[] = "sda8", folder[] = "kdump";

    config.mount_devnode = device;
    config.kdump_folder = folder;
    unit_write_str(t, "/proc/self/mountinfo",
                   "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                   "21 20 8:9 / /var rw - ext4 /dev/sda9 rw\n");
    assert_int_equal(spool_open(&t->root, &config, true, &spool), -ENODEV);
    unit_write_str(t, "/proc/self/mountinfo",
                   "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                   "22 20 8:8 /sub /bind rw - ext4 /dev/sda8 rw\n"
                   "21 20 8:8 / /home rw - ext4 /dev/sda8 rw\n");
    assert_int_equal(spool_open(&t->root, &config, true, &spool), 0);
    assert_string_equal(spool.path, "/home/kdump");
    assert_true(root_exists(&t->root, "/home/kdump"));
}

static void automount_is_not_touched_where_nobody_may_wait(void **state)
{
    static const char mounts[] = "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                                 "21 20 0:40 / /home rw - autofs systemd-1 rw,direct\n";
    struct unit_tree *t = *state;
    struct config config = test_config();
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    char folder[] = "/home/kdump";

    config.kdump_folder = folder;
    unit_write_str(t, "/proc/self/mountinfo", mounts);
    unit_write_str(t, "/home/kdump/here", "");
    t->root.no_automount = true;
    assert_int_equal(spool_open(&t->root, &config, true, &spool), -ENODEV);
    assert_int_equal(spool_open(&t->root, &config, false, &spool), -ENODEV);
    unit_write_str(t, "/proc/self/mountinfo",
                   "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
                   "21 20 0:40 / /home rw - autofs systemd-1 rw,direct\n"
                   "22 21 8:8 / /home rw - ext4 /dev/sda8 rw\n");
    assert_int_equal(spool_open(&t->root, &config, true, &spool), 0);
    spool_close(&spool);
    unit_write_str(t, "/proc/self/mountinfo", mounts);
    t->root.no_automount = false;
    assert_int_equal(spool_open(&t->root, &config, true, &spool), 0);
}

struct members {
    unsigned n;
    char text[64];
};

static int visit(void *ctx, const char *name, struct span bytes)
{
    struct members *m = ctx;

    m->n++;
    if (strcmp(name, "b.1") == 0)
        (void)span_copy(bytes, m->text, sizeof(m->text));
    return 0;
}

static void zips_round_trip(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_close_ int fd = root_open(&t->root, "/x.zip", O_RDWR | O_CREAT, 0600);
    struct report_zip *zip = NULL;
    struct members m = { 0 };

    assert_int_equal(report_zip_create(fd, &zip), 0);
    assert_int_equal(report_zip_add(zip, "a.1", 1767323045, SPAN("")), 0);
    assert_int_equal(report_zip_add(zip, "b.1", 1767323045, SPAN("hello\n")), 0);
    assert_int_equal(report_zip_finish(zip), 0);
    assert_int_equal(report_zip_read(fd, 100, NULL, visit, &m), 0);
    assert_int_equal(m.n, 2);
    assert_string_equal(m.text, "hello\n");
    assert_int_equal(report_zip_read(fd, 3, NULL, visit, &m), 0);
    assert_string_equal(m.text, "hel");
    assert_int_equal(ftruncate(fd, 40), 0);
    assert_int_equal(report_zip_read(fd, 100, NULL, visit, &m), -EBADMSG);
}

#define TREE_TEST(f) cmocka_unit_test_setup_teardown(f, unit_tree_setup, unit_tree_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_round_trip),
        cmocka_unit_test(foreign_names_are_no_reports),
        TREE_TEST(opens_and_lists),
        TREE_TEST(moves_but_never_replaces),
        TREE_TEST(locks_exclude_each_other),
        TREE_TEST(retention_keeps_the_newest),
        TREE_TEST(short_room_sacrifices_in_order),
        TREE_TEST(device_without_mount_is_told),
        TREE_TEST(automount_is_not_touched_where_nobody_may_wait),
        TREE_TEST(zips_round_trip),
    };

    return cmocka_run_group_tests_name("spool", tests, NULL, NULL);
}
