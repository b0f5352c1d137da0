/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "parse/release.h"

bool kernel_release_at_least(struct span release, unsigned major, unsigned minor)
{
    uint64_t has_major, has_minor;

    if (!span_take_dec(&release, &has_major) || !span_skip(&release, ".") ||
        !span_take_dec(&release, &has_minor))
        return false;
    return has_major > major || (has_major == major && has_minor >= minor);
}
