# SPDX-License-Identifier: LGPL-2.1-or-later
"""What leaves the machine: nothing that names it or its people, and all that explains the crash."""

import html
import json
import pathlib
import re
import sys
import zipfile

import pytest

from test_backends import Sentry
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


# What is left of a value where a title has lost its digits.
FRAGMENTS = ("3c:a9:f4", "a9-f4-0b", "3f51-4c0e", "810d:1c40", "FVAA", "S5GXNF", "5f3c0a9be2", "johnny",
             "brick", "johnsons", "gaben", "0025385b0141", "MB-00", "BAT7", "192.168", "7656119")
PANICS = (
    "NFS: {host} lost {mac} for {user} at /home/{user}/x",
    "dev {uuid} of {HOST} is gone, tell {mail}",
    "VFS: Unable to mount root fs on \"LABEL={lower}\" or unknown-block(0,0)",
    "{dashes} and {mac}: {ip} {ip6} in {ssid}",
    "x {serial} {disk} {board} {battery} eui.{wwn} id {machine} {account} {steamid}",
)


def panic_with(words):
    words = words.format(**PRIVATE, lower=PRIVATE["host"].lower(), HOST=PRIVATE["host"].upper(),
                         dashes=PRIVATE["mac"].replace(":", "-"))
    return (f"<0>[  100.000001] Kernel panic - not syncing: {words}\n"
            "<4>[  100.000002] CPU: 0 PID: 1 Comm: init Not tainted 6.1.52-valve1 #1\n"
            "<4>[  100.000003] Call Trace:\n"
            "<4>[  100.000004]  <TASK>\n"
            "<4>[  100.000005]  dump_stack_lvl+0x5d/0x80\n"
            "<4>[  100.000006]  panic+0x116/0x2d0\n"
            "<4>[  100.000007]  mount_root_generic+0x1c1/0x330\n"
            "<4>[  100.000008]  </TASK>\n"
            f"<0>[  100.000009] ---[ end Kernel panic - not syncing: {words} ]---\n")


def fragments(data):
    data = (data.decode(errors="replace") if isinstance(data, bytes) else data).lower()
    return [fragment for fragment in FRAGMENTS if fragment.lower() in data]


@pytest.mark.parametrize("words", PANICS)
def test_a_panic_that_names_them_says_nothing(tree, tmp_path, words):
    """Its message is free text, becomes the title, and goes to the page and into events: names in it are
    hidden there, and in the rest of the log as well."""
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n" + LINES.format(**PRIVATE) + panic_with(words))
    (name,) = tree.collect()
    local = json.loads(tree.members(tree.folder / name)["report.json"])["reports"][0]
    assert fragments(local["title"]) != []
    with Sentry() as sentry:
        tree.config(SENTRY_DSN=sentry.dsn, POST_URL="")
        shown = tree.run("report", "--as-sent", "-o", tmp_path / "shown.zip", tree.folder / name)
        assert shown.returncode == 0, shown.stderr
        done = tree.run("submit")
        assert done.returncode == 0, done.stderr
        ((_, items),) = sentry.envelopes()
    sent = tree.members(tmp_path / "shown.zip")
    assert set(sent) >= {"dmesg-pstore-0", "crash_summary", "report.json", "report.html"}
    for member, data in sent.items():
        assert fragments(data) == [], member
    for header, body in items:
        assert fragments(body) == [], header
    report = json.loads(sent["report.json"])["reports"][0]
    assert report["title"].startswith("kernel panic: ") and "<" in report["title"]
    for key in ("signature", "crash_function", "stack", "kind", "first_line", "last_line"):
        assert report.get(key) == local.get(key)
    event = json.loads(items[0][1])
    assert event["exception"]["values"][0]["value"] == report["title"]
    assert event["fingerprint"] == [local["signature"]]
    title = html.escape(report["title"])
    assert f"<title>{title}" in sent["report.html"].decode()


def test_a_name_in_a_panic_does_not_leave_elsewhere(tree, tmp_path):
    """A word of the message is no name of code: it is hidden in all lines."""
    tree.write("proc/sys/kernel/hostname", "mydeck\n")
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n<6>[    0.500000] systemd[1]: mydeck hello\n"
                "<6>[    0.600000] systemd-logind[5]: New session 2 of user johnny.\n" +
                panic_with("NFS: mydeck cannot reach server for johnny"))
    (name,) = tree.collect()
    assert tree.run("report", "--as-sent", "-o", tmp_path / "s.zip", tree.folder / name).returncode == 0
    for member, data in tree.members(tmp_path / "s.zip").items():
        assert b"mydeck" not in data and b"johnny" not in data, member


