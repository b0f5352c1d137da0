/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/json_file.h"
#include "klog/klog.h"
#include "outgoing/titles.h"

static bool same_text(const json_t *a, const json_t *b, const char *key)
{
    return strcmp(json_get_str(a, key, ""), json_get_str(b, key, "")) == 0;
}

/* The crash of the scrubbed log that is this one: of its kind, in its function, on its line (or,
 * where dumps of one crash repeat each other and lines are counted otherwise, in its place). */
static const json_t *find_same(const json_t *reports, const json_t *report, size_t place)
{
    const json_t *best = NULL, *other;
    size_t i;

    json_array_foreach(reports, i, other)
    {
        if (!same_text(report, other, "kind") || !same_text(report, other, "crash_function"))
            continue;
        if (json_get_int(report, "first_line", -1) == json_get_int(other, "first_line", -2))
            return other;
        if (!best || i == place)
            best = other;
    }
    return best;
}

static int rename_one(struct scrub *s, const json_t *report, const json_t *same)
{
    const char *title = json_get_str(report, "title", "");
    const char *function = json_get_str(report, "crash_function", "");
    char plain[256];

    if (!title[0])
        return 0;
    (void)snprintf(plain, sizeof(plain), "%s%s%s", json_get_str(report, "kind", "crash"),
                   function[0] ? " in " : "", function);
    return scrub_rename(s, span_str(title), span_str(json_get_str(same, "title", plain)));
}

int titles_rename(struct scrub *s, const json_t *report, struct span scrubbed_log)
{
    const json_t *reports = json_object_get(report, "reports"), *item;
    _cleanup_(klog_freep) struct klog *klog = NULL;
    _cleanup_json_ json_t *parsed = NULL;
    size_t i;
    int r;

    if (json_array_size(reports) == 0)
        return 0;
    r = klog_parse(scrubbed_log, &klog);
    if (r == 0)
        r = klog_to_json(klog, &parsed);
    json_array_foreach(reports, i, item) if (r == 0) r =
        rename_one(s, item, find_same(json_object_get(parsed, "reports"), item, i));
    return r;
}
