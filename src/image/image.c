/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "base/atomic_file.h"
#include "base/json_file.h"
#include "base/log.h"
#include "image/cpio.h"
#include "image/image.h"
#include "image/makedumpfile.h"
#include "image/modules.h"
#include "image/program.h"
#include "spool/spool.h"

enum {
    FORMAT = 1,        /* of images; another one makes all of them anew */
    WAIT_SECONDS = 30, /* for a disk that is slow to appear (USB) */
    MAX_MODULE = 64 << 20,
    MAX_FILE = 64 << 20,
    MAX_DIRS = 64,
    MAX_ANSWER = 16 << 10,
    ASK_SECONDS = 5,
    LOCK_TIMEOUT_MS = 10000,
};

/* All that goes into an image. */
struct recipe {
    const struct root *root;
    const char *kernel;
    struct image_modules modules;
    struct program program; /* none where program.n is 0 */
    int program_error;      /* why there is none where one is named; 0 */
    struct strbuf options;  /* the program's */
    bool threads;           /* that they ask for */
    char asked, instead;    /* '\0': no option had to be another */
    struct strbuf conf;
    struct program_file capture;
    json_t *inputs; /* owned: what is noted of it */
};

static void recipe_done(struct recipe *r)
{
    image_modules_done(&r->modules);
    program_done(&r->program);
    strbuf_clear(&r->options);
    strbuf_clear(&r->conf);
    json_decref(r->inputs);
}

/* ---- what goes in ---- */

static int find_capture(struct recipe *r, struct image *image)
{
    struct stat st;
    int ret = root_stat(r->root, IMAGE_CAPTURE, &st);

    if (ret < 0) {
        SAY(image->problem, "cannot find " IMAGE_CAPTURE " (%s): install the package again",
            strerror(-ret));
        return ret;
    }
    r->capture = (struct program_file){
        .path = IMAGE_CAPTURE,
        .mtime = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
        .size = (uint64_t)st.st_size,
    };
    return 0;
}

/* Options of makedumpfile that it would take and not follow. Where it cannot be asked, as on
 * another machine's tree, they stay as they are. */
static int fit_options(const struct context *context, struct recipe *r)
{
    const char *const argv[] = { r->program.files[0].path, "-v", NULL };
    _cleanup_strbuf_ struct strbuf answer = { 0 }, fitted = { 0 };
    struct makedumpfile_can can;
    int ret = context->ops->run(context->ops->ctx, argv, MAX_ANSWER, ASK_SECONDS, &answer);

    if (ret != 0 || !makedumpfile_parse(strbuf_view(&answer), &can)) {
        log_debug("what %s can do is not known", argv[0]);
        return ret == -ENOMEM ? ret : 0;
    }
    ret = makedumpfile_fit(strbuf_view(&r->options), &can, &fitted, &r->asked, &r->instead);
    if (ret < 0 || r->asked == '\0')
        return ret;
    strbuf_clear(&r->options);
    r->options = fitted;
    fitted = (struct strbuf){ 0 };
    return 0;
}

/* makedumpfile may be missing: the vmcore is then saved as it is. */
static int find_program(const struct context *context, struct recipe *r)
{
    struct span words = span_str(context->config.makedumpfile_coredump_cmd), word;
    char name[PATH_MAX];
    int ret;

    if (!context->config.full_coredump || !span_next_word(&words, &word) ||
        !span_copy(word, name, sizeof(name)))
        return 0;
    ret = strbuf_span(&r->options, span_trim(words));
    if (ret < 0)
        return ret;
    ret = program_find(r->root, name, &r->program);
    if (ret == -ENOMEM)
        return ret;
    r->program_error = ret;
    if (ret < 0 || !span_ends(word, "makedumpfile"))
        return 0;
    r->threads = makedumpfile_has_threads(words);
    return fit_options(context, r);
}

