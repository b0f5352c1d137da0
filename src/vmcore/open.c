/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <elf.h>
#include <errno.h>

#include "vmcore/internal.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "cores are read as they lie in memory");

enum {
    MAX_HEADERS = 1 << 16, /* program headers looked at; e_phnum itself cannot say more */
    MAX_NOTES = 4096,      /* one a CPU, and some */
};

static int read_file(const struct vmcore *v, uint64_t offset, void *buf, size_t n)
{
    uint64_t end;

    if (__builtin_add_overflow(offset, (uint64_t)n, &end))
        return -ENODATA;
    return v->file.read(v->file.ctx, offset, buf, n);
}

static void add_load(struct vmcore *v, const Elf64_Phdr *h)
{
    uint64_t end;

    /* A range that wraps is none. More ranges than there is room for: the first ones, which is
     * where the kernel itself lies. */
    if (v->n_loads == VMCORE_MAX_LOADS || h->p_memsz == 0 || h->p_filesz > h->p_memsz ||
        __builtin_add_overflow(h->p_paddr, h->p_memsz - 1, &end) ||
        __builtin_add_overflow(h->p_offset, h->p_filesz, &end))
        return;
    v->loads[v->n_loads++] = (struct vmcore_load){
        .vaddr = __builtin_add_overflow(h->p_vaddr, h->p_memsz - 1, &end) ? 0 : h->p_vaddr,
        .paddr = h->p_paddr,
        .offset = h->p_offset,
        .filesz = h->p_filesz,
        .memsz = h->p_memsz,
    };
}

static uint64_t align4(uint64_t n)
{
    return (n + 3) & ~(uint64_t)3;
}

/* Looks for VMCOREINFO among the notes of a segment (Elf64_Nhdr; name and content padded to 4). The
 * kernel puts one note a CPU before it. */
static int read_notes(struct vmcore *v, const Elf64_Phdr *h)
{
    static const char wanted[] = "VMCOREINFO";
    uint64_t at = 0;

    for (unsigned i = 0; i < MAX_NOTES && h->p_filesz - at >= sizeof(Elf64_Nhdr); i++) {
        Elf64_Nhdr note;
        char name[sizeof(wanted)];
        uint64_t content;
        int r = read_file(v, h->p_offset + at, &note, sizeof(note));

        if (r < 0)
            return r;
        content = at + sizeof(note) + align4(note.n_namesz);
        /* All of the sizes have 32 bits: no sum wraps. */
        if (content > h->p_filesz || note.n_descsz > h->p_filesz - content)
            return 0;
        if (note.n_namesz == sizeof(name) && note.n_descsz > 0) {
            r = read_file(v, h->p_offset + at + sizeof(note), name, sizeof(name));
            if (r < 0)
                return r;
            if (memcmp(name, wanted, sizeof(name)) == 0) {
                size_t n = note.n_descsz < VMCORE_MAX_INFO ? note.n_descsz : VMCORE_MAX_INFO;

                r = read_file(v, h->p_offset + content, v->info, n);
                if (r == 0)
                    v->info_size = strnlen(v->info, n);
                return r;
            }
        }
        at = content + align4(note.n_descsz);
        if (at > h->p_filesz)
            return 0;
    }
    return 0;
}

static int read_headers(struct vmcore *v, const Elf64_Ehdr *elf)
{
    uint64_t count = elf->e_phnum;

    if (count == PN_XNUM) { /* more than fit: the first section header has their number */
        Elf64_Shdr section;
        int r = read_file(v, elf->e_shoff, &section, sizeof(section));

        if (r < 0)
            return r;
        count = section.sh_info < MAX_HEADERS ? section.sh_info : (unsigned)MAX_HEADERS;
    }
    for (uint64_t i = 0; i < count; i++) {
        Elf64_Phdr h;
        uint64_t offset, end;
        int r;

        if (__builtin_add_overflow(elf->e_phoff, i * sizeof(h), &offset))
            return -ENOEXEC;
        r = read_file(v, offset, &h, sizeof(h));
        if (r < 0)
            return r;
        if (h.p_type == PT_LOAD) {
            add_load(v, &h);
        } else if (h.p_type == PT_NOTE && v->info_size == 0 &&
                   !__builtin_add_overflow(h.p_offset, h.p_filesz, &end)) {
            r = read_notes(v, &h);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

int vmcore_open(struct vmcore *out, const struct vmcore_file *file)
{
    Elf64_Ehdr elf;
    int r;

    out->file = *file;
    out->n_loads = 0;
    out->info_size = 0;
    r = read_file(out, 0, &elf, sizeof(elf));
    if (r < 0)
        return r == -ENODATA ? -ENOEXEC : r;
    if (memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
        elf.e_ident[EI_DATA] != ELFDATA2LSB || elf.e_type != ET_CORE ||
        elf.e_phentsize != sizeof(Elf64_Phdr))
        return -ENOEXEC;
    if (elf.e_machine != EM_X86_64 && elf.e_machine != EM_AARCH64)
        return -ENOTSUP;
    out->machine = elf.e_machine;
    r = read_headers(out, &elf);
    if (r < 0)
        return r;
    if (out->info_size == 0)
        return -ENOMSG;
    translate_setup(out);
    return 0;
}

bool vmcore_info(const struct vmcore *v, const char *key, struct span *out)
{
    struct span rest = span_bytes(v->info, v->info_size), line;

    while (span_next_line(&rest, &line))
        if (span_skip(&line, key) && span_skip(&line, "=")) {
            *out = line;
            return true;
        }
    return false;
}

bool vmcore_info_symbol(const struct vmcore *v, const char *name, uint64_t *out)
{
    struct span rest = span_bytes(v->info, v->info_size), line;

    while (span_next_line(&rest, &line)) {
        uint64_t value;

        if (span_skip(&line, "SYMBOL(") && span_skip(&line, name) && span_skip(&line, ")=") &&
            span_take_hex(&line, &value) && line.n == 0) {
            *out = value;
            return true;
        }
    }
    return false;
}

bool vmcore_info_number(const struct vmcore *v, const char *key, uint64_t *out)
{
    struct span text;
    uint64_t value;
    bool negative;

    if (!vmcore_info(v, key, &text))
        return false;
    negative = span_skip(&text, "-");
    /* Some are printed with %lx behind 0x (kimage_voffset, sme_mask on some kernels). */
    if (!span_to_u64(text, &value))
        return false;
    *out = negative ? 0 - value : value;
    return true;
}
