/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <stdlib.h>

#include "klog/input.h"

/* A stretch of the log between two record headers. */
struct segment {
    struct span text;
    uint32_t first_line; /* its number in the log */
    uint32_t group, part, order;
};

struct segments {
    struct segment *items; /* owned */
    size_t n;
};

static bool is_reason_byte(char c)
{
    return byte_is_alpha(c);
}

/* "Panic#2 Part1" at the end of a line (fs/pstore/platform.c, pstore_dump). The text before it, on
 * the same line, is the end of the record before. */
static bool find_header(struct span line, struct klog_record *record, size_t *start)
{
    /* kernel/printk/printk.c, kmsg_dump_reason_str() */
    static const char *const reasons[] = { "Panic", "Oops", "Emergency", "Shutdown" };
    struct span rest;
    uint64_t count, part;
    size_t hash, word;

    if (line.n < 8 || !byte_is_digit(line.p[line.n - 1]))
        return false;
    for (hash = line.n - 1; hash > 0 && line.n - hash < 32 && line.p[hash] != '#'; hash--)
        ;
    if (hash == 0 || line.p[hash] != '#')
        return false;
    rest = (struct span){ line.p + hash + 1, line.n - hash - 1 };
    if (!span_take_dec(&rest, &count) || !span_skip(&rest, " Part") ||
        !span_take_dec(&rest, &part) || rest.n != 0 || count > 1000000 || part > 1000000)
        return false;
    for (word = hash; word > 0 && is_reason_byte(line.p[word - 1]); word--)
        ;
    if (word == hash || hash - word >= sizeof(record->reason))
        return false;
    /* Where a part's text runs into the word, the known reasons tell where it begins. */
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (span_ends((struct span){ line.p + word, hash - word }, reasons[i]))
            word = hash - strlen(reasons[i]);
    (void)span_copy((struct span){ line.p + word, hash - word }, record->reason,
                    sizeof(record->reason));
    record->count = (unsigned)count;
    record->part = (unsigned)part;
    *start = word;
    return true;
}

static int add_record(struct klog_input *input, const struct klog_record *record)
{
    struct klog_record *records;

    if (input->n_records == KLOG_MAX_RECORDS)
        return 0;
    if ((input->n_records & (input->n_records - 1)) == 0) {
        records = reallocarray(input->records, input->n_records ? input->n_records * 2 : 1,
                               sizeof(*records));
        if (!records)
            return -ENOMEM;
        input->records = records;
    }
    input->records[input->n_records++] = *record;
    return 0;
}

static int add_segment(struct segments *segments, struct segment segment)
{
    struct segment *items;

    if (segment.text.n == 0)
        return 0;
    if ((segments->n & (segments->n - 1)) == 0) {
        items = reallocarray(segments->items, segments->n ? segments->n * 2 : 1, sizeof(*items));
        if (!items)
            return -ENOMEM;
        segments->items = items;
    }
    segment.order = (uint32_t)segments->n;
    segments->items[segments->n++] = segment;
    return 0;
}

