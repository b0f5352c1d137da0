/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <string.h>

#include "parse/iomem.h"
#include "pstore/backend.h"

enum { MOUNTS_MAX = 1 << 20, IOMEM_MAX = 1 << 20, CONSOLES_MAX = 1 << 16 };

#define PSTORE_PARAMETERS "/sys/module/pstore/parameters/"
#define RAMOOPS_PARAMETERS "/sys/module/ramoops/parameters/"

static const struct {
    const char *name; /* as the drivers register: 6.1 says efi, 6.12 efi_pstore */
    enum pstore_kind kind;
} kinds[] = {
    { "ramoops", PSTORE_KIND_RAMOOPS },
    { "efi_pstore", PSTORE_KIND_EFI },
    { "efi", PSTORE_KIND_EFI },
    { "erst", PSTORE_KIND_ERST },
};

/* A string parameter that was not given reads "(null)". */
static bool read_word(const struct root *root, const char *path, char *buf, size_t size)
{
    if (root_read_line(root, path, buf, size) < 0 || strcmp(buf, "(null)") == 0)
        buf[0] = '\0';
    return buf[0] != '\0';
}

/* Options of the mounted pstore: kmsg_bytes= is shown where it is not the default. */
static int read_mount(const struct root *root, struct pstore_backend *b)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    int r = root_read_some(root, "/proc/self/mounts", MOUNTS_MAX, &text);
    struct span rest, line;

    rest = strbuf_view(&text);
    while (span_next_line(&rest, &line)) {
        struct span source, target, type, options, option;

        if (!span_next_word(&line, &source) || !span_next_word(&line, &target) ||
            !span_next_word(&line, &type) || !span_next_word(&line, &options) ||
            !span_eq(type, "pstore") || !span_eq(target, "/sys/fs/pstore"))
            continue;
        b->mounted = true;
        while (span_next_field(&options, ',', &option))
            if (span_skip(&option, "kmsg_bytes="))
                (void)span_to_u64(option, &b->kmsg_bytes);
    }
    return r;
}

/* CONFIG_PSTORE_CONSOLE registers a console by the back end's name ("pstore" before 5.8). Without
 * it the zone stays empty. */
static int read_console(const struct root *root, struct pstore_backend *b)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    struct span rest, line;
    int r;

    if (b->kind == PSTORE_KIND_NONE)
        return 0;
    r = root_read_some(root, "/proc/consoles", CONSOLES_MAX, &text);
    rest = strbuf_view(&text);
    while (span_next_line(&rest, &line))
        b->console = b->console || span_starts(line, b->name) || span_starts(line, "pstore");
    return r;
}

static void read_pstore(const struct root *root, struct pstore_backend *b)
{
    char compress[sizeof(b->compression)];

    b->supported = root_exists(root, "/sys/fs/pstore") || root_exists(root, "/sys/module/pstore");
    b->kmsg_bytes = PSTORE_DEFAULT_KMSG_BYTES;
    /* Since 6.6 there is a parameter. */
    (void)!root_read_u64(root, PSTORE_PARAMETERS "kmsg_bytes", &b->kmsg_bytes);
    if (read_word(root, PSTORE_PARAMETERS "compress", compress, sizeof(compress)) &&
        strcmp(compress, "none") != 0)
        memcpy(b->compression, compress, sizeof(compress));
    if (!read_word(root, PSTORE_PARAMETERS "backend", b->name, sizeof(b->name)))
        return;
    b->kind = PSTORE_KIND_OTHER;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i].name, b->name) == 0)
            b->kind = kinds[i].kind;
}

