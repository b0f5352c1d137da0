/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What state/ has of the reports' ways: one note for each back end. */
#include <fcntl.h>
#include <stdio.h>

#include "base/atomic_file.h"
#include "submit/submission.h"

enum { LITTER_SECONDS = 3600 };

const char *notes_key(size_t backend, const char *report, char buf[NAME_MAX + 32])
{
    if (backend == 0)
        return report;
    (void)snprintf(buf, NAME_MAX + 32, "%s.%s", report, backends[backend]->name);
    return buf;
}

void notes_forget(const struct submission *s, const char *report)
{
    for (size_t i = 0; i < N_BACKENDS; i++) {
        char buf[NAME_MAX + 32];
        const char *key = notes_key(i, report, buf);
        struct attempt attempt;

        if (attempt_load(s->state, key, &attempt) == 0 && attempt.phase != ATTEMPT_REFUSED)
            (void)attempt_remove(s->state, key);
    }
}

void notes_sweep(const struct submission *s)
{
    _cleanup_closedir_ DIR *dir =
        dir_stream(openat(s->state, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const struct dirent *entry;
    char report[NAME_MAX + 1];

    while (dir && (entry = readdir(dir))) {
        int state =
            spool_note_parse_name(entry->d_name, report) ? spool_find(&s->spool, report) : -EINVAL;

        if (state == -ENOENT)
            (void)unlinkat(s->state, entry->d_name, 0);
        else if (state == SPOOL_SENT)
            notes_forget(s, report);
    }
    atomic_file_sweep(s->state, LITTER_SECONDS);
}
