# SPDX-License-Identifier: LGPL-2.1-or-later
"""The manual, the help and the completions: all from the same tables, and clean."""

import os
import pathlib
import pty
import re
import select
import subprocess
import time

import pytest

from harness import need
from tree import TOP, Tree, program

DOC = pathlib.Path(program()).parent.parent / "doc"
PAGES = ["kdump-steamos.8", "kdump-steamos.conf.5", "kdump-steamos-report.1"]
TOP_HELP = subprocess.run([program(), "--help"], capture_output=True, text=True, check=True).stdout
VERBS = re.findall(r"^  ([a-z]+)\b", TOP_HELP.split("\nOptions:")[0], re.MULTILINE)
SHELL_OPTION = re.compile(r"(?<![\w-])--[a-z-]+")


def verb_help(verb):
    return subprocess.run([program(), verb, "--help"], capture_output=True, text=True,
                          check=True).stdout


def said(*words, **options):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **options)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_there_are_verbs():
    assert {"arm", "collect", "submit", "status", "list", "report", "disarm"} <= set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb):
    """Its first lines are usage and summary; each option that the usage names is told."""
    text = verb_help(verb)
    usage, rest = text.split("\n", 1)
    assert usage.startswith(f"Usage: kdump-steamos {verb}")
    assert rest.strip()
    for option in SHELL_OPTION.findall(usage):
        assert re.search(rf"^ +(-\w, )?{option}\b", rest, re.MULTILINE), option
    assert all(len(line) <= 100 for line in text.splitlines())


@pytest.mark.parametrize("page", PAGES)
def test_manual_is_clean(page):
    need("mandoc", "man")
    assert said("mandoc", "-Tlint", DOC / page) == ""
    done = subprocess.run(["man", "--warnings", "-l", DOC / page], capture_output=True,
                          text=True, check=True, env={"PATH": "/usr/bin:/bin", "LC_ALL": "C"})
    assert done.stderr == "" and len(done.stdout) > 1000


def plain(page):
    text = (DOC / page).read_text()
    return text.replace("\\-", "-").replace("\\e", "\\").replace("\\&", "")


def test_manual_has_every_verb_and_option():
    page = plain("kdump-steamos.8")
    for verb in VERBS:
        assert re.search(rf"^\\fB{verb}\\fR", page, re.MULTILINE)
        for option in SHELL_OPTION.findall(verb_help(verb)):
            assert option in page or option == "--help", (verb, option)


def test_manual_has_every_key():
    keys = re.findall(r"^#([A-Z_]+)=", (DOC.parent / "data/kdump").read_text(), re.MULTILINE)
    assert len(keys) > 10
    page = plain("kdump-steamos.conf.5")
    for key in keys:
        assert f"\n\\fB{key}\\fR=" in page


def test_nothing_is_left_of_the_templates():
    for page in PAGES:
        assert not re.search(r"@[A-Z]+@", (DOC / page).read_text())
        assert (TOP / "doc" / f"{page}.in").exists()


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """A machine with a report, as the shells' kdump-steamos; its name, and the environment."""
    folder = tmp_path_factory.mktemp("shells")
    tree = Tree(folder / "tree")
    tree.panic()
    (name,) = tree.collect()
    script = folder / "kdump-steamos"
    script.write_text(f'#!/bin/sh\nexec {os.path.abspath(program())} --root={tree.path} "$@"\n')
    script.chmod(0o755)
    return name, {"PATH": f"{folder}:/usr/bin:/bin", "HOME": str(folder), "TERM": "vt100",
                  "LC_ALL": "C"}


def bash_completes(*words, **options):
    script = (f"source {DOC}/kdump-steamos\n"
              "COMP_WORDS=(" + " ".join(f"'{word}'" for word in words) + ")\n"
              f"COMP_CWORD={len(words) - 1}\n_kdump_steamos 2>/dev/null\n"
              'printf "%s\\n" "${COMPREPLY[@]}"')
    return said("bash", "--norc", "-c", script, **options).split()


def test_bash():
    need("bash")
    assert set(VERBS) <= set(bash_completes("kdump-steamos", ""))
    assert bash_completes("kdump-steamos", "stat") == ["status"]
    assert bash_completes("kdump-steamos", "-q", "disa") == ["disarm"]
    assert bash_completes("kdump-steamos", "--root", "/x", "stat") == ["status"]
    assert bash_completes("kdump-steamos", "--root", "=", "/x", "stat") == ["status"]
    assert bash_completes("kdump-steamos", "--ro") == ["--root="]
    assert bash_completes("kdump-steamos", "arm", "--fo") == ["--force"]
    assert bash_completes("kdump-steamos", "status", "--") == ["--json", "--help"]
    assert bash_completes("kdump-steamos", "report", f"{TOP}/READ") == [f"{TOP}/README.md"]
    assert "src" in bash_completes("kdump-steamos", "initrd", "-o", "", cwd=TOP)
    assert bash_completes("kdump-steamos", "submit", "--cacert", "=", "READ", cwd=TOP) == ["README.md"]
    assert "src" in bash_completes("kdump-steamos", "submit", "--cacert", "=", cwd=TOP)
    for verb in VERBS:
        told = {option for option in SHELL_OPTION.findall(
            "\n".join(line for line in verb_help(verb).splitlines() if line.startswith("  ")))}
        offered = {word.rstrip("=") for word in bash_completes("kdump-steamos", verb, "--")}
        assert {option for option in told
                if re.search(rf"^ +(-\w, )?{option}\b", verb_help(verb), re.MULTILINE)} <= offered


