/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rust's names, v0 (RFC 2603). */
#include "klog/demangle_internal.h"

static bool rust_path(struct demangler *d);
static bool rust_type(struct demangler *d);

/* "_" is 0, "0_" 1, "Z_" 62 */
static bool rust_base62(struct demangler *d, uint64_t *out)
{
    uint64_t value = 0;

    if (take_char(d, '_')) {
        *out = 0;
        return true;
    }
    for (; d->rest.n > 0 && byte_is_alnum(d->rest.p[0]); (void)span_take(&d->rest, 1)) {
        char c = d->rest.p[0];
        unsigned digit = c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' ? (unsigned)(c - 'a') + 10
                                    : (unsigned)(c - 'A') + 36;

        value = value * 62 + digit; /* of a crate's: longer than 64 bits, and not needed */
    }
    if (!take_char(d, '_'))
        return fail(d);
    *out = value + 1;
    return true;
}

/* What tells two of one name apart: 0 for the first. */
static bool rust_disambiguator(struct demangler *d, uint64_t *out)
{
    *out = 0;
    if (!take_char(d, 's'))
        return true;
    if (!rust_base62(d, out))
        return false;
    *out += 1;
    return true;
}

/* A '_' parts the length from a name that begins with a digit or one. */
static bool rust_counted(struct demangler *d, struct span *out)
{
    uint64_t n;

    if (!byte_is_digit(peek(d)) || !span_take_dec(&d->rest, &n))
        return fail(d);
    (void)take_char(d, '_');
    if (n > d->rest.n)
        return fail(d);
    *out = span_take(&d->rest, (size_t)n);
    return true;
}

static bool rust_identifier(struct demangler *d, uint64_t *number, struct span *name)
{
    if (!rust_disambiguator(d, number))
        return false;
    (void)take_char(d, 'u'); /* punycode: left as it is */
    return rust_counted(d, name);
}

static void put_number(struct demangler *d, uint64_t value)
{
    char digits[24];
    size_t n = sizeof(digits);

    do
        digits[--n] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    put(d, (struct span){ digits + n, sizeof(digits) - n });
}

/* Goes on at an earlier place of the name, and then here again. */
static bool rust_back_reference(struct demangler *d, bool (*what)(struct demangler *))
{
    const char *here = d->rest.p - 1;
    struct span behind;
    uint64_t at;
    bool ok;

    if (!rust_base62(d, &at))
        return false;
    if (at >= (size_t)(here - d->all.p))
        return fail(d);
    behind = d->rest;
    d->rest = (struct span){ d->all.p + at, d->all.n - (size_t)at };
    ok = what(d);
    d->rest = behind;
    return ok;
}

static bool rust_nested(struct demangler *d)
{
    char space = peek(d);
    struct span name;
    uint64_t number;

    if (!byte_is_alpha(space))
        return fail(d);
    (void)span_take(&d->rest, 1);
    if (!rust_path(d) || !rust_identifier(d, &number, &name))
        return false;
    if (space >= 'a') {
        if (name.n > 0) {
            put_str(d, "::");
            put(d, name);
        }
        return true;
    }
    put_str(d, space == 'C' ? "::{closure" : space == 'S' ? "::{shim" : "::{");
    if (name.n > 0) {
        put_str(d, ":");
        put(d, name);
    }
    put_str(d, "#");
    put_number(d, number);
    put_str(d, "}");
    return true;
}

static bool rust_impl_path(struct demangler *d)
{
    uint64_t number;
    bool ok;

    d->quiet++;
    ok = rust_disambiguator(d, &number) && rust_path(d);
    d->quiet--;
    return ok;
}

static bool rust_type_as_trait(struct demangler *d)
{
    put_str(d, "<");
    if (!rust_type(d))
        return false;
    put_str(d, " as ");
    if (!rust_path(d))
        return false;
    put_str(d, ">");
    return true;
}

/* Up to E; not written: they are what makes one function many. */
static bool rust_const(struct demangler *d);
static bool rust_generic_arguments(struct demangler *d)
{
    bool ok = true;

    d->quiet++;
    while (ok && !take_char(d, 'E')) {
        uint64_t number;

        if (take_char(d, 'L'))
            ok = rust_base62(d, &number);
        else if (take_char(d, 'K'))
            ok = rust_const(d);
        else
            ok = rust_type(d);
    }
    d->quiet--;
    return ok;
}

static bool rust_path_of(struct demangler *d, char kind)
{
    struct span name;
    uint64_t number;

    switch (kind) {
    case 'C':
        if (!rust_identifier(d, &number, &name))
            return false;
        put(d, name);
        return true;
    case 'M':
        if (!rust_impl_path(d))
            return false;
        put_str(d, "<");
        if (!rust_type(d))
            return false;
        put_str(d, ">");
        return true;
    case 'X':
        return rust_impl_path(d) && rust_type_as_trait(d);
    case 'Y':
        return rust_type_as_trait(d);
    case 'N':
        return rust_nested(d);
    case 'I':
        return rust_path(d) && rust_generic_arguments(d);
    case 'B':
        return rust_back_reference(d, rust_path);
    default:
        return fail(d);
    }
}

