/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes cores to read: an ELF file in memory with VMCOREINFO and one stretch of RAM, in which a
 * test puts a kernel's log. The kernel's image is the RAM's first MiB.
 */
#pragma once

#include <elf.h>

#include "unit.h"
#include "vmcore/vmcore.h"

#define CORE_TEXT 0xffffffff80000000ULL
#define CORE_DIRECT 0xffff888000000000ULL
enum {
    CORE_RAM = 1 << 20,       /* bytes of RAM */
    CORE_PHYSICAL = 16 << 20, /* where it begins */
    CORE_RAM_OFFSET = 32 << 10,
    CORE_INFO_OFFSET = 1024,
    CORE_FILE = CORE_RAM_OFFSET + CORE_RAM,
};

struct core {
    char *file;
    size_t n;
    char *ram;
    char info[8192];
    size_t info_n;
    char *out; /* what vmcore_dmesg gave */
    size_t out_n;
    int emit_error;
};

static inline void core_info(struct core *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline void core_info(struct core *c, const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    c->info_n += (size_t)vsnprintf(c->info + c->info_n, sizeof(c->info) - c->info_n, format, ap);
    va_end(ap);
    assert_true(c->info_n < sizeof(c->info));
}

/* Addresses of a place in the RAM: physical, in the kernel's image, in the direct map. */
static inline uint64_t core_pa(size_t at)
{
    return CORE_PHYSICAL + at;
}
static inline uint64_t core_text(size_t at)
{
    return CORE_TEXT + at;
}
static inline uint64_t core_direct(size_t at)
{
    return CORE_DIRECT + CORE_PHYSICAL + at;
}

static inline void core_put(struct core *c, size_t at, uint64_t value, size_t width)
{
    assert_true(at + width <= CORE_RAM);
    memcpy(c->ram + at, &value, width);
}

static inline int core_setup(void **state)
{
    struct core *c = calloc(1, sizeof(*c));

    if (!c)
        return -1;
    c->n = CORE_FILE;
    c->file = calloc(1, c->n);
    c->out = malloc(4 << 20);
    if (!c->file || !c->out)
        return -1;
    c->ram = c->file + CORE_RAM_OFFSET;
    core_info(c, "OSRELEASE=6.1.0-test\nNUMBER(phys_base)=%d\nKERNELOFFSET=0\n", CORE_PHYSICAL);
    *state = c;
    return 0;
}

static inline int core_teardown(void **state)
{
    struct core *c = *state;

    free(c->file);
    free(c->out);
    free(c);
    return 0;
}

/* The headers: one CPU's note, VMCOREINFO, and the RAM with this virtual address. */
static inline void core_headers(struct core *c, uint64_t vaddr)
{
    Elf64_Ehdr elf = { .e_type = ET_CORE,
                       .e_machine = EM_X86_64,
                       .e_version = EV_CURRENT,
                       .e_phoff = sizeof(elf),
                       .e_ehsize = sizeof(elf),
                       .e_phentsize = sizeof(Elf64_Phdr),
                       .e_phnum = 2 };
    Elf64_Nhdr cpu = { .n_namesz = 5, .n_descsz = 7, .n_type = NT_PRSTATUS };
    Elf64_Nhdr info = { .n_namesz = 11, .n_descsz = (Elf64_Word)c->info_n };
    Elf64_Phdr headers[2] = {
        { .p_type = PT_NOTE, .p_offset = CORE_INFO_OFFSET },
        { .p_type = PT_LOAD,
          .p_offset = CORE_RAM_OFFSET,
          .p_vaddr = vaddr,
          .p_paddr = CORE_PHYSICAL,
          .p_filesz = CORE_RAM,
          .p_memsz = CORE_RAM },
    };
    char *at = c->file + CORE_INFO_OFFSET;

    memcpy(elf.e_ident, ELFMAG, SELFMAG);
    elf.e_ident[EI_CLASS] = ELFCLASS64;
    elf.e_ident[EI_DATA] = ELFDATA2LSB;
    elf.e_ident[EI_VERSION] = EV_CURRENT;
    memcpy(at, &cpu, sizeof(cpu));
    memcpy(at + 12, "CORE", 5);
    at += 12 + 8 + 8;
    memcpy(at, &info, sizeof(info));
    memcpy(at + 12, "VMCOREINFO", 11);
    memcpy(at + 24, c->info, c->info_n);
    headers[0].p_filesz = headers[0].p_memsz =
        (size_t)(at + 24 - (c->file + CORE_INFO_OFFSET)) + ((c->info_n + 3) & ~(size_t)3);
    memcpy(c->file, &elf, sizeof(elf));
    memcpy(c->file + sizeof(elf), headers, sizeof(headers));
}

static inline int core_read(void *ctx, uint64_t offset, void *buf, size_t n)
{
    const struct core *c = ctx;

    if (offset > c->n || c->n - offset < n)
        return -ENODATA;
    memcpy(buf, c->file + offset, n);
    return 0;
}

static inline int core_emit(void *ctx, const char *p, size_t n)
{
    struct core *c = ctx;

    if (c->emit_error)
        return c->emit_error;
    assert_true(c->out_n + n < 4 << 20);
    memcpy(c->out + c->out_n, p, n);
    c->out_n += n;
    return 0;
}

static inline int core_open(struct core *c, struct vmcore *v)
{
    return vmcore_open(v, &(struct vmcore_file){ c, core_read });
}

/* The log of the core, as text in c->out. */
static inline int core_dmesg(struct core *c, bool callers, struct vmcore_log *log)
{
    static struct vmcore v;
    int r = core_open(c, &v);

    assert_int_equal(r, 0);
    c->out_n = 0;
    r = vmcore_dmesg(&v, callers, core_emit, c, log);
    c->out[c->out_n] = '\0';
    return r;
}
