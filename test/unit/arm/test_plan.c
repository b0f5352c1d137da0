/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "arm/plan.h"
#include "parse/cmdline.h"

#define RAM_BUFFER            \
    {                         \
        0x3e000000, 0x1fe0000 \
    }
#define LAYOUT_8                                                     \
    "mem_address=0x3e000000 mem_size=0x840000 record_size=0x100000 " \
    "console_size=0x40000 ftrace_size=0x0 pmsg_size=0x0"

/* A kernel with pstore mounted and nothing registered, and pstore in RAM wanted. */
static struct arm_facts machine(unsigned major, unsigned minor)
{
    struct arm_facts f = {
        .use_pstore_ram = true,
        .backend = { .supported = true, .mounted = true, .kmsg_bytes = 10240 },
    };

    (void)snprintf(f.kernel, sizeof(f.kernel), "%u.%u.0-test", major, minor);
    return f;
}

static struct pstore_backend ramoops_backend(unsigned records)
{
    return (struct pstore_backend){
        .supported = true,
        .mounted = true,
        .kind = PSTORE_KIND_RAMOOPS,
        .name = "ramoops",
        .ramoops_present = true,
        .records = records,
        .ramoops = { .known = true,
                     .in_use = true,
                     .mem_address = 0x3e000000,
                     .mem_size = 0x440000,
                     .record_size = records ? 1 << 20 : 0,
                     .max_reason = 2 },
    };
}

static struct arm_facts with_cmdline(struct arm_facts f, const char *cmdline)
{
    arm_cmdline_parse(span_str(cmdline), &f.cmdline);
    return f;
}

static struct arm_facts with_buffer(struct arm_facts f, uint64_t size)
{
    f.ram_buffer = (struct arm_region){ 0x3e000000, size };
    return f;
}

struct expectation {
    enum arm_action action;
    enum arm_source source;
    const char *options; /* NULL: not looked at */
    const char *reason;  /* substrings; NULL: must be empty */
    const char *advice;
    const char *warning;
};

static void expect_text(const char *what, const char *field, const char *got, const char *wanted)
{
    if (wanted ? !strstr(got, wanted) : got[0] != '\0')
        fail_msg("%s: %s is '%s', not '%s'", what, field, got, wanted ? wanted : "");
}

static struct arm_plan expect(const char *what, const struct arm_facts *f,
                              const struct expectation *e)
{
    struct arm_plan p;

    arm_plan_make(f, &p);
    if (p.action != e->action || p.source != e->source ||
        (e->options && strcmp(p.options, e->options) != 0))
        fail_msg("%s: action %d, source %d, options '%s', reason '%s'", what, p.action, p.source,
                 p.options, p.reason);
    expect_text(what, "reason", p.reason, e->reason);
    expect_text(what, "advice", p.advice, e->advice);
    expect_text(what, "warning", p.warning, e->warning);
    return p;
}

static void test_sources(void **state)
{
    struct arm_facts f = with_buffer(machine(6, 1), 0x1fe0000);

    expect("a RAM buffer", &f, &(struct expectation){ ARM_LOAD, ARM_SOURCE_RAM_BUFFER, LAYOUT_8 });
    f = with_buffer(machine(6, 1), 5 << 20);
    expect("exactly 5 MiB", &f,
           &(struct expectation){ ARM_LOAD, ARM_SOURCE_RAM_BUFFER,
                                  "mem_address=0x3e000000 mem_size=0x440000 record_size=0x100000 "
                                  "console_size=0x40000 ftrace_size=0x0 pmsg_size=0x0" });
    f = with_cmdline(with_buffer(machine(6, 12), 0x1fe0000),
                     "quiet reserve_mem=5M:4096:oops ramoops.mem_name=oops");
    expect("reserve_mem= comes first", &f,
           &(struct expectation){ ARM_LOAD, ARM_SOURCE_RESERVE_MEM,
                                  "record_size=0x100000 console_size=0x40000 ftrace_size=0x0 "
                                  "pmsg_size=0x0" });
    f = with_cmdline(machine(6, 12), "reserve_mem=1M:4096:trace reserve_mem=5M:4096:oops");
    expect("a reserve_mem= by ramoops' usual name", &f,
           &(struct expectation){ ARM_LOAD, ARM_SOURCE_RESERVE_MEM,
                                  "mem_name=oops record_size=0x100000 console_size=0x40000 "
                                  "ftrace_size=0x0 pmsg_size=0x0" });
    f = with_cmdline(with_buffer(machine(6, 1), 0x1fe0000),
                     "ramoops.mem_address=0x9000000 ramoops.mem_size=0x400000 "
                     "ramoops.record_size=262144 ramoops.pmsg_size=0x1000");
    expect("what the command line gives is taken and not repeated", &f,
           &(struct expectation){ ARM_LOAD, ARM_SOURCE_CMDLINE,
                                  "console_size=0x40000 ftrace_size=0x0" });
    f = with_buffer(machine(6, 1), 0x1fe0000);
    (void)snprintf(f.device, sizeof(f.device), "ramoops");
    expect("a region of the firmware", &f,
           &(struct expectation){ ARM_LOAD, ARM_SOURCE_FIRMWARE, "" });
}