static bool rust_path(struct demangler *d)
{
    char kind = peek(d);
    bool ok;

    if (kind == '\0' || !enter(d))
        return fail(d);
    (void)span_take(&d->rest, 1);
    ok = rust_path_of(d, kind);
    d->depth--;
    return ok;
}

static bool rust_const(struct demangler *d)
{
    if (!enter(d))
        return false;
    if (take_char(d, 'B')) {
        if (!rust_back_reference(d, rust_const))
            return false;
    } else if (!take_char(d, 'p')) {
        /* a type of one letter, and the value in hexadecimal */
        if (d->rest.n == 0)
            return fail(d);
        (void)span_take(&d->rest, 1);
        (void)take_char(d, 'n');
        while (byte_hex_value(peek(d)) >= 0 && peek(d) != '\0')
            (void)span_take(&d->rest, 1);
        if (!take_char(d, '_'))
            return fail(d);
    }
    d->depth--;
    return true;
}

static bool rust_tuple(struct demangler *d)
{
    size_t n = 0;

    put_str(d, "(");
    for (; !take_char(d, 'E'); n++) {
        if (n > 0)
            put_str(d, ", ");
        if (!rust_type(d))
            return false;
    }
    put_str(d, n == 1 ? ",)" : ")");
    return true;
}

/* "fn": what it takes and gives is not written. */
static bool rust_function(struct demangler *d)
{
    struct span name;
    uint64_t number;
    bool ok = true;

    d->quiet++;
    if (take_char(d, 'G'))
        ok = rust_base62(d, &number);
    (void)take_char(d, 'U');
    if (ok && take_char(d, 'K') && !take_char(d, 'C'))
        ok = rust_counted(d, &name);
    while (ok && !take_char(d, 'E'))
        ok = rust_type(d);
    ok = ok && rust_type(d);
    d->quiet--;
    put_str(d, "fn");
    return ok;
}

/* "dyn A + B" */
static bool rust_dyn(struct demangler *d)
{
    uint64_t number;
    struct span name;

    put_str(d, "dyn ");
    if (take_char(d, 'G') && !rust_base62(d, &number))
        return false;
    for (size_t n = 0; !take_char(d, 'E'); n++) {
        if (n > 0)
            put_str(d, " + ");
        if (!rust_path(d))
            return false;
        while (take_char(d, 'p')) {
            bool ok;

            d->quiet++;
            ok = rust_counted(d, &name) && rust_type(d);
            d->quiet--;
            if (!ok)
                return false;
        }
    }
    return take_char(d, 'L') ? rust_base62(d, &number) : fail(d);
}

static const char *rust_basic_type(char c)
{
    static const char *const names[26] = {
        ['a' - 'a'] = "i8",    ['b' - 'a'] = "bool", ['c' - 'a'] = "char", ['d' - 'a'] = "f64",
        ['e' - 'a'] = "str",   ['f' - 'a'] = "f32",  ['h' - 'a'] = "u8",   ['i' - 'a'] = "isize",
        ['j' - 'a'] = "usize", ['l' - 'a'] = "i32",  ['m' - 'a'] = "u32",  ['n' - 'a'] = "i128",
        ['o' - 'a'] = "u128",  ['p' - 'a'] = "_",    ['s' - 'a'] = "i16",  ['t' - 'a'] = "u16",
        ['u' - 'a'] = "()",    ['v' - 'a'] = "...",  ['x' - 'a'] = "i64",  ['y' - 'a'] = "u64",
        ['z' - 'a'] = "!",
    };

    return c >= 'a' && c <= 'z' ? names[c - 'a'] : NULL;
}

static bool rust_reference(struct demangler *d, const char *sign)
{
    uint64_t number;

    if (take_char(d, 'L') && !rust_base62(d, &number))
        return false;
    put_str(d, sign);
    return rust_type(d);
}

static bool rust_type_of(struct demangler *d, char kind)
{
    switch (kind) {
    case 'A':
    case 'S':
        put_str(d, "[");
        if (!rust_type(d) || (kind == 'A' && !rust_const(d)))
            return false;
        put_str(d, "]");
        return true;
    case 'T':
        return rust_tuple(d);
    case 'R':
        return rust_reference(d, "&");
    case 'Q':
        return rust_reference(d, "&mut ");
    case 'P':
        return rust_reference(d, "*const ");
    case 'O':
        return rust_reference(d, "*mut ");
    case 'F':
        return rust_function(d);
    case 'D':
        return rust_dyn(d);
    case 'B':
        return rust_back_reference(d, rust_type);
    default:
        return rust_path_of(d, kind);
    }
}

static bool rust_type(struct demangler *d)
{
    char kind = peek(d);
    const char *basic = rust_basic_type(kind);
    bool ok = true;

    if (kind == '\0' || !enter(d))
        return fail(d);
    (void)span_take(&d->rest, 1);
    if (basic)
        put_str(d, basic);
    else
        ok = rust_type_of(d, kind);
    d->depth--;
    return ok;
}

/* "_R", a path, the crate that made it, and what LLVM puts behind it. */
bool klog_demangle_rust_v0(struct demangler *d)
{
    if (!rust_path(d))
        return false;
    if (d->rest.n > 0 && peek(d) != '.') {
        bool ok;

        d->quiet++;
        ok = rust_path(d);
        d->quiet--;
        if (!ok)
            return false;
    }
    return d->rest.n == 0 || peek(d) == '.';
}
