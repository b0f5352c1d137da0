# SPDX-License-Identifier: LGPL-2.1-or-later
"""report --html and --text: the page in a real browser, and logs that would like to be more than text."""

import gzip
import html.parser
import pathlib
import re
import sys

import pytest

from tree import TOP, Tree, panic_text

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import browser as browsers  # noqa: E402

REAL = TOP / "test/data/klog-real"
needs_browser = pytest.mark.skipif(not browsers.binary(), reason="no Chromium here")

# What a crashed program's name, a module's or a line may hold.
HOSTILE = [
    "<script>document.title='owned'</script>", "</pre><img src=http://192.0.2.1/x onerror=alert(1)>",
    "\"><svg onload=alert(1)>", "'--></style><script>1</script>", "&lt;b&gt;&amp;", "\x1b]0;owned\x07",
    "\x1b[2J", "\u202egnp.exe", "a\u200bb", "\x9b31m", "%s%n%p", "]]>", "<!--",
]


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path / "tree")


@pytest.fixture(scope="module")
def browser():
    with browsers.Browser() as running:
        yield running


def render(tree, tmp_path, log, form="--html"):
    source, page = tmp_path / "dmesg", tmp_path / "page.html"
    source.write_bytes(log if isinstance(log, bytes) else log.encode())
    done = tree.run("report", form, "-o", str(page), str(source))
    assert (done.returncode, done.stderr) == (0, "")
    return page


def real(name):
    return gzip.decompress((REAL / f"{name}.log.gz").read_bytes())


