/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "base/log.h"
#include "pstore/backend.h"
#include "status/entry.h"
#include "status/status.h"

/* Why it is where it is, of each back end that has not taken it. */
static void print_ways(const struct report_entry *e)
{
    const json_t *way;
    size_t i;

    json_array_foreach(e->ways, i, way)
    {
        const char *phase = json_get_str(way, "phase", ""), *error = json_get_str(way, "error", "");
        char when[32];

        if (strcmp(phase, "accepted") == 0 || !error[0])
            continue;
        format_utc((time_t)json_get_int(way, "next_try", 0), when, sizeof(when));
        if (strcmp(phase, "refused") == 0)
            printf("%-17s refused by %s: %s\n", "", json_get_str(way, "backend", ""), error);
        else
            printf("%-17s %s, again from %s on: %s\n", "", json_get_str(way, "backend", ""), when,
                   error);
    }
}

static void print_table(const struct report_entry *entries, size_t n)
{
    printf("%-17s %-7s %9s  %-12s  %s\n", "TIME (UTC)", "STATE", "SIZE", "SIGNATURE", "TITLE");
    for (size_t i = 0; i < n; i++) {
        const struct report_entry *e = &entries[i];
        _cleanup_strbuf_ struct strbuf size = { 0 };
        char when[32];

        format_utc(e->report.time, when, sizeof(when));
        (void)format_size(e->report.size, &size);
        printf("%-17s %-7s %9s  %-12.12s  %s\n%-17s %s\n", when, spool_state_name(e->report.state),
               strbuf_cstr(&size), e->signature, e->title, "", e->report.name);
        print_ways(e);
    }
}

static int print_json(const struct report_entry *entries, size_t n)
{
    _cleanup_json_ json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(array, report_entry_to_json(&entries[i])) < 0)
            return log_oom();
    return print_json_value(array);
}

static int run_list(struct context *context, int argc, char **argv)
{
    _cleanup_(report_entries_freep) struct report_entry *entries = NULL;
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    bool json = false;
    size_t n = 0;
    int r;

    if (!take_json_option(argc, argv, &json))
        return EXIT_USAGE;
    r = spool_open(&context->root, &context->config, false, &spool);
    if (r == 0)
        r = report_entries_load(&spool, SIZE_MAX, &entries, &n);
    else if (r == -ENOENT)
        r = 0; /* no folder yet: no reports */
    if (r < 0)
        return log_error_errno(r, "cannot list the reports in %s%s", context->config.kdump_folder,
                               advice_as_root(r));
    if (json)
        return print_json(entries, n);
    if (n == 0)
        printf("No reports in %s.\n", context->config.kdump_folder);
    else
        print_table(entries, n);
    return EXIT_SUCCESS;
}

const struct verb verb_list = {
    .name = "list",
    .arguments = "[--json]",
    .summary = "Lists the reports: time, title, signature, size, state",
    .details = "  --json    for programs: an array of objects\n",
    .run = run_list,
};
