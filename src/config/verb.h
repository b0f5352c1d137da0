/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A verb of the command line: each verb's file exports one const struct verb, main.c has the table.
 */
#pragma once

#include "base/sysops.h"
#include "config/config.h"

struct context {
    struct root root;
    struct config config;
    const char *config_file; /* as named on the command line, or NULL: to load it again */
    const struct sysops *ops;
    bool quiet;
};

struct verb {
    const char *name;
    const char *arguments; /* for the help: "[--json]" */
    const char *summary;   /* one line */
    const char *details;   /* options, a line each; or NULL */
    /* argv[0] is the verb's name. Returns an exit status (below) or a negative errno that was
     * logged already, which ends in EXIT_FAILURE. */
    int (*run)(struct context *context, int argc, char **argv);
};

enum { EXIT_USAGE = 2, EXIT_NOT_ARMED = 3, EXIT_NOT_MOUNTED = 3 };
