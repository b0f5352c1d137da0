/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/archive_api.h"
#include "base/log.h"
#include "image/cpio.h"

struct image_cpio {
    struct archive *archive;
    int64_t files; /* the inode number of the last one */
};

void image_cpio_free(struct image_cpio *cpio)
{
    if (!cpio)
        return;
    (void)archive_api.archive_write_free(cpio->archive);
    free(cpio);
}
DEFINE_CLEANUP(struct image_cpio *, image_cpio_free)

int image_cpio_open(int fd, struct image_cpio **out)
{
    _cleanup_(image_cpio_freep) struct image_cpio *cpio = NULL;
    int r = archive_api_load();

    if (r < 0)
        return r;
    cpio = calloc(1, sizeof(*cpio));
    if (!cpio)
        return -ENOMEM;
    cpio->archive = archive_api.archive_write_new();
    if (!cpio->archive)
        return -ENOMEM;
    /* gzip: every kernel that can read an initramfs at all can read it (CONFIG_RD_GZIP), unpacking
     * it needs no memory to speak of, and what is left to gain by others is below a tenth of a MiB.
     * Its header holds a time unless it is told not to. */
    if (archive_api.archive_write_set_format_cpio_newc(cpio->archive) != ARCHIVE_OK ||
        archive_api.archive_write_add_filter_gzip(cpio->archive) != ARCHIVE_OK ||
        archive_api.archive_write_set_filter_option(cpio->archive, "gzip", "timestamp", NULL) !=
            ARCHIVE_OK ||
        archive_api.archive_write_set_filter_option(cpio->archive, "gzip", "compression-level",
                                                    "6") != ARCHIVE_OK ||
        archive_api.archive_write_set_bytes_in_last_block(cpio->archive, 1) != ARCHIVE_OK ||
        archive_api.archive_write_open_fd(cpio->archive, fd) != ARCHIVE_OK)
        return archive_error(cpio->archive);
    *out = TAKE_PTR(cpio);
    return 0;
}

static int add(struct image_cpio *cpio, const char *name, unsigned type, mode_t mode,
               struct span bytes)
{
    struct archive_entry *e = archive_api.archive_entry_new();
    int r = 0;

    if (!e)
        return -ENOMEM;
    archive_api.archive_entry_set_pathname(e, name);
    archive_api.archive_entry_set_filetype(e, type);
    archive_api.archive_entry_set_perm(e, mode);
    archive_api.archive_entry_set_size(e, (la_int64_t)bytes.n);
    archive_api.archive_entry_set_ino(e, ++cpio->files);
    archive_api.archive_entry_set_nlink(e, type == AE_IFDIR ? 2 : 1);
    archive_api.archive_entry_set_mtime(e, 0, 0);
    if (type == AE_IFCHR) {
        archive_api.archive_entry_set_rdevmajor(e, 5);
        archive_api.archive_entry_set_rdevminor(e, 1);
    }
    if (archive_api.archive_write_header(cpio->archive, e) != ARCHIVE_OK ||
        (bytes.n > 0 &&
         archive_api.archive_write_data(cpio->archive, bytes.p, bytes.n) != (la_ssize_t)bytes.n))
        r = archive_error(cpio->archive);
    archive_api.archive_entry_free(e);
    return r;
}

int image_cpio_dir(struct image_cpio *cpio, const char *name)
{
    return add(cpio, name, AE_IFDIR, 0755, (struct span){ NULL, 0 });
}

int image_cpio_console(struct image_cpio *cpio)
{
    return add(cpio, "dev/console", AE_IFCHR, 0600, (struct span){ NULL, 0 });
}

int image_cpio_bytes(struct image_cpio *cpio, const char *name, mode_t mode, struct span bytes)
{
    return add(cpio, name, AE_IFREG, mode, bytes);
}

int image_cpio_close(struct image_cpio *cpio)
{
    return archive_api.archive_write_close(cpio->archive) == ARCHIVE_OK
               ? 0
               : archive_error(cpio->archive);
}

static void read_freep(struct archive **a)
{
    if (*a)
        (void)archive_api.archive_read_free(*a);
}

int image_read_unpacked(int fd, size_t max, struct strbuf *out)
{
    _cleanup_(read_freep) struct archive *a = NULL;
    struct archive_entry *entry;
    int r = archive_api_load();

    if (r < 0)
        return r;
    a = archive_api.archive_read_new();
    if (!a)
        return -ENOMEM;
    (void)archive_api.archive_read_support_filter_gzip(a);
    (void)archive_api.archive_read_support_filter_xz(a);
    (void)archive_api.archive_read_support_filter_zstd(a);
    if (archive_api.archive_read_support_format_raw(a) != ARCHIVE_OK ||
        archive_api.archive_read_open_fd(a, fd, 128 << 10) != ARCHIVE_OK ||
        archive_api.archive_read_next_header(a, &entry) != ARCHIVE_OK)
        return archive_error(a);
    for (;;) {
        la_ssize_t n;

        r = strbuf_reserve(out, 128 << 10);
        if (r < 0)
            return r;
        n = archive_api.archive_read_data(a, out->p + out->n, 128 << 10);
        if (n < 0)
            return archive_error(a);
        if (n == 0)
            return 0;
        out->n += (size_t)n;
        out->p[out->n] = '\0';
        if (out->n > max)
            return -EFBIG;
    }
}
