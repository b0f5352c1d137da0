/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdio.h>

#include "klog/line.h"
#include "pstore/events.h"

enum {
    NEXT_PART_SECONDS = 10,  /* parts of one dump follow each other within this, boots do not */
    NEAR_SECONDS = 120,      /* what tells no more than its time is of one boot within this */
    SAME_BOOT_SECONDS = 5,   /* how exactly two dumps agree on when their boot began */
};

/* A record on its way into a dump. */
struct part {
    const struct pstore_record *record;
    size_t index; /* in the records */
    struct pstore_header header;
    struct span text; /* behind the header */
};

static unsigned part_number(const struct part *p)
{
    return p->header.reason[0] ? p->header.part : 1;
}

/* Parts of one dump come to stand together, in the order in which they were written: part 1 is the
 * first, and ids grow. Where two boots have dumps of the same head, each is whole before the other
 * begins. */
static int by_dump(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    int r = strcmp(x->record->name.backend, y->record->name.backend);

    if (r == 0)
        r = strcmp(x->header.reason, y->header.reason);
    if (r == 0 && x->header.count != y->header.count)
        r = x->header.count < y->header.count ? -1 : 1;
    if (r == 0 && x->record->time != y->record->time)
        r = x->record->time < y->record->time ? -1 : 1;
    if (r == 0 && x->record->name.id != y->record->name.id)
        r = x->record->name.id < y->record->name.id ? -1 : 1;
    if (r == 0)
        r = strcmp(x->record->dir, y->record->dir);
    return r;
}

/* The oldest text (the highest part) first, and the original behind its copies: what comes last is
 * what the dump has its time from. */
static int by_part(const void *a, const void *b)
{
    const struct part *x = a, *y = b;
    int r;

    if (part_number(x) != part_number(y))
        return part_number(x) > part_number(y) ? -1 : 1;
    if (x->record->time != y->record->time)
        return x->record->time > y->record->time ? -1 : 1;
    r = strcmp(y->record->dir, x->record->dir);
    return r != 0 ? r : strcmp(x->record->file, y->record->file);
}

static bool same_head(const struct part *a, const struct part *b)
{
    return strcmp(a->record->name.backend, b->record->name.backend) == 0 &&
           strcmp(a->header.reason, b->header.reason) == 0 && a->header.reason[0] &&
           a->header.count == b->header.count;
}

/* Where the dump that begins at parts[0] ends: its head, its time, and no part twice with another
 * text. */
static size_t dump_length(const struct part *parts, size_t n)
{
    size_t length = 1;

    for (; length < n; length++) {
        const struct part *next = &parts[length];

        if (!same_head(&parts[0], next) ||
            next->record->time - parts[length - 1].record->time > NEXT_PART_SECONDS)
            return length;
        for (size_t i = 0; i < length; i++) {
            if (part_number(&parts[i]) != part_number(next))
                continue;
            if (!span_eq_span(parts[i].text, next->text))
                return length;
            break; /* others of this number were found equal before */
        }
    }
    return length;
}

static void mark_gap(struct strbuf *text, unsigned first, unsigned last)
{
    if (text->n > 0 && text->p[text->n - 1] != '\n')
        (void)strbuf_char(text, '\n');
    if (first == last)
        (void)strbuf_printf(text, "[kdump-steamos: part %u is missing]\n", first);
    else
        (void)strbuf_printf(text, "[kdump-steamos: parts %u to %u are missing]\n", first, last);
}

/* Joins the parts of one dump, which it sorts. The parts are cut at any byte of a line, so nothing
 * is put between them, but for a mark where one is missing. */
static int join_parts(struct part *parts, size_t n, struct pstore_dump *out)
{
    const struct part *newest;
    unsigned expected;

    qsort(parts, n, sizeof(*parts), by_part);
    newest = &parts[n - 1];
    *out = (struct pstore_dump){ .header = newest->header,
                                 .name = newest->record->name,
                                 .time = newest->record->time };
    expected = part_number(&parts[0]);
    for (size_t i = 0; i < n; i++) {
        unsigned number = part_number(&parts[i]);

        if (i > 0 && number == part_number(&parts[i - 1]))
            continue; /* the same part once more */
        if (number < expected) {
            out->missing += expected - number;
            mark_gap(&out->text, number + 1, expected);
        }
        out->undecoded |= parts[i].record->undecoded;
        (void)strbuf_span(&out->text, parts[i].text);
        expected = number > 0 ? number - 1 : 0; /* no kernel writes a part 0 */
    }
    if (expected > 0 && newest->header.reason[0]) {
        out->missing += expected;
        mark_gap(&out->text, 1, expected);
    }
    return out->text.failed;
}

/* A dump's place in time: the boot it belongs to, and its last line. */
struct stamp {
    bool known;
    double seconds; /* of the last line with a time stamp, since boot */
    struct span line;
};

static struct stamp last_stamp(struct span text)
{
    struct stamp stamp = { 0 };

