/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json_file.h"
#include "base/atomic_file.h"

int json_file_read(int dirfd, const char *name, json_t **out)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };
    json_t *value;
    int r = file_read_at(dirfd, name, JSON_FILE_MAX, &text);

    if (r < 0)
        return r;
    value = json_loadb(strbuf_cstr(&text), text.n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(value)) {
        json_decref(value);
        return -EBADMSG;
    }
    *out = value;
    return 0;
}

int json_file_write(int dirfd, const char *name, const json_t *value)
{
    _cleanup_free_ char *text = json_dumps(value, JSON_INDENT(1) | JSON_SORT_KEYS);
    _cleanup_strbuf_ struct strbuf b = { 0 };

    if (!text)
        return -ENOMEM;
    (void)strbuf_str(&b, text);
    (void)strbuf_char(&b, '\n');
    return b.failed ? b.failed : file_write_private(dirfd, name, strbuf_view(&b));
}

const char *json_get_str(const json_t *object, const char *key, const char *fallback)
{
    const char *s = json_string_value(json_object_get(object, key));

    return s ? s : fallback;
}

int64_t json_get_int(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *v = json_object_get(object, key);

    return json_is_integer(v) ? json_integer_value(v) : fallback;
}
