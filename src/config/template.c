/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Built and run once: prints the shipped /etc/default/kdump from the table of keys. */
#include <stdio.h>

#include "config/config.h"

int main(void)
{
    _cleanup_strbuf_ struct strbuf text = { 0 };

    if (config_write_template(&text) < 0)
        return EXIT_FAILURE;
    return fwrite(strbuf_cstr(&text), 1, text.n, stdout) == text.n ? EXIT_SUCCESS : EXIT_FAILURE;
}
