/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "klog/klog.h"

/* Bytes that would steer a terminal or be markup; the text form has neither, the page no bare ones.
 */
static void check_plain(struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        fuzz_check((c >= ' ' || c == '\n' || c == '\t') && c != 0x7f);
    }
}

static bool contains(struct span text, const char *word)
{
    return span_find(text, word) != SIZE_MAX;
}

static void check_reports(const json_t *top)
{
    const json_t *reports = json_object_get(top, "reports"), *primary, *report;
    size_t i;

    primary = json_object_get(top, "primary");
    fuzz_check(json_is_array(reports) && json_array_size(reports) <= 1024);
    if (json_array_size(reports) == 0)
        fuzz_check(json_is_null(primary));
    else
        fuzz_check(json_integer_value(primary) >= 0 &&
                   (size_t)json_integer_value(primary) < json_array_size(reports));
    json_array_foreach(reports, i, report)
    {
        const char *title = json_string_value(json_object_get(report, "title"));

        fuzz_check(title && title[0] && !strchr(title, '\n'));
        fuzz_check(json_string_length(json_object_get(report, "signature")) == 16);
        /* A dump's parts may stand in the wrong order: the last line may come before the first. */
        fuzz_check(json_integer_value(json_object_get(report, "first_line")) > 0 &&
                   json_integer_value(json_object_get(report, "last_line")) > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const struct klog_view view = { .source = "<\x1b>", .machine = "&\"'", .time = 1 };
    const struct span text = span_bytes(bytes, n);
    struct strbuf screen = { 0 }, page = { 0 };
    struct klog *klog = NULL;
    json_t *top = NULL;
    char *summary = NULL;

    fuzz_check(klog_parse(text, &klog) == 0);
    fuzz_check(klog_to_json(klog, &top) == 0);
    check_reports(top);
    fuzz_check(klog_summary(klog, &summary) == 0);
    fuzz_check(klog_to_text(klog, &view, &screen) == 0);
    check_plain(strbuf_view(&screen));
    fuzz_check(klog_to_html(klog, &view, &page) == 0);
    check_plain(strbuf_view(&page));
    fuzz_check(!contains(strbuf_view(&page), "<script") && !contains(strbuf_view(&page), "<img"));
    strbuf_clear(&screen);
    strbuf_clear(&page);
    free(summary);
    json_decref(top);
    klog_free(klog);
    return 0;
}
