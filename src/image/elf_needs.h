/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pure: which libraries a program asks for (System V ABI, "Dynamic Linking"; 64-bit, this machine's
 * byte order). */
#pragma once

#include <limits.h>

#include "base/macro.h"
#include "base/span.h"

enum { ELF_MAX_NEEDED = 64, ELF_KIND_BYTES = 20 };

struct elf_needs {
    struct span interpreter;               /* "/lib64/ld-linux-x86-64.so.2"; empty: none */
    struct span libraries[ELF_MAX_NEEDED]; /* names, "libz.so.1" */
    size_t n;
};

/* The spans point into bytes, which are those of the whole file. False: no such program, or it is
 * damaged. */
bool elf_read_needs(struct span bytes, struct elf_needs *out);
/* Whether both are of one word size, byte order and machine, as ld.so asks of a library; of each
 * the first ELF_KIND_BYTES suffice. */
bool elf_is_same_kind(struct span a, struct span b);
