/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Crashing the machine on purpose, so that the next boot proves that crashes become reports. */
#pragma once

#include "config/verb.h"

extern const struct verb verb_test;
