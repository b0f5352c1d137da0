/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>

#include "vmcore/internal.h"

const char *window_at(struct window *w, const struct vmcore *v, uint64_t va, size_t n)
{
    if (n > sizeof(w->bytes))
        return NULL;
    if (w->n == 0 || va < w->va || va - w->va > w->n || w->n - (size_t)(va - w->va) < n) {
        int64_t got = vmcore_read_some(v, va, w->bytes, sizeof(w->bytes));

        w->n = got > 0 ? (size_t)got : 0;
        w->va = va;
        if (w->n < n)
            return NULL;
    }
    return w->bytes + (va - w->va);
}

uint64_t number_at(const char *p, size_t width)
{
    uint64_t value = 0;

    memcpy(&value, p, width < sizeof(value) ? width : sizeof(value));
    return value;
}

/* Gives out what is left; the first error. */
static int print_flush(struct printer *p)
{
    if (p->error == 0 && p->n > 0) {
        int r = p->emit(p->ctx, p->bytes, p->n);

        if (r < 0)
            p->error = r;
    }
    p->n = 0;
    return p->error;
}

static void put(struct printer *p, char c)
{
    if (p->n == sizeof(p->bytes))
        (void)print_flush(p);
    p->bytes[p->n++] = c;
}

/* A decimal number, filled on the left to this width. */
static void put_number(struct printer *p, uint64_t value, unsigned width, char fill, char mark)
{
    char digits[24];
    unsigned n = 0;

    do {
        digits[n++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    if (mark)
        digits[n++] = mark;
    for (unsigned i = n; i < width; i++)
        put(p, fill);
    p->indent += n < width ? width : n;
    while (n > 0)
        put(p, digits[--n]);
}

void print_prefix(struct printer *p, uint64_t nsec, bool has_caller, uint32_t caller)
{
    const uint32_t cpu = 0x80000000; /* set: in an interrupt of this CPU; clear: a task's id */

    p->indent = 4; /* brackets, point, blank */
    put(p, '[');
    put_number(p, nsec / 1000000000, 5, ' ', 0);
    put(p, '.');
    put_number(p, nsec % 1000000000 / 1000, 6, '0', 0);
    put(p, ']');
    if (has_caller) {
        p->indent += 2;
        put(p, '[');
        put_number(p, caller & ~cpu, 6, ' ', caller & cpu ? 'C' : 'T');
        put(p, ']');
    }
    put(p, ' ');
}

/* A piece of the record's text. */
static void print_text(struct printer *p, const char *text, size_t n)
{
    static const char hex[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];

        if ((c >= ' ' && c < 0x7f) || byte_is_space((char)c)) {
            put(p, (char)c);
            for (size_t blank = 0; c == '\n' && blank < p->indent; blank++)
                put(p, ' ');
        } else {
            put(p, '\\');
            put(p, 'x');
            put(p, hex[c >> 4]);
            put(p, hex[c & 15]);
        }
    }
}

void print_end(struct printer *p)
{
    put(p, '\n');
}

bool print_memory(struct printer *p, const struct vmcore *v, struct window *w, uint64_t va,
                  size_t n)
{
    while (n > 0) {
        size_t piece = n < 256 ? n : 256;
        const char *text = window_at(w, v, va, piece);

        if (!text)
            return false;
        print_text(p, text, piece);
        va += piece;
        n -= piece;
    }
    return true;
}

int layout_read(const struct vmcore *v, const struct layout_field *fields, size_t n, void *out)
{
    enum { MAX_STRUCTURE = 1024 };

    for (size_t i = 0; i < n; i++) {
        uint64_t value;
        uint32_t small;

        if (!vmcore_info_number(v, fields[i].key, &value))
            return -ENOMSG;
        if (value > MAX_STRUCTURE)
            return -EBADMSG;
        small = (uint32_t)value;
        memcpy((char *)out + fields[i].offset, &small, sizeof(small));
    }
    return 0;
}

int vmcore_dmesg(const struct vmcore *v, bool callers, vmcore_emit_fn emit, void *ctx,
                 struct vmcore_log *out)
{
    struct printer p = { .emit = emit, .ctx = ctx, .callers = callers };
    struct vmcore_log log = { 0 };
    int r, flushed;

    r = ring_dump(v, &p, &log);
    if (r == -ENOMSG)
        r = records_dump(v, &p, &log);
    flushed = print_flush(&p);
    if (out)
        *out = log;
    return flushed < 0 ? flushed : r;
}