    while (text.n > 0 && !stamp.known) {
        size_t start = text.n - (text.p[text.n - 1] == '\n');

        while (start > 0 && text.p[start - 1] != '\n')
            start--;
        stamp.line = span_trim((struct span){ text.p + start, text.n - start });
        stamp.seconds = klog_line_parse(stamp.line).seconds;
        stamp.known = stamp.seconds >= 0;
        text.n = start;
    }
    return stamp;
}

/* Where text goes on behind a line like this one; NULL where it has none. Short lines tell nothing:
 * two boots may well have the same. */
static const char *behind_line(struct span text, struct span line)
{
    const char *end = text.p + text.n, *at = text.p;

    if (line.n <= 20)
        return NULL;
    while ((at = memmem(at, (size_t)(end - at), line.p, line.n))) {
        const char *behind = at + line.n;

        if ((at == text.p || at[-1] == '\n') && (behind == end || byte_is_space(*behind)))
            return behind;
        at = behind;
    }
    return NULL;
}

/* Whether b is a later dump of a's boot. Both tell when their boot began (wall clock less time
 * stamp); archived records have lost their time, but the later dump still repeats the earlier one's
 * last line, as each holds the newest part of the log. */
static bool same_boot(const struct pstore_dump *a, const struct pstore_dump *b)
{
    struct span text = strbuf_view(&b->text);
    struct stamp x = last_stamp(strbuf_view(&a->text)), y = last_stamp(text);
    double apart;

    if (strcmp(a->name.backend, b->name.backend) != 0)
        return false;
    if (a->header.reason[0] && a->header.count == b->header.count)
        return false; /* the kernel counts its dumps: equal numbers are of two boots */
    if (!x.known || !y.known)
        return b->time - a->time <= NEAR_SECONDS;
    if (behind_line(text, x.line))
        return true;
    apart = ((double)b->time - y.seconds) - ((double)a->time - x.seconds);
    return apart >= -SAME_BOOT_SECONDS && apart <= SAME_BOOT_SECONDS && y.seconds >= x.seconds;
}

static int by_time(const void *a, const void *b)
{
    const struct pstore_dump *x = a, *y = b;

    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    if (x->header.count != y->header.count)
        return x->header.count < y->header.count ? -1 : 1;
    return x->name.id < y->name.id ? -1 : x->name.id > y->name.id;
}

static void dump_done(struct pstore_dump *dump)
{
    strbuf_clear(&dump->text);
    free(dump->records);
}

struct dumps {
    struct pstore_dump *items; /* owned */
    size_t n;
};

static void dumps_free(struct dumps *dumps)
{
    for (size_t i = 0; i < dumps->n; i++)
        dump_done(&dumps->items[i]);
    free(dumps->items);
}

void pstore_events_free(struct pstore_events *events)
{
    for (size_t i = 0; i < events->n; i++) {
        struct dumps dumps = { events->items[i].dumps, events->items[i].n_dumps };

        dumps_free(&dumps);
        free(events->items[i].extras);
    }
    free(events->items);
    *events = (struct pstore_events){ 0 };
}

/* In front of those that are there: copies before the original. */
static int add_records(struct pstore_dump *dump, const size_t *records, size_t n)
{
    size_t *all = reallocarray(dump->records, dump->n_records + n, sizeof(*all));

    if (!all)
        return -ENOMEM;
    memmove(all + n, all, dump->n_records * sizeof(*all));
    memcpy(all, records, n * sizeof(*all));
    dump->records = all;
    dump->n_records += n;
    return 0;
}

/* The same dump found twice, as where systemd-pstore copies records and leaves them. */
static struct pstore_dump *find_twin(const struct dumps *dumps, const struct pstore_dump *dump)
{
    for (size_t i = 0; i < dumps->n; i++) {
        struct pstore_dump *d = &dumps->items[i];

        if (d->header.count == dump->header.count && d->text.n == dump->text.n &&
            strcmp(d->header.reason, dump->header.reason) == 0 &&
            strcmp(d->name.backend, dump->name.backend) == 0 &&
            span_eq_span(strbuf_view(&d->text), strbuf_view(&dump->text)))
            return d;
    }
    return NULL;
}

/* Joins parts[0..n) to one dump, unless it is there already. */
static int add_dump(struct dumps *dumps, struct part *parts, size_t n)
{
    struct pstore_dump dump = { 0 }, *twin;
    int r = join_parts(parts, n, &dump);

    for (size_t i = n; i-- > 0 && r == 0;)
        r = add_records(&dump, &parts[i].index, 1);
    twin = r == 0 ? find_twin(dumps, &dump) : NULL;
    if (r == 0 && !twin) {
        dumps->items[dumps->n++] = dump;
        return 0;
    }
    if (twin) {
        /* The original knows the time of the crash, a copy that of the copying. */
        twin->time = MIN(twin->time, dump.time);
        r = add_records(twin, dump.records, dump.n_records);
    }
    dump_done(&dump);
    return r;
}

