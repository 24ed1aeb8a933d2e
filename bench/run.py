#!/usr/bin/env python3
"""run.py BUILD [PART...]: the benchmarks of `make bench`. Nothing is asserted, every figure is printed.

A ratio above 1 means that Millwright is ahead of the peer that ran beside it. Parts:

logistic  CPU time of one logistic regression on C-MAPSS FD001 (without it: made-up data), normalised
          alike for both; scikit-learn with the loosest tolerance that reaches the same loss
replay    a recording through the whole loop at full speed, with a deployed model, against messages of
          one such record each that a do-nothing subscriber gets from the same broker
engine    one inference of a 24-50-40-1 int8 perceptron
stream    durable appends and reads against plain inserts and selects with the same settings; medians
          of five rounds, whose disks are never equally busy
ledger    `millwright ledger` over a stream of 20 records and scores a device, for 1,000 and 100,000
          devices, against counts by device alone: SQL that groups, and a Python dict of sets
latency   from a record's publication to its command at the demo's load, alone and beside busy loops,
          against a message, two durable writes and the answer, in the same conditions
kafka     MQTT into a real Kafka: the bridge beside Telegraf, mq-bridge and who only counts (kafka.py)
demo      the figures of `millwright demo --once`, one minute; its latency beside a message and its answer
"""
import argparse
import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

import kafka
import latency
import replay

HERE = pathlib.Path(__file__).resolve().parent
SOURCE = HERE.parent
sys.path.insert(0, str(SOURCE / "examples"))
import figures  # noqa: E402

REPEATS = 21
HEAD = ["figure, and the peer beside it", "Millwright", "peer", "ratio"]


class Bench:
    def __init__(self, build, work, data):
        self.build, self.work, self.data = build, work, data
        self.millwright = build / "millwright"
        self.rows = []
        self.versions = {"mosquitto": version_of("/usr/sbin/mosquitto", "-h")}

    def run(self, *command):
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True, cwd=self.work)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: status {done.returncode}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def measure(self, *command):
        """What a command prints, its wall time and its peak memory. Asked by `time`, which is small: a
        child's peak begins with that of the process it was forked from."""
        report = self.work / "time"
        out = self.run("/usr/bin/time", "-f", "%e %M", "-o", report, *command)
        seconds, kib = report.read_text().split()
        return out, {"seconds": float(seconds), "mb": int(kib) / 1024}

    def program(self, name, *arguments):
        return json.loads(self.run(self.build / "bench" / f"bench_{name}", *arguments))

    def peer(self, name, *arguments):
        return json.loads(self.run(sys.executable, HERE / f"{name}_peer.py", *arguments))

    def add(self, figure, ours, unit, peer="", theirs=None, less_is_better=False):
        ratio = ""
        if theirs:
            ratio = f"{theirs / ours if less_is_better else ours / theirs:.2f}"
        self.rows.append([figure, show(ours, unit), "" if theirs is None else show(theirs, unit), ratio])
        if peer:
            self.rows.append([f"    {peer}", "", "", ""])

    def flush(self):
        """Prints the part that has just been measured."""
        if not self.rows:
            return
        print(figures.table(HEAD, self.rows), flush=True)
        print()
        self.rows = []


def version_of(program, flag):
    try:
        return subprocess.run([program, flag], capture_output=True, text=True).stdout.split()[2]
    except (OSError, IndexError):
        return "?"


def show(value, unit):
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
    return f"{value:,.{digits}f} {unit}"


def known_engines(bench):
    """Features and labels of FD001's engines 1 to 70, or numbers of the same shape."""
    path = bench.data / "cmapss" / "train_FD001.txt"
    if not path.exists():
        print(f"no {path}: made-up rows stand for FD001")
        rng = np.random.default_rng(1)
        x = rng.normal(0, 1, (14000, 24))
        return x, (x @ rng.normal(0, 1, 24) + rng.logistic(0, 1, 14000) > 4).astype(np.uint8)
    table = np.loadtxt(path)
    table = table[table[:, 0] <= 70]
    last = {engine: table[table[:, 0] == engine, 1].max() for engine in np.unique(table[:, 0])}
    left = np.array([last[engine] for engine in table[:, 0]]) - table[:, 1]
    return table[:, 2:], (left <= 30).astype(np.uint8)


