/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "base/log.h"
#include "outgoing/destinations.h"
#include "pstore/backend.h"
#include "pstore/panic_policy.h"
#include "pstore/records.h"
#include "spool/boot_marker.h"
#include "spool/limits.h"
#include "status/crash_kernel.h"
#include "status/entry.h"
#include "status/proven.h"
#include "status/status.h"

enum { MAX_ADVICE = 12, MAX_DROPIN = 64 << 10 };

/* Everything that status says, before it is said. */
struct status {
    struct pstore_backend backend;
    struct crash_kernel kdump;
    bool armed;
    struct panic_finding panic[PANIC_FINDINGS_MAX];
    size_t n_panic;
    bool blocked;
    struct proven proven;
    bool spool_ok;
    int spool_error;
    int write_error; /* why the kdump folder takes nothing; 0 */
    unsigned counts[SPOOL_N_STATES];
    unsigned unsent; /* reports that had to make room before they were sent */
    time_t last_unsent;
    unsigned counted;          /* crashes like others, whose number goes with the next of them */
    struct report_entry *last; /* owned; NULL: no report */
    bool uncollected;          /* records wait in pstore */
    char *advice[MAX_ADVICE];  /* owned */
    size_t n_advice;
};

static void status_done(struct status *s)
{
    if (s->last)
        report_entries_free(s->last);
    for (size_t i = 0; i < s->n_advice; i++)
        free(s->advice[i]);
}

static void advise(struct status *s, const char *fmt, ...) _printf_(2, 3);
static void advise(struct status *s, const char *fmt, ...)
{
    va_list ap;
    char *text;

    if (s->n_advice == MAX_ADVICE)
        return;
    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) >= 0)
        s->advice[s->n_advice++] = text;
    va_end(ap);
}

static int read_counted(int state, struct status *s)
{
    _cleanup_free_ struct limits *limits = NULL;

    int r = limits_load(state, (int64_t)time(NULL), &limits);

    if (r < 0)
        return r == -ENOMEM ? r : 0;
    s->counted = limits_counted(limits);
    s->unsent = spool_unsent(state, &s->last_unsent);
    return 0;
}

/* The word of this boot is in /run where the folder did not take it. */
static bool is_blocked(const struct root *root, int state)
{
    _cleanup_close_ int run = root_open_dir(root, RUN_DIR);
    struct boot_marker marker;

    if ((run < 0 || boot_marker_read(run, &marker) < 0) &&
        (state < 0 || boot_marker_read(state, &marker) < 0))
        return false;
    return marker.phase == BOOT_BLOCKED;
}

static int look_at_spool(const struct context *context, struct status *s)
{
    _cleanup_spool_ struct spool spool = SPOOL_INIT;
    _cleanup_free_ struct spool_report *reports = NULL;
    _cleanup_close_ int state = -EBADF;
    size_t n = 0, n_last = 0;
    int r = spool_open(&context->root, &context->config, false, &spool);

    s->spool_error = r;
    if (r == 0)
        state = spool_open_state(&spool, false);
    s->blocked = is_blocked(&context->root, state);
    proven_read(&context->root, state, pstore_backend_mechanism(&s->backend), &s->proven);
    if (crash_kernel_read(&context->root, r == 0 ? &spool : NULL, &s->kdump) < 0)
        return -ENOMEM;
    s->armed |= s->kdump.kexec.loaded;
    if (r == 0 || r == -ENOENT)
        s->write_error = spool_room(&context->root, &context->config);
    if (s->write_error == -ENOMEM)
        return -ENOMEM;
    if (r == -ENOENT)
        return 0; /* made by the first collection */
    if (r == 0)
        r = spool_list(&spool, &reports, &n);
    s->spool_error = r;
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    s->spool_ok = true;
    for (size_t i = 0; i < n; i++)
        s->counts[reports[i].state]++;
    if (n > 0 && report_entries_load(&spool, 1, &s->last, &n_last) == -ENOMEM)
        return -ENOMEM;
    return state >= 0 ? read_counted(state, s) : 0;
}

/* Whether the generator has told the units of the folders that are configured now: it runs at boot
 * and by daemon-reload. Where it has never run, there is no systemd. */
static bool units_know(const struct context *context)
{
    static const char dropins[] = "/run/systemd/generator/kdump-steamos-submit.service.d";
    const struct config *config = &context->config;
    _cleanup_strbuf_ struct strbuf text = { 0 }, wanted = { 0 };
    char path[PATH_MAX];
    struct span rest;

    (void)snprintf(path, sizeof(path), "%s/50-folder.conf", dropins);
    if (root_read(&context->root, path, MAX_DROPIN, &text) < 0 || config->mount_devnode[0] ||
        strbuf_printf(&wanted, "RequiresMountsFor=%s", config->kdump_folder) < 0)
        return true;
    (void)snprintf(path, sizeof(path), "%s/50-handover.conf", dropins);
    if (config->handover_folder[0] && !root_exists(&context->root, path))
        return false;
    rest = strbuf_view(&text);
    for (struct span line; span_next_line(&rest, &line);)
        if (span_eq_span(line, strbuf_view(&wanted)))
            return true;
    return false;
}