@pytest.mark.parametrize("verb", ["report", "submit"])
def test_bash_knows_reports(reports, verb):
    name, env = reports
    assert bash_completes("kdump-steamos", verb, "steamos-", env=env) == [name]
    assert bash_completes("kdump-steamos", verb, "--as", env=env) == \
        (["--as-sent"] if verb == "report" else [])


def fish_completes(line, **options):
    return [word.split("\t")[0] for word in said(
        "fish", "--no-config", "-c", f"source {DOC}/kdump-steamos.fish; complete -C '{line}'",
        **options).splitlines()]


def test_fish(reports):
    need("fish")
    name, env = reports
    assert set(VERBS) <= set(fish_completes("kdump-steamos "))
    for before in ("", "-q ", "--root /x ", "--root=/x ", "--config /x -v "):
        assert fish_completes(f"kdump-steamos {before}stat") == ["status"]
        assert fish_completes(f"kdump-steamos {before}arm --fo") == ["--force"]
    assert "--json" in fish_completes("kdump-steamos status --")
    assert "list" not in fish_completes("kdump-steamos status ")
    assert f"{TOP}/README.md" in fish_completes(f"kdump-steamos report {TOP}/READ")
    for verb in ("report", "submit"):
        assert name in fish_completes(f"kdump-steamos {verb} steamos-", env=env)


class Zsh:
    """An interactive zsh at a terminal, with the completions as they are installed."""

    def __init__(self, env, folder):
        self.said = folder / "said"
        master, slave = pty.openpty()
        self.shell = subprocess.Popen(["zsh", "-f", "-i"], stdin=slave, stdout=slave, stderr=slave,
                                      env=env, cwd=TOP, start_new_session=True)
        os.close(slave)
        self.terminal = master
        rc = folder / "rc"
        rc.write_text(f"fpath=({DOC} $fpath)\nautoload -Uz compinit\ncompinit -u -D\n"
                      f"tell() {{ print -r -- \"$BUFFER|\" >>{self.said}; BUFFER=; }}\n"
                      "zle -N tell\nbindkey '^X' tell\nzstyle ':completion:*' list-colors ''\n"
                      f"PS1=; LISTMAX=9999; stty -echo; print -r -- ready >>{self.said}\n")
        os.write(master, f"source {rc}\n".encode())
        self.answers(1)

    def answers(self, number):
        """The shell's answers so far, once there are so many; what it shows meanwhile is read."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if select.select([self.terminal], [], [], 0.1)[0]:
                self.shown += os.read(self.terminal, 65536).decode(errors="replace")
            found = self.said.read_text().splitlines() if self.said.exists() else []
            if len(found) >= number:
                return found
        raise AssertionError(f"zsh does not answer: {self.shown}")

    shown = ""

    def completes(self, line):
        """(the line after a tab, what was shown below it)"""
        number = len(self.answers(0))
        self.shown = ""
        os.write(self.terminal, f"{line}\t\x18".encode())
        return self.answers(number + 1)[-1].removesuffix("|"), self.shown

    def close(self):
        self.shell.kill()
        self.shell.wait()
        os.close(self.terminal)


@pytest.fixture
def zsh(reports, tmp_path):
    need("zsh")
    shell = Zsh(reports[1], tmp_path)
    yield shell
    shell.close()


def test_zsh_completes(zsh, reports):
    for before in ("", "-q ", "--root /x ", "--root=/x "):
        assert zsh.completes(f"kdump-steamos {before}stat")[0] == f"kdump-steamos {before}status "
    assert zsh.completes("kdump-steamos arm --for")[0] == "kdump-steamos arm --force "
    assert zsh.completes("kdump-steamos initrd -o READ")[0] == "kdump-steamos initrd -o README.md "
    assert zsh.completes("kdump-steamos report READ")[0] == "kdump-steamos report README.md "
    for verb in ("report", "submit"):
        assert zsh.completes(f"kdump-steamos {verb} steam")[0] == \
            f"kdump-steamos {verb} {reports[0]} "
    shown = zsh.completes("kdump-steamos ")[1]
    assert all(re.search(rf"\b{verb}\b", shown) for verb in VERBS), shown


def test_zsh():
    need("zsh")
    said("zsh", "-n", DOC / "_kdump-steamos")
    text = (DOC / "_kdump-steamos").read_text()
    for verb in VERBS:
        assert re.search(rf"^\t'{verb}:", text, re.MULTILINE)
        (block,) = re.findall(rf"^\t{verb}\) _arguments(.*?);;$", text, re.MULTILINE | re.DOTALL)
        for option in re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", verb_help(verb), re.MULTILINE):
            assert f"'{option}" in block
