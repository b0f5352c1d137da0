/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Kernel modules: libkmod, loaded when it is needed. The functions mean what the library says. */
#pragma once

#include <libkmod.h>

#include "base/library.h"

struct kmod_api {
    LIBRARY_FUNCTION(kmod_list_next);
    LIBRARY_FUNCTION(kmod_module_get_dependencies);
    LIBRARY_FUNCTION(kmod_module_get_module);
    LIBRARY_FUNCTION(kmod_module_get_name);
    LIBRARY_FUNCTION(kmod_module_get_options);
    LIBRARY_FUNCTION(kmod_module_get_path);
    LIBRARY_FUNCTION(kmod_module_get_softdeps);
    LIBRARY_FUNCTION(kmod_module_new_from_lookup);
    LIBRARY_FUNCTION(kmod_module_new_from_name);
    LIBRARY_FUNCTION(kmod_module_probe_insert_module);
    LIBRARY_FUNCTION(kmod_module_remove_module);
    LIBRARY_FUNCTION(kmod_module_unref);
    LIBRARY_FUNCTION(kmod_module_unref_list);
    LIBRARY_FUNCTION(kmod_new);
    LIBRARY_FUNCTION(kmod_set_log_priority);
    LIBRARY_FUNCTION(kmod_unref);
};

extern struct kmod_api kmod_api; /* filled by kmod_api_load() */

/* As library_load(). */
int kmod_api_load(void) _must_check_;

/* For _cleanup_(). */
static inline void kmod_unrefp(struct kmod_ctx **ctx)
{
    if (*ctx)
        (void)kmod_api.kmod_unref(*ctx);
}

static inline void kmod_module_unrefp(struct kmod_module **m)
{
    if (*m)
        (void)kmod_api.kmod_module_unref(*m);
}

static inline void kmod_listp(struct kmod_list **list)
{
    if (*list)
        (void)kmod_api.kmod_module_unref_list(*list);
}
