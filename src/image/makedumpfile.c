/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image/makedumpfile.h"

/* Short options that take an argument, which may stand in the same word (makedumpfile(8)). */
static const char with_argument[] = "bdgimx";

bool makedumpfile_parse(struct span answer, struct makedumpfile_can *out)
{
    struct makedumpfile_can can = { 0 };
    struct span line, name;
    bool known = false;

    while (span_next_line(&answer, &line)) {
        bool enabled;

        line = span_trim(line);
        if (!span_next_word(&line, &name))
            continue;
        line = span_trim(line);
        enabled = span_eq(line, "enabled");
        if (!enabled && !span_eq(line, "disabled"))
            continue;
        known = true;
        if (span_eq(name, "lzo"))
            can.lzo = enabled;
        else if (span_eq(name, "snappy"))
            can.snappy = enabled;
        else if (span_eq(name, "zstd"))
            can.zstd = enabled;
    }
    if (known)
        *out = can;
    return known;
}

/* lzo first: on one CPU it is the fastest of them. */
static char best(const struct makedumpfile_can *can)
{
    return can->lzo ? 'l' : can->snappy ? 'p' : can->zstd ? 'z' : 'c';
}

static bool cannot(const struct makedumpfile_can *can, char letter)
{
    return (letter == 'l' && !can->lzo) || (letter == 'p' && !can->snappy) ||
           (letter == 'z' && !can->zstd);
}

int makedumpfile_fit(struct span options, const struct makedumpfile_can *can, struct strbuf *out,
                     char *asked, char *instead)
{
    struct span rest = options, word;
    const size_t start = out->n;

    *asked = *instead = '\0';
    (void)strbuf_span(out, options);
    while (!out->failed && span_next_word(&rest, &word)) {
        char *p = out->p + start + (word.p - options.p);

        if (word.n < 2 || p[0] != '-' || p[1] == '-')
            continue;
        for (size_t i = 1; i < word.n; i++) {
            if (cannot(can, p[i])) {
                *asked = p[i];
                p[i] = *instead = best(can);
            }
            if (strchr(with_argument, p[i]))
                break;
        }
    }
    return out->failed;
}

bool makedumpfile_has_threads(struct span options)
{
    struct span word;

    while (span_next_word(&options, &word))
        if (span_starts(word, "--num-threads"))
            return true;
    return false;
}
