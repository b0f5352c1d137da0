/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>

#include "base/atomic_file.h"
#include "base/json_file.h"
#include "base/log.h"
#include "klog/klog.h"
#include "pstore/events.h"
#include "spool/report_zip.h"
#include "status/as_sent.h"
#include "status/core.h"
#include "status/entry.h"
#include "status/status.h"
#include "status/vmcore_hint.h"

enum { MAX_LOG = 64 << 20 };

/* What is to be explained, and what is known of it beside the log. */
struct source {
    struct strbuf log;
    bool whole;                    /* log is what a crash kernel saved: all of it */
    const struct context *as_sent; /* NULL: it is explained as it is */
    struct outgoing sent;          /* the ZIP that would leave */
    bool is_core;                  /* it is the memory itself */
    bool cut;                      /* the beginning of the log is not in it */
    size_t crashes;                /* that the source has; the newest is explained */
    char machine[128], os[128], signature[32];
    char vmcore[PATH_MAX]; /* the dump of the memory; "": none is known */
    char which[PATH_MAX];  /* the source's name, and which crash of it this is */
    struct klog_view view;
};

static void source_done(struct source *s)
{
    strbuf_clear(&s->log);
    outgoing_done(&s->sent);
}

static bool is_wanted(const char *name)
{
    return span_starts(span_str(name), "dmesg-") ||
           (span_starts(span_str(name), "report.") && span_ends(span_str(name), ".json"));
}

/* What collect noted: when the crash was, and on what. */
static void take_collected(struct source *s, struct span bytes)
{
    _cleanup_json_ json_t *top = json_loadb(bytes.p, bytes.n, JSON_REJECT_DUPLICATES, NULL);
    const json_t *collected = json_object_get(top, "collected");
    const json_t *primary =
        json_array_get(json_object_get(top, "reports"), (size_t)json_get_int(top, "primary", 0));

    s->view.time = json_get_int(collected, "time", s->view.time);
    if (s->as_sent) /* made of the whole log, which is not what is shown */
        (void)snprintf(s->signature, sizeof(s->signature), "%s",
                       json_get_str(primary, "signature", ""));
    (void)snprintf(s->machine, sizeof(s->machine), "%s %s", json_get_str(collected, "vendor", ""),
                   json_get_str(collected, "product", ""));
    (void)snprintf(s->os, sizeof(s->os), "%s", json_get_str(collected, "build", ""));
}

static int take_member(void *ctx, const char *name, struct span bytes)
{
    struct source *s = ctx;
    bool whole = span_starts(span_str(name), "dmesg-kdump");

    if (span_starts(span_str(name), "dmesg-")) {
        if (s->whole) /* what pstore has is part of it */
            return 0;
        if (whole)
            strbuf_clear(&s->log);
        s->whole = whole;
        return strbuf_span(&s->log, bytes);
    }
    take_collected(s, bytes);
    return 0;
}

/* The newest crash of a pstore directory. */
static int read_pstore(const struct root *root, const char *path, struct source *s)
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
    s->crashes = events.n;
    if (events.n > 1)
        log_info("%zu crashes in %s; this is the newest", events.n, path);
    s->view.time = events.items[events.n - 1].time;
    return pstore_event_text(&events.items[events.n - 1], &s->log);
}

/* The end of a log is what it is read for. */
static int read_log(int fd, struct source *s)
{
    int r = fd_read_tail(fd, MAX_LOG, &s->log);

    s->cut = r > 0;
    return MIN(r, 0);
}

/* A report ZIP, a vmcore, or a log as text: a file tells by its first bytes which it is. */
static int read_file(int fd, struct source *s)
{
    char magic[4] = "";
    int r = 0;

    if (core_is_elf(fd)) {
        s->is_core = true;
        return core_read_log(fd, &s->log);
    }
    if (core_is_filtered(fd)) {
        log_info("this is a vmcore in makedumpfile's format: crash and drgn open it, its log is "
                 "what makedumpfile --dump-dmesg prints");
        return -ENOTSUP;
    }
    if (pread(fd, magic, sizeof(magic), 0) != (ssize_t)sizeof(magic) ||
        memcmp(magic, "PK\3\4", 4) != 0)
        return read_log(fd, s);
    if (s->as_sent)
        r = as_sent_zip(s->as_sent, fd, &s->sent);
    if (r == 0)
        r = report_zip_read(s->as_sent ? s->sent.fd : fd, MAX_LOG, is_wanted, take_member, s);
    return r < 0 ? r : s->log.n == 0 ? -ENODATA : 0;
}