class Elements(html.parser.HTMLParser):
    """Which elements and attributes a page has."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = set(), set(), "", []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        for name, value in attrs:
            assert not (name in ("href", "src") and not value.startswith("#")), (tag, name, value)
        if tag not in ("meta", "br", "rect", "line"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open[-3:])
        self.open.pop()

    def handle_data(self, data):
        self.text += data


TAGS = {"html", "head", "meta", "title", "style", "body", "main", "header", "p", "h1", "h2", "section",
        "dl", "dt", "dd", "br", "ol", "ul", "li", "span", "details", "summary", "svg", "g", "rect",
        "line", "text", "div", "i", "b", "pre", "a", "footer"}


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_the_log_is_markup(tree, tmp_path, text):
    log = (panic_text(1).replace("Comm: sh", f"Comm: {text}")
           .replace("Fatal exception in boot 1", text)
           .replace("write_it", "write_it" + text.replace(" ", "_"))
           + f"<4>[  100.000001] Modules linked in: {text}(OE) b\n<6>[  101.000000] {text}\n")
    page = render(tree, tmp_path, log.encode("utf-8", "surrogateescape")).read_text()
    elements = Elements(page)
    assert elements.open == []
    assert elements.tags <= TAGS
    assert not any(name.startswith("on") for name in elements.attributes)
    assert "script" not in elements.tags
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e]", page)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_the_log_steers_a_terminal(tree, tmp_path, text):
    log = panic_text(1).replace("Comm: sh", f"Comm: {text}").replace("in boot 1", text)
    shown = render(tree, tmp_path, log, "--text").read_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e]", shown)
    assert "crash_it" in shown


def test_bytes_that_are_no_text(tree, tmp_path):
    log = panic_text(1).encode() + bytes(range(256)) * 4 + b"\xff\xfe\xc0\x80\xed\xa0\x80\n"
    page = render(tree, tmp_path, log).read_text()  # valid UTF-8, or this fails
    assert Elements(page).open == []
    render(tree, tmp_path, log, "--text").read_text()


@pytest.mark.parametrize("log", [b"", b"\n", b"no crash here\n", b"<6>[    1.000000] boot\n" * 50])
def test_no_crash(tree, tmp_path, log):
    assert "No crash" in render(tree, tmp_path, log).read_text()
    assert "No crash" in render(tree, tmp_path, log, "--text").read_text()


@pytest.mark.parametrize("name", sorted(path.name[:-7] for path in REAL.glob("*.log.gz")))
def test_one_screen(tree, tmp_path, name):
    """What a person is told of a real crash fits a terminal, and has what matters."""
    text = render(tree, tmp_path, real(name), "--text").read_text()
    lines = text.splitlines()
    assert len(lines) <= 45 and max(map(len, lines)) <= 130, text
    for word in ("\n  what ", "\n  when ", "\n  machine    Valve Jupiter", "\n  kernel     6.1",
                 "\n  signature  ", "What to look at next"):
        assert word in text, word
    # asked for by sysrq, or out of memory: no function is to blame
    if name.split("-")[1] not in ("oom", "sysrq", "hardlockup", "irq", "hung"):
        assert text.count("  -> ") == 1, text


@pytest.mark.parametrize("name", ["6.1-null", "6.12-oom", "6.1-softlockup"])
def test_page_is_well_formed(tree, tmp_path, name):
    log = real(name)
    elements = Elements(render(tree, tmp_path, log).read_text())
    assert elements.open == [] and elements.tags <= TAGS
    last = log.decode().splitlines()[-1].split("] ", 1)[-1]
    assert last.strip() in elements.text


@needs_browser
@pytest.mark.parametrize("name,sections", [
    ("6.1-null", ["The facts", "Where, innermost first", "What to look at next",
                  "The log's last seconds", "Memory at the crash", "Registers", "Modules", "The log"]),
    ("6.12-oom", ["The facts", "Where, innermost first", "Memory at the crash", "The log"]),
])
def test_page_in_a_browser(tree, tmp_path, browser, name, sections):
    page = render(tree, tmp_path, real(name))
    looks = {}
    for width in (400, 1280):
        for dark in (False, True):
            browser.show(page, width=width, dark=dark)
            requested = [event["request"]["url"] for event in
                         browser.events.get("Network.requestWillBeSent", [])]
            assert requested == [f"file://{page}"]
            assert not browser.events.get("Log.entryAdded")
            assert not browser.events.get("Runtime.exceptionThrown")
            assert browser.evaluate("document.documentElement.scrollWidth") <= width
            looks[dark] = browser.evaluate("getComputedStyle(document.body).backgroundColor + ' ' +"
                                           " getComputedStyle(document.body).color")
    assert looks[False] != looks[True]
    headings = browser.evaluate("[...document.querySelectorAll('h2')].map(e => e.textContent)")
    for section in sections:
        assert any(heading.startswith(section) for heading in headings), (section, headings)
    assert browser.evaluate("document.querySelectorAll('pre span.e').length") > 20
    assert browser.evaluate("document.querySelectorAll('svg .now').length") == 1
    ids = browser.evaluate("[...document.querySelectorAll('a')].filter(a => "
                           "!document.getElementById(a.getAttribute('href').slice(1))).length")
    assert ids == 0
    assert browser.evaluate("document.querySelector('svg > title').textContent").startswith("Lines of")
    assert browser.evaluate("document.querySelectorAll('li.crashed').length") == 1
    assert browser.pdf().startswith(b"%PDF")


@needs_browser
def test_hostile_page_in_a_browser(tree, tmp_path, browser):
    log = panic_text(1).replace("Comm: sh", "Comm: " + "".join(HOSTILE)) + "\n".join(HOSTILE) + "\n"
    page = render(tree, tmp_path, log)
    browser.show(page)
    assert [event["request"]["url"] for event in browser.events["Network.requestWillBeSent"]] == [
        f"file://{page}"]
    assert "owned" not in browser.evaluate("document.title")
    assert browser.evaluate("document.scripts.length + document.images.length") == 0


def test_the_report_has_the_page(tree):
    tree.panic()
    (name,) = tree.collect()
    page = tree.members(tree.folder / name)["report.html"].decode()
    elements = Elements(page)
    assert elements.open == []
    assert "crash_it" in elements.text and "2026-01-02 03:04:05 UTC" in elements.text
    assert "Valve Jupiter" in elements.text and "20260101.1" in elements.text
