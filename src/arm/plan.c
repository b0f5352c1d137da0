/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "arm/plan.h"
#include "parse/release.h"

static const char *const source_names[] = {
    [ARM_SOURCE_NONE] = "nothing",
    [ARM_SOURCE_RESERVE_MEM] = "reserve_mem=",
    [ARM_SOURCE_CMDLINE] = "the kernel's command line",
    [ARM_SOURCE_FIRMWARE] = "the firmware",
    [ARM_SOURCE_RAM_BUFFER] = "a RAM buffer",
};

const char *arm_source_name(enum arm_source source)
{
    return source_names[source];
}

static bool kernel_since(const struct arm_facts *f, unsigned major, unsigned minor)
{
    return kernel_release_at_least(span_str(f->kernel), major, minor);
}

/* reserve_mem= and ramoops.mem_name came with 6.12 (kernel command-line parameters;
 * fs/pstore/ram.c). An older kernel ignores both. */
static bool has_reserve_mem(const struct arm_facts *f)
{
    return kernel_since(f, 6, 12);
}

static const char *size_text(uint64_t bytes, char *buf, size_t size)
{
    _cleanup_strbuf_ struct strbuf b = { 0 };

    (void)format_size(bytes, &b);
    (void)span_copy(strbuf_view(&b), buf, size);
    return buf;
}

static void nothing(struct arm_plan *p, const char *reason, const char *advice)
{
    p->action = ARM_NOTHING;
    SAY(p->reason, "%s", reason);
    SAY(p->advice, "%s", advice);
}

static bool choose_source(const struct arm_facts *f, struct arm_plan *p)
{
    const struct arm_cmdline *c = &f->cmdline;

    if (f->ramoops_lost) {
        return false;
    } else if (c->mem_name[0] != '\0' && c->reserved > 0 && has_reserve_mem(f)) {
        p->source = ARM_SOURCE_RESERVE_MEM;
        p->region = (struct arm_region){ 0, c->reserved };
    } else if (c->region.size > 0) {
        p->source = ARM_SOURCE_CMDLINE;
        p->region = c->region;
    } else if (f->device[0] != '\0') {
        p->source = ARM_SOURCE_FIRMWARE;
    } else if (f->ram_buffer.size >= RAM_BUFFER_MIN) {
        p->source = ARM_SOURCE_RAM_BUFFER;
        p->region = f->ram_buffer;
    }
    if (c->mem_name[0] != '\0' && p->source != ARM_SOURCE_RESERVE_MEM) {
        if (!has_reserve_mem(f))
            SAY(p->warning,
                "reserve_mem= and ramoops.mem_name= mean nothing to kernel %s: they came "
                "with 6.12",
                f->kernel);
        else
            SAY(p->warning, "ramoops.mem_name=%s names no memory that reserve_mem= reserves",
                c->mem_name);
    }
    return p->source != ARM_SOURCE_NONE;
}

/* A back end is registered. True when that settles the matter. */
static bool plan_registered(const struct arm_facts *f, struct arm_plan *p)
{
    const struct pstore_backend *b = &f->backend;
    struct arm_plan better = { 0 };

    if (b->kind == PSTORE_KIND_NONE)
        return false;
    if (!pstore_backend_armed(b)) {
        SAY(p->reason, "ramoops is registered, but keeps no dumps: its record size is 0");
        SAY(p->advice, "give ramoops.record_size=0x100000 where its region is set up");
        return true;
    }
    p->action = ARM_KEEP;
    if (b->kind == PSTORE_KIND_RAMOOPS && !f->use_pstore_ram)
        SAY(p->warning, "USE_PSTORE_RAM is off, but ramoops was registered already; left as it is");
    if (b->kind == PSTORE_KIND_EFI && f->use_pstore_ram && choose_source(f, &better))
        SAY(p->advice, "ramoops would keep whole logs; efi_pstore.pstore_disable=1 on the kernel's "
                       "command line makes room for it");
    return true;
}

