/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "arm/kdump.h"
#include "parse/cmdline.h"

enum { MAX_PARAMS = 512 }; /* that are passed on; a command line of the running kernel has 4096 bytes */

/* ---- the command line ---- */

/* What must not be on it. A name that ends in '*' is a prefix. */
static const char *const dropped[] = {
    /* the boot loader's, the root's and user space's */
    "BOOT_IMAGE", "initrd", "root", "rootflags", "rootfstype", "rootdelay", "rootwait", "ro", "rw",
    "init", "rdinit", "resume", "resume_offset", "noresume", "splash", "rhgb", "single", "rd.*",
    "systemd.*", "plymouth.*", "luks.*", "steamos.*", "steamenv_boot", "kdump-steamos.*", "ip",
    /* memory */
    "crashkernel", "reserve_mem", "mem", "memmap", "hugepages", "hugepagesz",
    "default_hugepagesz", "hugetlb_cma", "cma", "cma_pernuma", "movable_node", "movablecore",
    "kernelcore", "log_buf_len", "trace_buf_size", "transparent_hugepage", "swiotlb", "numa",
    "numa_balancing", "cgroup_disable", "cgroup_enable", "swapaccount", "slub_debug", "slab_debug",
    "page_owner", "debug_pagealloc", "kmemleak", "kasan*", "kfence.*", "zswap.*",
    /* other CPUs */
    "nr_cpus", "maxcpus", "possible_cpus", "isolcpus", "nohz_full", "rcu_nocbs", "irqaffinity",
    "nosmp", "mitigations",
    /* tracing, and records of crashes */
    "ftrace*", "trace_*", "tp_printk", "ramoops.*", "pstore.*", "efi_pstore.*",
    "crash_kexec_post_notifiers", "panic", "panic_print", "panic_on_*", "oops", "softlockup_panic",
    "hardlockup_all_cpu_backtrace", "nmi_watchdog", "audit", "lsm", "security", "selinux",
    "apparmor",
    /* how much is said */
    "quiet", "loglevel", "debug", "ignore_loglevel", "initcall_debug", "printk.devkmsg", "dyndbg",
    "irqpoll", "irqfixup", "reset_devices",
};

/* What is added. tracer_init_tracefs alone takes 8.6 MB; the others are small, and all of no use
 * to a kernel that lives for seconds. A panic of its own ends in a reboot. */
static const char added[] =
#ifdef __aarch64__
    "maxcpus=1 "
#else
    "nr_cpus=1 "
#endif
    "reset_devices irqpoll panic=5 initcall_blacklist=tracer_init_tracefs cgroup_disable=memory "
    "numa=off transparent_hugepage=never audit=0 lsm= mitigations=off";

static bool name_matches(struct span name, const char *pattern)
{
    char prefix[32];
    size_t n = strlen(pattern);

    if (n == 0 || pattern[n - 1] != '*')
        return cmdline_name_is(name, pattern);
    (void)span_copy(span_bytes(pattern, n - 1), prefix, sizeof(prefix));
    return name.n >= n - 1 && cmdline_name_is(span_take(&name, n - 1), prefix);
}

static bool is_dropped(struct span name)
{
    for (size_t i = 0; i < ARRAY_SIZE(dropped); i++)
        if (name_matches(name, dropped[i]))
            return true;
    return false;
}

static bool has_blank(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (byte_is_space(s.p[i]))
            return true;
    return false;
}

static void add_param(struct strbuf *out, const struct cmdline_param *p)
{
    bool quote = has_blank(p->name) || has_blank(p->value);

    if (quote)
        (void)strbuf_char(out, '"');
    (void)strbuf_span(out, p->name);
    if (p->has_value)
        (void)strbuf_char(out, '=');
    (void)strbuf_span(out, p->value);
    if (quote)
        (void)strbuf_char(out, '"');
    (void)strbuf_char(out, ' ');
}

static size_t written_size(const struct cmdline_param *p)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };

    add_param(&text, p);
    return text.failed ? SIZE_MAX / (2 * MAX_PARAMS) : text.n;
}

/* The longest first; where the crash kernel says something at all is worth most. */
static size_t choose_to_leave(const struct cmdline_param *params, const bool *left, size_t n)
{
    size_t chosen = 0, longest = 0;

    for (size_t i = 0; i < n; i++) {
        bool console = cmdline_name_is(params[i].name, "console") ||
                       cmdline_name_is(params[i].name, "earlycon");
        size_t weight = console ? 1 : 1 + written_size(&params[i]);

        if (!left[i] && weight >= longest) {
            longest = weight;
            chosen = i;
        }
    }
    return chosen;
}

static void note_left_out(struct span name, char *buf, size_t size)
{
    size_t n = strlen(buf);

    (void)snprintf(buf + n, size - n, "%s%.*s", n > 0 ? " " : "", (int)MIN(name.n, (size_t)64),
                   name.p);
}

void kdump_cmdline(struct span running, char *buf, size_t size, char *left_out, size_t left_size)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    struct cmdline_param params[MAX_PARAMS], p;
    bool left[MAX_PARAMS] = { false };
    size_t n = 0, total = sizeof(added); /* with the NUL */

    left_out[0] = '\0';
    while (cmdline_next(&running, &p)) {
        if (is_dropped(p.name))
            continue;
        if (n == MAX_PARAMS) {
            note_left_out(p.name, left_out, left_size);
            continue;
        }
        total += written_size(&p);
        params[n++] = p;
    }
    while (total > size && n > 0) {
        size_t i = choose_to_leave(params, left, n);

        if (left[i])
            break;
        left[i] = true;
        total -= written_size(&params[i]);
        note_left_out(params[i].name, left_out, left_size);
    }
    for (size_t i = 0; i < n; i++)
        if (!left[i])
            add_param(&text, &params[i]);
    (void)strbuf_str(&text, added);
    if (text.failed || !span_copy(strbuf_view(&text), buf, size))
        (void)span_copy(span_str(added), buf, size);
}

