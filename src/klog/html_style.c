/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "klog/page.h"

/* Colours are named once, for light and dark; on paper it is always light. */
static const char *const style[] = {
    ":root{color-scheme:light dark;--paper:#fbfbfa;--card:#fff;--ink:#1d2125;--soft:#5b6670;"
    "--line:#d9dee3;--mark:#fff1ee;--hot:#b3261e;--warm:#a15c00;--cool:#46617d;--bar:#9fb0c0}\n",
    "@media(prefers-color-scheme:dark){:root{--paper:#15181b;--card:#1c2024;--ink:#e4e8eb;"
    "--soft:#9aa6b1;--line:#343b42;--mark:#3a2220;--hot:#ff8a80;--warm:#f0b35c;--cool:#9dbbd8;"
    "--bar:#5c7085}}\n",
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--paper);color:var(--ink);"
    "font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans',sans-serif}\n"
    "main{max-width:76rem;margin:0 auto;padding:2rem 1.25rem 4rem}\n"
    "header{border-left:.3rem solid var(--hot);padding-left:1rem;margin-bottom:1.75rem}\n"
    ".kind{margin:0;color:var(--hot);font-weight:600;font-size:.85rem;letter-spacing:.06em;"
    "text-transform:uppercase}\n"
    "h1{margin:.15rem 0 .4rem;font-size:1.65rem;line-height:1.25;overflow-wrap:anywhere}\n"
    "h2{margin:0 0 .75rem;font-size:1.05rem}\n"
    ".lead{margin:0;color:var(--soft)}.lead::first-letter{text-transform:uppercase}\n",
    ".jump{margin:0 0 .6rem}\n"
    "section{background:var(--card);border:1px solid var(--line);border-radius:.6rem;"
    "padding:1.1rem 1.25rem;margin:0 0 1.1rem}\n"
    ".two{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,2fr);gap:0 1.1rem}"
    ".two>:only-child{grid-column:1/-1}.two li+li{margin-top:.5rem}\n"
    "dl{display:grid;grid-template-columns:max-content 1fr;gap:.3rem 1.25rem;margin:0}\n"
    "dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere;min-width:0}\n"
    "code,pre,.mono,ol.trace,table{font-family:ui-monospace,'Cascadia Mono','DejaVu Sans Mono',"
    "Menlo,Consolas,monospace;font-size:.85rem}\n"
    "a{color:inherit;text-decoration-color:var(--bar)}a:hover{text-decoration-color:currentColor}"
    "\n",
    "ol.trace{list-style:none;margin:0;padding:0}\n"
    "ol.trace li{padding:.1rem .6rem;overflow-wrap:anywhere;border-left:.2rem solid transparent}\n"
    "ol.trace li.crashed{background:var(--mark);border-color:var(--hot);color:var(--hot);"
    "font-weight:600}\n"
    "ol.trace li.crashed .offset,ol.trace li.crashed .module{color:inherit}\n"
    "ol.trace .here{font:600 .75rem system-ui,sans-serif;margin-left:.6rem;float:right}\n"
    "ol.trace li.unsure{color:var(--soft)}b.now{color:var(--hot)}\n"
    ".module{color:var(--cool)}.offset{color:var(--soft)}\n"
    "details{margin-top:.75rem}summary{cursor:pointer;color:var(--soft)}\n"
    "details>*:not(summary){margin-top:.5rem}\n",
    ".registers{display:grid;grid-template-columns:repeat(auto-fill,minmax(13.5rem,1fr));"
    "gap:.15rem 1.5rem;margin:0}\n"
    ".registers div{display:flex;justify-content:space-between;gap:1rem}\n"
    ".registers b{font-weight:400;color:var(--soft)}\n"
    ".bytes{overflow-wrap:anywhere;margin:.9rem 0 0}\n"
    ".tags{display:flex;flex-wrap:wrap;gap:.3rem;margin:0;padding:0;list-style:none}\n"
    ".tags li{border:1px solid var(--line);border-radius:.3rem;padding:.02rem .4rem;"
    "font-size:.8rem;max-width:100%;overflow-wrap:anywhere}\n"
    ".tags li.odd{border-color:var(--warm);color:var(--warm)}\n",
    "ul.plain{margin:0;padding-left:1.1rem}ul.plain li{margin:.15rem 0;overflow-wrap:anywhere}\n"
    "svg{display:block;width:100%;height:auto;overflow:visible}\n"
    ".scroll{overflow-x:auto}.scroll svg{min-width:38rem}svg.key{display:inline;width:.8em}\n"
    "svg text{font:11px system-ui,sans-serif;fill:var(--soft)}svg .axis{stroke:var(--line)}\n"
    "svg .now{stroke:var(--hot);stroke-width:1.5}svg .nowtext{fill:var(--hot);font-weight:600}\n"
    ".s0{fill:var(--hot)}.s1{fill:var(--warm)}.s2{fill:var(--bar)}\n"
    ".meter{display:flex;height:1.1rem;border-radius:.3rem;overflow:hidden;"
    "border:1px solid var(--line);margin:0 0 .75rem}\n"
    ".meter i{display:block}.m0{background:var(--warm)}.m1{background:var(--cool)}"
    ".m2{background:var(--bar)}.m3{background:var(--soft)}.m4{background:transparent}\n"
    "ul.key{display:flex;flex-wrap:wrap;gap:.2rem 1.5rem;margin:0;padding:0;list-style:none}"
    "ul.key i{display:inline-block;width:.8em;height:.8em;border-radius:.15em;"
    "border:1px solid var(--line);margin-right:.45em}ul.key b{font-weight:600}\n",
    "pre{margin:0;max-height:40rem;overflow:auto;line-height:1.4;tab-size:8}\n"
    "pre a{color:var(--soft);text-decoration:none;display:inline-block;min-width:4.5em;"
    "padding-right:1em;text-align:right;user-select:none}\n"
    "pre span{display:block;white-space:pre;width:max-content;min-width:100%}\n"
    "pre span:target{outline:2px solid var(--warm);outline-offset:-2px}pre span{scroll-margin:6rem "
    "0}"
    "\n"
    ".e{background:var(--mark)}.h{color:var(--hot)}.w{color:var(--warm)}\n"
    "footer{color:var(--soft);font-size:.85rem}\n"
    "@media(max-width:36rem){main{padding:1.25rem .75rem}section{padding:.9rem}"
    ".two{display:block}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.4rem}h1{font-size:1."
    "3rem}}\n",
    "@media print{:root{color-scheme:light;--paper:#fff;--card:#fff;--ink:#000;--soft:#444;"
    "--line:#bbb;--mark:#f3e3e1;--hot:#8c1d18;--warm:#7a4600;--cool:#2d4257;--bar:#8798a8}"
    "main{max-width:none;padding:0}section{break-inside:avoid;border-radius:0}"
    "section.long{break-inside:auto}pre{max-height:none;overflow:visible;font-size:7.5pt}"
    "pre span{white-space:pre-wrap;width:auto;overflow-wrap:anywhere}"
    "*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}\n",
};

int html_style(struct strbuf *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(style); i++)
        (void)strbuf_str(out, style[i]);
    return out->failed;
}
