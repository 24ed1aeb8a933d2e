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


def write(path, head, parts):
    with open(path, "w") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(["bearing", "fault"] + head)
        for name, fault, rows in parts:
            out.writerows([name, fault] + row for row in rows)


def report(options, data, work):
    made = {}
    for file, name, rate, fault in BEARINGS:
        made[name] = (fault, *level1(options, os.path.join(data, file), name, rate, work))
        loop.note(options, f"{name}: {made[name][1]['samples']} samples, "
                           f"{made[name][1]['windows']} windows")
    head = made["normal"][2]
    cut = {name: int(len(m[3]) * KNOWN) for name, m in made.items()}
    known, whole = os.path.join(work, "known.csv"), os.path.join(work, "all.csv")
    write(known, head, [(n, m[0], m[3][:cut[n]]) for n, m in made.items()])
    write(whole, head, [(n, m[0], m[3]) for n, m in made.items()])
    enough = {"retrain.minimum_records": sum(cut.values()),
              "retrain.minimum_positives": sum(c for n, c in cut.items() if made[n][0])}
    with loop.Plant(options, os.path.join(HERE, "plant.yaml"), work, enough) as plant:
        plant.replay([known])
        rollout = plant.wait_for_rollouts(1)[0]
        loop.note(options, f"{rollout['bundle'][:19]} is in service; replay of the rest")
        plant.replay([whole])
        scores = plant.wait_for_scores()
        line, ledger = loop.account(plant)
        loop.note(options, line)
    labels, values, rows, bearings = [], [], [], {}
    rms = head.index("vibration_rms")
    for name, (fault, counts, _, records) in made.items():
        live = [scores.get((name, i)) for i in range(cut[name], len(records))]
        if None in live:
            raise loop.Failed(f"{name}: {live.count(None)} records have no score")
        labels += [fault] * len(live)
        values += live
        bearings[name] = {"samples": counts["samples"], "windows": counts["windows"],
                          "scored": len(live), "mean_score": figures.mean(live)}
        rows.append([name, counts["samples"], counts["windows"], len(live),
                     figures.number(figures.mean([float(r[rms]) for r in records])),
                     figures.number(min(live)), figures.number(max(live))])
    auc = figures.roc_auc(labels, values)
    text = (f"CWRU: raw vibration, windows of {WINDOW} samples at 12 kHz, {counts['features']} features, "
            f"int8, in the loop\n\n"
            + figures.table(["bearing", "samples", "windows", "scored live", "mean RMS",
                             "least score", "most"], rows)
            + f"\n\nROC AUC of the {len(labels)} windows scored live: {figures.number(auc, 4)}. That "
              f"proves the path, not the model:\nthe RMS alone separates these files.")
    return {"example": "bearing", "roc_auc": auc, "bearings": bearings, "ledger": ledger,
            "text": text}


if __name__ == "__main__":
    sys.exit(loop.main(__doc__, "cwru", [b[0] for b in BEARINGS], report))