/* What the user may want otherwise: once for an image, and not at every boot that uses it. */
static void say_program(const struct context *context, const struct recipe *r, bool anew)
{
    enum log_level level = anew ? LOG_LEVEL_WARNING : LOG_LEVEL_DEBUG;
    struct span words = span_str(context->config.makedumpfile_coredump_cmd), name;

    if (r->program_error < 0 && span_next_word(&words, &name))
        log_write(level, 0,
                  "cannot take %.*s into the capture image (%s%s%s): a vmcore will be saved whole",
                  (int)name.n, name.p, r->program.missing,
                  r->program.missing[0] ? " is missing, " : "", strerror(-r->program_error));
    if (r->threads)
        log_write(level, 0,
                  "MAKEDUMPFILE_COREDUMP_CMD: --num-threads makes makedumpfile many times slower "
                  "on the one CPU of a crash kernel; take it out");
    if (r->asked != '\0')
        log_write(level, 0,
                  "MAKEDUMPFILE_COREDUMP_CMD: this makedumpfile knows no -%c, and would write "
                  "without compression; using -%c",
                  r->asked, r->instead);
}

/* Lines of /kdump.conf have no quoting: a line's end in a value would begin another key. */
static bool is_one_line(const char *value)
{
    return !strpbrk(value, "\n\r");
}

static int write_conf(const struct config *config, const struct storage *s, struct recipe *r)
{
    struct span options = strbuf_view(&r->options);

    if (!is_one_line(s->subdir) || !is_one_line(s->options) || !is_one_line(s->target) ||
        span_find_byte(options, '\n') != SIZE_MAX)
        return -EINVAL;
    (void)strbuf_printf(&r->conf,
                        "TARGET=%s\nFSTYPE=%s\nMOUNTOPTS=%s\nSUBDIR=%s\nFULL_COREDUMP=%d\n",
                        s->target, s->fstype, s->options, s->subdir, config->full_coredump);
    if (r->program.n > 0)
        (void)strbuf_printf(&r->conf, "MAKEDUMPFILE=%s %.*s\n", r->program.files[0].path,
                            (int)options.n, options.p);
    return strbuf_printf(&r->conf, "WAIT_SECONDS=%d\n", WAIT_SECONDS);
}

static int note(json_t *inputs, const char *path, uint64_t size, int64_t mtime)
{
    char text[64];

    SAY(text, "%llu bytes, %lld", (unsigned long long)size, (long long)mtime);
    return json_object_set_new(inputs, path, json_string(text)) < 0 ? -ENOMEM : 0;
}

static int note_module(json_t *inputs, const struct image_module *m)
{
    char key[128];
    int r = note(inputs, m->path, m->size, m->mtime);

    if (r < 0 || m->parameters[0] == '\0')
        return r;
    SAY(key, "what is set for the module %.64s", m->name);
    return json_object_set_new(inputs, key, json_string(m->parameters)) < 0 ? -ENOMEM : 0;
}

static int note_inputs(struct recipe *r)
{
    int ret = 0;

    r->inputs = json_pack("{s:i, s:s#}", "format", FORMAT, "kdump.conf", strbuf_cstr(&r->conf),
                          (int)r->conf.n);
    if (!r->inputs)
        return -ENOMEM;
    for (size_t i = 0; i < r->modules.n && ret == 0; i++)
        ret = note_module(r->inputs, &r->modules.items[i]);
    for (size_t i = 0; i < r->program.n && ret == 0; i++)
        ret = note(r->inputs, r->program.files[i].path, r->program.files[i].size,
                   r->program.files[i].mtime);
    return ret == 0 ? note(r->inputs, r->capture.path, r->capture.size, r->capture.mtime) : ret;
}

static int read_recipe(const struct context *context, const char *kernel, const char *folder,
                       struct recipe *r, struct image *image)
{
    int ret = storage_find(&context->root, folder, &image->storage);

    r->root = &context->root;
    r->kernel = kernel;
    if (ret < 0) {
        SAY(image->problem, "%s",
            image->storage.problem[0] ? image->storage.problem : strerror(-ret));
        return ret;
    }
    ret = image_modules_find(&context->root, kernel, &image->storage, &r->modules);
    if (ret < 0) {
        SAY(image->problem, "cannot find the modules of kernel %.64s: %s", kernel, strerror(-ret));
        return ret;
    }
    ret = image_modules_set_parameters(&context->root, kernel, &r->modules);
    if (ret < 0)
        return ret;
    SAY(image->missing, "%s", r->modules.missing);
    image->n_modules = r->modules.n;
    ret = find_capture(r, image);
    if (ret == 0)
        ret = find_program(context, r);
    if (ret == 0)
        ret = write_conf(&context->config, &image->storage, r);
    return ret == 0 ? note_inputs(r) : ret;
}

