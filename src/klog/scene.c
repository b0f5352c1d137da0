/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/scene.h"

enum { MAX_PREFIX = 512, USUAL_PAGE = 4 /* KiB */ };

#define MAX_PAGES (UINT64_C(1) << 40)

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
    uint64_t ram_pages, reserved_pages, free_pages, zones_free, anon, file, slab;
    bool has_ram;
    unsigned rss_column; /* of the list of tasks, 0: not in one */
    unsigned name_column;
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
    else if (span_ends(s, " pages RAM") && span_take_dec(&s, &n) && n < MAX_PAGES)
        g->ram_pages = n, g->has_ram = true;
    else if (span_ends(s, " pages reserved") && span_take_dec(&s, &n))
        g->reserved_pages = n;
}

/* "[  pid  ]   uid  tgid total_vm      rss …  name" (mm/oom_kill.c, dump_tasks): the columns differ
 * from kernel to kernel, and the name is the last one. */
static bool take_task_head(struct gathering *g, struct klog_tasks *t, struct span s)
{
    unsigned column = 0, rss = 0;
    struct span word;

    if (!span_contains(s, "] ") || !span_contains(s, " total_vm ") || !span_ends(s, " name"))
        return false;
    (void)span_take(&s, span_find_byte(s, ']') + 1);
    while (span_next_word(&s, &word)) {
        column++;
        if (span_eq(word, "rss"))
            rss = column;
    }
    g->rss_column = rss;
    g->name_column = column;
    t->n_biggest = 0;
    return true;
}

static void keep_if_big(struct klog_tasks *t, const struct klog_task *task)
{
    unsigned at = t->n_biggest;

    while (at > 0 && t->biggest[at - 1].rss < task->rss)
        at--;
    if (at == SCENE_MAX_BIGGEST)
        return;
    if (t->n_biggest < SCENE_MAX_BIGGEST)
        t->n_biggest++;
    memmove(&t->biggest[at + 1], &t->biggest[at], (t->n_biggest - at - 1) * sizeof(*task));
    t->biggest[at] = *task;
}

/* A row of that list: "[    219]     0   219      646       15 …  0 crash". Sizes are in pages. */
static void take_task_row(struct gathering *g, struct klog_tasks *t, struct span s)
{
    struct klog_task task = { 0 };
    struct span word;

    if (g->rss_column == 0 || !span_skip(&s, "["))
        return;
    s = span_trim(s);
    if (!span_take_dec(&s, &task.pid))
        return;
    s = span_trim(s);
    if (!span_skip(&s, "]"))
        return;
    for (unsigned column = 1; column < g->name_column; column++) {
        if (!span_next_word(&s, &word))
            return;
        if (column == g->rss_column && (!span_take_dec(&word, &task.rss) || task.rss >= MAX_PAGES))
            return;
    }
    task.name = span_trim(s);
    if (task.name.n > 0 && task.rss > 0)
        keep_if_big(t, &task);
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

static void sum_up(const struct gathering *g, struct klog_memory *m)
{
    uint64_t page = page_size(g), told;

    m->known = true;
    m->total = (g->ram_pages - MIN(g->reserved_pages, g->ram_pages)) * page;
    m->free = g->zones_free;
    m->anonymous = g->anon * page;
    m->file = g->file * page;
    m->slab = g->slab * page;
    told = m->free + m->anonymous + m->file + m->slab;
    m->other = m->total > told ? m->total - told : 0;
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
    static const char foreign[] = ": loading out-of-tree module taints kernel.";
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
        else if (scene.foreign.n == 0 && span_ends(s, foreign))
            scene.foreign = (struct span){ s.p, s.n - strlen(foreign) };
        else if (s.p[0] == '[' && !take_task_head(&g, &scene.tasks, s))
            take_task_row(&g, &scene.tasks, s);
        else
            take_memory(&g, &scene.memory, s);
    }
    if (g.has_ram)
        sum_up(&g, &scene.memory);
    for (unsigned i = 0; i < scene.tasks.n_biggest; i++)
        scene.tasks.biggest[i].rss *= page_size(&g);
    *out = scene;
}
