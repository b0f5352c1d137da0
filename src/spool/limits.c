/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spool/limits.h"
#include "base/json_file.h"

static const char limits_name[] = "limits.json";

/* Both give an index, or the number of all where there is none. */
static size_t find_entry(const struct limits *limits, const char *report)
{
    size_t i = 0;

    while (i < limits->n_entries && strcmp(limits->entries[i].report, report) != 0)
        i++;
    return i;
}

static size_t find_tally(const struct limits *limits, const char *signature)
{
    size_t i = 0;

    while (i < limits->n_tallies && strcmp(limits->tallies[i].signature, signature) != 0)
        i++;
    return i;
}

static bool has_entry(const struct limits *limits, const char *report)
{
    return find_entry(limits, report) < limits->n_entries;
}

static struct limits_tally *tally_of(struct limits *limits, const char *signature)
{
    size_t i = find_tally(limits, signature);

    return i < limits->n_tallies ? &limits->tallies[i] : NULL;
}

/* ---- the file ---- */

static bool take_string(const json_t *object, const char *key, char *buf, size_t size)
{
    return span_copy(span_str(json_get_str(object, key, "")), buf, size);
}

static unsigned take_count(const json_t *object, const char *key)
{
    return (unsigned)MAX(MIN(json_get_int(object, key, 0), (int64_t)1000000), (int64_t)0);
}

static void load_entry(const json_t *object, int64_t now, struct limits *out)
{
    struct limits_entry *e = &out->entries[out->n_entries];

    if (out->n_entries == LIMITS_MAX_ENTRIES ||
        !take_string(object, "report", e->report, sizeof(e->report)) || !e->report[0] ||
        !take_string(object, "signature", e->signature, sizeof(e->signature)) ||
        has_entry(out, e->report))
        return;
    e->time = MIN(json_get_int(object, "time", 0), now);
    e->bytes = (uint64_t)MAX(json_get_int(object, "bytes", 0), (int64_t)0);
    e->tally = take_count(object, "tally");
    out->n_entries++;
}

static void load_tally(const json_t *object, struct limits *out)
{
    struct limits_tally *t = &out->tallies[out->n_tallies];

    if (out->n_tallies == LIMITS_MAX_TALLIES ||
        !take_string(object, "signature", t->signature, sizeof(t->signature)) || !t->signature[0] ||
        !take_string(object, "last", t->last, sizeof(t->last)) ||
        find_tally(out, t->signature) < out->n_tallies)
        return;
    t->since = json_get_int(object, "since", 0);
    t->n = take_count(object, "count");
    out->n_tallies++;
}

int limits_load(int state, int64_t now, struct limits **out)
{
    _cleanup_free_ struct limits *limits = calloc(1, sizeof(*limits));
    _cleanup_json_ json_t *file = NULL;
    const json_t *item;
    size_t i;
    int r;

    if (!limits)
        return -ENOMEM;
    r = json_file_read(state, limits_name, &file);
    if (r < 0 && r != -ENOENT && r != -EBADMSG && r != -EFBIG && r != -ELOOP)
        return r;
    json_array_foreach(json_object_get(file, "begun"), i, item) load_entry(item, now, limits);
    json_array_foreach(json_object_get(file, "counted"), i, item) load_tally(item, limits);
    *out = limits;
    limits = NULL;
    return 0;
}

int limits_save(int state, const struct limits *limits)
{
    _cleanup_json_ json_t *file = json_pack("{s:i, s:[], s:[]}", "version", 1, "begun", "counted");
    json_t *begun = json_object_get(file, "begun"), *counted = json_object_get(file, "counted");

    for (size_t i = 0; i < limits->n_entries; i++) {
        const struct limits_entry *e = &limits->entries[i];

        if (json_array_append_new(begun,
                                  json_pack("{s:s, s:s, s:I, s:I, s:i}", "report", e->report,
                                            "signature", e->signature, "time", (json_int_t)e->time,
                                            "bytes", (json_int_t)e->bytes, "tally", (int)e->tally)))
            return -ENOMEM;
    }
    for (size_t i = 0; i < limits->n_tallies; i++) {
        const struct limits_tally *t = &limits->tallies[i];

        if (json_array_append_new(counted, json_pack("{s:s, s:s, s:I, s:i}", "signature",
                                                     t->signature, "last", t->last, "since",
                                                     (json_int_t)t->since, "count", (int)t->n)))
            return -ENOMEM;
    }
    return file ? json_file_write(state, limits_name, file) : -ENOMEM;
}

/* ---- what is allowed ---- */

static bool is_of_today(const struct limits_entry *e, int64_t now)
{
    return e->time > now - LIMITS_WINDOW;
}

/* A run that was cut off has counted it, and not moved it yet. */
static bool was_counted(const struct limits *limits, const struct limits_report *report)
{
    size_t i = find_tally(limits, report->signature);

    return i < limits->n_tallies && strcmp(limits->tallies[i].last, report->name) == 0;
}

