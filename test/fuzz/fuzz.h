/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A fuzz target is one function over bytes; it checks what must hold for any input. */
#pragma once

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/span.h"

/* What libFuzzer, or the replay, calls. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Dies where a promise of the parser is broken, in every build. */
#define fuzz_check(condition)                                                             \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                      \
        }                                                                                 \
    } while (0)

/* Whether part lies inside of whole; an empty one has no place. */
static inline bool fuzz_is_within(struct span part, struct span whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}
