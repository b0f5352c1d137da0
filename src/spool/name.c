/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "parse/name.h"
#include "spool/spool.h"

enum { MINUTE_STAMP = 12, SECOND_STAMP = 14, MAX_PART = 64 };

static bool take_digits(struct span *s, size_t n, int *out)
{
    struct span digits = span_take(s, n);
    uint64_t value;

    if (digits.n != n || !span_take_dec(&digits, &value) || digits.n != 0)
        return false;
    *out = (int)value;
    return true;
}

/* YYYYMMDDHHMM[SS], a time that exists. */
static bool parse_stamp(struct span stamp, time_t *out)
{
    struct tm tm = { 0 }, check;
    time_t t;

    if ((stamp.n != MINUTE_STAMP && stamp.n != SECOND_STAMP) ||
        !take_digits(&stamp, 4, &tm.tm_year) || !take_digits(&stamp, 2, &tm.tm_mon) ||
        !take_digits(&stamp, 2, &tm.tm_mday) || !take_digits(&stamp, 2, &tm.tm_hour) ||
        !take_digits(&stamp, 2, &tm.tm_min) || (stamp.n > 0 && !take_digits(&stamp, 2, &tm.tm_sec)))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    check = tm;
    t = timegm(&tm);
    if (tm.tm_mon != check.tm_mon || tm.tm_mday != check.tm_mday || tm.tm_hour != check.tm_hour ||
        tm.tm_min != check.tm_min || tm.tm_sec != check.tm_sec)
        return false;
    *out = t;
    return true;
}

bool spool_report_parse_name(const char *name, struct spool_report *out)
{
    struct span s = span_str(name), head, stamp;
    size_t dot;
    time_t time;

    if (s.n > NAME_MAX || !span_starts(s, "steamos-") || !span_ends(s, ".zip"))
        return false;
    s.n -= strlen(".zip");
    dot = span_find_byte(s, '.');
    if (dot == SIZE_MAX)
        return false;
    head = span_take(&s, dot);
    (void)span_take(&s, 1);
    for (size_t i = 0; i < head.n; i++)
        if (!byte_is_alnum(head.p[i]) && head.p[i] != '-' && head.p[i] != '_')
            return false;
    stamp = s;
    if (!parse_stamp(stamp, &time))
        return false;
    *out = (struct spool_report){ .time = time };
    (void)span_copy(stamp, out->stamp, sizeof(out->stamp));
    (void)span_copy(span_str(name), out->name, sizeof(out->name));
    return true;
}

int spool_report_format_name(const char *serial, const char *user, time_t time, unsigned attempt,
                             char *stamp, char *name)
{
    char serial_part[MAX_PART], user_part[MAX_PART];
    struct tm tm;

    if (attempt > 1)
        time += (time_t)(attempt - 1);
    if (!gmtime_r(&time, &tm) || tm.tm_year + 1900 < 1970 || tm.tm_year + 1900 > 9999)
        return -EINVAL;
    (void)strftime(stamp, SPOOL_STAMP_MAX, attempt == 0 ? "%Y%m%d%H%M" : "%Y%m%d%H%M%S", &tm);
    name_sanitize(span_str(serial), serial_part, sizeof(serial_part));
    name_sanitize(span_str(user), user_part, sizeof(user_part));
    (void)snprintf(name, NAME_MAX + 1, "steamos-%s-%s.%s.zip", serial_part, user_part, stamp);
    return 0;
}

bool spool_note_parse_name(const char *name, char *report)
{
    static const char *const suffixes[] = { ".json", ".exchange", ".upload" };
    struct span rest = span_str(name);
    size_t end = span_find(rest, ".zip.");
    struct spool_report parsed;
    bool known = false;

    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++)
        known |= span_ends(rest, suffixes[i]);
    if (!known || end == SIZE_MAX)
        return false;
    rest.n = end + strlen(".zip");
    return span_copy(rest, report, NAME_MAX + 1) && spool_report_parse_name(report, &parsed);
}
