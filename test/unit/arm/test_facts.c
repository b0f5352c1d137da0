/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "machine.h"

#include "arm/plan.h"
#include "pstore/panic_policy.h"

static const struct config config = { .use_pstore_ram = true, .ramoops_record_size = 524288 };

static struct arm_facts read_facts(struct unit_tree *t)
{
    struct arm_facts f;

    assert_int_equal(arm_facts_read(&t->root, &config, &f), 0);
    return f;
}

static void test_facts(void **state)
{
    struct unit_tree *t = *state;
    struct arm_facts f;

    machine_create(t, "6.12.117+deb12-amd64");
    f = read_facts(t);
    assert_string_equal(f.kernel, "6.12.117+deb12-amd64");
    assert_string_equal(f.boot_id, "11111111-2222-3333-4444-555555555555");
    assert_int_equal(f.iomem_error, 0);
    assert_false(f.iomem_masked);
    assert_int_equal(f.ram_buffer.start, 0x1e000000);
    assert_int_equal(f.ram_buffer.size, 0x2000000);
    assert_int_equal(f.tasks, 80);
    assert_int_equal(f.log_buf_len, 0);
    assert_true(f.use_pstore_ram);
    assert_int_equal(f.record_size, 524288);
    assert_false(f.builtin);
    assert_string_equal(f.device, "");
    assert_true(f.backend.supported);
    assert_true(f.backend.mounted);
    assert_int_equal(f.backend.kind, PSTORE_KIND_NONE);
    assert_false(f.backend.ramoops_present);
}

static void test_facts_of_nothing(void **state)
{
    struct arm_facts f = read_facts(*state);

    assert_string_equal(f.kernel, "");
    assert_int_equal(f.iomem_error, -ENOENT);
    assert_false(f.backend.supported);
    assert_false(f.backend.mounted);
}

static void test_odd_facts(void **state)
{
    struct unit_tree *t = *state;
    struct arm_facts f;

    machine_create(t, "6.1.0-56-amd64");
    unit_write_str(t, "/proc/iomem",
                   "00000000-00000000 : System RAM\n00000000-00000000 : RAM buffer\n");
    unit_write_str(t, "/proc/loadavg", "0.20 0.18\n");
    unit_write_str(t, "/proc/cmdline", "log_buf_len=4M ramoops.mem_address=0x1000 quiet\n");
    unit_write_str(t, "/lib/modules/6.1.0-56-amd64/modules.builtin",
                   "kernel/fs/pstore/pstore.ko\nkernel/fs/pstore/ramoops.ko\n");
    unit_write_str(t, "/sys/devices/platform/3f000000.ramoops/uevent", "");
    f = read_facts(t);
    assert_true(f.iomem_masked);
    assert_int_equal(f.ram_buffer.size, 0);
    assert_int_equal(f.tasks, 0);
    assert_int_equal(f.log_buf_len, 4 << 20);
    assert_true(f.cmdline.mem_address);
    assert_int_equal(f.cmdline.region.size, 0);
    assert_true(f.builtin);
    assert_string_equal(f.device, "3f000000.ramoops");
    unit_write_str(t, "/proc/iomem", "1e000401-1fffffff : RAM buffer\n");
    unit_write_str(t, "/proc/sys/kernel/osrelease", "../../etc\n");
    f = read_facts(t);
    assert_int_equal(f.ram_buffer.start, 0x1e001000);
    assert_int_equal(f.ram_buffer.size, 0x1fff000);
    assert_false(f.builtin);
}

/* The module's own device is not one of the firmware's. */
static void test_own_device(void **state)
{
    struct unit_tree *t = *state;

    machine_create(t, "6.1.0");
    unit_write_str(t, "/sys/devices/platform/ramoops.0/uevent", "");
    assert_string_equal(read_facts(t).device, "");
}

static void expect_description(const struct unit_tree *t, const char *expected, bool armed)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    struct pstore_backend b;

    assert_int_equal(pstore_backend_inspect(&t->root, &b), 0);
    assert_int_equal(pstore_backend_describe(&b, &text), 0);
    assert_string_equal(strbuf_cstr(&text), expected);
    assert_int_equal(pstore_backend_armed(&b), armed);
}

