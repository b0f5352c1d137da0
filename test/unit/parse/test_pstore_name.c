/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse.h"

#include "base/macro.h"
#include "parse/pstore_name.h"

static void names(void **state)
{
    static const struct {
        const char *name;
        enum pstore_type type;
        const char *backend;
        uint64_t id;
        bool compressed;
    } cases[] = {
        { "dmesg-ramoops-0", PSTORE_DMESG, "ramoops", 0, false },
        { "dmesg-ramoops-12", PSTORE_DMESG, "ramoops", 12, false },
        { "dmesg-ramoops-0.enc.z", PSTORE_DMESG, "ramoops", 0, true },
        { "dmesg-efi-164523434501001", PSTORE_DMESG, "efi", 164523434501001, false },
        { "dmesg-efi_pstore-170000000001001", PSTORE_DMESG, "efi_pstore", 170000000001001, false },
        { "dmesg-erst-7012345678901234567", PSTORE_DMESG, "erst", 7012345678901234567, false },
        { "dmesg-erst-18446744073709551615", PSTORE_DMESG, "erst", UINT64_MAX, false },
        { "dmesg-pstore_blk-3", PSTORE_DMESG, "pstore_blk", 3, false },
        { "console-ramoops-0", PSTORE_CONSOLE, "ramoops", 0, false },
        { "console-ramoops", PSTORE_CONSOLE, "ramoops", 0, false },
        { "pmsg-ramoops-0", PSTORE_PMSG, "ramoops", 0, false },
        { "ftrace-ramoops", PSTORE_FTRACE, "ramoops", 0, false },
        { "ftrace-ramoops-1", PSTORE_FTRACE, "ramoops", 1, false },
        { "mce-erst-5", PSTORE_OTHER, "erst", 5, false },
        { "rtas-nvram-1", PSTORE_OTHER, "nvram", 1, false },
        { "powerpc-ofw-nvram-1", PSTORE_OTHER, "nvram", 1, false },
        { "powerpc-common-nvram-1", PSTORE_OTHER, "nvram", 1, false },
        { "powerpc-opal-nvram-1", PSTORE_OTHER, "nvram", 1, false },
        { "unknown-erst-1", PSTORE_OTHER, "erst", 1, false },
        { "unknown-255-erst-1", PSTORE_OTHER, "255-erst", 1, false },
        { "dmesg-a-b-1", PSTORE_DMESG, "a-b", 1, false },
        { "dmesg-a-1-2", PSTORE_DMESG, "a-1", 2, false },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct pstore_name n = { 0 };

        if (!pstore_name_parse(cases[i].name, &n) || n.type != cases[i].type ||
            strcmp(n.backend, cases[i].backend) != 0 || n.id != cases[i].id ||
            n.compressed != cases[i].compressed)
            fail_msg("%s: type %d, back end '%s', id %llu", cases[i].name, n.type, n.backend,
                     (unsigned long long)n.id);
    }
}

static void other_names(void **state)
{
    static const char *const cases[] = {
        "",
        "dmesg",
        "dmesg-",
        "dmesg.txt",
        "dmesg-ramoops",
        "dmesg-ramoops-",
        "dmesg--1",
        "dmesg-1",
        "dmesg-ramoops-x",
        "dmesg-ramoops-0.gz",
        "dmesg-ramoops-0.enc",
        "dmesg-ramoops-0 ",
        "dmesg-ram oops-0",
        "dmesg-../x-0",
        "dmesg-r\xc3\xa9-0",
        "dmesg-erst-18446744073709551616",
        "console-erst-18446744073709551616",
        "console-",
        "console-.enc.z",
        "pmsg-ramoops",
        "mce-erst",
        "Dmesg-ramoops-0",
        "xdmesg-ramoops-0",
        "161234567",
        "001",
        "dmesg-a-back-end-with-a-name-of-over-thirty-one-bytes-0",
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct pstore_name n = { .id = 7 };

        if (pstore_name_parse(cases[i], &n) || n.id != 7)
            fail_msg("%s is taken for a record", cases[i]);
    }
}

static void efi_back_ends(void **state)
{
    struct pstore_name n;

    assert_true(pstore_name_parse("dmesg-efi-1", &n) && pstore_name_is_efi(&n));
    assert_true(pstore_name_parse("dmesg-efi_pstore-1", &n) && pstore_name_is_efi(&n));
    assert_true(pstore_name_parse("dmesg-efix-1", &n) && !pstore_name_is_efi(&n));
    assert_true(pstore_name_parse("dmesg-erst-1", &n) && !pstore_name_is_efi(&n));
}

