/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse/name.h"

void name_sanitize(struct span in, char *out, size_t size)
{
    size_t n = 0;

    if (size == 0)
        return;
    for (size_t i = 0; i < in.n && n + 1 < size; i++)
        if (byte_is_alnum(in.p[i]) || in.p[i] == '_' || in.p[i] == '-')
            out[n++] = in.p[i];
    if (n == 0 && size > 1)
        out[n++] = '0';
    out[n] = '\0';
}
