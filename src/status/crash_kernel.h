/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The crash kernel as /sys/kernel, the kdump folder and GRUB show it. Reads only. */
#pragma once

#include "base/json_file.h"
#include "base/root.h"
#include "image/kexec_crash.h"
#include "spool/spool.h"

struct crash_kernel {
    struct kexec_crash kexec;
    bool late;         /* the boot's late run has, or had, something to do: not all was early */
    bool in_run;       /* the image is kept in RUN_DIR, for this boot alone */
    uint64_t image;    /* bytes of the running kernel's capture image; 0: there is none */
    uint64_t needed;   /* bytes that it takes to work, as far as was measured; 0: unknown */
    char next[257];    /* what we have put on the next boots' command line; "" : nothing */
    const char *place; /* the file where that stands */
    bool next_is_now;  /* this boot has it already */
    bool uncollected;  /* a capture waits in crash/ */
    unsigned vmcores;  /* kept in crash/ */
};

/* spool: NULL where there is no kdump folder. -ENOMEM. */
int crash_kernel_read(const struct root *root, const struct spool *spool,
                      struct crash_kernel *out) _must_check_;
/* One clause for people; of one that is not loaded, what there is of it. */
void crash_kernel_describe(const struct crash_kernel *k, struct strbuf *out);
/* What to do, "" for nothing; wanted: the configuration wants it, or there is nothing else. */
void crash_kernel_advise(const struct crash_kernel *k, bool wanted, char *buf, size_t size);
/* A new object, or NULL when out of memory. */
json_t *crash_kernel_to_json(const struct crash_kernel *k);
