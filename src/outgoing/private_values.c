/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "outgoing/private_values.h"

#define FILE_NAME "private.json"
#define TMP_NAME ".tmp-" FILE_NAME

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

/* Durable. Through a temporary file of one name, which an interrupted run leaves to the next:
 * others write to the state folder at the same time, so that nobody can tell whose the unnamed ones
 * are. */
static int replace_file(int state, struct span text)
{
    _cleanup_close_ int fd = -EBADF;
    int r;

    if (unlinkat(state, TMP_NAME, 0) < 0 && errno != ENOENT)
        return -errno;
    fd = openat(state, TMP_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    r = fd < 0 ? -errno : fd_write_all(fd, text.p, text.n);
    if (r == 0)
        r = fd_sync(fd);
    if (r == 0 && renameat(state, TMP_NAME, state, FILE_NAME) < 0)
        r = -errno;
    if (r < 0)
        (void)unlinkat(state, TMP_NAME, 0);
    return r == 0 ? fd_sync(state) : r;
}

int private_values_save(const struct private_values *p, int state)
{
    _cleanup_free_ char *text =
        p->values ? json_dumps(p->values, JSON_INDENT(1) | JSON_SORT_KEYS) : strdup("{}");

    return text ? replace_file(state, span_str(text)) : -ENOMEM;
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
