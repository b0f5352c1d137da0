/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading records off a file system, whatever lies there. */
#include "unit.h"

#include <zlib.h>

#include "base/macro.h"
#include "pstore/records.h"

#define _cleanup_records_ _cleanup_(pstore_records_free)

static const char log_text[] = "Panic#1 Part1\n<0>[   12.345678] Kernel panic - not syncing\n";

/* Deflates text with these window bits; cut leaves bytes off the end, padding adds zeroes. */
static void put_deflated(struct unit_tree *t, const char *name, struct span text, int window_bits,
                         size_t cut, size_t padding)
{
    size_t size = text.n + 1024 + padding;
    _cleanup_free_ char *out = calloc(1, size);
    char path[256];
    z_stream z = { 0 };

    assert_non_null(out);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)text.p;
    z.avail_in = (uInt)text.n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)size;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    assert_true(z.total_out > cut);
    (void)snprintf(path, sizeof(path), PSTORE_DIR "/%s", name);
    unit_write(t, path, out, z.total_out - cut + padding);
    (void)deflateEnd(&z);
}

static void read_all(struct unit_tree *t, struct pstore_records *out)
{
    *out = (struct pstore_records){ 0 };
    assert_int_equal(pstore_read(&t->root, PSTORE_DIR, out), 0);
}

static void what_the_kernel_left_compressed(void **state)
{
    static const struct {
        const char *name;
        int window_bits;
        size_t padding;
    } cases[] = {
        { "dmesg-ramoops-0.enc.z", -15, 0 }, { "dmesg-ramoops-1.enc.z", 15, 0 },
        { "dmesg-ramoops-2.enc.z", -12, 0 }, { "dmesg-efi_pstore-3.enc.z", -15, 100 },
        { "dmesg-efi_pstore-4.enc.z", 15, 1 },
    };
    struct unit_tree *t = *state;
    _cleanup_records_ struct pstore_records records;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        put_deflated(t, cases[i].name, span_str(log_text), cases[i].window_bits, 0,
                     cases[i].padding);
    read_all(t, &records);
    assert_int_equal(records.n, ARRAY_SIZE(cases));
    for (size_t i = 0; i < records.n; i++) {
        assert_true(records.items[i].name.compressed);
        assert_false(records.items[i].undecoded);
        assert_string_equal(strbuf_cstr(&records.items[i].bytes), log_text);
    }
}

static void a_cut_stream_gives_what_is_there(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_records_ struct pstore_records records;
    _cleanup_strbuf_ struct strbuf text = { 0 };

    (void)strbuf_str(&text, log_text);
    for (unsigned i = 0; i < 2000; i++)
        (void)strbuf_printf(&text, "<6>[%5u.%06u] line %u\n", i, i * 7919 % 1000000, i * i);
    put_deflated(t, "dmesg-ramoops-0.enc.z", strbuf_view(&text), -15, 3000, 0);
    read_all(t, &records);
    assert_int_equal(records.n, 1);
    assert_false(records.items[0].undecoded);
    assert_true(records.items[0].bytes.n > 10000);
    assert_true(records.items[0].bytes.n < text.n);
    assert_memory_equal(records.items[0].bytes.p, text.p, records.items[0].bytes.n);
}

