/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The crash kernel: a second kernel with the capture image, loaded into memory that crashkernel=
 * has reserved, and started by the crash of the first. Facts, plan, doing, as in plan.h.
 */
#pragma once

#include <limits.h>

#include "base/sysops.h"
#include "config/config.h"
#include "image/kexec_crash.h"

enum {
    KDUMP_CMDLINE_MAX = 2048 - 64, /* x86: COMMAND_LINE_SIZE, and room for elfcorehdr=… */
};

struct kdump_facts {
    char kernel[80]; /* the running one's release */
    struct kexec_crash kexec;
    uint64_t memory;      /* of the machine, bytes; 0: unknown */
    char image[PATH_MAX]; /* the running kernel's file, below the root; "" : not found */
    char cmdline[4096];   /* of the running kernel */
    unsigned wanted_mib;  /* what crashkernel= should say, as configured */
};

enum kdump_action {
    KDUMP_IMPOSSIBLE, /* reason and advice */
    KDUMP_KEEP,       /* one is loaded, and not by us */
    KDUMP_LOAD,
};

struct kdump_plan {
    enum kdump_action action;
    bool no_memory; /* it is only the reservation that is missing */
    char cmdline[KDUMP_CMDLINE_MAX];
    char left_out[256]; /* names of what the command line had no room for, "" : it had */
    char warning[256];  /* of what was loaded; "" : none */
    char reason[320], advice[320];
};

/* Reads all of it; what is missing is missing. -ENOMEM. */
int kdump_facts_read(const struct root *root, struct kdump_facts *out) _must_check_;
/* The crash kernel's command line, from the running one's: what says where output goes and how
 * devices are treated stays; what takes memory, names the root or steers user space goes. Pure.
 * Where it does not fit into buf, the longest go, consoles last; left_out has their names. */
void kdump_cmdline(struct span running, char *buf, size_t size, char *left_out, size_t left_size);
/* Pure. ours: what is loaded was loaded by us in this boot, and may be replaced. */
void kdump_plan_make(const struct kdump_facts *facts, bool ours, struct kdump_plan *out);
/* Why kexec_file_load(2) failed and what to do, for people. Pure. */
void kdump_explain(int error, uint64_t reserved, struct kdump_plan *plan);
enum kdump_match {
    KDUMP_OTHER,   /* another release, or no kernel at all */
    KDUMP_UNKNOWN, /* a kernel that does not say which */
    KDUMP_SAME,
};
/* Whether a kernel file is of this release, by the text that its header points to (x86:
 * Documentation/arch/x86/boot.rst, kernel_version). Those of other machines have no such text.
 * Pure.
 */
enum kdump_match kdump_match_kernel(struct span head, const char *release);

struct kdump_result {
    bool loaded;       /* by us, now */
    uint64_t image;    /* bytes of the capture image */
    uint64_t reserved; /* bytes */
};
/* Does a KDUMP_LOAD with this capture image (an open fd), and verifies in sysfs that a crash kernel
 * is loaded. On an error plan->reason and advice say why and what to do; plan->warning says where
 * the reservation is small for what was loaded. Logs nothing above debug. */
int kdump_execute(const struct root *root, const struct sysops *ops,
                  const struct kdump_facts *facts, int image, struct kdump_plan *plan,
                  struct kdump_result *result) _must_check_;
