/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "arm/kmsg.h"

/* Texts are those of 6.1.192 and 6.12.117. */
#define USING "6,412,3335666,-;pstore: Using crash dump compression: deflate\n"
#define REGISTERED "6,413,3335817,-;pstore: Registered ramoops as persistent store backend\n"
#define REGION "6,414,3335900,-;ramoops: using 0x440000@0x3e000000, ecc: 0\n"

static void test_judgement(void **state)
{
    static const struct {
        const char *what, *text;
        bool since_load, registered, compressed, compression_failed;
        const char *complaint;
    } cases[] = {
        { "all well", "6,411,3300942,-;ramoops: using module parameters\n" USING REGISTERED REGION,
          true, true, true, false, "" },
        { "an allocation that fails, as for the original's records",
          "4,410,1,-;WARNING: CPU: 0 PID: 91 at mm/page_alloc.c:5574 __alloc_pages+0x241/0x330\n"
          "4,410,1,-;Modules linked in: ramoops(+) reed_solomon\n"
          "3,411,1,-;pstore: Failed 6976833 byte compression buffer allocation for: "
          "deflate\n" REGISTERED REGION,
          true, true, false, true,
          "WARNING: CPU: 0 PID: 91 at mm/page_alloc.c:5574 __alloc_pages+0x241/0x330" },
        { "a kernel warning that nobody here caused",
          "4,410,1,-;WARNING: CPU: 0 PID: 91 at drivers/gpu/drm/x.c:1 f+0x1/0x2\n" USING REGISTERED
              REGION,
          false, true, true, false, "" },
        { "another back end was first",
          "4,411,1,-;pstore: backend 'efi_pstore' already loaded: ignoring 'ramoops'\n"
          "3,412,1,-;ramoops: registering with pstore failed\n"
          "4,413,1,-;ramoops: probe of ramoops.0 failed with error -16\n"
          " SUBSYSTEM=platform\n DEVICE=+platform:ramoops.0\n",
          true, false, false, false,
          "pstore: backend 'efi_pstore' already loaded: ignoring 'ramoops'" },
        { "the region is taken",
          "3,411,1,-;persistent_ram: request mem region (ramoops:dmesg(0/3) 0x1@0x2) failed\n"
          "3,412,1,-;ramoops ramoops.0: failed to request dmesg mem region (0x1@0x2): -16\n",
          true, false, false, false,
          "persistent_ram: request mem region (ramoops:dmesg(0/3) 0x1@0x2) failed" },
        { "what a crash left in the region is no complaint",
          "6,411,1,-;persistent_ram: found existing invalid buffer, size 5, start 9\n" USING
              REGISTERED REGION,
          true, true, true, false, "" },
        { "a first attempt that failed, and a second that did not",
          "3,400,1,-;pstore: Failed 6976833 byte compression buffer allocation for: deflate\n" USING
              REGISTERED REGION,
          false, true, true, false,
          "pstore: Failed 6976833 byte compression buffer allocation for: deflate" },
        { "another's failure", "3,411,1,-;ata1: failed to resume link\n", true, false, false, false,
          "" },
        { "no log at all", "", true, false, false, false, "" },
        { "continuation lines and half records",
          " SUBSYSTEM=pstore\n DEVICE=pstore: failed\n;\n6,1,1,-;\npstore\n6,2,3", true, false,
          false, false, "" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct kmsg_effects got;

        kmsg_judge(span_str(cases[i].text), cases[i].since_load, &got);
        if (got.registered != cases[i].registered || got.compressed != cases[i].compressed ||
            got.compression_failed != cases[i].compression_failed ||
            strcmp(got.complaint, cases[i].complaint) != 0)
            fail_msg("%s: registered %d, compressed %d, failed %d, complaint '%s'", cases[i].what,
                     got.registered, got.compressed, got.compression_failed, got.complaint);
    }
}

/* Pieces of real records in any order and of any bytes: nothing is read beyond them (sanitizers),
 * and a complaint is always a whole string. */
static void test_hostile_bytes(void **state)
{
    static const char *const pieces[] = { "6,1,1,-;",
                                          "pstore: ",
                                          "ramoops: ",
                                          "fail",
                                          "\n",
                                          ";",
                                          " ",
                                          "WARNING: CPU:",
                                          "Registered ramoops as persistent store backend",
                                          "compression buffer allocation",
                                          "\xff",
                                          "" };
    uint64_t seed = 88172645463325252U;

    for (int round = 0; round < 20000; round++) {
        _cleanup_strbuf_ struct strbuf text = { 0 };
        struct kmsg_effects got;

        for (int i = 0; i < 24; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            if (seed % 16 < ARRAY_SIZE(pieces))
                assert_int_equal(strbuf_str(&text, pieces[seed % 16]), 0);
            else
                assert_int_equal(strbuf_char(&text, (char)(seed >> 32)), 0);
        }
        kmsg_judge(strbuf_view(&text), round & 1, &got);
        assert_non_null(memchr(got.complaint, '\0', sizeof(got.complaint)));
        assert_false(got.compressed && got.compression_failed);
    }
}

/* A file stands for the device: what is appended behind the end is what was said since. */
static void test_from_the_end(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_strbuf_ struct strbuf since = { 0 }, all = { 0 };
    _cleanup_close_ int end = -EBADF, start = -EBADF, writer = -EBADF;

    unit_write_str(t, "/dev/kmsg", REGION);
    end = kmsg_open(&t->root, true);
    start = kmsg_open(&t->root, false);
    assert_true(end >= 0 && start >= 0);
    writer = root_open(&t->root, "/dev/kmsg", O_WRONLY | O_APPEND, 0);
    assert_int_equal(fd_write_all(writer, REGISTERED, strlen(REGISTERED)), 0);
    assert_int_equal(kmsg_read(end, &since), 0);
    assert_string_equal(strbuf_cstr(&since), REGISTERED);
    assert_int_equal(kmsg_read(start, &all), 0);
    assert_string_equal(strbuf_cstr(&all), REGION REGISTERED);
}

static void test_without_log(void **state)
{
    struct unit_tree *t = *state;

    assert_int_equal(kmsg_open(&t->root, true), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_judgement),
        cmocka_unit_test(test_hostile_bytes),
        cmocka_unit_test_setup_teardown(test_from_the_end, unit_tree_setup, unit_tree_teardown),
        cmocka_unit_test_setup_teardown(test_without_log, unit_tree_setup, unit_tree_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