/* Kept byte for byte: somebody else may know how to read it. */
static void foreign_compression_is_kept(void **state)
{
    static const char zstd[] = "\x28\xb5\x2f\xfd\x24\x05\x29\x00\x00hello\x12\x34\x56\x78";
    static const char empty_deflate[] = "\x03\x00payload";
    static const char stored[] = "\x01\x03\x00\xfc\xff"
                                 "abcpayload";
    struct unit_tree *t = *state;
    _cleanup_records_ struct pstore_records records;
    uint32_t seed = 1;
    char noise[3000];

    unit_write(t, PSTORE_DIR "/dmesg-ramoops-1.enc.z", zstd, sizeof(zstd));
    unit_write(t, PSTORE_DIR "/dmesg-ramoops-2.enc.z", empty_deflate, sizeof(empty_deflate));
    unit_write(t, PSTORE_DIR "/dmesg-ramoops-3.enc.z", stored, sizeof(stored));
    unit_write(t, PSTORE_DIR "/dmesg-ramoops-4.enc.z", "", 0);
    for (unsigned i = 10; i < 200; i++) {
        char path[128];

        for (size_t k = 0; k < sizeof(noise); k++) {
            seed = seed * 1664525 + 1013904223;
            noise[k] = (char)(seed >> 24);
        }
        (void)snprintf(path, sizeof(path), PSTORE_DIR "/dmesg-ramoops-%u.enc.z", i);
        unit_write(t, path, noise, 1 + i * 15);
    }
    read_all(t, &records);
    assert_int_equal(records.n, 194);
    for (size_t i = 0; i < records.n; i++)
        assert_true(records.items[i].undecoded);
    assert_int_equal(records.items[0].bytes.n, sizeof(zstd));
    assert_memory_equal(records.items[0].bytes.p, zstd, sizeof(zstd));
    assert_int_equal(records.items[1].bytes.n, sizeof(empty_deflate));
    assert_int_equal(records.items[2].bytes.n, sizeof(stored));
    assert_int_equal(records.items[3].bytes.n, 0);
    assert_memory_equal(records.items[records.n - 1].bytes.p, noise,
                        records.items[records.n - 1].bytes.n);
}

/* 64 MiB in 64 KiB. */
static void a_bomb_is_not_inflated(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_records_ struct pstore_records records;
    size_t n = (size_t)64 << 20;
    _cleanup_free_ char *zeroes = calloc(1, n);

    assert_non_null(zeroes);
    memcpy(zeroes, log_text, sizeof(log_text) - 1);
    put_deflated(t, "dmesg-ramoops-0.enc.z", span_bytes(zeroes, n), -15, 0, 0);
    read_all(t, &records);
    assert_int_equal(records.n, 1);
    assert_true(records.items[0].undecoded);
    assert_true(records.items[0].bytes.n < 1 << 20);
}

static void a_record_too_long_is_cut(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_records_ struct pstore_records records;
    size_t n = PSTORE_MAX_RECORD + 5;
    _cleanup_free_ char *bytes = malloc(n);

    assert_non_null(bytes);
    memset(bytes, 'x', n);
    unit_write(t, PSTORE_DIR "/dmesg-ramoops-0", bytes, n);
    unit_write(t, PSTORE_DIR "/dmesg-ramoops-1", bytes, n - 5);
    read_all(t, &records);
    assert_int_equal(records.n, 2);
    assert_true(records.items[0].truncated);
    assert_int_equal(records.items[0].bytes.n, PSTORE_MAX_RECORD);
    assert_false(records.items[1].truncated);
    assert_int_equal(records.items[1].bytes.n, PSTORE_MAX_RECORD);
    assert_false(records.left_out);
    assert_int_equal(records.total, 2 * PSTORE_MAX_RECORD);
}

static void too_many_bytes_are_left_for_the_next_run(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_records_ struct pstore_records records;

    for (unsigned i = 0; i < 6; i++) {
        char path[64];
        int fd;

        (void)snprintf(path, sizeof(path), PSTORE_DIR "/dmesg-ramoops-%u", i);
        unit_write_str(t, path, "");
        fd = root_open(&t->root, path, O_WRONLY, 0);
        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, PSTORE_MAX_RECORD), 0);
        (void)close(fd);
    }
    read_all(t, &records);
    assert_true(records.left_out);
    assert_true(records.total <= PSTORE_MAX_TOTAL + PSTORE_MAX_RECORD);
    assert_int_equal(records.n, PSTORE_MAX_TOTAL / PSTORE_MAX_RECORD);
}

