"""Each experiment's first 400 rows commission a pump and teach its autoencoder; the rest is scored
live by that model."""

import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import figures  # noqa: E402
import loop  # noqa: E402

FOLDERS = ("valve1", "valve2", "other")
KNOWN = 400     # as commission.records in plant.yaml
CONFIRM = 5     # seconds in a row at or above 0.5 that make an alarm
NEAR = 30       # records around a change point in which an alarm belongs to it
ELSEWHERE = {"mean": 0.881, "pooled": 0.872, "mean_after": 0.80}


class Experiment:
    """One file: its lines, and the columns that only the report reads."""

    def __init__(self, path, name):
        self.path, self.name = path, name
        with open(path) as file:
            self.lines = file.read().splitlines()
        names = self.lines[0].split(";")
        columns = [names.index(c) for c in ("anomaly", "changepoint")]
        rows = [line.split(";") for line in self.lines[1:]]
        self.labels = [int(float(row[columns[0]])) for row in rows]
        self.changes = [i for i, row in enumerate(rows) if float(row[columns[1]]) == 1]
        self.scores = []


def find(data, wanted):
    found = []
    for folder in FOLDERS:
        for file in sorted(os.listdir(os.path.join(data, folder)),
                           key=lambda f: int(f.split(".")[0])):
            name = f"{folder}-{file.split('.')[0]}"
            if not wanted or name in wanted:
                found.append(Experiment(os.path.join(data, folder, file), name))
    if not found:
        raise loop.Failed("no such experiment")
    return found


def prepare(experiments, work):
    """First rows, and whole files under the same names: a file's name is the device's."""
    known, whole = [], []
    for folder in ("known", "all"):
        os.makedirs(os.path.join(work, folder), exist_ok=True)
    for e in experiments:
        known.append(os.path.join(work, "known", e.name + ".csv"))
        whole.append(os.path.join(work, "all", e.name + ".csv"))
        with open(known[-1], "w") as file:
            file.write("\n".join(e.lines[:KNOWN + 1]) + "\n")
        if not os.path.lexists(whole[-1]):
            os.symlink(e.path, whole[-1])
    return known, whole


def score_again(plant, experiment, bundle, work):
    """Scores of the rows that the model was made from, by the deployed model itself."""
    model = plant.model_file(bundle, os.path.join(work, experiment.name + ".tflite"))
    rows = "\n".join(experiment.lines[:KNOWN + 1]) + "\n"
    done = subprocess.run([plant.options.millwright, "predict", model], input=rows,
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise loop.Failed(f"predict: {done.stderr.strip()}")
    return [float(line) for line in done.stdout.split()]


def run(options, experiments, work):
    known, whole = prepare(experiments, work)
    loop.note(options, f"millwright up, replay of {len(experiments)} pumps' first {KNOWN} records")
    with loop.Plant(options, os.path.join(HERE, "plant.yaml"), work) as plant:
        plant.replay(known)
        rollouts = plant.wait_for_rollouts(len(experiments), limit=30 + 5 * len(experiments))
        loop.note(options, f"{len(rollouts)} models are in service, one a pump; replay of the rest")
        plant.replay(whole)  # goes on behind what is stored already
        scores = plant.wait_for_scores()
        bundles = {r["machine"]: r["bundle"] for r in rollouts}
        for e in experiments:
            e.scores = score_again(plant, e, bundles[e.name], work)
            e.scores += [scores.get((e.name, i)) for i in range(KNOWN, len(e.labels))]
            if None in e.scores:
                raise loop.Failed(f"{e.name}: {e.scores.count(None)} records have no score")
        line, ledger = loop.account(plant)
        loop.note(options, line)
    return ledger


def alarming(scores):
    """Records scored live at which an alarm is on."""
    return {i for i in range(KNOWN + CONFIRM - 1, len(scores))
            if min(scores[i - CONFIRM + 1:i + 1]) >= 0.5}


def judge(e):
    on = alarming(e.scores)
    begun = [i for i in on if i - 1 not in on]
    changes = [c for c in e.changes if c >= KNOWN]
    start = next((i for i in range(KNOWN, len(e.labels)) if e.labels[i] == 1), None)
    return {"experiment": e.name, "roc_auc": figures.roc_auc(e.labels, e.scores),
            "roc_auc_after": figures.roc_auc(e.labels[KNOWN:], e.scores[KNOWN:]),
            "change_points": changes,
            "change_points_met": [c for c in changes if any(abs(i - c) <= NEAR for i in begun)],
            "alarms": len(begun), "false_alarms": sum(e.labels[i] == 0 for i in begun),
            "delay": min((i - start for i in on if start is not None and i >= start),
                         default=None)}


def report(options, data, work):
    experiments = find(data, options.only.split(",") if options.only else None)
    ledger = run(options, experiments, work)
    each = [judge(e) for e in experiments]
    labels = [y for e in experiments for y in e.labels]
    scores = [s for e in experiments for s in e.scores]
    later = [(y, s) for e in experiments for y, s in list(zip(e.labels, e.scores))[KNOWN:]]
    sums = {"mean": figures.mean([r["roc_auc"] for r in each]),
            "pooled": figures.roc_auc(labels, scores),
            "mean_after": figures.mean([r["roc_auc_after"] for r in each]),
            "pooled_after": figures.roc_auc(*zip(*later))}
    rows = [[r["experiment"], figures.number(r["roc_auc"]), figures.number(r["roc_auc_after"]),
             f"{len(r['change_points_met'])} of {len(r['change_points'])}",
             "-" if r["delay"] is None else r["delay"], r["false_alarms"]] for r in each]
    changes = sum(len(r["change_points"]) for r in each)
    met = sum(len(r["change_points_met"]) for r in each)
    seen = [r["delay"] for r in each if r["delay"] is not None]
    totals = [["mean over experiments", figures.number(sums["mean"]),
               figures.number(sums["mean_after"])],
              ["  seen elsewhere", ELSEWHERE["mean"], figures.number(ELSEWHERE["mean_after"], 2)],
              ["pooled over all records", figures.number(sums["pooled"]),
               figures.number(sums["pooled_after"])],
              ["  seen elsewhere", ELSEWHERE["pooled"], "-"]]
    text = (f"SKAB: {len(each)} pumps, each with its own 8-5-8 autoencoder, int8, in the loop\n\n"
            + figures.table(["experiment", "AUC all", "AUC live", "change points", "delay, records",
                             "false alarms"], rows) + "\n\n"
            + figures.table(["", "AUC all", "AUC live"], totals)
            + f"\n\nlive: behind the {KNOWN} records that taught the model. all: with those, which the "
              f"deployed\nmodel scored afterwards ('millwright predict').\n"
              f"An alarm is {CONFIRM} records in a row of at least 0.5. Of {changes} marked change "
              f"points {met} have one\nwithin {NEAR} records; {len(seen)} of {len(each)} faults were "
              f"seen, {figures.median(seen) if seen else '-'} records after their start (median). False: "
              f"began while\nthe record's label was normal.")
    return {"example": "pump", "elsewhere": ELSEWHERE, **sums, "experiments": each,
            "change_points": changes, "change_points_met": met, "ledger": ledger, "text": text}


if __name__ == "__main__":
    sys.exit(loop.main(__doc__, "skab", FOLDERS, report, [
        (("--only",), {"help": "experiments, e.g. valve1-0,other-5; all when left out"})]))
