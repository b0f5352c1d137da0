/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>
#include <string.h>

#include "zip.h"

enum { END_SIZE = 22, COMMENT_MAX = 65535, TAIL_MAX = END_SIZE + COMMENT_MAX };

static uint32_t le(const unsigned char *p, unsigned bytes)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < bytes; i++)
        v |= (uint32_t)p[i] << (8 * i);
    return v;
}

static int read_at(int fd, void *p, size_t n, uint64_t at)
{
    char *to = p;

    while (n > 0) {
        ssize_t got = pread(fd, to, n, (off_t)at);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return -EBADMSG;
        to += got;
        at += (uint64_t)got;
        n -= (size_t)got;
    }
    return 0;
}

static int bad(const char *what, char *why, size_t why_size)
{
    (void)snprintf(why, why_size, "the body is no ZIP: %s", what);
    return -EBADMSG;
}

/* The record that ends with the file, comment included. */
static const unsigned char *find_end(const unsigned char *tail, size_t n)
{
    for (size_t i = n - END_SIZE + 1; i-- > 0;)
        if (memcmp(tail + i, "PK\005\006", 4) == 0 && le(tail + i + 20, 2) == n - i - END_SIZE)
            return tail + i;
    return NULL;
}

int zip_check(int fd, uint64_t size, char *why, size_t why_size)
{
    _cleanup_free_ unsigned char *tail = NULL;
    size_t n = (size_t)MIN(size, (uint64_t)TAIL_MAX);
    const unsigned char *end;
    unsigned char magic[4];
    uint64_t dir_size, dir_at;
    int r;

    if (size < END_SIZE)
        return bad("it is too short", why, why_size);
    tail = malloc(n);
    if (!tail)
        return -ENOMEM;
    r = read_at(fd, magic, sizeof(magic), 0);
    if (r == 0)
        r = read_at(fd, tail, n, size - n);
    if (r < 0)
        return r;
    if (memcmp(magic, "PK\003\004", 4) != 0)
        return bad("it does not begin with a member", why, why_size);
    end = find_end(tail, n);
    if (!end)
        return bad("it has no end of central directory", why, why_size);
    dir_size = le(end + 12, 4);
    dir_at = le(end + 16, 4);
    if (dir_size == UINT32_MAX || dir_at == UINT32_MAX)
        return 0; /* Zip64 keeps them elsewhere */
    if (dir_at + dir_size > size - n + (uint64_t)(end - tail) || dir_size < 4)
        return bad("its central directory is out of place", why, why_size);
    r = read_at(fd, magic, sizeof(magic), dir_at);
    if (r < 0)
        return r;
    return memcmp(magic, "PK\001\002", 4) == 0 ? 0 : bad("its directory is damaged", why, why_size);
}
