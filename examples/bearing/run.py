"""Raw waveforms through level 1 (window, FFT, features) into the loop: the path, not the model."""

import csv
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.dirname(HERE))
import figures  # noqa: E402
import loop  # noqa: E402
import mat  # noqa: E402

WINDOW, HOP = 1024, 512
KNOWN = 0.6  # share of each recording that the model learns from
# File, name, samples a second, is there a fault. The normal bearing's file is at 48 kHz.
BEARINGS = [("97_Normal_0.mat", "normal", 48000, 0), ("105_0.mat", "inner-race", 12000, 1),
            ("118_0.mat", "ball", 12000, 1), ("130@6_0.mat", "outer-race", 12000, 1)]


def level1(options, source, name, rate, work):
    """Runs `millwright features` on the drive end's accelerometer."""
    arrays = mat.read(source)
    drive_end = next(k for k in arrays if k.endswith("DE_time"))
    samples, records = (os.path.join(work, f"{name}-{what}.csv") for what in ("samples", "records"))
    with open(samples, "w") as file:
        file.write("vibration\n" + "\n".join(f"{v:.9g}" for v in arrays[drive_end]) + "\n")
    words = ["features", "--rate", str(rate), "--window", str(WINDOW), "--hop", str(HOP),
             "--decimate", str(rate // 12000), samples, "--out", records, "--json"]
    done = subprocess.run([options.millwright, *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise loop.Failed(f"millwright features: {done.stderr.strip()}")
    with open(records) as file:
        rows = list(csv.reader(file))
    return json.loads(done.stdout), rows[0], rows[1:]


def in_turn(made):
    """(bearing, its record) for all records, as if the stand ran with each bearing for a moment."""
    places = sorted((i / len(m[3]), name, i) for name, m in made.items() for i in range(len(m[3])))
    return [(name, i) for _, name, i in places]


def write(path, head, made, order):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["fault"] + head[1:])
        out.writerows([made[name][0]] + made[name][3][i][1:] for name, i in order)


def report(options, data, work):
    made = {}
    for file, name, rate, fault in BEARINGS:
        made[name] = (fault, *level1(options, os.path.join(data, file), name, rate, work))
        loop.note(options, f"{name}: {made[name][1]['samples']} samples, "
                           f"{made[name][1]['windows']} windows")
    head = made["normal"][2]
    order = in_turn(made)
    cut = int(len(order) * KNOWN)
    known, whole = (os.path.join(work, folder, "stand.csv") for folder in ("known", "all"))
    write(known, head, made, order[:cut])
    write(whole, head, made, order)
    enough = {"retrain.minimum_records": cut,
              "retrain.minimum_positives": sum(made[name][0] for name, _ in order[:cut])}
    with loop.Plant(options, os.path.join(HERE, "plant.yaml"), work, enough) as plant:
        plant.replay([known])
        rollout = plant.wait_for_rollouts(1)[0]
        loop.note(options, f"{rollout['bundle'][:19]} is in service; replay of the rest")
        plant.replay([whole])
        scores = plant.wait_for_scores()
        line, ledger = loop.account(plant)
        loop.note(options, line)
    live = [scores.get(("stand", row)) for row in range(cut, len(order))]
    if None in live:
        raise loop.Failed(f"{live.count(None)} records have no score")
    labels = [made[name][0] for name, _ in order[cut:]]
    rms = head.index("vibration_rms")
    rows, bearings = [], {}
    for name, (_, counts, _, records) in made.items():
        own = [s for s, (n, _) in zip(live, order[cut:]) if n == name]
        bearings[name] = {"samples": counts["samples"], "windows": counts["windows"],
                          "scored": len(own), "mean_score": figures.mean(own)}
        rows.append([name, counts["samples"], counts["windows"], len(own),
                     figures.number(figures.mean([float(r[rms]) for r in records])),
                     figures.number(min(own)), figures.number(max(own))])
    auc = figures.roc_auc(labels, live)
    text = (f"CWRU: raw vibration, windows of {WINDOW} samples at 12 kHz, {counts['features']} "
            f"features, int8, in the loop\n\n"
            + figures.table(["bearing", "samples", "windows", "scored live", "mean RMS",
                             "least score", "most"], rows)
            + f"\n\nROC AUC of the {len(labels)} windows scored live: {figures.number(auc, 4)}. That "
              f"proves the path, not the model:\nthe RMS alone separates these files.")
    return {"example": "bearing", "roc_auc": auc, "bearings": bearings, "ledger": ledger,
            "text": text}


if __name__ == "__main__":
    sys.exit(loop.main(__doc__, "cwru", [b[0] for b in BEARINGS], report))
