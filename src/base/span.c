/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdlib.h>

#include "base/span.h"

bool span_eq(struct span s, const char *literal)
{
    return span_eq_span(s, span_str(literal));
}

bool span_eq_span(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool span_eq_case(struct span s, const char *literal)
{
    if (s.n != strlen(literal))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (to_lower(s.p[i]) != to_lower(literal[i]))
            return false;
    return true;
}

bool span_ends(struct span s, const char *suffix)
{
    size_t n = strlen(suffix);

    return s.n >= n && (n == 0 || memcmp(s.p + (s.n - n), suffix, n) == 0);
}

size_t span_find_byte(struct span s, char c)
{
    const char *hit = s.n ? memchr(s.p, c, s.n) : NULL;

    return hit ? (size_t)(hit - s.p) : SIZE_MAX;
}

size_t span_find(struct span s, const char *needle)
{
    const char *hit = s.n ? memmem(s.p, s.n, needle, strlen(needle)) : NULL;

    return hit ? (size_t)(hit - s.p) : SIZE_MAX;
}

struct span span_trim(struct span s)
{
    while (s.n > 0 && byte_is_space(s.p[0]))
        (void)span_take(&s, 1);
    while (s.n > 0 && byte_is_space(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool span_next_line(struct span *s, struct span *line)
{
    size_t end;

    if (s->n == 0)
        return false;
    end = span_find_byte(*s, '\n');
    if (end == SIZE_MAX) {
        *line = span_take(s, s->n);
        return true;
    }
    *line = span_take(s, end);
    (void)span_take(s, 1);
    return true;
}

bool span_next_field(struct span *s, char c, struct span *field)
{
    size_t end;

    if (!s->p)
        return false;
    end = span_find_byte(*s, c);
    if (end == SIZE_MAX) {
        *field = *s;
        *s = (struct span){ NULL, 0 };
        return true;
    }
    *field = span_take(s, end);
    (void)span_take(s, 1);
    return true;
}

bool span_next_word(struct span *s, struct span *word)
{
    size_t n = 0;

    while (s->n > 0 && byte_is_space(s->p[0]))
        (void)span_take(s, 1);
    while (n < s->n && !byte_is_space(s->p[n]))
        n++;
    if (n == 0)
        return false;
    *word = span_take(s, n);
    return true;
}

int byte_hex_value(char c)
{
    if (byte_is_digit(c))
        return c - '0';
    c = to_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool take_number(struct span *s, unsigned base, uint64_t *out)
{
    uint64_t value = 0;
    size_t n = 0;

    for (; n < s->n; n++) {
        int digit = byte_hex_value(s->p[n]);

        if (digit < 0 || (unsigned)digit >= base)
            break;
        if (__builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value))
            return false;
    }
    if (n == 0)
        return false;
    (void)span_take(s, n);
    *out = value;
    return true;
}

bool span_take_dec(struct span *s, uint64_t *out)
{
    return take_number(s, 10, out);
}

bool span_take_hex(struct span *s, uint64_t *out)
{
    return take_number(s, 16, out);
}

bool span_to_u64(struct span s, uint64_t *out)
{
    uint64_t value;
    bool ok;

    if (span_skip(&s, "0x") || span_skip(&s, "0X"))
        ok = span_take_hex(&s, &value);
    else
        ok = span_take_dec(&s, &value);
    if (!ok || s.n != 0)
        return false;
    *out = value;
    return true;
}

bool span_copy(struct span s, char *buf, size_t size)
{
    size_t nul = span_find_byte(s, '\0');
    size_t n = nul == SIZE_MAX ? s.n : nul;
    bool fits = n < size;

    if (size == 0)
        return false;
    if (!fits)
        n = size - 1;
    if (n > 0)
        memcpy(buf, s.p, n);
    buf[n] = '\0';
    return fits;
}

char *span_dup(struct span s)
{
    return strndup(s.n ? s.p : "", s.n);
}
