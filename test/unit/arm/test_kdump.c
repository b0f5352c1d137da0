/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "arm/kdump.h"
#include "base/macro.h"

#ifdef __aarch64__
#define ONE_CPU "maxcpus=1"
#else
#define ONE_CPU "nr_cpus=1"
#endif
#define ADDED                                                                         \
    ONE_CPU " reset_devices irqpoll panic=5 initcall_blacklist=tracer_init_tracefs "  \
            "cgroup_disable=memory numa=off transparent_hugepage=never audit=0 lsm= " \
            "mitigations=off"

static void command_lines(void **state)
{
    static const struct {
        const char *running, *crash;
    } cases[] = {
        { "", ADDED },
        { "BOOT_IMAGE=/boot/vmlinuz-6.1.0-56-amd64 root=UUID=1234 ro quiet splash "
          "console=tty0 console=ttyS0,115200 crashkernel=96M rootflags=subvol=@ resume=/dev/sda2",
          "console=tty0 console=ttyS0,115200 " ADDED },
        { "hugepages=512 hugepagesz=1G default_hugepagesz=2M transparent_hugepage=always "
          "reserve_mem=5M:4096:oops ramoops.mem_name=oops ramoops.record_size=0x100000 mem=8G "
          "log_buf_len=4M init=/bin/bash rw systemd.unit=rescue.target rd.luks.uuid=x "
          "crash_kexec_post_notifiers panic=-1 nr_cpus=8 isolcpus=2-5",
          ADDED },
        { "amd_iommu=off nvme_core.default_ps_max_latency_us=0 \"dyndbg=file x +p\" "
          "module.text=\"two words\" acpi_osi=\"Windows 2020\" nokaslr",
          "amd_iommu=off nvme_core.default_ps_max_latency_us=0 \"module.text=two words\" "
          "\"acpi_osi=Windows 2020\" nokaslr " ADDED },
        { "pcie_aspm=off -- init.arg crashkernel=1M", "pcie_aspm=off " ADDED },
        { "rootwait panic-on-warn reset-devices a-b=c", "a-b=c " ADDED },
    };
    char buf[KDUMP_CMDLINE_MAX], left[64];

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        kdump_cmdline(span_str(cases[i].running), buf, sizeof(buf), left, sizeof(left));
        assert_string_equal(buf, cases[i].crash);
        assert_string_equal(left, "");
    }
}

/* A parameter of so many bytes, with the blank behind it. */
static void add(struct strbuf *out, const char *name, size_t n)
{
    (void)strbuf_printf(out, "%s=", name);
    for (size_t i = strlen(name) + 2; i < n; i++)
        (void)strbuf_char(out, 'y');
    (void)strbuf_char(out, ' ');
}

static void too_long(void **state)
{
    const size_t room = KDUMP_CMDLINE_MAX - sizeof(ADDED);
    _cleanup_strbuf_ struct strbuf running = { 0 }, wanted = { 0 };
    char buf[KDUMP_CMDLINE_MAX], left[64];

    /* just fits */
    add(&running, "x", room);
    kdump_cmdline(strbuf_view(&running), buf, sizeof(buf), left, sizeof(left));
    assert_string_equal(left, "");
    assert_int_equal(strlen(buf), KDUMP_CMDLINE_MAX - 1);

    /* The longest go, and no more than have to. */
    strbuf_clear(&running);
    (void)strbuf_str(&running, "pci=noacpi console=ttyS0,115200n8 ");
    add(&running, "long", 700);
    add(&running, "longer", 900);
    (void)strbuf_str(&running, "iommu=soft ");
    add(&running, "longest", 1200);
    kdump_cmdline(strbuf_view(&running), buf, sizeof(buf), left, sizeof(left));
    assert_string_equal(left, "longest");
    (void)strbuf_str(&wanted, "pci=noacpi console=ttyS0,115200n8 ");
    add(&wanted, "long", 700);
    add(&wanted, "longer", 900);
    (void)strbuf_str(&wanted, "iommu=soft " ADDED);
    assert_string_equal(buf, strbuf_cstr(&wanted));

    /* Consoles are the last to go. */
    strbuf_clear(&running);
    (void)strbuf_str(&running, "console=ttyS0 ");
    for (unsigned i = 0; i < 700; i++)
        (void)strbuf_printf(&running, "a%u ", i);
    kdump_cmdline(strbuf_view(&running), buf, sizeof(buf), left, sizeof(left));
    assert_true(strncmp(buf, "console=ttyS0 a0 ", 17) == 0 && left[0] != '\0');
    strbuf_clear(&running);
    add(&running, "console", KDUMP_CMDLINE_MAX);
    kdump_cmdline(strbuf_view(&running), buf, sizeof(buf), left, sizeof(left));
    assert_string_equal(buf, ADDED);
    assert_string_equal(left, "console");
}