static void test_backends(void **state)
{
    struct unit_tree *t = *state;
    struct fake_kernel k = { .tree = t };
    struct pstore_backend b;

    expect_description(t, "this kernel has no pstore", false);
    machine_create(t, "6.1.0");
    expect_description(t, "no pstore back end is registered", false);

    assert_int_equal(fake_module_load(&k, "ramoops",
                                      "mem_address=0x1e000000 mem_size=0x440000 "
                                      "record_size=0x100000 console_size=0x40000 ftrace_size=0 "
                                      "pmsg_size=0"),
                     0);
    expect_description(t,
                       "ramoops at 0x1e000000, 4.25 MiB of RAM buffer: 4 records of 1 MiB "
                       "(compressed), 256 KiB console; survives a reboot, not a loss of power",
                       true);
    assert_int_equal(pstore_backend_inspect(&t->root, &b), 0);
    assert_int_equal(b.records, 4);
    assert_int_equal(b.zone_size, 1 << 20);
    assert_int_equal(b.text_per_dump, ((1 << 20) - 12) * UINT64_C(100) / 60);
    pstore_backend_uncompressed(&b);
    assert_int_equal(b.text_per_dump, (1 << 20) - 12);

    /* the original's: one zone of nearly 4 MiB */
    machine_ramoops_parameters(&k, "mem_address=0x1e000000 mem_size=0x400000 record_size=0x200000 "
                                   "console_size=0 ftrace_size=4096 pmsg_size=4096");
    assert_int_equal(pstore_backend_inspect(&t->root, &b), 0);
    assert_int_equal(b.records, 1);
    assert_int_equal(b.zone_size, 0x3fe000);

    machine_ramoops_parameters(&k, "mem_address=0x1e000000 mem_size=0x1000 record_size=0");
    expect_description(t,
                       "ramoops at 0x1e000000, 4 KiB of RAM buffer: 0 records of 0 bytes "
                       "(compressed), 4 KiB console; survives a reboot, not a loss of power",
                       false);

    machine_ramoops_parameters(&k, "mem_size=18446744073709551615 mem_address=18446744073709551615 "
                                   "record_size=1 console_size=18446744073709551615");
    assert_int_equal(pstore_backend_inspect(&t->root, &b), 0);
    assert_int_equal(b.records, 0);

    assert_int_equal(fake_module_unload(&k, "ramoops"), 0);
    machine_sysfs(t, "/sys/module/pstore/parameters/backend", "ramoops");
    expect_description(t, "ramoops (only root may see its region)", true);
    machine_sysfs(t, "/sys/module/pstore/parameters/backend", "efi_pstore");
    expect_description(t,
                       "efi_pstore, in the firmware's own storage: at least the last 16.67 KiB of "
                       "the log; survives a loss of power",
                       true);
    machine_sysfs(t, "/sys/module/pstore/parameters/backend", "pstore_blk");
    expect_description(t, "pstore_blk", true);
}

static void test_mount_options(void **state)
{
    struct unit_tree *t = *state;
    struct pstore_backend b;

    machine_create(t, "6.1.0");
    unit_write_str(t, "/proc/self/mounts",
                   "pstore /mnt pstore rw 0 0\npstore\n"
                   "pstore /sys/fs/pstore pstore rw,kmsg_bytes=65536 0 0\n");
    assert_int_equal(pstore_backend_inspect(&t->root, &b), 0);
    assert_true(b.mounted);
    assert_int_equal(b.kmsg_bytes, 65536);
    unit_write_str(t, "/proc/self/mounts", "pstore /mnt pstore rw 0 0\n");
    machine_sysfs(t, "/sys/module/pstore/parameters/compress", "none");
    assert_int_equal(pstore_backend_inspect(&t->root, &b), 0);
    assert_false(b.mounted);
    assert_int_equal(b.kmsg_bytes, 10240);
    assert_string_equal(b.compression, "");
}

static void test_policy(void **state)
{
    struct unit_tree *t = *state;
    struct panic_finding found[PANIC_FINDINGS_MAX];

    assert_int_equal(panic_policy_check(&t->root, found), 0);
    machine_create(t, "6.1.0");
    assert_int_equal(panic_policy_check(&t->root, found), 0);
    machine_sysfs(t, "/proc/sys/kernel/panic", "10");
    machine_sysfs(t, "/proc/sys/kernel/panic_on_oops", "0");
    assert_int_equal(panic_policy_check(&t->root, found), 1);
    assert_string_equal(found[0].name, "kernel.panic_on_oops");
    assert_int_equal(found[0].live, 0);
    assert_int_equal(found[0].wanted, 1);
    machine_sysfs(t, "/proc/sys/kernel/panic", "0");
    machine_sysfs(t, "/proc/sys/kernel/softlockup_panic", "0");
    machine_sysfs(t, "/proc/sys/kernel/hardlockup_panic", "0");
    assert_int_equal(panic_policy_check(&t->root, found), 4);
    machine_sysfs(t, "/proc/sys/kernel/panic", "soon");
    assert_int_equal(panic_policy_check(&t->root, found), 3);
}

#define TREE_TEST(f) cmocka_unit_test_setup_teardown(f, unit_tree_setup, unit_tree_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TREE_TEST(test_facts),      TREE_TEST(test_facts_of_nothing), TREE_TEST(test_odd_facts),
        TREE_TEST(test_own_device), TREE_TEST(test_backends),         TREE_TEST(test_mount_options),
        TREE_TEST(test_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
