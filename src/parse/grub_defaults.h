/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * /etc/default/grub and the files below /etc/default/grub.d: shell scripts that grub-mkconfig
 * sources. What they make of the kernel's command line is worked out without executing them; our
 * edit is a line of its own behind everything else,
 *     GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT crashkernel=96M" # kdump-steamos
 * which holds whatever the lines before it are quoted like, and can be taken out again without a
 * trace.
 */
#pragma once

#include "base/span.h"
#include "base/strbuf.h"

enum { GRUB_VALUE_MAX = 4096, GRUB_PARAMS_MAX = 256 };

struct grub_value {
    char text[GRUB_VALUE_MAX]; /* as the shell would have it, NUL-terminated */
    size_t n;
    bool given;
    bool opaque; /* text is not all of it: commands, other variables, or too long */
};

struct grub_defaults {
    struct grub_value common;  /* GRUB_CMDLINE_LINUX */
    struct grub_value regular; /* GRUB_CMDLINE_LINUX_DEFAULT: not for recovery entries */
    bool open;                 /* the text ends inside a quote, a substitution or a continued line */
};

/* Reads on from what *d has: files are sourced one after the other, and begin with a zeroed one.
 * Assignments inside of conditions count as done. */
void grub_defaults_read(struct span text, struct grub_defaults *d);
/* The parameters of our line; false, *params untouched, where there is none. */
bool grub_defaults_ours(struct span text, struct span *params);
/* Appends text, without the line of ours that it may have, and with one for params unless that is
 * empty. -EINVAL: params has bytes that do not belong on a command line; -EBADMSG: the text ends
 * in the middle of something, and nothing can be put behind it (out then holds the text without our
 * line). */
int grub_defaults_edit(struct span text, struct span params, struct strbuf *out) _must_check_;
