/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs, whole, on a tree whose kernel is a fake: what is done, and what is left behind. */
#include "machine.h"

#include "arm/arm.h"
#include "base/log.h"
#include "spool/boot_marker.h"

#define FOLDER "/home/.steamos/offload/var/kdump"
#define OPTIONS                                                      \
    "mem_address=0x1e000000 mem_size=0x840000 record_size=0x100000 " \
    "console_size=0x40000 ftrace_size=0x0 pmsg_size=0x0"

struct bench {
    struct unit_tree *tree;
    struct fake_kernel kernel;
    struct sysops ops;
    struct context context;
};

static int bench_setup(void **state)
{
    static char folder[] = FOLDER, none[] = "";
    struct bench *b = calloc(1, sizeof(*b));
    void *tree;

    if (!b || unit_tree_setup(&tree) < 0)
        return -1;
    b->tree = tree;
    b->kernel.tree = b->tree;
    b->ops = fake_sysops(&b->kernel);
    b->context = (struct context){
        .root = b->tree->root,
        .config = { .kdump_folder = folder, .mount_devnode = none, .use_pstore_ram = true },
        .ops = &b->ops,
    };
    machine_create(b->tree, "6.1.0-56-amd64");
    unit_write_str(b->tree, FOLDER "/.keep", "");
    log_set_max_level(LOG_LEVEL_ERROR);
    *state = b;
    return 0;
}

static int bench_teardown(void **state)
{
    struct bench *b = *state;
    void *tree = b->tree;

    free(b);
    return unit_tree_teardown(&tree);
}

static int run(struct bench *b, const struct verb *verb, const char *argument)
{
    char name[16], option[16];
    char *argv[] = { name, argument ? option : NULL, NULL };

    (void)snprintf(name, sizeof(name), "%s", verb->name);
    (void)snprintf(option, sizeof(option), "%s", argument ? argument : "");
    optind = 0;
    return verb->run(&b->context, argument ? 2 : 1, argv);
}

static int arm(struct bench *b)
{
    b->kernel.calls[0] = '\0';
    return run(b, &verb_arm, NULL);
}

/* Another boot: nothing is loaded, the sysctls are the package's. */
static void reboot_to(struct bench *b, char id)
{
    char boot_id[] = "x1111111-2222-3333-4444-555555555555";

    boot_id[0] = id;
    (void)fake_module_unload(&b->kernel, "ramoops");
    machine_sysfs(b->tree, "/proc/sys/kernel/random/boot_id", boot_id);
    machine_sysfs(b->tree, "/proc/sys/kernel/panic_print", "2");
}

static bool read_marker(struct bench *b, struct boot_marker *out)
{
    _cleanup_close_ int fd = root_open_dir(&b->tree->root, FOLDER "/state");

    return fd >= 0 && boot_marker_read(fd, out) == 0;
}

static enum boot_phase phase_of(struct bench *b)
{
    struct boot_marker marker;

    assert_true(read_marker(b, &marker));
    return marker.phase;
}

static void expect_panic_print(struct bench *b, const char *expected)
{
    char line[32];

    assert_int_equal(root_read_line(&b->tree->root, "/proc/sys/kernel/panic_print", line,
                                    sizeof(line)),
                     0);
    assert_string_equal(line, expected);
}

static void test_arm_and_disarm(void **state)
{
    struct bench *b = *state;
    struct boot_marker marker;

    assert_int_equal(arm(b), EXIT_SUCCESS);
    assert_string_equal(b->kernel.calls, "load ramoops " OPTIONS "; ");
    assert_true(read_marker(b, &marker));
    assert_int_equal(marker.phase, BOOT_ARMED);
    assert_int_equal(marker.deaths, 0);
    assert_true(marker.loaded_ramoops);
    assert_string_equal(marker.kernel, "6.1.0-56-amd64");
    expect_panic_print(b, "2");

    /* again in the same boot: there is nothing to do, and what disarm needs is still known */
    assert_int_equal(arm(b), EXIT_SUCCESS);
    assert_string_equal(b->kernel.calls, "");
    assert_true(read_marker(b, &marker));
    assert_true(marker.loaded_ramoops);
    assert_int_equal(marker.phase, BOOT_ARMED);

    assert_int_equal(run(b, &verb_disarm, NULL), EXIT_SUCCESS);
    assert_string_equal(b->kernel.calls, "unload ramoops; ");
    assert_false(read_marker(b, &marker));
    b->kernel.calls[0] = '\0';
    assert_int_equal(run(b, &verb_disarm, NULL), EXIT_SUCCESS);
    assert_string_equal(b->kernel.calls, "");
}

