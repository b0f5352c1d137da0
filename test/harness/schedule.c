/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The client's own answer to "when again?", for simulations: reads lines "TRIES RETRY_AFTER RANDOM"
 * (RETRY_AFTER -1: the server said nothing; RANDOM of 32 bits) and prints the seconds until the
 * next try for each, at once. "wait TRIES RANDOM" and "first UPTIME RANDOM" are answered with the
 * milliseconds to wait while no server is there, and before the first try of a boot.
 */
#include <inttypes.h>
#include <stdio.h>

#include "submit/retry.h"

int main(void)
{
    unsigned tries;
    int64_t retry_after, answer;
    uint32_t random;
    char line[128];

    while (fgets(line, sizeof(line), stdin)) {
        if (sscanf(line, "wait %u %" SCNu32, &tries, &random) == 2)
            answer = retry_wait_ms(tries, random);
        else if (sscanf(line, "first %u %" SCNu32, &tries, &random) == 2)
            answer = retry_first_ms(tries, random);
        else if (sscanf(line, "%u %" SCNd64 " %" SCNu32, &tries, &retry_after, &random) == 3)
            answer = retry_delay(tries, retry_after, random);
        else
            return 2;
        printf("%" PRId64 "\n", answer);
        if (fflush(stdout) != 0)
            return 1;
    }
    return 0;
}