static void test_cmdline_half_given(void **state)
{
    struct arm_facts f = with_cmdline(with_buffer(machine(6, 1), 0x1fe0000),
                                      "reserve_mem=5M:4096:oops ramoops.mem_name=oops");

    expect("an older kernel knows no reserve_mem=", &f,
           &(struct expectation){ ARM_LOAD, ARM_SOURCE_RAM_BUFFER, LAYOUT_8, .warning = "6.12" });
    f = with_cmdline(machine(6, 12), "reserve_mem=5M:4096:trace ramoops.mem_name=oops");
    expect("a name that nothing reserves", &f,
           &(struct expectation){ ARM_NOTHING, ARM_SOURCE_NONE, "", "no RAM buffer",
                                  "reserve_mem=5M:4096:oops", "names no memory" });
    f = with_cmdline(machine(6, 12), "reserve_mem=5M:4096:trace");
    expect("memory that is another's", &f,
           &(struct expectation){ ARM_NOTHING, ARM_SOURCE_NONE, "", "no RAM buffer",
                                  "reserve_mem=5M:4096:oops" });
    f = with_cmdline(machine(6, 12), "reserve_mem=32K:4096:oops");
    expect("too little reserved", &f,
           &(struct expectation){ ARM_NOTHING, ARM_SOURCE_RESERVE_MEM, "", "only 32 KiB",
                                  "give it 5 MiB" });
    f = with_cmdline(with_buffer(machine(6, 1), 0x1fe0000), "ramoops.mem_size=5M");
    expect("a suffix that the module would refuse", &f,
           &(struct expectation){ ARM_LOAD, ARM_SOURCE_RAM_BUFFER, LAYOUT_8 });
}

static void test_no_region(void **state)
{
    struct arm_facts f = machine(6, 1);

    expect("no buffer, old kernel", &f,
           &(struct expectation){ ARM_NOTHING, ARM_SOURCE_NONE, "", "no RAM buffer",
                                  "since 6.12" });
    f = with_buffer(machine(6, 12), (5 << 20) - 1);
    expect("a buffer that is too small", &f,
           &(struct expectation){ ARM_NOTHING, ARM_SOURCE_NONE, "", "has only 5 MiB", "reboot" });
    f = machine(6, 1);
    f.iomem_masked = true;
    expect("an unprivileged user", &f,
           &(struct expectation){ ARM_NOTHING, ARM_SOURCE_NONE, "", "hides the addresses",
                                  "run this as root" });
    f = machine(6, 1);
    f.iomem_error = -EACCES;
    expect("no /proc/iomem", &f,
           &(struct expectation){ ARM_NOTHING, ARM_SOURCE_NONE, "", "Permission denied",
                                  "run this as root" });
    f = with_buffer(machine(6, 1), 0x1fe0000);
    f.backend.supported = false;
    expect("no pstore", &f,
           &(struct expectation){ ARM_NOTHING, ARM_SOURCE_NONE, "", "no pstore", "CONFIG_PSTORE" });
}

