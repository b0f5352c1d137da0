/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A machine as a tree of files, and a kernel that loads ramoops into it: what module_load is told
 * appears in /sys and in the kernel's log. */
#pragma once

#include "unit.h"

#include "base/sysops.h"
#include "parse/cmdline.h"

struct fake_kernel {
    struct unit_tree *tree;
    char calls[1024]; /* "load ramoops …; mount /sys/fs/pstore; " */
    int load_result;  /* of the next module_load */
    bool probe_fails; /* the module loads, but does not register */
    bool no_compression;
    bool silent; /* nothing in the log */
};

static inline void machine_sysfs(struct unit_tree *t, const char *path, const char *value)
{
    char line[128];

    (void)snprintf(line, sizeof(line), "%s\n", value);
    unit_write_str(t, path, line);
}

static inline void machine_create(struct unit_tree *t, const char *kernel)
{
    machine_sysfs(t, "/proc/sys/kernel/osrelease", kernel);
    machine_sysfs(t, "/proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555");
    machine_sysfs(t, "/proc/sys/kernel/panic", "-1");
    machine_sysfs(t, "/proc/sys/kernel/panic_on_oops", "1");
    machine_sysfs(t, "/proc/sys/kernel/softlockup_panic", "1");
    machine_sysfs(t, "/proc/sys/kernel/hardlockup_panic", "1");
    machine_sysfs(t, "/proc/sys/kernel/panic_print", "2");
    machine_sysfs(t, "/proc/loadavg", "0.20 0.18 0.12 1/80 11206");
    unit_write_str(t, "/proc/cmdline", "quiet\n");
    unit_write_str(t, "/proc/iomem",
                   "00001000-0009fbff : System RAM\n"
                   "0009fc00-0009ffff : Reserved\n"
                   "00100000-1dffffff : System RAM\n"
                   "  01000000-01e02346 : Kernel code\n"
                   "1e000000-1fffffff : RAM buffer\n"
                   "fd000000-fdffffff : 0000:00:02.0\n");
    unit_write_str(t, "/proc/self/mounts",
                   "sysfs /sys sysfs rw 0 0\n"
                   "pstore /sys/fs/pstore pstore rw,nosuid,nodev,noexec,relatime 0 0\n");
    machine_sysfs(t, "/sys/module/pstore/parameters/backend", "(null)");
    machine_sysfs(t, "/sys/module/pstore/parameters/compress", "deflate");
    unit_write_str(t, "/sys/fs/pstore/.keep", "");
    unit_write_str(t, "/dev/kmsg", "6,1,1,-;Linux version 6\n");
}

static inline void machine_log(struct fake_kernel *k, const char *text)
{
    char line[256];
    int fd = root_open(&k->tree->root, "/dev/kmsg", O_WRONLY | O_APPEND, 0);

    assert_true(fd >= 0);
    (void)snprintf(line, sizeof(line), "6,2,2,-;%s\n", text);
    assert_int_equal(fd_write_all(fd, line, strlen(line)), 0);
    (void)close(fd);
}

static inline void machine_call(struct fake_kernel *k, const char *what, const char *text)
{
    size_t n = strlen(k->calls);

    (void)snprintf(k->calls + n, sizeof(k->calls) - n, "%s %s; ", what, text);
}

/* The module's parameters as the kernel shows them: its defaults, then the options. */
static inline void machine_ramoops_parameters(struct fake_kernel *k, const char *options)
{
    static const char *const names[] = { "mem_address", "mem_size",  "record_size", "console_size",
                                         "ftrace_size", "pmsg_size", "ecc",         "max_reason" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        char path[96], text[32];
        struct span value;
        uint64_t number = i < 2 || i >= 6 ? 0 : 4096;

        if (strcmp(names[i], "max_reason") == 0)
            number = 2;
        if (cmdline_get(span_str(options ? options : ""), names[i], &value))
            assert_true(span_to_u64(value, &number));
        (void)snprintf(path, sizeof(path), "/sys/module/ramoops/parameters/%s", names[i]);
        (void)snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
        machine_sysfs(k->tree, path, text);
    }
}

static inline int fake_module_load(void *ctx, const char *name, const char *options)
{
    struct fake_kernel *k = ctx;
    char call[512];

    (void)snprintf(call, sizeof(call), "%s%s%s", name, options ? " " : "", options ? options : "");
    machine_call(k, "load", call);
    if (k->load_result < 0)
        return k->load_result;
    machine_ramoops_parameters(k, options);
    if (k->probe_fails) {
        machine_log(k, "ramoops: probe of ramoops.0 failed with error -22");
        return 0;
    }
    machine_sysfs(k->tree, "/sys/module/pstore/parameters/backend", "ramoops");
    unit_write_str(k->tree, "/proc/consoles",
                   "tty0                 -WU (EC  p  )    4:1\n"
                   "ramoops-1            -W- (EC  p a)\n");
    if (k->silent)
        return 0;
    machine_log(k, k->no_compression
                       ? "pstore: Failed 6976833 byte compression buffer allocation for: deflate"
                       : "pstore: Using crash dump compression: deflate");
    machine_log(k, "pstore: Registered ramoops as persistent store backend");
    return 0;
}

static inline int fake_module_unload(void *ctx, const char *name)
{
    struct fake_kernel *k = ctx;
    char command[128];

    machine_call(k, "unload", name);
    (void)snprintf(command, sizeof(command), "rm -rf %s/sys/module/ramoops", k->tree->dir);
    assert_int_equal(system(command), 0);
    machine_sysfs(k->tree, "/sys/module/pstore/parameters/backend", "(null)");
    return 0;
}

static inline int fake_mount(void *ctx, const char *source, const char *target, const char *type,
                             unsigned long flags)
{
    struct fake_kernel *k = ctx;

    machine_call(k, "mount", target);
    unit_write_str(k->tree, "/proc/self/mounts", "pstore /sys/fs/pstore pstore rw 0 0\n");
    return 0;
}

static inline int fake_run(void *ctx, const char *const argv[], size_t max, unsigned timeout_s,
                           struct strbuf *out)
{
    fail_msg("arming runs no program: %s", argv[0]);
    return -ENOENT;
}

static inline struct sysops fake_sysops(struct fake_kernel *k)
{
    return (struct sysops){
        .ctx = k,
        .module_load = fake_module_load,
        .module_unload = fake_module_unload,
        .mount = fake_mount,
        .run = fake_run,
    };
}