def part_logistic(bench):
    x, label = known_engines(bench)
    deviation = x.std(axis=0)
    z = ((x - x.mean(axis=0)) / np.where(deviation > 1e-9, deviation, 1)).astype(np.float32)
    path = bench.work / "logistic.bin"
    path.write_bytes(np.array(z.shape, np.uint32).tobytes() + z.tobytes() + label.tobytes())
    l2 = 10
    ours = bench.program("logistic", path, l2, REPEATS)
    peer = bench.peer("logistic", path, l2, REPEATS, ours["loss"])
    bench.versions["scikit-learn"] = peer["version"]
    shape = f"logistic regression {z.shape[0]:,} x {z.shape[1]}"
    equal = peer["equal"]
    if equal:
        bench.add(f"{shape}, loss {ours['loss']:.8f}", ours["seconds"] * 1e3, "ms CPU",
                  f"scikit-learn lbfgs, tol {equal['tolerance']:g}, {equal['type']}, "
                  f"loss {equal['loss']:.8f}", equal["seconds"] * 1e3, True)
    bench.add("the same", ours["seconds"] * 1e3, "ms CPU",
              f"scikit-learn lbfgs, its defaults, loss {peer['default_loss']:.8f}",
              peer["default_seconds"] * 1e3, True)


def part_replay(bench):
    source = bench.data / "cmapss" / "train_FD001.txt"
    if not source.exists():
        print(f"no {source}: the part replay is left out")
        return
    result = replay.measure(bench, source)
    bench.versions["libmosquitto"] = result["peer"]["libmosquitto"]
    subscriber = f"do-nothing subscriber, QoS 1, a message a record of {result['peer']['bytes']} bytes"
    count = f"replay of {result['records']:,} records"
    bench.add(f"{count}: published, stored and scored", result["scored_rate"], "records/s", subscriber,
              result["peer"]["rate"])
    bench.add(f"{count}: published and stored", result["stored_rate"], "records/s", subscriber,
              result["peer"]["rate"])
    print(result["ledger"])


def part_engine(bench):
    x, label = known_engines(bench)
    names = [f"f{i}" for i in range(x.shape[1])]
    table, model, rows = bench.work / "engine.csv", bench.work / "engine.tflite", bench.work / "rows"
    np.savetxt(table, np.column_stack([x, label]), delimiter=",", comments="", fmt="%.7g",
               header=",".join([*names, "label"]))
    bench.run(bench.millwright, "train", "--data", table, "--label", "label", "--kind", "mlp",
              "--hidden", "50,40", "--epochs", 5, "--int8-auc-loss", -1, "--out", model)
    rows.write_bytes(x[::7].astype(np.float32).tobytes())
    ours = bench.program("engine", model, rows, 1.5)
    peer = bench.peer("engine", model, rows, 1.5)
    bench.versions["tflite-micro"] = peer["version"]
    if abs(ours["mean"] - peer["mean"]) > 1e-6:
        print(f"the mean scores differ: {ours['mean']} and {peer['mean']}")
    what = f"inference, 24-50-40-1 int8, {ours['memory']:,} bytes"
    bench.add(what, ours["us"], "us CPU", "tflite-micro, invoke() alone from Python", peer["us"], True)
    bench.add("the same, copies in and out included", ours["us"], "us CPU",
              "tflite-micro from Python, whole", peer["us_whole"], True)


def part_stream(bench):
    for batch, records in ((1, 2000), (64, 50000), (1000, 200000)):
        rounds = []
        for _ in range(5):
            with tempfile.TemporaryDirectory(dir=bench.work) as folder:
                rounds.append(bench.program("stream", folder, records, batch))
        r = rounds[0]
        for key in ("append", "append_plain", "read", "read_plain"):
            r[key] = statistics.median(one[key] for one in rounds)
        what = f"stream, {r['bytes']} bytes a record, {batch} a commit"
        bench.add(f"{what}: append", r["append"], "records/s", "SQLite, WAL, full sync: insert",
                  r["append_plain"])
        if batch > 1:
            bench.add(f"{what}: poll", r["read"], "records/s", "SQLite: select", r["read_plain"])
    bench.versions["SQLite"] = r["sqlite"]


