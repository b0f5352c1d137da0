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

bool limits_has_begun(const struct limits *limits, const char *report)
{
    return find_entry(limits, report) < limits->n_entries;
}

static struct limits_tally *tally_of(struct limits *limits, const char *signature)
{
    size_t i = find_tally(limits, signature);

    return i < limits->n_tallies ? &limits->tallies[i] : NULL;
}

/* NULL where nothing went in it. */
static struct limits_hour *hour_of(struct limits *limits, int64_t hour)
{
    for (size_t i = 0; i < limits->n_hours; i++)
        if (limits->hours[i].hour == hour)
            return &limits->hours[i];
    return NULL;
}

/* Where there is no place, the oldest hour goes: it is of another day. */
static void spend(struct limits *limits, int64_t hour, uint64_t bytes)
{
    struct limits_hour *h = hour_of(limits, hour), *oldest = &limits->hours[0];

    for (size_t i = 1; i < limits->n_hours; i++)
        if (limits->hours[i].hour < oldest->hour)
            oldest = &limits->hours[i];
    if (!h && limits->n_hours < LIMITS_HOURS)
        h = &limits->hours[limits->n_hours++];
    else if (!h && oldest->hour < hour)
        h = oldest;
    if (!h)
        return;
    if (h->hour != hour)
        *h = (struct limits_hour){ .hour = hour };
    h->bytes += MIN(bytes, (uint64_t)INT64_MAX - h->bytes);
}

/* Within a day. */
static uint64_t bytes_spent(const struct limits *limits, int64_t now)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < limits->n_hours; i++)
        if (limits->hours[i].hour > now / 3600 - LIMITS_HOURS)
            bytes += MIN(limits->hours[i].bytes, (uint64_t)INT64_MAX - bytes);
    return bytes;
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
        limits_has_begun(out, e->report))
        return;
    e->time = MIN(json_get_int(object, "time", 0), now);
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

static void load_hour(const json_t *object, int64_t now, struct limits *out)
{
    int64_t hour = MIN(json_get_int(object, "hour", 0), now / 3600);
    int64_t bytes = json_get_int(object, "bytes", 0);

    if (bytes > 0)
        spend(out, hour, (uint64_t)bytes);
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
    json_array_foreach(json_object_get(file, "sent"), i, item) load_hour(item, now, limits);
    *out = limits;
    limits = NULL;
    return 0;
}

int limits_save(int state, const struct limits *limits)
{
    _cleanup_json_ json_t *file =
        json_pack("{s:i, s:[], s:[], s:[]}", "version", 1, "begun", "counted", "sent");
    json_t *begun = json_object_get(file, "begun"), *counted = json_object_get(file, "counted");
    json_t *sent = json_object_get(file, "sent");

    for (size_t i = 0; i < limits->n_entries; i++) {
        const struct limits_entry *e = &limits->entries[i];

        if (json_array_append_new(begun, json_pack("{s:s, s:s, s:I, s:i}", "report", e->report,
                                                   "signature", e->signature, "time",
                                                   (json_int_t)e->time, "tally", (int)e->tally)))
            return -ENOMEM;
    }
    for (size_t i = 0; i < limits->n_tallies; i++) {
        const struct limits_tally *t = &limits->tallies[i];

        if (json_array_append_new(counted, json_pack("{s:s, s:s, s:I, s:i}", "signature",
                                                     t->signature, "last", t->last, "since",
                                                     (json_int_t)t->since, "count", (int)t->n)))
            return -ENOMEM;
    }
    for (size_t i = 0; i < limits->n_hours; i++)
        if (json_array_append_new(sent,
                                  json_pack("{s:I, s:I}", "hour", (json_int_t)limits->hours[i].hour,
                                            "bytes", (json_int_t)limits->hours[i].bytes)))
            return -ENOMEM;
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
    bool begun = report->begun || limits_has_begun(limits, report->name), counts = true;
    uint64_t reports = 0, alike = 0, spent = bytes_spent(limits, now);

    if (!begun && was_counted(limits, report))
        return LIMITS_COUNT;
    for (size_t i = 0; i < limits->n_entries; i++) {
        const struct limits_entry *e = &limits->entries[i];

        if (!is_of_today(e, now))
            continue;
        reports++;
        counts &= strcmp(e->report, report->name) != 0;
        alike += report->signature[0] && strcmp(e->signature, report->signature) == 0;
    }
    if (!begun && config->same_crashes_per_day > 0 && alike >= config->same_crashes_per_day)
        return LIMITS_COUNT;
    if (counts && config->max_reports_per_day > 0 && reports >= config->max_reports_per_day)
        return LIMITS_WAIT;
    /* One that is larger than all of a day goes alone. */
    if (config->max_bytes_per_day > 0 && spent > 0 && report->bytes > 0 &&
        spent + report->bytes > config->max_bytes_per_day)
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
    bool again = limits_has_begun(limits, report->name);
    const struct limits_tally *tally;
    struct limits_entry *e;

    spend(limits, now / 3600, report->bytes);
    if (again) {
        e = &limits->entries[find_entry(limits, report->name)];
        e->time = is_of_today(e, now) ? e->time : now;
    } else {
        forget(limits, now);
        e = &limits->entries[limits->n_entries++];
        *e = (struct limits_entry){ .time = now };
        (void)span_copy(span_str(report->name), e->report, sizeof(e->report));
        (void)span_copy(span_str(report->signature), e->signature, sizeof(e->signature));
    }
    /* Its number stays: it may have been told to a server already. */
    tally = e->signature[0] && (again ? e->tally > 0 : !is_spoken_for(limits, e, now))
                ? tally_of(limits, e->signature)
                : NULL;
    e->tally = tally ? (again ? MIN(e->tally, tally->n) : tally->n) : 0;
    *since = tally ? tally->since : 0;
    return e->tally;
}

void limits_went(struct limits *limits, const struct limits_report *report, bool first,
                 uint64_t bytes, int64_t now)
{
    size_t i = find_entry(limits, report->name);
    struct limits_hour *h = hour_of(limits, now / 3600);

    /* A transfer that took beyond the hour is booked in the one where it ended. */
    if (h)
        h->bytes -= MIN(h->bytes, report->bytes);
    if (bytes > 0)
        spend(limits, now / 3600, bytes);
    else if (first && i < limits->n_entries)
        memmove(&limits->entries[i], &limits->entries[i + 1],
                (--limits->n_entries - i) * sizeof(limits->entries[0]));
}

bool limits_accepted(struct limits *limits, const char *report)
{
    struct limits_tally *tally;
    struct limits_entry *e;

    if (!limits_has_begun(limits, report))
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
