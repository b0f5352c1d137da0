/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "prove/prove.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "pstore/backend.h"
#include "pstore/panic_policy.h"
#include "spool/proof.h"
#include "spool/spool.h"

/* A crash in there is the host's. */
static bool in_container(const struct root *root)
{
    static const char *const marks[] = { "/run/systemd/container", "/run/.containerenv",
                                         "/.dockerenv" };

    for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
        if (root_exists(root, marks[i]))
            return true;
    return false;
}

/* How a crash would be recorded, into now->mechanism; false where it would not, which was said. */
static bool find_mechanism(const struct root *root, struct proof *now)
{
    struct pstore_backend backend;

    if (now->mechanism[0])
        return true;
    if (pstore_backend_inspect(root, &backend) < 0)
        return log_oom(), false;
    if (pstore_backend_armed(&backend) && span_copy(span_str(pstore_backend_mechanism(&backend)),
                                                    now->mechanism, sizeof(now->mechanism)))
        return true;
    log_error("this boot would record nothing; kdump-steamos status says what to do first");
    return false;
}

static void explain(const struct context *context, const struct proof *now)
{
    struct panic_finding findings[PANIC_FINDINGS_MAX];
    size_t n = panic_policy_check(&context->root, findings);

    printf("This crashes the machine, now and on purpose: Linux %s panics.\n\n"
           "- What is not saved in running programs is lost. Files are synced before.\n"
           "- The machine reboots by itself. The crash is recorded by %s, and collected and\n"
           "  %s after the boot.\n"
           "- kdump-steamos status then says: proven. If it does not, it says what to do.\n",
           now->kernel, now->mechanism,
           context->config.log_submission ? "sent like any other" : "kept on this machine");
    for (size_t i = 0; i < n; i++)
        printf("- Attention: %s is %" PRId64 " (%" PRId64 " is meant): %s.\n", findings[i].name,
               findings[i].live, findings[i].wanted, findings[i].effect);
    printf("\n");
}

static bool confirmed(void)
{
    char answer[16];

    printf("Type yes to crash this machine: ");
    (void)fflush(stdout);
    return fgets(answer, sizeof(answer), stdin) && span_eq(span_trim(span_str(answer)), "yes");
}

/* What is awaited is durable before the crash, else its boot would not know of it. */
static int note_and_crash(struct context *context, const struct proof *now)
{
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    _cleanup_close_ int state = -EBADF;
    int r = spool_open(&context->root, &context->config, true, &spool);

    if (r == 0)
        r = state = spool_open_state(&spool, true);
    if (r >= 0)
        r = proof_test_write(state, now);
    if (r < 0)
        return log_error_errno(r, "cannot note in %s that a test is made; nothing was done",
                               context->config.kdump_folder);
    log_notice("crashing this machine on purpose, by kdump-steamos test");
    (void)fflush(stdout);
    sync();
    r = context->ops->crash(context->ops->ctx);
    if (proof_test_remove(state) < 0)
        log_warning("cannot remove %s/state/test.json, ignoring", spool.path);
    return log_error_errno(r, "the kernel did not crash (/proc/sysrq-trigger)");
}

static int run_test(struct context *context, int argc, char **argv)
{
    static const struct option options[] = { { "yes", no_argument, NULL, 'y' }, { 0 } };
    struct proof now;
    bool yes = false;
    int option;

    while ((option = getopt_long(argc, argv, "y", options, NULL)) >= 0) {
        if (option != 'y')
            return EXIT_USAGE;
        yes = true;
    }
    if (optind != argc) {
        log_error("test takes no arguments but its option; see test --help");
        return EXIT_USAGE;
    }
    proof_of_now(&context->root, &now);
    now.on_purpose = true;
    if (in_container(&context->root)) {
        log_error("this is a container: the crash would be its host's");
        return EXIT_FAILURE;
    }
    if (!find_mechanism(&context->root, &now))
        return EXIT_NOT_ARMED;
    explain(context, &now);
    if (context->ops == &sysops_planned) {
        log_info("not the running system: nothing was done");
        return EXIT_SUCCESS;
    }
    if (!yes && !confirmed()) {
        log_notice("nothing was done");
        return EXIT_FAILURE;
    }
    return note_and_crash(context, &now);
}

const struct verb verb_test = {
    .name = "test",
    .arguments = "[--yes]",
    .summary = "Crashes this machine on purpose, to prove that a crash becomes a report",
    .details = "  -y, --yes   do not ask\n\n"
               "Save your work first. The next boot collects the report and notes the proof, with\n"
               "date, kernel, firmware and the way of the record; status tells it.\n\n"
               "Exit status: 1 not confirmed, or the kernel did not crash; 3 not armed.\n",
    .run = run_test,
};
