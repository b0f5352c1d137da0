/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program of the system with the libraries that it needs, for the capture image. */
#pragma once

#include <limits.h>

#include "base/root.h"

enum { PROGRAM_MAX_FILES = 48 };

struct program_file {
    char path[PATH_MAX]; /* below the root, and in the image */
    int64_t mtime;
    uint64_t size; /* bytes */
};

struct program {
    struct program_file *files; /* owned; the program itself first */
    size_t n;
    char missing[256]; /* the library that is not there */
};

/* name: as it would be typed, "makedumpfile". -ENOENT: it, or out->missing, is not installed. */
int program_find(const struct root *root, const char *name, struct program *out) _must_check_;
void program_done(struct program *program); /* also the cleanup function */
