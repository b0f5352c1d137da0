/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <dlfcn.h>
#include <string.h>

#include "base/library.h"
#include "base/log.h"

int library_load(const char *soname, const struct library_symbol *symbols, size_t n)
{
    void *handle = dlopen(soname, RTLD_NOW | RTLD_LOCAL);

    if (!handle) {
        log_error("cannot load %s (%s); install the package that has it", soname, dlerror());
        return -ENOPKG;
    }
    for (size_t i = 0; i < n; i++) {
        void *function = dlsym(handle, symbols[i].name);

        if (!function) {
            log_error("%s has no function %s; install a newer version", soname, symbols[i].name);
            return -ENOPKG;
        }
        (void)memcpy(symbols[i].slot, &function, sizeof(function));
    }
    return 0;
}
