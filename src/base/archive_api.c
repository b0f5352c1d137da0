/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/archive_api.h"
#include "base/log.h"

struct archive_api archive_api;

int archive_api_load(void)
{
    static const struct library_symbol symbols[] = {
        LIBRARY_SYMBOL(archive_api, archive_entry_free),
        LIBRARY_SYMBOL(archive_api, archive_entry_new),
        LIBRARY_SYMBOL(archive_api, archive_entry_pathname),
        LIBRARY_SYMBOL(archive_api, archive_entry_set_filetype),
        LIBRARY_SYMBOL(archive_api, archive_entry_set_ino),
        LIBRARY_SYMBOL(archive_api, archive_entry_set_mtime),
        LIBRARY_SYMBOL(archive_api, archive_entry_set_nlink),
        LIBRARY_SYMBOL(archive_api, archive_entry_set_pathname),
        LIBRARY_SYMBOL(archive_api, archive_entry_set_perm),
        LIBRARY_SYMBOL(archive_api, archive_entry_set_rdevmajor),
        LIBRARY_SYMBOL(archive_api, archive_entry_set_rdevminor),
        LIBRARY_SYMBOL(archive_api, archive_entry_set_size),
        LIBRARY_SYMBOL(archive_api, archive_errno),
        LIBRARY_SYMBOL(archive_api, archive_error_string),
        LIBRARY_SYMBOL(archive_api, archive_read_data),
        LIBRARY_SYMBOL(archive_api, archive_read_free),
        LIBRARY_SYMBOL(archive_api, archive_read_new),
        LIBRARY_SYMBOL(archive_api, archive_read_next_header),
        LIBRARY_SYMBOL(archive_api, archive_read_open_fd),
        LIBRARY_SYMBOL(archive_api, archive_read_support_filter_gzip),
        LIBRARY_SYMBOL(archive_api, archive_read_support_filter_xz),
        LIBRARY_SYMBOL(archive_api, archive_read_support_filter_zstd),
        LIBRARY_SYMBOL(archive_api, archive_read_support_format_raw),
        LIBRARY_SYMBOL(archive_api, archive_read_support_format_zip),
        LIBRARY_SYMBOL(archive_api, archive_write_add_filter_gzip),
        LIBRARY_SYMBOL(archive_api, archive_write_close),
        LIBRARY_SYMBOL(archive_api, archive_write_data),
        LIBRARY_SYMBOL(archive_api, archive_write_fail),
        LIBRARY_SYMBOL(archive_api, archive_write_free),
        LIBRARY_SYMBOL(archive_api, archive_write_header),
        LIBRARY_SYMBOL(archive_api, archive_write_new),
        LIBRARY_SYMBOL(archive_api, archive_write_open_fd),
        LIBRARY_SYMBOL(archive_api, archive_write_set_bytes_in_last_block),
        LIBRARY_SYMBOL(archive_api, archive_write_set_filter_option),
        LIBRARY_SYMBOL(archive_api, archive_write_set_format_cpio_newc),
        LIBRARY_SYMBOL(archive_api, archive_write_set_format_zip),
        LIBRARY_SYMBOL(archive_api, archive_write_set_options),
    };

    return library_load("libarchive.so.13", symbols, ARRAY_SIZE(symbols));
}

int archive_error(struct archive *a)
{
    int error = archive_api.archive_errno(a);
    const char *text = archive_api.archive_error_string(a);

    log_debug("libarchive: %s", text ? text : "no reason");
    return error > 0 ? -error : -EIO;
}
