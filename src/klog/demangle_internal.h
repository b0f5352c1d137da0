/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a name is being read, and what has been written of it. */
#pragma once

#include "klog/demangle.h"

/* What a name may cost: back references can make a short one endless. */
enum { MAX_DEPTH = 24, MAX_STEPS = 2000 };

struct demangler {
    struct span all; /* v0: back references count from its first byte */
    struct span rest;
    char *out; /* KLOG_MAX_DEMANGLED */
    size_t n;
    unsigned depth, steps;
    unsigned quiet; /* > 0: what is parsed is not written */
    bool failed;
};

static inline bool fail(struct demangler *d)
{
    d->failed = true;
    return false;
}

static inline void put(struct demangler *d, struct span text)
{
    if (d->quiet > 0 || d->failed)
        return;
    if (text.n > KLOG_MAX_DEMANGLED - d->n) {
        d->failed = true;
        return;
    }
    memcpy(d->out + d->n, text.p, text.n);
    d->n += text.n;
}

static inline void put_str(struct demangler *d, const char *text)
{
    put(d, span_str(text));
}

static inline char peek(const struct demangler *d)
{
    return d->rest.n > 0 ? d->rest.p[0] : '\0';
}

static inline bool take_char(struct demangler *d, char c)
{
    if (d->rest.n == 0 || d->rest.p[0] != c)
        return false;
    (void)span_take(&d->rest, 1);
    return true;
}

static inline bool enter(struct demangler *d)
{
    if (d->failed || ++d->depth > MAX_DEPTH || ++d->steps > MAX_STEPS)
        return fail(d);
    return true;
}

static inline bool take_counted(struct demangler *d, struct span *out)
{
    uint64_t n;

    if (!byte_is_digit(peek(d)) || !span_take_dec(&d->rest, &n))
        return fail(d);
    if (n > d->rest.n)
        return fail(d);
    *out = span_take(&d->rest, (size_t)n);
    return true;
}

/* What stands behind "_R"; false: it is not understood. */
bool klog_demangle_rust_v0(struct demangler *d);
