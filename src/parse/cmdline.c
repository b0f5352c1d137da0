/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse/cmdline.h"

static struct span unquote(struct span s)
{
    if (s.n > 0 && s.p[0] == '"') {
        (void)span_take(&s, 1);
        if (s.n > 0 && s.p[s.n - 1] == '"')
            s.n--;
    }
    return s;
}

bool cmdline_next(struct span *rest, struct cmdline_param *out)
{
    bool in_quote = false;
    struct span param;
    size_t n, equals = SIZE_MAX;

    while (rest->n > 0 && byte_is_space(rest->p[0]))
        (void)span_take(rest, 1);
    for (n = 0; n < rest->n && (in_quote || !byte_is_space(rest->p[n])); n++) {
        if (rest->p[n] == '"')
            in_quote = !in_quote;
        else if (rest->p[n] == '=' && equals == SIZE_MAX)
            equals = n;
    }
    if (n == 0)
        return false;
    param = span_take(rest, n);
    if (span_eq(param, "--"))
        return false;
    *out = (struct cmdline_param){ .name = param, .value = { param.p + param.n, 0 } };
    if (equals == SIZE_MAX) {
        out->name = unquote(param);
        return true;
    }
    out->has_value = true;
    out->name = span_take(&param, equals);
    (void)span_take(&param, 1);
    if (out->name.n > 0 && out->name.p[0] == '"') {
        /* "name=value with blanks" */
        (void)span_take(&out->name, 1);
        if (param.n > 0 && param.p[param.n - 1] == '"')
            param.n--;
    }
    out->value = unquote(param);
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

bool cmdline_next_reserve_mem(struct span *rest, struct cmdline_reserve_mem *out)
{
    struct cmdline_param param;

    while (cmdline_next(rest, &param)) {
        struct span value = param.value, size, align;

        if (!cmdline_name_is(param.name, "reserve_mem") || !span_next_field(&value, ':', &size) ||
            !span_next_field(&value, ':', &align) || !value.p || value.n == 0 ||
            !cmdline_parse_size(size, &out->size) || !cmdline_parse_size(align, &out->align))
            continue;
        out->name = value;
        return true;
    }
    return false;
}
