/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spool/consent.h"
#include "base/json_file.h"

static const char consent_name[] = "consent.json";

/* {"changes": [{"since": SECONDS, "submission": BOOL}, …]}, oldest first. */
int consent_load(int statefd, struct consent_history *out)
{
    _cleanup_json_ json_t *object = NULL;
    const json_t *change;
    size_t i;
    int r = json_file_read(statefd, consent_name, &object);

    *out = (struct consent_history){ 0 };
    if (r == -ENOMEM)
        return r;
    json_array_foreach(json_object_get(object, "changes"), i, change)
    {
        if (out->n == CONSENT_MAX_CHANGES)
            break;
        out->changes[out->n].since = json_get_int(change, "since", 0);
        out->changes[out->n++].submission = json_is_true(json_object_get(change, "submission"));
    }
    return 0;
}

static int save(int statefd, const struct consent_history *history)
{
    _cleanup_json_ json_t *object = json_pack("{s:[]}", "changes");
    json_t *changes = json_object_get(object, "changes");

    for (size_t i = 0; i < history->n; i++)
        if (json_array_append_new(changes,
                                  json_pack("{s:I, s:b}", "since",
                                            (json_int_t)history->changes[i].since, "submission",
                                            (int)history->changes[i].submission)) < 0)
            return -ENOMEM;
    return object ? json_file_write(statefd, consent_name, object) : -ENOMEM;
}

int consent_note(int statefd, bool submission, time_t now)
{
    struct consent_history history;
    int r = consent_load(statefd, &history);

    if (r < 0)
        return r;
    if (history.n > 0 && history.changes[history.n - 1].submission == submission)
        return 0;
    if (history.n == CONSENT_MAX_CHANGES) {
        memmove(&history.changes[0], &history.changes[1],
                sizeof(history.changes) - sizeof(history.changes[0]));
        history.n--;
    }
    history.changes[history.n].since = now;
    history.changes[history.n++].submission = submission;
    return save(statefd, &history);
}

enum consent consent_at(const struct consent_history *history, time_t when)
{
    enum consent consent = CONSENT_UNKNOWN;

    for (size_t i = 0; i < history->n; i++)
        if (history->changes[i].since <= (int64_t)when)
            consent = history->changes[i].submission ? CONSENT_YES : CONSENT_NO;
    return consent;
}
