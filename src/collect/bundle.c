/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/json_file.h"
#include "collect/bundle.h"
#include "klog/klog.h"
#include "parse/os_release.h"

enum { MAX_MEMBERS = PSTORE_MAX_RECORDS + 16 };

static const time_t MAX_TIME = 253370764800; /* 9999-01-01: a name has four digits for the year */

void bundle_done(struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->n; i++) {
        free(bundle->members[i].name);
        strbuf_clear(&bundle->members[i].bytes);
    }
    free(bundle->members);
    free(bundle->title);
    free(bundle->signature);
    free(bundle->kernel);
    *bundle = (struct bundle){ 0 };
}

/* A new empty member; NULL when out of memory. */
static struct member *add(struct bundle *bundle, const char *name, int number, const char *suffix)
{
    struct member *members, *member;

    if (bundle->n == MAX_MEMBERS)
        return NULL;
    members = reallocarray(bundle->members, bundle->n + 1, sizeof(*members));
    if (!members)
        return NULL;
    bundle->members = members;
    member = &members[bundle->n];
    *member = (struct member){ .name = strdup(name), .number = number, .suffix = suffix };
    if (!member->name)
        return NULL;
    bundle->n++;
    return member;
}

static int add_bytes(struct bundle *bundle, const char *name, int number, const char *suffix,
                     struct span bytes)
{
    struct member *member = add(bundle, name, number, suffix);

    return member ? strbuf_span(&member->bytes, bytes) : -ENOMEM;
}

/* One member per dump, oldest first. A dump that could not be decompressed goes in as it is, under
 * a name that says so. */
static int add_dumps(struct bundle *bundle, const struct pstore_event *event)
{
    for (size_t i = 0; i < event->n_dumps; i++) {
        const struct pstore_dump *dump = &event->dumps[i];
        int r = add_bytes(bundle, "dmesg-pstore", (int)i, dump->undecoded ? ".enc.z" : "",
                          strbuf_view(&dump->text));

        if (r < 0)
            return r;
    }
    return 0;
}

/* The kernel that crashed, and behind it the one that collects. */
static int add_version(struct bundle *bundle, const char *crashed, const struct facts *facts)
{
    struct member *member = add(bundle, "version", -1, "");

    if (!member)
        return -ENOMEM;
    (void)strbuf_printf(&member->bytes, "%s\n", crashed[0] ? crashed : facts->release);
    if (crashed[0] && strcmp(crashed, facts->release) != 0)
        (void)strbuf_printf(&member->bytes, "collected by %s\n", facts->release);
    return member->bytes.failed;
}

/* What firmware and files say may be no UTF-8; a report needs it all the same. */
static json_t *text_json(const char *s)
{
    json_t *json = json_string(s);
    char copy[256];

    if (json)
        return json;
    (void)span_copy(span_str(s), copy, sizeof(copy));
    for (char *c = copy; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    return json_string(copy);
}

/* Where the report comes from: what the log itself cannot tell. */
static json_t *collected_json(const struct pstore_event *event, struct span kdump,
                              const struct facts *facts, const char *crashed, time_t time)
{
    enum consent consent = consent_at(&facts->consent, time);
    char build[128];
    json_t *sources = json_array(), *collected;

    for (size_t i = 0; i < event->n_dumps; i++)
        (void)json_array_append_new(sources,
                                    json_pack("{s:s, s:s, s:i, s:i}", "backend",
                                              event->dumps[i].name.backend, "reason",
                                              event->dumps[i].header.reason, "count",
                                              (int)event->dumps[i].header.count, "missing_parts",
                                              (int)event->dumps[i].missing));
    if (kdump.n > 0)
        (void)json_array_append_new(sources,
                                    json_pack("{s:s, s:s, s:i, s:i}", "backend", "kdump", "reason",
                                              "Panic", "count", 1, "missing_parts", 0));
    (void)os_release_get(strbuf_view(&facts->os_release), "BUILD_ID", build, sizeof(build));
    collected = json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:s, s:s, s:o}", "time",
                          (json_int_t)time, "crashed_kernel", text_json(crashed), "running_kernel",
                          text_json(facts->release), "build", text_json(build), "vendor",
                          text_json(facts->vendor), "product", text_json(facts->product), "board",
                          text_json(facts->board), "serial", facts->serial, "account",
                          facts->account.name, "steamid", facts->account.steamid, "dumps", sources);
    if (consent != CONSENT_UNKNOWN)
        (void)json_object_set_new(collected, "submission", json_boolean(consent == CONSENT_YES));
    return collected;
}