static int make_dumps(const struct pstore_records *records, struct dumps *out)
{
    _cleanup_free_ struct part *parts = calloc(records->n + 1, sizeof(*parts));
    size_t n = 0;

    out->items = calloc(records->n + 1, sizeof(*out->items));
    if (!parts || !out->items)
        return -ENOMEM;
    for (size_t i = 0; i < records->n; i++) {
        const struct pstore_record *record = &records->items[i];

        if (record->name.type != PSTORE_DMESG)
            continue;
        parts[n] =
            (struct part){ .record = record, .index = i, .text = strbuf_view(&record->bytes) };
        if (!record->undecoded)
            (void)pstore_header_take(&parts[n].text, &parts[n].header);
        n++;
    }
    qsort(parts, n, sizeof(*parts), by_dump);
    for (size_t i = 0, length; i < n; i += length) {
        int r;

        length = dump_length(&parts[i], n - i);
        r = add_dump(out, &parts[i], length);
        if (r < 0)
            return r;
    }
    if (out->n > 1)
        qsort(out->items, out->n, sizeof(*out->items), by_time);
    return 0;
}

/* Takes the dump over: as a later one of the last event of its boot, or as an event of its own. */
static int add_to_events(struct pstore_events *events, struct pstore_dump *dump)
{
    struct pstore_event *event = NULL;
    struct pstore_dump *dumps;

    for (size_t i = events->n; i-- > 0 && !event;) {
        const struct pstore_event *e = &events->items[i];

        if (same_boot(&e->dumps[e->n_dumps - 1], dump))
            event = &events->items[i];
    }
    if (!event)
        event = &events->items[events->n];
    dumps = reallocarray(event->dumps, event->n_dumps + 1, sizeof(*dumps));
    if (!dumps)
        return -ENOMEM;
    event->dumps = dumps;
    if (event == &events->items[events->n])
        events->n++;
    event->time = dump->time;
    event->dumps[event->n_dumps++] = *dump;
    *dump = (struct pstore_dump){ 0 };
    return 0;
}

/* What is no dump belongs to the newest crash: the kernel keeps one console and one pmsg record. Of
 * several, as where an older one was archived, the newest counts. */
static int add_extras(const struct pstore_records *records, struct pstore_event *event)
{
    time_t console = INT64_MIN, pmsg = INT64_MIN;

    event->extras = calloc(records->n + 1, sizeof(*event->extras));
    if (!event->extras)
        return -ENOMEM;
    for (size_t i = 0; i < records->n; i++) {
        const struct pstore_record *record = &records->items[i];

        if (record->name.type == PSTORE_DMESG || record->name.type == PSTORE_OTHER)
            continue;
        if (record->name.type == PSTORE_CONSOLE && record->time > console) {
            event->console = strbuf_view(&record->bytes);
            console = record->time;
        } else if (record->name.type == PSTORE_PMSG && record->time > pmsg) {
            event->pmsg = strbuf_view(&record->bytes);
            pmsg = record->time;
        }
        event->extras[event->n_extras++] = i;
    }
    return 0;
}

int pstore_merge(const struct pstore_records *records, struct pstore_events *out)
{
    _cleanup_(pstore_events_free) struct pstore_events events = { 0 };
    _cleanup_(dumps_free) struct dumps dumps = { 0 };
    int r = make_dumps(records, &dumps);

    if (r < 0)
        return r;
    events.items = calloc(dumps.n + 1, sizeof(*events.items));
    if (!events.items)
        return -ENOMEM;
    for (size_t i = 0; i < dumps.n; i++) {
        r = add_to_events(&events, &dumps.items[i]);
        if (r < 0)
            return r;
    }
    if (events.n > 0) {
        r = add_extras(records, &events.items[events.n - 1]);
        if (r < 0)
            return r;
    }
    *out = events;
    events = (struct pstore_events){ 0 };
    return 0;
}

bool pstore_dump_is_crash(const struct pstore_dump *dump)
{
    static const char *const orderly[] = { "Shutdown", "Restart", "Halt", "Poweroff" };

    for (size_t i = 0; i < ARRAY_SIZE(orderly); i++)
        if (strcmp(dump->header.reason, orderly[i]) == 0)
            return false;
    return true;
}

/* The part of later that is not yet at the end of what was written: each dump holds the newest part
 * of the log, so its beginning repeats the one before it. */
static struct span without_repetition(struct span written, struct span later)
{
    struct stamp last = last_stamp(written);
    const char *behind = last.known ? behind_line(later, last.line) : NULL;

    if (behind)
        (void)span_take(&later, (size_t)(behind - later.p));
    if (behind && later.n > 0 && later.p[0] == '\n')
        (void)span_take(&later, 1);
    return later;
}

int pstore_event_text(const struct pstore_event *event, struct strbuf *out)
{
    for (size_t i = 0; i < event->n_dumps; i++) {
        struct span text = strbuf_view(&event->dumps[i].text);

        if (event->dumps[i].undecoded)
            continue;
        if (out->n > 0) {
            text = without_repetition(strbuf_view(out), text);
            if (out->p[out->n - 1] != '\n')
                (void)strbuf_char(out, '\n');
        }
        (void)strbuf_span(out, text);
    }
    return out->failed;
}
