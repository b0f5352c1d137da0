/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/kmod_api.h"
#include "base/log.h"
#include "image/modules.h"

/* What no module depends on by name, and the file system asks the kernel's crypto layer or its
 * character sets for. */
static const struct {
    const char *fstype, *modules;
} extras[] = {
    { "ext4", "crc32c_generic" },
    { "btrfs", "crc32c_generic xxhash_generic blake2b_generic sha256_generic" },
    { "f2fs", "crc32_generic" },
    { "xfs", "crc32c_generic" },
    { "vfat", "nls_cp437 nls_iso8859-1 nls_ascii nls_utf8" },
};

enum { MAX_DEPTH = 8 };

void image_modules_done(struct image_modules *modules)
{
    for (size_t i = 0; i < modules->n; i++) {
        free(modules->items[i].name);
        free(modules->items[i].path);
        free(modules->items[i].parameters);
    }
    modules->n = 0;
}

int image_modules_dir(const struct root *root, const char *kernel, char *buf, size_t size)
{
    static const char *const places[] = { "/usr/lib/modules", "/lib/modules" };

    if (!kernel[0] || strchr(kernel, '/') || kernel[0] == '.')
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct stat st;
        int r;

        if (snprintf(buf, size, "%s/%s", places[i], kernel) >= (int)size)
            return -ENAMETOOLONG;
        r = root_stat(root, buf, &st);
        if (r != -ENOENT && r != -ENOTDIR)
            return r;
    }
    return -ENOENT;
}

struct search {
    const struct root *root;
    struct kmod_ctx *kmod;
    const char *dir;   /* of the modules, below the root */
    const char *below; /* the same, as the library was given it */
    struct image_modules *out;
};

static bool has(const struct image_modules *modules, const char *name)
{
    for (size_t i = 0; i < modules->n; i++)
        if (strcmp(modules->items[i].name, name) == 0)
            return true;
    return false;
}

static int add_module(struct search *s, const char *name, const char *path)
{
    struct image_module *m = &s->out->items[s->out->n];
    size_t n = strlen(s->below);
    struct stat st;
    int r;

    if (s->out->n == MODULES_MAX)
        return -E2BIG;
    if (strncmp(path, s->below, n) != 0)
        return -EXDEV;
    *m = (struct image_module){ .name = strdup(name), .parameters = strdup("") };
    if (!m->name || !m->parameters || asprintf(&m->path, "%s%s", s->dir, path + n) < 0) {
        free(m->name);
        free(m->parameters);
        return -ENOMEM;
    }
    s->out->n++;
    r = root_stat(s->root, m->path, &st);
    if (r < 0)
        return log_error_errno(r, "cannot read the module %s", m->path);
    m->mtime = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    m->size = (uint64_t)st.st_size;
    return 0;
}

static int add_with_dependencies(struct search *s, struct kmod_module *m, unsigned depth);

static int add_list(struct search *s, struct kmod_list *list, unsigned depth)
{
    for (struct kmod_list *item = list; item; item = kmod_api.kmod_list_next(list, item)) {
        _cleanup_(kmod_module_unrefp) struct kmod_module *m = kmod_api.kmod_module_get_module(item);
        int r = add_with_dependencies(s, m, depth);

        if (r < 0)
            return r;
    }
    return 0;
}

/* What it depends on comes before it. Without a path it is part of the kernel. */
static int add_with_dependencies(struct search *s, struct kmod_module *m, unsigned depth)
{
    _cleanup_(kmod_listp) struct kmod_list *before = NULL, *pre = NULL, *post = NULL;
    const char *name = kmod_api.kmod_module_get_name(m), *path = kmod_api.kmod_module_get_path(m);
    int r = 0;

    if (!path || has(s->out, name) || depth > MAX_DEPTH)
        return 0;
    (void)kmod_api.kmod_module_get_softdeps(m, &pre, &post);
    r = add_list(s, pre, depth + 1);
    before = kmod_api.kmod_module_get_dependencies(m);
    if (r == 0)
        r = add_list(s, before, depth + 1);
    if (r == 0 && !has(s->out, name))
        r = add_module(s, name, path);
    return r;
}

/* A module's name or alias; *known says whether this kernel has it at all. */
static int add_name(struct search *s, const char *name, bool *known)
{
    _cleanup_(kmod_listp) struct kmod_list *list = NULL;
    int r = kmod_api.kmod_module_new_from_lookup(s->kmod, name, &list);

    *known = r >= 0 && list;
    return r == -ENOMEM ? r : add_list(s, list, 0);
}

static void note_missing(struct image_modules *modules, const char *name)
{
    size_t n = strlen(modules->missing);

    (void)snprintf(modules->missing + n, sizeof(modules->missing) - n, "%s%s", n ? " " : "", name);
}

static int add_extras(struct search *s, const char *fstype)
{
    for (size_t i = 0; i < ARRAY_SIZE(extras); i++) {
        struct span rest = span_str(extras[i].modules), word;

        while (strcmp(extras[i].fstype, fstype) == 0 && span_next_word(&rest, &word)) {
            char name[STORAGE_NAME];
            bool known;
            int r;

            (void)span_copy(word, name, sizeof(name));
            r = add_name(s, name, &known);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static int add_all(struct search *s, const struct storage *storage)
{
    bool known;
    int r = 0;

    /* The controller before what hangs on it. */
    for (size_t i = storage->n_drivers; i-- > 0 && r == 0;) {
        r = add_name(s, storage->drivers[i], &known);
        if (r == 0 && !known)
            note_missing(s->out, storage->drivers[i]);
    }
    if (r == 0)
        r = add_extras(s, storage->fstype);
    if (r == 0)
        r = add_name(s, storage->fstype, &known);
    if (r == 0 && !known)
        note_missing(s->out, storage->fstype);
    return r;
}

int image_modules_find(const struct root *root, const char *kernel, const struct storage *storage,
                       struct image_modules *out)
{
    _cleanup_(kmod_unrefp) struct kmod_ctx *kmod = NULL;
    static const char *const no_config[] = { NULL };
    char dir[PATH_MAX], below[PATH_MAX + 32];
    struct search search = { .root = root, .dir = dir, .below = below, .out = out };
    int r = image_modules_dir(root, kernel, dir, sizeof(dir));

    out->n = 0;
    out->missing[0] = '\0';
    if (r < 0)
        return r;
    r = kmod_api_load();
    if (r < 0)
        return r;
    (void)snprintf(below, sizeof(below), "/proc/self/fd/%d%s", root->fd, dir);
    kmod = kmod_api.kmod_new(below, no_config);
    if (!kmod)
        return -ENOMEM;
    kmod_api.kmod_set_log_priority(kmod, 0);
    search.kmod = kmod;
    r = add_all(&search, storage);
    if (r < 0)
        image_modules_done(out);
    return r;
}
