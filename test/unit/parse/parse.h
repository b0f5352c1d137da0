/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the parsers' tests share: input in memory of exactly its size, so that a read past its end
 * is seen by the sanitizers, and every cut of a sample. */
#pragma once

#include "unit.h"

#include "base/span.h"

enum { PARSE_LONG_LINE = 1 << 20 };

/* A copy on the heap without a byte behind it; free((void *)copy.p). */
static inline struct span exact_copy(struct span s)
{
    char *p = malloc(s.n ? s.n : 1);

    assert_non_null(p);
    if (s.n)
        memcpy(p, s.p, s.n);
    return span_bytes(p, s.n);
}

static inline void exact_free(struct span s)
{
    free((char *)(uintptr_t)s.p);
}

/* Calls parse with the first n bytes of the sample, for every n from 0 to all of them. */
static inline void at_every_cut(struct span sample, void (*parse)(struct span cut))
{
    for (size_t n = 0; n <= sample.n; n++) {
        struct span cut = exact_copy(span_bytes(sample.p, n));

        parse(cut);
        exact_free(cut);
    }
}

/* head, then n times fill, then tail. */
static inline struct span stretched(const char *head, char fill, size_t n, const char *tail)
{
    size_t head_n = strlen(head), tail_n = strlen(tail);
    char *p = malloc(head_n + n + tail_n);

    assert_non_null(p);
    memcpy(p, head, head_n);
    memset(p + head_n, fill, n);
    if (tail_n)
        memcpy(p + head_n + n, tail, tail_n);
    return span_bytes(p, head_n + n + tail_n);
}

/* n times unit. */
static inline struct span repeated(struct span unit, size_t n)
{
    char *p = malloc(unit.n * n + 1);

    assert_non_null(p);
    for (size_t i = 0; i < n; i++)
        memcpy(p + i * unit.n, unit.p, unit.n);
    return span_bytes(p, unit.n * n);
}

/* Hostile texts that every parser of text must outlive: nothing, NULs, all bytes, one endless
 * line. */
static inline void at_hostile_texts(void (*parse)(struct span text))
{
    static const char fills[] = {
        '\0', ' ', '"', '\\', '{', '[', '0', '=', '\n', '\r', '#', '\xff'
    };
    char all[256];
    struct span text;

    parse((struct span){ NULL, 0 });
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    text = exact_copy(span_bytes(all, sizeof(all)));
    parse(text);
    exact_free(text);
    for (size_t i = 0; i < sizeof(fills); i++) {
        text = stretched("", fills[i], PARSE_LONG_LINE, "");
        parse(text);
        exact_free(text);
    }
}
