/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parts of the HTML page, one file each; internal to the room. */
#pragma once

#include "klog/explain.h"
#include "klog/scene.h"

/* Appends text as HTML: the five special characters escaped, and no byte that HTML or a reader's
 * eye could be misled by (utf8_append_plain()). Good in attributes, too. */
int html_escape(struct strbuf *out, struct span text);
/* The style sheet, once for a page. */
int html_style(struct strbuf *out);
/* The log lines of each second of the last minute as a picture (inline SVG); nothing where the log
 * has no time stamps. */
int html_timeline(struct strbuf *out, const struct klog *klog, const struct parsed_report *report);
/* The log itself with the reports' lines marked; each line has the id L and its number. */
int html_log(struct strbuf *out, const struct klog *klog);