/* Cuts the log at its record headers. A dump is a run of parts with one head. */
static int cut_segments(struct klog_input *input, struct segments *out)
{
    struct span rest = input->original, line;
    struct segment segment = { .text = { rest.p, 0 }, .first_line = 1 };
    struct klog_record last = { 0 };
    uint32_t number = 0;

    while (span_next_line(&rest, &line)) {
        struct klog_record record;
        size_t start;
        int r;

        number++;
        while (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        if (!find_header(line, &record, &start))
            continue;
        record.line = number;
        segment.text.n = (size_t)(line.p + start - segment.text.p);
        r = add_segment(out, segment);
        if (r == 0)
            r = add_record(input, &record);
        if (r < 0)
            return r;
        if (record.count != last.count || strcmp(record.reason, last.reason) != 0 ||
            record.part == last.part)
            segment.group++;
        segment.part = record.part;
        segment.first_line = number + 1;
        segment.text.p = rest.n ? rest.p : input->original.p + input->original.n;
        last = record;
    }
    segment.text.n = (size_t)(input->original.p + input->original.n - segment.text.p);
    return add_segment(out, segment);
}

/* The highest part of a dump has its oldest text (fs/pstore/platform.c numbers from the newest). */
static int by_age(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;

    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    if (x->part != y->part)
        return x->part > y->part ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Copies without colours (ESC [ … letter) and NULs. */
static size_t copy_clean(struct span from, char *to)
{
    size_t n = 0;

    for (size_t i = 0; i < from.n; i++) {
        if (from.p[i] == '\0')
            continue;
        if (from.p[i] == '\033' && i + 1 < from.n && from.p[i + 1] == '[') {
            size_t end = i + 2;

            while (end < from.n && (byte_is_digit(from.p[end]) || from.p[end] == ';'))
                end++;
            if (end < from.n && byte_is_alpha(from.p[end])) {
                i = end;
                continue;
            }
        }
        to[n++] = from.p[i];
    }
    return n;
}

struct indexer {
    struct klog_input *input;
    size_t size;
};

static int add_line(struct indexer *x, struct span raw, uint32_t number)
{
    struct klog_line line = klog_line_parse(raw);
    struct klog_input *input = x->input;

    if (line.text.n == 0 || input->n_lines == KLOG_MAX_LINES)
        return 0;
    if (input->n_lines == x->size) {
        size_t size = x->size ? x->size * 2 : 1024;
        struct klog_entry *lines = reallocarray(input->lines, size, sizeof(*lines));

        if (!lines)
            return -ENOMEM;
        input->lines = lines;
        x->size = size;
    }
    input->lines[input->n_lines++] = (struct klog_entry){
        .offset = (uint32_t)(line.text.p - input->text.p),
        .length = (uint32_t)line.text.n,
        .context = line.context,
        .number = number,
    };
    return 0;
}

static int index_text(struct indexer *x, struct span text, uint32_t number)
{
    struct span line;

    while (span_next_line(&text, &line)) {
        int r = add_line(x, line, number++);

        if (r < 0)
            return r;
    }
    return 0;
}

/* Puts the segments in order and joins them without anything between, as the kernel cut them at any
 * byte. Each line gets the number of the line where it began. */
static int index_segments(struct indexer *x, const struct segments *segments)
{
    struct klog_input *input = x->input;
    size_t n = 0, line_start = 0;
    uint32_t number = 1;

    /* Each segment may end in a line that had no end. */
    input->owned = malloc(input->original.n + segments->n + 1);
    if (!input->owned)
        return -ENOMEM;
    input->text = (struct span){ input->owned, 0 };
    for (size_t i = 0; i < segments->n; i++) {
        struct span rest = segments->items[i].text, line;
        uint32_t here = segments->items[i].first_line;
        bool ends = false;

        while (span_next_line(&rest, &line)) {
            int r;

            if (n == line_start)
                number = here;
            n += copy_clean(line, input->owned + n);
            ends = rest.n > 0 ||
                   (line.p + line.n < segments->items[i].text.p + segments->items[i].text.n);
            here++;
            if (!ends)
                break;
            r = add_line(x, (struct span){ input->owned + line_start, n - line_start }, number);
            if (r < 0)
                return r;
            input->owned[n++] = '\n';
            line_start = n;
        }
        /* Another dump does not go on with this one's line. */
        if (i + 1 == segments->n || segments->items[i + 1].group != segments->items[i].group) {
            int r = add_line(x, (struct span){ input->owned + line_start, n - line_start }, number);

            if (r < 0)
                return r;
            input->owned[n++] = '\n';
            line_start = n;
        }
    }
    input->text.n = n;
    return 0;
}

static void segments_free(struct segments *segments)
{
    free(segments->items);
}

int klog_input_read(struct span log, struct klog_input *out)
{
    __attribute__((cleanup(segments_free))) struct segments segments = { 0 };
    struct klog_input input = { .original = log, .text = log };
    struct indexer x = { .input = &input };
    int r;

    if (log.n > UINT32_MAX)
        log.n = UINT32_MAX;
    input.original = input.text = log;
    r = cut_segments(&input, &segments);
    if (r == 0 &&
        (segments.n > 1 || input.n_records > 0 || memchr(log.p ? log.p : "", '\0', log.n) ||
         memchr(log.p ? log.p : "", '\033', log.n))) {
        if (segments.n > 0)
            qsort(segments.items, segments.n, sizeof(*segments.items), by_age);
        r = index_segments(&x, &segments);
    } else if (r == 0) {
        r = index_text(&x, log, 1);
    }
    if (r < 0) {
        klog_input_done(&input);
        return r;
    }
    *out = input;
    return 0;
}

void klog_input_done(struct klog_input *input)
{
    free(input->owned);
    free(input->lines);
    free(input->records);
    *input = (struct klog_input){ 0 };
}
