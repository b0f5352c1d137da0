/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The boot marker as arming uses it: everything works without the kdump folder, but for the guard.
 * While the folder's file system is not mounted, or takes nothing, the marker is kept in
 * /run/kdump-steamos, so that what was armed can be undone; the first run that can write to the
 * folder moves it there.
 */
#pragma once

#include "arm/plan.h"
#include "config/verb.h"
#include "spool/boot_marker.h"
#include "spool/spool.h"

struct arm_state {
    const struct root *root; /* borrowed */
    struct spool spool;
    int fd;           /* the state folder; negative: there is none */
    int run;          /* /run/kdump-steamos, where the marker is there, or nowhere else to go */
    bool arming;      /* opened to arm */
    const char *said; /* what was warned of, where the marker could not be saved; NULL: nothing */
    bool found;       /* last is filled */
    struct boot_marker last; /* as it was found */
};

#define ARM_STATE_INIT                                   \
    {                                                    \
        .spool = SPOOL_INIT, .fd = -EBADF, .run = -EBADF \
    }
#define _cleanup_arm_state_ _cleanup_(arm_state_close)

/* Opens the state folder, made where it is missing if create, and reads the marker. Warns where
 * that is not possible; without create a missing folder is none of our business. */
void arm_state_open(const struct context *context, bool create, struct arm_state *out);
void arm_state_close(struct arm_state *state);
/* The marker of this boot: the one that was found where this boot wrote it, else a new one. */
struct boot_marker arm_state_marker(const struct arm_state *state, const char *boot_id,
                                    const char *kernel);
/* Written where there is a folder, and moved there from /run. That it stays in /run is warned of
 * once by each run that arms, and by others where it was not there before; where it is a refusal,
 * that is the caller's to say. Returns why the folder did not take it, or 0. */
int arm_state_save(struct arm_state *state, const struct boot_marker *marker);

/* Whether a test has shown that ramoops's memory does not survive this machine's reboot: noted when
 * a boot settles in which a test's crash should have come back, and did not. Another firmware, or
 * forget, makes it untold. */
bool arm_state_ramoops_lost(const struct arm_state *state, const struct root *root);
void arm_state_judge_test(const struct arm_state *state, const struct root *root,
                          const char *boot_id);
void arm_state_forget_lost(const struct arm_state *state);
/* Notes what LOG_SUBMISSION is now (spool/consent.h); a failure is warned of by
 * each run that arms, and else once in a boot. */
void arm_state_note_consent(const struct arm_state *state, bool submission);
/* Whether the boot's late run has anything to do: a file for the condition of its unit. A failure
 * is warned of. */
void arm_state_set_late(const struct root *root, bool late);
/* An edit of GRUB's configuration has begun, and not come to its end. */
bool arm_state_grub_pending(const struct arm_state *state);
void arm_state_set_grub_pending(const struct arm_state *state, bool pending);

/* Sets kernel.panic_print to what fits into a dump of this back end, where its value is the
 * package's or ours (marker), and notes it in the marker. A value of the administrator's stays; it
 * is warned of where the tasks of now would push the panic out, unless quietly. */
void panic_print_fit(const struct context *context, const struct pstore_backend *backend,
                     const struct panic_print_facts *facts, bool quietly,
                     struct boot_marker *marker);