/* What the kdump folder would tell, where it cannot be read: "none" would be wrong. */
static bool is_unknown(const struct status *s)
{
    return s->spool_error < 0 && s->spool_error != -ENOENT;
}

static void make_advice(const struct context *context, struct status *s)
{
    bool kdump = !context->config.use_pstore_ram || (!s->armed && s->kdump.kexec.reserved > 0);
    char proof[256], crash_kernel[400];

    if (s->blocked)
        advise(s, "arming was stopped because it brought the machine down before; to arm again: "
                  "kdump-steamos arm --force");
    else if (!s->armed && !s->backend.supported && !kdump)
        advise(s, "this kernel has no pstore: build it with CONFIG_PSTORE and CONFIG_PSTORE_RAM");
    else if (!s->armed && !kdump)
        advise(s, "arm this boot: kdump-steamos arm (at every boot: systemctl enable --now "
                  "kdump-steamos.service)");
    crash_kernel_advise(&s->kdump, kdump, crash_kernel, sizeof(crash_kernel));
    if (crash_kernel[0] && !s->blocked)
        advise(s, "%s", crash_kernel);
    if (!s->armed && !context->config.use_pstore_ram)
        advise(s, "or record crashes in RAM: USE_PSTORE_RAM=1 in /etc/default/kdump");
    if (s->backend.supported && !s->backend.mounted)
        advise(s, "pstore is not mounted: mount -t pstore pstore /sys/fs/pstore");
    for (size_t i = 0; i < s->n_panic; i++)
        advise(s, "%s is %lld: %s; to set it: sysctl %s=%lld", s->panic[i].name,
               (long long)s->panic[i].live, s->panic[i].effect, s->panic[i].name,
               (long long)s->panic[i].wanted);
    if (s->uncollected)
        advise(s, "a crash waits in pstore: kdump-steamos collect");
    if (s->kdump.uncollected)
        advise(s, "what the crash kernel saved waits in crash/: kdump-steamos collect");
    proven_advise(&s->proven, proof, sizeof(proof));
    if (proof[0])
        advise(s, "%s", proof);
    if (is_unknown(s))
        advise(s, "the kdump folder %s cannot be read: %s%s", context->config.kdump_folder,
               strerror(-s->spool_error), advice_as_root(s->spool_error));
    if (s->write_error < 0)
        advise(s, "the kdump folder %s takes no report (%s)%s", context->config.kdump_folder,
               strerror(-s->write_error), spool_advice(s->write_error));
    if (s->kdump.in_run)
        advise(s,
               "the capture image is in " RUN_DIR ", for this boot alone: the kdump folder %s did "
               "not take it; when that is mended: kdump-steamos arm",
               context->config.kdump_folder);
    if (!units_know(context))
        advise(s,
               "the services do not know of the configured folders yet: systemctl daemon-reload");
    if (s->counts[SPOOL_PENDING] > 0 && context->config.log_submission)
        advise(s, "to send what is pending now: kdump-steamos submit");
}

static int gather(const struct context *context, struct status *s)
{
    int r = pstore_backend_inspect(&context->root, &s->backend);

    if (r < 0)
        return r;
    s->armed = pstore_backend_armed(&s->backend);
    s->n_panic = panic_policy_check(&context->root, s->panic);
    s->uncollected = pstore_any_dump(&context->root, PSTORE_DIR);
    r = look_at_spool(context, s);
    if (r < 0)
        return r;
    make_advice(context, s);
    return 0;
}

/* What records: the crash kernel is started before pstore's turn comes. */
static int print_ways(const struct context *context, const struct status *s)
{
    _cleanup_strbuf_ struct strbuf pstore = { 0 }, kdump = { 0 };
    bool mentioned =
        s->kdump.kexec.loaded || s->kdump.kexec.reserved > 0 || !context->config.use_pstore_ram;

    (void)pstore_backend_describe(&s->backend, &pstore);
    crash_kernel_describe(&s->kdump, &kdump);
    if (pstore.failed || kdump.failed)
        return -ENOMEM;
    if (s->kdump.kexec.loaded)
        printf("armed: %s\n", strbuf_cstr(&kdump));
    else
        printf("%s: %s\n", s->armed ? "armed" : "not armed", strbuf_cstr(&pstore));
    if (s->kdump.kexec.loaded && pstore_backend_armed(&s->backend))
        printf("besides: %s\n", strbuf_cstr(&pstore));
    else if (!s->kdump.kexec.loaded && mentioned)
        printf("kdump: %s\n", strbuf_cstr(&kdump));
    return 0;
}

/* "kdump", "pstore", "none" */
static const char *mode(const struct status *s)
{
    return s->kdump.kexec.loaded ? "kdump" : pstore_backend_armed(&s->backend) ? "pstore" : "none";
}

