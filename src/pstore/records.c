/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <zlib.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "pstore/records.h"

enum { MAX_DEPTH = 3 };

void pstore_records_free(struct pstore_records *records)
{
    for (size_t i = 0; i < records->n; i++) {
        free(records->items[i].dir);
        free(records->items[i].file);
        strbuf_clear(&records->items[i].bytes);
    }
    free(records->items);
    *records = (struct pstore_records){ 0 };
}

/* Inflates with these window bits (zlib.h, inflateInit2: negative is a raw stream). */
static int inflate_all(struct span in, int window_bits, struct strbuf *out)
{
    z_stream z = { 0 };
    int r = Z_OK;

    if (inflateInit2(&z, window_bits) != Z_OK)
        return -ENOMEM;
    z.next_in = (Bytef *)(uintptr_t)in.p;
    z.avail_in = (uInt)in.n;
    while (r == Z_OK && out->n < PSTORE_MAX_RECORD) {
        if (strbuf_reserve(out, 65536) < 0)
            break;
        z.next_out = (Bytef *)out->p + out->n;
        z.avail_out = 65536;
        r = inflate(&z, Z_NO_FLUSH);
        out->n += 65536 - z.avail_out;
        out->p[out->n] = '\0';
    }
    (void)inflateEnd(&z);
    /* Records are padded behind the stream, or cut inside it: what came out is what there is. */
    return r == Z_STREAM_END || r == Z_BUF_ERROR ? 0 : -EBADMSG;
}

/* What the kernel compressed begins with its header. Without this, bytes of another compression
 * that happen to be the beginning of a deflate stream would be lost. */
static bool is_dump_text(const struct strbuf *text)
{
    struct span view = strbuf_view(text);
    struct pstore_header header;

    return pstore_header_take(&view, &header) && header.reason[0];
}

/* Deflate is what pstore compresses with: raw since 3.12's crypto deflate and in 6.6's zlib, with a
 * zlib header before. */
static void decode(struct pstore_record *record)
{
    static const int window_bits[] = { -15, 15 };

    for (size_t i = 0; i < ARRAY_SIZE(window_bits); i++) {
        _cleanup_strbuf_ struct strbuf text = { 0 };

        if (inflate_all(strbuf_view(&record->bytes), window_bits[i], &text) < 0 ||
            !is_dump_text(&text))
            continue;
        strbuf_clear(&record->bytes);
        record->bytes = text;
        text = (struct strbuf){ 0 };
        return;
    }
    record->undecoded = true;
}

static struct pstore_record *new_record(struct pstore_records *records)
{
    if (records->n == records->size) {
        size_t size = records->size ? records->size * 2 : 16;
        struct pstore_record *items = reallocarray(records->items, size, sizeof(*items));

        if (!items)
            return NULL;
        records->items = items;
        records->size = size;
    }
    return &records->items[records->n];
}

