"""From a record's publication to the command that it caused, on a plant of the demo's load.

The simulated things measure it themselves, from the record handed to the broker's connection to the
command read from it: two trips through the broker and two appends that are on disk before anybody is
told. The demo sends some 70 commands, whose 99th percentile is their maximum; this plant's policy
answers every record of a failing motor, and nothing stops, so that there are ten times as many."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import replay

SECONDS = 30   # of each condition
TURNS = 1000   # of the peer, in each condition
PAUSE_MS = 10  # between two of them: the disk and the broker are as idle as the plant leaves them

# cli/demo.c has the same plant, but for its policy and its world that changes.
PLANT = """plant: latency
data: data
http: {port: 0}
time: {tolerance: off}
model: {kind: mlp, hidden: [16], horizon: 4h, seed: 1}
commission: {records: 144}
level2: {share: 0.2, sketch_records: 36}
action: {impending: note, immediate: note, expires: 1s, confirm: 1}
watch: {window: 144, minimum: 144, psi: 0.3, cooldown: 576}
retrain: {on_drift: false, minimum_records: 12000, minimum_positives: 400}
rollout: {canary: 1, records: 4}
simulate: {machines: 8, seed: 1, interval: 10m, speed: 12000, until: 14d,
           fault_every: 16h, growth: 24h}
"""


@contextlib.contextmanager
def busy(n):
    """n programs beside that only compute, at the priority that programs have."""
    loops = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(n)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def told(plant):
    """What the things say of themselves; nothing while the file is not there."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads(pathlib.Path(plant.folder, "data", "run", "thing.json").read_text())
    return {}


def start_counting(plant):
    """A new process of the things has counted nothing yet."""
    before = told(plant)["pid"]
    os.kill(before, signal.SIGTERM)
    plant.wait("things to start again",
               lambda: told(plant).get("pid", before) != before and told(plant)["paced"])


def commands(plant, seconds):
    """The figures of the commands that come in so many seconds."""
    start_counting(plant)
    time.sleep(seconds)
    return told(plant)["latency_ms"]


def turns(bench):
    """A message, two writes that are on disk, and the answer: what any such loop has to do."""
    payload = bench.work / "payload"
    payload.write_text("x" * 500)
    with replay.plain_broker(bench.work) as broker:
        return bench.program("mqtt_peer", *broker, payload, TURNS, bench.work / "durable", PAUSE_MS)


def measure(bench, seconds=SECONDS):
    """{"quiet": {"commands": {n, p50, p99, max}, "turns": {p50_ms, ...}}, "loaded": ...}, in ms."""
    template = bench.work / "latency.yaml"
    template.write_text(PLANT)
    conditions = {"quiet": 0, "loaded": os.cpu_count()}
    results = {}
    with replay.Plant(replay.Options(bench.millwright), template, str(bench.work / "latency"),
                      {}) as plant:
        plant.wait("model on every thing", lambda: told(plant).get("paced") and all(
            device["bundle"] for device in told(plant)["devices"].values()), 120)
        for name, n in conditions.items():
            with busy(n):
                results[name] = {"commands": commands(plant, seconds)}
    for name, n in conditions.items():
        with busy(n):
            results[name]["turns"] = turns(bench)
    return results
