# SPDX-License-Identifier: LGPL-2.1-or-later
"""What leaves the machine: nothing that names it or its people, and all that explains the crash."""

import json
import pathlib
import re
import sys
import zipfile

import pytest

from tree import TIME, Tree, panic_text, stamp

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from receiver import Receiver  # noqa: E402

# What this machine is called by; each stands in its log, too.
PRIVATE = {
    "host": "Johns-Brick", "user": "johnny", "serial": "FVAA12345678", "account": "gaben",
    "steamid": "76561197960287930", "mac": "3c:a9:f4:0b:cc:01", "ip": "192.168.178.77",
    "ip6": "2a02:810d:1c40:77::5", "ssid": "The Johnsons 5G", "uuid":
    "4b1e8b2a-3f51-4c0e-9a55-0f6d2d7d1c11", "disk": "S5GXNF0R123456", "wwn": "0025385b01412345",
    "usb": "00D5E0A1B2C3", "machine": "5f3c0a9be2d14c7786aa01bb23cd45ef", "mail":
    "johnny@brick.example.org", "board": "MB-0099-8811", "battery": "BAT77125",
}
LINES = """<6>[    1.000001] systemd[1]: Hostname set to <{host}>.
<6>[    1.000002] Command line: root=UUID={uuid} ip={ip}
<6>[    1.000003] wlan0: authenticate with {mac} (SSID='{ssid}')
<6>[    1.000004] usb 1-1: SerialNumber: {usb}
<6>[    1.000005] nvme0: {disk} eui.{wwn} of {host}
<6>[    1.000006] IPv6: {ip6} from {mail}
<6>[    1.000007] /run/log/journal/{machine}/x opened by {user} in /home/{user}/.steam
<6>[    1.000008] steam: {account} ({steamid}) on {serial}, board {board}, battery {battery}
<6>[    1.000009] {host}: {ssid} of {user}
"""
DMIDECODE = """Handle 0x0001, DMI type 1, 27 bytes
System Information
\tManufacturer: Valve
\tSerial Number: {serial}
\tUUID: {uuid}
Base Board Information
\tSerial Number: {board}
\tAsset Tag: Not Specified
"""


def private_log(text=None):
    """A crash's log that tells all of it, at its beginning and on its end."""
    return LINES.format(**PRIVATE) + (text or panic_text(1)) + LINES.format(**PRIVATE)


@pytest.fixture
def server(tmp_path):
    with Receiver(tmp_path / "receiver") as one:
        yield one


@pytest.fixture
def tree(tmp_path):
    tree = Tree(tmp_path / "tree")
    tree.write("proc/sys/kernel/hostname", PRIVATE["host"] + "\n")
    tree.write("etc/machine-id", PRIVATE["machine"] + "\n")
    tree.write("etc/passwd", "root:x:0:0::/root:/bin/sh\ndeck:x:1000:1000::/home/deck:/bin/sh\n"
               f"{PRIVATE['user']}:x:1001:1001::/home/x:/bin/sh\n")
    tree.write("sys/block/nvme0n1/device/serial", PRIVATE["disk"] + "   \n")
    tree.write("sys/class/power_supply/BAT1/serial_number", PRIVATE["battery"] + "\n")
    tree.write(f"etc/NetworkManager/system-connections/{PRIVATE['ssid']}.nmconnection", "")
    tree.dmi(board_serial=PRIVATE["board"])
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n" + private_log())
    return tree


def leaks(data):
    data = data.decode(errors="replace") if isinstance(data, bytes) else data
    return {key: value for key, value in PRIVATE.items() if value.lower() in data.lower()}


def test_upload_is_scrubbed(tree, server):
    tree.config(POST_URL=server.url)
    (name,) = tree.collect()
    local = tree.members(tree.folder / name)
    assert leaks(local["dmesg-pstore-0"]) == PRIVATE
    done = tree.run("submit")
    assert done.returncode == 0, done.stderr
    (upload,) = server.finished()
    sent = tree.members(upload["zip"])
    assert set(sent) == set(local)
    for member, data in sent.items():
        assert leaks(data) == {}, member
    # the spool's own is complete
    assert tree.members(tree.folder / "sent_logs" / name) == local
    # steamid is the API's own; stack and note are scrubbed
    fields = upload["fields"]
    assert fields["steamid"] == PRIVATE["steamid"]
    assert leaks({k: v for k, v in fields.items() if k != "steamid"}.__repr__()) == {}
    assert int(fields["dump_file_size"]) == upload["zip"].stat().st_size


def test_the_crash_stays_explained(tree, server):
    tree.config(POST_URL=server.url)
    (name,) = tree.collect()
    local = json.loads(tree.members(tree.folder / name)["report.json"])
    assert tree.run("submit").returncode == 0
    sent = tree.members(server.finished()[0]["zip"])
    report = json.loads(sent["report.json"])
    for key in ("title", "signature", "stack", "rip", "stacktraces", "kernel_release", "kind"):
        assert report["reports"][0].get(key) == local["reports"][0].get(key)
    assert report["collected"]["serial"].startswith("<serial-")
    assert report["collected"]["product"] == "Jupiter"
    log = sent["dmesg-pstore-0"].decode()
    assert log.count("\n") == private_log().count("\n")
    # one token a value, the same in all places
    host = log.split("Hostname set to <")[1].split(">.")[0]
    assert host.startswith("<host-") and f"] {host}: <ssid-1> of <user-" in log + ">"
    for line in panic_text(1).splitlines():
        assert line.replace("a@b", "<email-1>") in log or "Linux version" in line


