# SPDX-License-Identifier: LGPL-2.1-or-later
"""A town's handhelds after a power cut, each with a report, against one server that cannot take all
at once. Time is simulated, the requests are real ones, and when a machine tries again says the
client's own code (test/harness/schedule.c) with its unit's timer.

A machine runs submit when early boot has made a report, as its units have it: at some time of its
first minutes, it waits for the server if that cannot be reached, and then goes by its timer. The server
takes a number of reports per second; others get 503 and Retry-After. Nobody may listen at first: the
power cut took the server's town, too, or the way to it.
"""

import collections
import heapq
import http.client
import io
import json
import random
import re
import subprocess
import urllib.parse
import zipfile

from tree import TOP

TIMER = TOP / "data/kdump-steamos-submit.timer"
SERVICE = TOP / "data/kdump-steamos-submit.service.in"
WAIT = TOP / "src/submit/wait.c"
UPTIME = 20  # seconds of a boot before the unit runs
BOOT = (20, 50)  # seconds after the power is back; flash memory of different age
WINDOW = 10  # seconds over which the server's capacity is counted
RETRY_AFTER = 60
UNITS = {"s": 1, "sec": 1, "min": 60, "h": 3600, "": 1}
FORM = {"steamid": "76561197960287930", "have_dump_file": "1", "product": "holo", "build": "1",
        "version": "6.1", "platform": "linux", "stack": "s", "note": "n", "format": "json"}
MOST_SECONDS = 2 * 86400


def small_report():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("crash_summary", "summary")
    return file.getvalue()


REPORT = small_report()


def timer_seconds(key):
    value, unit = re.search(rf"^{key}=(\d+)(\w*)$", TIMER.read_text(), re.MULTILINE).groups()
    return int(value) * UNITS[unit]


class Ours:
    """kdump-steamos: back-off with jitter per report, seen to by a timer with a random delay."""

    name = "kdump-steamos"
    behind = BOOT[1] + 300  # all have asked once

    def __init__(self, schedule):
        self.process = subprocess.Popen([schedule], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)
        self.boot, self.inactive, self.delay = map(
            timer_seconds, ("OnBootSec", "OnUnitInactiveSec", "RandomizedDelaySec"))
        self.network_tries = int(re.search(r"^ExecStart=.* --wait=(\d+)", SERVICE.read_text(),
                                           re.MULTILINE)[1])
        self.network_seconds = 60 * int(re.search(r"NETWORK_SECONDS = (\d+) \* 60", WAIT.read_text())[1])

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        assert self.process.wait() == 0

    def ask(self, words, choose):
        self.process.stdin.write(f"{words} {choose.getrandbits(32)}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def retry_delay(self, tries, retry_after, choose):
        return self.ask(f"{tries} {retry_after}", choose)

    def first(self, machine, choose):
        """The unit runs when so much of the boot is over."""
        machine.began = machine.booted + self.ask(f"first {UPTIME}", choose) / 1000
        return machine.began

    def unreachable(self, machine, now, choose):
        """submit --wait of the unit: a run that ends without a server is no failed try."""
        machine.waits += 1
        if machine.waits < self.network_tries and now < machine.began + self.network_seconds:
            return now + self.ask(f"wait {machine.waits}", choose) / 1000
        machine.waits = 0
        machine.began = self.next_run(machine, now, choose)
        return machine.began

    def next_run(self, machine, now, choose):
        """Of the timer; runs before a report's next try do nothing."""
        while True:
            elapsed = [now + self.inactive]
            if machine.booted + self.boot > now:
                elapsed.append(machine.booted + self.boot)
            now = min(elapsed) + choose.random() * self.delay
            if now >= machine.next_try:
                return now

    def failed(self, machine, now, retry_after, choose):
        machine.waits, machine.next_try = 0, now + self.retry_delay(machine.tries, retry_after, choose)
        machine.began = self.next_run(machine, now, choose)
        return machine.began


class Fixed:
    """A loop with a fixed sleep, whatever the server says."""

    behind = BOOT[1] + 30  # the first requests come as the machines boot

    def __init__(self, seconds):
        self.name, self.seconds = f"every {seconds} s", seconds

    def close(self):
        pass

    def failed(self, machine, now, retry_after, choose):
        return now + self.seconds

    def first(self, machine, choose):
        return machine.booted

    def unreachable(self, machine, now, choose):
        return now + self.seconds


class Machine:
    def __init__(self, booted):
        self.booted, self.tries, self.next_try = booted, 0, 0
        self.began, self.waits = booted, 0  # its run, and how often that found nobody


class Result:
    def __init__(self, starts, taken):
        self.starts, self.taken = starts, taken  # simulated seconds of the requests, and of the yes
        self.all_in = max(taken)

    def peak(self, seconds, behind=0):
        """The most requests in so many seconds, behind a time."""
        return max(collections.Counter(int(at // seconds) for at in self.starts
                                       if at >= behind).values(), default=0)


class Server:
    """The receiver, with the capacity that its faults give it for each window of time."""

    def __init__(self, receiver, per_second):
        self.receiver, self.allowed = receiver, round(per_second * WINDOW)
        self.window = None
        self.connection = http.client.HTTPConnection(receiver.address, receiver.port, timeout=20)
        self.path = urllib.parse.urlsplit(receiver.url).path

    def request(self, method, path, body, headers):
        self.connection.request(method, path, body=body, headers=headers)
        answer = self.connection.getresponse()
        return answer.status, answer.getheader("Retry-After"), answer.read()

    def post(self, action, fields):
        return self.request("POST", self.path.replace("ACTION", action),
                            urllib.parse.urlencode(fields),
                            {"Content-Type": "application/x-www-form-urlencoded"})

    def deliver(self, now, report):
        """None where it took it, or what it says about Retry-After (-1: nothing)."""
        if now // WINDOW != self.window:
            self.window = now // WINDOW
            self.receiver.set_faults(f"start:ok:{self.allowed}", "start:status:503",
                                     f"start:retry-after:{RETRY_AFTER}")
        status, after, body = self.post("Start", FORM | {"crash_time": str(report + 1),
                                                         "dump_file_size": str(len(REPORT))})
        if status != 200:
            assert status == 503, (status, body)
            return int(after or -1)
        to = json.loads(body)["response"]
        headers = {pair["name"]: pair["value"] for pair in to["headers"]["pairs"]}
        url = urllib.parse.urlsplit(to["url"])
        status, _, text = self.request("PUT", f"{url.path}?{url.query}", REPORT, headers)
        assert status == 200, text
        status, _, text = self.post("Finish", {"gid": to["gid"]})
        assert status == 200, text
        return None


def simulate(client, receiver, machines, per_second, seed=1, nobody_until=0):
    """A machine that finds nobody asks by a connection only, which no server sees."""
    choose = random.Random(seed)
    server = Server(receiver, per_second)
    fleet = [Machine(choose.uniform(*BOOT)) for _ in range(machines)]
    events = [(client.first(machine, choose), n) for n, machine in enumerate(fleet)]
    heapq.heapify(events)
    starts, taken = [], []
    while events:
        now, n = heapq.heappop(events)
        assert now < MOST_SECONDS, f"{len(events)} reports wait after two days"
        if now < nobody_until:
            heapq.heappush(events, (client.unreachable(fleet[n], now, choose), n))
            continue
        starts.append(now)
        retry_after = server.deliver(now, n)
        if retry_after is None:
            taken.append(now)
            continue
        fleet[n].tries += 1
        heapq.heappush(events, (client.failed(fleet[n], now, retry_after, choose), n))
    receiver.set_faults()
    return Result(starts, taken)