#ifdef __x86_64__
#define NO_HEADER KDUMP_OTHER
#else
#define NO_HEADER KDUMP_UNKNOWN
#endif

static void kernel_files(void **state)
{
    static char head[4096];
    const struct span file = span_bytes(head, sizeof(head));

    assert_int_equal(kdump_match_kernel(file, "6.1.0-56-amd64"), NO_HEADER);
    memcpy(head + 0x202, "HdrS", 4);
    assert_int_equal(kdump_match_kernel(file, "6.1.0-56-amd64"), KDUMP_UNKNOWN);
    head[0x20e] = 0x40;
    head[0x20f] = 0x02;
    (void)snprintf(head + 0x440, 64, "6.1.0-56-amd64 (debian@x) #1 SMP");
    assert_int_equal(kdump_match_kernel(file, "6.1.0-56-amd64"), KDUMP_SAME);
    assert_int_equal(kdump_match_kernel(file, "6.1.0-56"), KDUMP_OTHER);
    assert_int_equal(kdump_match_kernel(file, "6.1.0-57-amd64"), KDUMP_OTHER);
    head[0x20f] = (char)0xff; /* beyond what was read */
    assert_int_equal(kdump_match_kernel(file, "6.1.0-56-amd64"), KDUMP_OTHER);
    assert_int_equal(kdump_match_kernel(span_bytes(head, 100), "6.1.0-56-amd64"), NO_HEADER);
}

static struct kdump_facts good(void)
{
    struct kdump_facts f = { .kexec = { .supported = true, .reserved = 96 << 20 },
                             .kernel = "6.1.0" };

    (void)snprintf(f.image, sizeof(f.image), "/boot/vmlinuz-6.1.0");
    return f;
}

static void plans(void **state)
{
    struct kdump_facts f = good();
    struct kdump_plan p;

    kdump_plan_make(&f, false, &p);
    assert_int_equal(p.action, KDUMP_LOAD);
    f.kexec.loaded = true;
    kdump_plan_make(&f, false, &p);
    assert_int_equal(p.action, KDUMP_KEEP);
    kdump_plan_make(&f, true, &p);
    assert_int_equal(p.action, KDUMP_LOAD);
    f = good();
    f.image[0] = '\0';
    kdump_plan_make(&f, false, &p);
    assert_true(p.action == KDUMP_IMPOSSIBLE && !p.no_memory && strstr(p.reason, "not found"));
    f.kexec.reserved = 0;
    f.wanted_mib = 112;
    kdump_plan_make(&f, false, &p);
    assert_true(p.action == KDUMP_IMPOSSIBLE && p.no_memory);
    assert_non_null(strstr(p.reason, "no memory is reserved"));
    assert_non_null(strstr(p.advice, "crashkernel=112M"));
    (void)snprintf(f.kexec.crashkernel, sizeof(f.kexec.crashkernel), "8G");
    kdump_plan_make(&f, false, &p);
    assert_true(p.no_memory && strstr(p.reason, "crashkernel=8G"));
    f.kexec.supported = false;
    kdump_plan_make(&f, false, &p);
    assert_true(!p.no_memory && strstr(p.advice, "CONFIG_KEXEC_FILE"));
}

