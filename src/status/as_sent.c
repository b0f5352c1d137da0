/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <sys/mman.h>

#include "base/log.h"
#include "outgoing/destinations.h"
#include "spool/report_zip.h"
#include "spool/spool.h"
#include "status/as_sent.h"

/* The names that collecting noted; without them only forms are known. */
static int load_known(const struct context *context, struct private_values *out)
{
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    _cleanup_close_ int state = -EBADF;
    int r = spool_open(&context->root, &context->config, false, &spool);

    if (r == 0) {
        state = spool_open_state(&spool, false);
        r = state < 0 ? state : faccessat(state, "private.json", R_OK, 0) < 0 ? -errno : 0;
    }
    if (r < 0 && r != -ENOENT)
        log_warning_errno(r,
                          "cannot read this machine's own names in %s, which what is sent does "
                          "not have; to see that, run this as root",
                          context->config.kdump_folder);
    return private_values_load(state, out);
}

static void say_where(const struct context *context)
{
    _cleanup_strbuf_ struct strbuf to = { 0 };

    if (outgoing_destinations(&context->config, &to) < 0)
        return;
    log_info("%s%s%s", to.n > 0 ? "would go to " : "would go nowhere: no server is configured",
             strbuf_cstr(&to), context->config.log_submission ? "" : "; submission is off");
    if (context->config.post_url[0])
        log_info("POST_URL's API gets the Steam account's id, too, as a field of its own");
}

int as_sent_zip(const struct context *context, int fd, struct outgoing *out)
{
    _cleanup_private_values_ struct private_values known = { 0 };
    struct outgoing_options options = { .scrub = context->config.scrub, .known = &known };
    char replaced[256];
    int r = load_known(context, &known);

    if (r == 0)
        r = outgoing_make(fd, &options, out);
    if (r < 0)
        return r;
    say_where(context);
    outgoing_describe(out, replaced, sizeof(replaced));
    if (options.scrub)
        log_info("replaced: %s", replaced);
    if (out->left_out > 0)
        log_info("%u members stay here", out->left_out);
    return 0;
}

/* The members that collecting would make of the log alone. */
static int add_members(struct report_zip *zip, struct span log, const struct klog_view *view)
{
    _cleanup_strbuf_ struct strbuf page = { 0 };
    _cleanup_(klog_freep) struct klog *klog = NULL;
    _cleanup_json_ json_t *report = NULL;
    _cleanup_free_ char *text = NULL;
    int r = klog_parse(log, &klog);

    if (r == 0)
        r = klog_to_json(klog, &report);
    if (r == 0)
        r = klog_to_html(klog, view, &page);
    if (r < 0)
        return r;
    text = json_dumps(report, JSON_INDENT(1));
    if (!text)
        return -ENOMEM;
    r = report_zip_add(zip, "dmesg-pstore.0-0", view->time, log);
    if (r == 0)
        r = report_zip_add(zip, "report.0.json", view->time, span_str(text));
    return r < 0 ? r : report_zip_add(zip, "report.0.html", view->time, strbuf_view(&page));
}

int as_sent_log(const struct context *context, const struct klog_view *view, struct span log,
                struct outgoing *out)
{
    _cleanup_(report_zip_abandonp) struct report_zip *zip = NULL;
    _cleanup_close_ int fd = memfd_create("report", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : report_zip_create(fd, &zip);

    if (r == 0)
        r = add_members(zip, log, view);
    if (r == 0)
        r = report_zip_finish(TAKE_PTR(zip));
    return r < 0 ? r : as_sent_zip(context, fd, out);
}

struct wanted {
    const char *suffix;
    struct strbuf *out;
};

static int take_wanted(void *ctx, const char *name, struct span bytes)
{
    const struct wanted *wanted = ctx;
    struct span s = span_str(name);

    return span_starts(s, "report.") && span_ends(s, wanted->suffix)
               ? strbuf_span(wanted->out, bytes)
               : 0;
}

int as_sent_member(const struct outgoing *outgoing, const char *suffix, struct strbuf *out)
{
    struct wanted wanted = { suffix, out };

    return report_zip_read(outgoing->fd, STRBUF_MAX - 1, NULL, take_wanted, &wanted);
}

int as_sent_bytes(const struct outgoing *outgoing, struct strbuf *out)
{
    if (lseek(outgoing->fd, 0, SEEK_SET) < 0)
        return -errno;
    return fd_read_all(outgoing->fd, STRBUF_MAX - 1, out);
}
