/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Memory that only the kernel's command line can reserve, for the next boots: one edit of GRUB's
 * configuration, where the distribution reads it, and GRUB's own tool to put it in force. Facts,
 * plan, doing, as in plan.h.
 */
#pragma once

#include "base/sysops.h"
#include "parse/grub_defaults.h"

#define GRUB_DEFAULTS "/etc/default/grub"
#define GRUB_DROPINS "/etc/default/grub.d"
#define GRUB_DROPIN "kdump-steamos.cfg"

enum reserve_place {
    RESERVE_IN_DEFAULTS, /* a line of ours in /etc/default/grub */
    RESERVE_IN_DROPIN,   /* a file of ours in /etc/default/grub.d */
};

struct reserve_facts {
    const char *tool;   /* update-grub or grub-mkconfig; NULL: no GRUB */
    const char *config; /* the grub.cfg that grub-mkconfig is told to write; NULL: update-grub knows,
                           or there is none */
    bool dropins;       /* grub-mkconfig reads /etc/default/grub.d */
    bool defaults;      /* /etc/default/grub is there */
    bool defaults_link; /* and is a symbolic link */
    bool defaults_open; /* and ends in the middle of something */
    int error;          /* it could not be read */
    char ours[GRUB_PARAMS_MAX + 1]; /* our edit, as it is now; "" : none */
    enum reserve_place place;       /* of it */
    bool in_force;                  /* a grub.cfg has it */
    bool interrupted;               /* the last edit did not come to its end (the caller knows) */
    char theirs[64];                /* the value of a crashkernel= of the user's; "" : none */
    bool they_reserve;              /* a reserve_mem= of the user's for ramoops */
};

enum reserve_action {
    RESERVE_KEEP,    /* all is as it should be */
    RESERVE_CHANGE,  /* make the edit, or take it out */
    RESERVE_REFUSED, /* reason and advice say why and what the user can do */
};

struct reserve_plan {
    enum reserve_action action;
    enum reserve_place place;
    char params[GRUB_PARAMS_MAX + 1]; /* "" : our edit goes */
    char reason[320], advice[400];
};

/* Reads all of it; what is missing is missing. -ENOMEM. */
int reserve_facts_read(const struct root *root, struct reserve_facts *out) _must_check_;
/* Pure. params is what the next boots' command line shall get from us, "" for nothing. Without
 * autoset nothing is put there; what is ours is taken back all the same. */
void reserve_plan_make(const struct reserve_facts *facts, const char *params, bool autoset,
                       struct reserve_plan *out);
/* Does a RESERVE_CHANGE: all of it, or nothing. On an error plan->reason and advice say why and
 * what to do, and the configuration is as it was. Logs nothing above debug. */
int reserve_execute(const struct root *root, const struct sysops *ops,
                    const struct reserve_facts *facts, struct reserve_plan *plan) _must_check_;
/* "/etc/default/grub.d/kdump-steamos.cfg" */
const char *reserve_place_path(enum reserve_place place);

struct crashkernel_wish {
    uint64_t configured; /* CRASHKERNEL, bytes; 0: choose */
    uint64_t memory;     /* of the machine, bytes; 0: unknown */
    bool full_coredump;
};
/* MiB to reserve for the crash kernel. */
unsigned crashkernel_mib(const struct crashkernel_wish *wish);
