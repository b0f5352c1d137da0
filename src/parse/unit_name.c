/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "parse/unit_name.h"

static bool is_valid(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ':' ||
           c == '_' || (c == '.' && !first);
}

bool unit_name_of_path(const char *path, const char *suffix, char *out, size_t size)
{
    size_t n = 0;

    while (*path) {
        size_t length;

        path += strspn(path, "/");
        length = strcspn(path, "/");
        if (length == 2 && memcmp(path, "..", 2) == 0)
            return false;
        if (length == 0 || (length == 1 && path[0] == '.')) {
            path += length;
            continue;
        }
        if (n > 0 && n + 1 < size)
            out[n++] = '-';
        for (; length > 0; length--, path++) {
            if (n + sizeof("\\x00") > size)
                return false;
            if (is_valid(*path, n == 0))
                out[n++] = *path;
            else
                n += (size_t)snprintf(out + n, size - n, "\\x%02x", (unsigned char)*path);
        }
    }
    if (n == 0 || strlen(suffix) >= size - n)
        return false;
    memcpy(out + n, suffix, strlen(suffix) + 1);
    return true;
}
