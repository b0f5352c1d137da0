/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd"

size_t utf8_length(const unsigned char *p, size_t n)
{
    size_t length = p[0] < 0x80                   ? 1
                    : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                    : (p[0] & 0xf0) == 0xe0       ? 3
                    : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                                  : 0;

    if (length == 0 || length > n)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return length;
}

int utf8_append(struct strbuf *out, struct span s)
{
    while (s.n > 0) {
        size_t good = 0, n;

        while (good < s.n && (n = utf8_length((const unsigned char *)s.p + good, s.n - good)) > 0)
            good += n;
        (void)strbuf_append(out, s.p, good);
        (void)span_take(&s, good);
        if (s.n > 0) {
            (void)strbuf_str(out, REPLACEMENT);
            (void)span_take(&s, 1);
        }
    }
    return out->failed;
}

/* U+0080 … U+009F, U+200B … U+200F, U+202A … U+202E, U+2066 … U+2069, U+FEFF */
static bool steers(const unsigned char *p, size_t n)
{
    if (n == 2)
        return p[0] == 0xc2 && p[1] < 0xa0;
    if (n != 3)
        return false;
    if (p[0] == 0xe2 && p[1] == 0x80)
        return (p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xaa && p[2] <= 0xae);
    if (p[0] == 0xe2 && p[1] == 0x81)
        return p[2] >= 0xa6 && p[2] <= 0xa9;
    return p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf;
}

int utf8_append_plain(struct strbuf *out, struct span s)
{
    while (s.n > 0) {
        size_t good = 0, n = 0;
        bool control = false;

        /* nearly all of a log is good: it is appended in long pieces */
        while (good < s.n) {
            const unsigned char *p = (const unsigned char *)s.p + good;

            n = utf8_length(p, s.n - good);
            control = n == 1 && ((*p < ' ' && *p != '\t') || *p == 0x7f);
            if (n == 0 || control || steers(p, n))
                break;
            good += n;
        }
        (void)strbuf_append(out, s.p, good);
        (void)span_take(&s, good);
        if (s.n == 0)
            break;
        (void)strbuf_str(out, control ? "?" : REPLACEMENT);
        (void)span_take(&s, n > 0 ? n : 1);
    }
    return out->failed;
}
