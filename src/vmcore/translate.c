/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Kernel address → physical address → place in the core.
 *
 * The kernel's own image lies at a fixed distance from where it was loaded: on x86-64
 * START_KERNEL_MAP and phys_base (arch/x86/include/asm/page_64.h, __phys_addr_nodebug; phys_base
 * holds the shift of KASLR and may be negative), on arm64 kimage_voffset. The direct map is what
 * the PT_LOADs' virtual addresses say (fs/proc/vmcore.c keeps those that the crashed kernel, or
 * kexec, put there). Whatever is still unknown is looked up in the crashed kernel's page tables,
 * which is the only way where the core's maker knew physical addresses only, as hypervisors do.
 */
#include <elf.h>
#include <errno.h>

#include "vmcore/internal.h"

#define X86_START_KERNEL_MAP 0xffffffff80000000ULL
#define X86_IMAGE_SIZE (1ULL << 30) /* where VMCOREINFO does not say */
#define X86_ENTRY_ADDRESS 0x000ffffffffff000ULL

enum {
    PAGE_SHIFT = 12,
    LEVEL_BITS = 9,
    ENTRY_PRESENT = 1 << 0,
    ENTRY_HUGE = 1 << 7, /* PS: this entry maps 1 GiB or 2 MiB */
};

static void setup_x86(struct vmcore *v)
{
    /* The top table's name: since 4.13, and before. */
    static const char *const names[] = { "init_top_pgt", "swapper_pg_dir", "init_level4_pgt" };
    uint64_t value, run;

    v->text_start = X86_START_KERNEL_MAP;
    if (!vmcore_info_number(v, "NUMBER(KERNEL_IMAGE_SIZE)", &v->text_size) || v->text_size == 0 ||
        v->text_size > 2 * X86_IMAGE_SIZE)
        v->text_size = X86_IMAGE_SIZE;
    v->has_text_base = vmcore_info_number(v, "NUMBER(phys_base)", &v->text_base);
    /* AMD's memory encryption marks addresses with a bit (C-bit) that is none of theirs. */
    v->page_mask = X86_ENTRY_ADDRESS;
    if (vmcore_info_number(v, "NUMBER(sme_mask)", &value))
        v->page_mask &= ~value;
    v->page_levels = 4;
    if (vmcore_info_number(v, "NUMBER(pgtable_l5_enabled)", &value) && value == 1)
        v->page_levels = 5;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]) && !v->has_page_table; i++)
        v->has_page_table = vmcore_info_symbol(v, names[i], &value) &&
                            vmcore_translate(v, value, &v->page_table, &run);
}

static void setup_arm64(struct vmcore *v)
{
    uint64_t offset, text;

    /* va - kimage_voffset is the physical address, for all of the image from _stext's 2 MiB on. */
    if (!vmcore_info_number(v, "NUMBER(kimage_voffset)", &offset) ||
        !vmcore_info_symbol(v, "_stext", &text))
        return;
    v->text_start = text & ~((2ULL << 20) - 1);
    v->text_size = X86_IMAGE_SIZE;
    if (v->text_start + v->text_size < v->text_start)
        return;
    v->text_base = v->text_start - offset;
    v->has_text_base = true;
}

void translate_setup(struct vmcore *v)
{
    v->has_text_base = v->has_page_table = false;
    v->text_start = v->text_size = v->text_base = 0;
    v->page_table = v->page_mask = 0;
    v->page_levels = 0;
    if (v->machine == EM_X86_64)
        setup_x86(v);
    else
        setup_arm64(v);
}

/* The load that holds a physical address, and how many bytes it has from there on. */
static const struct vmcore_load *find_physical(const struct vmcore *v, uint64_t pa, uint64_t *run)
{
    for (unsigned i = 0; i < v->n_loads; i++) {
        const struct vmcore_load *l = &v->loads[i];

        if (pa >= l->paddr && pa - l->paddr < l->memsz) {
            *run = l->memsz - (pa - l->paddr);
            return l;
        }
    }
    return NULL;
}

