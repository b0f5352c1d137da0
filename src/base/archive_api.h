/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ZIP, cpio and compressed files: libarchive, loaded when it is needed. The functions mean what the
 * library says. */
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "base/library.h"

struct archive_api {
    LIBRARY_FUNCTION(archive_entry_free);
    LIBRARY_FUNCTION(archive_entry_new);
    LIBRARY_FUNCTION(archive_entry_pathname);
    LIBRARY_FUNCTION(archive_entry_set_filetype);
    LIBRARY_FUNCTION(archive_entry_set_ino);
    LIBRARY_FUNCTION(archive_entry_set_mtime);
    LIBRARY_FUNCTION(archive_entry_set_nlink);
    LIBRARY_FUNCTION(archive_entry_set_pathname);
    LIBRARY_FUNCTION(archive_entry_set_perm);
    LIBRARY_FUNCTION(archive_entry_set_rdevmajor);
    LIBRARY_FUNCTION(archive_entry_set_rdevminor);
    LIBRARY_FUNCTION(archive_entry_set_size);
    LIBRARY_FUNCTION(archive_errno);
    LIBRARY_FUNCTION(archive_error_string);
    LIBRARY_FUNCTION(archive_read_data);
    LIBRARY_FUNCTION(archive_read_free);
    LIBRARY_FUNCTION(archive_read_new);
    LIBRARY_FUNCTION(archive_read_next_header);
    LIBRARY_FUNCTION(archive_read_open_fd);
    LIBRARY_FUNCTION(archive_read_support_filter_gzip);
    LIBRARY_FUNCTION(archive_read_support_filter_xz);
    LIBRARY_FUNCTION(archive_read_support_filter_zstd);
    LIBRARY_FUNCTION(archive_read_support_format_raw);
    LIBRARY_FUNCTION(archive_read_support_format_zip);
    LIBRARY_FUNCTION(archive_write_add_filter_gzip);
    LIBRARY_FUNCTION(archive_write_close);
    LIBRARY_FUNCTION(archive_write_data);
    LIBRARY_FUNCTION(archive_write_fail);
    LIBRARY_FUNCTION(archive_write_free);
    LIBRARY_FUNCTION(archive_write_header);
    LIBRARY_FUNCTION(archive_write_new);
    LIBRARY_FUNCTION(archive_write_open_fd);
    LIBRARY_FUNCTION(archive_write_set_bytes_in_last_block);
    LIBRARY_FUNCTION(archive_write_set_filter_option);
    LIBRARY_FUNCTION(archive_write_set_format_cpio_newc);
    LIBRARY_FUNCTION(archive_write_set_format_zip);
    LIBRARY_FUNCTION(archive_write_set_options);
};

extern struct archive_api archive_api; /* filled by archive_api_load() */

/* As library_load(). */
int archive_api_load(void) _must_check_;
/* What went wrong last, as a negative errno (the library's own numbers may be none: -EIO); its text
 * goes to the debug log. */
int archive_error(struct archive *a);
