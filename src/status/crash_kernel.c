/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "status/crash_kernel.h"

#include <fcntl.h>
#include <stdio.h>

#include "image/image.h"
#include "parse/grub_defaults.h"
#include "pstore/backend.h"

enum { MAX_FILE = 256 << 10, STAMP = 14 };

static const char *const places[] = { "/etc/default/grub.d/kdump-steamos.cfg",
                                      "/etc/default/grub" };

/* YYYYMMDDHHMMSS, and what may follow. */
static bool is_capture(const char *name)
{
    for (size_t i = 0; i < STAMP; i++)
        if (!byte_is_digit(name[i]))
            return false;
    return true;
}

static void read_spool(const struct spool *spool, struct crash_kernel *k)
{
    _cleanup_closedir_ DIR *dir =
        dir_stream(openat(spool->fd, "crash", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        k->uncollected |= is_capture(entry->d_name);
        k->vmcores += span_starts(span_str(entry->d_name), "vmcore");
    }
}

static bool take_image(int folder, const char *name, struct crash_kernel *k)
{
    struct stat st;

    if (folder < 0 || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        st.st_size <= 0)
        return false;
    k->image = (uint64_t)st.st_size;
    return true;
}

/* One that is kept for this boot alone is what arming took last. */
static void read_image(const struct root *root, const struct spool *spool, struct crash_kernel *k)
{
    _cleanup_close_ int run = root_open_dir(root, RUN_DIR);
    char release[128], name[NAME_MAX + 1];

    if (root_read_line(root, "/proc/sys/kernel/osrelease", release, sizeof(release)) < 0)
        return;
    (void)snprintf(name, sizeof(name), IMAGE_PREFIX "%s.img", release);
    if (strchr(name, '/'))
        return;
    k->in_run = take_image(run, name, k);
    if (!k->in_run && spool)
        (void)take_image(spool->fd, name, k);
}

static int read_next(const struct root *root, struct span cmdline, struct crash_kernel *k)
{
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        _cleanup_strbuf_ struct strbuf text = { 0 };
        struct span params;
        int r = root_read(root, places[i], MAX_FILE, &text);

        if (r == -ENOMEM)
            return r;
        if (r < 0 || !grub_defaults_ours(strbuf_view(&text), &params))
            continue;
        k->place = places[i];
        (void)span_copy(params, k->next, sizeof(k->next));
        k->next_is_now = span_contains(cmdline, k->next);
        break;
    }
    return 0;
}

int crash_kernel_read(const struct root *root, const struct spool *spool, struct crash_kernel *out)
{
    _cleanup_strbuf_ struct strbuf cmdline = { 0 };
    struct crash_kernel k = { .place = "" };
    int r = root_read_some(root, "/proc/cmdline", MAX_FILE, &cmdline);

    if (r < 0)
        return r;
    kexec_crash_read(root, strbuf_view(&cmdline), &k.kexec);
    k.late = root_exists(root, RUN_DIR "/" RUN_LATE);
    if (spool)
        read_spool(spool, &k);
    read_image(root, spool, &k);
    k.needed = image_memory_needed(k.image);
    r = read_next(root, strbuf_view(&cmdline), &k);
    if (r < 0)
        return r;
    *out = k;
    return 0;
}

void crash_kernel_describe(const struct crash_kernel *k, struct strbuf *out)
{
    if (!k->kexec.supported) {
        (void)strbuf_str(out, "this kernel can load no crash kernel");
        return;
    }
    (void)strbuf_str(out, k->kexec.loaded ? "a crash starts the crash kernel (kdump): "
                                          : "no crash kernel (kdump) is loaded: ");
    (void)format_size(k->kexec.reserved, out);
    (void)strbuf_str(out, " reserved");
    if (k->image == 0) {
        (void)strbuf_str(out, "; there is no capture image of ours");
        return;
    }
    (void)strbuf_str(out, ", some ");
    (void)format_size(k->needed & ~((1ULL << 20) - 1), out);
    (void)strbuf_str(out, " needed with the capture image of ");
    (void)format_size(k->image, out);
}

/* Of a crash kernel that is wanted and not loaded. */
static void advise_to_load(const struct crash_kernel *k, char *buf, size_t size)
{
    if (!k->kexec.supported)
        (void)snprintf(buf, size, "a crash kernel needs CONFIG_KEXEC_FILE and CONFIG_CRASH_DUMP");
    else if (k->kexec.reserved == 0 && k->kexec.crashkernel[0] != '\0')
        (void)snprintf(buf, size,
                       "the kernel could not reserve crashkernel=%s: "
                       "dmesg | grep -i crash tells why",
                       k->kexec.crashkernel);
    else if (k->kexec.reserved == 0)
        (void)snprintf(buf, size,
                       "reserve memory for a crash kernel, and reboot: kdump-steamos arm");
    else if (k->late)
        (void)snprintf(buf, size,
                       "kdump-steamos-reserve.service loads the crash kernel; "
                       "where that has failed or is disabled: kdump-steamos arm");
    else
        (void)snprintf(buf, size, "load the crash kernel: kdump-steamos arm");
}

void crash_kernel_advise(const struct crash_kernel *k, bool wanted, char *buf, size_t size)
{
    buf[0] = '\0';
    if (k->kexec.loaded && k->needed > k->kexec.reserved && k->kexec.reserved > 0)
        (void)snprintf(buf, size,
                       "the crash kernel may need more than is reserved: set CRASHKERNEL=%lluM in "
                       "/etc/default/kdump, or crashkernel= where you have set it",
                       (unsigned long long)(k->needed >> 20) + 8);
    else if (k->next[0] != '\0' && !k->next_is_now && !k->kexec.loaded)
        (void)snprintf(buf, size, "reboot: the next boot reserves memory for crashes (%s, by %s)",
                       k->next, k->place);
    else if (wanted && !k->kexec.loaded)
        advise_to_load(k, buf, size);
}

json_t *crash_kernel_to_json(const struct crash_kernel *k)
{
    return json_pack("{s:b, s:b, s:b, s:I, s:I, s:b, s:I, s:s, s:s, s:s, s:b, s:b, s:i}",
                     "supported", k->kexec.supported, "loaded", k->kexec.loaded, "late", k->late,
                     "reserved", (json_int_t)k->kexec.reserved, "image", (json_int_t)k->image,
                     "image_in_run", k->in_run, "needed", (json_int_t)k->needed, "crashkernel",
                     k->kexec.crashkernel, "next_boot", k->next, "next_boot_file", k->place,
                     "next_boot_in_force", k->next_is_now, "uncollected", k->uncollected, "vmcores",
                     (int)k->vmcores);
}
