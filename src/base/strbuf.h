/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A growable byte buffer with a hard limit, always NUL-terminated behind its bytes (NULs inside are
 * allowed). Appends that would pass the limit or find no memory fail and set `failed`, so that a
 * chain of appends is judged once at its end.
 */
#pragma once

#include "base/macro.h"
#include "base/span.h"

struct strbuf {
    char *p;     /* owned; NULL while nothing was appended */
    size_t n;    /* bytes, without the NUL */
    size_t size; /* allocated */
    size_t max;  /* no more bytes than this; 0: STRBUF_MAX */
    int failed;  /* 0, -ENOMEM or -EFBIG; sticky */
};

enum { STRBUF_MAX = 256 << 20 };

void strbuf_clear(struct strbuf *b); /* frees; also the cleanup function */
#define _cleanup_strbuf_ _cleanup_(strbuf_clear)

int strbuf_append(struct strbuf *b, const void *p, size_t n);
int strbuf_span(struct strbuf *b, struct span s);
int strbuf_str(struct strbuf *b, const char *s);
int strbuf_char(struct strbuf *b, char c);
int strbuf_dec(struct strbuf *b, uint64_t value); /* quicker than by format */
int strbuf_printf(struct strbuf *b, const char *fmt, ...) _printf_(2, 3);
/* Room for n more bytes at b->p + b->n; the caller then raises b->n (and keeps the NUL). */
int strbuf_reserve(struct strbuf *b, size_t n);
static inline struct span strbuf_view(const struct strbuf *b)
{
    return (struct span){ b->p ? b->p : "", b->n };
}
static inline const char *strbuf_cstr(const struct strbuf *b)
{
    return b->p ? b->p : "";
}
/* Hands the bytes over to the caller, who frees them; "" on the heap for an empty buffer. NULL when
 * an append had failed or memory is out; the buffer is empty afterwards. */
char *strbuf_take(struct strbuf *b);
