/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images that are not needed any more. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "image/image.h"
#include "image/modules.h"
#include "spool/spool.h"

enum { DAY = 24 * 60 * 60, LOCK_TIMEOUT_MS = 10000 };

int64_t image_days_unused(const struct stat *st)
{
    return (time(NULL) - st->st_mtim.tv_sec) / DAY;
}

void image_notes_name(const char *name, char *buf, size_t size)
{
    (void)snprintf(buf, size, "%.*s.json", (int)(strlen(name) - strlen(".img")), name);
}

int image_remove(int folder, int state, const char *name)
{
    char notes[NAME_MAX + 2];
    int r = unlink_durable(folder, name);

    image_notes_name(name, notes, sizeof(notes));
    if (state >= 0)
        (void)unlinkat(state, notes, 0);
    return r;
}

/* Its kernel is there, or it may be the other system's of two and was in use not long ago. */
static bool is_needed(const struct context *context, int folder, const char *name,
                      const char *kernel)
{
    char modules[PATH_MAX];
    struct stat st;

    return image_modules_dir(&context->root, kernel, modules, sizeof(modules)) != -ENOENT ||
           fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
           image_days_unused(&st) < IMAGE_KEEP_DAYS;
}

/* state: where the notes lie. */
static void remove_from(const struct context *context, int folder, int state, bool all)
{
    _cleanup_closedir_ DIR *dir =
        dir_stream(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        struct span name = span_str(entry->d_name);
        char kernel[NAME_MAX + 1];

        if (!span_skip(&name, IMAGE_PREFIX) || !span_ends(name, ".img"))
            continue;
        name.n -= strlen(".img");
        (void)span_copy(name, kernel, sizeof(kernel));
        if (!all && is_needed(context, folder, entry->d_name, kernel))
            continue;
        if (image_remove(folder, state, entry->d_name) == 0)
            log_info("removed the capture image of %s%s", kernel,
                     all ? "" : ", a kernel that is gone");
    }
}

static void remove_from_folder(const struct context *context, bool all)
{
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    _cleanup_close_ int state = -EBADF;

    if (spool_open(&context->root, &context->config, false, &spool) < 0 ||
        spool_lock(&spool, LOCK_TIMEOUT_MS) < 0)
        return;
    state = spool_open_state(&spool, false);
    remove_from(context, spool.fd, state, all);
}

void image_prune(const struct context *context)
{
    remove_from_folder(context, false);
}

void image_remove_all(const struct context *context)
{
    _cleanup_close_ int run = root_open_dir(&context->root, RUN_DIR);

    if (run >= 0)
        remove_from(context, run, run, true);
    remove_from_folder(context, true);
}
