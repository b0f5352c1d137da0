/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The capture image: the initramfs of the kernel that takes over after a crash. One for each
 * kernel, KDUMP_FOLDER/kdump-initrd-KERNEL.img: the capture program as /init, /kdump.conf (where
 * the kdump folder is), the modules on the way there in /modules, their order in /modules.list;
 * makedumpfile with its libraries where FULL_COREDUMP asks for it. What went into it is noted in
 * state/kdump-initrd-KERNEL.json, and it is made anew when that has changed.
 */
#pragma once

#include "config/verb.h"
#include "image/storage.h"

#define IMAGE_CAPTURE "/usr/lib/kdump-steamos/capture"
#define IMAGE_PREFIX "kdump-initrd-" /* KERNEL.img */

enum { IMAGE_KEEP_DAYS = 60 };

enum image_flags {
    IMAGE_FORCE = 1,     /* made anew even if nothing has changed */
    IMAGE_OR_IN_RUN = 2, /* for this boot in RUN_DIR, where the kdump folder takes nothing */
};

struct image {
    char path[PATH_MAX]; /* below the root */
    uint64_t size;       /* bytes */
    bool rebuilt;
    char why[160];     /* it was made anew; "" : it was not */
    char problem[320]; /* of an error: what stands in the way, for people */
    int not_in_folder; /* why it lies in RUN_DIR: the error of the kdump folder; 0: it does not */
    struct storage storage;
    size_t n_modules;
    char missing[256]; /* modules that this kernel does not have */
};

/* Bytes that a crash kernel with an image of this size needs to be reserved, as far as the test
 * machines show it: a kernel of 6.1 with an image of 0.7 MiB works in 88 MiB, with one of 2 MiB in
 * 92. 0 for an unknown size. */
static inline uint64_t image_memory_needed(uint64_t image)
{
    return image > 0 ? (84ULL << 20) + 4 * image : 0;
}

/* Whether a file may be what the crash kernel runs: ours, and nobody else's to write. The folder
 * that it lies in is the submitting user's. */
bool image_is_trusted(const struct stat *st);
/* Makes the image of a kernel if it is missing, out of date or IMAGE_FORCE is set. Errors are in
 * out->problem, and not logged. -ENODEV: a crash kernel cannot get to the kdump folder. -EAGAIN:
 * its file system is not mounted. */
int image_ensure(const struct context *context, const char *kernel, unsigned flags,
                 struct image *out) _must_check_;
/* The same, written to a file that the caller names. */
int image_write(const struct context *context, const char *kernel, const char *file,
                struct image *out) _must_check_;
/* The name of the notes of an image: .json in the place of its .img. */
void image_notes_name(const char *name, char *buf, size_t size);
/* Removes an image and the notes of it, which lie in state (negative: nowhere); what is left of the
 * notes does no harm. 0 also where there is none. */
int image_remove(int folder, int state, const char *name) _must_check_;
/* How long ago an image was used last: that is its time, to the day. */
int64_t image_days_unused(const struct stat *st);
/* Removes our images of kernels whose modules are gone, when they were not needed for
 * IMAGE_KEEP_DAYS: where two systems take turns on one machine, as on SteamOS, the other one's
 * kernel is not gone, and both have this kdump folder. Others' images are never touched. */
void image_prune(const struct context *context);
/* Removes all of ours, with what is noted of them. */
void image_remove_all(const struct context *context);

extern const struct verb verb_initrd;