/* The memory that belongs to a log: beside dmesg.txt as the crash kernel leaves it, or in crash/ of
 * the folder that a report ZIP lies in (or in a folder of), under the report's time. */
static void find_vmcore(const char *source, struct source *s)
{
    static const char *const places[] = { "crash", "../crash" };
    const char *slash = strrchr(source, '/');
    struct span directory = { source, slash ? (size_t)(slash - source) + 1 : 0 };
    struct span stamp = span_str(slash ? slash + 1 : source);
    size_t dot;

    if (span_eq(stamp, "dmesg.txt")) {
        (void)snprintf(s->vmcore, sizeof(s->vmcore), "%.*svmcore", (int)directory.n, source);
        if (access(s->vmcore, F_OK) < 0)
            s->vmcore[0] = '\0';
        return;
    }
    dot = span_find_byte(stamp, '.');
    if (dot == SIZE_MAX || !span_ends(stamp, ".zip"))
        return;
    (void)span_take(&stamp, dot + 1);
    stamp.n -= MIN(stamp.n, strlen(".zip"));
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        (void)snprintf(s->vmcore, sizeof(s->vmcore), "%.*s%s/vmcore.%.*s", (int)directory.n, source,
                       places[i], (int)stamp.n, stamp.p);
        if (access(s->vmcore, F_OK) == 0)
            return;
    }
    s->vmcore[0] = '\0';
}

/* The source is what the person who calls names: it is opened as such, not below the root; what is
 * no file here may be the name of a report. */
static int read_source(const struct context *context, const char *source, struct source *s)
{
    _cleanup_root_ struct root here = { .fd = -EBADF };
    _cleanup_close_ int fd = -EBADF;
    struct stat st;
    int r;

    if (strcmp(source, "-") == 0)
        return read_log(STDIN_FILENO, s);
    fd = open(source, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0 && errno == ENOENT)
        fd = report_open(&context->root, &context->config, source);
    else if (fd < 0)
        fd = -errno;
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return read_file(fd, s);
    r = root_init(&here, source);
    return r < 0 ? r : read_pstore(&here, "/", s);
}

static int render_json(const struct klog *klog, const struct klog_view *view, struct strbuf *out)
{
    return klog_write_json(klog, NULL, out);
}

typedef int renderer(const struct klog *, const struct klog_view *, struct strbuf *);

static renderer *renderer_of(int option)
{
    return option == 'j' ? render_json : option == 'h' ? klog_to_html : klog_to_text;
}

/* Where a person sits and wants colours (no-color.org). */
static bool wants_colour(const char *output)
{
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

    return !output && isatty(STDOUT_FILENO) && !(no && no[0]) && term && strcmp(term, "dumb") != 0;
}

/* A file appears whole, and is its owner's alone; a device or pipe is written to as it is. */
static int write_output(const char *path, struct span text)
{
    _cleanup_free_ char *copy = NULL;
    _cleanup_close_ int fd = -EBADF;
    const char *slash;
    struct stat st;

    if (!path || strcmp(path, "-") == 0)
        return fwrite(text.p, 1, text.n, stdout) == text.n && fflush(stdout) == 0 ? 0 : -EIO;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
        return fd < 0 ? -errno : fd_write_all(fd, text.p, text.n);
    }
    slash = strrchr(path, '/');
    copy = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    if (!copy)
        return -ENOMEM;
    fd = open(copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : file_write_atomic(fd, slash ? slash + 1 : path, 0600, text);
}

/* Names of files stay here: what is sent has none. */
static void describe(const char *name, struct source *s)
{
    if (s->as_sent)
        return;
    if (s->crashes > 1)
        (void)snprintf(s->which, sizeof(s->which), "%s, the newest of %zu crashes", name,
                       s->crashes);
    else
        (void)snprintf(s->which, sizeof(s->which), "%s", name);
    s->view.source = s->which;
    if (s->is_core)
        (void)snprintf(s->vmcore, sizeof(s->vmcore), "%s", name);
    else
        find_vmcore(name, s);
    if (s->vmcore[0])
        s->view.vmcore = s->vmcore;
}

