/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"
#include "spool/spool.h"
#include "status/status.h"

static int run_prune(struct context *context, int argc, char **argv)
{
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    unsigned removed = 0;
    int r;

    if (argc != 1) {
        log_error("prune takes no arguments");
        return EXIT_USAGE;
    }
    r = spool_open(&context->root, &context->config, false, &spool);
    if (r == -ENOENT)
        return EXIT_SUCCESS;
    if (r == 0)
        r = spool_lock(&spool, 10000);
    if (r == 0)
        r = spool_prune(&spool, &context->config, &removed);
    if (r < 0)
        return log_error_errno(r, "cannot apply the limits to %s%s", context->config.kdump_folder,
                               advice_as_root(r));
    log_notice("removed %u files", removed);
    return EXIT_SUCCESS;
}

const struct verb verb_prune = {
    .name = "prune",
    .arguments = "",
    .summary = "Applies the retention limits now",
    .details = "The limits are KEEP_REPORTS, KEEP_VMCORES and MIN_FREE_SPACE of "
               "/etc/default/kdump.\n",
    .run = run_prune,
};