static void print_reports(const struct config *config, const struct status *s)
{
    char when[32];

    printf("reports: %u pending, %u sent, %u kept, %u failed, in %s\n", s->counts[SPOOL_PENDING],
           s->counts[SPOOL_SENT], s->counts[SPOOL_KEPT], s->counts[SPOOL_FAILED],
           config->kdump_folder);
    if (!s->last) {
        printf("last crash: none recorded\n");
        return;
    }
    format_utc(s->last->report.time, when, sizeof(when));
    printf("last crash: %s UTC (%s): %s\n", when, spool_state_name(s->last->report.state),
           s->last->title[0] ? s->last->title : s->last->report.name);
}

/* Crashes of which no report goes out. */
static void print_unsent(const struct status *s)
{
    char when[32];

    if (s->counted > 0)
        printf("counted: %u more of a crash that was sent; the next one of it tells how many\n",
               s->counted);
    if (s->unsent == 0)
        return;
    format_utc(s->last_unsent, when, sizeof(when));
    printf("unsent:  %u removed before they were sent, for want of room (MIN_FREE_SPACE); the "
           "last %s\n",
           s->unsent, when);
}

static int print_text(const struct context *context, const struct status *s)
{
    _cleanup_strbuf_ struct strbuf how = { 0 }, to = { 0 };
    const struct config *config = &context->config;

    if (print_ways(context, s) < 0)
        return log_oom();
    if (is_unknown(s)) {
        printf("proven: unknown\nreports: unknown, in %s\nlast crash: unknown\n",
               config->kdump_folder);
    } else {
        proven_describe(&s->proven, &how);
        printf("%s\n", strbuf_cstr(&how));
        print_reports(config, s);
    }
    if (!config->log_submission)
        printf("submission: off (LOG_SUBMISSION=0)\n");
    else if (!config_has_backend(config))
        printf("submission: no server (POST_URL, SENTRY_DSN and HANDOVER_FOLDER are empty)\n");
    else if (outgoing_destinations(config, &to) < 0)
        return log_oom();
    else
        printf("submission: to %s\n", strbuf_cstr(&to));
    print_unsent(s);
    for (size_t i = 0; i < s->n_advice; i++)
        printf("%s %s\n", i == 0 ? "to do:" : "      ", s->advice[i]);
    return 0;
}

static json_t *backend_json(const struct pstore_backend *b)
{
    return json_pack("{s:b, s:b, s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:i, s:I}", "supported",
                     b->supported, "mounted", b->mounted, "name", b->name, "compression",
                     b->compression, "mem_address", (json_int_t)b->ramoops.mem_address, "mem_size",
                     (json_int_t)b->ramoops.mem_size, "record_size",
                     (json_int_t)b->ramoops.record_size, "console_size",
                     (json_int_t)b->ramoops.console_size, "region", b->region, "records",
                     (int)b->records, "text_per_dump", (json_int_t)b->text_per_dump);
}

static int print_json(const struct context *context, const struct status *s)
{
    _cleanup_json_ json_t *top = NULL;
    json_t *advice = json_array(), *reports = json_object();

    for (size_t i = 0; i < s->n_advice; i++)
        (void)json_array_append_new(advice, json_string(s->advice[i]));
    for (int state = 0; state < SPOOL_N_STATES; state++)
        (void)json_object_set_new(reports, spool_state_name((enum spool_state)state),
                                  json_integer(s->counts[state]));
    top = json_pack("{s:b, s:s, s:o, s:o, s:o, s:b, s:o, s:i, s:i, s:s, s:s, s:o, s:b, s:s, s:o}",
                    "armed", s->armed, "mode", mode(s), "backend", backend_json(&s->backend),
                    "kdump", crash_kernel_to_json(&s->kdump), "proven", proven_to_json(&s->proven),
                    "blocked", s->blocked, "reports", reports, "counted", (int)s->counted, "unsent",
                    (int)s->unsent, "folder", context->config.kdump_folder, "write_error",
                    s->write_error < 0 ? strerror(-s->write_error) : "", "last",
                    s->last ? report_entry_to_json(s->last) : json_null(), "submission",
                    context->config.log_submission && config_has_backend(&context->config),
                    "post_url", context->config.post_url, "advice", advice);
    return top ? print_json_value(top) : log_oom();
}

static int run_status(struct context *context, int argc, char **argv)
{
    _cleanup_(status_done) struct status s = { 0 };
    bool json = false;
    int r;

    if (!take_json_option(argc, argv, &json))
        return EXIT_USAGE;
    if (gather(context, &s) < 0)
        return log_oom();
    r = json ? print_json(context, &s) : print_text(context, &s);
    if (r < 0)
        return r;
    return s.armed ? EXIT_SUCCESS : EXIT_NOT_ARMED;
}

const struct verb verb_status = {
    .name = "status",
    .arguments = "[--json]",
    .summary = "Says whether a crash would be recorded, what was, and what to do",
    .details = "  --json    for programs: one object\n\n"
               "Exit status: 0 armed, 3 not armed.\n",
    .run = run_status,
};
