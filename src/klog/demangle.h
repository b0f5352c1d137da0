/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names as Rust's and C++'s compilers write them → as people do. */
#pragma once

#include "base/span.h"

enum { KLOG_MAX_DEMANGLED = 240 };

/* "_RNvNtCs4fqI2P2rA04_4core5slice5index", "_ZN4core5slice5index17h0123456789abcdefE",
 * "_Z8spinRotoriii" without arguments, hashes and suffixes: "core::slice::index". Sources: the Rust
 * RFC 2603 (v0), rustc's legacy form, and of the Itanium C++ ABI nested and plain names. Gives the
 * length; 0: no such name, or one that is not understood to its end or too long; out is then of no
 * meaning. */
size_t klog_demangle(struct span name, char out[KLOG_MAX_DEMANGLED]);
