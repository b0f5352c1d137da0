/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What was received, in a folder that tests and people read:
 *   requests.log         a line of JSON per request, in the order of the answers
 *   GID/fields.json      the fields of Start, decoded
 *   GID/headers.json     all headers of the last PUT
 *   GID/upload.zip       its body; there only when it came whole and was accepted
 *   GID/receipt.json     gid, size, crc32, puts, finishes, finished, and the times (ms since 1970)
 * Files appear under a temporary name and are renamed; nothing is synced to the disk, since this is
 * no place to keep data.
 */
#pragma once

#include <jansson.h>

#include "base/macro.h"
#include "base/span.h"

/* One upload, from Start on. Only what does not change after Start is public; it lives as long as
 * the store. */
struct upload {
    char *gid;     /* as handed out */
    char *target;  /* the request target of its PUT */
    json_t *pairs; /* the headers to come with the PUT: [{"name", "value"}] */
    uint64_t size; /* what Start announced, bytes */
    char *summary; /* for a person, one line of printable text */
    char dir[96];  /* its folder below the store */
};

struct store;
struct put;

int store_open(const char *dir, struct store **out) _must_check_;
void store_free(struct store *s);
DEFINE_CLEANUP(struct store *, store_free)

/* Takes over gid and target (heap) and a reference to pairs, also on failure; fields is borrowed.
 */
int store_start(struct store *s, char *gid, char *target, json_t *pairs, json_t *fields,
                const struct upload **out) _must_check_;
/* NULL: there is none. */
const struct upload *store_find_target(struct store *s, const char *target);

/* -EALREADY: the upload is finished. */
int put_open(struct store *s, const struct upload *u, struct put **out) _must_check_;
int put_write(struct put *p, const void *bytes, size_t n) _must_check_;
/* Checks the ZIP and stores it with the request's headers. -EBADMSG: why says what is wrong. */
int put_commit(struct put *p, json_t *headers, char *why, size_t why_size) _must_check_;
void put_discard(struct put *p); /* frees; with what was not committed */
DEFINE_CLEANUP(struct put *, put_discard)

/* How many times this gid has been finished, this time included. -ENOENT: no such gid; -ENODATA:
 * its PUT has not come. */
int store_finish(struct store *s, const char *gid, const struct upload **out) _must_check_;

/* Appends a line to requests.log; takes the reference. */
void store_log(struct store *s, json_t *line);
int64_t now_ms(void);