/* ---- writing ---- */

struct writer {
    struct image_cpio *cpio;
    char dirs[MAX_DIRS][PATH_MAX];
    size_t n_dirs;
};

static int add_dir(struct writer *w, struct span name)
{
    for (size_t i = 0; i < w->n_dirs; i++)
        if (span_eq(name, w->dirs[i]))
            return 0;
    if (w->n_dirs == MAX_DIRS || !span_copy(name, w->dirs[w->n_dirs], PATH_MAX))
        return -E2BIG;
    return image_cpio_dir(w->cpio, w->dirs[w->n_dirs++]);
}

/* The directories above a name, outermost first. */
static int add_parents(struct writer *w, const char *name)
{
    for (const char *slash = strchr(name, '/'); slash; slash = strchr(slash + 1, '/')) {
        int r = add_dir(w, (struct span){ name, (size_t)(slash - name) });

        if (r < 0)
            return r;
    }
    return 0;
}

static int add_file(struct writer *w, const struct root *root, const char *path, const char *name,
                    mode_t mode, bool unpack)
{
    _cleanup_close_ int fd = root_open(root, path, O_RDONLY, 0);
    _cleanup_strbuf_ struct strbuf bytes = { 0 };
    int r = fd < 0 ? fd : 0;

    if (r == 0)
        r = unpack ? image_read_unpacked(fd, MAX_MODULE, &bytes)
                   : fd_read_all(fd, MAX_FILE, &bytes);
    if (r == 0)
        r = add_parents(w, name);
    if (r == 0)
        r = image_cpio_bytes(w->cpio, name, mode, strbuf_view(&bytes));
    return r < 0 ? log_error_errno(r, "cannot put %s into the capture image", path) : 0;
}

static int add_modules(struct writer *w, const struct recipe *r)
{
    _cleanup_strbuf_ struct strbuf list = { 0 };
    int ret = 0;

    for (size_t i = 0; i < r->modules.n && ret == 0; i++) {
        const struct image_module *m = &r->modules.items[i];
        char name[PATH_MAX];

        SAY(name, "modules/%s.ko", m->name);
        (void)strbuf_printf(&list, "/%s%s%s\n", name, m->parameters[0] ? " " : "", m->parameters);
        ret = add_file(w, r->root, m->path, name, 0644, true);
    }
    if (ret == 0 && list.failed)
        ret = -ENOMEM;
    return ret == 0 ? image_cpio_bytes(w->cpio, "modules.list", 0644, strbuf_view(&list)) : ret;
}

static int fill(struct writer *w, const struct recipe *r)
{
    static const char *const dirs[] = { "dev", "proc", "sys", "tmp" };
    int ret = 0;

    for (size_t i = 0; i < ARRAY_SIZE(dirs) && ret == 0; i++)
        ret = add_dir(w, span_str(dirs[i]));
    if (ret == 0)
        ret = image_cpio_console(w->cpio);
    if (ret == 0)
        ret = add_file(w, r->root, r->capture.path, "init", 0755, false);
    if (ret == 0)
        ret = image_cpio_bytes(w->cpio, "kdump.conf", 0644, strbuf_view(&r->conf));
    if (ret == 0)
        ret = add_modules(w, r);
    for (size_t i = 0; i < r->program.n && ret == 0; i++)
        ret = add_file(w, r->root, r->program.files[i].path, r->program.files[i].path + 1, 0755,
                       false);
    return ret == 0 ? image_cpio_close(w->cpio) : ret;
}

static int write_to(int dirfd, const char *name, const struct recipe *r, uint64_t *size)
{
    _cleanup_atomic_file_ struct atomic_file f = ATOMIC_FILE_INIT;
    _cleanup_free_ struct writer *w = calloc(1, sizeof(*w));
    struct stat st;
    int ret = w ? atomic_file_open(&f, dirfd, name, 0600) : -ENOMEM;

    if (ret == 0)
        ret = image_cpio_open(f.fd, &w->cpio);
    if (ret == 0)
        ret = fill(w, r);
    if (w)
        image_cpio_free(w->cpio);
    if (ret == 0 && fstat(f.fd, &st) < 0)
        ret = -errno;
    if (ret == 0)
        ret = atomic_file_commit(&f, true);
    if (ret == 0)
        *size = (uint64_t)st.st_size;
    return ret;
}