static void efi_ids(void **state)
{
    struct pstore_efi_id id = pstore_efi_id(164523434501001);

    assert_true(id.time == 1645234345 && id.part == 1 && id.count == 1);
    id = pstore_efi_id(170000000014002);
    assert_true(id.time == 1700000000 && id.part == 14 && id.count == 2);
    id = pstore_efi_id(UINT64_MAX);
    assert_true(id.part < 100 && id.count < 1000);
    assert_true((id.time * 100 + id.part) * 1000 + id.count == UINT64_MAX);
    id = pstore_efi_id(0);
    assert_true(id.time == 0 && id.part == 0 && id.count == 0);
}

static void headers(void **state)
{
    static const struct {
        const char *text, *reason;
        unsigned count, part;
        uint64_t time;
        const char *rest;
    } cases[] = {
        { "Panic#1 Part3\n<6>[ 1.0] a\n", "Panic", 1, 3, 0, "<6>[ 1.0] a\n" },
        { "Oops#2 Part1\n", "Oops", 2, 1, 0, "" },
        { "Panic#1 Part1", "Panic", 1, 1, 0, "" },
        { "Emergency#10 Part12\r\nx", "Emergency", 10, 12, 0, "x" },
        { "Unknown#4294967295 Part4294967295\nx", "Unknown", UINT32_MAX, UINT32_MAX, 0, "x" },
        { "====1700000000.123456-D\nPanic#1 Part1\nx", "Panic", 1, 1, 1700000000, "x" },
        { "====1700000000.123456\nOops#1 Part1\nx", "Oops", 1, 1, 1700000000, "x" },
        { "====1700000000.123456-D\n<6>x", "", 0, 0, 1700000000, "<6>x" },
        { "====1700000000.123456-D", "", 0, 0, 1700000000, "" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct span copy = exact_copy(span_str(cases[i].text)), text = copy;
        struct pstore_header h = { .reason = "old" };

        if (!pstore_header_take(&text, &h) || strcmp(h.reason, cases[i].reason) != 0 ||
            h.count != cases[i].count || h.part != cases[i].part || h.time != cases[i].time ||
            !span_eq(text, cases[i].rest))
            fail_msg("%s: '%s' #%u part %u, rest '%.*s'", cases[i].text, h.reason, h.count, h.part,
                     (int)text.n, text.p);
        exact_free(copy);
    }
}

static void text_without_a_header(void **state)
{
    static const char *const cases[] = {
        "",
        "\n",
        "\nPanic#1 Part1\n",
        "<6>[    1.0] Panic#1 Part1\n",
        "#1 Part1\n",
        "Panic# Part1\n",
        "Panic#1\n",
        "Panic#1 Part\n",
        "Panic#1 Part1 x\n",
        "Panic#-1 Part1\n",
        "Panic#1 Part4294967296\n",
        "Panic#18446744073709551616 Part1\n",
        "Pan.ic#1 Part1\n",
        "P4nic#1 Part1\n",
        "A reason that is far too long#1 Part1\n",
        "Panic#1 Part1                                                            \n",
        "====1700000000.123456-C\nPanic#1 Part1\n",
        "====1700000000-D\n",
        "====.1-D\n",
        "====1.1-X\n",
        "====1.1 D\n",
        "====99999999999999999999.1-D\n",
        "===1.1-D\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct span copy = exact_copy(span_str(cases[i])), text = copy;
        struct pstore_header h = { .reason = "old" };

        if (pstore_header_take(&text, &h))
            fail_msg("%s is taken for a header: '%s' #%u part %u", cases[i], h.reason, h.count,
                     h.part);
        assert_true(text.p == copy.p && text.n == copy.n);
        assert_string_equal(h.reason, "old");
        exact_free(copy);
    }
}

static void take(struct span text)
{
    struct pstore_header h = { .count = 7 };
    struct span rest = text;

    if (pstore_header_take(&rest, &h))
        assert_true(rest.n < text.n && rest.p + rest.n == text.p + text.n);
    else
        assert_true(rest.n == text.n && h.count == 7);
}

static void parse_name(struct span cut)
{
    char name[128];
    struct pstore_name n;

    if (span_copy(cut, name, sizeof(name)))
        (void)pstore_name_parse(name, &n);
}

static void any_cut_and_any_bytes(void **state)
{
    at_every_cut(SPAN("====1700000000.123456-D\nPanic#1 Part1\n<6>[    0.000000] Linux\n"), take);
    at_every_cut(SPAN("dmesg-efi_pstore-170000000001001.enc.z"), parse_name);
    at_hostile_texts(take);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(other_names),
        cmocka_unit_test(efi_back_ends),
        cmocka_unit_test(efi_ids),
        cmocka_unit_test(headers),
        cmocka_unit_test(text_without_a_header),
        cmocka_unit_test(any_cut_and_any_bytes),
    };

    return cmocka_run_group_tests_name("parse/pstore_name", tests, NULL, NULL);
}
