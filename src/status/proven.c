/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "status/proven.h"

#include <stdio.h>

#include "status/entry.h"

void proven_read(const struct root *root, int statefd, const char *mechanism, struct proven *out)
{
    *out = (struct proven){ 0 };
    proof_of_now(root, &out->now);
    if (!out->now.mechanism[0])
        (void)span_copy(span_str(mechanism), out->now.mechanism, sizeof(out->now.mechanism));
    if (statefd < 0)
        return;
    out->have_proof = proof_read(statefd, &out->proof) == 0;
    out->have_test = proof_test_read(statefd, &out->test) == 0;
    out->test_failed = out->have_test && strcmp(out->test.boot_id, out->now.boot_id) != 0;
    if (out->have_proof)
        proof_changes(&out->proof, &out->now, out->changes, sizeof(out->changes));
}

void proven_describe(const struct proven *proven, struct strbuf *out)
{
    const struct proof *proof = &proven->proof;
    char when[32];

    if (!proven->have_proof) {
        (void)strbuf_str(out,
                         "proven: not yet; kdump-steamos test crashes this machine on purpose");
        return;
    }
    format_utc((time_t)proof->time, when, sizeof(when));
    if (proven->changes[0])
        (void)strbuf_printf(out, "unproven since: %s; ", proven->changes);
    (void)strbuf_printf(out, "proven: %s UTC on Linux %s (%s%s%s, by a %s)", when, proof->kernel,
                        proof->mechanism, proof->firmware[0] ? ", firmware " : "", proof->firmware,
                        proof->on_purpose ? "test" : "crash");
}

void proven_advise(const struct proven *proven, char *buf, size_t size)
{
    char when[32];

    buf[0] = '\0';
    if (!proven->test_failed)
        return;
    format_utc((time_t)proven->test.time, when, sizeof(when));
    (void)snprintf(buf, size,
                   "the test of %s UTC left no report: collect what there is (kdump-steamos "
                   "collect); if there is nothing, %s",
                   when,
                   strcmp(proven->test.mechanism, "kdump") == 0
                       ? "see on the screen, at another test, what the crash kernel says"
                       : "this machine's memory does not survive its reboot");
}

static json_t *proof_json(const struct proof *proof)
{
    return json_pack("{s:I, s:s, s:s, s:s, s:b}", "time", (json_int_t)proof->time, "kernel",
                     proof->kernel, "firmware", proof->firmware, "mechanism", proof->mechanism,
                     "test", (int)proof->on_purpose);
}

json_t *proven_to_json(const struct proven *proven)
{
    return json_pack("{s:b, s:s, s:o, s:b, s:b}", "holds",
                     (int)(proven->have_proof && !proven->changes[0]), "changes", proven->changes,
                     "proof", proven->have_proof ? proof_json(&proven->proof) : json_null(),
                     "test_awaited", (int)(proven->have_test && !proven->test_failed),
                     "test_failed", (int)proven->test_failed);
}
