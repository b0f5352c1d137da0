/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What addresses and ids look like. Each matcher looks at a text from the beginning of a word on
 * and gives the length of what it recognizes, or 0; all look at a bounded number of bytes.
 */
#pragma once

#include "base/span.h"

/* Bytes that make words: letters, digits, '_' and whatever is no ASCII. */
bool match_is_word_byte(char c);

/* Two hexadecimal digits a group, six groups or more, between ':' or '-' (which then wants a letter
 * among them, since times are written like that). *groups gets their number. */
size_t match_hex_chain(struct span s, unsigned *groups);
/* Less than six groups, too, where a letter is among them: what is left of such a chain. */
size_t match_hex_groups(struct span s, unsigned *groups);
/* 8-4-4-4-12 hexadecimal digits. */
size_t match_uuid(struct span s);
/* Four numbers below 256 without leading zeros, and neither 0.…, 127.… nor a mask. */
size_t match_ipv4(struct span s);
/* The same where more may follow: "192.168.1.5.22". */
size_t match_ipv4_part(struct span s);
/* RFC 4291, 2.2, without the zone; what could as well be a PCI id, a time or a name in a
 * programming language is none. */
size_t match_ipv6(struct span s);
/* Whether all of s are hexadecimal digits. */
bool match_is_hex(struct span s);