def test_scrub_off_sends_the_report_itself(tree, server):
    tree.config(POST_URL=server.url, SCRUB="0")
    (name,) = tree.collect()
    content = (tree.folder / name).read_bytes()
    assert tree.run("submit").returncode == 0
    assert server.finished()[0]["zip"].read_bytes() == content


def test_a_machine_named_as_a_module_keeps_its_traces(tree, server):
    """A host called crashme, a user called vfs_write: the trace still says what crashed."""
    tree.write("proc/sys/kernel/hostname", "crashme\n")
    tree.write("etc/passwd", "vfs_write:x:1000:1000::/home/x:/bin/sh\n")
    tree.config(POST_URL=server.url)
    tree.collect()
    assert tree.run("submit").returncode == 0
    sent = tree.members(server.finished()[0]["zip"])
    log = sent["dmesg-pstore-0"].decode()
    assert "RIP: 0010:crash_it+0x5/0x10 [crashme]" in log and " vfs_write+0xb9/0x3f0" in log


def test_undecoded_records_and_strangers_stay_here(tree, server):
    tree.config(POST_URL=server.url)
    (name,) = tree.collect()
    with zipfile.ZipFile(tree.folder / name, "a") as z:
        z.writestr(f"dmesg-pstore.{stamp(TIME)}-1.enc.z", b"\x78\x9c" + PRIVATE["host"].encode())
        z.writestr(f"vmcore.{stamp(TIME)}", PRIVATE["host"])
        z.writestr("../../evil", PRIVATE["host"])
        z.writestr(f"dmidecode.{stamp(TIME)}-2", DMIDECODE.format(**PRIVATE))
        z.writestr(f"report.{stamp(TIME)}-2.html", "<html><style>a{}</style><pre>" + PRIVATE["host"])
    assert tree.run("submit").returncode == 0
    sent = tree.members(server.finished()[0]["zip"])
    assert set(sent) == {"dmesg-pstore-0", "crash_summary", "build", "version", "dmidecode",
                         "dmidecode-2", "report.json", "report.html", "report-2.html"}
    assert leaks(sent["dmidecode-2"]) == {} and b"Asset Tag: Not Specified" in sent["dmidecode-2"]
    assert leaks(sent["report.html"]) == {}
    assert sent["report-2.html"] == b"<html><style>a{}</style><pre>&lt;host-1&gt;"


def test_names_never_leave_the_state_folder(tree):
    (name,) = tree.collect()
    known = json.loads((tree.folder / "state/private.json").read_text())
    assert (tree.folder / "state/private.json").stat().st_mode & 0o777 == 0o600
    assert known["host"] == [PRIVATE["host"]] and known["user"] == ["deck", PRIVATE["user"]]
    assert known["ssid"] == [PRIVATE["ssid"]] and PRIVATE["disk"] in known["disk"]
    assert not any("private" in member for member in tree.members(tree.folder / name))


def test_networks_and_links_of_this_machine(tree, tmp_path):
    """What a network is called, whatever its file is; link addresses in the way that no form tells."""
    tree.write("var/lib/iwd/=" + "Gabe's Wlan\u00df".encode().hex() + ".psk", "")
    tree.write("var/lib/iwd/=zz.open", "")
    tree.write("var/lib/iwd/Cafe_3.open", "")
    connections = "etc/NetworkManager/system-connections/"
    tree.write(connections + "Home Office 1.nmconnection",
               "[connection]\nid=Home Office 1\n[wifi]\nssid=The Smiths\n[wifi-security]\npsk=topsecret\n")
    tree.write(connections + "x.nmconnection", "[wifi]\nssid=84;195;159;106;97;\n")
    tree.write("sys/class/net/wlan0/address", "3c:a9:f4:0b:cc:02\n")
    tree.write("sys/class/net/lo/address", "00:00:00:00:00:00\n")
    tree.write("sys/class/bluetooth/hci0/address", "00:1a:7d:da:71:13\n")
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n<6>[    1.000000] a Gabe's Wlan\u00df, Cafe_3, The Smiths, "
                "Home Office 1, T\u00dfja\n<6>[    1.000001] by 3ca9f40bcc02 and 001A7DDA7113, 000000000000\n"
                + panic_text(1))
    (name,) = tree.collect()
    known = json.loads((tree.folder / "state/private.json").read_text())
    assert set(known["ssid"]) == {PRIVATE["ssid"], "Gabe's Wlan\u00df", "Cafe_3", "Home Office 1", "The Smiths",
                                  "x", "T\u00dfja"}
    assert "topsecret" not in str(known) and "3c:a9:f4:0b:cc:02" in known["mac"]
    assert tree.run("report", "--as-sent", "-o", tmp_path / "s.zip", tree.folder / name).returncode == 0
    log = tree.members(tmp_path / "s.zip")["dmesg-pstore-0"].decode()
    names, links = log.splitlines()[:2]
    assert re.sub(r"-\d+>", ">", names) == "<6>[    1.000000] a <ssid>, <ssid>, <ssid>, <ssid>, <ssid>"
    assert re.sub(r"-\d+>", ">", links) == "<6>[    1.000001] by <mac> and <mac>, 000000000000"
    assert len(set(re.findall(r"<ssid-\d+>", names))) == 5
    assert len(set(re.findall(r"<mac-\d+>", links))) == 2