/* ---- is the one at hand the right one? ---- */

/* Where an image lies, and what is noted of it. */
struct place {
    int dir, state; /* borrowed */
    const char *name;
};

static void say_difference(json_t *old, json_t *now, struct image *image)
{
    const char *key;
    json_t *value;

    json_object_foreach(now, key, value) if (!json_equal(value, json_object_get(old, key)))
    {
        SAY(image->why, "%.120s %s", key, json_object_get(old, key) ? "has changed" : "is new");
        return;
    }
    json_object_foreach(old, key, value) if (!json_object_get(now, key))
    {
        SAY(image->why, "%.120s is not needed any more", key);
        return;
    }
}

bool image_is_trusted(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_uid == geteuid() && (st->st_mode & 022) == 0;
}

static bool is_current(const struct place *place, const char *notes, const struct recipe *r,
                       struct image *image)
{
    _cleanup_json_ json_t *old = NULL;
    struct stat st;

    if (fstatat(place->dir, place->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode)) {
        SAY(image->why, "there was none");
        return false;
    }
    image->size = (uint64_t)st.st_size;
    if (!image_is_trusted(&st)) {
        SAY(image->why, "it was somebody else's");
        return false;
    }
    if (json_file_read(place->state, notes, &old) < 0 ||
        json_get_int(old, "size", -1) != (int64_t)st.st_size) {
        SAY(image->why, "what went into it is not known");
        return false;
    }
    say_difference(json_object_get(old, "inputs"), r->inputs, image);
    return image->why[0] == '\0';
}

static int save_notes(int state, const char *notes, const struct recipe *r,
                      const struct image *image)
{
    _cleanup_json_ json_t *top = json_pack("{s:s, s:I, s:O}", "kernel", r->kernel, "size",
                                           (json_int_t)image->size, "inputs", r->inputs);

    return top ? json_file_write(state, notes, top) : -ENOMEM;
}