static void test_large_log_buffer(void **state)
{
    struct bench *b = *state;
    struct boot_marker marker;

    unit_write_str(b->tree, "/proc/cmdline", "quiet log_buf_len=4M\n");
    assert_int_equal(arm(b), EXIT_SUCCESS);
    expect_panic_print(b, "3");
    assert_true(read_marker(b, &marker));
    assert_int_equal(marker.panic_print_found, 2);
    assert_int_equal(marker.panic_print_set, 3);

    /* a game comes, and goes */
    machine_sysfs(b->tree, "/proc/loadavg", "9 9 9 12/2400 999");
    assert_int_equal(run(b, &verb_arm, "--settled"), EXIT_SUCCESS);
    expect_panic_print(b, "130");
    machine_sysfs(b->tree, "/proc/loadavg", "9 9 9 12/300 999");
    assert_int_equal(run(b, &verb_arm, "--settled"), EXIT_SUCCESS);
    expect_panic_print(b, "3");
    assert_true(read_marker(b, &marker));
    assert_int_equal(marker.panic_print_found, 2);

    assert_int_equal(run(b, &verb_disarm, NULL), EXIT_SUCCESS);
    expect_panic_print(b, "2");
}

/* Values that are not the package's are an administrator's. */
static void test_foreign_panic_print(void **state)
{
    struct bench *b = *state;

    machine_sysfs(b->tree, "/proc/sys/kernel/panic_print", "15");
    unit_write_str(b->tree, "/proc/cmdline", "quiet log_buf_len=4M\n");
    assert_int_equal(arm(b), EXIT_SUCCESS);
    expect_panic_print(b, "15");
    assert_int_equal(run(b, &verb_arm, "--settled"), EXIT_SUCCESS);
    expect_panic_print(b, "15");
    assert_int_equal(run(b, &verb_disarm, NULL), EXIT_SUCCESS);
    expect_panic_print(b, "15");
}

static void test_guard(void **state)
{
    struct bench *b = *state;

    assert_int_equal(arm(b), EXIT_SUCCESS);
    reboot_to(b, 'b'); /* died once */
    assert_int_equal(arm(b), EXIT_SUCCESS);
    reboot_to(b, 'c'); /* twice */
    log_set_max_level(0);
    assert_int_equal(arm(b), EXIT_NOT_ARMED);
    assert_string_equal(b->kernel.calls, "");
    assert_int_equal(phase_of(b), BOOT_BLOCKED);
    assert_int_equal(run(b, &verb_arm, "--settled"), EXIT_SUCCESS);
    assert_int_equal(phase_of(b), BOOT_BLOCKED);
    reboot_to(b, 'd');
    assert_int_equal(arm(b), EXIT_NOT_ARMED);
    assert_int_equal(run(b, &verb_arm, "--force"), EXIT_SUCCESS);
    assert_string_equal(b->kernel.calls, "load ramoops " OPTIONS "; ");
    assert_int_equal(phase_of(b), BOOT_ARMED);
    reboot_to(b, 'e'); /* the count began anew */
    assert_int_equal(arm(b), EXIT_SUCCESS);
}

