/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ring.h"

/* Page tables at 0x80000 of the RAM; the mapped page is at 0x5000. */
enum {
    TABLES = 0x80000,
    PAGE = 0x5000,
    PRESENT = 1,
    HUGE = 0x80,
};
#define VA 0xffffc90012345678ULL

static struct vmcore v;

/* The tables for VA down to this level: 0 a page, 1 2 MiB, 2 1 GiB. */
static void map(struct core *c, unsigned levels, unsigned last, uint64_t flags)
{
    for (unsigned level = levels; level-- > last;) {
        size_t table = TABLES + (levels - 1 - level) * 0x1000U;
        size_t index = (VA >> (12 + 9 * level)) & 511;
        uint64_t entry = core_pa(table + 0x1000) | PRESENT;

        if (level == last)
            entry = (last ? 0 : core_pa(PAGE)) | PRESENT | flags | 1ULL << 63;
        core_put(c, table + index * 8, entry, 8);
    }
}

static void open_with_tables(struct core *c, unsigned levels)
{
    core_info(c, "SYMBOL(init_top_pgt)=%llx\nNUMBER(pgtable_l5_enabled)=%d\n",
              (unsigned long long)core_text(TABLES), levels == 5);
    core_headers(c, 0);
    assert_int_equal(core_open(c, &v), 0);
}

static void check_walk(struct core *c, unsigned levels)
{
    uint64_t pa, run, value;

    open_with_tables(c, levels);
    map(c, levels, 0, 0);
    core_put(c, PAGE + 0x678, 0x1122334455667788, 8);
    assert_true(vmcore_translate(&v, VA, &pa, &run));
    assert_int_equal(pa, core_pa(PAGE + 0x678));
    assert_int_equal(run, 0x1000 - 0x678);
    assert_int_equal(vmcore_read(&v, VA, &value, sizeof(value)), 0);
    assert_int_equal(value, 0x1122334455667788);
    /* The next page is not mapped. */
    assert_int_equal(vmcore_read(&v, VA + run - 4, &value, sizeof(value)), -EFAULT);
    assert_int_equal(vmcore_read_some(&v, VA + run - 4, &value, sizeof(value)), 4);
    assert_false(vmcore_translate(&v, VA + (1ULL << 40), &pa, &run));
}

static void test_four_levels(void **state)
{
    check_walk(*state, 4);
}

static void test_five_levels(void **state)
{
    check_walk(*state, 5);
}

static void test_huge_page(void **state)
{
    struct core *c = *state;
    uint64_t pa, run;

    open_with_tables(c, 4);
    /* 2 MiB from 16 MiB on, of which the core has the first. */
    map(c, 4, 1, HUGE | core_pa(0) | 1 << 12);
    assert_true(vmcore_translate(&v, VA & ~0x1fffffULL, &pa, &run));
    assert_int_equal(pa, core_pa(0));
    assert_int_equal(run, CORE_RAM);
    assert_false(vmcore_translate(&v, (VA & ~0x1fffffULL) + CORE_RAM, &pa, &run));
}

static void test_encrypted_memory(void **state)
{
    struct core *c = *state;
    uint64_t pa, run;

    core_info(c, "NUMBER(sme_mask)=%llu\n", 1ULL << 47);
    open_with_tables(c, 4);
    map(c, 4, 0, 1ULL << 47);
    assert_true(vmcore_translate(&v, VA, &pa, &run));
    assert_int_equal(pa, core_pa(PAGE + 0x678));
}

/* A table that is its own entry: the walk ends after its levels. */
static void test_tables_in_a_circle(void **state)
{
    struct core *c = *state;
    uint64_t pa, run;

    open_with_tables(c, 5);
    for (unsigned i = 0; i < 512; i++)
        core_put(c, TABLES + 8 * i, core_pa(TABLES) | PRESENT, 8);
    assert_true(vmcore_translate(&v, VA, &pa, &run));
    assert_int_equal(pa, core_pa(TABLES + 0x678));
}

static void test_negative_base(void **state)
{
    struct core *c = *state;
    uint64_t pa, run;

    c->info_n = 0;
    core_info(c, "NUMBER(phys_base)=-%d\n", 32 << 20);
    core_headers(c, 0);
    assert_int_equal(core_open(c, &v), 0);
    assert_true(vmcore_translate(&v, CORE_TEXT + (48 << 20) + 5, &pa, &run));
    assert_int_equal(pa, core_pa(5));
    assert_int_equal(run, CORE_RAM - 5);
    assert_false(vmcore_translate(&v, CORE_TEXT + (16 << 20), &pa, &run));
}

static void test_arm64(void **state)
{
    struct core *c = *state;
    uint64_t pa, run;
    uint16_t machine = EM_AARCH64;

    c->info_n = 0;
    core_info(c, "SYMBOL(_stext)=ffffa12345a10000\nNUMBER(kimage_voffset)=0x%llx\n",
              0xffffa12345a00000ULL - CORE_PHYSICAL);
    core_headers(c, 0xffff000000000000ULL);
    memcpy(c->file + offsetof(Elf64_Ehdr, e_machine), &machine, sizeof(machine));
    assert_int_equal(core_open(c, &v), 0);
    assert_true(vmcore_translate(&v, 0xffffa12345a12345ULL, &pa, &run));
    assert_int_equal(pa, core_pa(0x12345));
    assert_true(vmcore_translate(&v, 0xffff000000000042ULL, &pa, &run));
    assert_int_equal(pa, core_pa(0x42));
}

