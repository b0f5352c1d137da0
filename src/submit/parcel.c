/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "base/log.h"
#include "submit/parcel.h"

/* The note begins with how many more there were. */
static int tell_counted(const struct delivery *d, struct report_fields *fields)
{
    _cleanup_strbuf_ struct strbuf note = { 0 };
    char since[32];
    time_t when = (time_t)d->counted_since;
    struct tm tm;

    if (d->counted == 0)
        return 0;
    (void)gmtime_r(&when, &tm);
    (void)strftime(since, sizeof(since), "%Y-%m-%d %H:%M", &tm);
    (void)strbuf_printf(&note, "%u more of the same crash since %s UTC, counted and not sent\n",
                        d->counted, since);
    (void)strbuf_span(&note, cut_lines(strbuf_view(&fields->note), FIELDS_MAX_NOTE - note.n));
    if (note.failed)
        return note.failed;
    strbuf_clear(&fields->note);
    fields->note = note;
    note = (struct strbuf){ 0 };
    return 0;
}

static int make(struct delivery *d, bool plain, struct parcel *parcel)
{
    _cleanup_private_values_ struct private_values known = { 0 };
    struct outgoing_options options = {
        .scrub = d->config->scrub,
        .plain = plain,
        .known = &known,
        .time = (time_t)d->fields->crash_time,
    };
    int r = private_values_load(d->state, &known);

    if (r == 0)
        r = outgoing_make(d->zip, &options, &parcel->outgoing);
    if (r == 0)
        r = report_fields_read(parcel->outgoing.fd, d->fields->crash_time, &parcel->fields);
    return r < 0 ? r : tell_counted(d, &parcel->fields);
}

enum submit_outcome parcel_make(struct delivery *d, bool plain, struct parcel *out)
{
    _cleanup_parcel_ struct parcel parcel = PARCEL_INIT;
    char replaced[256];
    int r = make(d, plain, &parcel);

    if (r < 0) {
        (void)snprintf(d->attempt->last_error, sizeof(d->attempt->last_error),
                       r == -EFBIG ? "the report is too large to leave this machine"
                                   : "what would be sent cannot be made: %s",
                       strerror(-r));
        return r == -EFBIG || r == -EBADMSG ? SUBMIT_REFUSED : SUBMIT_LATER;
    }
    if (d->config->scrub) {
        outgoing_describe(&parcel.outgoing, replaced, sizeof(replaced));
        log_debug("%s: replaced in what is sent: %s", d->name, replaced);
    }
    *out = parcel;
    parcel = (struct parcel)PARCEL_INIT;
    return SUBMIT_OK;
}

void parcel_done(struct parcel *parcel)
{
    outgoing_done(&parcel->outgoing);
    report_fields_done(&parcel->fields);
}
