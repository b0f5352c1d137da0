/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A report of the spool with what its ZIP says of it, and how the verbs print such things. */
#pragma once

#include "base/json_file.h"
#include "spool/spool.h"

struct report_entry {
    struct spool_report report;
    char *title;     /* owned; "" where the ZIP has none */
    char *signature; /* owned */
    json_t *
        ways; /* owned; an array of what state/ has of it: backend, phase, tries, next_try, error */
};

/* The newest max reports; the caller frees them. A ZIP that cannot be read has an empty title. */
int report_entries_load(const struct spool *spool, size_t max, struct report_entry **out,
                        size_t *n) _must_check_;
void report_entries_free(struct report_entry *entries);
DEFINE_CLEANUP(struct report_entry *, report_entries_free)
/* Opens a report of the kdump folder by its name, in whatever state; the caller closes the fd.
 * -ENOENT where it is none of a report. */
int report_open(const struct root *root, const struct config *config, const char *name);
/* A new object, or NULL when out of memory. */
json_t *report_entry_to_json(const struct report_entry *entry);

void format_utc(time_t time, char *buf, size_t size); /* "2026-01-02 03:04" */
/* Prints value, indented, and a newline; 0 or a logged negative errno. */
int print_json_value(const json_t *value);
/* The arguments of a verb that takes [--json] and nothing else; false where the usage is wrong,
 * which was then said. */
bool take_json_option(int argc, char **argv, bool *json);
