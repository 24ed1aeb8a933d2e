#!/usr/bin/env python3
"""check.py MILLWRIGHT: the engine and what the trainer writes, under independent judges.

1. The committed golden files: tflite-micro has to give the recorded bits again.
2. Models that `millwright train` makes here, of every kind, from made-up data and, where the data sets
   are, from C-MAPSS FD001: `millwright predict` has to print the very numbers of tflite-micro. How far
   ai-edge-litert is from them is printed; it rounds otherwise, so nothing is demanded of it.

The last line reads 'N passed, N failed, N skipped'.
"""
import csv
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parent / "golden"
DATA = pathlib.Path(os.environ.get("MILLWRIGHT_DATA", HERE.parents[2] / "shared" / "data"))
KINDS = {
    "logistic": [],
    "mlp": ["--hidden", "50,40", "--epochs", "20"],
    "autoencoder": ["--hidden", "5", "--epochs", "20"],
}
LIMIT = 300  # seconds for any one program


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, good):
        self.passed += bool(good)
        self.failed += not good


def run(command, text=None):
    done = subprocess.run([str(c) for c in command], input=text, capture_output=True, text=True,
                          timeout=LIMIT)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"{pathlib.Path(str(command[0])).name}: status {done.returncode}: {last}")
    return done.stdout


def check_golden(count):
    pairs = []
    for golden in sorted(GOLDEN.glob("*/*.golden")):
        model = golden.with_suffix(".tflite")
        if golden.parent.name == "public":
            model = DATA / "models" / model.name
        if model.exists():
            pairs.append(f"{golden}={model}")
        else:
            print(f"skipped: {golden.name}: no {model.name} in {model.parent}")
            count.skipped += 1
    done = subprocess.run([sys.executable, HERE / "run_golden.py", *pairs], capture_output=True,
                          text=True, timeout=LIMIT)
    answers = dict(line.split("\t") for line in done.stdout.splitlines())
    for pair in pairs:
        golden = pair.split("=", 1)[0]
        answer = answers.get(golden, "the judge ended before it")
        if answer != "equal":
            print(f"{golden}: {answer}")
        count.add(answer == "equal")
    equal = sum(a == "equal" for a in answers.values())
    print(f"golden files: tflite-micro gives the recorded bits of {equal} of {len(pairs)}")


def made_up(rng):
    """Eight features of six machines; two matter, by their product; one never changes."""
    machines, each = 6, 400
    n = machines * each
    machine, time = np.repeat(np.arange(machines), each), np.tile(np.arange(each), machines)
    scale = np.array([1e-3, 0.1, 1, 5, 40, 1000, 1e5, 0])
    mean = np.array([0, 2, -1, 10, 300, 0, 4e5, 7])
    z = rng.normal(0, 1, (n, 8))
    label = (z[:, 1] + z[:, 1] * z[:, 4] - 0.8 * z[:, 2] + rng.normal(0, 0.5, n) > 1.2).astype(int)
    return machine, time, z * scale + mean, label


def fd001():
    rows = np.loadtxt(DATA / "cmapss" / "train_FD001.txt")
    machine, time = rows[:, 0].astype(int), rows[:, 1].astype(int)
    last = np.array([time[machine == m].max() for m in machine])
    known = machine <= 70
    parts = machine[known], time[known], rows[known, 2:], (last - time <= 30).astype(int)[known]
    return parts, rows[~known, 2:]


def write_rows(path, machine, time, features, label):
    names = [f"f{i}" for i in range(features.shape[1])]
    with open(path, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["machine", "time", *names, "label"])
        for row in zip(machine, time, features.astype(np.float32).tolist(), label):
            table.writerow([row[0], row[1], *row[2], row[3]])


def far_off(rng, features):
    """What a model may meet: rows like those it learned from, far ones, zeros and a sensor gone mad.

    A million deviations is as far as the reference kernels are defined: beyond, the quantized value no
    longer fits int32 before it is clamped, and what comes out depends on the processor.
    """
    mean, spread = features.mean(axis=0), features.std(axis=0) + 1e-3
    far = mean + rng.normal(0, 30, (200, features.shape[1])) * spread
    edges = [np.zeros(features.shape[1]), np.full(features.shape[1], 1e-40), mean + 1e6 * spread,
             mean - 1e6 * spread]
    return np.vstack([features[:2000], far, edges]).astype(np.float32)


def bits(lines):
    return np.array([[float(x) for x in line.split(",")] for line in lines.split()], dtype=np.float32)


def compare(millwright, model, rows, work):
    """Rows whose bits differ from tflite-micro's, and the largest distance of ai-edge-litert."""
    numbers = "".join(",".join(repr(x) for x in row) + "\n" for row in rows.tolist())
    names = ",".join(f"f{i}" for i in range(rows.shape[1])) + "\n"
    inputs = work / "inputs.csv"
    inputs.write_text(numbers)
    ours = bits(run([millwright, "predict", model], names + numbers))
    judge = [sys.executable, HERE / "run_judge.py", "--judge"]
    micro = bits(run([*judge, "tflite-micro", model, inputs]))
    litert = bits(run([*judge, "ai-edge-litert", model, inputs]))
    if ours.shape != micro.shape or len(ours) != len(rows):
        raise RuntimeError(f"{len(rows)} rows in, {ours.shape} out, tflite-micro {micro.shape}")
    differ = (ours.view(np.uint32) != micro.view(np.uint32)).any(axis=1)
    away = np.abs(litert - ours)
    return int(differ.sum()), float(away.max()), int((away > 0).any(axis=1).sum()), ours


def check_trained(count, millwright, name, parts, rows, work):
    table = work / f"{name}.csv"
    write_rows(table, *parts)
    for kind, options in KINDS.items():
        model = work / f"{name}-{kind}.tflite"
        label = [] if kind == "autoencoder" else ["--label", "label"]
        features = ",".join(f"f{i}" for i in range(rows.shape[1]))
        try:
            run([millwright, "train", "--data", table, *label, "--machine", "machine", "--time",
                 "time", "--features", features, "--kind", kind, *options, "--out", model])
            differ, furthest, away, scores = compare(millwright, model, rows, work)
        except (RuntimeError, subprocess.TimeoutExpired) as error:
            print(f"{name}, {kind}: {error}")
            count.add(False)
            continue
        same_everywhere = len(np.unique(scores)) < 10
        print(f"{name}, {kind}: {len(rows)} rows, "
              f"{'equal bits with' if differ == 0 else f'{differ} rows differ from'} tflite-micro; "
              f"ai-edge-litert: {away} rows differ, by {furthest:.6f} at most"
              f"{'; it gives the same score everywhere' if same_everywhere else ''}")
        count.add(differ == 0 and not same_everywhere)


def main():
    millwright = pathlib.Path(sys.argv[1]).resolve()
    count = Count()
    rng = np.random.default_rng(1)
    check_golden(count)
    with tempfile.TemporaryDirectory(prefix="millwright-") as folder:
        work = pathlib.Path(folder)
        parts = made_up(rng)
        check_trained(count, millwright, "made-up data", parts, far_off(rng, parts[2]), work)
        if (DATA / "cmapss" / "train_FD001.txt").exists():
            parts, rows = fd001()
            check_trained(count, millwright, "FD001", parts, far_off(rng, rows), work)
        else:
            print(f"skipped: FD001: no cmapss/train_FD001.txt in {DATA}")
            count.skipped += len(KINDS)
    print(f"{count.passed} passed, {count.failed} failed, {count.skipped} skipped")
    return 0 if count.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
