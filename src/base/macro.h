/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small language helpers: scope-bound ownership and checked arithmetic. */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                          \
    ({                                     \
        __typeof__(a) min_a_ = (a);        \
        __typeof__(b) min_b_ = (b);        \
        min_a_ < min_b_ ? min_a_ : min_b_; \
    })
#define MAX(a, b)                          \
    ({                                     \
        __typeof__(a) max_a_ = (a);        \
        __typeof__(b) max_b_ = (b);        \
        max_a_ > max_b_ ? max_a_ : max_b_; \
    })

/* A variable declared with _cleanup_(f) has f(&variable) called at the end of its scope. */
#define _cleanup_(f) __attribute__((cleanup(f)))
#define _cleanup_free_ _cleanup_(free_ptr)
#define _cleanup_close_ _cleanup_(close_fd)
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))
#define _must_check_ __attribute__((warn_unused_result))

/* Defines NAMEp(), a cleanup function for a variable of pointer type TYPE. */
#define DEFINE_CLEANUP(type, free_function)      \
    static inline void free_function##p(type *p) \
    {                                            \
        if (*p)                                  \
            free_function(*p);                   \
    }

static inline void free_ptr(void *p)
{
    free(*(void **)p);
}

static inline void close_fd(int *fd)
{
    int saved = errno;

    if (*fd >= 0)
        (void)close(*fd);
    errno = saved;
}

/* Hands the ownership out of a cleanup variable. */
#define TAKE_PTR(p)                 \
    ({                              \
        __typeof__(p) taken_ = (p); \
        (p) = NULL;                 \
        taken_;                     \
    })
#define TAKE_FD(fd)        \
    ({                     \
        int taken_ = (fd); \
        (fd) = -EBADF;     \
        taken_;            \
    })

/* Words for people into an array, cut where there are more than it takes (stdio.h). */
#define SAY(field, ...) ((void)snprintf((field), sizeof(field), __VA_ARGS__))

/* Checked arithmetic: false when the result does not fit; *out is then untouched by contract. */
static inline bool add_size(size_t a, size_t b, size_t *out)
{
    size_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}
