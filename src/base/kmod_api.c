/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/kmod_api.h"

struct kmod_api kmod_api;

int kmod_api_load(void)
{
    static const struct library_symbol symbols[] = {
        LIBRARY_SYMBOL(kmod_api, kmod_list_next),
        LIBRARY_SYMBOL(kmod_api, kmod_module_get_dependencies),
        LIBRARY_SYMBOL(kmod_api, kmod_module_get_module),
        LIBRARY_SYMBOL(kmod_api, kmod_module_get_name),
        LIBRARY_SYMBOL(kmod_api, kmod_module_get_options),
        LIBRARY_SYMBOL(kmod_api, kmod_module_get_path),
        LIBRARY_SYMBOL(kmod_api, kmod_module_get_softdeps),
        LIBRARY_SYMBOL(kmod_api, kmod_module_new_from_lookup),
        LIBRARY_SYMBOL(kmod_api, kmod_module_new_from_name),
        LIBRARY_SYMBOL(kmod_api, kmod_module_probe_insert_module),
        LIBRARY_SYMBOL(kmod_api, kmod_module_remove_module),
        LIBRARY_SYMBOL(kmod_api, kmod_module_unref),
        LIBRARY_SYMBOL(kmod_api, kmod_module_unref_list),
        LIBRARY_SYMBOL(kmod_api, kmod_new),
        LIBRARY_SYMBOL(kmod_api, kmod_set_log_priority),
        LIBRARY_SYMBOL(kmod_api, kmod_unref),
    };

    return library_load("libkmod.so.2", symbols, ARRAY_SIZE(symbols));
}
