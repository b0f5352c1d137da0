/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pure: what names a person or a device in a text → placeholders, "<mac-1>". The same value gets
 * the same placeholder in all texts of one struct scrub, so that a log stays readable. Kernel
 * addresses, offsets, PCI ids, versions, and lines of stack traces stay as they are. Linear in the
 * text's length; what is remembered is bounded.
 */
#pragma once

#include <jansson.h>

#include "base/strbuf.h"

enum scrub_kind {
    SCRUB_MAC,    /* and other hardware addresses of a link */
    SCRUB_IP,     /* IPv4, IPv6 */
    SCRUB_SSID,   /* names of wireless networks */
    SCRUB_UUID,   /* of file systems, partitions, LUKS volumes, SMBIOS */
    SCRUB_SERIAL, /* serials and asset tags: SMBIOS, USB, mainboards */
    SCRUB_DISK,   /* serials and world wide names of disks */
    SCRUB_ID,     /* machine ids, and whatever has 128 bits of its own */
    SCRUB_HOST,
    SCRUB_USER,
    SCRUB_EMAIL,
    SCRUB_STEAM, /* ids and names of Steam accounts */
    SCRUB_N_KINDS,
};

enum {
    SCRUB_MAX_VALUES = 16384, /* distinct ones; those that follow share "<KIND-0>" */
    SCRUB_MAX_VALUE = 256,    /* bytes; longer values share "<KIND-0>" */
    SCRUB_MAX_KNOWN = 1024,   /* values that are replaced wherever they stand as words */
    SCRUB_MIN_KNOWN = 3,      /* bytes; shorter values are only replaced where their place tells */
};

struct scrub; /* the placeholders given out in one report */

/* The caller frees *out. -ENOMEM. */
int scrub_new(struct scrub **out) _must_check_;
void scrub_free(struct scrub *s);
DEFINE_CLEANUP(struct scrub *, scrub_free)

/* The words of this text (names of functions and modules) stay wherever they stand alone, even when
 * the machine has the same name. For names of code only: whatever else is given here leaves the
 * machine. To be called before scrub_add_known(). -ENOMEM. */
int scrub_protect(struct scrub *s, struct span text) _must_check_;
/* A version (a kernel's release, a system's build) stays wherever it stands as a whole, with all
 * that is in it. What does not begin with a digit is none, and is not kept. -ENOMEM. */
int scrub_keep(struct scrub *s, struct span version) _must_check_;
/* A value of this machine: replaced wherever it stands as whole words. Values that are too short,
 * protected, or words of every log ("root", "linux") are left alone. -ENOMEM. */
int scrub_add_known(struct scrub *s, enum scrub_kind kind, struct span value) _must_check_;
/* How many different values of a kind were met. */
unsigned scrub_count(const struct scrub *s, enum scrub_kind kind);
const char *scrub_kind_name(enum scrub_kind kind); /* "mac" */

/* Writes a whole JSON string, or the text between two tags, that is this one, as another, which is
 * not looked through. Of two for the same text the first counts. -ENOMEM. */
int scrub_rename(struct scrub *s, struct span text, struct span as) _must_check_;
/* Learns from a text what scrub_text() would learn on its way, so that names are known from the
 * first line on. -ENOMEM. */
int scrub_read(struct scrub *s, struct span text) _must_check_;

/* Each appends the scrubbed text to out. Line-based: a text may be given in pieces that end with a
 * line's end. -ENOMEM, -EFBIG. */
int scrub_text(struct scrub *s, struct span text, struct strbuf *out) _must_check_;
/* Text between tags, with character references; tags, and what is inside of <style>, stay. */
int scrub_html(struct scrub *s, struct span html, struct strbuf *out) _must_check_;
/* All strings below value but those of a report's own structure (doc/formats.md: title, functions,
 * modules, registers, …), in place. -ENOMEM. */
int scrub_json(struct scrub *s, json_t *value) _must_check_;
