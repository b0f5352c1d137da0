/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

#include "arm/kdump.h"
#include "base/log.h"
#include "parse/cmdline.h"

enum { HEAD = 32 << 10, MAX_MEMINFO = 64 << 10, MAX_ENTRIES = 1000 };

/* The start of a file is enough to tell which kernel it is. One that does not say so is taken by
 * its name: named: the path is that of this release, or the boot loader's own. */
static bool try_file(const struct root *root, const char *path, bool named, struct kdump_facts *f)
{
    enum kdump_match match;
    _cleanup_strbuf_ struct strbuf head = { 0 };
    int r = root_read(root, path, HEAD, &head);

    if (r < 0 && r != -EFBIG)
        return false;
    match = kdump_match_kernel(strbuf_view(&head), f->kernel);
    if (head.n < HEAD || match == KDUMP_OTHER || (match == KDUMP_UNKNOWN && !named)) {
        log_debug("%s is not Linux %s", path, f->kernel);
        return false;
    }
    return span_copy(span_str(path), f->image, sizeof(f->image));
}

static bool try_format(const struct root *root, struct kdump_facts *f, const char *fmt, ...)
    _printf_(3, 4);
static bool try_format(const struct root *root, struct kdump_facts *f, const char *fmt, ...)
{
    char path[PATH_MAX];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(path, sizeof(path), fmt, ap);
    va_end(ap);
    return n > 0 && n < (int)sizeof(path) && try_file(root, path, true, f);
}

/* What the boot loader calls it: from the root of its file system, which is mounted on /, /boot or
 * is the ESP; "(hd0,gpt2)/vmlinuz", "/@/boot/vmlinuz" of a subvolume. */
static bool try_boot_image(const struct root *root, struct kdump_facts *f)
{
    static const char *const mounts[] = { "", "/boot", "/efi", "/boot/efi", "/esp" };
    struct span image;
    size_t below, device;

    if (!cmdline_get(span_str(f->cmdline), "BOOT_IMAGE", &image) || image.n > PATH_MAX / 2)
        return false;
    device = span_starts(image, "(") ? span_find_byte(image, ')') : SIZE_MAX;
    if (device != SIZE_MAX)
        (void)span_take(&image, device + 1);
    while (span_skip(&image, "/"))
        ;
    for (size_t i = 0; i < ARRAY_SIZE(mounts); i++)
        if (try_format(root, f, "%s/%.*s", mounts[i], (int)image.n, image.p))
            return true;
    below = span_find(image, "/boot/");
    return below != SIZE_MAX &&
           try_format(root, f, "%.*s", (int)(image.n - below), image.p + below);
}

static bool is_kernel_name(const struct dirent *entry)
{
    struct span name = span_str(entry->d_name);

    return span_starts(name, "vmlinuz") || span_starts(name, "linux") ||
           span_starts(name, "kernel-") || span_starts(name, "Image");
}

static bool try_entry(const struct root *root, const char *dir, const char *name,
                      struct kdump_facts *f)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof(path), "%s/%s", dir, name);

    return n > 0 && n < (int)sizeof(path) &&
           try_file(root, path, span_contains(span_str(name), f->kernel), f);
}

/* Distributions that have one name for each flavour of kernel: /boot/vmlinuz-linux. */
static bool try_folder(const struct root *root, const char *path, struct kdump_facts *f)
{
    _cleanup_closedir_ DIR *dir = dir_stream(root_open_dir(root, path));
    const struct dirent *entry;

    for (unsigned i = 0; dir && i < MAX_ENTRIES && (entry = readdir(dir)); i++)
        if (is_kernel_name(entry) && try_entry(root, path, entry->d_name, f))
            return true;
    return false;
}

static void find_image(const struct root *root, struct kdump_facts *f)
{
    static const char *const formats[] = { "/usr/lib/modules", "/lib/modules" };
    static const char *const folders[] = { "/boot", "/efi", "/boot/efi", "/efi/EFI/steamos" };
    char id[64];

    if (f->kernel[0] == '\0' || strchr(f->kernel, '/'))
        return;
    if (try_boot_image(root, f) || try_format(root, f, "/boot/vmlinuz-%s", f->kernel) ||
        try_format(root, f, "/boot/kernel-%s", f->kernel))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
        if (try_format(root, f, "%s/%s/vmlinuz", formats[i], f->kernel))
            return;
    /* kernel-install(8) */
    if (root_read_line(root, "/etc/machine-id", id, sizeof(id)) == 0)
        for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
            if (try_format(root, f, "%s/%s/%s/linux", folders[i], id, f->kernel))
                return;
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        if (try_folder(root, folders[i], f))
            return;
}

static int read_cmdline(const struct root *root, struct kdump_facts *f)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    int r = root_read(root, "/proc/cmdline", sizeof(f->cmdline) - 1, &text);

    if (r < 0)
        return r == -ENOMEM ? r : 0;
    (void)span_copy(span_trim(strbuf_view(&text)), f->cmdline, sizeof(f->cmdline));
    return 0;
}

/* "MemTotal:       16240372 kB" (proc_meminfo(5)) */
static int read_memory(const struct root *root, struct kdump_facts *f)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    struct span rest, line;
    int r = root_read_some(root, "/proc/meminfo", MAX_MEMINFO, &text);
    uint64_t kib;

    rest = strbuf_view(&text);
    while (span_next_line(&rest, &line)) {
        if (!span_skip(&line, "MemTotal:"))
            continue;
        line = span_trim(line);
        if (span_take_dec(&line, &kib) && kib < UINT64_MAX >> 10)
            f->memory = kib << 10;
    }
    return r;
}

int kdump_facts_read(const struct root *root, struct kdump_facts *out)
{
    _cleanup_free_ struct kdump_facts *f = calloc(1, sizeof(*f));

    if (!f || read_cmdline(root, f) < 0 || read_memory(root, f) < 0)
        return -ENOMEM;
    if (root_read_line(root, "/proc/sys/kernel/osrelease", f->kernel, sizeof(f->kernel)) < 0)
        f->kernel[0] = '\0';
    kexec_crash_read(root, span_str(f->cmdline), &f->kexec);
    find_image(root, f);
    *out = *f;
    return 0;
}