static void test_settled_boots(void **state)
{
    struct bench *b = *state;

    assert_int_equal(arm(b), EXIT_SUCCESS);
    for (char id = 'b'; id < 'h'; id++) {
        struct boot_marker marker;

        assert_int_equal(run(b, &verb_arm, "--settled"), EXIT_SUCCESS);
        assert_int_equal(phase_of(b), BOOT_SETTLED);
        reboot_to(b, id);
        /* of a boot that has not armed there is nothing to note */
        assert_int_equal(run(b, &verb_arm, "--settled"), EXIT_SUCCESS);
        assert_int_equal(arm(b), EXIT_SUCCESS);
        assert_true(read_marker(b, &marker));
        assert_int_equal(marker.phase, BOOT_ARMED);
        assert_int_equal(marker.deaths, 0);
    }
}

static void test_unfinished(void **state)
{
    struct bench *b = *state;
    _cleanup_close_ int fd = root_make_dir(&b->tree->root, FOLDER "/state", 0700);
    struct boot_marker marker = { .boot_id = "0",
                                  .kernel = "6.1.0-56-amd64",
                                  .phase = BOOT_STARTED };

    assert_int_equal(boot_marker_write(fd, &marker), 0);
    log_set_max_level(0);
    assert_int_equal(arm(b), EXIT_NOT_ARMED);
    assert_int_equal(phase_of(b), BOOT_BLOCKED);
    machine_sysfs(b->tree, "/proc/sys/kernel/osrelease", "6.1.0-57-amd64");
    reboot_to(b, 'b');
    assert_int_equal(arm(b), EXIT_SUCCESS);
}

static void test_failures(void **state)
{
    struct bench *b = *state;

    log_set_max_level(0);
    b->kernel.load_result = -ENOENT;
    assert_true(arm(b) < 0);
    assert_int_equal(phase_of(b), BOOT_ARMED); /* it came to its end */
    b->kernel.load_result = 0;
    b->kernel.probe_fails = true;
    assert_true(arm(b) < 0);
    assert_string_equal(b->kernel.calls, "load ramoops " OPTIONS "; unload ramoops; ");
    b->kernel.probe_fails = false;
    b->kernel.silent = true; /* registered by sysfs alone, while the kernel's log is there */
    assert_true(arm(b) < 0);
    reboot_to(b, '1');
    b->kernel.silent = false;
    b->kernel.no_compression = true;
    assert_int_equal(arm(b), EXIT_SUCCESS);
}

static void test_without_folder_and_log(void **state)
{
    struct bench *b = *state;
    static char missing[] = "/proc/cmdline/kdump"; /* below a file: cannot be made */
    _cleanup_close_ int dev = root_open_dir(&b->tree->root, "/dev");
    struct boot_marker marker;

    b->context.config.kdump_folder = missing;
    b->kernel.silent = true;
    assert_int_equal(unlinkat(dev, "kmsg", 0), 0);
    assert_int_equal(arm(b), EXIT_SUCCESS);
    assert_false(read_marker(b, &marker));
    assert_int_equal(run(b, &verb_arm, "--settled"), EXIT_SUCCESS);
}

/* The registered back end, the mount, and the module that is loaded without a region. */
static void test_other_states(void **state)
{
    struct bench *b = *state;

    machine_ramoops_parameters(&b->kernel, NULL);
    unit_write_str(b->tree, "/proc/self/mounts", "");
    assert_int_equal(arm(b), EXIT_SUCCESS);
    assert_string_equal(b->kernel.calls,
                        "mount /sys/fs/pstore; unload ramoops; load ramoops " OPTIONS "; ");
    reboot_to(b, 'b');
    machine_sysfs(b->tree, "/sys/module/pstore/parameters/backend", "efi_pstore");
    assert_int_equal(arm(b), EXIT_SUCCESS);
    assert_string_equal(b->kernel.calls, "");
    assert_int_equal(phase_of(b), BOOT_SETTLED); /* nothing was touched: nothing to guard */
    assert_int_equal(run(b, &verb_disarm, NULL), EXIT_SUCCESS);
    assert_string_equal(b->kernel.calls, "");
    machine_sysfs(b->tree, "/sys/module/pstore/parameters/backend", "(null)");
    b->context.config.use_pstore_ram = false;
    assert_int_equal(arm(b), EXIT_NOT_ARMED);
    assert_string_equal(b->kernel.calls, "");
}