def part_ledger(bench):
    records = 20
    for devices in (1000, 100000):
        with tempfile.TemporaryDirectory(dir=bench.work) as folder:
            made = bench.program("ledger", f"{folder}/data", devices, records)
            config = pathlib.Path(folder) / "plant.yaml"
            config.write_text("plant: bench\ndata: data\n")
            out, ours = bench.measure(bench.millwright, "ledger", "-c", config, "--json")
            peers = {how: bench.measure(sys.executable, HERE / "ledger_peer.py", how, f"{folder}/data/stream")
                     for how in ("sql", "dict")}
        account = json.loads(out)
        count = made["records"] + made["scores"]
        whole = {"devices": devices, "stored": made["records"], "scored": made["scores"]}
        for said in ({"devices": len(account["devices"]), "stored": account["total"]["stored"],
                      "scored": account["total"]["scored"]}, *(json.loads(peer[0]) for peer in peers.values())):
            if said != whole:
                print(f"the accounts differ: {said} and {whole}")
        what = f"ledger, {devices:,} devices, {count:,} records"
        for how, peer in (("sql", "SQLite: SELECT count(*), count(DISTINCT ..) GROUP BY key"),
                          ("dict", "Python: a dict of sets of numbers")):
            theirs = peers[how][1]
            bench.add(what, count / ours["seconds"], "records/s", peer, count / theirs["seconds"])
            bench.add(f"{what}: memory", ours["mb"], "MB", peer, theirs["mb"], True)


def part_latency(bench):
    for condition, result in latency.measure(bench).items():
        ours, peer = result["commands"], result["turns"]
        bench.versions["libmosquitto"] = peer["libmosquitto"]
        beside = "alone" if condition == "quiet" else f"beside {os.cpu_count()} busy loops"
        for part in ("p50", "p99", "max"):
            bench.add(f"record published to command received, {beside}, {ours['n']} commands, {part}",
                      ours[part], "ms",
                      "" if part != "max" else
                      f"libmosquitto: a message, two durable writes and the answer, {latency.TURNS} times",
                      peer[f"{part}_ms"], True)


def part_kafka(bench):
    kafka.print_part(bench)
    print()


def part_demo(bench):
    path = bench.work / "report.json"
    done = subprocess.run([bench.millwright, "demo", "--once", "--report", path],
                          capture_output=True, text=True, cwd=bench.work)
    if not path.exists():
        raise RuntimeError(f"millwright demo: status {done.returncode}: {done.stderr.strip()[-500:]}")
    report = json.loads(path.read_text())
    if done.returncode != 0:
        print(f"the loop of the demo did not close: {report.get('why')}")
    peer = replay.measure_turns(bench)
    bench.versions["libmosquitto"] = peer["libmosquitto"]
    took = report["latency_ms"]
    echo = "libmosquitto: a message and its answer, QoS 1,"
    for part in ("p50", "p99"):
        bench.add(f"demo: record published to command received, {part}", took[part], "ms",
                  f"{echo} {part}", peer[f"{part}_ms"], True)
    bench.add("demo: alarm and enough labels to the new model everywhere", report["loop_seconds"], "s")
    bench.add("demo: memory (PSS) of all processes, mosquitto apart", report["memory_mb"]["total"], "MB")


PARTS = {"logistic": part_logistic, "engine": part_engine, "stream": part_stream,
         "ledger": part_ledger, "replay": part_replay, "latency": part_latency, "kafka": part_kafka, "demo": part_demo}


def cpu_name():
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def main():
    parser = argparse.ArgumentParser(description="Prints the benchmarks.")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("part", nargs="*", metavar="PART", help=", ".join(PARTS))
    options = parser.parse_args()
    unknown = set(options.part) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}: {', '.join(PARTS)}")
    data = pathlib.Path(os.environ.get("MILLWRIGHT_DATA", SOURCE.parent / "shared" / "data"))
    failed = 0
    print(f"{os.cpu_count()} CPUs ({cpu_name()}), load {os.getloadavg()[0]:.2f} at the start")
    with tempfile.TemporaryDirectory(prefix="millwright-bench-") as work:
        bench = Bench(options.build.resolve(), pathlib.Path(work), data)
        for name in options.part or PARTS:
            start = time.monotonic()
            try:
                PARTS[name](bench)
                bench.flush()
            except (RuntimeError, replay.Failed, OSError) as error:
                print(f"{name}: {error}\n")
                failed = 1
        own = bench.run(bench.millwright, "--version").strip()
    others = ", ".join(f"{name} {text}" for name, text in sorted(bench.versions.items()))
    print(f"{own}; {others}, NumPy {importlib.metadata.version('numpy')}, Python "
          f"{platform.python_version()}, {platform.platform()}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
