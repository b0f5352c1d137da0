/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>

#include "image/elf_needs.h"
#include "image/program.h"

enum { MAX_FILE = 64 << 20 };

static const char *const program_dirs[] = { "/usr/sbin", "/usr/bin", "/sbin", "/bin" };
/* Where ld.so looks on the distributions that this is for. */
static const char *const library_dirs[] = { "/usr/lib",
                                            "/usr/lib64",
                                            "/lib",
                                            "/lib64",
                                            "/usr/lib/x86_64-linux-gnu",
                                            "/lib/x86_64-linux-gnu",
                                            "/usr/lib/aarch64-linux-gnu",
                                            "/lib/aarch64-linux-gnu" };

void program_done(struct program *program)
{
    free(program->files);
    *program = (struct program){ 0 };
}

static bool has_name(const struct program *p, const char *name)
{
    for (size_t i = 0; i < p->n; i++) {
        const char *slash = strrchr(p->files[i].path, '/');

        if (strcmp(slash + 1, name) == 0)
            return true;
    }
    return false;
}

static int add_file(const struct root *root, const char *path, struct program *p)
{
    struct program_file *f = &p->files[p->n];
    struct stat st;
    int r = root_stat(root, path, &st);

    if (r < 0)
        return r;
    if (!S_ISREG(st.st_mode))
        return -ENOENT;
    if (p->n == PROGRAM_MAX_FILES)
        return -E2BIG;
    *f = (struct program_file){ .mtime =
                                    (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
                                .size = (uint64_t)st.st_size };
    if (!span_copy(span_str(path), f->path, sizeof(f->path)))
        return -ENAMETOOLONG;
    p->n++;
    return 0;
}

static ssize_t read_head(const struct root *root, const char *path, char head[ELF_KIND_BYTES])
{
    _cleanup_close_ int fd = root_open(root, path, O_RDONLY, 0);

    return fd < 0 ? fd : pread(fd, head, ELF_KIND_BYTES, 0);
}

/* A library of another word size is passed over, as ld.so does: where programs of 32 bits run, as
 * Steam, one directory of the list has theirs. */
static bool is_fit(const struct root *root, const char *path, const struct program *p)
{
    char head[ELF_KIND_BYTES], own[ELF_KIND_BYTES];
    ssize_t n, n_own;

    if (p->n == 0)
        return true;
    n = read_head(root, path, head);
    n_own = read_head(root, p->files[0].path, own);
    return n > 0 && n_own > 0 &&
           elf_is_same_kind(span_bytes(head, (size_t)n), span_bytes(own, (size_t)n_own));
}

static int find_in(const struct root *root, const char *const *dirs, size_t n, const char *name,
                   struct program *p)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < n; i++) {
        int r;

        (void)snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
        if (!root_exists(root, path) || !is_fit(root, path, p))
            continue;
        r = add_file(root, path, p);
        if (r != -ENOENT && r != -ENOTDIR)
            return r;
    }
    return -ENOENT;
}

static int add_library(const struct root *root, struct span name, struct program *p)
{
    char copy[NAME_MAX + 1];
    int r;

    if (name.n == 0 || span_find_byte(name, '/') != SIZE_MAX ||
        !span_copy(name, copy, sizeof(copy)))
        return -EBADMSG;
    if (has_name(p, copy))
        return 0;
    r = find_in(root, library_dirs, ARRAY_SIZE(library_dirs), copy, p);
    if (r == -ENOENT)
        (void)snprintf(p->missing, sizeof(p->missing), "%s", copy);
    return r;
}

/* What a file of the list asks for goes behind it. */
static int add_needs(const struct root *root, size_t index, struct program *p)
{
    _cleanup_close_ int fd = root_open(root, p->files[index].path, O_RDONLY, 0);
    _cleanup_strbuf_ struct strbuf bytes = { 0 };
    struct elf_needs needs;
    char path[PATH_MAX];
    int r = fd < 0 ? fd : fd_read_all(fd, MAX_FILE, &bytes);

    if (r < 0)
        return r;
    if (!elf_read_needs(strbuf_view(&bytes), &needs))
        return -ENOEXEC;
    if (needs.interpreter.n > 0 && span_copy(needs.interpreter, path, sizeof(path)) &&
        !has_name(p, strrchr(path, '/') ? strrchr(path, '/') + 1 : path)) {
        r = add_file(root, path, p);
        if (r == -ENOENT)
            (void)snprintf(p->missing, sizeof(p->missing), "%.200s", path);
    }
    for (size_t i = 0; i < needs.n && r == 0; i++)
        r = add_library(root, needs.libraries[i], p);
    return r;
}

int program_find(const struct root *root, const char *name, struct program *out)
{
    _cleanup_(program_done) struct program p = { .files =
                                                     calloc(PROGRAM_MAX_FILES, sizeof(*p.files)) };
    int r;

    *out = (struct program){ 0 };
    if (!p.files)
        return -ENOMEM;
    if (name[0] == '/')
        r = add_file(root, name, &p);
    else
        r = find_in(root, program_dirs, ARRAY_SIZE(program_dirs), name, &p);
    for (size_t i = 0; i < p.n && r == 0; i++)
        r = add_needs(root, i, &p);
    if (r < 0) {
        (void)memcpy(out->missing, p.missing, sizeof(p.missing));
        return r;
    }
    *out = p;
    p = (struct program){ 0 };
    return 0;
}
