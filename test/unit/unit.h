/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every unit test needs: cmocka with its own includes, and a directory that vanishes. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/root.h"

/* A temporary directory as a tree: t->dir is its path, t->root opens below it. */
struct unit_tree {
    char dir[64];
    struct root root;
};

static inline int unit_tree_setup(void **state)
{
    struct unit_tree *t = calloc(1, sizeof(*t));

    if (!t)
        return -1;
    (void)snprintf(t->dir, sizeof(t->dir), "%s", "/tmp/kdump-unit-XXXXXX");
    if (!mkdtemp(t->dir) || root_init(&t->root, t->dir) < 0)
        return -1;
    *state = t;
    return 0;
}

static inline int unit_tree_teardown(void **state)
{
    struct unit_tree *t = *state;
    char command[128];

    root_done(&t->root);
    (void)snprintf(command, sizeof(command), "rm -rf %s", t->dir);
    if (system(command) != 0)
        return -1;
    free(t);
    return 0;
}

/* Writes a file below the tree, with the directories above it. */
static inline void unit_write(struct unit_tree *t, const char *path, const void *bytes, size_t n)
{
    char dir[512];
    const char *slash = strrchr(path, '/');
    int fd;

    (void)snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
    if (dir[0]) {
        fd = root_make_dir(&t->root, dir, 0755);
        assert_true(fd >= 0);
        (void)close(fd);
    }
    fd = root_open(&t->root, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, bytes, n), 0);
    (void)close(fd);
}

static inline void unit_write_str(struct unit_tree *t, const char *path, const char *text)
{
    unit_write(t, path, text, strlen(text));
}
