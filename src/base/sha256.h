/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SHA-256 (FIPS 180-4), for ids that must not tell what they were made of. */
#pragma once

#include "base/span.h"

enum { SHA256_BYTES = 32, SHA256_HEX = 2 * SHA256_BYTES + 1 };

struct sha256 {
    uint32_t state[8];
    uint64_t length; /* bytes so far */
    unsigned char block[64];
};

void sha256_start(struct sha256 *h);
void sha256_add(struct sha256 *h, struct span bytes);
void sha256_end(struct sha256 *h, unsigned char digest[SHA256_BYTES]);
/* The same as lower-case digits and a NUL. */
void sha256_end_hex(struct sha256 *h, char hex[SHA256_HEX]);
