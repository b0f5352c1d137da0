/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first byte says what the others are. 'c': a core. 'l' or 'r': the RAM of a core whose headers
 * and VMCOREINFO are good, with a lockless ring or a record log in it; '5' as 'l', but every
 * address goes through the RAM's own page tables.
 */
#include <elf.h>
#include <stdio.h>

#include "fuzz.h"
#include "vmcore/vmcore.h"

enum {
    RAM_AT = 4096,
    PHYSICAL = 16 << 20,
    MAX_READS = 4 << 20,
};

static const char ring_info[] =
    "SYMBOL(prb)=ffffffff80000000\n"
    "SIZE(printk_ringbuffer)=80\nOFFSET(printk_ringbuffer.desc_ring)=0\n"
    "OFFSET(printk_ringbuffer.text_data_ring)=40\n"
    "OFFSET(prb_desc_ring.count_bits)=0\nOFFSET(prb_desc_ring.descs)=8\n"
    "OFFSET(prb_desc_ring.infos)=16\nOFFSET(prb_desc_ring.head_id)=24\n"
    "OFFSET(prb_desc_ring.tail_id)=32\nSIZE(prb_desc)=24\nOFFSET(prb_desc.state_var)=0\n"
    "OFFSET(prb_desc.text_blk_lpos)=8\nOFFSET(prb_data_blk_lpos.begin)=0\n"
    "OFFSET(prb_data_blk_lpos.next)=8\nSIZE(printk_info)=88\nOFFSET(printk_info.ts_nsec)=8\n"
    "OFFSET(printk_info.text_len)=16\nOFFSET(printk_info.caller_id)=20\n"
    "OFFSET(prb_data_ring.size_bits)=0\nOFFSET(prb_data_ring.data)=8\n"
    "OFFSET(atomic_long_t.counter)=0\nNUMBER(phys_base)=16777216\n";
static const char record_info[] =
    "SYMBOL(log_buf)=ffffffff80000000\nSYMBOL(log_buf_len)=ffffffff80000008\n"
    "SYMBOL(log_first_idx)=ffffffff8000000c\nSYMBOL(log_next_idx)=ffffffff80000010\n"
    "SIZE(printk_log)=16\nOFFSET(printk_log.ts_nsec)=0\nOFFSET(printk_log.len)=8\n"
    "OFFSET(printk_log.text_len)=10\nNUMBER(phys_base)=16777216\n";

struct input {
    uint8_t headers[RAM_AT];
    struct span bytes; /* behind the headers, where there are some */
    bool made;
    unsigned long reads;
    size_t printed;
};

static int read_input(void *ctx, uint64_t offset, void *buf, size_t n)
{
    struct input *in = ctx;

    in->reads++;
    if (in->made && offset < RAM_AT) {
        if (RAM_AT - offset < n)
            return -1;
        memcpy(buf, in->headers + offset, n);
        return 0;
    }
    offset -= in->made ? RAM_AT : 0;
    if (offset > in->bytes.n || in->bytes.n - offset < n)
        return -1;
    if (n > 0)
        memcpy(buf, in->bytes.p + offset, n);
    return 0;
}

static void make_headers(struct input *in, const char *info, uint64_t vaddr)
{
    Elf64_Ehdr elf = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
                       .e_type = ET_CORE,
                       .e_machine = EM_X86_64,
                       .e_phoff = sizeof(elf),
                       .e_phentsize = sizeof(Elf64_Phdr),
                       .e_phnum = 2 };
    Elf64_Nhdr note = { .n_namesz = 11, .n_descsz = (Elf64_Word)strlen(info) };
    Elf64_Phdr loads[2] = {
        { .p_type = PT_NOTE, .p_offset = 512, .p_filesz = 24 + strlen(info) },
        { .p_type = PT_LOAD,
          .p_offset = RAM_AT,
          .p_vaddr = vaddr,
          .p_paddr = PHYSICAL,
          .p_filesz = in->bytes.n,
          .p_memsz = in->bytes.n },
    };

    memcpy(in->headers, &elf, sizeof(elf));
    memcpy(in->headers + sizeof(elf), loads, sizeof(loads));
    memcpy(in->headers + 512, &note, sizeof(note));
    memcpy(in->headers + 524, "VMCOREINFO", 11);
    memcpy(in->headers + 536, info, strlen(info));
    in->made = true;
}

static int count(void *ctx, const char *p, size_t n)
{
    struct input *in = ctx;

    for (size_t i = 0; i < n; i++)
        fuzz_check((p[i] >= ' ' && p[i] < 0x7f) || byte_is_space(p[i]));
    in->printed += n;
    return in->printed > 1 << 20 ? -1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct vmcore v;
    struct input in = { .bytes = span_bytes(bytes, n) };
    struct span kind = span_take(&in.bytes, 1), text;
    char info[4096];
    uint64_t pa, run;

    if (kind.n == 0)
        return 0;
    if (kind.p[0] == 'l')
        make_headers(&in, ring_info, 0xffff888001000000ULL);
    else if (kind.p[0] == 'r')
        make_headers(&in, record_info, 0xffff888001000000ULL);
    else if (kind.p[0] == '5') {
        (void)snprintf(info, sizeof(info), "%s%s", ring_info,
                       "SYMBOL(init_top_pgt)=ffffffff80001000\nNUMBER(pgtable_l5_enabled)=1\n");
        make_headers(&in, info, 0);
    }
    if (vmcore_open(&v, &(struct vmcore_file){ &in, read_input }) < 0)
        return 0;
    fuzz_check(v.n_loads <= VMCORE_MAX_LOADS && v.info_size <= VMCORE_MAX_INFO);
    if (vmcore_info(&v, "OSRELEASE", &text))
        fuzz_check(fuzz_is_within(text, span_bytes(v.info, v.info_size)));
    if (vmcore_translate(&v, 0xffff888001000000ULL, &pa, &run))
        fuzz_check(run > 0);
    (void)vmcore_dmesg(&v, true, count, &in, NULL);
    (void)vmcore_log_text(&v, count, &in);
    fuzz_check(in.reads < MAX_READS);
    return 0;
}