static void test_dry_run(void **state)
{
    struct bench *b = *state;
    struct boot_marker marker;

    assert_int_equal(run(b, &verb_arm, "--dry-run"), EXIT_SUCCESS);
    assert_string_equal(b->kernel.calls, "");
    assert_false(read_marker(b, &marker));
    unit_write_str(b->tree, "/proc/iomem", "00001000-0009fbff : System RAM\n");
    assert_int_equal(run(b, &verb_arm, "--dry-run"), EXIT_NOT_ARMED);
}

static void expect_file(struct bench *b, const char *path, const char *expected)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };

    assert_int_equal(root_read(&b->tree->root, path, 4096, &text), 0);
    assert_string_equal(strbuf_cstr(&text), expected);
}

static void expect_number(struct bench *b, const char *path, int expected)
{
    char line[32], text[32];

    (void)snprintf(text, sizeof(text), "%d", expected);
    assert_int_equal(root_read_line(&b->tree->root, path, line, sizeof(line)), 0);
    assert_string_equal(line, text);
}

/* All that 60-kdump-steamos.conf sets: to its own values, or this one. "=9": all have to be 9. */
static void package_sysctls(struct bench *b, const char *value)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    struct span rest, line;
    char path[PATH_MAX];
    unsigned n = 0;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/../../data/kdump-steamos.sysctl.conf",
                   getenv("TEST_DATA"));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_int_equal(fd_read_all(fd, 65536, &text), 0);
    (void)close(fd);
    rest = strbuf_view(&text);
    while (span_next_line(&rest, &line)) {
        char name[64], own[32];
        size_t equals;

        (void)span_skip(&line, "-");
        if (!span_skip(&line, "kernel."))
            continue;
        equals = span_find_byte(line, '=');
        (void)span_copy(span_trim((struct span){ line.p, equals }), name, sizeof(name));
        (void)span_take(&line, equals + 1);
        (void)span_copy(span_trim(line), own, sizeof(own));
        (void)snprintf(path, sizeof(path), "/proc/sys/kernel/%s", name);
        if (value && value[0] == '=')
            expect_number(b, path, atoi(value + 1));
        else
            machine_sysfs(b->tree, path, value ? value : own);
        n++;
    }
    assert_int_equal(n, 7);
}

/* The package is installed, its sysctls are set, boots come and go, and it is removed. */
static void test_removal(void **state)
{
    struct bench *b = *state;

    package_sysctls(b, "9");
    assert_int_equal(run(b, &verb_arm, "--installing"), EXIT_SUCCESS);
    package_sysctls(b, NULL);
    assert_int_equal(run(b, &verb_arm, "--installing"), EXIT_SUCCESS); /* the first note holds */
    unit_write_str(b->tree, "/proc/cmdline", "quiet log_buf_len=4M\n");
    assert_int_equal(arm(b), EXIT_SUCCESS);
    expect_panic_print(b, "3");
    unit_write_str(b->tree, FOLDER "/kdump-initrd-6.1.0-56-amd64.img", "an image");
    unit_write_str(b->tree, FOLDER "/state/kdump-initrd-6.1.0-56-amd64.json", "{}");
    unit_write_str(b->tree, FOLDER "/state/test.json", "{}");
    unit_write_str(b->tree, FOLDER "/steamos-1-1.202601020304.zip", "a report");
    unit_write_str(b->tree, "/run/kdump-steamos/late", "");

    /* somebody only disarms: what the package's files say stays in force */
    assert_int_equal(run(b, &verb_disarm, NULL), EXIT_SUCCESS);
    package_sysctls(b, NULL);
    assert_int_equal(arm(b), EXIT_SUCCESS);

    unit_write_str(b->tree, FOLDER "/state/ramoops-lost.json", "{}");
    assert_int_equal(run(b, &verb_disarm, "--removing"), EXIT_SUCCESS);
    assert_string_equal(b->kernel.calls, "load ramoops " OPTIONS "; unload ramoops; ");
    package_sysctls(b, "=9");
    assert_false(root_exists(&b->tree->root, FOLDER "/kdump-initrd-6.1.0-56-amd64.img"));
    assert_false(root_exists(&b->tree->root, FOLDER "/state/kdump-initrd-6.1.0-56-amd64.json"));
    assert_false(root_exists(&b->tree->root, FOLDER "/state/boot-marker.json"));
    assert_false(root_exists(&b->tree->root, FOLDER "/state/sysctl-found.json"));
    assert_false(root_exists(&b->tree->root, FOLDER "/state/test.json"));
    assert_false(root_exists(&b->tree->root, FOLDER "/state/ramoops-lost.json"));
    assert_false(root_exists(&b->tree->root, "/run/kdump-steamos/late"));
    assert_true(root_exists(&b->tree->root, FOLDER "/state/consent.json"));
    expect_file(b, FOLDER "/steamos-1-1.202601020304.zip", "a report");
}