/* What filtering left out of a core was zero. */
static void test_left_out(void **state)
{
    struct core *c = *state;
    uint64_t filesz = CORE_RAM / 2;
    char bytes[16];

    memset(c->ram, 0xaa, CORE_RAM);
    core_headers(c, core_direct(0));
    memcpy(c->file + sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, p_filesz),
           &filesz, sizeof(filesz));
    assert_int_equal(core_open(c, &v), 0);
    assert_int_equal(vmcore_read(&v, core_direct(CORE_RAM / 2 - 8), bytes, 16), 0);
    assert_memory_equal(bytes, "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa\0\0\0\0\0\0\0\0", 16);
}

/* A core whose maker knew no virtual addresses, as hypervisors make them. */
static void test_ring_through_page_tables(void **state)
{
    struct core *c = *state;
    struct ring_writer w;

    core_info(c, "SYMBOL(init_top_pgt)=%llx\n", (unsigned long long)core_text(TABLES));
    ring_start(&w, c, 12);
    /* The direct map by one 1 GiB page at its start. */
    core_put(c, TABLES + 8 * ((CORE_DIRECT >> 39) & 511), core_pa(TABLES + 0x1000) | PRESENT, 8);
    core_put(c, TABLES + 0x1000 + 8 * ((CORE_DIRECT >> 30) & 511), PRESENT | HUGE, 8);
    (void)ring_add(&w, 0, 1, "found", 5, RING_FINALIZED);
    ring_finish(&w, 0);
    assert_int_equal(core_dmesg(c, false, NULL), 0);
    assert_string_equal(c->out, "[    0.000000] found\n");
}

static void test_info(void **state)
{
    struct core *c = *state;
    struct span text;
    uint64_t n;

    core_info(c, "SYMBOL(prb)=\nSYMBOL(prb)=ffffffff81000000\nNUMBER(a)=-5\nNUMBER(b)=x\nlast");
    core_headers(c, 0);
    assert_int_equal(core_open(c, &v), 0);
    assert_true(vmcore_info(&v, "OSRELEASE", &text));
    assert_true(span_eq(text, "6.1.0-test"));
    assert_false(vmcore_info(&v, "OSREL", &text));
    assert_true(vmcore_info_symbol(&v, "prb", &n));
    assert_int_equal(n, 0xffffffff81000000);
    assert_false(vmcore_info_symbol(&v, "pr", &n));
    assert_true(vmcore_info_number(&v, "NUMBER(a)", &n));
    assert_true(n == (uint64_t)-5);
    assert_false(vmcore_info_number(&v, "NUMBER(b)", &n));
    assert_false(vmcore_info(&v, "last", &text));
}

static void test_refused(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        int expected;
    } cases[] = {
        { 0, 'E', -ENOEXEC },
        { EI_CLASS, ELFCLASS32, -ENOEXEC },
        { EI_DATA, ELFDATA2MSB, -ENOEXEC },
        { offsetof(Elf64_Ehdr, e_type), ET_EXEC, -ENOEXEC },
        { offsetof(Elf64_Ehdr, e_machine), EM_386, -ENOTSUP },
        { offsetof(Elf64_Ehdr, e_phentsize), 32, -ENOEXEC },
        { offsetof(Elf64_Ehdr, e_phoff) + 4, 1, -ENODATA },
        { offsetof(Elf64_Ehdr, e_phoff) + 7, 0xff, -ENODATA },
        { offsetof(Elf64_Ehdr, e_phnum), 0, -ENOMSG },
        { CORE_INFO_OFFSET + 3, 0xff, -ENOMSG }, /* the first note's name has no end */
        { CORE_INFO_OFFSET + 28, 12, -ENOMSG },  /* not VMCOREINFO's length */
        { CORE_INFO_OFFSET + 28 + 12, 'W', -ENOMSG },
    };
    struct core *c = *state;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        core_headers(c, 0);
        assert_int_equal(core_open(c, &v), 0);
        c->file[cases[i].at] = (char)cases[i].value;
        assert_int_equal(core_open(c, &v), cases[i].expected);
    }
    for (c->n = 0; c->n < CORE_INFO_OFFSET + 200; c->n++)
        assert_true(core_open(c, &v) < 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, core_setup, core_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_four_levels),
        T(test_five_levels),
        T(test_huge_page),
        T(test_encrypted_memory),
        T(test_tables_in_a_circle),
        T(test_negative_base),
        T(test_arm64),
        T(test_left_out),
        T(test_ring_through_page_tables),
        T(test_info),
        T(test_refused),
    };

    return cmocka_run_group_tests_name("vmcore/translate", tests, NULL, NULL);
}
