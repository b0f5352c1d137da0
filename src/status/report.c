/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>

#include "base/atomic_file.h"
#include "base/log.h"
#include "klog/klog.h"
#include "pstore/events.h"
#include "spool/report_zip.h"
#include "status/entry.h"
#include "status/status.h"

enum { MAX_LOG = 64 << 20 };

static bool is_dmesg(const char *name)
{
    return span_starts(span_str(name), "dmesg-");
}

static int append_member(void *ctx, const char *name, struct span bytes)
{
    struct strbuf *out = ctx;

    return strbuf_span(out, bytes);
}

/* The newest crash of a pstore directory. */
static int read_pstore(const struct root *root, const char *path, struct strbuf *out)
{
    _cleanup_(pstore_records_free) struct pstore_records records = { 0 };
    _cleanup_(pstore_events_free) struct pstore_events events = { 0 };
    int r = pstore_read(root, path, &records);

    if (r == 0)
        r = pstore_merge(&records, &events);
    if (r < 0)
        return r;
    if (events.n == 0)
        return -ENODATA;
    if (events.n > 1)
        log_info("%zu crashes in %s; this is the newest", events.n, path);
    return pstore_event_text(&events.items[events.n - 1], out);
}

/* A report ZIP, or a log as text: a file tells by its first bytes which it is. */
static int read_file(int fd, struct strbuf *out)
{
    char magic[4] = "";

    if (pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
        memcmp(magic, "PK\3\4", 4) == 0) {
        int r = report_zip_read(fd, MAX_LOG, is_dmesg, append_member, out);

        return r < 0 ? r : out->n == 0 ? -ENODATA : 0;
    }
    return fd_read_all(fd, MAX_LOG, out);
}

/* The source is what the person who calls names: it is opened as such, not below the root. */
static int read_source(const char *source, struct strbuf *out)
{
    _cleanup_root_ struct root here = { .fd = -EBADF };
    _cleanup_close_ int fd = -EBADF;
    struct stat st;
    int r;

    if (strcmp(source, "-") == 0)
        return fd_read_all(STDIN_FILENO, MAX_LOG, out);
    fd = open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return read_file(fd, out);
    r = root_init(&here, source);
    return r < 0 ? r : read_pstore(&here, "/", out);
}

static int render_text(const struct klog *klog, struct strbuf *out)
{
    const struct klog_report *report = klog_primary(klog);
    _cleanup_free_ char *summary = NULL;
    int r = klog_summary(klog, &summary);

    if (r < 0)
        return r;
    if (!report)
        return strbuf_str(out, "No crash was found in this log. It ends:\n\n"),
               strbuf_str(out, summary);
    (void)strbuf_printf(out, "%s\n\n", report->title);
    if (report->kernel_release)
        (void)strbuf_printf(out, "kernel     %s\n", report->kernel_release);
    if (report->comm)
        (void)strbuf_printf(out, "task       %s\n", report->comm);
    if (report->panic_message)
        (void)strbuf_printf(out, "panic      %s\n", report->panic_message);
    (void)strbuf_printf(out, "signature  %s\n", report->signature);
    if (report->stack)
        (void)strbuf_printf(out, "\nstack, innermost first:\n%s", report->stack);
    return strbuf_printf(out, "\nthe log of it:\n%s", summary);
}

static int render_json(const struct klog *klog, struct strbuf *out)
{
    _cleanup_json_ json_t *top = NULL;
    _cleanup_free_ char *text = NULL;
    int r = klog_to_json(klog, &top);

    if (r < 0)
        return r;
    text = json_dumps(top, JSON_INDENT(1));
    if (!text)
        return -ENOMEM;
    (void)strbuf_str(out, text);
    return strbuf_char(out, '\n');
}

/* What came out of a log must not steer the terminal that it is printed on. */
static void neutralize(struct strbuf *text)
{
    for (size_t i = 0; i < text->n; i++)
        if (((unsigned char)text->p[i] < ' ' && text->p[i] != '\n' && text->p[i] != '\t') ||
            text->p[i] == 0x7f)
            text->p[i] = '?';
}

static int write_output(const char *path, struct span text)
{
    _cleanup_close_ int fd = -EBADF;
    int r;

    if (!path || strcmp(path, "-") == 0)
        return fwrite(text.p, 1, text.n, stdout) == text.n ? 0 : -EIO;
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    r = fd < 0 ? -errno : fd_write_all(fd, text.p, text.n);
    return r < 0 ? r : fd_sync(fd);
}

static int run_report(struct context *context, int argc, char **argv)
{
    static const struct option options[] = { { "text", no_argument, NULL, 't' },
                                             { "json", no_argument, NULL, 'j' },
                                             { 0 } };
    _cleanup_(klog_freep) struct klog *klog = NULL;
    _cleanup_strbuf_ struct strbuf log = { 0 }, out = { 0 };
    const char *output = NULL;
    bool json = false;
    int option, r;

    while ((option = getopt_long(argc, argv, "o:", options, NULL)) >= 0) {
        if (option == 'o')
            output = optarg;
        else if (option == 't' || option == 'j')
            json = option == 'j';
        else
            return EXIT_USAGE;
    }
    if (optind + 1 != argc) {
        log_error(
            "report wants one SOURCE: a report ZIP, a kernel log, a pstore directory, or - for "
            "stdin");
        return EXIT_USAGE;
    }
    r = read_source(argv[optind], &log);
    if (r == -ENODATA)
        return log_error_errno(r, "there is no kernel log in %s", argv[optind]);
    if (r < 0 && !(r == -EFBIG && log.n > 0))
        return log_error_errno(r, "cannot read %s", argv[optind]);
    if (r == -EFBIG)
        log_warning("%s is longer than 64 MiB; the rest is not read", argv[optind]);
    r = klog_parse(strbuf_view(&log), &klog);
    if (r == 0)
        r = json ? render_json(klog, &out) : render_text(klog, &out);
    if (r < 0)
        return log_oom();
    if (!json)
        neutralize(&out);
    r = write_output(output, strbuf_view(&out));
    if (r < 0)
        return log_error_errno(r, "cannot write %s", output ? output : "the report");
    return EXIT_SUCCESS;
}

const struct verb verb_report = {
    .name = "report",
    .arguments = "[--text|--json] [-o FILE] SOURCE",
    .summary = "Explains the crash in a report ZIP, kernel log or pstore directory",
    .details = "  --text    for people (the default)\n"
               "  --json    for programs\n"
               "  -o FILE   write to FILE\n\n"
               "SOURCE may be - for stdin.\n",
    .run = run_report,
};