static void explanations(void **state)
{
    static const struct {
        int error;
        const char *text;
    } cases[] = {
        { -EKEYREJECTED, "signed by a key" },
        { -EPERM, "not permitted" },
        { -ENODATA, "no signature" },
        { -EADDRNOTAVAIL, "do not fit into the 96 MiB" },
        { -ENOMEM, "too little memory" },
        { -ENOSYS, "no kexec_file_load" },
        { -EBUSY, "another program" },
        { -ENOEXEC, "none that can be started" },
        { -EXDEV, "cannot load" },
    };
    struct kdump_plan p;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        p = (struct kdump_plan){ .action = KDUMP_LOAD };
        kdump_explain(cases[i].error, 96 << 20, &p);
        if (!strstr(p.reason, cases[i].text) || p.advice[0] == '\0')
            fail_msg("%d: %s; %s", cases[i].error, p.reason, p.advice);
    }
}

static void write_kernel(struct unit_tree *t, const char *path, const char *release)
{
    static char file[40 << 10];

    memset(file, 0, sizeof(file));
    memcpy(file + 0x202, "HdrS", 4);
    file[0x20f] = 0x02;
    (void)snprintf(file + 0x400, 64, "%s (a@b) #1", release);
    unit_write(t, path, file, sizeof(file));
}

/* Where in the file the text of its release is; 0: nowhere. */
static void patch_version(struct unit_tree *t, const char *path, uint16_t at)
{
    int fd = root_open(&t->root, path, O_WRONLY, 0);

    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, &at, sizeof(at), 0x20e), sizeof(at));
    (void)close(fd);
}

static void facts(void **state)
{
    static const struct {
        const char *cmdline, *file, *image;
    } cases[] = {
        { "BOOT_IMAGE=/boot/vmlinuz-6.1.0 x", "/boot/vmlinuz-6.1.0", "/boot/vmlinuz-6.1.0" },
        { "BOOT_IMAGE=/vmlinuz-linux x", "/boot/vmlinuz-linux", "/boot/vmlinuz-linux" },
        { "BOOT_IMAGE=(hd0,gpt2)/@/boot/vmlinuz-linux", "/boot/vmlinuz-linux",
          "/boot/vmlinuz-linux" },
        { "initrd=x", "/usr/lib/modules/6.1.0/vmlinuz", "/usr/lib/modules/6.1.0/vmlinuz" },
        { "", "/efi/0123/6.1.0/linux", "/efi/0123/6.1.0/linux" },
        { "", "/boot/vmlinuz-linux-neptune", "/boot/vmlinuz-linux-neptune" },
    };
    struct unit_tree *t = *state;
    struct kdump_facts f;

    unit_write_str(t, "/proc/sys/kernel/osrelease", "6.1.0\n");
    unit_write_str(t, "/etc/machine-id", "0123\n");
    unit_write_str(t, "/proc/meminfo", "MemTotal:       16240372 kB\nMemFree: 1 kB\n");
    unit_write_str(t, "/sys/kernel/kexec_crash_loaded", "0\n");
    unit_write_str(t, "/sys/kernel/kexec_crash_size", "100663296\n");
    write_kernel(t, "/boot/vmlinuz-old", "6.0.9");
    write_kernel(t, "/boot/linux-nameless", ""); /* it does not say which it is */
    patch_version(t, "/boot/linux-nameless", 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char path[256];

        unit_write_str(t, "/proc/cmdline", cases[i].cmdline);
        write_kernel(t, cases[i].file, "6.1.0");
        assert_int_equal(kdump_facts_read(&t->root, &f), 0);
        assert_string_equal(f.image, cases[i].image);
        assert_true(f.kexec.supported && !f.kexec.loaded && f.kexec.reserved == 96 << 20);
        assert_int_equal(f.memory, 16240372ULL << 10);
        (void)snprintf(path, sizeof(path), "%s%s", t->dir, cases[i].file);
        assert_int_equal(unlink(path), 0);
    }
    /* After an update, the name is another kernel's. */
    write_kernel(t, "/boot/vmlinuz-linux", "6.2.0");
    unit_write_str(t, "/proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz-linux crashkernel=96M,low");
    assert_int_equal(kdump_facts_read(&t->root, &f), 0);
    assert_string_equal(f.image, "");
    assert_string_equal(f.kexec.crashkernel, "96M,low");
    /* One that does not say which it is, is taken by its name. */
    write_kernel(t, "/boot/vmlinuz-6.1.0", "");
    patch_version(t, "/boot/vmlinuz-6.1.0", 0);
    assert_int_equal(kdump_facts_read(&t->root, &f), 0);
    assert_string_equal(f.image, "/boot/vmlinuz-6.1.0");
}

