/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "arm/ways.h"
#include "base/log.h"
#include "image/image.h"

/* The capture image of the running kernel, made if it has to be; the caller closes the fd. */
static int open_image(const struct context *context, struct arming *a)
{
    struct kdump_plan *p = &a->kdump_plan;
    struct image image;
    const char *anew;
    struct stat st;
    int r = image_ensure(context, a->kdump.kernel, IMAGE_OR_IN_RUN, &image), fd;

    if (r == -EAGAIN) {
        SAY(p->reason, "there is no capture image yet: %.250s", image.problem);
        SAY(p->advice, "kdump-steamos-reserve.service loads the crash kernel when it is");
        return r;
    }
    if (r < 0) {
        SAY(p->reason, "there can be no capture image: %.280s", image.problem);
        SAY(p->advice, "when that is mended: kdump-steamos arm");
        return r;
    }
    if (image.not_in_folder < 0)
        (void)log_warning_errno(image.not_in_folder,
                                "the capture image is kept in %s, for this boot alone: the kdump "
                                "folder %s takes nothing, and a crash may leave no report%s",
                                image.path, context->config.kdump_folder,
                                spool_advice(image.not_in_folder));
    if (image.rebuilt)
        log_info("made the capture image %s (%llu KiB): %s", image.path,
                 (unsigned long long)image.size / 1024, image.why);
    anew = image.not_in_folder < 0 ? "kdump-steamos arm" : "kdump-steamos initrd --force";
    fd = root_open(&context->root, image.path, O_RDONLY | O_NOFOLLOW, 0);
    if (fd < 0) {
        SAY(p->reason, "cannot open %.200s: %s", image.path, strerror(-fd));
        SAY(p->advice, "make it anew: %s", anew);
        return fd;
    }
    if (fstat(fd, &st) < 0 || !image_is_trusted(&st)) {
        SAY(p->reason, "%.200s is not root's own", image.path);
        SAY(p->advice, "make it anew: %s", anew);
        close_fd(&fd);
        return -EPERM;
    }
    return fd;
}

int kdump_arm(const struct context *context, const struct arm_state *state, struct arming *a,
              struct boot_marker *marker, struct kdump_result *result)
{
    _cleanup_close_ int image = -EBADF;
    int r;

    *result = (struct kdump_result){ .reserved = a->kdump.kexec.reserved };
    if (a->kdump_plan.action == KDUMP_KEEP)
        return 0;
    if (a->kdump_plan.action == KDUMP_IMPOSSIBLE)
        return -ENODEV;
    image = open_image(context, a);
    image_prune(context);
    if (image < 0)
        return image;
    r = kdump_execute(&context->root, context->ops, &a->kdump, image, &a->kdump_plan, result);
    marker->loaded_kdump |= result->loaded;
    if (r == 0 && a->kdump_plan.left_out[0] != '\0')
        log_warning("the crash kernel's command line has no room for %s", a->kdump_plan.left_out);
    if (r == 0 && a->kdump_plan.warning[0] != '\0')
        log_warning("%s", a->kdump_plan.warning);
    return r;
}

int kdump_disarm(const struct context *context)
{
    int r = context->ops->kexec_unload(context->ops->ctx);

    if (r < 0)
        return log_error_errno(r,
                               "cannot unload the crash kernel; a crash starts it until the next "
                               "boot");
    return 0;
}