/* ramoops is there, but has not registered. True when that settles the matter. */
static bool plan_unregistered_ramoops(const struct arm_facts *f, struct arm_plan *p)
{
    const struct ramoops_params *ramoops = &f->backend.ramoops;

    if (f->builtin) {
        p->no_region = true;
        nothing(p, "ramoops is built in to this kernel and was given no region at boot",
                has_reserve_mem(f) ? "add to the kernel's command line: reserve_mem=5M:4096:oops "
                                     "ramoops.mem_name=oops ramoops.record_size=0x100000"
                                   : "add ramoops.mem_address=, ramoops.mem_size= and "
                                     "ramoops.record_size=0x100000 to the kernel's command line");
        return true;
    }
    if (!f->backend.ramoops_present)
        return false;
    if (!ramoops->known) {
        nothing(p, "ramoops is loaded, but not registered with pstore, and only root may see why",
                "run this as root");
        return true;
    }
    if (ramoops->in_use || f->device[0] != '\0') {
        SAY(p->reason,
            "ramoops is loaded for the %" PRIu64 " bytes at 0x%" PRIx64
            ", but could not register with pstore",
            ramoops->mem_size, ramoops->mem_address);
        SAY(p->advice, "see what the kernel says: dmesg | grep -e ramoops -e pstore");
        return true;
    }
    p->reload = true;
    return false;
}

static void explain_no_region(const struct arm_facts *f, struct arm_plan *p)
{
    char size[32];

    p->no_region = f->ramoops_lost || (f->iomem_error >= 0 && !f->iomem_masked);
    if (f->ramoops_lost)
        SAY(p->reason, "a test has shown that this machine's memory does not survive its reboot");
    else if (f->iomem_error < 0)
        SAY(p->reason, "cannot read /proc/iomem: %s", strerror(-f->iomem_error));
    else if (f->iomem_masked)
        SAY(p->reason, "the kernel hides the addresses in /proc/iomem from this user");
    else if (f->ram_buffer.size > 0)
        SAY(p->reason, "the largest RAM buffer of this machine has only %s, and 5 MiB are needed",
            size_text(f->ram_buffer.size, size, sizeof(size)));
    else
        SAY(p->reason, "this machine has no RAM buffer, and no memory was reserved for ramoops");
    if (f->ramoops_lost)
        SAY(p->advice, "after an update of the firmware, or by kdump-steamos arm --force, it is "
                       "tried again");
    else if (f->iomem_error < 0 || f->iomem_masked)
        SAY(p->advice, "run this as root");
    else if (has_reserve_mem(f))
        SAY(p->advice, "reserve 5 MiB: add reserve_mem=5M:4096:oops ramoops.mem_name=oops to the "
                       "kernel's command line and reboot");
    else
        SAY(p->advice, "a kernel since 6.12 can reserve the memory: reserve_mem=5M:4096:oops "
                       "ramoops.mem_name=oops on its command line");
}

static void add_option(struct arm_plan *p, const char *key, const char *value)
{
    size_t n = strlen(p->options);

    (void)snprintf(p->options + n, sizeof(p->options) - n, "%s%s=%s", n ? " " : "", key, value);
}

static void add_size_option(struct arm_plan *p, bool given, const char *key, uint64_t value)
{
    char text[32];

    if (given)
        return;
    (void)snprintf(text, sizeof(text), "0x%" PRIx64, value);
    add_option(p, key, text);
}

/* The module's defaults of a page each for ftrace and pmsg would only take room from the dumps. */
static void write_options(const struct arm_facts *f, struct arm_plan *p)
{
    const struct arm_cmdline *c = &f->cmdline;

    p->options[0] = '\0';
    if (p->source == ARM_SOURCE_FIRMWARE)
        return;
    if (p->source == ARM_SOURCE_RESERVE_MEM) {
        if (!c->mem_name_given)
            add_option(p, "mem_name", c->mem_name);
    } else {
        add_size_option(p, p->source == ARM_SOURCE_CMDLINE, "mem_address", p->region.start);
        add_size_option(p, p->source == ARM_SOURCE_CMDLINE, "mem_size", p->layout.mem_size);
    }
    add_size_option(p, c->record_size, "record_size", p->layout.record_size);
    add_size_option(p, c->console_size, "console_size", p->layout.console_size);
    add_size_option(p, c->ftrace_size, "ftrace_size", 0);
    add_size_option(p, c->pmsg_size, "pmsg_size", 0);
}

