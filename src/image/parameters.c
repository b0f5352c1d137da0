/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/kmod_api.h"
#include "base/log.h"
#include "image/modules.h"
#include "parse/cmdline.h"

enum {
    MAX_CMDLINE = 64 << 10,
    MAX_PARAMETERS = 1000, /* bytes; what the capture program takes of one module (modules.c) */
    MAX_TREE = PATH_MAX + 32,
};

/* Where modprobe looks (modprobe.d(5)), in its order. */
static const char *const places[] = { "/etc/modprobe.d", "/run/modprobe.d",
                                      "/usr/local/lib/modprobe.d", "/usr/lib/modprobe.d",
                                      "/lib/modprobe.d" };

static struct kmod_ctx *open_kmod(const struct root *root, const char *dir)
{
    char trees[ARRAY_SIZE(places)][64], below[MAX_TREE];
    const char *config[ARRAY_SIZE(places) + 1];
    struct kmod_ctx *kmod;

    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        (void)snprintf(trees[i], sizeof(trees[i]), "/proc/self/fd/%d%s", root->fd, places[i]);
        config[i] = trees[i];
    }
    config[ARRAY_SIZE(places)] = NULL;
    (void)snprintf(below, sizeof(below), "/proc/self/fd/%d%s", root->fd, dir);
    kmod = kmod_api.kmod_new(below, config);
    if (kmod)
        kmod_api.kmod_set_log_priority(kmod, 0);
    return kmod;
}

static bool has_word(struct span text, struct span wanted)
{
    struct span word;

    while (span_next_word(&text, &word))
        if (span_eq_span(word, wanted))
            return true;
    return false;
}

/* The library reads the running machine's /proc/cmdline by itself, and other trees' not. It cannot
 * be kept from that (kmod_config_new() always does, libkmod-config.c, 34): with --root=DIR an image
 * gets what both say of its modules. It is only their options that come from there, and the
 * blacklist, which nothing here asks for. */
static int add_from_cmdline(struct span cmdline, const char *module, struct strbuf *out)
{
    struct cmdline_param p;

    while (cmdline_next(&cmdline, &p)) {
        _cleanup_strbuf_ struct strbuf text = { 0 };
        size_t dot = span_find_byte(p.name, '.');
        const char *quote = "";

        if (dot == SIZE_MAX || !cmdline_name_is(span_take(&p.name, dot), module))
            continue;
        (void)span_take(&p.name, 1);
        for (size_t i = 0; i < p.value.n; i++)
            if (byte_is_space(p.value.p[i]))
                quote = "\"";
        (void)strbuf_span(&text, p.name);
        if (p.has_value)
            (void)strbuf_printf(&text, "=%s%.*s%s", quote, (int)p.value.n, p.value.p, quote);
        if (text.failed)
            return -ENOMEM;
        if (p.name.n == 0 || has_word(strbuf_view(out), strbuf_view(&text)))
            continue;
        (void)strbuf_str(out, out->n > 0 ? " " : "");
        (void)strbuf_span(out, strbuf_view(&text));
    }
    return out->failed;
}

static int set_one(struct kmod_ctx *kmod, struct span cmdline, struct image_module *m)
{
    _cleanup_(kmod_module_unrefp) struct kmod_module *module = NULL;
    _cleanup_strbuf_ struct strbuf text = { 0 };
    const char *options;
    char *copy;
    int r;

    if (kmod_api.kmod_module_new_from_name(kmod, m->name, &module) == 0) {
        options = kmod_api.kmod_module_get_options(module);
        if (options)
            (void)strbuf_span(&text, span_trim(span_str(options)));
    }
    r = add_from_cmdline(cmdline, m->name, &text);
    if (r < 0 || text.n == 0)
        return r;
    if (text.n > MAX_PARAMETERS || strpbrk(strbuf_cstr(&text), "\n\r")) {
        log_warning("what is set for the module %s is too long for the crash kernel, ignoring",
                    m->name);
        return 0;
    }
    copy = strdup(strbuf_cstr(&text));
    if (!copy)
        return -ENOMEM;
    free(m->parameters);
    m->parameters = copy;
    return 0;
}

int image_modules_set_parameters(const struct root *root, const char *kernel,
                                 struct image_modules *modules)
{
    _cleanup_(kmod_unrefp) struct kmod_ctx *kmod = NULL;
    _cleanup_strbuf_ struct strbuf cmdline = { 0 };
    char dir[PATH_MAX];
    int r = image_modules_dir(root, kernel, dir, sizeof(dir));

    if (r == 0)
        r = root_read_some(root, "/proc/cmdline", MAX_CMDLINE, &cmdline);
    if (r < 0)
        return r;
    kmod = open_kmod(root, dir);
    if (!kmod)
        return -ENOMEM;
    for (size_t i = 0; i < modules->n && r == 0; i++)
        r = set_one(kmod, span_trim(strbuf_view(&cmdline)), &modules->items[i]);
    return r;
}