static void too_many_records_are_left_for_the_next_run(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_records_ struct pstore_records records;
    int dir;

    unit_write_str(t, PSTORE_DIR "/dmesg-erst-0", "x");
    dir = root_open_dir(&t->root, PSTORE_DIR);
    assert_true(dir >= 0);
    for (unsigned i = 1; i < PSTORE_MAX_RECORDS + 10; i++) {
        char name[64];

        (void)snprintf(name, sizeof(name), "dmesg-erst-%u", i);
        assert_int_equal(linkat(dir, "dmesg-erst-0", dir, name, 0), 0);
    }
    (void)close(dir);
    read_all(t, &records);
    assert_int_equal(records.n, PSTORE_MAX_RECORDS);
    assert_true(records.left_out);
    assert_string_equal(records.items[0].file, "dmesg-erst-0");
    assert_string_equal(records.items[10].file, "dmesg-erst-10");
}

static void only_records_are_read(void **state)
{
    static const char *const others[] = {
        "dmesg",         "dmesg-",           "dmesg-ramoops",     "dmesg-ramoops-",
        "dmesg-efi-1x",  "dmesg-e\xff-1",    "dmesg-efi- 1",      "dmesg-efi-18446744073709551616",
        "dmesg.txt",     ".dmesg-ramoops-1", "dmesg-ramoops-1~",  "dmesg-ramoops-1.enc",
        "DMESG-efi-1",   "dmesg-\n-1",       "console-",          "-ramoops-1",
        "dmesg-efi-+1",  "dmesg-%s%n-1",     "dmesg-;reboot;-1",  "pmsg-ramoops",
        "dmesg-efi--.1",
    };
    struct unit_tree *t = *state;
    _cleanup_records_ struct pstore_records records;
    char path[512], long_name[256] = "dmesg-";

    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        (void)snprintf(path, sizeof(path), PSTORE_DIR "/%s", others[i]);
        unit_write_str(t, path, log_text);
    }
    memset(long_name + 6, 'x', sizeof(long_name) - 9);
    memcpy(long_name + sizeof(long_name) - 3, "-1", 3);
    (void)snprintf(path, sizeof(path), PSTORE_DIR "/%s", long_name);
    unit_write_str(t, path, log_text);
    read_all(t, &records);
    assert_int_equal(records.n, 0);
    assert_false(pstore_any_dump(&t->root, PSTORE_DIR));
    unit_write_str(t, PSTORE_DIR "/dmesg-efi-1", log_text);
    assert_true(pstore_any_dump(&t->root, PSTORE_DIR));
}

/* /var/lib/systemd/pstore is root's, but a record is a regular file in any case. */
static void no_link_or_fifo_is_followed(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_records_ struct pstore_records records;
    int dir;

    unit_write_str(t, PSTORE_DIR "/dmesg-ramoops-0", log_text);
    unit_write_str(t, "/secret", "secret");
    dir = root_open_dir(&t->root, PSTORE_DIR);
    assert_int_equal(symlinkat("/secret", dir, "dmesg-ramoops-1"), 0);
    assert_int_equal(symlinkat("dmesg-ramoops-0", dir, "dmesg-ramoops-2"), 0);
    assert_int_equal(symlinkat(".", dir, "loop"), 0);
    assert_int_equal(symlinkat("/", dir, "dmesg-ramoops-5"), 0);
    assert_int_equal(mkfifoat(dir, "dmesg-ramoops-3", 0600), 0);
    assert_int_equal(mkdirat(dir, "dmesg-ramoops-4", 0700), 0);
    (void)close(dir);
    read_all(t, &records);
    assert_int_equal(records.n, 1);
    assert_int_equal(records.unreadable, 0);
}

static void folders_are_read_to_a_depth(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_records_ struct pstore_records records;

    unit_write_str(t, PSTORE_ARCHIVE "/1/2/3/dmesg-efi-3", log_text);
    unit_write_str(t, PSTORE_ARCHIVE "/1/2/3/4/dmesg-efi-4", log_text);
    unit_write_str(t, PSTORE_ARCHIVE "/.hidden/dmesg-efi-5", log_text);
    records = (struct pstore_records){ 0 };
    assert_int_equal(pstore_read(&t->root, PSTORE_ARCHIVE, &records), 0);
    assert_int_equal(records.n, 1);
    assert_string_equal(records.items[0].dir, PSTORE_ARCHIVE "/1/2/3");
}

