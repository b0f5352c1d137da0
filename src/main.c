/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parses the global options and runs a verb, nothing else. */
#include <getopt.h>
#include <stdio.h>

#include "base/log.h"
#include "verbs.h"

static void print_help(void)
{
    printf(
        "Usage: kdump-steamos %s VERB [ARGUMENTS]\n\n"
        "Records kernel crashes: armed at boot, it keeps what a crash leaves behind, explains it\n"
        "and sends it.\n\nVerbs:\n",
        global_arguments);
    for (size_t i = 0; i < n_verbs; i++) {
        char left[80];

        (void)snprintf(left, sizeof(left), "%s %s", verbs[i]->name, verbs[i]->arguments);
        printf("  %-34s", left);
        printf(strlen(left) > 34 ? "\n%37s%s\n" : "%1s%s\n", "", verbs[i]->summary);
    }
    printf("\nOptions:\n%s\n"
           "Exit status: 0 done, 1 failed, 2 wrong usage; status: 0 armed, 3 not armed.\n",
           global_options);
}

static void print_verb_help(const struct verb *verb)
{
    printf("Usage: kdump-steamos %s%s%s\n\n%s.\n", verb->name, verb->arguments[0] ? " " : "",
           verb->arguments, verb->summary);
    if (verb->details)
        printf("\n%s", verb->details);
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < n_verbs; i++)
        if (strcmp(name, verbs[i]->name) == 0)
            return verbs[i];
    return NULL;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static void context_done(struct context *context)
{
    config_done(&context->config);
    root_done(&context->root);
}

static int run_verb(const struct verb *verb, const char *root, const char *config, bool quiet,
                    int argc, char **argv)
{
    _cleanup_(context_done) struct context context = { .root.fd = -EBADF,
                                                       .config_file = config,
                                                       .quiet = quiet };
    int r;

    r = root_init(&context.root, root);
    if (r < 0) {
        log_error_errno(r, "cannot open the root directory %s", root ? root : "/");
        return EXIT_FAILURE;
    }
    context.ops = context.root.host ? &sysops_host : &sysops_planned;
    if (config_load(&context.root, config, &context.config) < 0)
        return EXIT_FAILURE;
    r = verb->run(&context, argc, argv);
    if (r < 0)
        return EXIT_FAILURE;
    /* What was printed must have arrived: a full disk behind a redirection is an error. */
    if (fflush(stdout) != 0 || ferror(stdout)) {
        log_error_errno(-errno, "cannot write the output");
        return EXIT_FAILURE;
    }
    return r;
}

int main(int argc, char **argv)
{
    enum { OPT_ROOT = 256, OPT_CONFIG, OPT_VERSION };
    static const struct option options[] = {
        { "root", required_argument, NULL, OPT_ROOT },
        { "config", required_argument, NULL, OPT_CONFIG },
        { "quiet", no_argument, NULL, 'q' },
        { "verbose", no_argument, NULL, 'v' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, OPT_VERSION },
        { 0 },
    };
    const char *root = NULL, *config = NULL;
    const struct verb *verb;
    bool quiet = false;
    int option;

    while ((option = getopt_long(argc, argv, "+qvh", options, NULL)) >= 0) {
        switch (option) {
        case OPT_ROOT:
            root = optarg;
            break;
        case OPT_CONFIG:
            config = optarg;
            break;
        case 'q':
            quiet = true;
            log_set_max_level(LOG_LEVEL_WARNING);
            break;
        case 'v':
            log_set_max_level(LOG_LEVEL_DEBUG);
            break;
        case 'h':
            print_help();
            return EXIT_SUCCESS;
        case OPT_VERSION:
            printf("kdump-steamos %s\n", KDUMP_VERSION);
            return EXIT_SUCCESS;
        default:
            return EXIT_USAGE;
        }
    }
    if (optind == argc) {
        print_help();
        return EXIT_USAGE;
    }
    verb = find_verb(argv[optind]);
    if (!verb) {
        log_error("there is no verb '%s'; kdump-steamos --help lists them", argv[optind]);
        return EXIT_USAGE;
    }
    argc -= optind;
    argv += optind;
    if (wants_help(argc, argv)) {
        print_verb_help(verb);
        return EXIT_SUCCESS;
    }
    optind = 0; /* a verb parses its own arguments from the start */
    return run_verb(verb, root, config, quiet, argc, argv);
}
