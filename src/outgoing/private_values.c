/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "outgoing/private_values.h"

#define FILE_NAME "private.json"

static size_t count(const json_t *values)
{
    size_t n = 0;

    for (int kind = 0; kind < SCRUB_N_KINDS; kind++)
        n += json_array_size(json_object_get(values, scrub_kind_name((enum scrub_kind)kind)));
    return n;
}

static bool contains(const json_t *list, struct span value)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (span_eq(value, json_string_value(json_array_get(list, i))))
            return true;
    return false;
}

int private_values_add(struct private_values *p, enum scrub_kind kind, struct span value)
{
    json_t *list, *string;

    value = span_trim(value);
    if (value.n == 0 || value.n >= SCRUB_MAX_VALUE || memchr(value.p, '\0', value.n) ||
        count(p->values) >= PRIVATE_VALUES_MAX)
        return 0;
    if (!p->values)
        p->values = json_object();
    if (!p->values)
        return -ENOMEM;
    list = json_object_get(p->values, scrub_kind_name(kind));
    if (!list) {
        list = json_array();
        if (json_object_set_new(p->values, scrub_kind_name(kind), list) < 0)
            return -ENOMEM;
    }
    if (contains(list, value))
        return 0;
    string = json_stringn(value.p, value.n);
    if (!string)
        return 0; /* no UTF-8 */
    return json_array_append_new(list, string) < 0 ? -ENOMEM : 0;
}

int private_values_save(const struct private_values *p, int state)
{
    _cleanup_json_ json_t *none = p->values ? NULL : json_object();

    return p->values || none ? json_file_write(state, FILE_NAME, p->values ? p->values : none)
                             : -ENOMEM;
}

int private_values_load(int state, struct private_values *out)
{
    struct private_values values = { 0 };
    int r = state < 0 ? -ENOENT : json_file_read(state, FILE_NAME, &values.values);

    if (r == -ENOMEM)
        return r;
    *out = values;
    return 0;
}

int private_values_tell(const struct private_values *p, struct scrub *s)
{
    for (int kind = 0; kind < SCRUB_N_KINDS; kind++) {
        const json_t *list = json_object_get(p->values, scrub_kind_name((enum scrub_kind)kind));

        for (size_t i = 0; i < json_array_size(list); i++) {
            const char *value = json_string_value(json_array_get(list, i));
            int r = value ? scrub_add_known(s, (enum scrub_kind)kind, span_str(value)) : 0;

            if (r < 0)
                return r;
        }
    }
    return 0;
}

void private_values_done(struct private_values *p)
{
    json_decref(p->values);
    p->values = NULL;
}
