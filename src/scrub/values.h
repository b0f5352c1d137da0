/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values and their placeholders, and words that mean something to the scrubber. */
#pragma once

#include "scrub/scrub.h"

enum {
    SCRUB_MAX_PROTECTED = 4096,
    SCRUB_TOKEN_MAX = 24, /* "<serial-16384>" */
};
/* The kind of what is known and stays as it is. */
#define SCRUB_KEPT SCRUB_N_KINDS

/* The hash of a word, letters folded; 0 is where it begins. */
static inline uint32_t word_hash_byte(uint32_t hash, char c)
{
    return (hash ^ ((unsigned char)c | 0x20U)) * 16777619U;
}
uint32_t word_hash(struct span word);
/* A word of every log: it tells of nobody. */
bool word_is_common(struct span word);

/* A value that is replaced wherever it stands, found by the hash of its first word. */
struct known {
    struct span value;    /* owned by the scrub */
    uint32_t first;       /* word_hash() of its first word */
    enum scrub_kind kind; /* or SCRUB_KEPT: it stays as it is */
    int next;             /* of the same bucket; -1: none */
};

enum { KNOWN_BUCKETS = 1024, VALUE_BUCKETS = 4096, KEY_FILTER_BYTES = 512 };

struct value {
    char *text; /* owned; in its canonical form */
    uint32_t hash, number;
    enum scrub_kind kind;
    int next;
};

enum { KEYS_MAX = 128 };

/* A bit for each hash (modulo the number of bits) that a key's word has settles nearly all words at
 * once; then the hashes themselves. */
struct key_index {
    unsigned char filter[KEY_FILTER_BYTES];
    uint32_t hashes[KEYS_MAX];
};

struct rename {
    char *text, *as; /* owned */
};

struct scrub {
    struct value *values; /* owned; grows */
    size_t n_values, size;
    int value_buckets[VALUE_BUCKETS];
    unsigned counts[SCRUB_N_KINDS];
    struct known known[SCRUB_MAX_KNOWN];
    size_t n_known;
    int known_buckets[KNOWN_BUCKETS];
    uint32_t *protected; /* owned; hashes of words, open addressing; 0: free */
    size_t n_protected;
    struct rename *renames; /* owned, with what they hold */
    size_t n_renames;
    struct key_index keys;
    int failed; /* -ENOMEM, sticky */
};

/* The placeholder of a value, written to buf. The notation does not matter: letters of addresses
 * are folded, and what parts their groups is left out. */
void scrub_token(struct scrub *s, enum scrub_kind kind, struct span value,
                 char buf[SCRUB_TOKEN_MAX]);
/* The known value that stands at the beginning of text, whose first word has this hash; NULL: none.
 */
const struct known *scrub_find_known(const struct scrub *s, struct span text, uint32_t hash);
/* What a text is renamed to; NULL: nothing. */
const char *scrub_renamed(const struct scrub *s, struct span text);
/* Learns a value on the way; best effort. */
void scrub_learn(struct scrub *s, enum scrub_kind kind, struct span value);
/* The length of a placeholder at the beginning of text, with "<" and ">" written so; 0: none. */
size_t scrub_token_length(struct span text, const char *open, const char *close);
