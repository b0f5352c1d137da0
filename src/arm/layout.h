/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How the ramoops region is divided, and what the kernel is asked to print at a panic. Both are
 * chosen together, for what is printed must fit into a record, or it pushes the crash itself out.
 * Pure.
 */
#pragma once

#include "base/macro.h"

enum {
    RAM_BUFFER_MIN = 5 << 20,      /* bytes that a RAM buffer must have to be used */
    RAMOOPS_REGION_MIN = 64 << 10, /* of a region that was given to us */
};

struct layout_wish {
    uint64_t region; /* bytes */
    bool whole;      /* the kernel takes all of it (ramoops.mem_name), not only what we ask for */
    uint64_t record_size;  /* configured; 0: choose */
    uint64_t console_size; /* configured; 0: choose */
    bool kmalloc_limit;    /* a kernel before 6.6 */
};

struct layout {
    uint64_t mem_size;    /* bytes of the region that are used */
    uint64_t record_size; /* powers of two, as the kernel rounds them down to */
    uint64_t console_size;
    unsigned records;
    bool wish_refused; /* a configured size does not fit, and another was chosen */
};

/* -ENOSPC when the region is too small. */
int layout_choose(const struct layout_wish *wish, struct layout *out) _must_check_;

/* kernel/panic.c: PANIC_PRINT_*. */
enum {
    PANIC_PRINT_TASKS = 0x01,
    PANIC_PRINT_MEM = 0x02,
    PANIC_PRINT_BLOCKED_TASKS = 0x80, /* since 6.9; other kernels ignore it */
};

struct panic_print_facts {
    uint64_t log_buf_len;   /* bytes of the kernel's log buffer; 0: unknown */
    uint64_t text_per_dump; /* bytes of log that one dump keeps; 0: unknown */
    uint64_t tasks;         /* that are there now, threads counted; 0: unknown */
};

/* How many tasks a dump can list without pushing the panic's own text out. */
uint64_t panic_print_capacity(const struct panic_print_facts *facts);
/* The value for kernel.panic_print. */
unsigned panic_print_choose(const struct panic_print_facts *facts);