static void times_of_the_back_ends(void **state)
{
    const struct timespec times[2] = { { .tv_sec = 1234567 }, { .tv_sec = 1234567 } };
    struct unit_tree *t = *state;
    _cleanup_records_ struct pstore_records records;
    int dir;

    unit_write_str(t, PSTORE_DIR "/dmesg-efi-176732304501001", log_text);
    unit_write_str(t, PSTORE_DIR "/dmesg-ramoops-7", log_text);
    dir = root_open_dir(&t->root, PSTORE_DIR);
    assert_int_equal(utimensat(dir, "dmesg-efi-176732304501001", times, 0), 0);
    assert_int_equal(utimensat(dir, "dmesg-ramoops-7", times, 0), 0);
    (void)close(dir);
    read_all(t, &records);
    assert_int_equal(records.n, 2);
    assert_int_equal(records.items[0].time, 1767323045);
    assert_int_equal(records.items[1].time, 1234567);
}

/* systemd-pstore's folders vanish with their last record; what else lies there stays. */
static void removal_from_the_archive(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_records_ struct pstore_records records = { 0 };

    unit_write_str(t, PSTORE_ARCHIVE "/1767323045/001/dmesg-efi-176732304501001", log_text);
    unit_write_str(t, PSTORE_ARCHIVE "/1767323045/001/dmesg-efi-176732304502001", log_text);
    unit_write_str(t, PSTORE_ARCHIVE "/1767323045/001/dmesg.txt", log_text);
    unit_write_str(t, PSTORE_ARCHIVE "/1767323046/001/dmesg-efi-176732304601001", log_text);
    unit_write_str(t, PSTORE_ARCHIVE "/1767323046/notes", "mine");
    assert_int_equal(pstore_read(&t->root, PSTORE_ARCHIVE, &records), 0);
    assert_int_equal(records.n, 3);
    assert_int_equal(pstore_remove(&t->root, &records.items[0]), 0);
    assert_true(root_exists(&t->root, PSTORE_ARCHIVE "/1767323045/001/dmesg.txt"));
    assert_int_equal(pstore_remove(&t->root, &records.items[1]), 0);
    assert_false(root_exists(&t->root, PSTORE_ARCHIVE "/1767323045"));
    assert_int_equal(pstore_remove(&t->root, &records.items[2]), 0);
    assert_false(root_exists(&t->root, PSTORE_ARCHIVE "/1767323046/001"));
    assert_true(root_exists(&t->root, PSTORE_ARCHIVE "/1767323046/notes"));
    assert_true(root_exists(&t->root, PSTORE_ARCHIVE));
    /* gone already */
    assert_int_equal(pstore_remove(&t->root, &records.items[1]), 0);
}

static void a_missing_pstore_holds_none(void **state)
{
    struct unit_tree *t = *state;
    _cleanup_records_ struct pstore_records records;

    read_all(t, &records);
    assert_int_equal(records.n, 0);
    assert_false(pstore_any_dump(&t->root, PSTORE_DIR));
    unit_write_str(t, PSTORE_DIR, "a file where a directory should be");
    read_all(t, &records);
    assert_int_equal(records.n, 0);
}

#define TREE(f) cmocka_unit_test_setup_teardown(f, unit_tree_setup, unit_tree_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TREE(what_the_kernel_left_compressed),
        TREE(a_cut_stream_gives_what_is_there),
        TREE(foreign_compression_is_kept),
        TREE(a_bomb_is_not_inflated),
        TREE(a_record_too_long_is_cut),
        TREE(too_many_bytes_are_left_for_the_next_run),
        TREE(too_many_records_are_left_for_the_next_run),
        TREE(only_records_are_read),
        TREE(no_link_or_fifo_is_followed),
        TREE(folders_are_read_to_a_depth),
        TREE(times_of_the_back_ends),
        TREE(removal_from_the_archive),
        TREE(a_missing_pstore_holds_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
