/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <strings.h>

#include "fuzz.h"
#include "parse/steam_answer.h"

static void check_text(const char *s, char lowest)
{
    for (; *s; s++)
        fuzz_check(*s >= lowest && *s <= '~');
}

static void check(const struct steam_answer *answer, bool allow_http)
{
    static const char *const framing[] = { "Host", "Content-Length", "Transfer-Encoding",
                                           "Connection" };

    fuzz_check(strncmp(answer->url, "https://", 8) == 0 ||
               (allow_http && strncmp(answer->url, "http://", 7) == 0));
    check_text(answer->url, '!');
    fuzz_check(answer->gid[0]);
    check_text(answer->gid, '!');
    fuzz_check(answer->n_headers <= STEAM_ANSWER_MAX_HEADERS);
    for (size_t i = 0; i < answer->n_headers; i++) {
        const struct steam_header *h = &answer->headers[i];

        fuzz_check(h->name[0] && !strchr(h->name, ':'));
        check_text(h->name, '!');
        check_text(h->value, ' ');
        fuzz_check(h->value[0] != ' ');
        for (size_t f = 0; f < sizeof(framing) / sizeof(framing[0]); f++)
            fuzz_check(strcasecmp(h->name, framing[f]) != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct steam_answer answer;
    const bool allow_http = n % 2 == 1;
    const char *why = NULL;
    int r = steam_answer_parse(span_bytes(bytes, n), allow_http, &answer, &why);

    fuzz_check(r == 0 || r == -ENOMEM || (r == -EBADMSG && why));
    if (r == 0)
        check(&answer, allow_http);
    return 0;
}
