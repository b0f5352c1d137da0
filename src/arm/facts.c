/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dirent.h>
#include <stdio.h>
#include <sys/klog.h>

#include "arm/plan.h"
#include "base/log.h"
#include "parse/cmdline.h"
#include "parse/iomem.h"

enum {
    IOMEM_MAX = 1 << 20,
    CMDLINE_MAX = 64 << 10,
    BUILTIN_MAX = 4 << 20,
    SYSLOG_ACTION_SIZE_BUFFER = 10, /* include/linux/syslog.h */
    PAGE = 4096,
};

/* Numbers as the module's parameters take them (kstrtoull with base 0): without a suffix. */
static bool ramoops_number(struct span cmdline, const char *name, uint64_t *out)
{
    struct span value;
    uint64_t ignored;

    return cmdline_get(cmdline, name, &value) && span_to_u64(value, out ? out : &ignored);
}

static bool is_name_for_ramoops(struct span name)
{
    return span_eq(name, "oops") || span_eq(name, "ramoops");
}

static void read_reserve_mem(struct span cmdline, struct arm_cmdline *out)
{
    struct cmdline_reserve_mem reserved;
    struct span given;

    out->mem_name_given = cmdline_get(cmdline, "ramoops.mem_name", &given) &&
                          span_copy(given, out->mem_name, sizeof(out->mem_name));
    while (cmdline_next_reserve_mem(&cmdline, &reserved)) {
        if (out->mem_name_given ? !span_eq(reserved.name, out->mem_name)
                                : !is_name_for_ramoops(reserved.name))
            continue;
        if (!span_copy(reserved.name, out->mem_name, sizeof(out->mem_name)))
            continue;
        out->reserved = reserved.size;
        return;
    }
}

void arm_cmdline_parse(struct span cmdline, struct arm_cmdline *out)
{
    struct arm_cmdline c = { 0 };
    struct span value;

    c.mem_address = ramoops_number(cmdline, "ramoops.mem_address", &c.region.start);
    c.mem_size = ramoops_number(cmdline, "ramoops.mem_size", &c.region.size);
    if (!c.mem_address || !c.mem_size)
        c.region = (struct arm_region){ 0 };
    c.record_size = ramoops_number(cmdline, "ramoops.record_size", NULL);
    c.console_size = ramoops_number(cmdline, "ramoops.console_size", NULL);
    c.ftrace_size = ramoops_number(cmdline, "ramoops.ftrace_size", NULL);
    c.pmsg_size = ramoops_number(cmdline, "ramoops.pmsg_size", NULL);
    read_reserve_mem(cmdline, &c);
    if (cmdline_get(cmdline, "log_buf_len", &value) && !cmdline_parse_size(value, &c.log_buf_len))
        c.log_buf_len = 0;
    *out = c;
}

static int read_cmdline(const struct root *root, struct arm_facts *f)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    int r = root_read(root, "/proc/cmdline", CMDLINE_MAX, &text);

    if (r == -ENOMEM)
        return r;
    if (r < 0)
        (void)log_debug_errno(r, "cannot read /proc/cmdline");
    else
        arm_cmdline_parse(span_trim(strbuf_view(&text)), &f->cmdline);
    return 0;
}

static void read_kernel(const struct root *root, struct arm_facts *f)
{
    if (root_read_line(root, "/proc/sys/kernel/random/boot_id", f->boot_id, sizeof(f->boot_id)) < 0)
        f->boot_id[0] = '\0';
    if (root_read_line(root, "/proc/sys/kernel/osrelease", f->kernel, sizeof(f->kernel)) < 0)
        f->kernel[0] = '\0';
}

/* "kernel/fs/pstore/ramoops.ko" in the list of what is part of the image. A release with a slash
 * would lead elsewhere. */
