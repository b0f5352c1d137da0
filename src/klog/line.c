/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/line.h"

enum { MAX_HOST_PREFIX = 160, MAX_HOST = 65, MAX_BRACKET = 64, MAX_CALLER = 1 << 28 };

static bool take_level(struct span *s, int *level)
{
    struct span rest = *s;
    uint64_t value;

    if (!span_skip(&rest, "<") || !span_take_dec(&rest, &value) || value > 1023 ||
        !span_skip(&rest, ">"))
        return false;
    *level = (int)(value & 7);
    *s = rest;
    return true;
}

static void skip_blanks(struct span *s)
{
    while (s->n > 0 && s->p[0] == ' ')
        (void)span_take(s, 1);
}

/* "12.345678"; dmesg --time-format iso and others write other numbers of digits behind it. */
static bool take_seconds(struct span *s, size_t least, size_t most, double *seconds)
{
    struct span rest = *s;
    uint64_t whole, fraction;
    double unit = 1;
    size_t digits;

    if (!span_take_dec(&rest, &whole) || !span_skip(&rest, "."))
        return false;
    digits = rest.n;
    if (!span_take_dec(&rest, &fraction))
        return false;
    digits -= rest.n;
    if (digits < least || digits > most)
        return false;
    for (size_t i = 0; i < digits; i++)
        unit /= 10;
    *seconds = (double)whole + (double)fraction * unit;
    *s = rest;
    return true;
}

/* "[   12.345678]" */
static bool take_time(struct span *s, double *seconds)
{
    struct span rest = *s;
    double value;

    if (!span_skip(&rest, "["))
        return false;
    skip_blanks(&rest);
    if (!take_seconds(&rest, 6, 6, &value) || !span_skip(&rest, "]"))
        return false;
    *seconds = value;
    *s = rest;
    return true;
}

/* A time of day: "05:40", in front of which and behind which no digit stands. */
static bool has_clock(struct span s)
{
    for (size_t i = 0; i + 5 <= s.n; i++)
        if (s.p[i + 2] == ':' && byte_is_digit(s.p[i]) && byte_is_digit(s.p[i + 1]) &&
            byte_is_digit(s.p[i + 3]) && byte_is_digit(s.p[i + 4]) &&
            (i == 0 || s.p[i - 1] == ' ' || s.p[i - 1] == 'T') &&
            (i + 5 == s.n || !byte_is_digit(s.p[i + 5])))
            return true;
    return false;
}

/* What stands in brackets at the line's beginning: its end, 0 if there is none near. */
static size_t bracket_length(struct span s)
{
    struct span head = { s.p, s.n < MAX_BRACKET ? s.n : MAX_BRACKET };
    size_t end = head.n > 0 && head.p[0] == '[' ? span_find_byte(head, ']') : SIZE_MAX;

    return end == SIZE_MAX ? 0 : end;
}

/* The other stamps of dmesg (sys-utils/dmesg.c of util-linux): -T "[Sat Oct  5 05:40:01 2024]" in
 * the language of who called it, -e "[Oct 5 05:40]" and "[  +0.000012]", -d
 * "[   12.345678 <    0.000010>]"; and those with more or fewer digits. */
static bool take_other_time(struct span *s, double *seconds)
{
    size_t end = bracket_length(*s);
    struct span inside = { s->p + 1, end - 1 };
    double value = -1, delta;

    if (end < 2)
        return false;
    skip_blanks(&inside);
    if (span_skip(&inside, "+")) {
        if (!take_seconds(&inside, 3, 9, &delta) || inside.n > 0)
            return false;
    } else if (take_seconds(&inside, 3, 9, &value)) {
        skip_blanks(&inside);
        if (inside.n > 0) {
            if (!span_skip(&inside, "<"))
                return false;
            skip_blanks(&inside);
            if (!take_seconds(&inside, 3, 9, &delta) || !span_skip(&inside, ">") || inside.n > 0)
                return false;
        }
    } else if (!has_clock(inside)) {
        return false;
    }
    *seconds = value;
    (void)span_take(s, end + 1);
    return true;
}

static bool is_iso_date(struct span s)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";

    if (s.n < sizeof(form))
        return false;
    for (size_t i = 0; i < sizeof(form) - 1; i++)
        if (form[i] == 'd' ? !byte_is_digit(s.p[i]) : s.p[i] != form[i])
            return false;
    return true;
}

