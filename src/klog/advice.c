/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What to look at next: by the kind of the crash, the module it was in, taints, and what lies
 * beside the log. */
#include "klog/explain.h"

enum { MAX_NAME = 64, SEARCH_FRAMES = 24 };

/* What a module is part of, by the beginning of its name. */
static const struct {
    const char *prefix, *advice;
} parts[] = {
    { "nvidia", "that is NVIDIA's graphics driver: try another version of it; its maker wants "
                "nvidia-bug-report.log" },
    { "amdgpu", "that is the graphics driver: look for amdgpu lines (ring timeout, reset) above; "
                "its bugs are kept at gitlab.freedesktop.org/drm/amd" },
    { "i915", "that is the graphics driver: look for i915 lines (GPU HANG) above" },
    { "nouveau", "that is the graphics driver: look for nouveau lines above" },
    { "nvme", "that is the disk's driver: look for nvme lines above, and at nvme smart-log" },
    { "mmc", "that is the SD card's driver: another card tells whether it is the card" },
    { "sdhci", "that is the SD card's driver: another card tells whether it is the card" },
    { "btrfs", "that is a file system: check it (btrfs scrub), and the disk below it" },
    { "ext4", "that is a file system: check it (e2fsck), and the disk below it" },
    { "f2fs", "that is a file system: check it (fsck.f2fs), and the disk below it" },
    { "iwlwifi", "that is the Wi-Fi driver: look for its firmware's lines above" },
    { "iwlmvm", "that is the Wi-Fi driver: look for its firmware's lines above" },
    { "ath", "that is the Wi-Fi or Bluetooth driver: look for its firmware's lines above" },
    { "rtw", "that is the Wi-Fi driver: look for its firmware's lines above" },
    { "mt76", "that is the Wi-Fi driver: look for its firmware's lines above" },
    { "bluetooth", "that is Bluetooth: which device was being connected?" },
    { "snd_", "that is a sound driver: which device was in use?" },
    { "usb", "that is USB: which device was plugged in or out last? see the usb lines above" },
    { "xhci", "that is USB: which device was plugged in or out last? see the usb lines above" },
    { "vbox", "that is VirtualBox's: try another version of it" },
};

static bool has_flag(struct span flags, char letter)
{
    return span_find_byte(flags, letter) != SIZE_MAX;
}

/* Not every report lists the modules; another one of the log may. */
static struct span flags_of(const struct klog *klog, struct span name)
{
    for (size_t i = 0; i < klog->n; i++) {
        const struct klog_details *d = &klog->reports[i].details;

        for (size_t m = 0; m < d->n_modules; m++)
            if (span_eq_span(d->modules[m].name, name))
                return d->modules[m].flags;
    }
    return (struct span){ NULL, 0 };
}

static bool is_foreign(const struct klog *klog, const struct klog_scene *scene, struct span module)
{
    struct span flags = flags_of(klog, module);

    return has_flag(flags, 'P') || has_flag(flags, 'O') || has_flag(flags, 'E') ||
           span_eq_span(scene->foreign, module);
}

/* The module of the function that crashed. */
static struct span crashed_module(const struct parsed_report *r)
{
    const struct klog_details *d = &r->details;

    if (d->has_rip && klog_is_crashed(r, &d->rip))
        return d->rip.module;
    for (size_t i = 0; i < d->n_frames; i++)
        if (klog_is_crashed(r, &d->frames[i]))
            return d->frames[i].module;
    return (struct span){ NULL, 0 };
}

/* The innermost module on the way there. */
static struct span calling_module(const struct parsed_report *r)
{
    const struct klog_details *d = &r->details;
    const struct klog_trace *t = klog_details_stack(d);

    for (size_t i = 0; t && i < MIN(t->n, (size_t)SEARCH_FRAMES); i++)
        if (d->frames[t->first + i].reliable && d->frames[t->first + i].module.n > 0)
            return d->frames[t->first + i].module;
    return (struct span){ NULL, 0 };
}

