/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes an initramfs: newc cpio, compressed, the same bytes for the same input. */
#pragma once

#include "base/root.h"

struct image_cpio; /* owned by its opener */

/* To a file at hand; name is for messages. -ENOMEM, -ENOPKG. */
int image_cpio_open(int fd, struct image_cpio **out) _must_check_;
/* Names have no slash in front; what lies above a name was added before it. */
int image_cpio_dir(struct image_cpio *cpio, const char *name) _must_check_;
int image_cpio_console(struct image_cpio *cpio) _must_check_; /* dev/console */
int image_cpio_bytes(struct image_cpio *cpio, const char *name, mode_t mode,
                     struct span bytes) _must_check_;
/* Flushes everything to the file. */
int image_cpio_close(struct image_cpio *cpio) _must_check_;
void image_cpio_free(struct image_cpio *cpio); /* after image_cpio_close(), or to give up */
/* A file's bytes, decompressed if it is compressed in a way that modules are (gzip, xz, zstd). */
int image_read_unpacked(int fd, size_t max, struct strbuf *out) _must_check_;