static int add_report_json(struct bundle *bundle, const struct klog *klog,
                           const struct pstore_event *event, struct span kdump,
                           const struct facts *facts, const char *crashed)
{
    _cleanup_json_ json_t *collected = collected_json(event, kdump, facts, crashed, bundle->time);
    struct member *member = add(bundle, "report", -1, ".json");

    return collected && member ? klog_write_json(klog, collected, &member->bytes) : -ENOMEM;
}

/* The page that a person reads; the JSON has all of it for programs. */
static int add_report_html(struct bundle *bundle, const struct klog *klog,
                           const struct facts *facts)
{
    struct member *member = add(bundle, "report", -1, ".html");
    char machine[256], build[128];
    struct klog_view view = { .machine = machine, .os = build, .time = bundle->time };

    (void)snprintf(machine, sizeof(machine), "%s %s", facts->vendor, facts->product);
    (void)os_release_get(strbuf_view(&facts->os_release), "BUILD_ID", build, sizeof(build));
    return member ? klog_to_html(klog, &view, &member->bytes) : -ENOMEM;
}

static int add_klog(struct bundle *bundle, const struct pstore_event *event, struct span kdump,
                    const struct facts *facts)
{
    _cleanup_(klog_freep) struct klog *klog = NULL;
    _cleanup_strbuf_ struct strbuf text = { 0 };
    _cleanup_free_ char *summary = NULL;
    const struct klog_report *primary;
    const char *crashed = "";
    /* The capture kernel has the whole log: pstore's dumps are parts of it. */
    int r = kdump.n > 0 ? strbuf_span(&text, kdump) : pstore_event_text(event, &text);

    if (r == 0)
        r = klog_parse(strbuf_view(&text), &klog);
    if (r == 0)
        r = klog_summary(klog, &summary);
    if (r < 0)
        return r;
    primary = klog_primary(klog);
    if (primary && primary->kernel_release)
        crashed = primary->kernel_release;
    bundle->title = strdup(primary && primary->title ? primary->title : "");
    bundle->signature = strdup(primary && primary->signature ? primary->signature : "");
    bundle->kernel = strdup(crashed);
    if (!bundle->title || !bundle->signature || !bundle->kernel)
        return -ENOMEM;
    r = add_bytes(bundle, "crash_summary", -1, "", span_str(summary));
    if (r == 0)
        r = add_version(bundle, crashed, facts);
    if (r == 0)
        r = add_report_json(bundle, klog, event, kdump, facts, crashed);
    if (r == 0)
        r = add_report_html(bundle, klog, facts);
    return r;
}

int bundle_make(const struct pstore_event *event, struct span kdump, const struct facts *facts,
                struct bundle *out)
{
    _cleanup_(bundle_done) struct bundle bundle = { .time = event->time };
    int r;

    /* A clock that was never set, a damaged id: the time of the collection is nearer to the truth.
     */
    if (bundle.time <= 0 || bundle.time > MAX_TIME) {
        bundle.time = time(NULL);
        bundle.guessed = true;
    }
    bundle.kept = consent_at(&facts->consent, bundle.time) == CONSENT_NO;
    r = add_dumps(&bundle, event);
    if (r == 0 && kdump.n > 0)
        r = add_bytes(&bundle, "dmesg-kdump", -1, "", kdump);
    if (r == 0)
        r = add_klog(&bundle, event, kdump, facts);
    if (r == 0)
        r = add_bytes(&bundle, "build", -1, "", strbuf_view(&facts->os_release));
    if (r == 0)
        r = add_bytes(&bundle, "dmidecode", -1, "", strbuf_view(&facts->smbios));
    if (r == 0 && event->console.n > 0)
        r = add_bytes(&bundle, "console", -1, "", event->console);
    if (r == 0 && event->pmsg.n > 0)
        r = add_bytes(&bundle, "pmsg", -1, "", event->pmsg);
    if (r < 0)
        return r;
    *out = bundle;
    bundle = (struct bundle){ 0 };
    return 0;
}

int member_format_name(const struct member *member, const char *stamp, char *buf, size_t size)
{
    int n = member->number < 0 ? snprintf(buf, size, "%s.%s%s", member->name, stamp, member->suffix)
                               : snprintf(buf, size, "%s.%s-%d%s", member->name, stamp,
                                          member->number, member->suffix);

    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}