static void note_use(const struct place *place)
{
    struct stat st;

    if (fstatat(place->dir, place->name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        image_days_unused(&st) != 0)
        (void)utimensat(place->dir, place->name, NULL,
                        AT_SYMLINK_NOFOLLOW); /* at worst it goes too soon */
}

/* unwritable: why nothing may be written there, so that only what is there will do; 0. */
static int ensure_in(const struct place *place, bool force, int unwritable, const struct recipe *r,
                     struct image *image)
{
    char notes[NAME_MAX + 1];
    int ret;

    image_notes_name(place->name, notes, sizeof(notes));
    image->why[0] = '\0';
    if (is_current(place, notes, r, image) && !force) {
        note_use(place);
        return 0;
    }
    if (unwritable < 0)
        return unwritable;
    if (!image->why[0])
        SAY(image->why, "it was asked for");
    ret = write_to(place->dir, place->name, r, &image->size);
    if (ret == 0) {
        ret = save_notes(place->state, notes, r, image);
        if (ret < 0) /* of no use without them, and room is scarce */
            (void)unlinkat(place->dir, place->name, 0);
    }
    image->rebuilt = ret == 0;
    return ret;
}

/* A folder that takes nothing may still have the right image: an image comes whole or not at all,
 * so that to take it wants no lock. */
static int ensure_in_folder(struct spool *spool, const char *name, bool force,
                            const struct recipe *r, struct image *image)
{
    _cleanup_close_ int state = spool_open_state(spool, true);
    const struct place place = { .dir = spool->fd, .state = state, .name = name };
    int ret = state < 0 ? state : spool_lock(spool, LOCK_TIMEOUT_MS);

    if (state < 0 || (ret < 0 && !spool_takes_nothing(ret)))
        return ret;
    return ensure_in(&place, force, ret, r, image);
}

/* For this boot alone. */
static int ensure_in_run(const struct recipe *r, const char *name, int why, struct image *image)
{
    _cleanup_close_ int run = root_make_dir(r->root, RUN_DIR, 0700);
    const struct place place = { .dir = run, .state = run, .name = name };
    int ret;

    if (run < 0)
        return run;
    SAY(image->path, RUN_DIR "/%s", name);
    ret = ensure_in(&place, false, 0, r, image);
    if (ret == 0)
        image->not_in_folder = why;
    return ret;
}

/* Where that fails, too, it is the folder that can be mended. */
static int ensure_instead(const struct spool *spool, const struct recipe *r, const char *name,
                          int why, struct image *image)
{
    int ret = ensure_in_run(r, name, why, image);

    if (ret < 0)
        SAY(image->problem, "%.100s takes nothing (%s)%s; nor does " RUN_DIR " (%s)", spool->path,
            strerror(-why), spool_advice(why), strerror(-ret));
    return ret;
}

/* What an earlier run of this boot kept, once it is in the folder. */
static void remove_from_run(const struct root *root, const char *name)
{
    _cleanup_close_ int run = root_open_dir(root, RUN_DIR);

    if (run >= 0)
        (void)!image_remove(run, run, name);
}

static int ensure(struct spool *spool, int unmade, const char *name, unsigned flags,
                  const struct recipe *r, struct image *image)
{
    int ret = unmade < 0 ? unmade : ensure_in_folder(spool, name, flags & IMAGE_FORCE, r, image);

    if (spool_takes_nothing(ret) && (flags & IMAGE_OR_IN_RUN))
        return ensure_instead(spool, r, name, ret, image);
    if (ret == 0)
        remove_from_run(r->root, name);
    return ret;
}

int image_ensure(const struct context *context, const char *kernel, unsigned flags,
                 struct image *out)
{
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    _cleanup_(recipe_done) struct recipe recipe = { 0 };
    char name[NAME_MAX + 1];
    int r, unmade = 0;

    *out = (struct image){ 0 };
    if (snprintf(name, sizeof(name) - 8, IMAGE_PREFIX "%s.img", kernel) >= (int)sizeof(name) - 8 ||
        strchr(kernel, '/'))
        return -EINVAL;
    r = spool_open(&context->root, &context->config, true, &spool);
    if (spool_takes_nothing(r) && (flags & IMAGE_OR_IN_RUN)) {
        unmade = r; /* the crash kernel makes it, if it can */
        r = spool_path(&context->root, &context->config, true, &spool.path);
    }
    if (r == -ENODEV) {
        SAY(out->problem, "the file system of %.180s is not mounted", context->config.kdump_folder);
        return -EAGAIN;
    }
    if (r < 0) {
        SAY(out->problem, "cannot open the kdump folder %.120s: %s%s", context->config.kdump_folder,
            strerror(-r), spool_advice(r));
        return r;
    }
    SAY(out->path, "%s/%s", spool.path, name);
    r = read_recipe(context, kernel, spool.path, &recipe, out);
    if (r == 0)
        r = ensure(&spool, unmade, name, flags, &recipe, out);
    if (r == 0)
        say_program(context, &recipe, out->rebuilt);
    else if (!out->problem[0])
        SAY(out->problem, "cannot write %.120s: %s%s", out->path, strerror(-r), spool_advice(r));
    return r;
}

int image_write(const struct context *context, const char *kernel, const char *file,
                struct image *out)
{
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    _cleanup_(recipe_done) struct recipe recipe = { 0 };
    _cleanup_free_ char *dir = NULL;
    _cleanup_close_ int fd = -EBADF;
    const char *slash = strrchr(file, '/');
    int r;

    *out = (struct image){ 0 };
    r = spool_open(&context->root, &context->config, true, &spool);
    if (r == 0)
        r = read_recipe(context, kernel, spool.path, &recipe, out);
    dir = slash ? strndup(file, (size_t)(slash - file) + 1) : strdup(".");
    if (!dir)
        return -ENOMEM;
    if (r == 0)
        fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (r == 0)
        r = fd < 0 ? -errno : write_to(fd, slash ? slash + 1 : file, &recipe, &out->size);
    if (r == 0)
        say_program(context, &recipe, true);
    if (r < 0 && !out->problem[0])
        SAY(out->problem, "cannot write %.180s: %s", file, strerror(-r));
    SAY(out->path, "%s", file);
    out->rebuilt = r == 0;
    return r;
}