static void advise_module(const struct klog *klog, const struct parsed_report *r,
                          const struct klog_scene *scene, struct strbuf *out)
{
    struct span module = crashed_module(r);
    bool crashed = module.n > 0;
    int n;

    if (!crashed)
        module = calling_module(r);
    if (module.n == 0)
        return;
    n = (int)MIN(module.n, (size_t)MAX_NAME);
    (void)strbuf_printf(out, crashed ? "it happened in %.*s" : "%.*s is in the trace", n, module.p);
    if (is_foreign(klog, scene, module))
        (void)strbuf_str(out,
                         ", a module that is not the kernel's own: try without it, or tell its "
                         "maker\n");
    else
        (void)strbuf_printf(out, ", a driver of the kernel: modinfo %.*s says what it is for\n", n,
                            module.p);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        if (span_starts(module, parts[i].prefix)) {
            (void)strbuf_printf(out, "%s\n", parts[i].advice);
            return;
        }
}

static void advise_memory(const struct klog_scene *scene, struct strbuf *out)
{
    const struct klog_memory *m = &scene->memory;
    const struct klog_tasks *t = &scene->tasks;

    if (t->n_biggest > 0 && t->biggest[0].rss < 1024)
        (void)strbuf_str(out, "no task was big");
    for (unsigned i = 0; i < t->n_biggest && t->biggest[i].rss >= 1024; i++) {
        const struct klog_task *task = &t->biggest[i];

        (void)strbuf_str(out, i == 0 ? "the biggest tasks were " : ", ");
        (void)strbuf_span(out, (struct span){ task->name.p, MIN(task->name.n, (size_t)MAX_NAME) });
        (void)strbuf_printf(out, " (%llu, %llu MiB)", (unsigned long long)task->pid,
                            (unsigned long long)task->rss / 1024);
    }
    if (t->n_biggest > 0)
        (void)strbuf_char(out, '\n');
    if (m->known && m->other > m->total / 2)
        (void)strbuf_printf(out,
                            "%llu of %llu MiB were neither programs' nor files': a driver, the "
                            "graphics or the kernel itself holds them\n",
                            (unsigned long long)m->other / 1024,
                            (unsigned long long)m->total / 1024);
}

static void advise_taints(const struct parsed_report *r, struct strbuf *out)
{
    static const struct {
        const char *letters, *advice;
    } rows[] = {
        { "DW", "an earlier oops or warning of this boot may be the cause: look for the first one "
                "in the log" },
        { "M", "the hardware had reported errors before: see the mce: lines (rasdaemon or mcelog "
               "decode them)" },
        { "S", "the CPU runs out of specification: undo overclocking and undervolting first" },
        { "FR", "a module was forced in or out: that alone can do this" },
    };
    struct span taints = r->details.taints;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (const char *c = rows[i].letters; *c; c++)
            if (has_flag(taints, *c)) {
                (void)strbuf_printf(out, "%s\n", rows[i].advice);
                break;
            }
}

int klog_advice(const struct klog *klog, const struct parsed_report *r,
                const struct klog_scene *scene, const struct klog_view *view, struct strbuf *out)
{
    struct span taints = r->details.taints, release = r->details.release;
    const char *kind = klog_explain_advice(r);

    if (kind)
        (void)strbuf_printf(out, "%s\n", kind);
    if (kind && klog_is_out_of_memory(r))
        advise_memory(scene, out);
    advise_module(klog, r, scene, out);
    advise_taints(r, out);
    if (r->corrupted)
        (void)strbuf_printf(out, "title and trace may mislead: %s\n", r->why);
    if (!has_flag(taints, 'P') && !has_flag(taints, 'O') && klog_crashed_function(r).n > 0)
        (void)strbuf_str(out, "whether it is known: search for the title, on syzbot and in the "
                              "distribution's bug tracker\n");
    if (view->vmcore)
        (void)strbuf_printf(out,
                            "the memory is in %s; with the debug symbols of %.*s: crash vmlinux "
                            "VMCORE, or drgn -c VMCORE\n",
                            view->vmcore, (int)MIN(release.n, (size_t)MAX_NAME),
                            release.n > 0 ? release.p : "");
    return out->failed;
}