/* ---- doing it ---- */

struct fake_kexec {
    struct unit_tree *tree;
    int result;
    bool forgets; /* it succeeds, and another program unloads it */
    unsigned loads;
    char cmdline[KDUMP_CMDLINE_MAX];
    char kernel[8], image[8]; /* how the files begin */
};

static int fake_load(void *ctx, int kernel, int image, const char *cmdline)
{
    struct fake_kexec *k = ctx;

    k->loads++;
    (void)snprintf(k->cmdline, sizeof(k->cmdline), "%s", cmdline);
    assert_int_equal(pread(kernel, k->kernel, 4, 0x202), 4);
    assert_int_equal(pread(image, k->image, 4, 0), 4);
    if (k->result == 0 && !k->forgets)
        unit_write_str(k->tree, "/sys/kernel/kexec_crash_loaded", "1\n");
    return k->result;
}

static void execution(void **state)
{
    struct unit_tree *t = *state;
    struct fake_kexec k = { .tree = t };
    const struct sysops ops = { .ctx = &k, .kexec_load = fake_load };
    struct kdump_facts f = good();
    struct kdump_result result;
    struct kdump_plan p;
    int image;

    unit_write_str(t, "/sys/kernel/kexec_crash_loaded", "0\n");
    unit_write_str(t, "/sys/kernel/kexec_crash_size", "100663296\n");
    write_kernel(t, "/boot/vmlinuz-6.1.0", "6.1.0");
    unit_write_str(t, "/image", "initramfs");
    image = root_open(&t->root, "/image", O_RDONLY, 0);
    assert_true(image >= 0);
    kdump_plan_make(&f, false, &p);
    assert_int_equal(kdump_execute(&t->root, &ops, &f, image, &p, &result), 0);
    assert_true(result.loaded && result.image == 9 && result.reserved == 96 << 20);
    assert_string_equal(k.cmdline, ADDED);
    assert_string_equal(k.kernel, "HdrS");
    assert_string_equal(k.image, "init");
    assert_string_equal(p.warning, "");

    /* 84 MiB and four times the image */
    unit_write_str(t, "/sys/kernel/kexec_crash_size", "83886080\n");
    assert_int_equal(kdump_execute(&t->root, &ops, &f, image, &p, &result), 0);
    assert_non_null(strstr(p.warning, "may need 84 MiB, and 80 are reserved"));

    k.result = -EKEYREJECTED;
    assert_int_equal(kdump_execute(&t->root, &ops, &f, image, &p, &result), -EKEYREJECTED);
    assert_true(!result.loaded && strstr(p.reason, "signed"));

    k.result = 0;
    k.forgets = true;
    unit_write_str(t, "/sys/kernel/kexec_crash_loaded", "0\n");
    kdump_plan_make(&f, false, &p);
    assert_int_equal(kdump_execute(&t->root, &ops, &f, image, &p, &result), -EIO);
    assert_non_null(strstr(p.reason, "is not there"));

    (void)snprintf(f.image, sizeof(f.image), "/boot/gone");
    assert_int_equal(kdump_execute(&t->root, &ops, &f, image, &p, &result), -ENOENT);
    assert_non_null(strstr(p.reason, "/boot/gone"));
    assert_int_equal(k.loads, 4);
    (void)close(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command_lines),
        cmocka_unit_test(too_long),
        cmocka_unit_test(kernel_files),
        cmocka_unit_test(plans),
        cmocka_unit_test(explanations),
        cmocka_unit_test_setup_teardown(facts, unit_tree_setup, unit_tree_teardown),
        cmocka_unit_test_setup_teardown(execution, unit_tree_setup, unit_tree_teardown),
    };

    return cmocka_run_group_tests_name("kdump", tests, NULL, NULL);
}
