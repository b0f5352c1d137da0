/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/mount.h>

#include "capture/conf.h"

enum {
    DEFAULT_WAIT = 30,
    MAX_WAIT = 600,
};

enum kind { KIND_TEXT, KIND_BOOL, KIND_SECONDS };

static const struct {
    const char *key;
    enum kind kind;
    size_t offset;
} keys[] = {
    { "TARGET=", KIND_TEXT, offsetof(struct conf, target) },
    { "FSTYPE=", KIND_TEXT, offsetof(struct conf, fstype) },
    { "MOUNTOPTS=", KIND_TEXT, offsetof(struct conf, mountopts) },
    { "SUBDIR=", KIND_TEXT, offsetof(struct conf, subdir) },
    { "MAKEDUMPFILE=", KIND_TEXT, offsetof(struct conf, makedumpfile) },
    { "FULL_COREDUMP=", KIND_BOOL, offsetof(struct conf, full_coredump) },
    { "WAIT_SECONDS=", KIND_SECONDS, offsetof(struct conf, wait_seconds) },
};

static bool set(struct conf *conf, size_t key, struct span value)
{
    char *field = (char *)conf + keys[key].offset;
    uint64_t number;

    if (keys[key].kind == KIND_TEXT) {
        memcpy(field, &value, sizeof(value));
        return true;
    }
    if (!span_to_u64(value, &number))
        return false;
    if (keys[key].kind == KIND_BOOL) {
        *(bool *)field = number != 0;
        return number <= 1;
    }
    if (number > MAX_WAIT)
        return false;
    *(unsigned *)(void *)field = (unsigned)number;
    return true;
}

static bool parse_line(struct conf *conf, struct span line)
{
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (span_skip(&line, keys[i].key))
            return set(conf, i, span_trim(line));
    return false;
}

void conf_parse(struct span text, struct conf *out, unsigned *bad)
{
    struct conf conf = { .wait_seconds = DEFAULT_WAIT };
    struct span line;
    unsigned wrong = 0;

    while (span_next_line(&text, &line)) {
        line = span_trim(line);
        if (line.n > 0 && line.p[0] != '#' && !parse_line(&conf, line))
            wrong++;
    }
    *out = conf;
    if (bad)
        *bad = wrong;
}

size_t conf_words(struct span text, char *buf, size_t size, char *argv[], size_t max)
{
    struct span word;
    size_t n = 0;

    if (max == 0)
        return 0;
    while (span_next_word(&text, &word)) {
        if (n + 1 >= max || !span_copy(word, buf, size))
            return 0;
        argv[n++] = buf;
        buf += word.n + 1;
        size -= word.n + 1;
    }
    argv[n] = NULL;
    return n;
}

bool conf_mount_options(struct span options, unsigned long *flags, char *buf, size_t size)
{
    static const struct {
        const char *word;
        unsigned long flag; /* 0: dropped */
    } words[] = {
        { "noatime", MS_NOATIME },
        { "nodiratime", MS_NODIRATIME },
        { "relatime", MS_RELATIME },
        { "nosuid", MS_NOSUID },
        { "nodev", MS_NODEV },
        { "noexec", MS_NOEXEC },
        { "sync", MS_SYNCHRONOUS },
        { "dirsync", MS_DIRSYNC },
        { "ro", 0 },
        { "rw", 0 },
        { "defaults", 0 },
        { "auto", 0 },
        { "noauto", 0 },
        { "user", 0 },
        { "users", 0 },
        { "nouser", 0 },
        { "owner", 0 },
        { "group", 0 },
        { "nofail", 0 },
        { "_netdev", 0 },
        { "exec", 0 },
        { "suid", 0 },
        { "dev", 0 },
        { "async", 0 },
        { "atime", 0 },
        { "diratime", 0 },
        { "strictatime", 0 },
        { "lazytime", 0 },
        { "nolazytime", 0 },
    };
    unsigned long found = 0;
    struct span word;
    size_t n = 0;

    if (size == 0)
        return false;
    while (span_next_field(&options, ',', &word)) {
        bool known = word.n == 0 || span_starts(word, "x-") || span_starts(word, "comment=");

        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            if (span_eq(word, words[i].word)) {
                found |= words[i].flag;
                known = true;
            }
        if (known)
            continue;
        if (size - n < word.n + 2)
            return false;
        if (n > 0)
            buf[n++] = ',';
        memcpy(buf + n, word.p, word.n);
        n += word.n;
    }
    buf[n] = '\0';
    *flags = found;
    return true;
}
