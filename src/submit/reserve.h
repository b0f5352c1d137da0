/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Room on the kdump folder's file system that a run holds while it sends: what a server has said
 * must be noted, on a disk, too, that has become full since. A file without a name, which nothing
 * is left of when the run is killed.
 */
#pragma once

#include "submit/attempt.h"

struct reserve {
    int fd;     /* -EBADF: not taken */
    bool spent; /* it was needed: nothing more is to be sent in this run */
};

#define RESERVE_INIT \
    {                \
        .fd = -EBADF \
    }
#define _cleanup_reserve_ _cleanup_(reserve_done)

/* Takes it from the folder's file system, once. -ENOSPC where there is no room, or it is spent. */
int reserve_take(struct reserve *reserve, int folder) _must_check_;
void reserve_done(struct reserve *reserve);
/* Whether what failed with this error may be done again, for which the reserve is spent. */
bool reserve_spend(struct reserve *reserve, int error) _must_check_;
/* attempt_save() and attempt_save_upload(), again where the reserve makes room for it. */
int reserve_save(struct reserve *reserve, int state, const char *report,
                 const struct attempt *attempt) _must_check_;
int reserve_save_upload(struct reserve *reserve, int state, const char *report,
                        struct span answer) _must_check_;