static int read_record(int dirfd, const char *dir, const char *file, struct pstore_records *out)
{
    struct pstore_record *record = new_record(out);
    struct stat st;
    int r;

    if (!record)
        return -ENOMEM;
    *record = (struct pstore_record){ 0 };
    if (!pstore_name_parse(file, &record->name))
        return 0;
    if (out->n == PSTORE_MAX_RECORDS || out->total >= PSTORE_MAX_TOTAL) {
        out->left_out = true;
        return 0;
    }
    if (fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    r = file_read_at(dirfd, file, PSTORE_MAX_RECORD, &record->bytes);
    record->truncated = r == -EFBIG;
    if (r < 0 && r != -EFBIG) {
        strbuf_clear(&record->bytes);
        return r == -ENOENT || r == -EINVAL || r == -ELOOP ? 0 : r;
    }
    record->time = pstore_name_is_efi(&record->name) ? (time_t)pstore_efi_id(record->name.id).time
                                                     : st.st_mtime;
    if (record->name.compressed)
        decode(record);
    record->dir = strdup(dir);
    record->file = strdup(file);
    if (!record->dir || !record->file) {
        free(record->dir);
        free(record->file);
        strbuf_clear(&record->bytes);
        return -ENOMEM;
    }
    out->total += record->bytes.n;
    out->n++;
    return 0;
}

static int keep_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* A directory of its own right below another, not a link to one. */
static bool is_subdirectory(int fd, const struct dirent *entry)
{
    struct stat st;

    if (entry->d_type != DT_UNKNOWN)
        return entry->d_type == DT_DIR;
    return fstatat(fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int unreadable(struct pstore_records *out, int error, const char *dir, const char *name)
{
    if (error == -ENOMEM)
        return error;
    log_error_errno(error, "cannot read %s/%s; it stays where it is", dir, name);
    out->unreadable++;
    return 0;
}

static int read_dir(const struct root *root, const char *dir, unsigned depth,
                    struct pstore_records *out)
{
    _cleanup_close_ int fd = root_open_dir(root, dir);
    _cleanup_dir_list_ struct dir_list l = { 0 };
    int listed;

    if (fd == -ENOENT || fd == -ENOTDIR)
        return 0;
    listed = fd < 0 ? fd : dir_list_read(fd, keep_visible, versionsort, &l);
    if (listed < 0)
        return unreadable(out, listed, dir, "");
    for (int i = 0; i < l.n; i++) {
        const char *name = l.entries[i]->d_name;
        int r;

        if (is_subdirectory(fd, l.entries[i])) {
            _cleanup_free_ char *below = NULL;

            if (depth == MAX_DEPTH)
                continue;
            if (asprintf(&below, "%s/%s", dir, name) < 0)
                return below = NULL, -ENOMEM;
            r = read_dir(root, below, depth + 1, out);
        } else {
            r = read_record(fd, dir, name, out);
            if (r < 0)
                r = unreadable(out, r, dir, name);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

int pstore_read(const struct root *root, const char *dir, struct pstore_records *out)
{
    return read_dir(root, dir, 0, out);
}

static bool any_below(const struct root *root, const char *dir, unsigned depth, bool dumps_only)
{
    _cleanup_closedir_ DIR *stream = dir_stream(root_open_dir(root, dir));
    const struct dirent *entry;
    struct pstore_name name;

    while (stream && (entry = readdir(stream))) {
        _cleanup_free_ char *below = NULL;

        if (!keep_visible(entry))
            continue;
        if (pstore_name_parse(entry->d_name, &name) && (name.type == PSTORE_DMESG || !dumps_only))
            return true;
        if (depth == MAX_DEPTH || !is_subdirectory(dirfd(stream), entry))
            continue;
        if (asprintf(&below, "%s/%s", dir, entry->d_name) < 0) {
            below = NULL;
            return true;
        }
        if (any_below(root, below, depth + 1, dumps_only))
            return true;
    }
    return false;
}

bool pstore_any_dump(const struct root *root, const char *dir)
{
    return any_below(root, dir, 0, true);
}

/* The archive's folder of a dump: once its records are gone, the text that repeats them goes, and
 * then the folder, if nothing else is in it. */
static void remove_archive_folder(const struct root *root, int fd, const char *dir)
{
    _cleanup_free_ char *copy = NULL;
    _cleanup_close_ int parent = -EBADF;
    char *slash;

    if (strlen(dir) <= strlen(PSTORE_ARCHIVE) || any_below(root, dir, 0, false))
        return;
    copy = strdup(dir);
    if (!copy)
        return;
    slash = strrchr(copy, '/');
    *slash = '\0';
    (void)unlinkat(fd, "dmesg.txt", 0);
    parent = root_open_dir(root, copy);
    if (parent >= 0 && unlinkat(parent, slash + 1, AT_REMOVEDIR) == 0)
        remove_archive_folder(root, parent, copy);
}

int pstore_remove(const struct root *root, const struct pstore_record *record)
{
    _cleanup_close_ int fd = root_open_dir(root, record->dir);
    int r;

    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    r = unlink_durable(fd, record->file);
    if (r == 0 && span_starts(span_str(record->dir), PSTORE_ARCHIVE))
        remove_archive_folder(root, fd, record->dir);
    return r;
}

int pstore_archive_sync(const struct root *root)
{
    _cleanup_close_ int fd = -EBADF;

    if (!pstore_any_dump(root, PSTORE_ARCHIVE))
        return 0;
    fd = root_open_dir(root, PSTORE_ARCHIVE);
    if (fd < 0)
        return fd;
    return syncfs(fd) < 0 ? -errno : 0;
}