static void read_ramoops(const struct root *root, struct ramoops_params *p)
{
    static const struct {
        const char *path;
        size_t offset;
    } numbers[] = {
        { RAMOOPS_PARAMETERS "mem_address", offsetof(struct ramoops_params, mem_address) },
        { RAMOOPS_PARAMETERS "record_size", offsetof(struct ramoops_params, record_size) },
        { RAMOOPS_PARAMETERS "console_size", offsetof(struct ramoops_params, console_size) },
        { RAMOOPS_PARAMETERS "ftrace_size", offsetof(struct ramoops_params, ftrace_size) },
        { RAMOOPS_PARAMETERS "pmsg_size", offsetof(struct ramoops_params, pmsg_size) },
        { RAMOOPS_PARAMETERS "ecc", offsetof(struct ramoops_params, ecc) },
    };
    uint64_t reason;

    p->max_reason = -1;
    p->known = root_read_u64(root, RAMOOPS_PARAMETERS "mem_size", &p->mem_size) == 0;
    if (!p->known)
        return;
    p->in_use = p->mem_size != 0;
    (void)read_word(root, RAMOOPS_PARAMETERS "mem_name", p->mem_name, sizeof(p->mem_name));
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        (void)!root_read_u64(root, numbers[i].path,
                             (uint64_t *)(void *)((char *)p + numbers[i].offset));
    if (root_read_u64(root, RAMOOPS_PARAMETERS "max_reason", &reason) == 0 && reason <= INT32_MAX)
        p->max_reason = (int64_t)reason;
}

/* What /proc/iomem calls the memory: the innermost region that holds all of it. What ramoops itself
 * has claimed is smaller. */
static int read_region(const struct root *root, struct pstore_backend *b)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    uint64_t first = b->ramoops.mem_address, last;
    struct iomem_region region;
    struct span rest;
    int r;

    if (first == 0 || __builtin_add_overflow(first, b->ramoops.mem_size - 1, &last))
        return 0;
    r = root_read(root, "/proc/iomem", IOMEM_MAX, &text);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    rest = strbuf_view(&text);
    while (iomem_next(&rest, &region))
        if (region.start <= first && region.end >= last && !span_starts(region.name, "ramoops"))
            (void)span_copy(region.name, b->region, sizeof(b->region));
    return 0;
}

/* The kernel log's text that fits into a dump of this many bytes: fs/pstore/platform.c fills a
 * buffer of bytes * 100 / 60 and compresses it. */
static uint64_t text_size(uint64_t record_bytes, bool compressed)
{
    return compressed ? record_bytes / 60 * 100 + record_bytes % 60 * 100 / 60 : record_bytes;
}

/* The zones of fs/pstore/ram.c: see src/arm/layout.c. */
static void divide_ramoops(struct pstore_backend *b)
{
    const struct ramoops_params *p = &b->ramoops;
    uint64_t others, dumps, count;

    if (!p->in_use || p->record_size == 0 ||
        __builtin_add_overflow(p->console_size, p->ftrace_size, &others) ||
        __builtin_add_overflow(others, p->pmsg_size, &others) || others >= p->mem_size)
        return;
    dumps = p->mem_size - others;
    count = dumps / p->record_size;
    if (count == 0)
        return;
    b->records = (unsigned)MIN(count, (uint64_t)UINT32_MAX);
    b->zone_size = dumps / count;
}

static void measure_text(struct pstore_backend *b)
{
    b->text_per_dump = 0;
    if (b->kind == PSTORE_KIND_RAMOOPS && b->zone_size > RAMOOPS_ZONE_HEADER)
        b->text_per_dump = text_size(b->zone_size - RAMOOPS_ZONE_HEADER, b->compression[0] != '\0');
    else if (b->kind == PSTORE_KIND_EFI || b->kind == PSTORE_KIND_ERST)
        /* Parts are written until their compressed sizes pass kmsg_bytes. */
        b->text_per_dump = text_size(b->kmsg_bytes, b->compression[0] != '\0');
}