/* ---- the kernel's file ---- */

enum { HEADER_MAGIC = 0x202, HEADER_VERSION = 0x20e, SETUP = 0x200 };

#if defined(__x86_64__) || defined(__i386__)
#define NO_HEADER KDUMP_OTHER /* kexec takes nothing else */
#else
#define NO_HEADER KDUMP_UNKNOWN
#endif

enum kdump_match kdump_match_kernel(struct span head, const char *release)
{
    size_t at, n = strlen(release);

    if (head.n < SETUP + 0x100 || memcmp(head.p + HEADER_MAGIC, "HdrS", 4) != 0)
        return NO_HEADER;
    at = (uint8_t)head.p[HEADER_VERSION] + (size_t)(uint8_t)head.p[HEADER_VERSION + 1] * 256;
    if (at == 0)
        return KDUMP_UNKNOWN;
    at += SETUP;
    if (at + n + 1 > head.n || memcmp(head.p + at, release, n) != 0)
        return KDUMP_OTHER;
    return head.p[at + n] == ' ' || head.p[at + n] == '\0' ? KDUMP_SAME : KDUMP_OTHER;
}

/* ---- the plan ---- */

static void impossible(struct kdump_plan *p, const char *reason, const char *advice)
{
    p->action = KDUMP_IMPOSSIBLE;
    SAY(p->reason, "%s", reason);
    SAY(p->advice, "%s", advice);
}

void kdump_plan_make(const struct kdump_facts *f, bool ours, struct kdump_plan *out)
{
    struct kdump_plan p = { .action = KDUMP_LOAD };

    if (!f->kexec.supported) {
        impossible(&p, "this kernel cannot load a crash kernel",
                   "use a kernel with CONFIG_KEXEC_FILE and CONFIG_CRASH_DUMP");
    } else if (f->kexec.loaded && !ours) {
        p.action = KDUMP_KEEP;
    } else if (f->kexec.reserved == 0 && f->kexec.crashkernel[0] != '\0') {
        p.no_memory = true;
        impossible(&p, "the kernel could not reserve what crashkernel= asks for",
                   "see what it says: dmesg | grep -i crash");
        SAY(p.reason, "the kernel could not reserve crashkernel=%s", f->kexec.crashkernel);
    } else if (f->kexec.reserved == 0) {
        p.no_memory = true;
        impossible(&p, "no memory is reserved for a crash kernel", "");
        SAY(p.advice, "the next boot's command line needs crashkernel=%uM", f->wanted_mib);
    } else if (f->image[0] == '\0') {
        impossible(&p, "the running kernel's file was not found",
                   "after an update of the kernel, reboot; else put the kernel where it is looked "
                   "for: /boot/vmlinuz-VERSION or /usr/lib/modules/VERSION/vmlinuz");
    }
    kdump_cmdline(span_str(f->cmdline), p.cmdline, sizeof(p.cmdline), p.left_out,
                  sizeof(p.left_out));
    *out = p;
}

void kdump_explain(int error, uint64_t reserved, struct kdump_plan *p)
{
    static const struct {
        int error;
        const char *reason, *advice;
    } known[] = {
        { EKEYREJECTED, "the kernel's file is not signed by a key that the running kernel trusts",
          "boot the distribution's signed kernel, or turn Secure Boot off" },
        { ENOKEY, "the kernel's file is not signed by a key that the running kernel trusts",
          "boot the distribution's signed kernel, or turn Secure Boot off" },
        { ENODATA, "the running kernel (Secure Boot, lockdown) wants a signed kernel file, and this "
                   "one has no signature",
          "boot the distribution's signed kernel, or turn Secure Boot off" },
        { EPERM, "loading a crash kernel is not permitted",
          "run this as root, with kernel.kexec_load_disabled=0, and without lockdown" },
        { EACCES, "loading a crash kernel is not permitted",
          "run this as root, with kernel.kexec_load_disabled=0, and without lockdown" },
        { ENOSYS, "this kernel has no kexec_file_load(2)",
          "use a kernel with CONFIG_KEXEC_FILE" },
        { EBUSY, "another program is loading a kernel just now",
          "try again: kdump-steamos arm; stop the other one (kdump-tools, kexec)" },
        { ENOEXEC, "the kernel's file is none that can be started by kexec",
          "install the kernel's package again" },
        { ENOMEM, "there is too little memory to load a crash kernel",
          "close programs, or reserve more: CRASHKERNEL= in /etc/default/kdump" },
    };

    if (error == -EADDRNOTAVAIL) {
        SAY(p->reason,
            "the crash kernel and its image do not fit into the %" PRIu64 " MiB that are reserved",
            reserved >> 20);
        SAY(p->advice, "reserve more: CRASHKERNEL= in /etc/default/kdump, or crashkernel= where "
                       "you set it, and reboot");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (known[i].error == -error) {
            impossible(p, known[i].reason, known[i].advice);
            return;
        }
    SAY(p->reason, "cannot load the crash kernel: %s", strerror(-error));
    SAY(p->advice, "see what the kernel says: dmesg | grep -i kexec");
    p->action = KDUMP_IMPOSSIBLE;
}
