/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/log.h"
#include "fuzz.h"
#include "pstore/events.h"

enum { MAX_RECORDS = 64 };

/* Records stand behind each other, each ended by a line "%": its name, its time in decimal, and its
 * bytes from the next line on. What has no name of pstore's is passed over, as reading does. */
static bool take_record(struct span *text, struct pstore_record *out)
{
    struct span head, name, line;
    char copy[256];
    uint64_t time = 0;

    *out = (struct pstore_record){ 0 };
    if (!span_next_line(text, &head) || !span_next_word(&head, &name) ||
        !span_copy(name, copy, sizeof(copy)))
        return false;
    if (span_next_word(&head, &line))
        (void)span_to_u64(line, &time);
    out->time = (time_t)(time % (UINT64_C(1) << 40));
    while (span_next_line(text, &line) && !span_eq(line, "%")) {
        (void)strbuf_span(&out->bytes, line);
        (void)strbuf_char(&out->bytes, '\n');
    }
    out->undecoded = time % 7 == 3;
    out->dir = strdup("/sys/fs/pstore");
    out->file = strdup(copy);
    return pstore_name_parse(copy, &out->name);
}

static void drop(struct pstore_record *record)
{
    strbuf_clear(&record->bytes);
    free(record->dir);
    free(record->file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct pstore_record items[MAX_RECORDS];
    struct pstore_records records = { .items = items, .size = MAX_RECORDS };
    struct pstore_events events = { 0 };
    struct span rest = span_bytes(bytes, n);
    unsigned seen[MAX_RECORDS] = { 0 };

    log_set_max_level(LOG_LEVEL_ERROR);
    while (rest.n > 0 && records.n < MAX_RECORDS) {
        if (take_record(&rest, &items[records.n]))
            records.total += items[records.n++].bytes.n;
        else
            drop(&items[records.n]);
    }
    fuzz_check(pstore_merge(&records, &events) == 0);
    /* Each record is of one event at most, and each event has a dump with text. */
    for (size_t e = 0; e < events.n; e++) {
        const struct pstore_event *event = &events.items[e];
        struct strbuf text = { 0 };

        fuzz_check(event->n_dumps > 0);
        for (size_t d = 0; d < event->n_dumps; d++) {
            fuzz_check(event->dumps[d].n_records > 0);
            for (size_t r = 0; r < event->dumps[d].n_records; r++)
                fuzz_check(event->dumps[d].records[r] < records.n &&
                           ++seen[event->dumps[d].records[r]] == 1);
        }
        fuzz_check(pstore_event_text(event, &text) == 0);
        fuzz_check(text.n <= 2 * records.total + 4096);
        strbuf_clear(&text);
    }
    pstore_events_free(&events);
    for (size_t i = 0; i < records.n; i++)
        drop(&items[i]);
    return 0;
}
