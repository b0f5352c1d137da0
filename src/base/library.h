/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Libraries that only some runs need, loaded when they are: libcurl and libarchive bring some forty
 * others along, whose relocation would be most of what a boot with nothing to collect costs, and
 * code that talks to a network has no place in a process that does not.
 */
#pragma once

#include "base/macro.h"

struct library_symbol {
    const char *name;
    void *slot; /* address of the function pointer to fill in */
};

/* Declares a function pointer of function's type, to be a member of a table of them. */
#define LIBRARY_FUNCTION(function) __typeof__(function) *function
#define LIBRARY_SYMBOL(table, function) \
    {                                   \
#function, &(table).function    \
    }

/* Loads soname and fills in all slots; they stay valid until the program ends. -ENOPKG, said on the
 * log, where the library or one of the functions is missing; no slot is then to be used. */
int library_load(const char *soname, const struct library_symbol *symbols, size_t n) _must_check_;
