#!/usr/bin/env python3
"""A full disk: said loudly, nothing acknowledged is lost, and work goes on when there is space.

The data folder lies on a file system of its own that the test fills to the last byte."""
import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from mqtt import Client
from plant import Plant, account, check, main, say, skip, wait

TEXT = """\
plant: full
data: %s
http: {port: 0}
time: {tolerance: off}
model: {kind: logistic, horizon: 4h}
commission: {records: 40}
level2: {share: 0.2, sketch_records: 20}
retrain: {minimum_records: 600, minimum_positives: 30}
rollout: {canary: 1, records: 2}
simulate: {machines: 2, seed: 3, interval: 10m, speed: 30000, until: 7d,
           fault_every: 12h, growth: 12h}
"""


def mount(size):
    if os.geteuid() != 0:
        skip("only root may mount a small file system")
    folder = tempfile.mkdtemp(prefix="mw-full-")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
                          capture_output=True, text=True)
    if done.returncode != 0:
        os.rmdir(folder)
        skip(f"no small file system can be mounted: {done.stderr.strip()}")

    def remove():
        subprocess.run(["umount", "-l", folder], check=False)
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def fill(path):
    """Until not one byte more can be written."""
    with open(path, "ab", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass


def kill(plant, role):
    """Kills a role and returns its pid. A thing that cannot write its outbox ends by itself and is
    started again, so it may have to be waited for."""
    while True:
        pid = plant.wait_role(role)
        try:
            os.kill(pid, signal.SIGKILL)
            return pid
        except ProcessLookupError:
            pass


class Press:
    """A thing of the test's own, whose outbox is in memory: it resends until acknowledged."""

    def __init__(self, plant):
        self.plant = plant
        self.made = 0
        self.next = 0
        self.client = None

    def connect(self):
        if self.client:
            self.client.close()
        self.client = Client(self.plant.broker(), "press-1")
        self.client.socket.settimeout(1)
        self.client.subscribe("mw/full/ack/press-1")

    def send(self):
        """All that waits, once more."""
        try:
            if self.client is None:
                self.connect()
            for seq in range(self.next, self.made):
                self.client.publish("mw/full/telemetry/press-1",
                                    {"v": 1, "device": "press-1", "boot": 1, "seq": seq,
                                     "time": time.time(), "features": {"a": seq}})
            for _, payload in self.client.heard:
                self.next = max(self.next, json.loads(payload)["next"])
            self.client.heard.clear()
        except (OSError, socket.timeout):
            self.client = None
        return self.next

    def stalls(self):
        """Makes more as long as all are acknowledged; true once some are not."""
        if self.send() == self.made:
            self.made += 50
            self.send()
        return self.next < self.made

    def add(self, n):
        self.made += n
        return wait(lambda: self.send() == self.made, f"{self.made} records to be acknowledged",
                    pause=0.2)


def disk_full(program):
    folder = mount("24m")
    plant = Plant(program, TEXT % os.path.join(folder, "data"))
    plant.data = os.path.join(folder, "data")
    filler = os.path.join(folder, "filler")
    plant.start()
    press = Press(plant)
    press.add(50)
    wait(lambda: plant.ledger()["total"]["stored"] > 500, "the first records")

    for round in range(2):
        at = len(plant.text())
        fill(filler)
        # What its files had in reserve may take a few records more.
        wait(lambda: press.stalls() and "intake paused" in plant.text()[at:],
             "the bridge to say that it cannot write", pause=0.1)
        check("full" in plant.text()[at:], f"the log does not say why:\n{plant.tail()}")
        say(f"full: {press.next} of {press.made} are acknowledged")
        if round == 1:  # and what is started on a full disk waits for space as well
            killed = {role: kill(plant, role) for role in ("bridge", "score", "thing", "learn")}
            for role, pid in killed.items():
                plant.wait_role(role, old=pid)
            fill(filler)  # what the killed ones had held
        os.unlink(filler)
        wait(lambda: press.send() == press.made, "all records to be acknowledged", pause=0.2)
        before = plant.ledger()["total"]["stored"]
        wait(lambda: plant.ledger()["total"]["stored"] > before + 50, "work to go on")
        plant.alive()

    if press.client:
        press.client.close()
    plant.stop()
    account(plant)
    rows = {row["device"]: row for row in plant.ledger()["devices"]}
    check(rows["press-1"]["stored"] == press.made, f"press-1: {rows['press-1']}")
    check(plant.text().count("batch not scored") < 10, "the scorer says the same again and again")
    plant.check_log()


if __name__ == "__main__":
    main(disk_full)