/* A log becomes what would leave of it. */
static int read_sent_log(struct source *s)
{
    int r;

    if (!s->as_sent->config.scrub)
        return 0;
    r = as_sent_log(s->as_sent, &s->view, strbuf_view(&s->log), &s->sent);
    strbuf_clear(&s->log);
    return r < 0 ? r : report_zip_read(s->sent.fd, MAX_LOG, is_wanted, take_member, s);
}

/* What is read of a source that is longer than MAX_LOG is explained all the same; of a ZIP that is
 * the beginning of a member. */
static int load(const struct context *context, const char *name, struct source *s)
{
    int r = read_source(context, name, s);

    if (r == -EFBIG && s->log.n > 0) {
        log_warning("%s is longer than 64 MiB; the rest is not read", name);
        r = 0;
    }
    if (s->cut)
        log_warning("%s is longer than 64 MiB; only its end is read", name);
    if (r == 0 && s->as_sent && s->sent.fd < 0)
        r = read_sent_log(s);
    if (r == -ENODATA)
        return log_error_errno(r, "there is no kernel log in %s", name);
    if (r < 0)
        return log_error_errno(r, "cannot read %s%s", name, advice_as_root(r));
    if (!s->as_sent)
        vmcore_hint(context, name);
    describe(name, s);
    s->view.machine = s->machine;
    s->view.os = s->os;
    if (s->signature[0])
        s->view.signature = s->signature;
    return 0;
}

/* Of what would be sent as a ZIP, its own files: the ZIP, the JSON, the page. Nothing for text, and
 * where it has no such file. */
static int take_sent(const struct source *s, int form, const char *output, struct strbuf *out)
{
    if (s->sent.fd < 0)
        return 0;
    if (output && span_ends(span_str(output), ".zip"))
        return as_sent_bytes(&s->sent, out);
    return form == 't' ? 0 : as_sent_member(&s->sent, form == 'j' ? ".json" : ".html", out);
}

static int run_report(struct context *context, int argc, char **argv)
{
    static const struct option options[] = {
        { "text", no_argument, NULL, 't' },         { "json", no_argument, NULL, 'j' },
        { "html", no_argument, NULL, 'h' },         { "as-sent", no_argument, NULL, 's' },
        { "output", required_argument, NULL, 'o' }, { 0 }
    };
    _cleanup_(klog_freep) struct klog *klog = NULL;
    _cleanup_(source_done) struct source source = { .sent = OUTGOING_INIT };
    _cleanup_strbuf_ struct strbuf out = { 0 };
    const char *output = NULL;
    int option, form = 't', r;

    while ((option = getopt_long(argc, argv, "o:", options, NULL)) >= 0) {
        if (option == '?')
            return EXIT_USAGE;
        if (option == 'o')
            output = optarg;
        else if (option == 's')
            source.as_sent = context;
        else
            form = option;
    }
    if (optind + 1 != argc) {
        log_error(
            "report wants one SOURCE: a report ZIP, a kernel log, a pstore directory, or - for "
            "stdin");
        return EXIT_USAGE;
    }
    r = load(context, argv[optind], &source);
    if (r < 0)
        return r;
    source.view.colour = wants_colour(output);
    r = take_sent(&source, form, output, &out);
    if (r == 0 && out.n == 0)
        r = klog_parse(strbuf_view(&source.log), &klog);
    if (r == 0 && out.n == 0)
        r = renderer_of(form)(klog, &source.view, &out);
    if (r < 0)
        return log_oom();
    r = write_output(output, strbuf_view(&out));
    if (r < 0)
        return log_error_errno(r, "cannot write %s", output ? output : "the report");
    return EXIT_SUCCESS;
}

const struct verb verb_report = {
    .name = "report",
    .arguments = "[--text|--json|--html] [--as-sent] [-o FILE] SOURCE",
    .summary = "Explains the crash in a report ZIP, kernel log or pstore directory",
    .details =
        "  --text    for people (the default)\n"
        "  --json    for programs\n"
        "  --html    one page for a browser, with the log and what is marked in it\n"
        "  --as-sent what would leave this machine of it, and nothing else; -o FILE.zip writes\n"
        "            the ZIP that would be sent (of a log: with what can be made of it alone)\n"
        "  -o FILE   write to FILE\n\n"
        "SOURCE may be - for stdin, or the name of a report in the kdump folder, as list has it.\n",
    .run = run_report,
};
