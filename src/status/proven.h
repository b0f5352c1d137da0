/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a crash is known to become a report, on this kernel, firmware and mechanism. */
#pragma once

#include "spool/proof.h"

struct proven {
    bool have_proof, have_test;
    struct proof proof, test, now;
    char changes[256]; /* since the proof; "" : it holds */
    bool test_failed;  /* a test's crash was awaited, and this boot has none of it */
};

/* Reads the state folder (negative: there is none). mechanism is pstore's of now, "" where it is
 * not armed. */
void proven_read(const struct root *root, int statefd, const char *mechanism, struct proven *out);
/* One line for people. */
void proven_describe(const struct proven *proven, struct strbuf *out);
/* What to do, "" for nothing. */
void proven_advise(const struct proven *proven, char *buf, size_t size);
/* A new object, or NULL when out of memory. */
json_t *proven_to_json(const struct proven *proven);