int pstore_backend_inspect(const struct root *root, struct pstore_backend *out)
{
    struct pstore_backend b = { 0 };
    int r;

    read_pstore(root, &b);
    r = read_mount(root, &b);
    if (r == 0)
        r = read_console(root, &b);
    if (r < 0)
        return r;
    b.ramoops_present = root_exists(root, "/sys/module/ramoops");
    read_ramoops(root, &b.ramoops);
    if (b.kind == PSTORE_KIND_RAMOOPS) {
        divide_ramoops(&b);
        r = read_region(root, &b);
        if (r < 0)
            return r;
    }
    measure_text(&b);
    *out = b;
    return 0;
}

void pstore_backend_uncompressed(struct pstore_backend *backend)
{
    backend->compression[0] = '\0';
    measure_text(backend);
}

const char *pstore_backend_mechanism(const struct pstore_backend *backend)
{
    static const char *const names[] = {
        [PSTORE_KIND_NONE] = "",     [PSTORE_KIND_RAMOOPS] = "ramoops", [PSTORE_KIND_EFI] = "efi",
        [PSTORE_KIND_ERST] = "erst", [PSTORE_KIND_OTHER] = "pstore",
    };

    return names[backend->kind];
}

bool pstore_backend_armed(const struct pstore_backend *backend)
{
    if (backend->kind == PSTORE_KIND_NONE)
        return false;
    /* Without the right to read the parameters the registration has to do. */
    if (backend->kind != PSTORE_KIND_RAMOOPS || !backend->ramoops.known)
        return true;
    return backend->records > 0 && backend->ramoops.max_reason != 0;
}

int format_size(uint64_t bytes, struct strbuf *out)
{
    static const struct {
        uint64_t unit;
        const char *name;
    } units[] = { { UINT64_C(1) << 30, "GiB" }, { 1 << 20, "MiB" }, { 1 << 10, "KiB" } };

    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (bytes >= units[i].unit)
            return strbuf_printf(out, "%.4g %s", (double)bytes / (double)units[i].unit,
                                 units[i].name);
    return strbuf_printf(out, "%" PRIu64 " bytes", bytes);
}

static void describe_ramoops(const struct pstore_backend *b, struct strbuf *out)
{
    const struct ramoops_params *p = &b->ramoops;

    (void)strbuf_str(out, "ramoops");
    if (!p->known) {
        (void)strbuf_str(out, " (only root may see its region)");
        return;
    }
    if (p->mem_address != 0)
        (void)strbuf_printf(out, " at 0x%" PRIx64, p->mem_address);
    (void)strbuf_str(out, ", ");
    (void)format_size(p->mem_size, out);
    if (p->mem_name[0] != '\0')
        (void)strbuf_printf(out, " reserved as '%s'", p->mem_name);
    else if (b->region[0] != '\0')
        (void)strbuf_printf(out, " of %s", b->region);
    (void)strbuf_printf(out, ": %u record%s of ", b->records, b->records == 1 ? "" : "s");
    (void)format_size(b->zone_size, out);
    (void)strbuf_str(out, b->compression[0] != '\0' ? " (compressed)" : " (not compressed)");
    if (b->console && p->console_size != 0) {
        (void)strbuf_str(out, ", ");
        (void)format_size(p->console_size, out);
        (void)strbuf_str(out, " console");
    }
    (void)strbuf_str(out, "; survives a reboot, not a loss of power");
}

int pstore_backend_describe(const struct pstore_backend *backend, struct strbuf *out)
{
    switch (backend->kind) {
    case PSTORE_KIND_NONE:
        (void)strbuf_str(out, backend->supported ? "no pstore back end is registered"
                                                 : "this kernel has no pstore");
        break;
    case PSTORE_KIND_RAMOOPS:
        describe_ramoops(backend, out);
        break;
    case PSTORE_KIND_EFI:
    case PSTORE_KIND_ERST:
        (void)strbuf_printf(out, "%s, in the firmware's own storage: at least the last ",
                            backend->name);
        (void)format_size(backend->text_per_dump, out);
        (void)strbuf_str(out, " of the log; survives a loss of power");
        break;
    case PSTORE_KIND_OTHER:
        (void)strbuf_printf(out, "%s", backend->name);
        break;
    }
    return out->failed;
}
