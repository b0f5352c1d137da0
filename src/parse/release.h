/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernel releases: "6.1.0-56-amd64". */
#pragma once

#include "base/span.h"

/* Whether release is MAJOR.MINOR or later; false where it has no such form. */
bool kernel_release_at_least(struct span release, unsigned major, unsigned minor);
