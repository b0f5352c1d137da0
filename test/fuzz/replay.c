/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs a fuzz target without a fuzzing engine, in every build: each file given, or each file of a
 * directory given, then every cut of it and every byte of it flipped, up to a number of bytes. An
 * input lies in memory of exactly its size.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "fuzz.h"

enum {
    MAX_BYTES = 4 << 20,
    MAX_WORK = 512 << 10, /* bytes that are run of one input's variants: long ones get fewer */
    MAX_MUTATED = 2048,   /* bytes at the start of an input that are cut and flipped */
};

static unsigned long runs;

static int run(const uint8_t *bytes, size_t n)
{
    _cleanup_free_ uint8_t *copy = calloc(1, n ? n : 1);

    if (!copy)
        return -1;
    if (n > 0)
        memcpy(copy, bytes, n);
    runs++;
    return LLVMFuzzerTestOneInput(copy, n);
}

static int run_mutated(uint8_t *bytes, size_t n)
{
    static const uint8_t flips[] = { 0x01, 0x20, 0x80, 0xff };
    size_t end = MIN(n, (size_t)MAX_MUTATED);
    size_t most = MAX((size_t)MAX_WORK / (n + 1) / (1 + ARRAY_SIZE(flips)), (size_t)1);
    size_t step = end / most + 1;

    if (run(bytes, n) != 0)
        return -1;
    for (size_t i = 0; i < end; i += step) {
        if (run(bytes, i) != 0)
            return -1;
        for (size_t f = 0; f < ARRAY_SIZE(flips); f++) {
            int r;

            bytes[i] ^= flips[f];
            r = run(bytes, n);
            bytes[i] ^= flips[f];
            if (r != 0)
                return -1;
        }
    }
    return 0;
}

static int run_file(const char *path)
{
    _cleanup_free_ uint8_t *bytes = malloc(MAX_BYTES);
    FILE *file = fopen(path, "rbe");
    size_t n;
    int bad;

    if (!file || !bytes) {
        perror(path);
        if (file)
            (void)fclose(file);
        return -1;
    }
    n = fread(bytes, 1, MAX_BYTES, file);
    bad = ferror(file);
    (void)fclose(file);
    return bad ? -1 : run_mutated(bytes, n);
}

static int run_path(const char *path)
{
    struct stat st;
    struct dirent **entries;
    int n, r = 0;

    if (stat(path, &st) < 0) {
        perror(path);
        return -1;
    }
    if (!S_ISDIR(st.st_mode))
        return run_file(path);
    n = scandir(path, &entries, NULL, alphasort);
    if (n < 0)
        return -1;
    for (int i = 0; i < n; i++) {
        _cleanup_free_ char *below = NULL;

        if (r == 0 && entries[i]->d_name[0] != '.') {
            if (asprintf(&below, "%s/%s", path, entries[i]->d_name) < 0)
                r = -1, below = NULL;
            else
                r = run_file(below);
        }
        free(entries[i]);
    }
    free(entries);
    return r;
}

int main(int argc, char **argv)
{
    if (run(NULL, 0) != 0)
        return 1;
    for (int i = 1; i < argc; i++)
        if (run_path(argv[i]) != 0)
            return 1;
    (void)printf("%lu inputs\n", runs);
    /* Nothing but the empty input: the seeds are missing. */
    return runs > 1 ? 0 : 1;
}
