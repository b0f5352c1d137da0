/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small durable JSON files (what state/ holds) and safe access to their members. */
#pragma once

#include <jansson.h>

#include "base/io.h"

#define _cleanup_json_ _cleanup_(json_decrefp)

enum { JSON_FILE_MAX = 1 << 20 };

/* The caller owns *out, always an object. -ENOENT; -EBADMSG where it is no JSON object. */
int json_file_read(int dirfd, const char *name, json_t **out) _must_check_;
/* Written atomically, with mode 0600 and the owner of the folder; value is borrowed. */
int json_file_write(int dirfd, const char *name, const json_t *value) _must_check_;
/* Members with a fall-back where they are missing or of another type. */
const char *json_get_str(const json_t *object, const char *key, const char *fallback);
int64_t json_get_int(const json_t *object, const char *key, int64_t fallback);
