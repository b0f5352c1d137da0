/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>

#include "base/log.h"
#include "spool/report_zip.h"
#include "status/entry.h"

enum { MAX_REPORT_JSON = 32 << 20 };

static bool is_report_json(const char *name)
{
    return span_starts(span_str(name), "report.") && span_ends(span_str(name), ".json");
}

/* A report may come from another machine: its bytes must not steer a terminal. */
static char *dup_printable(const char *s)
{
    char *copy = strdup(s);

    for (char *c = copy; c && *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return copy;
}

/* Takes title and signature of the primary report (SCHEMA: reports[primary]). */
static int visit_report_json(void *ctx, const char *name, struct span bytes)
{
    struct report_entry *entry = ctx;
    _cleanup_json_ json_t *top = json_loadb(bytes.p, bytes.n, JSON_REJECT_DUPLICATES, NULL);
    int64_t primary = json_get_int(top, "primary", -1);
    const json_t *report;
    char *title, *signature;

    if (primary < 0)
        return 0;
    report = json_array_get(json_object_get(top, "reports"), (size_t)primary);
    title = dup_printable(json_get_str(report, "title", ""));
    signature = dup_printable(json_get_str(report, "signature", ""));
    if (!title || !signature) {
        free(title);
        free(signature);
        return -ENOMEM;
    }
    free(entry->title);
    free(entry->signature);
    entry->title = title;
    entry->signature = signature;
    return 1; /* found: no need to unpack the rest */
}

/* The notes of the report's way to each back end (submit/attempt.h). */
static int load_ways(const struct spool *spool, struct report_entry *entry)
{
    static const struct {
        const char *backend, *suffix;
    } notes[] = { { "steam", ".json" },
                  { "sentry", ".sentry.json" },
                  { "directory", ".directory.json" } };
    _cleanup_close_ int state = spool_open_state(spool, false);

    entry->ways = json_array();
    if (!entry->ways)
        return -ENOMEM;
    for (size_t i = 0; state >= 0 && i < ARRAY_SIZE(notes); i++) {
        _cleanup_json_ json_t *note = NULL;
        _cleanup_free_ char *error = NULL;
        char name[NAME_MAX + 32];

        (void)snprintf(name, sizeof(name), "%s%s", entry->report.name, notes[i].suffix);
        if (json_file_read(state, name, &note) < 0)
            continue;
        error = dup_printable(json_get_str(note, "last_error", ""));
        if (!error ||
            json_array_append_new(entry->ways,
                                  json_pack("{s:s, s:s, s:I, s:I, s:s}", "backend",
                                            notes[i].backend, "phase",
                                            json_get_str(note, "phase", ""), "tries",
                                            (json_int_t)json_get_int(note, "tries", 0), "next_try",
                                            (json_int_t)json_get_int(note, "next_try", 0), "error",
                                            error)) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int load_entry(const struct spool *spool, struct report_entry *entry)
{
    _cleanup_close_ int folder = spool_open_folder(spool, entry->report.state, false);
    _cleanup_close_ int fd = -EBADF;
    int r;

    entry->title = strdup("");
    entry->signature = strdup("");
    if (!entry->title || !entry->signature || load_ways(spool, entry) < 0)
        return -ENOMEM;
    if (folder < 0)
        return 0;
    fd = openat(folder, entry->report.name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return 0; /* moved or removed meanwhile */
    r = report_zip_read(fd, MAX_REPORT_JSON, is_report_json, visit_report_json, entry);
    if (r < 0)
        log_debug_errno(r, "cannot read %s, ignoring", entry->report.name);
    return r == -ENOMEM ? r : 0;
}

int report_open(const struct root *root, const struct config *config, const char *name)
{
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    _cleanup_close_ int folder = -EBADF;
    struct spool_report report;
    int r, fd;

    if (!spool_report_parse_name(name, &report))
        return -ENOENT;
    r = spool_open(root, config, false, &spool);
    if (r == 0)
        r = spool_find(&spool, name);
    if (r < 0)
        return r;
    folder = spool_open_folder(&spool, (enum spool_state)r, false);
    if (folder < 0)
        return folder;
    fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void report_entries_free(struct report_entry *entries)
{
    for (struct report_entry *e = entries; e->report.name[0]; e++) {
        free(e->title);
        free(e->signature);
        json_decref(e->ways);
    }
    free(entries);
}

int report_entries_load(const struct spool *spool, size_t max, struct report_entry **out, size_t *n)
{
    _cleanup_(report_entries_freep) struct report_entry *entries = NULL;
    _cleanup_free_ struct spool_report *reports = NULL;
    size_t count;
    int r = spool_list(spool, &reports, &count);

    if (r < 0)
        return r;
    count = MIN(count, max);
    /* One more than needed: an empty name ends the array. */
    entries = calloc(count + 1, sizeof(*entries));
    if (!entries)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        entries[i].report = reports[i];
        r = load_entry(spool, &entries[i]);
        if (r < 0)
            return r;
    }
    *out = TAKE_PTR(entries);
    *n = count;
    return 0;
}

json_t *report_entry_to_json(const struct report_entry *entry)
{
    char when[32];

    format_utc(entry->report.time, when, sizeof(when));
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:I, s:O}", "name", entry->report.name, "time",
                     when, "time_epoch", (json_int_t)entry->report.time, "state",
                     spool_state_name(entry->report.state), "title", entry->title, "signature",
                     entry->signature, "size", (json_int_t)entry->report.size, "ways", entry->ways);
}

void format_utc(time_t time, char *buf, size_t size)
{
    struct tm tm;

    if (!gmtime_r(&time, &tm) || strftime(buf, size, "%Y-%m-%d %H:%M", &tm) == 0)
        (void)snprintf(buf, size, "?");
}

int print_json_value(const json_t *value)
{
    if (json_dumpf(value, stdout, JSON_INDENT(1)) < 0 || putchar('\n') == EOF)
        return log_error_errno(-EIO, "cannot write the output");
    return EXIT_SUCCESS;
}

bool take_json_option(int argc, char **argv, bool *json)
{
    static const struct option options[] = { { "json", no_argument, NULL, 'j' }, { 0 } };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option != 'j')
            return false;
        *json = true;
    }
    if (optind != argc)
        log_error("%s takes no arguments but --json", argv[0]);
    return optind == argc;
}
