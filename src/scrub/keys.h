/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words behind which a private value stands: "SerialNumber: X", "SSID='X'", "wwn-0xX". */
#pragma once

#include "scrub/values.h"

struct key;

/* A bit for each hash (modulo the number of bits) that a key's word has: settles nearly all words
 * at once. */
void keys_fill_filter(unsigned char filter[KEY_FILTER_BYTES]);
/* The key that this word is, by the word before it in its line; NULL: none. */
const struct key *key_find(struct span word, struct span before);
/* Finds the value in what stands behind the key's word. False where there is none, or where it says
 * nothing ("Not Specified"). *start is the value's offset. */
bool key_value(const struct key *key, struct span behind, size_t *start, struct span *value);
enum scrub_kind key_kind(const struct key *key);
/* Whether the value is to be replaced from here on wherever it stands. */
bool key_teaches(const struct key *key, struct span value);