@pytest.mark.parametrize("kernel", ["/etc/hostname", "/proc/sys/kernel/hostname"])
def test_the_hosts_name_in_any_spelling(tree, tmp_path, kernel):
    tree.write("proc/sys/kernel/hostname", "localhost\n")
    tree.write(kernel[1:], "Gabes-Box.fritz.box\n")
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n<6>[    1.000000] avahi: gabes-box.local GABES-BOX "
                "Gabes-Box.fritz.box (gabes-box) gabes-boxer\n" + panic_text(1))
    (name,) = tree.collect()
    assert tree.run("report", "--as-sent", "-o", tmp_path / "s.zip", tree.folder / name).returncode == 0
    sent = tree.members(tmp_path / "s.zip")
    for member, data in sent.items():
        assert b"gabes-box" not in data.lower().replace(b"gabes-boxer", b""), member
    assert b"gabes-boxer" in sent["dmesg-pstore-0"]


def test_versions_stay(tree, tmp_path):
    """Of the system and of the kernel, whatever they look like, and whatever is in them."""
    tree.write("proc/sys/kernel/hostname", "neptune\n")
    tree.write("etc/os-release", 'NAME="SteamOS"\nID=steamos\nVERSION_ID=3.7.20.1\nVERSION="3.7.20.1 (x)"\n'
               'BUILD_ID=20.24.1.1\nIMAGE_VERSION=10.0.2.15\nHOME_URL="https://10.0.0.9/"\n')
    release = "6.11.11-valve17-1-neptune-611"
    tree.record("dmesg-ramoops-0", "Panic#1 Part1\n<6>[    1.000000] hello neptune on 20.24.1.1\n" +
                panic_text(1, release))
    (name,) = tree.collect()
    assert tree.run("report", "--as-sent", "-o", tmp_path / "s.zip", tree.folder / name).returncode == 0
    sent = tree.members(tmp_path / "s.zip")
    report = json.loads(sent["report.json"])
    assert report["reports"][0]["kernel_release"] == release
    assert report["collected"]["build"] == "20.24.1.1" and report["collected"]["crashed_kernel"] == release
    assert sent["version"].decode().splitlines()[0] == release
    log = sent["dmesg-pstore-0"].decode()
    assert f"Not tainted {release} #1" in log and "hello <host-1> on 20.24.1.1" in log
    assert release in sent["report.html"].decode() and "20.24.1.1" in sent["report.html"].decode()
    assert sent["build"].decode() == (
        'NAME="SteamOS"\nID=steamos\nVERSION_ID=3.7.20.1\nVERSION="3.7.20.1 (x)"\n'
        'BUILD_ID=20.24.1.1\nIMAGE_VERSION=10.0.2.15\nHOME_URL="https://<ip-1>/"\n')


def test_the_cut_line_of_a_ring_buffer_stays_here(tree, tmp_path):
    """The console's record begins in mid-line: what is left of an address there has no form."""
    tree.write("sys/fs/pstore/console-ramoops-0", "a9:f4:0b:cc:01 by johnny\n[    5.000000] all of it\n")
    (name,) = tree.collect()
    assert b"johnny" in tree.members(tree.folder / name)["console"]
    assert tree.run("report", "--as-sent", "-o", tmp_path / "s.zip", tree.folder / name).returncode == 0
    assert tree.members(tmp_path / "s.zip")["console"] == b"[    5.000000] all of it\n"


def test_a_connection_too_long_to_be_read(tree):
    """Half a name is none: it would leave the other half in the report."""
    most = 64 << 10
    start, end = "[wifi]\nssid=The Smiths\n#", "\nssid=The Mil"
    tree.write("etc/NetworkManager/system-connections/y.nmconnection",
               start + "-" * (most - len(start) - len(end)) + end + "lers\n")
    tree.panic()
    tree.collect()
    known = json.loads((tree.folder / "state/private.json").read_text())["ssid"]
    assert "The Smiths" in known and not [name for name in known if name.startswith("The Mil")]


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
