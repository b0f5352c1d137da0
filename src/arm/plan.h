/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plan, then do: what is known of the machine (facts), what is to be done about it (plan, a pure
 * function of the facts), and the doing. A dry run and tests stop after the plan.
 */
#pragma once

#include "arm/layout.h"
#include "config/config.h"
#include "pstore/backend.h"

struct arm_region {
    uint64_t start, size; /* bytes; size 0: none */
};

/* ramoops.KEY=value on the kernel's command line: libkmod hands it to the module, and what is given
 * there is not ours to choose. */
struct arm_cmdline {
    bool mem_address, mem_size, record_size, console_size, ftrace_size, pmsg_size;
    struct arm_region region; /* of mem_address and mem_size */
    char mem_name[64];    /* of ramoops.mem_name=, or of a reserve_mem= called oops or ramoops */
    bool mem_name_given;  /* as ramoops.mem_name= */
    uint64_t reserved;    /* bytes that reserve_mem= gives this name; 0: there is none */
    uint64_t log_buf_len; /* 0: not given */
};

struct arm_facts {
    char kernel[80]; /* its release; "" : unknown */
    char boot_id[40];
    int iomem_error;              /* 0, or why /proc/iomem could not be read */
    bool iomem_masked;            /* the kernel showed zeros instead of addresses */
    struct arm_region ram_buffer; /* the largest */
    struct arm_cmdline cmdline;
    char device[64]; /* a platform device of ramoops that firmware describes; "" : none */
    bool builtin;    /* ramoops is part of the kernel image */
    struct pstore_backend backend;
    uint64_t log_buf_len; /* bytes; 0: unknown */
    uint64_t tasks;       /* threads; 0: unknown */
    bool use_pstore_ram;
    bool ramoops_lost; /* a test has shown that this machine's memory does not survive its reboot */
    uint64_t record_size, console_size; /* configured */
};

enum arm_action {
    ARM_NOTHING, /* the machine cannot be armed: reason and advice say why and what to do */
    ARM_KEEP,    /* something is registered that records */
    ARM_LOAD,    /* load ramoops with these options */
};

enum arm_source {
    ARM_SOURCE_NONE,
    ARM_SOURCE_RESERVE_MEM,
    ARM_SOURCE_CMDLINE,
    ARM_SOURCE_FIRMWARE,
    ARM_SOURCE_RAM_BUFFER,
};

struct arm_plan {
    enum arm_action action;
    enum arm_source source;
    bool reload;                   /* ramoops is loaded without a region: unload it first */
    bool mount;                    /* pstore is not mounted */
    bool no_region; /* of ARM_NOTHING: pstore has nowhere to record to, and that is certain */
    bool kdump;     /* a crash kernel is to record: it is wanted, or there is nothing else */
    struct arm_region region;      /* start 0 where the kernel finds it by name */
    struct layout layout;          /* records 0 where firmware decides */
    char options[256];             /* for the module */
    char reason[320], advice[320]; /* of ARM_KEEP: only advice, where there is a better way */
    char warning[320];             /* armed all the same, but; "" : none */
};

/* Reads all of it; what is missing is "unknown". -ENOMEM. */
int arm_facts_read(const struct root *root, const struct config *config,
                   struct arm_facts *out) _must_check_;
/* Pure. */
void arm_cmdline_parse(struct span cmdline, struct arm_cmdline *out);
void arm_plan_make(const struct arm_facts *facts, struct arm_plan *out);

struct next_boot_facts {
    const struct arm_facts *arm;
    const struct arm_plan *plan;
    bool pstore_failed;         /* the plan was tried, in vain */
    bool can_kexec;             /* this kernel can load a crash kernel */
    const char *running;        /* the value of crashkernel= on its command line; "" : none */
    const char *ours;           /* our edit of GRUB's configuration; "" : none */
    const char *theirs;         /* the value of a crashkernel= of the user's there; "" : none */
    bool they_reserve;          /* there is a reserve_mem= for ramoops of the user's */
    unsigned crashkernel_mib;   /* to reserve */
};
/* What the command lines of the next boots shall get from us: "" where nothing is needed. False:
 * that is not known, and what there is stays. Pure. */
bool arm_next_boot(const struct next_boot_facts *facts, char *buf, size_t size) _must_check_;
/* "reserve_mem=", "the command line", "the firmware", "a RAM buffer". */
const char *arm_source_name(enum arm_source source);