enum limits_verdict limits_judge(const struct limits *limits, const struct config *config,
                                 const struct limits_report *report, int64_t now)
{
    uint64_t reports = 0, bytes = 0, alike = 0;

    if (has_entry(limits, report->name))
        return LIMITS_SEND;
    if (was_counted(limits, report))
        return LIMITS_COUNT;
    for (size_t i = 0; i < limits->n_entries; i++) {
        const struct limits_entry *e = &limits->entries[i];

        if (!is_of_today(e, now))
            continue;
        reports++;
        bytes += e->bytes;
        alike += report->signature[0] && strcmp(e->signature, report->signature) == 0;
    }
    if (config->same_crashes_per_day > 0 && alike >= config->same_crashes_per_day)
        return LIMITS_COUNT;
    if (config->max_reports_per_day > 0 && reports >= config->max_reports_per_day)
        return LIMITS_WAIT;
    /* One that is larger than all of a day goes alone. */
    if (config->max_bytes_per_day > 0 && bytes > 0 &&
        bytes + report->bytes > config->max_bytes_per_day)
        return LIMITS_WAIT;
    return LIMITS_SEND;
}

/* The oldest goes; one that is not of today, before those that are. */
static void forget(struct limits *limits, int64_t now)
{
    size_t kept = 0;

    for (size_t i = 0; i < limits->n_entries; i++)
        if (is_of_today(&limits->entries[i], now) || limits->entries[i].tally > 0)
            limits->entries[kept++] = limits->entries[i];
    limits->n_entries = kept;
    if (kept == LIMITS_MAX_ENTRIES) {
        memmove(&limits->entries[0], &limits->entries[1],
                (LIMITS_MAX_ENTRIES - 1) * sizeof(limits->entries[0]));
        limits->n_entries--;
    }
}

/* Whether another report speaks for the counted ones of this signature. */
static bool is_spoken_for(struct limits *limits, const struct limits_entry *own, int64_t now)
{
    for (size_t i = 0; i < limits->n_entries; i++) {
        struct limits_entry *e = &limits->entries[i];

        if (e == own || e->tally == 0 || strcmp(e->signature, own->signature) != 0)
            continue;
        if (is_of_today(e, now))
            return true;
        e->tally = 0;
    }
    return false;
}

unsigned limits_begin(struct limits *limits, const struct limits_report *report, int64_t now,
                      int64_t *since)
{
    const struct limits_tally *tally;
    struct limits_entry *e;

    if (has_entry(limits, report->name)) {
        e = &limits->entries[find_entry(limits, report->name)];
    } else {
        forget(limits, now);
        e = &limits->entries[limits->n_entries++];
        *e = (struct limits_entry){ .time = now, .bytes = report->bytes };
        (void)span_copy(span_str(report->name), e->report, sizeof(e->report));
        (void)span_copy(span_str(report->signature), e->signature, sizeof(e->signature));
    }
    tally =
        e->signature[0] && !is_spoken_for(limits, e, now) ? tally_of(limits, e->signature) : NULL;
    e->tally = tally ? tally->n : 0;
    *since = tally ? tally->since : 0;
    return e->tally;
}

bool limits_accepted(struct limits *limits, const char *report)
{
    struct limits_tally *tally;
    struct limits_entry *e;

    if (!has_entry(limits, report))
        return false;
    e = &limits->entries[find_entry(limits, report)];
    if (e->tally == 0)
        return false;
    tally = tally_of(limits, e->signature);
    if (tally) {
        tally->n -= MIN(tally->n, e->tally);
        if (tally->n == 0)
            *tally = limits->tallies[--limits->n_tallies];
    }
    e->tally = 0;
    return true;
}

bool limits_count(struct limits *limits, const struct limits_report *report, int64_t now)
{
    struct limits_tally *tally = tally_of(limits, report->signature);

    if (was_counted(limits, report))
        return false;
    if (!tally) {
        if (limits->n_tallies == LIMITS_MAX_TALLIES) {
            memmove(&limits->tallies[0], &limits->tallies[1],
                    (LIMITS_MAX_TALLIES - 1) * sizeof(limits->tallies[0]));
            limits->n_tallies--;
        }
        tally = &limits->tallies[limits->n_tallies++];
        *tally = (struct limits_tally){ .since = now };
        (void)span_copy(span_str(report->signature), tally->signature, sizeof(tally->signature));
    }
    (void)span_copy(span_str(report->name), tally->last, sizeof(tally->last));
    tally->n++;
    return true;
}

unsigned limits_counted(const struct limits *limits)
{
    unsigned n = 0;

    for (size_t i = 0; i < limits->n_tallies; i++)
        n += limits->tallies[i].n;
    return n;
}
