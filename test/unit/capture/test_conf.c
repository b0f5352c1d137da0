/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/mount.h>

#include "capture/conf.h"
#include "unit.h"

static void test_configuration(void **state)
{
    struct conf conf;
    unsigned bad;

    conf_parse(SPAN("# made by initrd\nTARGET=PARTUUID=0a-01\nFSTYPE=btrfs\r\n\n"
                    "MOUNTOPTS=subvol=@home,noatime\nSUBDIR=.steamos/offload/var/kdump\n"
                    "FULL_COREDUMP=1\nMAKEDUMPFILE=makedumpfile -l -d 31\nWAIT_SECONDS=7"),
               &conf, &bad);
    assert_int_equal(bad, 0);
    assert_true(span_eq(conf.target, "PARTUUID=0a-01"));
    assert_true(span_eq(conf.fstype, "btrfs"));
    assert_true(span_eq(conf.mountopts, "subvol=@home,noatime"));
    assert_true(span_eq(conf.subdir, ".steamos/offload/var/kdump"));
    assert_true(span_eq(conf.makedumpfile, "makedumpfile -l -d 31"));
    assert_true(conf.full_coredump);
    assert_int_equal(conf.wait_seconds, 7);
}

static void test_bad_lines_cost_nothing_else(void **state)
{
    struct conf conf;
    unsigned bad;

    conf_parse(SPAN("FULL_COREDUMP=2\nWAIT_SECONDS=9999999999\nTARGET=/dev/vda\nwhat\nWAIT=1\n"),
               &conf, &bad);
    assert_int_equal(bad, 4);
    assert_true(span_eq(conf.target, "/dev/vda"));
    assert_int_equal(conf.wait_seconds, 30);
    conf_parse(SPAN(""), &conf, NULL);
    assert_int_equal(conf.target.n, 0);
    assert_false(conf.full_coredump);
}

static void test_words(void **state)
{
    char buf[32], *argv[4];

    assert_int_equal(conf_words(SPAN("  makedumpfile -l\t-d31 "), buf, sizeof(buf), argv, 4), 3);
    assert_string_equal(argv[0], "makedumpfile");
    assert_string_equal(argv[1], "-l");
    assert_string_equal(argv[2], "-d31");
    assert_null(argv[3]);
    assert_int_equal(conf_words(SPAN("a b c d"), buf, sizeof(buf), argv, 4), 0);
    assert_int_equal(conf_words(SPAN("0123456789 0123456789 012345678"), buf, 32, argv, 4), 3);
    assert_int_equal(conf_words(SPAN("0123456789 0123456789 0123456789"), buf, 32, argv, 4), 0);
    assert_int_equal(conf_words(SPAN(" "), buf, sizeof(buf), argv, 4), 0);
}

static void test_mount_options(void **state)
{
    static const struct {
        const char *in, *out;
        unsigned long flags;
    } cases[] = {
        { "", "", 0 },
        { "defaults,nofail,x-systemd.growfs", "", 0 },
        { "ro,noatime,subvol=@home,compress=zstd:1", "subvol=@home,compress=zstd:1", MS_NOATIME },
        { "data=ordered,,nosuid,rw", "data=ordered", MS_NOSUID },
        { "errors=remount-ro,sync", "errors=remount-ro", MS_SYNCHRONOUS },
    };
    char buf[64];
    unsigned long flags;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_true(conf_mount_options(span_str(cases[i].in), &flags, buf, sizeof(buf)));
        assert_string_equal(buf, cases[i].out);
        assert_int_equal(flags, cases[i].flags);
    }
    assert_true(conf_mount_options(SPAN("abc=defg"), &flags, buf, 10));
    assert_false(conf_mount_options(SPAN("abc=defghi"), &flags, buf, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_configuration),
        cmocka_unit_test(test_bad_lines_cost_nothing_else),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_mount_options),
    };

    return cmocka_run_group_tests_name("capture/conf", tests, NULL, NULL);
}
