# SPDX-License-Identifier: LGPL-2.1-or-later
"""The handheld that the chain's tests crash: its configuration, its owner, and what it leaves."""

import hashlib
import json
import os
import re
import zipfile

SERIAL = "TESTSERIAL"
ACCOUNT = "gordon"
STEAM_ID = "76561197960287930"
FOLDER = "/home/.steamos/offload/var/kdump"

LOGINUSERS = """"users"
{
\t"76561197960265729"
\t{
\t\t"AccountName"\t\t"barney"
\t\t"PersonaName"\t\t"Barney \\"C\\""
\t\t"MostRecent"\t\t"0"
\t\t"Timestamp"\t\t"1700000000"
\t}
\t"%s"
\t{
\t\t"AccountName"\t\t"%s"
\t\t"PersonaName"\t\t"Gordon"
\t\t"MostRecent"\t\t"1"
\t\t"Timestamp"\t\t"1750000000"
\t}
}
""" % (STEAM_ID, ACCOUNT)

# Files of /home, for qemu.Machine.
FILES = {"deck/.local/share/Steam/config/loginusers.vdf": LOGINUSERS}


def configure(url, **settings):
    """Shell text that points the program at a server on the host (url as it is there)."""
    keys = {"POST_URL": url.replace("127.0.0.1", "10.0.2.2")} | settings
    lines = "".join(f'{key}="{value}"\n' for key, value in keys.items())
    return ("mkdir -p /etc/default/kdump.d\n"
            f"cat >/etc/default/kdump.d/50-test.conf <<'END'\n{lines}END\n")


def lines_of(machine, name):
    """A file of the guest's /home as a list of lines."""
    return machine.read(name).splitlines()


class Report:
    """A report ZIP."""

    def __init__(self, path):
        self.path = path
        self.name = os.path.basename(path)
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            assert damaged is None, f"{path}: {damaged} is damaged"
            self.members = {name: archive.read(name) for name in archive.namelist()}
        with open(path, "rb") as file:
            self.digest = hashlib.sha256(file.read()).hexdigest()

    def one(self, pattern):
        """The only member whose whole name matches, as text."""
        names = [name for name in self.members if re.fullmatch(pattern, name)]
        assert len(names) == 1, f"{self.path}: {pattern} matches {names} of {list(self.members)}"
        return self.members[names[0]].decode(errors="replace")

    def dmesg(self):
        """The kernel's log, of all records of the event, as one text."""
        names = sorted(name for name in self.members if name.startswith("dmesg-"))
        assert names, f"{self.path} has no dmesg, but {list(self.members)}"
        return "".join(self.members[name].decode(errors="replace") for name in names)

    def summary(self):
        """crash_summary."""
        return self.one(r"crash_summary\..*")

    def facts(self):
        """report.TS.json."""
        return json.loads(self.one(r"report\..*\.json"))


def new_reports(machine, boot):
    """The reports that this boot's collect made, as paths on the host's side."""
    before = set()
    if boot > 1:
        before = {os.path.basename(path) for path in lines_of(machine, f"out/{boot - 1}/reports")}
    found = [path for path in lines_of(machine, f"out/{boot}/reports")
             if os.path.basename(path) not in before]
    # submit moves them to sent_logs/ later, retention nowhere: look where they are at the end.
    final = {os.path.basename(path): path for path in machine.reports()}
    return [final[os.path.basename(path)] for path in found]


def verb(machine, boot, name):
    """(exit status, output) of a verb that boot-services ran."""
    return (int(machine.read(f"out/{boot}/{name}.status")), machine.read(f"out/{boot}/{name}"))
