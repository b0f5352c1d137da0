/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <strings.h>

#include "scrub/keys.h"
#include "scrub/match.h"
#include "scrub/values.h"

static const char *const kind_names[SCRUB_N_KINDS] = {
    [SCRUB_MAC] = "mac",     [SCRUB_IP] = "ip",         [SCRUB_SSID] = "ssid",
    [SCRUB_UUID] = "uuid",   [SCRUB_SERIAL] = "serial", [SCRUB_DISK] = "disk",
    [SCRUB_ID] = "id",       [SCRUB_HOST] = "host",     [SCRUB_USER] = "user",
    [SCRUB_EMAIL] = "email", [SCRUB_STEAM] = "steam",
};

/* Words that every log has, and names that every machine of a kind is delivered with: they tell of
 * nobody, and a log without them could not be read (steamdeck is a driver, too). */
static const char common_words[] =
    "root kernel linux localhost system user users test none null admin nobody unknown default "
    "amd64 x86_64 arm64 aarch64 panic crash debug warning error info swapper init systemd home "
    "host disk serial email steam uuid ssid mac the for and not cpu pid comm task irq tainted "
    "hardware name call trace code rip end from steamdeck deck steamos archlinux debian fedora "
    "ubuntu bazzite kworker ksoftirqd kthread daemon guest network wifi wireless internet sddm "
    "polkitd dbus memory space session "
    /* … and what the first lines of crashes are made of */
    "bug unable handle page fault pointer request paging general protection fatal exception "
    "interrupt syncing oops sysrq triggered watchdog lockup soft hard stall stalls detected hung "
    "blocked stack corrupted recursive deadlock possible attempted kill killed read write address "
    "invalid opcode divide double internal scheduling atomic sleeping context rcu kasan ubsan "
    "kfence kcsan kmsan dereference mount recovery hardirq softirq preempt stopping machine check "
    "nmi ";

const char *scrub_kind_name(enum scrub_kind kind)
{
    return kind_names[kind];
}

uint32_t word_hash(struct span word)
{
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < word.n; i++)
        hash = word_hash_byte(hash, word.p[i]);
    return hash ? hash : 1;
}

int scrub_new(struct scrub **out)
{
    struct scrub *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    for (size_t i = 0; i < VALUE_BUCKETS; i++)
        s->value_buckets[i] = -1;
    for (size_t i = 0; i < KNOWN_BUCKETS; i++)
        s->known_buckets[i] = -1;
    keys_index(&s->keys);
    *out = s;
    return 0;
}

void scrub_free(struct scrub *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n_values; i++)
        free(s->values[i].text);
    for (size_t i = 0; i < s->n_known; i++)
        free((char *)(uintptr_t)s->known[i].value.p);
    for (size_t i = 0; i < s->n_renames; i++) {
        free(s->renames[i].text);
        free(s->renames[i].as);
    }
    free(s->renames);
    free(s->values);
    free(s->protected);
    free(s);
}

unsigned scrub_count(const struct scrub *s, enum scrub_kind kind)
{
    return s->counts[kind];
}

/* Whether letters are folded in values of a kind: names of hosts, serials and ids are written in
 * either case by whoever quotes them. Two accounts may differ by the case of a letter. */
static bool folds_case(enum scrub_kind kind)
{
    return kind != SCRUB_USER && kind != SCRUB_STEAM && kind != SCRUB_SSID;
}

/* Exact, unlike word_hash(). */
static uint32_t text_hash(const char *text, size_t n)
{
    uint32_t hash = 2166136261U;

    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (unsigned char)text[i]) * 16777619U;
    return hash;
}

