/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pure: makedumpfile's options. Built without a compression, makedumpfile 1.7.2 takes the option
 * for it, prints a notice, exits with 0 and writes without compression; what it can do, its -v
 * says.
 */
#pragma once

#include "base/strbuf.h"

struct makedumpfile_can {
    bool lzo, snappy, zstd; /* -l, -p, -z; -c (zlib) it always can */
};

/* The answer to -v: "makedumpfile: version …", and lines such as "lzo\tenabled". False: it is no
 * such answer, and nothing is known. */
bool makedumpfile_parse(struct span answer, struct makedumpfile_can *out);
/* Copies the options with those compressions replaced that it cannot do, by the best that it can:
 * *asked and *instead are then the options' letters, else '\0'. -ENOMEM. */
int makedumpfile_fit(struct span options, const struct makedumpfile_can *can, struct strbuf *out,
                     char *asked, char *instead) _must_check_;
/* Whether the options ask for --num-threads: its threads wait busily for each other, and with the
 * one CPU of a crash kernel it is 3 to 100 times slower. */
bool makedumpfile_has_threads(struct span options);
