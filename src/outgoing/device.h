/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The name by which a server knows this device again without learning which one it is: a hash of
 * its serial and of random bytes that never leave it (state/device.json). Who has the serial cannot
 * compute it; another installation on the same device has another one.
 */
#pragma once

#include "base/macro.h"

enum { DEVICE_ID_SIZE = 33 }; /* 32 hexadecimal digits and NUL */

/* The id; makes the random bytes where there are none yet and create is set. serial may be "0".
 * -ENOENT: none yet. */
int device_id(int state, const char *serial, bool create, char id[DEVICE_ID_SIZE]) _must_check_;
