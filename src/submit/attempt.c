/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/atomic_file.h"
#include "submit/attempt.h"

enum { ATTEMPT_VERSION = 1, UPLOAD_MAX = 64 << 10 };

static const char *const phases[] = {
    [ATTEMPT_NONE] = "none",           [ATTEMPT_STARTED] = "started",
    [ATTEMPT_FINISHING] = "finishing", [ATTEMPT_ACCEPTED] = "accepted",
    [ATTEMPT_REFUSED] = "refused",     [ATTEMPT_UNKNOWN] = "unknown",
};

static int file_name(const char *report, const char *suffix, char *buf, size_t size)
{
    int n = snprintf(buf, size, "%s%s", report, suffix);

    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static unsigned bounded(const json_t *json, const char *key)
{
    return (unsigned)MAX(MIN(json_get_int(json, key, 0), (int64_t)1000000), (int64_t)0);
}

int attempt_load(int state, const char *report, struct attempt *out)
{
    _cleanup_json_ json_t *json = NULL;
    char name[NAME_MAX + 16];
    const char *phase;
    int r = file_name(report, ".json", name, sizeof(name));

    *out = (struct attempt){ 0 };
    if (r == 0)
        r = json_file_read(state, name, &json);
    if (r == -ENOENT || r == -EBADMSG || r == -EFBIG || r == -ELOOP)
        return 0;
    if (r < 0)
        return r;
    if (json_get_int(json, "version", ATTEMPT_VERSION) > ATTEMPT_VERSION) {
        out->phase = ATTEMPT_UNKNOWN;
        return 0;
    }
    phase = json_get_str(json, "phase", "none");
    for (size_t i = 0; i < ARRAY_SIZE(phases); i++)
        if (i != ATTEMPT_UNKNOWN && strcmp(phase, phases[i]) == 0)
            out->phase = (enum attempt_phase)i;
    out->tries = bounded(json, "tries");
    out->protocol_errors = bounded(json, "protocol_errors");
    out->next_try = json_get_int(json, "next_try", 0);
    out->last_status = (int)bounded(json, "last_status");
    (void)span_copy(span_str(json_get_str(json, "gid", "")), out->gid, sizeof(out->gid));
    (void)span_copy(span_str(json_get_str(json, "last_error", "")), out->last_error,
                    sizeof(out->last_error));
    out->finish_asked = json_is_true(json_object_get(json, "finish_asked"));
    out->upload_size = (uint64_t)MAX(json_get_int(json, "upload_size", 0), (int64_t)0);
    if ((out->phase == ATTEMPT_STARTED || out->phase == ATTEMPT_FINISHING) && !out->gid[0])
        out->phase = ATTEMPT_NONE;
    return 0;
}

/* What a server said may be no UTF-8. */
static json_t *printable(const char *s)
{
    char copy[1024];

    (void)span_copy(span_str(s), copy, sizeof(copy));
    for (char *c = copy; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    return json_string(copy);
}

int attempt_save(int state, const char *report, const struct attempt *attempt)
{
    _cleanup_json_ json_t *json = NULL;
    char name[NAME_MAX + 16];
    int r = file_name(report, ".json", name, sizeof(name));

    if (r < 0)
        return r;
    json =
        json_pack("{s:i, s:I, s:s, s:i, s:i, s:I, s:o, s:b, s:i, s:o}", "version", ATTEMPT_VERSION,
                  "upload_size", (json_int_t)attempt->upload_size, "phase", phases[attempt->phase],
                  "tries", (int)attempt->tries, "protocol_errors", (int)attempt->protocol_errors,
                  "next_try", (json_int_t)attempt->next_try, "gid", printable(attempt->gid),
                  "finish_asked", (int)attempt->finish_asked, "last_status", attempt->last_status,
                  "last_error", printable(attempt->last_error));
    return json ? json_file_write(state, name, json) : -ENOMEM;
}

int attempt_remove(int state, const char *report)
{
    static const char *const suffixes[] = { ".upload", ".exchange", ".json" };
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        char name[NAME_MAX + 16];
        int one = file_name(report, suffixes[i], name, sizeof(name));

        if (one == 0 && unlinkat(state, name, 0) < 0 && errno != ENOENT)
            one = -errno;
        r = r < 0 ? r : one;
    }
    return r < 0 ? r : fd_sync(state);
}

int attempt_save_upload(int state, const char *report, struct span answer)
{
    char name[NAME_MAX + 16];
    int r = file_name(report, ".upload", name, sizeof(name));

    return r < 0 ? r : file_write_private(state, name, answer);
}

int attempt_load_upload(int state, const char *report, struct strbuf *out)
{
    char name[NAME_MAX + 16];
    int r = file_name(report, ".upload", name, sizeof(name));

    return r < 0 ? r : file_read_at(state, name, UPLOAD_MAX, out);
}

int attempt_remove_upload(int state, const char *report)
{
    char name[NAME_MAX + 16];
    int r = file_name(report, ".upload", name, sizeof(name));

    return r < 0 ? r : unlink_durable(state, name);
}
