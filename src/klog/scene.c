/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/scene.h"

enum { MAX_PREFIX = 512, USUAL_PAGE = 4 /* KiB */ };

struct klog_line klog_line_at(const struct klog_input *input, size_t line)
{
    const struct klog_entry *e = &input->lines[line];
    size_t start = e->offset, least = start > MAX_PREFIX ? start - MAX_PREFIX : 0;

    while (start > least && input->text.p[start - 1] != '\n')
        start--;
    return klog_line_parse((struct span){ input->text.p + start, e->offset - start + e->length });
}

/* The number behind a word, e.g. "free:" in "Node 0 DMA32 free:1234kB". */
static bool number_after(struct span s, const char *word, uint64_t *out)
{
    size_t at = span_find(s, word);

    if (at == SIZE_MAX)
        return false;
    (void)span_take(&s, at + strlen(word));
    while (s.n > 0 && s.p[0] == ' ')
        (void)span_take(&s, 1);
    return span_take_dec(&s, out) && *out < UINT64_C(1) << 50;
}

/* Sums in pages and in KiB of one memory state (mm/show_mem.c). */
struct gathering {
    uint64_t ram_pages, free_pages, zones_free, anon, file, slab;
    bool has_ram;
};

/* These counts are of pages. */
static void take_counts(struct gathering *g, struct span s)
{
    static const struct {
        const char *word;
        size_t offset;
    } counts[] = {
        { "active_anon:", offsetof(struct gathering, anon) },
        { "inactive_anon:", offsetof(struct gathering, anon) },
        { "active_file:", offsetof(struct gathering, file) },
        { "inactive_file:", offsetof(struct gathering, file) },
        { "slab_reclaimable:", offsetof(struct gathering, slab) },
        { "slab_unreclaimable:", offsetof(struct gathering, slab) },
    };
    struct span word;

    while (span_next_word(&s, &word))
        for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
            uint64_t n;

            if (span_starts(word, counts[i].word) && number_after(word, counts[i].word, &n))
                *(uint64_t *)(void *)((char *)g + counts[i].offset) += n;
        }
}

static void take_memory(struct gathering *g, struct klog_memory *m, struct span s)
{
    uint64_t n;

    s = span_trim(s);
    if (span_starts(s, "Mem-Info:"))
        *g = (struct gathering){ 0 };
    else if (span_starts(s, "Node ") && number_after(s, " free:", &n))
        g->zones_free += n;
    else if (span_starts(s, "active_") || span_starts(s, "slab_"))
        take_counts(g, s);
    else if (span_starts(s, "free:") && number_after(s, "free:", &n))
        g->free_pages = n;
    else if (span_starts(s, "Free swap") && number_after(s, "=", &n))
        m->swap_free = n;
    else if (span_starts(s, "Total swap") && number_after(s, "=", &n))
        m->swap_total = n;
    else if (span_ends(s, " pages RAM") && span_take_dec(&s, &n))
        g->ram_pages = n, g->has_ram = true;
}

/* What a page is follows from the free memory, which is told both ways; zones round it. */
static uint64_t page_size(const struct gathering *g)
{
    static const uint64_t sizes[] = { 4, 16, 64 };

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        if (g->free_pages > 0 && g->zones_free / sizes[i] <= g->free_pages + g->free_pages / 2 &&
            g->free_pages <= g->zones_free / sizes[i] * 3 / 2 + 16)
            return sizes[i];
    return USUAL_PAGE;
}

static void take_task(struct klog_tasks *t, struct span s)
{
    size_t at = span_find(s, "state:");

    if (at == SIZE_MAX || at + 6 >= s.n)
        return;
    t->all++;
    t->running += s.p[at + 6] == 'R';
    t->blocked += s.p[at + 6] == 'D';
}

void klog_scene_read(const struct klog *klog, const struct parsed_report *report,
                     struct klog_scene *out)
{
    struct klog_scene scene = { .seconds = -1 };
    struct gathering g = { 0 };

    if (report)
        scene.seconds = klog_line_at(&klog->input, report->line).seconds;
    for (size_t i = 0; i < klog->input.n_lines; i++) {
        struct span s = klog_input_text(&klog->input, i);

        if (s.n < 6)
            continue;
        if (span_starts(s, "task:"))
            take_task(&scene.tasks, s);
        else if (span_starts(s, "Out of memory: Killed") || span_starts(s, "Killed process"))
            scene.victim = s;
        else
            take_memory(&g, &scene.memory, s);
    }
    if (g.has_ram) {
        uint64_t page = page_size(&g);

        scene.memory.known = true;
        scene.memory.total = g.ram_pages * page;
        scene.memory.free = g.zones_free;
        scene.memory.anonymous = g.anon * page;
        scene.memory.file = g.file * page;
        scene.memory.slab = g.slab * page;
    }
    *out = scene;
}