/* The kdump folder's file system comes only after the package: what was noted goes there. */
static void test_removal_noted_without_folder(void **state)
{
    struct bench *b = *state;

    unit_write_str(b->tree, "/etc/fstab", "/dev/vda3 /home ext4 rw,nofail 0 2\n");
    unit_write_str(b->tree, "/proc/self/mountinfo", "1 0 254:2 / / rw - ext4 /dev/vda2 rw\n");
    package_sysctls(b, "9");
    assert_int_equal(run(b, &verb_arm, "--installing"), EXIT_SUCCESS);
    assert_false(root_exists(&b->tree->root, FOLDER "/state/sysctl-found.json"));
    assert_true(root_exists(&b->tree->root, "/run/kdump-steamos/sysctl-found.json"));
    package_sysctls(b, NULL);
    unit_write_str(b->tree, "/etc/fstab", "");
    assert_int_equal(arm(b), EXIT_SUCCESS);
    assert_int_equal(run(b, &verb_arm, "--settled"), EXIT_SUCCESS);
    assert_true(root_exists(&b->tree->root, FOLDER "/state/sysctl-found.json"));
    assert_false(root_exists(&b->tree->root, "/run/kdump-steamos/sysctl-found.json"));
    assert_int_equal(run(b, &verb_disarm, "--removing"), EXIT_SUCCESS);
    package_sysctls(b, "=9");
}

/* Installed into an image, nothing could be noted; and what an administrator has set stays. */
static void test_removal_without_a_note(void **state)
{
    struct bench *b = *state;

    package_sysctls(b, NULL);
    machine_sysfs(b->tree, "/proc/sys/kernel/panic", "30");
    assert_int_equal(arm(b), EXIT_SUCCESS);
    assert_int_equal(run(b, &verb_disarm, "--removing"), EXIT_SUCCESS);
    expect_number(b, "/proc/sys/kernel/panic", 30);
    expect_number(b, "/proc/sys/kernel/panic_on_oops", 0);
    expect_number(b, "/proc/sys/kernel/softlockup_panic", 0);
    expect_number(b, "/proc/sys/kernel/panic_print", 0);
}

static void test_usage(void **state)
{
    struct bench *b = *state;

    log_set_max_level(0);
    assert_int_equal(run(b, &verb_arm, "now"), EXIT_USAGE);
    assert_int_equal(run(b, &verb_disarm, "now"), EXIT_USAGE);
}

#define BENCH_TEST(f) cmocka_unit_test_setup_teardown(f, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(test_arm_and_disarm),
        BENCH_TEST(test_large_log_buffer),
        BENCH_TEST(test_foreign_panic_print),
        BENCH_TEST(test_guard),
        BENCH_TEST(test_settled_boots),
        BENCH_TEST(test_unfinished),
        BENCH_TEST(test_failures),
        BENCH_TEST(test_without_folder_and_log),
        BENCH_TEST(test_other_states),
        BENCH_TEST(test_dry_run),
        BENCH_TEST(test_removal),
        BENCH_TEST(test_removal_noted_without_folder),
        BENCH_TEST(test_removal_without_a_note),
        BENCH_TEST(test_usage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
