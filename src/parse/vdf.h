/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * VDF, Valve's KeyValues text: "key" "value" and "key" { … }, quotes with escapes (\n \t \\ \"),
 * unquoted tokens, // comments, [$CONDITIONS] that are skipped, any white space.
 */
#pragma once

#include "base/span.h"

enum { VDF_MAX_DEPTH = 32, VDF_MAX_TOKEN = 1024 };

enum vdf_event {
    VDF_END,     /* the text is over, all braces closed */
    VDF_PAIR,    /* key and value */
    VDF_OPEN,    /* key and an opening brace */
    VDF_CLOSE,   /* a closing brace */
    VDF_INVALID, /* malformed, too deep or too long: see line */
};

struct vdf_reader {
    struct span rest;
    unsigned depth;         /* open braces */
    unsigned line;          /* from 1, where the reader stands */
    struct span key, value; /* unescaped, in the buffers below */
    char key_buf[VDF_MAX_TOKEN], value_buf[VDF_MAX_TOKEN];
};

void vdf_start(struct vdf_reader *reader, struct span text); /* takes a byte order mark off */
enum vdf_event vdf_next(struct vdf_reader *reader);

/* The account of the last login, out of loginusers.vdf. */
struct steam_account {
    char name[65];    /* AccountName, reduced to [A-Za-z0-9_-] */
    char steamid[21]; /* SteamID64, decimal digits */
};

/* The user with MostRecent 1 (keys compare without case); of several the one with the highest
 * Timestamp. -ENOENT: nobody; -EBADMSG: malformed, *line (may be NULL) says where. */
int vdf_most_recent_login(struct span text, struct steam_account *out, unsigned *line);