/* "2024-10-05T05:40:01,123456+02:00 " */
static bool take_iso_time(struct span *s)
{
    size_t end;

    if (!is_iso_date(*s))
        return false;
    end = span_find_byte((struct span){ s->p, s->n < MAX_BRACKET ? s->n : MAX_BRACKET }, ' ');
    if (end == SIZE_MAX)
        return false;
    (void)span_take(s, end);
    return true;
}

/* "[ T2561]", "[    C3]" */
static bool take_kernel_caller(struct span *s, uint32_t *context)
{
    struct span rest = *s;
    uint32_t kind;
    uint64_t id;

    if (!span_skip(&rest, "["))
        return false;
    skip_blanks(&rest);
    if (span_skip(&rest, "T"))
        kind = KLOG_TASK;
    else if (span_skip(&rest, "C"))
        kind = KLOG_CPU;
    else
        return false;
    if (!span_take_dec(&rest, &id) || id > MAX_CALLER || !span_skip(&rest, "]"))
        return false;
    *context = kind | (uint32_t)id << 2;
    *s = rest;
    return true;
}

/* "[1:game:777]", "[1:    game:  777]": CPU, name and pid, as kernels of phones and headsets have
 * it. The idle tasks are one pid: there the CPU says more. */
static bool take_vendor_caller(struct span *s, uint32_t *context)
{
    size_t end = bracket_length(*s), colon = end;
    struct span rest = *s, pid;
    uint64_t cpu, id;

    if (end == 0 || !span_skip(&rest, "[") || !span_take_dec(&rest, &cpu) || cpu > MAX_CALLER ||
        !span_skip(&rest, ":"))
        return false;
    while (s->p[colon] != ':')
        colon--;
    if (s->p + colon < rest.p)
        return false;
    pid = (struct span){ s->p + colon + 1, end - colon - 1 };
    skip_blanks(&pid);
    if (!span_take_dec(&pid, &id) || pid.n > 0 || id > MAX_CALLER)
        return false;
    *context = id > 0 ? KLOG_TASK | (uint32_t)id << 2 : KLOG_CPU | (uint32_t)cpu << 2;
    (void)span_take(s, end + 1);
    return true;
}

static void take_caller(struct span *s, uint32_t *context)
{
    struct span rest = *s;

    skip_blanks(&rest);
    if (rest.n > 1 && rest.p[0] == '[' && s->n - rest.n <= 2 &&
        (take_kernel_caller(&rest, context) || take_vendor_caller(&rest, context)))
        *s = rest;
}

/* The front of a line up to " kernel: " is a journal's or syslog's if a time stands in it: the
 * names of days and months are those of the reader's language. "Oct 05 05:40:01 host kernel: ",
 * "2026-01-02T03:04:05+0000 host kernel: ", "Sat 2024-10-05 05:40:01 CEST host kernel: ",
 * "1728106801.123456 host kernel: ". */
static void take_host_prefix(struct span *s)
{
    struct span head = { s->p, s->n < MAX_HOST_PREFIX ? s->n : MAX_HOST_PREFIX };
    size_t at = span_find(head, " kernel: "), length = strlen(" kernel: ");
    double ignored;

    if (at == SIZE_MAX && head.n == s->n && span_ends(head, " kernel:")) {
        length = strlen(" kernel:");
        at = head.n - length;
    }
    if (at == SIZE_MAX)
        return;
    head.n = at;
    if (has_clock(head) || take_seconds(&head, 3, 9, &ignored))
        (void)span_take(s, at + length);
}

/* journalctl -o short-monotonic: "[   12.345678] host kernel: " */
static bool take_host(struct span *s)
{
    struct span rest = *s;
    size_t blank;

    if (!span_skip(&rest, " ") || rest.n == 0 || !byte_is_alnum(rest.p[0]))
        return false;
    blank = span_find_byte((struct span){ rest.p, rest.n < MAX_HOST ? rest.n : MAX_HOST }, ' ');
    if (blank == SIZE_MAX)
        return false;
    (void)span_take(&rest, blank);
    if (!span_skip(&rest, " kernel: "))
        return false;
    *s = rest;
    return true;
}

