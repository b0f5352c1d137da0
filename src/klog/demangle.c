/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The legacy form of Rust's names, and C++'s. */
#include "klog/demangle_internal.h"

static bool is_rust_hash(struct span s)
{
    if (s.n != 17 || s.p[0] != 'h')
        return false;
    for (size_t i = 1; i < s.n; i++)
        if (byte_hex_value(s.p[i]) < 0)
            return false;
    return true;
}

/* "$LT$" and such; false: none stands here. */
static bool rust_escape(struct span *s, char *out)
{
    static const struct {
        const char *name;
        char byte;
    } escapes[] = { { "$LT$", '<' }, { "$GT$", '>' }, { "$RF$", '&' }, { "$BP$", '*' },
                    { "$C$", ',' },  { "$LP$", '(' }, { "$RP$", ')' }, { "$SP$", '@' } };
    struct span rest = *s;
    uint64_t value;

    for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
        if (span_skip(s, escapes[i].name)) {
            *out = escapes[i].byte;
            return true;
        }
    if (!span_skip(&rest, "$u") || !span_take_hex(&rest, &value) || !span_skip(&rest, "$") ||
        value < ' ' || value > '~')
        return false;
    *out = (char)value;
    *s = rest;
    return true;
}

/* One part of a path, with the arguments that stand in '<>' behind a name left out. */
static void rust_legacy_part(struct demangler *d, struct span s)
{
    unsigned inside = 0;
    char before = '\0';

    if (span_starts(s, "_$"))
        (void)span_take(&s, 1);
    while (s.n > 0 && !d->failed) {
        char c;

        if (span_skip(&s, "..")) {
            if (inside == 0)
                put_str(d, "::");
            before = ':';
            continue;
        }
        if (!rust_escape(&s, &c))
            c = span_take(&s, 1).p[0];
        if (c == '<' && (inside > 0 || byte_is_alnum(before) || before == '_'))
            inside++;
        else if (c == '>' && inside > 0)
            inside--;
        else if (inside == 0)
            put(d, (struct span){ &c, 1 });
        before = c;
    }
}

/* "I…E": balanced; only what is needed to find its end. */
static bool cxx_skip_arguments(struct demangler *d)
{
    unsigned open = 1;
    struct span name;

    while (open > 0) {
        char c = peek(d);

        if (c == '\0' || ++d->steps > MAX_STEPS)
            return fail(d);
        if (byte_is_digit(c)) {
            if (!take_counted(d, &name))
                return false;
            continue;
        }
        (void)span_take(&d->rest, 1);
        if (c == 'E') {
            open--;
        } else if (c == 'S' || c == 'T') {
            /* "S_", "S0_", "T_", "St" */
            while (byte_is_digit(peek(d)) || (c == 'S' && peek(d) >= 'A' && peek(d) <= 'Z'))
                (void)span_take(&d->rest, 1);
            if (peek(d) != '\0')
                (void)span_take(&d->rest, 1);
        } else if (c == 'L') {
            size_t end = span_find_byte(d->rest, 'E');

            if (end == SIZE_MAX)
                return fail(d);
            (void)span_take(&d->rest, end + 1);
        } else if (c == 'I' || c == 'N' || c == 'X' || c == 'J' || c == 'F') {
            open++;
        }
    }
    return true;
}

/* One part of a nested name; *last is the name of a class, for its constructor. */
static bool cxx_part(struct demangler *d, struct span *last)
{
    (void)take_char(d, 'L');
    if (byte_is_digit(peek(d))) {
        if (!take_counted(d, last))
            return false;
        put(d, *last);
        return true;
    }
    if (span_skip(&d->rest, "St")) {
        put_str(d, "std");
        return true;
    }
    if (last->n > 0 && (peek(d) == 'C' || peek(d) == 'D') && d->rest.n > 1 &&
        byte_is_digit(d->rest.p[1])) {
        if (peek(d) == 'D')
            put_str(d, "~");
        (void)span_take(&d->rest, 2);
        put(d, *last);
        return true;
    }
    return fail(d);
}

static bool cxx_nested(struct demangler *d)
{
    struct span last = { NULL, 0 };

    while (peek(d) == 'K' || peek(d) == 'V' || peek(d) == 'r')
        (void)span_take(&d->rest, 1);
    for (size_t n = 0; !take_char(d, 'E'); n++) {
        if (n > 0 && take_char(d, 'I')) {
            if (!cxx_skip_arguments(d))
                return false;
            continue;
        }
        if (n > 0)
            put_str(d, "::");
        if (++d->steps > MAX_STEPS || !cxx_part(d, &last))
            return fail(d);
    }
    return d->n > 0;
}

/* "N…17h<hash>E" */
static bool rust_legacy(struct demangler *d)
{
    struct demangler copy = *d;
    size_t n = 0;

    for (;;) {
        struct span part;

        if (!take_counted(&copy, &part))
            return false;
        if (is_rust_hash(part) && peek(&copy) == 'E') {
            *d = copy;
            return n > 0;
        }
        if (n++ > 0)
            put_str(&copy, "::");
        rust_legacy_part(&copy, part);
        if (copy.failed)
            return false;
    }
}

static bool itanium(struct demangler *d)
{
    struct span last = { NULL, 0 };

    if (take_char(d, 'N'))
        return rust_legacy(d) || cxx_nested(d);
    return cxx_part(d, &last) && last.n > 0;
}

size_t klog_demangle(struct span name, char out[KLOG_MAX_DEMANGLED])
{
    struct demangler d = { .rest = name, .out = out };
    bool ok = false;

    if (span_skip(&d.rest, "_R") && d.rest.n > 0 && d.rest.p[0] >= 'A' && d.rest.p[0] <= 'Z') {
        d.all = d.rest;
        ok = klog_demangle_rust_v0(&d);
    } else if (span_skip(&d.rest, "_Z")) {
        ok = itanium(&d);
    }
    return ok && !d.failed ? d.n : 0;
}
