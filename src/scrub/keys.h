/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Words behind which a private value stands: "SerialNumber: X", "SSID='X'", "wwn-0xX". */
#pragma once

#include "scrub/values.h"

struct key;

void keys_index(struct key_index *out);
/* The key that the word with this word_hash() is, by its line up to it and the word before it
 * there; NULL: none. */
const struct key *key_find(const struct key_index *index, uint32_t hash, struct span word,
                           struct span line, struct span before);
/* Finds the value in what stands behind the key's word. False where there is none, or where it says
 * nothing ("Not Specified"). *start is the value's offset. */
bool key_value(const struct key *key, struct span behind, size_t *start, struct span *value);
enum scrub_kind key_kind(const struct key *key);
/* Whether the value, which is part of the text around, is to be replaced wherever it stands. */
bool key_teaches(const struct key *key, struct span value, struct span around);