static size_t canonical(enum scrub_kind kind, struct span value, char *buf)
{
    const bool folds = folds_case(kind);

    size_t n = 0;

    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if (kind == SCRUB_MAC && (c == '-' || c == '_' || c == ':'))
            continue;
        buf[n++] = (char)(folds && c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    return n;
}

static struct value *find_value(struct scrub *s, const char *text, size_t n, uint32_t hash)
{
    for (int i = s->value_buckets[hash % VALUE_BUCKETS]; i >= 0; i = s->values[i].next)
        if (s->values[i].hash == hash && memcmp(s->values[i].text, text, n) == 0 &&
            s->values[i].text[n] == '\0')
            return &s->values[i];
    return NULL;
}

static struct value *add_value(struct scrub *s, enum scrub_kind kind, const char *text, size_t n,
                               uint32_t hash)
{
    struct value *value;

    if (s->n_values == SCRUB_MAX_VALUES)
        return NULL;
    if (s->n_values == s->size) {
        size_t size = s->size ? s->size * 2 : 64;
        struct value *values = reallocarray(s->values, size, sizeof(*values));

        if (!values)
            return s->failed = -ENOMEM, NULL;
        s->values = values;
        s->size = size;
    }
    value = &s->values[s->n_values];
    *value = (struct value){ .text = malloc(n + 1), .hash = hash, .kind = kind };
    if (!value->text)
        return s->failed = -ENOMEM, NULL;
    memcpy(value->text, text, n);
    value->text[n] = '\0';
    value->number = ++s->counts[kind];
    value->next = s->value_buckets[hash % VALUE_BUCKETS];
    s->value_buckets[hash % VALUE_BUCKETS] = (int)s->n_values++;
    return value;
}

void scrub_token(struct scrub *s, enum scrub_kind kind, struct span value,
                 char buf[SCRUB_TOKEN_MAX])
{
    char text[SCRUB_MAX_VALUE];
    struct value *found = NULL;

    if (value.n > 0 && value.n < sizeof(text) && !memchr(value.p, '\0', value.n)) {
        size_t n = canonical(kind, value, text);
        uint32_t hash = text_hash(text, n);

        found = find_value(s, text, n, hash);
        if (!found)
            found = add_value(s, kind, text, n, hash);
    }
    (void)snprintf(buf, SCRUB_TOKEN_MAX, "<%s-%u>", kind_names[found ? found->kind : kind],
                   found ? found->number : 0);
}

static bool is_protected(const struct scrub *s, uint32_t hash)
{
    if (!s->protected)
        return false;
    for (size_t i = hash % (2 * SCRUB_MAX_PROTECTED);; i = (i + 1) % (2 * SCRUB_MAX_PROTECTED)) {
        if (s->protected[i] == hash)
            return true;
        if (s->protected[i] == 0)
            return false;
    }
}

static bool starts_known(struct span text, const struct known *known)
{
    struct span value = known->value;

    if (value.n > text.n)
        return false;
    if (memcmp(value.p, text.p, value.n) == 0)
        return true;
    for (size_t i = 0; i < value.n; i++) {
        char a = value.p[i], b = text.p[i];

        if (a != b && (!byte_is_alpha(a) || !byte_is_alpha(b) || (a | 0x20) != (b | 0x20)))
            return false;
    }
    return folds_case(known->kind);
}

static bool next_word(struct span *text, struct span *word)
{
    size_t start = 0, end;

    while (start < text->n && !match_is_word_byte(text->p[start]))
        start++;
    for (end = start; end < text->n && match_is_word_byte(text->p[end]); end++)
        ;
    *word = (struct span){ text->p + start, end - start };
    (void)span_take(text, end);
    return word->n > 0;
}

int scrub_protect(struct scrub *s, struct span text)
{
    struct span word;

    if (!s->protected)
        s->protected = calloc(2UL * SCRUB_MAX_PROTECTED, sizeof(*s->protected));
    if (!s->protected)
        return -ENOMEM;
    while (s->n_protected < SCRUB_MAX_PROTECTED && next_word(&text, &word)) {
        uint32_t hash = word_hash(word);
        size_t i = hash % (2 * SCRUB_MAX_PROTECTED);

        if (is_protected(s, hash))
            continue;
        while (s->protected[i] != 0)
            i = (i + 1) % (2 * SCRUB_MAX_PROTECTED);
        s->protected[i] = hash;
        s->n_protected++;
    }
    return 0;
}

bool word_is_common(struct span value)
{
    struct span words = { common_words, sizeof(common_words) - 1 }, word;

    while (span_next_word(&words, &word))
        if (word.n == value.n && strncasecmp(word.p, value.p, value.n) == 0)
            return true;
    return false;
}

/* Only digits and short: a number of anything. */
static bool is_small_number(struct span value)
{
    for (size_t i = 0; i < value.n; i++)
        if (!byte_is_digit(value.p[i]))
            return false;
    return value.n < 6;
}

static bool is_known(const struct scrub *s, struct span value, struct span word)
{
    uint32_t hash = word_hash(word);

    for (int i = s->known_buckets[hash % KNOWN_BUCKETS]; i >= 0; i = s->known[i].next)
        if (s->known[i].value.n == value.n && starts_known(value, &s->known[i]))
            return true;
    return false;
}

/* Remembers a value; word is its first. */
static int add_known(struct scrub *s, enum scrub_kind kind, struct span value, struct span word)
{
    struct known *known = &s->known[s->n_known];
    char *copy;

    if (is_known(s, value, word) || s->n_known == SCRUB_MAX_KNOWN)
        return 0;
    copy = span_dup(value);
    if (!copy)
        return -ENOMEM;
    *known = (struct known){ .value = { copy, value.n }, .first = word_hash(word), .kind = kind };
    known->next = s->known_buckets[known->first % KNOWN_BUCKETS];
    s->known_buckets[known->first % KNOWN_BUCKETS] = (int)s->n_known++;
    return 0;
}

int scrub_keep(struct scrub *s, struct span text)
{
    struct span rest = text = span_trim(text), word;

    if (text.n >= SCRUB_MAX_VALUE || text.n == 0 || !byte_is_digit(text.p[0]) ||
        is_small_number(text) || memchr(text.p, '\n', text.n) || !next_word(&rest, &word))
        return 0;
    return add_known(s, SCRUB_KEPT, text, word);
}

/* The host's own name in "my-pc.fritz.box". */
static int add_first_label(struct scrub *s, struct span value)
{
    size_t dot = span_find_byte(value, '.');

    value.n = MIN(value.n, dot);
    return dot == SIZE_MAX ? 0 : scrub_add_known(s, SCRUB_HOST, value);
}

/* A link's address is found by its form, but for what writes it without separators. */
static int add_link(struct scrub *s, struct span value)
{
    char digits[12], token[SCRUB_TOKEN_MAX];
    struct span bare = { digits, sizeof(digits) };
    unsigned groups = 0;
    int r;

    if (match_hex_chain(value, &groups) != value.n || groups != 6)
        return 0;
    for (size_t i = 0; i < sizeof(digits); i++)
        digits[i] = value.p[i / 2 * 3 + i % 2];
    r = add_known(s, SCRUB_MAC, bare, bare);
    if (r < 0)
        return r;
    scrub_token(s, SCRUB_MAC, value, token);
    return s->failed;
}

int scrub_add_known(struct scrub *s, enum scrub_kind kind, struct span value)
{
    char token[SCRUB_TOKEN_MAX];
    struct span rest, word;
    int r;

    while (value.n > 0 && !match_is_word_byte(value.p[0]))
        (void)span_take(&value, 1);
    value = span_trim(value);
    if (kind == SCRUB_MAC)
        return add_link(s, value);
    rest = value;
    if (value.n < SCRUB_MIN_KNOWN || value.n >= SCRUB_MAX_VALUE || !next_word(&rest, &word) ||
        is_known(s, value, word) || is_small_number(value) || word_is_common(value) ||
        memchr(value.p, '\n', value.n) || memchr(value.p, '\0', value.n) ||
        s->n_known == SCRUB_MAX_KNOWN)
        return 0;
    if (word.n == value.n && is_protected(s, word_hash(word)))
        return 0;
    r = add_known(s, kind, value, word);
    if (r == 0 && kind == SCRUB_HOST)
        r = add_first_label(s, value);
    if (r < 0)
        return r;
    scrub_token(s, kind, value, token); /* so that it has this kind wherever it is met */
    return s->failed;
}

void scrub_learn(struct scrub *s, enum scrub_kind kind, struct span value)
{
    if (scrub_add_known(s, kind, value) < 0)
        s->failed = -ENOMEM;
}

const struct known *scrub_find_known(const struct scrub *s, struct span text, uint32_t hash)
{
    const struct known *best = NULL;

    for (int i = s->known_buckets[hash % KNOWN_BUCKETS]; i >= 0; i = s->known[i].next) {
        const struct known *known = &s->known[i];
        size_t n = known->value.n;

        if (known->first == hash && starts_known(text, known) &&
            (n == text.n || !match_is_word_byte(known->value.p[n - 1]) ||
             !match_is_word_byte(text.p[n])) &&
            (!best || n > best->value.n))
            best = known;
    }
    return best;
}

const char *scrub_renamed(const struct scrub *s, struct span text)
{
    for (size_t i = 0; i < s->n_renames; i++)
        if (span_eq(text, s->renames[i].text))
            return s->renames[i].as;
    return NULL;
}

int scrub_rename(struct scrub *s, struct span text, struct span as)
{
    struct rename *renames;

    if (scrub_renamed(s, text))
        return 0;
    renames = reallocarray(s->renames, s->n_renames + 1, sizeof(*renames));
    if (!renames)
        return -ENOMEM;
    s->renames = renames;
    renames[s->n_renames] = (struct rename){ span_dup(text), span_dup(as) };
    return renames[s->n_renames].text && renames[s->n_renames++].as ? 0 : -ENOMEM;
}

size_t scrub_token_length(struct span text, const char *open, const char *close)
{
    struct span rest = text;
    uint64_t number;

    if (!span_skip(&rest, open))
        return 0;
    for (size_t i = 0; i < SCRUB_N_KINDS; i++) {
        struct span tail = rest;

        if (span_skip(&tail, kind_names[i]) && span_skip(&tail, "-") &&
            span_take_dec(&tail, &number) && span_skip(&tail, close))
            return text.n - tail.n;
    }
    return 0;
}