static int read_builtin(const struct root *root, struct arm_facts *f)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    struct span rest, line;
    char path[160];
    int r;

    if (f->kernel[0] == '\0' || strchr(f->kernel, '/'))
        return 0;
    (void)snprintf(path, sizeof(path), "/lib/modules/%s/modules.builtin", f->kernel);
    r = root_read_some(root, path, BUILTIN_MAX, &text);
    rest = strbuf_view(&text);
    while (!f->builtin && span_next_line(&rest, &line))
        f->builtin = span_ends(span_trim(line), "/ramoops.ko");
    return r;
}

static void close_directory(DIR **dir)
{
    if (*dir)
        (void)closedir(*dir);
}

/* A device that firmware's tables describe: "ramoops" (chromeos_pstore), "3f000000.ramoops" (device
 * tree). The one that module parameters make is ramoops.N, and there only while they are in use. */
static void read_device(const struct root *root, struct arm_facts *f)
{
    _cleanup_(close_directory) DIR *dir = NULL;
    const struct dirent *entry;
    int fd = root_open_dir(root, "/sys/devices/platform");

    if (fd < 0)
        return;
    dir = fdopendir(fd);
    if (!dir) {
        (void)close(fd);
        return;
    }
    while ((entry = readdir(dir))) {
        struct span name = span_str(entry->d_name);

        if ((span_eq(name, "ramoops") || span_ends(name, ".ramoops")) &&
            span_copy(name, f->device, sizeof(f->device)))
            return;
    }
}

static void read_tasks(const struct root *root, struct arm_facts *f)
{
    struct span rest, word;
    uint64_t running, all;
    char line[128];

    /* "0.20 0.18 0.12 1/80 11206": runnable and existing scheduling entities (proc_loadavg(5)) */
    if (root_read_line(root, "/proc/loadavg", line, sizeof(line)) < 0)
        return;
    rest = span_str(line);
    for (int i = 0; i < 3; i++)
        if (!span_next_word(&rest, &word))
            return;
    if (span_next_word(&rest, &word) && span_take_dec(&word, &running) && span_skip(&word, "/") &&
        span_take_dec(&word, &all) && all <= UINT32_MAX)
        f->tasks = all;
}

static void read_log_buffer(const struct root *root, struct arm_facts *f)
{
    int n = root->host ? klogctl(SYSLOG_ACTION_SIZE_BUFFER, NULL, 0) : -1;

    f->log_buf_len = n > 0 ? (uint64_t)n : f->cmdline.log_buf_len;
}

/* The whole pages of the largest RAM buffer. */
static int read_iomem(const struct root *root, struct arm_facts *f)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    struct iomem_region buffer;
    uint64_t start;

    f->iomem_error = root_read(root, "/proc/iomem", IOMEM_MAX, &text);
    if (f->iomem_error < 0)
        return f->iomem_error == -ENOMEM ? -ENOMEM : 0;
    f->iomem_masked = iomem_is_masked(strbuf_view(&text));
    if (f->iomem_masked || !iomem_find_ram_buffer(strbuf_view(&text), PAGE, &buffer) ||
        buffer.start > UINT64_MAX - PAGE)
        return 0;
    start = (buffer.start + PAGE - 1) & ~(uint64_t)(PAGE - 1);
    if (start < buffer.end)
        f->ram_buffer =
            (struct arm_region){ start, (buffer.end - start + 1) & ~(uint64_t)(PAGE - 1) };
    return 0;
}

int arm_facts_read(const struct root *root, const struct config *config, struct arm_facts *out)
{
    struct arm_facts f = {
        .use_pstore_ram = config->use_pstore_ram,
        .record_size = config->ramoops_record_size,
        .console_size = config->ramoops_console_size,
    };

    read_kernel(root, &f);
    read_device(root, &f);
    read_tasks(root, &f);
    if (read_cmdline(root, &f) < 0 || read_builtin(root, &f) < 0 || read_iomem(root, &f) < 0 ||
        pstore_backend_inspect(root, &f.backend) < 0)
        return -ENOMEM;
    read_log_buffer(root, &f);
    *out = f;
    return 0;
}
