/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <getopt.h>
#include <stdio.h>

#include "base/log.h"
#include "image/image.h"

static int running_kernel(const struct context *context, char *buf, size_t size)
{
    int r = root_read_line(&context->root, "/proc/sys/kernel/osrelease", buf, size);

    return r < 0 ? log_error_errno(r, "cannot read which kernel runs; name one with --kernel=") : 0;
}

/* What is loaded is a copy of the image as it was. */
static void say_loaded(const struct context *context, const char *kernel)
{
    char running[128], loaded[8];

    if (root_read_line(&context->root, "/proc/sys/kernel/osrelease", running, sizeof(running)) ==
            0 &&
        strcmp(running, kernel) == 0 &&
        root_read_line(&context->root, "/sys/kernel/kexec_crash_loaded", loaded, sizeof(loaded)) ==
            0 &&
        strcmp(loaded, "1") == 0)
        log_notice("a crash still starts what was loaded before; to load the new image: "
                   "kdump-steamos arm");
}

static int run_initrd(struct context *context, int argc, char **argv)
{
    static const struct option options[] = { { "kernel", required_argument, NULL, 'k' },
                                             { "force", no_argument, NULL, 'f' },
                                             { "output", required_argument, NULL, 'o' },
                                             { 0 } };
    const char *output = NULL;
    char kernel[128] = "";
    bool force = false;
    struct image image;
    int option, r;

    while ((option = getopt_long(argc, argv, "o:", options, NULL)) >= 0) {
        if (option == 'o')
            output = optarg;
        else if (option == 'f')
            force = true;
        else if (option != 'k' || !span_copy(span_str(optarg), kernel, sizeof(kernel)))
            return EXIT_USAGE;
    }
    if (optind != argc) {
        log_error("initrd takes no arguments");
        return EXIT_USAGE;
    }
    r = kernel[0] ? 0 : running_kernel(context, kernel, sizeof(kernel));
    if (r < 0)
        return r;
    r = output ? image_write(context, kernel, output, &image)
               : image_ensure(context, kernel, force ? IMAGE_FORCE : 0, &image);
    if (r < 0) {
        log_error("no capture image for %s: %s", kernel, image.problem);
        return r;
    }
    if (!output)
        image_prune(context);
    printf("%s: %llu KiB, for %s (%s, %s), %zu modules%s%s\n", image.path,
           (unsigned long long)(image.size + 1023) / 1024, image.storage.target,
           image.storage.device, image.storage.fstype, image.n_modules,
           image.rebuilt ? "; made anew: " : "; is up to date", image.why);
    if (image.rebuilt && !output)
        say_loaded(context, kernel);
    if (image.missing[0])
        log_warning("kernel %s does not know %s; if it is not built in, nothing can be saved",
                    kernel, image.missing);
    return EXIT_SUCCESS;
}

const struct verb verb_initrd = {
    .name = "initrd",
    .arguments = "[--kernel=VERSION] [--force] [-o FILE]",
    .summary = "Builds the capture image, if what goes into it has changed",
    .details = "  --kernel=VERSION    for this installed kernel, not the running one\n"
               "  --force             even if nothing has changed\n"
               "  -o FILE             write to FILE instead of the kdump folder\n",
    .run = run_initrd,
};
