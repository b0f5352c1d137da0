/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capture/superblock.h"
#include "unit.h"

static char bytes[SUPERBLOCK_BYTES];
static const char uuid[16] = { 0x01,       0x23,       0x45,       0x67, (char)0x89, (char)0xab,
                               (char)0xcd, (char)0xef, 0x10,       0x32, 0x54,       0x76,
                               (char)0x98, (char)0xba, (char)0xdc, 0 };
#define UUID_TEXT "01234567-89ab-cdef-1032-547698badc00"

static void start(size_t at, const char *magic, size_t n, size_t uuid_at)
{
    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes + at, magic, n);
    memcpy(bytes + uuid_at, uuid, 16);
}

static void test_uuids(void **state)
{
    static const struct {
        const char *fstype;
        size_t at;
        const char *magic;
        size_t n, uuid_at;
    } cases[] = {
        { "ext4", 1080, "\x53\xef", 2, 1128 },
        { "xfs", 0, "XFSB", 4, 32 },
        { "f2fs", 1024, "\x10\x20\xf5\xf2", 4, 1132 },
        { "btrfs", 65600, "_BHRfS_M", 8, 65568 },
    };
    struct superblock sb;

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(cases[i].at, cases[i].magic, cases[i].n, cases[i].uuid_at);
        bytes[65536 + 0x88] = 2;
        assert_true(superblock_parse(span_bytes(bytes, sizeof(bytes)), &sb));
        assert_string_equal(sb.fstype, cases[i].fstype);
        assert_string_equal(sb.uuid, UUID_TEXT);
        assert_int_equal(sb.devices, i == 3 ? 2 : 1);
        /* A device that ends too early. */
        assert_false(superblock_parse(span_bytes(bytes, cases[i].uuid_at + 15), &sb));
    }
    memset(bytes, 0, sizeof(bytes));
    assert_false(superblock_parse(span_bytes(bytes, sizeof(bytes)), &sb));
    assert_false(superblock_parse(span_bytes(bytes, 0), &sb));
}

static void test_fat(void **state)
{
    struct superblock sb;

    memset(bytes, 0, sizeof(bytes));
    memcpy(bytes + 510, "\x55\xaa", 2);
    assert_false(superblock_parse(span_bytes(bytes, sizeof(bytes)), &sb));
    memcpy(bytes + 82, "FAT32   ", 8);
    memcpy(bytes + 67, "\x1f\x2e\x3d\x4c", 4);
    assert_true(superblock_parse(span_bytes(bytes, 512), &sb));
    assert_string_equal(sb.uuid, "4C3D-2E1F");
    assert_string_equal(sb.fstype, "vfat");
}

static void test_gpt(void **state)
{
    char sector[512] = "EFI PART", entry[GPT_ENTRY] = { 1 }, text[SUPERBLOCK_UUID];
    uint64_t offset;

    sector[72] = 2;
    sector[80] = (char)128;
    sector[84] = (char)128;
    assert_true(gpt_find_entry(span_bytes(sector, 512), 512, 1, &offset));
    assert_int_equal(offset, 1024);
    assert_true(gpt_find_entry(span_bytes(sector, 512), 4096, 128, &offset));
    assert_int_equal(offset, 8192 + 127 * 128);
    assert_false(gpt_find_entry(span_bytes(sector, 512), 512, 129, &offset));
    assert_false(gpt_find_entry(span_bytes(sector, 512), 512, 0, &offset));
    sector[84] = 64;
    assert_false(gpt_find_entry(span_bytes(sector, 512), 512, 1, &offset));
    sector[84] = (char)128;
    memset(sector + 72, 0xff, 8);
    assert_false(gpt_find_entry(span_bytes(sector, 512), 512, 1, &offset));

    memcpy(entry + 16, uuid, 16);
    assert_true(gpt_partuuid(span_bytes(entry, GPT_ENTRY), text));
    assert_string_equal(text, "67452301-ab89-efcd-1032-547698badc00");
    entry[0] = 0;
    assert_false(gpt_partuuid(span_bytes(entry, GPT_ENTRY), text));
    assert_false(gpt_partuuid(span_bytes(entry, GPT_ENTRY - 1), text));
}

static void test_mbr(void **state)
{
    char sector[512] = { 0 }, text[SUPERBLOCK_UUID];

    assert_false(mbr_partuuid(span_bytes(sector, 512), 1, text));
    memcpy(sector + 440, "\x78\x56\x34\x02", 4);
    memcpy(sector + 510, "\x55\xaa", 2);
    assert_true(mbr_partuuid(span_bytes(sector, 512), 17, text));
    assert_string_equal(text, "02345678-11");
    assert_false(mbr_partuuid(span_bytes(sector, 500), 1, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_uuids),
        cmocka_unit_test(test_fat),
        cmocka_unit_test(test_gpt),
        cmocka_unit_test(test_mbr),
    };

    return cmocka_run_group_tests_name("capture/superblock", tests, NULL, NULL);
}
