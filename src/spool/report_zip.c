/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/archive_api.h"
#include "base/log.h"
#include "spool/report_zip.h"

struct report_zip {
    struct archive *archive;
};

int report_zip_create(int fd, struct report_zip **out)
{
    _cleanup_free_ struct report_zip *zip = calloc(1, sizeof(*zip));
    int r = archive_api_load();

    if (r < 0)
        return r;
    if (!zip)
        return -ENOMEM;
    zip->archive = archive_api.archive_write_new();
    if (!zip->archive)
        return -ENOMEM;
    if (archive_api.archive_write_set_format_zip(zip->archive) != ARCHIVE_OK ||
        archive_api.archive_write_set_options(zip->archive, "zip:compression=deflate") !=
            ARCHIVE_OK ||
        archive_api.archive_write_open_fd(zip->archive, fd) != ARCHIVE_OK)
        r = archive_error(zip->archive);
    if (r < 0) {
        (void)archive_api.archive_write_free(zip->archive);
        return r;
    }
    *out = TAKE_PTR(zip);
    return 0;
}

static void entry_free(struct archive_entry **entry)
{
    archive_api.archive_entry_free(*entry);
}

int report_zip_add(struct report_zip *zip, const char *name, time_t mtime, struct span bytes)
{
    _cleanup_(entry_free) struct archive_entry *entry = archive_api.archive_entry_new();

    if (!entry)
        return -ENOMEM;
    archive_api.archive_entry_set_pathname(entry, name);
    archive_api.archive_entry_set_filetype(entry, AE_IFREG);
    archive_api.archive_entry_set_perm(entry, 0600);
    archive_api.archive_entry_set_mtime(entry, mtime, 0);
    archive_api.archive_entry_set_size(entry, (la_int64_t)bytes.n);
    if (archive_api.archive_write_header(zip->archive, entry) != ARCHIVE_OK)
        return archive_error(zip->archive);
    while (bytes.n > 0) {
        la_ssize_t n = archive_api.archive_write_data(zip->archive, bytes.p, bytes.n);

        if (n <= 0)
            return archive_error(zip->archive);
        (void)span_take(&bytes, (size_t)n);
    }
    return 0;
}

int report_zip_finish(struct report_zip *zip)
{
    int r = archive_api.archive_write_close(zip->archive) == ARCHIVE_OK
                ? 0
                : archive_error(zip->archive);

    (void)archive_api.archive_write_free(zip->archive);
    free(zip);
    return r;
}

void report_zip_abandon(struct report_zip *zip)
{
    /* Nothing more may be written: the file is thrown away. */
    (void)archive_api.archive_write_fail(zip->archive);
    (void)archive_api.archive_write_free(zip->archive);
    free(zip);
}

static void reader_free(struct archive **a)
{
    if (*a)
        (void)archive_api.archive_read_free(*a);
}

static int read_member(struct archive *a, size_t max, struct strbuf *out)
{
    char chunk[16384];

    for (;;) {
        la_ssize_t n = archive_api.archive_read_data(a, chunk, sizeof(chunk));
        int r;

        if (n < 0)
            return -EBADMSG;
        if (n == 0 || out->n == max)
            return 0;
        r = strbuf_append(out, chunk, MIN((size_t)n, max - out->n));
        if (r < 0)
            return r;
    }
}

int report_zip_read(int fd, size_t max, bool (*wanted)(const char *name), report_zip_visit visit,
                    void *ctx)
{
    _cleanup_(reader_free) struct archive *a = NULL;
    struct archive_entry *entry;
    int r = archive_api_load();

    if (r < 0)
        return r;
    a = archive_api.archive_read_new();
    if (!a)
        return -ENOMEM;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return -errno;
    if (archive_api.archive_read_support_format_zip(a) != ARCHIVE_OK ||
        archive_api.archive_read_open_fd(a, fd, 65536) != ARCHIVE_OK)
        return -EBADMSG;
    while ((r = archive_api.archive_read_next_header(a, &entry)) == ARCHIVE_OK) {
        _cleanup_strbuf_ struct strbuf bytes = { 0 };
        const char *name = archive_api.archive_entry_pathname(entry);

        if (!name || (wanted && !wanted(name)))
            continue;
        r = read_member(a, max, &bytes);
        if (r < 0)
            return r;
        r = visit(ctx, name, strbuf_view(&bytes));
        if (r != 0)
            return r;
    }
    return r == ARCHIVE_EOF ? 0 : -EBADMSG;
}
