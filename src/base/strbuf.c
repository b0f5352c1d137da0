/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "base/strbuf.h"

void strbuf_clear(struct strbuf *b)
{
    free(b->p);
    *b = (struct strbuf){ .max = b->max };
}

int strbuf_reserve(struct strbuf *b, size_t n)
{
    size_t max = b->max ? b->max : STRBUF_MAX;
    size_t need, size;
    char *p;

    if (b->failed)
        return b->failed;
    if (!add_size(b->n, n, &need) || need > max)
        return b->failed = -EFBIG;
    if (need < b->size)
        return 0;
    size = MAX(b->size, (size_t)128);
    while (size <= need)
        size *= 2;
    p = realloc(b->p, size);
    if (!p)
        return b->failed = -ENOMEM;
    if (!b->p)
        p[0] = '\0';
    b->p = p;
    b->size = size;
    return 0;
}

int strbuf_append(struct strbuf *b, const void *p, size_t n)
{
    int r = strbuf_reserve(b, n);

    if (r < 0)
        return r;
    if (n > 0)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    b->p[b->n] = '\0';
    return 0;
}

int strbuf_span(struct strbuf *b, struct span s)
{
    return strbuf_append(b, s.p, s.n);
}

int strbuf_str(struct strbuf *b, const char *s)
{
    return strbuf_append(b, s, strlen(s));
}

int strbuf_char(struct strbuf *b, char c)
{
    return strbuf_append(b, &c, 1);
}

int strbuf_dec(struct strbuf *b, uint64_t value)
{
    char digits[20];
    size_t n = sizeof(digits);

    do
        digits[--n] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    return strbuf_append(b, digits + n, sizeof(digits) - n);
}

int strbuf_printf(struct strbuf *b, const char *fmt, ...)
{
    va_list ap;
    int n, r;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return b->failed = -EINVAL;
    r = strbuf_reserve(b, (size_t)n + 1);
    if (r < 0)
        return r;
    va_start(ap, fmt);
    (void)vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
    return 0;
}

char *strbuf_take(struct strbuf *b)
{
    char *p;

    if (b->failed || strbuf_reserve(b, 0) < 0) {
        strbuf_clear(b);
        return NULL;
    }
    p = b->p ? b->p : calloc(1, 1);
    b->p = NULL;
    strbuf_clear(b);
    return p;
}