/* dmesg -x: "kern  :warn  : " */
static bool take_decoded_level(struct span *s, int *level)
{
    static const char *const facilities[] = { "kern", "user", "daemon", "syslog" };
    static const char *const levels[] = { "emerg", "alert",  "crit", "err",
                                          "warn",  "notice", "info", "debug" };
    struct span rest = *s;
    bool known = false;

    for (size_t i = 0; i < sizeof(facilities) / sizeof(facilities[0]) && !known; i++)
        known = span_skip(&rest, facilities[i]);
    skip_blanks(&rest);
    if (!known || !span_skip(&rest, ":"))
        return false;
    for (int i = 0; i < 8; i++)
        if (span_skip(&rest, levels[i])) {
            skip_blanks(&rest);
            if (!span_skip(&rest, ": "))
                return false;
            *level = i;
            *s = rest;
            return true;
        }
    return false;
}

/* /dev/kmsg's "6,339,5140900,-;text" (Documentation/ABI/testing/dev-kmsg). */
static bool take_kmsg_prefix(struct span *s, struct klog_line *line)
{
    struct span rest = *s;
    uint64_t level, number, micro;
    size_t semicolon;

    if (rest.n == 0 || !byte_is_digit(rest.p[0]) || !span_take_dec(&rest, &level) ||
        !span_skip(&rest, ",") || !span_take_dec(&rest, &number) || !span_skip(&rest, ",") ||
        !span_take_dec(&rest, &micro) || !span_skip(&rest, ","))
        return false;
    semicolon = span_find_byte((struct span){ rest.p, rest.n < 64 ? rest.n : 64 }, ';');
    if (semicolon == SIZE_MAX)
        return false;
    (void)span_take(&rest, semicolon + 1);
    line->level = (int)(level & 7);
    line->seconds = (double)micro / 1e6;
    line->context = KLOG_NO_CALLER;
    *s = rest;
    return true;
}

/* Behind what somebody else wrote on the console without ending the line. */
static bool take_time_inside(struct span *s, double *seconds)
{
    struct span rest = { s->p, s->n < MAX_HOST_PREFIX ? s->n : MAX_HOST_PREFIX };
    size_t at;

    while ((at = span_find_byte(rest, '[')) != SIZE_MAX) {
        struct span behind;

        (void)span_take(&rest, at);
        behind = (struct span){ rest.p, (size_t)(s->p + s->n - rest.p) };
        if (take_time(&behind, seconds)) {
            *s = behind;
            return true;
        }
        (void)span_take(&rest, 1);
    }
    return false;
}

/* A second stamp behind one of who read the console is the kernel's. */
static bool take_any_time(struct span *s, double *seconds)
{
    struct span behind;

    if (take_time(s, seconds))
        return true;
    if (!take_other_time(s, seconds) && !take_iso_time(s))
        return take_time_inside(s, seconds);
    behind = *s;
    skip_blanks(&behind);
    if (take_time(&behind, seconds))
        *s = behind;
    return true;
}

struct klog_line klog_line_parse(struct span raw)
{
    struct klog_line line = { .level = -1, .seconds = -1, .context = KLOG_NO_STAMP };

    while (raw.n > 0 && raw.p[raw.n - 1] == '\r')
        raw.n--;
    if (raw.n > 0 && raw.p[0] != '[' && raw.p[0] != '<' && raw.p[0] != ' ' &&
        !take_decoded_level(&raw, &line.level))
        take_host_prefix(&raw);
    if (raw.n > 0 && (raw.p[0] == '<' || raw.p[0] == ' ')) {
        struct span behind = raw;

        skip_blanks(&behind);
        if (take_level(&behind, &line.level)) {
            raw = behind;
            if (raw.n > 0 && raw.p[0] != '[' && raw.p[0] != ' ')
                take_host_prefix(&raw);
        }
    }
    if (take_any_time(&raw, &line.seconds)) {
        line.context = KLOG_NO_CALLER;
        take_caller(&raw, &line.context);
        if (!take_host(&raw))
            (void)span_skip(&raw, " ");
    } else {
        (void)take_kmsg_prefix(&raw, &line);
    }
    line.text = raw;
    return line;
}
