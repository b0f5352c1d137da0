/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse/passwd.h"

enum { NAME, PASSWORD, UID, GID, GECOS, HOME, N_FIELDS };

bool passwd_next(struct span *text, struct passwd_entry *out)
{
    struct span line;

    while (span_next_line(text, &line)) {
        struct span fields[N_FIELDS] = { { NULL, 0 } };
        size_t n = 0;

        while (n < N_FIELDS && span_next_field(&line, ':', &fields[n]))
            n++;
        if (n < N_FIELDS || fields[NAME].n == 0 || !span_to_u64(fields[UID], &out->uid) ||
            !span_to_u64(fields[GID], &out->gid))
            continue;
        out->name = fields[NAME];
        out->home = fields[HOME];
        return true;
    }
    return false;
}

bool passwd_find(struct span text, const char *name, struct passwd_entry *out)
{
    while (passwd_next(&text, out))
        if (span_eq(out->name, name))
            return true;
    return false;
}
