/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Addresses and ids in a text: matchers give forms, here the words around them have a say. */
#pragma once

#include "scrub/scrub.h"

struct address {
    enum scrub_kind kind;
    size_t start, n; /* in the text */
};

/* The address or id that begins with, or is part of, the word at text[start, end). before: the word
 * before it in its line; joined: what stands before the byte in front of it was replaced just now.
 */
bool address_find(struct span text, size_t start, size_t end, struct span before, bool joined,
                  struct address *out);