static void test_registered(void **state)
{
    struct arm_facts f = with_buffer(machine(6, 1), 0x1fe0000);

    f.backend = ramoops_backend(4);
    expect("ramoops is there already", &f, &(struct expectation){ ARM_KEEP, ARM_SOURCE_NONE, "" });
    f.use_pstore_ram = false;
    expect("and switched off by configuration", &f,
           &(struct expectation){ ARM_KEEP, ARM_SOURCE_NONE, "",
                                  .warning = "USE_PSTORE_RAM is off" });
    f.use_pstore_ram = true;
    f.backend = ramoops_backend(0);
    expect("ramoops with only a console", &f,
           &(struct expectation){ ARM_NOTHING, ARM_SOURCE_NONE, "", "keeps no dumps",
                                  "record_size" });
    f = with_buffer(machine(6, 1), 0x1fe0000);
    f.backend.kind = PSTORE_KIND_EFI;
    (void)snprintf(f.backend.name, sizeof(f.backend.name), "efi_pstore");
    expect("the firmware's variables", &f,
           &(struct expectation){ ARM_KEEP, ARM_SOURCE_NONE, "", .advice = "pstore_disable" });
    f.ram_buffer.size = 0;
    expect("the firmware's variables, and nothing better", &f,
           &(struct expectation){ ARM_KEEP, ARM_SOURCE_NONE, "" });
    f = with_buffer(f, 0x1fe0000);
    f.use_pstore_ram = false;
    expect("the firmware's variables, and no RAM wanted", &f,
           &(struct expectation){ ARM_KEEP, ARM_SOURCE_NONE, "" });
    f.backend.kind = PSTORE_KIND_ERST;
    f.backend.mounted = false;
    assert_true(expect("ERST", &f, &(struct expectation){ ARM_KEEP, ARM_SOURCE_NONE, "" }).mount);
}

static void test_switched_off(void **state)
{
    struct arm_facts f = with_buffer(machine(6, 1), 0x1fe0000);

    f.use_pstore_ram = false;
    assert_true(expect("only kdump is left", &f,
                       &(struct expectation){ ARM_NOTHING, ARM_SOURCE_NONE, "",
                                              "USE_PSTORE_RAM is off", "USE_PSTORE_RAM=1" })
                    .kdump);
}

static void test_lost(void **state)
{
    struct arm_facts f = with_buffer(machine(6, 12), 0x1fe0000);
    struct arm_plan p;

    f.ramoops_lost = true;
    p = expect("memory that does not survive", &f,
               &(struct expectation){ ARM_NOTHING, ARM_SOURCE_NONE, "", "does not survive",
                                      "arm --force" });
    assert_true(p.kdump && p.no_region);
}

#define OOPS "reserve_mem=5M:4096:oops ramoops.mem_name=oops"
#define CRASH "crashkernel=96M"

