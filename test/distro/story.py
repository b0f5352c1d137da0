# SPDX-License-Identifier: LGPL-2.1-or-later
"""A machine's life: few boots, and in each as much as it has to tell.

Chapters are functions of a Story; they do things in the machine and note what they see. The tests look
at what was noted, so that what is wrong in one chapter does not hide what the others have to say.
"""

import contextlib
import fcntl
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import tarfile
import time
import uuid

import pytest

import image
import machine
from receiver import Receiver

FOLDER = "/home/.steamos/offload/var/kdump"
HOME = f"PARTUUID={image.PARTUUID[image.HOME]}"
NO_HOME = "PARTUUID=00000000-0000-4000-8000-000000000000"
PSTORE = "/sys/fs/pstore"
ARCHIVE = "/var/lib/systemd/pstore"
SENDING = 420  # seconds; the first try of a boot is at any time of its first five minutes
PANIC = "sync; echo c >/proc/sysrq-trigger"
UNITS = """kdump-steamos.service kdump-steamos-settled.timer kdump-steamos-collect.service
    kdump-steamos-reserve.service kdump-steamos-submit.path kdump-steamos-submit.timer""".split()
RECORD = ("Panic#1 Part1\n<5>[    0.000000] Linux version 6.1.0-99-{0} (a@b) #1 SMP\n"
          "<0>[   10.000000] Kernel panic - not syncing: {0}\n")
# A short story of each machine, where there is no time for the whole.
FAST = bool(os.environ.get("FAST"))


# The same for all workers of a run.
RUN = os.environ.get("PYTEST_XDIST_TESTRUNUID") or uuid.uuid4().hex


def build(kind, name, version=None, tree=image.TOP):
    """(package, package of its debug symbols) of this tree, or of another: once in a run for a name."""
    folder = image.CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / "made"
    with open(folder / "once.lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists() or made.read_text().split("\n")[0] != RUN:
            done = subprocess.run(
                [tree / "package/build", kind, folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, check=False, env=os.environ | ({"VERSION": version} if version else {}))
            assert done.returncode == 0, done.stdout
            made.write_text(f"{RUN}\n{done.stdout}")
    found = [pathlib.Path(line) for line in made.read_text().splitlines()[1:]]
    (package,) = [path for path in found if "-dbg" not in path.name and "-debug" not in path.name]
    (debug,) = set(found) - {package}
    return package, debug


def need(*tools):
    """A test that vanishes proves nothing: what is missing is an error."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    missing = [tool for tool in tools if not shutil.which(tool, path=path)]
    assert not missing, f"missing: {', '.join(missing)}; tools/setup --distro installs them"


class Story:
    """What happened, by name, for the tests."""

    def __init__(self, guest, server):
        self.guest = guest
        self.server = server  # its URL, as the machine reaches it
        self.seen = {}
        self.typed = set()  # of what README has
        self.uploads = None  # what the server has got, once the story is at its end

    def note(self, name, script, timeout=120):
        """(status, output) of a script, remembered."""
        start = time.monotonic()
        self.seen[name] = self.guest.run(script, timeout)
        print(f"--- {name} ({time.monotonic() - start:.1f} s): {self.seen[name]}", flush=True)
        return self.seen[name]

    def typing(self, *commands, replaced=(), answer="", end=""):
        """A script for commands as README has them, typed by who uses the machine, at home: words are
        replaced in them, as (old, new), what they ask is answered, and end is behind the last."""
        self.typed.update(commands)
        text = "\n".join(commands) + end
        for old, new in replaced:
            assert old in text, f"no {old} in {text}"
            text = text.replace(old, new)
        # A person reads before answering.
        said = f"(sleep 2; printf %s {shlex.quote(answer)}) | " if answer else ""
        return f"{said}runuser -l {image.OWNER} -c {shlex.quote(text)}"

    def types(self, name, *commands, timeout=120, **how):
        """(status, output) of what typing() makes, remembered."""
        # No terminal, where a pager would wait for a key.
        return self.note(name, f"{self.typing(*commands, **how)} >/run/typed 2>&1; status=$?; "
                         "cat /run/typed; exit $status", timeout)

    def told(self, name):
        """What was noted; in the fast form the story is shorter."""
        if FAST and name not in self.seen:
            pytest.skip("not in the fast form")
        return self.seen[name]

    def output(self, name, status=0):
        """The words of a script that ended with this status."""
        code, text = self.told(name)
        assert code == status, text
        return text

    def status(self, name):
        """What `kdump-steamos status` says, as an object, and as words by name + " words"."""
        self.note(name + " words", "kdump-steamos status")
        code, text = self.note(name, "kdump-steamos status --json")
        self.seen[name] = (code, json.loads(text))

    def waits_for(self, script, timeout=90):
        """Until the script succeeds in the machine, or the time is over."""
        end = time.monotonic() + timeout
        while self.guest.run(script)[0] != 0 and time.monotonic() < end:
            time.sleep(1)

    def collected(self, count):
        """Until there are so many reports, sent or not."""
        self.waits_for(f"[ $(find {FOLDER} -name 'steamos-*.zip' | wc -l) = {count} ]")

    def sent(self, count, by_itself=False, kept=0):
        """Until so many reports are sent, by a person who does not wait for the service, or by itself;
        kept: so many are there that are not to be sent."""
        self.collected(count + kept)
        if not by_itself:
            self.guest.run("kdump-steamos submit")
        self.waits_for(f"[ $(ls {FOLDER}/sent_logs/*.zip | wc -l) = {count} ]", SENDING)

    def settled(self):
        """Until this boot counts as one that has lived."""
        self.guest.check("systemctl start kdump-steamos-settled.service")

    def records(self, name):
        self.note(name, f"ls {PSTORE} {ARCHIVE} 2>/dev/null | grep ^dmesg")

    def reports(self, name):
        return self.note(name, f"cd {FOLDER} && find . -name 'steamos-*.zip' | sort")

    def record_waits(self, word):
        """A record of a crash as systemd-pstore keeps it."""
        self.guest.check(f"mkdir -p {ARCHIVE}")
        self.guest.put(f"{ARCHIVE}/dmesg-ramoops-0", RECORD.format(word))


def packages_drive(folder, files):
    """QEMU's options for a drive with these files, by name; unpack() has them in the machine."""
    path = folder / "packages.tar"
    with tarfile.open(path, "w") as tar:
        for name, file in files.items():
            tar.add(file, name)
    return ["-drive", f"if=none,id=packages,format=raw,readonly=on,file={path}",
            "-device", "virtio-blk-pci,drive=packages"]


UNPACK = "mkdir -p /root/p && cd /root/p && tar -xf /dev/vdb"


@contextlib.contextmanager
def life(folder, chapters, files, disk=None, server=lambda url: url.replace("127.0.0.1", "10.0.2.2"),
         tls=False, extra=(), **options):
    """A machine that has lived through these chapters, as a Story. server makes of the receiver's URL
    what the machine knows it by; extra and options are the machine's."""
    need("qemu-system-x86_64", *image.TOOLS)
    with Receiver(folder / "server", tls=tls) as receiver:
        with machine.Machine(disk or machine.ready_disk("ready"), folder / "machine",
                             extra=packages_drive(folder, files) + list(extra), **options) as guest:
            story = Story(guest, server(receiver.url))
            guest.settle()
            for chapter in chapters:
                start = time.monotonic()
                chapter(story)
                print(f"=== {chapter.__name__}: {time.monotonic() - start:.0f} s", flush=True)
            guest.power_off()
        story.uploads = receiver.finished()
        yield story
