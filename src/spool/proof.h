/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is known to work: a crash that was recorded proves the way from the panic to the report, on
 * the kernel, firmware and mechanism that it took. Two files of state/: test.json while the crash
 * of a test is awaited, and proof.json with the newest proof.
 */
#pragma once

#include "base/root.h"
#include "base/json_file.h"

struct proof {
    int64_t time;       /* of the crash, or of the test's start; seconds since the epoch */
    char boot_id[40];   /* of the boot that wrote it */
    char kernel[128];   /* release of the kernel that crashed */
    char firmware[65];  /* its version as SMBIOS has it; "" : unknown */
    char mechanism[32]; /* "ramoops", "efi", "kdump", … */
    bool on_purpose;    /* by a test */
};

/* Where the machine is now: kernel, firmware, boot id; mechanism "kdump" where a crash kernel is
 * loaded, which then comes before any other, else "". */
void proof_of_now(const struct root *root, struct proof *out);

/* statefd is the state folder. -ENOENT: there is none; -EBADMSG: it is not ours. */
int proof_read(int statefd, struct proof *out) _must_check_;
int proof_test_read(int statefd, struct proof *out) _must_check_;
int proof_test_write(int statefd, const struct proof *test) _must_check_;
int proof_test_remove(int statefd) _must_check_;

/* Notes that a crash was recorded: time and kernel are the crash's (kernel "" : the running one),
 * mechanism its way. A test that awaited it is fulfilled where the crash is not older. An older
 * crash than the proof at hand changes nothing. */
int proof_note_crash(int statefd, const struct root *root, int64_t time, const char *kernel,
                     const char *mechanism) _must_check_;

/* What has changed since the proof: "Linux 6.2 (proven on 6.1)", a line of such; "" where it holds.
 * An unknown firmware or mechanism of now is no change. Pure. */
void proof_changes(const struct proof *proof, const struct proof *now, char *buf, size_t size);