static bool translate_image(const struct vmcore *v, uint64_t va, uint64_t *pa, uint64_t *run)
{
    uint64_t at, in_load, in_image;

    if (!v->has_text_base || va < v->text_start || va - v->text_start >= v->text_size)
        return false;
    at = va - v->text_start + v->text_base; /* wraps where phys_base is negative */
    in_image = v->text_size - (va - v->text_start);
    if (!find_physical(v, at, &in_load))
        return false;
    *pa = at;
    *run = in_load < in_image ? in_load : in_image;
    return true;
}

static bool translate_load(const struct vmcore *v, uint64_t va, uint64_t *pa, uint64_t *run)
{
    for (unsigned i = 0; i < v->n_loads; i++) {
        const struct vmcore_load *l = &v->loads[i];

        if (l->vaddr != 0 && va >= l->vaddr && va - l->vaddr < l->memsz) {
            *pa = l->paddr + (va - l->vaddr);
            *run = l->memsz - (va - l->vaddr);
            return true;
        }
    }
    return false;
}

/* The x86-64 page tables: 512 entries of 8 bytes a level; the lowest 12 bits of an address are the
 * place in its page (Intel SDM volume 3, 4.5). */
static bool translate_walk(const struct vmcore *v, uint64_t va, uint64_t *pa, uint64_t *run)
{
    uint64_t table = v->page_table, in_load;

    if (!v->has_page_table)
        return false;
    for (unsigned level = v->page_levels; level-- > 0;) {
        unsigned shift = PAGE_SHIFT + level * LEVEL_BITS;
        uint64_t index = (va >> shift) & ((1 << LEVEL_BITS) - 1), size = 1ULL << shift, entry;

        if (vmcore_read_physical(v, table + index * sizeof(entry), &entry, sizeof(entry)) < 0 ||
            !(entry & ENTRY_PRESENT))
            return false;
        table = entry & v->page_mask;
        if (level > 0 && !(level <= 2 && (entry & ENTRY_HUGE)))
            continue;
        table &= ~(size - 1); /* bit 12 of a huge page's entry is an attribute */
        if (!find_physical(v, table + (va & (size - 1)), &in_load))
            return false;
        *pa = table + (va & (size - 1));
        size -= va & (size - 1);
        *run = in_load < size ? in_load : size;
        return true;
    }
    return false;
}

bool vmcore_translate(const struct vmcore *v, uint64_t va, uint64_t *pa, uint64_t *run)
{
    return translate_image(v, va, pa, run) || translate_load(v, va, pa, run) ||
           translate_walk(v, va, pa, run);
}

int vmcore_read_physical(const struct vmcore *v, uint64_t pa, void *buf, size_t n)
{
    char *to = buf;

    while (n > 0) {
        uint64_t run, inside;
        const struct vmcore_load *l = find_physical(v, pa, &run);
        size_t piece;

        if (!l)
            return -EFAULT;
        inside = pa - l->paddr;
        piece = run < n ? (size_t)run : n;
        if (inside >= l->filesz) {
            memset(to, 0, piece); /* left out of the core because it was */
        } else {
            if (l->filesz - inside < piece)
                piece = (size_t)(l->filesz - inside);
            if (v->file.read(v->file.ctx, l->offset + inside, to, piece) < 0)
                return -EFAULT;
        }
        to += piece;
        n -= piece;
        pa += piece; /* a load does not wrap: 0 only where n is */
    }
    return 0;
}

int64_t vmcore_read_some(const struct vmcore *v, uint64_t va, void *buf, size_t max)
{
    size_t done = 0;

    while (done < max) {
        uint64_t pa, run;
        size_t piece;

        if (va + done < va || !vmcore_translate(v, va + done, &pa, &run))
            break;
        piece = run < max - done ? (size_t)run : max - done;
        if (vmcore_read_physical(v, pa, (char *)buf + done, piece) < 0)
            break;
        done += piece;
    }
    return done > 0 || max == 0 ? (int64_t)done : -EFAULT;
}

int vmcore_read(const struct vmcore *v, uint64_t va, void *buf, size_t n)
{
    return vmcore_read_some(v, va, buf, n) == (int64_t)n ? 0 : -EFAULT;
}
