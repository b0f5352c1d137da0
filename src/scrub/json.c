/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scrub/values.h"

enum { MAX_DEPTH = 64 };

/* Members of a report (doc/formats.md) that are names of code, numbers, or words of ours. What is
 * quoted from the log by itself (a title, a trace's label) is not. */
static const char *const structure[] = {
    "kind",          "type",           "crash_function", "signature",        "taint_flags",
    "rip",           "registers",      "modules",        "modules_unloaded", "frames",
    "stack",         "kernel_release", "vendor",         "product",          "board",
    "fault_address", "code",
};

static bool is_structure(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(structure); i++)
        if (strcmp(key, structure[i]) == 0)
            return true;
    return false;
}

/* A new string where text changes; NULL where it stays (or memory is out: s->failed says so). */
static int scrub_string(struct scrub *s, json_t *string, json_t **out)
{
    struct span text = { json_string_value(string), json_string_length(string) };
    struct strbuf scrubbed = { 0 };
    const char *renamed = scrub_renamed(s, text);
    int r = renamed ? strbuf_str(&scrubbed, renamed) : scrub_text(s, text, &scrubbed);

    *out = NULL;
    if (r == 0 && !span_eq_span(strbuf_view(&scrubbed), text)) {
        /* Values are cut out between ASCII bytes: what is left is UTF-8 as it was. */
        *out = json_stringn(strbuf_cstr(&scrubbed), scrubbed.n);
        r = *out ? 0 : -ENOMEM;
    }
    strbuf_clear(&scrubbed);
    return r;
}

static int scrub_value(struct scrub *s, json_t *value, unsigned depth);

static int scrub_member(struct scrub *s, json_t *member, unsigned depth, json_t **replacement)
{
    *replacement = NULL;
    return json_is_string(member) ? scrub_string(s, member, replacement)
                                  : scrub_value(s, member, depth + 1);
}

static int scrub_object(struct scrub *s, json_t *object, unsigned depth)
{
    const char *key;
    json_t *member;
    void *next;

    json_object_foreach_safe(object, next, key, member)
    {
        json_t *replacement = NULL;
        int r = is_structure(key) ? 0 : scrub_member(s, member, depth, &replacement);

        if (r == 0 && replacement && json_object_set_new(object, key, replacement) < 0)
            r = -ENOMEM;
        if (r < 0)
            return r;
    }
    return 0;
}

static int scrub_array(struct scrub *s, json_t *array, unsigned depth)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        json_t *replacement;
        int r = scrub_member(s, json_array_get(array, i), depth, &replacement);

        if (r == 0 && replacement && json_array_set_new(array, i, replacement) < 0)
            r = -ENOMEM;
        if (r < 0)
            return r;
    }
    return 0;
}

static int scrub_value(struct scrub *s, json_t *value, unsigned depth)
{
    if (depth > MAX_DEPTH)
        return -EFBIG; /* nothing unseen leaves */
    if (json_is_object(value))
        return scrub_object(s, value, depth);
    return json_is_array(value) ? scrub_array(s, value, depth) : 0;
}

int scrub_json(struct scrub *s, json_t *value)
{
    return scrub_value(s, value, 0);
}
