#!/usr/bin/env python3
"""Each role in a folder of its own, as the pods of a cluster are: they share the stream, the broker
and the registry; the things only the broker, and the root that they were enrolled with. A first model and then a second one reach the scorer and the things, and no
process is started anew."""
import json
import os
import shutil
import signal
import subprocess
import sys

from registry import Registry, free_port

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "loop"))
from plant import Plant, check, main, say, wait  # noqa: E402

ROLES = ("bridge", "score", "watch", "learn", "serve", "thing")
MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 0
user root
"""
TEXT = """\
plant: apart
data: {role}
broker: {{url: 'mqtt://127.0.0.1:{port}'}}
stream: {{url: 'sqlite:{folder}/stream'}}
artifacts: {{registry: '{registry}'}}
http: {{port: 0}}
time: {{tolerance: off}}
model: {{kind: logistic, horizon: 4h}}
commission: {{records: 40}}
level2: {{share: 0.2, sketch_records: 20}}
retrain: {{minimum_records: 600, minimum_positives: 30, every: 400, minimum_gain: -1}}
rollout: {{canary: 1, records: 2}}
simulate: {{machines: 4, seed: 3, interval: 10m, speed: 30000, until: 7d,
           fault_every: 12h, growth: 12h}}
"""


class Apart(Plant):
    """The roles and their broker; what plant.py asks of a plant is asked of the bridge's folder."""

    def __init__(self, program):
        super().__init__(program, "")
        self.registry = Registry()
        self.port = free_port()
        self.role = {}
        self.data = os.path.join(self.folder, "bridge")
        for role in ROLES:
            with open(self.file(role), "w") as file:
                file.write(TEXT.format(role=role, port=self.port, folder=self.folder,
                                       registry=self.registry.url("plants/apart")))
        self.config = self.file("bridge")
        with open(os.path.join(self.folder, "mosquitto.conf"), "w") as file:
            file.write(MOSQUITTO.format(port=self.port))
        self.launch("mosquitto", "/usr/sbin/mosquitto", "-c",
                    os.path.join(self.folder, "mosquitto.conf"))
        for role in ROLES:
            if role == "thing":
                self.enroll()
            self.launch(role, self.program, role, "-c", self.file(role))

    def file(self, role):
        return os.path.join(self.folder, role + ".yaml")

    def enroll(self):
        """The things get the plant's root, and know of no registry."""
        root = os.path.join(self.folder, "learn", "artifacts", "metadata", "1.root.json")
        own = os.path.join(self.folder, "thing", "things")
        wait(lambda: self.all_live() or os.path.exists(root), "the first signed metadata")
        os.makedirs(own)
        shutil.copy(root, os.path.join(own, "root.json"))
        with open(self.file("thing")) as file:
            lines = [line for line in file if not line.startswith(("artifacts:", "stream:"))]
        with open(self.file("thing"), "w") as file:
            file.writelines(lines)

    def launch(self, name, *words):
        with open(self.log, "ab") as log:
            self.role[name] = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log,
                                               stderr=log, cwd=self.folder)

    def all_live(self):
        ended = {name for name, one in self.role.items() if one.poll() is not None}
        check(not ended, f"ended: {ended}\n{self.tail()}")

    def end(self):
        """The things first, then who takes what they send."""
        for name in ("thing", "serve", "learn", "watch", "score", "bridge", "mosquitto"):
            one = self.role.get(name)
            if one is not None and one.poll() is None:
                one.send_signal(signal.SIGTERM)
                check(one.wait(30) == 0 or name == "mosquitto", f"{name}: {one.returncode}")

    def close(self):
        for one in getattr(self, "role", {}).values():
            if one.poll() is None:
                one.kill()
                one.wait()
        super().close()


def bundles(plant, living=True):
    """Those that scores were made with, in order."""
    if living:
        plant.all_live()
    found = []
    for record in plant.stream("score"):
        model = record["value"]["model"]
        if record["value"]["level"] == 3 and model not in found:
            found.append(model)
    return found


def reported(plant):
    """What the things say that they run."""
    with open(os.path.join(plant.folder, "thing", "run", "thing.json")) as file:
        return {device["bundle"] for device in json.load(file)["devices"].values()}


def has(plant, role, digest):
    return os.path.exists(os.path.join(plant.folder, role, "artifacts", "blobs",
                                       *digest.split(":")))


def models_travel_by_the_registry(program):
    plant = Apart(program)
    wait(lambda: len(bundles(plant)) >= 2, "scores of a second model", 240, 0.5)
    first, second = bundles(plant)[:2]
    wait(lambda: bundles(plant)[-1] in reported(plant), "the things to run the newest", 120, 0.2)
    for role in ("score", "bridge", "learn"):
        check(has(plant, role, first) and has(plant, role, second), f"{role} never had them")
    tags = json.loads(plant.registry.get("plants/apart/tags/list"))["tags"]
    check(sorted(tags) == ["metadata", "plant"], f"{tags}")
    plant.all_live()
    plant.end()
    account_of(plant)
    say(f"{len(bundles(plant, False))} models have scored, {len(reported(plant))} are on things")
    plant.check_log()


def account_of(plant):
    done = plant.run("ledger", "-c", plant.config, "--json", status=None)
    ledger = json.loads(done.out)
    check(done.returncode == 0 and ledger["balanced"] and ledger["total"]["missing"] == 0 and
          ledger["total"]["doubled"] == 0, f"{ledger}")
    check(ledger["total"]["scored"] > 100, f"{ledger['total']}")


if __name__ == "__main__":
    main(models_travel_by_the_registry)
