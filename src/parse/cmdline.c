/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse/cmdline.h"

/* As next_arg() ends a parameter: one closing quote goes, whichever opening one it belongs to. */
static void drop_closing_quote(struct span *s)
{
    if (s->n > 0 && s->p[s->n - 1] == '"')
        s->n--;
}

static struct cmdline_param split(struct span arg, size_t equals, bool quoted)
{
    struct cmdline_param param = { .name = arg, .value = { arg.p + arg.n, 0 } };

    if (equals == 0) {
        if (quoted)
            drop_closing_quote(&param.name);
        return param;
    }
    param.has_value = true;
    param.name = span_take(&arg, equals);
    (void)span_take(&arg, 1);
    if (span_skip(&arg, "\"") || quoted)
        drop_closing_quote(&arg);
    param.value = arg;
    return param;
}

bool cmdline_next(struct span *rest, struct cmdline_param *out)
{
    struct cmdline_param param;
    bool quoted, in_quote;
    size_t n, equals = 0;

    while (rest->n > 0 && byte_is_space(rest->p[0]))
        (void)span_take(rest, 1);
    if (rest->n == 0)
        return false;
    quoted = in_quote = span_skip(rest, "\"");
    for (n = 0; n < rest->n && (in_quote || !byte_is_space(rest->p[n])); n++) {
        /* An '=' that a parameter begins with belongs to its name. */
        if (rest->p[n] == '=' && equals == 0)
            equals = n;
        if (rest->p[n] == '"')
            in_quote = !in_quote;
    }
    param = split(span_take(rest, n), equals, quoted);
    if (!param.has_value && span_eq(param.name, "--")) {
        (void)span_take(rest, rest->n); /* what follows is for init */
        return false;
    }
    *out = param;
    return true;
}

static char dash_to_underscore(char c)
{
    return c == '-' ? '_' : c;
}

bool cmdline_name_is(struct span name, const char *wanted)
{
    if (name.n != strlen(wanted))
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (dash_to_underscore(name.p[i]) != dash_to_underscore(wanted[i]))
            return false;
    return true;
}

bool cmdline_get(struct span cmdline, const char *name, struct span *value)
{
    struct cmdline_param param;
    bool found = false;

    while (cmdline_next(&cmdline, &param)) {
        if (!cmdline_name_is(param.name, name))
            continue;
        *value = param.value;
        found = true;
    }
    return found;
}

static bool take_octal(struct span *s, uint64_t *out)
{
    uint64_t value = 0;

    while (s->n > 0 && s->p[0] >= '0' && s->p[0] <= '7') {
        if (value >> 61)
            return false;
        value = value << 3 | (uint64_t)(s->p[0] - '0');
        (void)span_take(s, 1);
    }
    *out = value;
    return true;
}

/* The digits and the suffix; what follows stays in s. */
static bool take_size(struct span *s, uint64_t *out)
{
    static const char suffixes[] = "KMGTPE";
    uint64_t value;
    const char *suffix;
    bool ok;

    if (span_starts(*s, "0x") || span_starts(*s, "0X")) {
        (void)span_take(s, 2);
        ok = span_take_hex(s, &value);
    } else if (s->n > 1 && s->p[0] == '0') {
        ok = take_octal(s, &value);
    } else {
        ok = span_take_dec(s, &value);
    }
    if (!ok)
        return false;
    if (s->n > 0 && s->p[0] != '\0') {
        char upper = s->p[0] >= 'a' && s->p[0] <= 'z' ? (char)(s->p[0] - ('a' - 'A')) : s->p[0];

        suffix = strchr(suffixes, upper);
        if (suffix) {
            unsigned shift = 10 * (unsigned)(suffix - suffixes + 1);

            if (value != 0 && value > UINT64_MAX >> shift)
                return false;
            value <<= shift;
            (void)span_take(s, 1);
        }
    }
    *out = value;
    return true;
}

bool cmdline_parse_size(struct span s, uint64_t *out)
{
    uint64_t value;

    if (!take_size(&s, &value) || s.n != 0)
        return false;
    *out = value;
    return true;
}

static bool parse_reserve_mem(struct span value, struct cmdline_reserve_mem *out)
{
    struct cmdline_reserve_mem r = { 0 };
    struct span size, align;

    if (!span_next_field(&value, ':', &size) || !span_next_field(&value, ':', &align) || !value.p)
        return false;
    r.name = value;
    if (!cmdline_parse_size(size, &r.size) || r.size == 0 || span_trim(r.name).n == 0 ||
        r.name.n > CMDLINE_RESERVE_MEM_NAME_MAX)
        return false;
    /* memparse() takes an empty alignment for 0, and 0 stands for a cache line. */
    if (align.n > 0 && !cmdline_parse_size(align, &r.align))
        return false;
    *out = r;
    return true;
}

bool cmdline_next_reserve_mem(struct span *rest, struct cmdline_reserve_mem *out)
{
    struct cmdline_param param;

    while (cmdline_next(rest, &param))
        if (cmdline_name_is(param.name, "reserve_mem") && parse_reserve_mem(param.value, out))
            return true;
    return false;
}