static void plan_load(const struct arm_facts *f, struct arm_plan *p)
{
    struct layout_wish wish = {
        .region = p->region.size,
        .whole = p->source != ARM_SOURCE_RAM_BUFFER,
        .record_size = f->record_size,
        .console_size = f->console_size,
        .kmalloc_limit = !kernel_since(f, 6, 6),
    };

    p->action = ARM_LOAD;
    if (p->source != ARM_SOURCE_FIRMWARE && layout_choose(&wish, &p->layout) < 0) {
        char size[32];

        SAY(p->reason, "the region that %s gives ramoops has only %s", arm_source_name(p->source),
            size_text(p->region.size, size, sizeof(size)));
        SAY(p->advice, "give it 5 MiB");
        p->action = ARM_NOTHING;
        p->no_region = true;
        return;
    }
    if (p->layout.wish_refused && p->warning[0] == '\0')
        SAY(p->warning, "RAMOOPS_RECORD_SIZE and RAMOOPS_CONSOLE_SIZE do not fit this region or "
                        "kernel; others were chosen");
    write_options(f, p);
}

void arm_plan_make(const struct arm_facts *facts, struct arm_plan *out)
{
    struct arm_plan p = { .action = ARM_NOTHING };

    p.mount = facts->backend.supported && !facts->backend.mounted;
    p.no_region = !facts->backend.supported;
    if (!facts->backend.supported)
        nothing(&p, "this kernel has no pstore", "use a kernel with CONFIG_PSTORE");
    else if (plan_registered(facts, &p))
        ;
    else if (!facts->use_pstore_ram)
        nothing(&p, "USE_PSTORE_RAM is off, and no other pstore back end is registered",
                "set USE_PSTORE_RAM=1 in /etc/default/kdump");
    else if (plan_unregistered_ramoops(facts, &p))
        ;
    else if (!choose_source(facts, &p))
        explain_no_region(facts, &p);
    else
        plan_load(facts, &p);
    p.kdump = !facts->use_pstore_ram || (p.action == ARM_NOTHING && p.no_region);
    *out = p;
}

#define RESERVE_OOPS "reserve_mem=5M:4096:oops ramoops.mem_name=oops"

static bool is_ours(const char *ours, const char *name)
{
    return span_starts(span_str(ours), name);
}

/* pstore does without a crash kernel. True when that settles the matter. */
static bool next_boot_by_pstore(const struct next_boot_facts *n, const char **params)
{
    const struct arm_facts *f = n->arm;
    bool works = n->plan->action != ARM_NOTHING && !n->pstore_failed;

    *params = "";
    if (works) {
        if (f->cmdline.reserved > 0 && is_ours(n->ours, "reserve_mem="))
            *params = n->ours;
        return true;
    }
    /* Reserved, and it does not work: that is no way. */
    if (!has_reserve_mem(f) || !f->backend.supported || f->ramoops_lost || f->cmdline.reserved > 0)
        return false;
    if (n->pstore_failed)
        return false;
    if (!n->they_reserve)
        *params = f->builtin ? RESERVE_OOPS " ramoops.record_size=0x100000" : RESERVE_OOPS;
    return true;
}

bool arm_next_boot(const struct next_boot_facts *n, char *buf, size_t size)
{
    bool ours = is_ours(n->ours, "crashkernel=");
    const char *params;

    if (n->arm->use_pstore_ram && n->plan->action == ARM_NOTHING && !n->plan->no_region)
        return false;
    if (n->arm->use_pstore_ram && next_boot_by_pstore(n, &params))
        (void)snprintf(buf, size, "%s", params);
    else if (!n->can_kexec || n->theirs[0] != '\0' || (n->running[0] != '\0' && !ours))
        buf[0] = '\0';
    else
        (void)snprintf(buf, size, "crashkernel=%uM", n->crashkernel_mib);
    return true;
}
