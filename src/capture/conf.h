/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pure: what the image's maker wrote into /kdump.conf, and words made of it. */
#pragma once

#include "base/span.h"

enum {
    CONF_MAX_FILE = 16 << 10,
    CONF_MAX_WORDS = 64,
};

/* All spans point into the file's text. */
struct conf {
    struct span target;       /* PARTUUID=…, UUID=…, or /dev/…; empty: none */
    struct span fstype;       /* empty: found out */
    struct span mountopts;    /* as in fstab */
    struct span subdir;       /* the kdump folder, from the target's root */
    struct span makedumpfile; /* its words, without the names of the files; empty: none */
    bool full_coredump;
    unsigned wait_seconds; /* for the target */
};

/* Lines KEY=value, no quoting; '#' begins a comment line. What is unknown or bad is left at its
 * default; *bad (may be NULL) counts such lines. */
void conf_parse(struct span text, struct conf *out, unsigned *bad);

/* Splits text at blanks into a NULL-terminated argv of at most max - 1 words, which point into buf.
 * The number of words; 0 where there are none, or more than fit. */
size_t conf_words(struct span text, char *buf, size_t size, char *argv[], size_t max);

/* Takes options of mount(8) that are flags of mount(2) out of fstab's list; what is left, for the
 * file system, is put into buf. Options that mean nothing to the kernel (defaults, nofail, user,
 * x-systemd…) are dropped; so is ro. False where buf is too small. */
bool conf_mount_options(struct span options, unsigned long *flags, char *buf, size_t size);
