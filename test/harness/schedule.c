/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client's own answer to "when again?", for simulations: reads lines "TRIES RETRY_AFTER RANDOM"
 * (RETRY_AFTER -1: the server said nothing; RANDOM of 32 bits) and prints the seconds until the
 * next try for each, at once.
 */
#include <inttypes.h>
#include <stdio.h>

#include "submit/retry.h"

int main(void)
{
    unsigned tries;
    int64_t retry_after;
    uint32_t random;
    char line[128];

    while (fgets(line, sizeof(line), stdin)) {
        if (sscanf(line, "%u %" SCNd64 " %" SCNu32, &tries, &retry_after, &random) != 3)
            return 2;
        printf("%" PRId64 "\n", retry_delay(tries, retry_after, random));
        if (fflush(stdout) != 0)
            return 1;
    }
    return 0;
}
