/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel modules that the capture image needs, in the order in which they are to be loaded. */
#pragma once

#include "image/storage.h"

enum { MODULES_MAX = 128 };

struct image_module {
    char *name;       /* owned */
    char *path;       /* owned; below the root */
    char *parameters; /* owned; as finit_module(2) takes them, "" : none */
    int64_t mtime;
    uint64_t size; /* bytes, as it lies there */
};

struct image_modules {
    struct image_module items[MODULES_MAX];
    size_t n;
    char missing[256]; /* names that this kernel has neither as a module nor built in */
};

/* For a kernel whose modules lie in /usr/lib/modules/KERNEL (or /lib/modules) below the root.
 * -ENOENT: it has no module tree. -E2BIG: more than MODULES_MAX. */
int image_modules_find(const struct root *root, const char *kernel, const struct storage *storage,
                       struct image_modules *out) _must_check_;
/* Fills in the parameters, as modprobe would: what modprobe.d(5) says, and MODULE.PARAMETER=VALUE
 * of the running kernel's command line, which the kernel itself heeds only for what is built in.
 * What is too long is left out, with a warning. -ENOENT, -ENOMEM. */
int image_modules_set_parameters(const struct root *root, const char *kernel,
                                 struct image_modules *modules) _must_check_;
void image_modules_done(struct image_modules *modules); /* also the cleanup function */
/* "/usr/lib/modules/KERNEL" or "/lib/modules/KERNEL", whichever is there. -ENOENT: none is;
 * another error: it cannot be told. */
int image_modules_dir(const struct root *root, const char *kernel, char *buf,
                      size_t size) _must_check_;