/* The ladder: what the next boots need. */
static void test_next_boot(void **state)
{
    static const struct {
        const char *what;
        unsigned minor; /* of 6 */
        uint64_t buffer;
        const char *cmdline;
        bool no_ram, lost, failed, masked, builtin, old; /* old: no kexec */
        const char *ours, *theirs;
        bool they_reserve;
        const char *wanted; /* NULL: not known */
    } cases[] = {
        { "a RAM buffer needs nothing", 1, 32 << 20, "", .wanted = "" },
        { "and what was reserved goes", 1, 32 << 20, CRASH, .ours = CRASH, .wanted = "" },
        { "5 MiB", 12, 0, "", .wanted = OOPS },
        { "5 MiB before the reboot", 12, 0, "", .ours = OOPS, .wanted = OOPS },
        { "5 MiB after it", 12, 0, OOPS, .ours = OOPS, .wanted = OOPS },
        { "5 MiB of the user's", 12, 0, OOPS, .they_reserve = true, .wanted = "" },
        { "of the user's, before the reboot", 12, 0, "", .they_reserve = true, .wanted = "" },
        { "built in", 12, 0, "", .builtin = true, .wanted = OOPS " ramoops.record_size=0x100000" },
        { "an older kernel", 1, 0, "", .wanted = CRASH },
        { "an older kernel, again", 1, 0, CRASH, .ours = CRASH, .wanted = CRASH },
        { "an older kernel, another size", 1, 0, "crashkernel=80M", .ours = "crashkernel=80M",
          .wanted = CRASH },
        { "a user's own", 1, 0, "crashkernel=256M", .theirs = "256M", .wanted = "" },
        { "a user's own that GRUB does not know of", 1, 0, "crashkernel=256M", .wanted = "" },
        { "a user's own for the next boot", 1, 0, "", .theirs = "256M", .wanted = "" },
        { "from kdump to 5 MiB after an update", 12, 0, CRASH, .ours = CRASH, .wanted = OOPS },
        { "wanted", 12, 32 << 20, "", .no_ram = true, .wanted = CRASH },
        { "wanted, instead of 5 MiB", 12, 0, OOPS, .no_ram = true, .ours = OOPS, .wanted = CRASH },
        { "lost", 12, 32 << 20, "", .lost = true, .wanted = CRASH },
        { "lost in what was reserved", 12, 0, OOPS, .lost = true, .ours = OOPS, .wanted = CRASH },
        { "ramoops failed", 12, 32 << 20, "", .failed = true, .wanted = CRASH },
        { "who may not see does not know", 12, 0, "", .masked = true, .wanted = NULL },
        { "no kexec", 1, 0, "", .old = true, .wanted = "" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arm_facts f = with_cmdline(machine(6, cases[i].minor), cases[i].cmdline);
        struct next_boot_facts n = { .arm = &f, .crashkernel_mib = 96 };
        struct arm_plan p;
        struct span running;
        char value[64] = "", got[128];

        f.use_pstore_ram = !cases[i].no_ram;
        f.ramoops_lost = cases[i].lost;
        f.iomem_masked = cases[i].masked;
        f.builtin = cases[i].builtin;
        f = with_buffer(f, cases[i].buffer);
        arm_plan_make(&f, &p);
        if (cmdline_get(span_str(cases[i].cmdline), "crashkernel", &running))
            (void)span_copy(running, value, sizeof(value));
        n.plan = &p;
        n.pstore_failed = cases[i].failed;
        n.can_kexec = !cases[i].old;
        n.running = value;
        n.ours = cases[i].ours ? cases[i].ours : "";
        n.theirs = cases[i].theirs ? cases[i].theirs : "";
        n.they_reserve = cases[i].they_reserve;
        if (arm_next_boot(&n, got, sizeof(got)) != (cases[i].wanted != NULL) ||
            (cases[i].wanted && strcmp(got, cases[i].wanted) != 0))
            fail_msg("%s: '%s'", cases[i].what, got);
    }
}

static void test_loaded_not_registered(void **state)
{
    struct arm_facts f = with_buffer(machine(6, 1), 0x1fe0000);

    f.backend.ramoops_present = f.backend.ramoops.known = true;
    assert_true(expect("loaded without a region", &f,
                       &(struct expectation){ ARM_LOAD, ARM_SOURCE_RAM_BUFFER, LAYOUT_8 })
                    .reload);
    f.backend.ramoops.in_use = true;
    expect("loaded with a region that did not work", &f,
           &(struct expectation){ ARM_NOTHING, ARM_SOURCE_NONE, "", "could not register",
                                  "dmesg" });
    f = with_buffer(machine(6, 1), 0x1fe0000);
    f.builtin = f.backend.ramoops_present = f.backend.ramoops.known = true;
    expect("built in", &f,
           &(struct expectation){ ARM_NOTHING, ARM_SOURCE_NONE, "", "built in",
                                  "ramoops.mem_address=" });
    (void)snprintf(f.kernel, sizeof(f.kernel), "6.12.0-test");
    expect("built in, new kernel", &f,
           &(struct expectation){ ARM_NOTHING, ARM_SOURCE_NONE, "", "built in", "reserve_mem=" });
}

static void test_configured_sizes(void **state)
{
    struct arm_facts f = with_buffer(machine(6, 1), 8 << 20);

    f.record_size = 512 << 10;
    f.console_size = 1 << 20;
    expect("configured", &f,
           &(struct expectation){ ARM_LOAD, ARM_SOURCE_RAM_BUFFER,
                                  "mem_address=0x3e000000 mem_size=0x500000 record_size=0x80000 "
                                  "console_size=0x100000 ftrace_size=0x0 pmsg_size=0x0" });
    f.record_size = 16 << 20;
    expect("configured too large", &f,
           &(struct expectation){ ARM_LOAD, ARM_SOURCE_RAM_BUFFER, NULL,
                                  .warning = "RAMOOPS_RECORD_SIZE" });
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sources),          cmocka_unit_test(test_cmdline_half_given),
        cmocka_unit_test(test_no_region),        cmocka_unit_test(test_registered),
        cmocka_unit_test(test_switched_off),     cmocka_unit_test(test_loaded_not_registered),
        cmocka_unit_test(test_configured_sizes), cmocka_unit_test(test_lost),
        cmocka_unit_test(test_next_boot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
