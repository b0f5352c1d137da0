/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <assert.h>
#include <elf.h>
#include <stddef.h>

#include "image/elf_needs.h"

enum { MAX_HEADERS = 128, MAX_DYNAMIC = 4096 };

static bool within(struct span bytes, uint64_t offset, uint64_t n)
{
    return offset <= bytes.n && n <= bytes.n - offset;
}

/* A copy: the file's structures need not be aligned. */
static bool take(struct span bytes, uint64_t offset, void *out, size_t n)
{
    if (!within(bytes, offset, n))
        return false;
    (void)memcpy(out, bytes.p + offset, n);
    return true;
}

static struct span string_at(struct span bytes, uint64_t offset, uint64_t max)
{
    struct span s = { NULL, 0 };

    if (!within(bytes, offset, 0))
        return s;
    s.p = bytes.p + offset;
    while (s.n < max && offset + s.n < bytes.n && s.p[s.n] != '\0')
        s.n++;
    return s;
}

static bool program_header(struct span bytes, const Elf64_Ehdr *e, unsigned i, Elf64_Phdr *out)
{
    return take(bytes, e->e_phoff + (uint64_t)i * e->e_phentsize, out, sizeof(*out));
}

/* An address of the running program is in which place of the file? */
static bool file_offset(struct span bytes, const Elf64_Ehdr *e, uint64_t address, uint64_t *out)
{
    Elf64_Phdr p;

    for (unsigned i = 0; i < e->e_phnum && program_header(bytes, e, i, &p); i++)
        if (p.p_type == PT_LOAD && address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz) {
            *out = p.p_offset + (address - p.p_vaddr);
            return true;
        }
    return false;
}

static bool read_dynamic(struct span bytes, const Elf64_Ehdr *e, const Elf64_Phdr *p,
                         struct elf_needs *out)
{
    uint64_t count = MIN(p->p_filesz / sizeof(Elf64_Dyn), (uint64_t)MAX_DYNAMIC), strings = 0;
    Elf64_Dyn d;
    bool have_strings = false;

    for (uint64_t i = 0; i < count && take(bytes, p->p_offset + i * sizeof(d), &d, sizeof(d)); i++)
        if (d.d_tag == DT_STRTAB)
            have_strings = file_offset(bytes, e, d.d_un.d_ptr, &strings);
    for (uint64_t i = 0; i < count && take(bytes, p->p_offset + i * sizeof(d), &d, sizeof(d));
         i++) {
        if (d.d_tag == DT_NULL)
            break;
        if (d.d_tag != DT_NEEDED)
            continue;
        if (!have_strings || out->n == ELF_MAX_NEEDED || d.d_un.d_val > bytes.n)
            return false;
        out->libraries[out->n++] = string_at(bytes, strings + d.d_un.d_val, NAME_MAX);
    }
    return true;
}

bool elf_read_needs(struct span bytes, struct elf_needs *out)
{
    Elf64_Ehdr e;
    Elf64_Phdr p;

    *out = (struct elf_needs){ .n = 0 };
    if (!take(bytes, 0, &e, sizeof(e)) || memcmp(e.e_ident, ELFMAG, SELFMAG) != 0 ||
        e.e_ident[EI_CLASS] != ELFCLASS64 || e.e_phentsize < sizeof(p) || e.e_phnum > MAX_HEADERS)
        return false;
    for (unsigned i = 0; i < e.e_phnum; i++) {
        if (!program_header(bytes, &e, i, &p))
            return false;
        if (p.p_type == PT_INTERP)
            out->interpreter = string_at(bytes, p.p_offset, MIN(p.p_filesz, (uint64_t)PATH_MAX));
        if (p.p_type == PT_DYNAMIC && !read_dynamic(bytes, &e, &p, out))
            return false;
    }
    return true;
}

bool elf_is_same_kind(struct span a, struct span b)
{
    const size_t machine = offsetof(Elf64_Ehdr, e_machine); /* the same in both word sizes */

    static_assert(offsetof(Elf64_Ehdr, e_machine) + sizeof(Elf64_Half) == ELF_KIND_BYTES, "elf.h");
    return a.n >= ELF_KIND_BYTES && b.n >= ELF_KIND_BYTES && memcmp(a.p, ELFMAG, SELFMAG) == 0 &&
           memcmp(a.p, b.p, EI_DATA + 1) == 0 &&
           memcmp(a.p + machine, b.p + machine, sizeof(Elf64_Half)) == 0;
}
