/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of this room share. */
#pragma once

#include "vmcore/vmcore.h"

/* Finds out how addresses are translated, once loads and info are there. */
void translate_setup(struct vmcore *v);

/* A reader that is fast on bytes that lie behind each other. Empty: { .n = 0 }. */
struct window {
    uint64_t va;
    size_t n;
    char bytes[4096];
};

/* A view of n bytes (at most a window's size) at va, good until the next call on this window; NULL
 * where they are not all in the core. */
const char *window_at(struct window *w, const struct vmcore *v, uint64_t va, size_t n);

/* The number of this many bytes (1, 2, 4, 8) that begins at p, which need not be aligned. */
uint64_t number_at(const char *p, size_t width);

/* The log as text, collected into larger pieces. */
struct printer {
    vmcore_emit_fn emit;
    void *ctx;
    bool callers;
    int error; /* the first that emit gave; nothing is printed from then on */
    size_t indent;
    size_t n;
    char bytes[4096];
};

/* "[    1.234567] "; has_caller: with "[    T1]". */
void print_prefix(struct printer *p, uint64_t nsec, bool has_caller, uint32_t caller);
void print_end(struct printer *p);

/* A record's text, of any length up to 64 KiB; false (and what could be read is printed) where some
 * of it is not in the core. */
bool print_memory(struct printer *p, const struct vmcore *v, struct window *w, uint64_t va,
                  size_t n);

/* The two logs; -ENOMSG: VMCOREINFO does not describe this one. */
int ring_dump(const struct vmcore *v, struct printer *p, struct vmcore_log *log);
int records_dump(const struct vmcore *v, struct printer *p, struct vmcore_log *log);

/* One number of VMCOREINFO that a log's layout needs, and where it is to be put. */
struct layout_field {
    const char *key;
    size_t offset;
};

/* Fills a struct of uint32_t members; -ENOMSG where one is missing, -EBADMSG where one is larger
 * than any structure of the kernel's log. */
int layout_read(const struct vmcore *v, const struct layout_field *fields, size_t n, void *out);
