/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kdump folder: reports in their state folders, the small state files, and the lock that keeps
 * two runs apart. Nothing in it is ever overwritten; every transition is one durable rename.
 */
#pragma once

#include <limits.h>
#include <time.h>

#include "base/root.h"
#include "config/config.h"

enum spool_state {
    SPOOL_PENDING, /* the folder itself */
    SPOOL_SENT,    /* sent_logs: accepted by a server */
    SPOOL_KEPT,    /* not_sent_logs: kept locally */
    SPOOL_FAILED,  /* failed_logs: refused for good */
    SPOOL_N_STATES,
};

struct spool {
    int fd;      /* the kdump folder, 0700 */
    int lock_fd; /* -EBADF: not locked */
    char *path;  /* of the folder below the root, for messages */
};

#define SPOOL_INIT                      \
    {                                   \
        .fd = -EBADF, .lock_fd = -EBADF \
    }
#define _cleanup_spool_ _cleanup_(spool_close)

/* Of this boot alone: what is noted while the kdump folder is not there, or takes nothing. */
#define RUN_DIR "/run/kdump-steamos"
#define RUN_LATE "late" /* there: the boot's late run has something to do */

/* Opens the kdump folder that the configuration names; create makes it where it is missing, and
 * gives it to the user that submits (spool/owner.h). -ENOENT: there is none. -ENODEV: MOUNT_DEVNODE
 * is not mounted or not there; with create also, where fstab's file system for the folder is not
 * mounted yet; and what root->no_automount says. Logs nothing. */
int spool_open(const struct root *root, const struct config *config, bool create,
               struct spool *out) _must_check_;
void spool_close(struct spool *spool);
/* Only where the folder is, or is to be made if create; the errors of spool_open(). The caller
 * frees *out. */
int spool_path(const struct root *root, const struct config *config, bool create,
               char **out) _must_check_;
/* Why a report would find no room: -ENOSPC, -EROFS; 0 where it would, or nobody knows. Where there
 * is no folder yet, the question is of what is above it. -ENOMEM. */
int spool_room(const struct root *root, const struct config *config) _must_check_;
/* Whether this error says that the folder's file system takes nothing now: it is full, mounted
 * read-only, or damaged. */
static inline bool spool_takes_nothing(int error)
{
    return error == -ENOSPC || error == -EDQUOT || error == -EROFS || error == -EIO ||
           error == -EUCLEAN;
}
/* What the user can do about an error of the folder: "; make room there, …", or "". */
const char *spool_advice(int error);
/* Excludes other runs of ours until spool_close(); waits at most timeout_ms. -EBUSY. */
int spool_lock(struct spool *spool, unsigned timeout_ms) _must_check_;
/* Opens a file of state/ to be locked with flock(2), made where it is missing; returns the fd. */
int spool_open_lock(int state, const char *name) _must_check_;
/* The folder of a state, or state/ itself; the caller closes the fd. -ENOENT where it is missing
 * and create is false. */
int spool_open_folder(const struct spool *spool, enum spool_state state, bool create) _must_check_;
int spool_open_state(const struct spool *spool, bool create) _must_check_;
const char *spool_state_name(enum spool_state state); /* "pending", "sent", "kept", "failed" */

/* steamos-SERIAL-STEAMUSER.STAMP.zip */
enum { SPOOL_STAMP_MAX = 15 }; /* YYYYMMDDHHMMSS and NUL */

struct spool_report {
    char name[NAME_MAX + 1];
    char stamp[SPOOL_STAMP_MAX]; /* of the name */
    time_t time;                 /* of the stamp, UTC */
    enum spool_state state;
    uint64_t size; /* bytes */
};

/* False where name is not of that form. Fills name, stamp and time. */
bool spool_report_parse_name(const char *name, struct spool_report *out);
/* All reports, newest first; the caller frees *out. Regular files of the right name only. */
int spool_list(const struct spool *spool, struct spool_report **out, size_t *n) _must_check_;
/* Which name a report of this time gets: minutes, then seconds where a report of that minute is
 * there in any state, then the next free second. name has NAME_MAX + 1 bytes, stamp
 * SPOOL_STAMP_MAX. attempt counts from 0: 0 is the minute, 1 the second, 2 one second later… */
int spool_report_format_name(const char *serial, const char *user, time_t time, unsigned attempt,
                             char *stamp, char *name) _must_check_;
/* The state of the report of this name, or -ENOENT. */
int spool_find(const struct spool *spool, const char *name) _must_check_;
/* Moves a report, with one durable rename. -EEXIST is never silently resolved. */
int spool_move(const struct spool *spool, const char *name, enum spool_state from,
               enum spool_state to) _must_check_;
/* Whose note in state/ a file is: "REPORT.zip.json", "REPORT.zip.sentry.json",
 * "REPORT.zip.exchange", "REPORT.zip.upload" … False where it is none; report has NAME_MAX + 1
 * bytes. */
bool spool_note_parse_name(const char *name, char *report);
/* How many pending reports had to make room before they were sent, and when the last one did. */
unsigned spool_unsent(int state, time_t *last);
/* Keeps the newest config->keep_reports of each state, but all that are to be sent, and, where the
 * file system has less than config->min_free_space, drops vmcores first and then the oldest
 * reports, those to be sent last; never the newest report. Needs the lock. *removed (may be NULL)
 * counts files. */
int spool_prune(const struct spool *spool, const struct config *config,
                unsigned *removed) _must_check_;
