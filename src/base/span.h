/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A span is a view of bytes that somebody else owns: no heap, no NUL terminator expected, NULs
 * allowed inside. Every parser takes its input as a span.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const char *p;
    size_t n;
};

/* A span over a string literal or a C string; NULL gives the empty span. */
#define SPAN(literal) ((struct span){ "" literal, sizeof(literal) - 1 })
static inline struct span span_str(const char *s)
{
    return (struct span){ s, s ? strlen(s) : 0 };
}
static inline struct span span_bytes(const void *p, size_t n)
{
    return (struct span){ p, n };
}

bool span_eq(struct span s, const char *literal);
bool span_eq_span(struct span a, struct span b);
bool span_eq_case(struct span s, const char *literal); /* ASCII case folded */
bool span_ends(struct span s, const char *suffix);
/* Takes up to n bytes off the front of s and returns them. */
static inline struct span span_take(struct span *s, size_t n)
{
    struct span head = { s->p, n < s->n ? n : s->n };

    if (head.n > 0)
        s->p += head.n;
    s->n -= head.n;
    return head;
}
/* Parsers ask this for word after word of each line: the first byte mostly tells. */
static inline bool span_starts(struct span s, const char *prefix)
{
    size_t n;

    if (prefix[0] == '\0')
        return true;
    if (s.n == 0 || s.p[0] != prefix[0])
        return false;
    n = strlen(prefix);
    return s.n >= n && memcmp(s.p, prefix, n) == 0;
}
/* If s starts with prefix: takes it off s and returns true. */
static inline bool span_skip(struct span *s, const char *prefix)
{
    if (!span_starts(*s, prefix))
        return false;
    (void)span_take(s, strlen(prefix));
    return true;
}
/* The index of the first such byte or substring, or SIZE_MAX. */
size_t span_find_byte(struct span s, char c);
size_t span_find(struct span s, const char *needle);
static inline bool span_contains(struct span s, const char *needle)
{
    return span_find(s, needle) != SIZE_MAX;
}
/* Without blanks (space, tab, CR, LF, VT, FF) at both ends. */
struct span span_trim(struct span s);
/* The next line without its LF, and s behind it; false at the end. A last line needs no LF. */
bool span_next_line(struct span *s, struct span *line);
/* The part before the first c, and s behind that c; all of s where there is none. False when s is
 * exhausted (s->p is then NULL): "a::b" gives "a", "", "b". */
bool span_next_field(struct span *s, char c, struct span *field);
/* The next run of non-blank bytes; false when only blanks are left. */
bool span_next_word(struct span *s, struct span *word);
/* Takes a number off the front of s. False (s and *out untouched) where there is no digit or the
 * value does not fit. span_take_hex takes no 0x prefix. */
bool span_take_dec(struct span *s, uint64_t *out);
bool span_take_hex(struct span *s, uint64_t *out);
/* The whole of s as a number: decimal, or hexadecimal behind 0x. */
bool span_to_u64(struct span s, uint64_t *out);
/* Copies s and a NUL into buf, cut to fit; returns whether all of it fitted. A NUL inside s ends
 * the copy. */
bool span_copy(struct span s, char *buf, size_t size);
/* A heap copy with a NUL behind it, owned by the caller; NULL when out of memory. */
char *span_dup(struct span s);

static inline bool byte_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool byte_is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}
static inline bool byte_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool byte_is_alnum(char c)
{
    return byte_is_alpha(c) || byte_is_digit(c);
}
/* -1 where c is no hexadecimal digit. */
int byte_hex_value(char c);
