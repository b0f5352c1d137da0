/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names and serials of this machine, for the scrubber (outgoing/private_values.h). */
#pragma once

#include "base/root.h"
#include "outgoing/private_values.h"

/* Gathers what can be had: host and user names, wireless networks, serials of board, disks, USB
 * devices and batteries, machine id. -ENOMEM is the only error; *out is the caller's. */
int private_gather(const struct root *root, struct private_values *out) _must_check_;
