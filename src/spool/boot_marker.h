/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The boot marker: what arming did in the last boot that armed, and whether that boot lived. It
 * guards against a boot loop, and tells disarm what there is to undo. One file of state/.
 */
#pragma once

#include "base/macro.h"

enum boot_phase {
    BOOT_STARTED, /* arm began, and has not come to its end */
    BOOT_ARMED,   /* arm came to its end, whatever that was */
    BOOT_SETTLED, /* the boot lived for a minute, or was shut down in order */
    BOOT_BLOCKED, /* the guard has refused to arm */
};

struct boot_marker {
    char boot_id[40]; /* of the boot that wrote it */
    char kernel[80];  /* its release */
    enum boot_phase phase;
    unsigned deaths;           /* boots in a row that died unsettled before this one */
    int64_t time;              /* of arm's start, seconds since the epoch */
    bool loaded_ramoops;       /* we did, in that boot */
    bool loaded_kdump;         /* we loaded a crash kernel, in that boot */
    int64_t panic_print_found; /* kernel.panic_print before us; -1: not changed */
    int64_t panic_print_set;   /* what we wrote; -1: nothing */
};

enum { BOOT_DEATHS_MAX = 2 };

/* statefd is the state folder. -ENOENT: there is none; -EBADMSG: it is not ours. */
int boot_marker_read(int statefd, struct boot_marker *out) _must_check_;
int boot_marker_write(int statefd, const struct boot_marker *marker) _must_check_;
/* Removes it; fine when there is none. */
int boot_marker_remove(int statefd) _must_check_;

enum boot_verdict {
    BOOT_MAY_ARM,
    BOOT_REFUSED_DEATHS,     /* two boots in a row died within a minute of arming */
    BOOT_REFUSED_UNFINISHED, /* the last boot never came to the end of arming */
};

/* Whether this boot may arm, by what the last one left (NULL: nothing), and how many deaths the new
 * marker begins with (may be NULL). A refusal stands until another kernel is booted, or arming is
 * forced. Pure. */
enum boot_verdict boot_guard(const struct boot_marker *last, const char *boot_id,
                             const char *kernel, unsigned *deaths);
