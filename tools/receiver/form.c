/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <inttypes.h>
#include <stdio.h>

#include "base/json_file.h"
#include "base/strbuf.h"
#include "form.h"

/* The bytes that the standard's serializer leaves as they are, and what RFC 3986 (2.3) calls
 * unreserved: clients are split over * and ~. */
static bool byte_is_plain(char c)
{
    return byte_is_alnum(c) || (c != '\0' && strchr("-._*~", c));
}

/* -EINVAL: *bad is the offset of the byte that is not encoded, or of the broken escape. */
static int decode(struct span s, struct strbuf *out, size_t *bad)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (c == '%') {
            int high = i + 1 < s.n ? byte_hex_value(s.p[i + 1]) : -1;
            int low = i + 2 < s.n ? byte_hex_value(s.p[i + 2]) : -1;

            *bad = i;
            if (high < 0 || low < 0)
                return -EINVAL;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+') {
            c = ' ';
        } else if (!byte_is_plain(c)) {
            *bad = i;
            return -EINVAL;
        }
        (void)strbuf_char(out, c);
    }
    return out->failed;
}

static const struct form_field *field_find(const struct form_field *fields, size_t n,
                                           const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static int check_value(const struct form_field *f, struct span v, char *why, size_t size)
{
    uint64_t number;

    if (f->must_be && !span_eq(v, f->must_be)) {
        (void)snprintf(why, size, "field %s must be \"%s\"", f->name, f->must_be);
        return -EINVAL;
    }
    if (f->type == FORM_TEXT) {
        if (v.n >= f->min && !memchr(v.p, '\0', v.n))
            return 0;
        (void)snprintf(why, size, "field %s is empty or holds a NUL", f->name);
        return -EINVAL;
    }
    if (span_take_dec(&v, &number) && v.n == 0 && number >= f->min && number <= f->max)
        return 0;
    (void)snprintf(why, size, "field %s is no decimal number from %" PRIu64 " to %" PRIu64, f->name,
                   f->min, f->max);
    return -EINVAL;
}

static int decode_part(const char *what, struct span s, struct strbuf *out, char *why, size_t size)
{
    size_t bad = 0;
    int r = decode(s, out, &bad);

    if (r == -EINVAL)
        (void)snprintf(why, size, "%s: byte %zu (0x%02x) is %s", what, bad, (unsigned char)s.p[bad],
                       s.p[bad] == '%' ? "no valid percent escape" : "not percent-encoded");
    return r;
}

static int read_pair(struct span pair, const struct form_field *fields, size_t n_fields,
                     json_t *object, char *why, size_t size)
{
    _cleanup_strbuf_ struct strbuf name = { 0 }, value = { 0 };
    const struct form_field *field;
    size_t eq = span_find_byte(pair, '=');
    json_t *text;
    int r;

    if (eq == SIZE_MAX || eq == 0) {
        (void)snprintf(why, size, "a field without a name or without =");
        return -EINVAL;
    }
    r = decode_part("a field's name", (struct span){ pair.p, eq }, &name, why, size);
    if (r < 0)
        return r;
    field = field_find(fields, n_fields, strbuf_cstr(&name));
    if (!field || strlen(strbuf_cstr(&name)) != name.n) {
        (void)snprintf(why, size, "unknown field %.64s", strbuf_cstr(&name));
        return -EINVAL;
    }
    r = decode_part(field->name, (struct span){ pair.p + eq + 1, pair.n - eq - 1 }, &value, why,
                    size);
    if (r == 0)
        r = check_value(field, strbuf_view(&value), why, size);
    if (r < 0)
        return r;
    if (json_object_get(object, field->name)) {
        (void)snprintf(why, size, "field %s is there twice", field->name);
        return -EINVAL;
    }
    text = json_stringn(strbuf_cstr(&value), value.n); /* checks UTF-8 */
    if (!text) {
        (void)snprintf(why, size, "field %s is no valid UTF-8", field->name);
        return -EINVAL;
    }
    return json_object_set_new(object, field->name, text) == 0 ? 0 : -ENOMEM;
}

int form_read(struct span body, const struct form_field *fields, size_t n_fields, json_t **out,
              char *why, size_t why_size)
{
    _cleanup_json_ json_t *object = json_object();
    struct span pair;
    int r;

    if (!object)
        return -ENOMEM;
    if (body.n == 0)
        body.p = NULL; /* no fields, not one without a name */
    while (span_next_field(&body, '&', &pair)) {
        r = read_pair(pair, fields, n_fields, object, why, why_size);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < n_fields; i++)
        if (!json_object_get(object, fields[i].name)) {
            (void)snprintf(why, why_size, "field %s is missing", fields[i].name);
            return -EINVAL;
        }
    *out = TAKE_PTR(object);
    return 0;
}
