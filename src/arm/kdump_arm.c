/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "arm/ways.h"
#include "base/log.h"

#define SAY(field, ...) ((void)snprintf((field), sizeof(field), __VA_ARGS__))

/* The capture image of the running kernel; the caller closes the fd. */
static int open_image(const struct context *context, const struct arm_state *state,
                      struct arming *a)
{
    struct kdump_plan *p = &a->kdump_plan;
    char name[NAME_MAX + 1];
    int fd;

    if (state->spool.fd < 0) {
        SAY(p->reason, "there is no kdump folder %.200s for the capture image",
            context->config.kdump_folder);
        SAY(p->advice, "mount its file system, or set KDUMP_FOLDER to a place that is there");
        return -ENOENT;
    }
    if (snprintf(name, sizeof(name), "kdump-initrd-%s.img", a->kdump.kernel) >= (int)sizeof(name))
        return -ENAMETOOLONG;
    fd = openat(state->spool.fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0)
        return fd;
    fd = -errno;
    SAY(p->reason, "there is no capture image %.90s in %.100s: %.60s", name, state->spool.path,
        strerror(-fd));
    SAY(p->advice, "build it: kdump-steamos initrd");
    return fd;
}

int kdump_arm(const struct context *context, const struct arm_state *state, struct arming *a,
              struct boot_marker *marker, struct kdump_result *result)
{
    _cleanup_close_ int image = -EBADF;
    int r;

    *result = (struct kdump_result){ .reserved = a->kdump.reserved };
    if (a->kdump_plan.action == KDUMP_KEEP)
        return 0;
    if (a->kdump_plan.action == KDUMP_IMPOSSIBLE)
        return -ENODEV;
    image = open_image(context, state, a);
    if (image < 0)
        return image;
    r = kdump_execute(&context->root, context->ops, &a->kdump, image, &a->kdump_plan, result);
    marker->loaded_kdump |= result->loaded;
    return r;
}

int kdump_disarm(const struct context *context)
{
    int r = context->ops->kexec_unload(context->ops->ctx);

    if (r < 0)
        return log_error_errno(r, "cannot unload the crash kernel; a crash starts it until the next "
                                  "boot");
    return 0;
}
