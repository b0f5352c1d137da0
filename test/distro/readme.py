# SPDX-License-Identifier: LGPL-2.1-or-later
"""What README tells a newcomer to type and to expect, taken out of it: a test that types these words
fails when README has them no longer."""

import re

import image

TEXT = (image.TOP / "README.md").read_text()
HOUR = "The first hour"
# What a shell runs, of all that README sets as code.
COMMAND = re.compile(r"(sudo|man|make|journalctl|cd|kdump-steamos|tools/\S+)( |$)")


def section(title):
    """What is below a heading."""
    (text,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return text


def step(title):
    """A step of the first hour, from its bold word to the next one."""
    (text,) = re.findall(rf"^\*\*{re.escape(title)}\.\*\*(.*?)(?=^\*\*|\Z)", section(HOUR),
                         re.MULTILINE | re.DOTALL)
    return text


def blocks(text):
    """The indented ones, each a list of lines without the comments behind them."""
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)
    return [[re.sub(r"(?<=\S)\s+# .*", "", line[4:]) for line in block.strip("\n").split("\n")]
            for block in found]


def codes(text):
    """All that is set as code: the lines of blocks, and what stands between backticks in a line or two."""
    spans = re.findall(r"`([^`]+)`", re.sub(r"^    .*$", "", text, flags=re.MULTILINE))
    return [line for block in blocks(text) for line in block] + [" ".join(span.split()) for span in spans]


def code(text, beginning):
    """The one of them that is this, or begins so."""
    found = codes(text)
    if beginning in found:
        return beginning
    found = {one for one in found if one.startswith(beginning)}
    assert len(found) == 1, f"README has {sorted(found) or 'nothing'} for {beginning!r}"
    return found.pop()


def lines(text, beginning):
    """The lines of a block from the one that begins so to its end, or to an empty one."""
    for block in blocks(text):
        for first, line in enumerate(block):
            if line.startswith(beginning):
                end = block.index("", first) if "" in block[first:] else len(block)
                return block[first:end]
    raise AssertionError(f"README has no block with a line that begins with {beginning!r}")


def form(line):
    """A line of README as a regular expression: another time, number or version is as good, and an
    ellipsis is anything."""
    words = re.split(r"([\w.-]*\d[\w.-]*|…)", line)
    return "^" + "".join(re.escape(word) if even % 2 == 0 else r".*" if word == "…" else r"[\w.-]*\d[\w.-]*"
                         for even, word in enumerate(words)) + "$"


def commands():
    """All that the first hour, and the overview before it, would have typed."""
    overview = [line for block in blocks(section("How it works")) for line in block]
    return {one for one in overview + codes(section(HOUR)) if COMMAND.match(one)}
