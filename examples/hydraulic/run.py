"""The hydraulic rig's cycles: three faults predicted on blocks that were held out, and the cooler's
steps seen by the watch."""

import os
import random
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.dirname(HERE))
import figures  # noqa: E402
import loop  # noqa: E402
import rig as rigs  # noqa: E402

NAMES = {"cooler_fails": "cooler close to failure", "valve_lags": "valve lag",
         "accumulator_leaks": "accumulator leaking"}
ELSEWHERE = {"cooler_fails": {"roc_auc": 0.999},
             "valve_lags": {"shuffled_accuracy_forest": 0.84},
             "accumulator_leaks": {"shuffled_accuracy_forest": 0.92}}
NEAR = 40  # cycles between a step and the onset that an alarm gives it: less than half a window
# Where the watched run pauses until the loop has done its part: behind a first stretch with lagging
# valves, and behind stretches with them after each step of the cooler.
STAGES = (700, 1430, 2205)


def as_list(names):
    return "[" + ", ".join(names) + "]"


def settings(rig, finding, cycles):
    """Of plant.yaml, for one finding learned from these cycles."""
    used = rigs.FEATURES[finding]
    start = next(row for row, i in enumerate(cycles) if i >= rigs.STEPS[1])
    return {"model.features": as_list(used), "columns.features": as_list(used),
            "columns.finding": finding, "commission.from": start,
            "retrain.minimum_records": len(cycles),
            "retrain.minimum_positives": sum(rig.labels[finding][i] for i in cycles)}


def fold(options, rig, finding, number, work):
    """One pass of the loop: learns, deploys, scores the held-out blocks live."""
    known, held = rig.folds()[number]
    folder = os.path.join(work, f"{finding}-{number + 1}")
    paths = [os.path.join(folder, name, "rig.csv") for name in ("known", "all")]
    rig.write(paths[0], known)
    rig.write(paths[1], known + held)
    with loop.Plant(options, os.path.join(HERE, "plant.yaml"), folder,
                    settings(rig, finding, known)) as plant:
        plant.replay([paths[0]])
        plant.wait_for_rollouts(1)
        plant.replay([paths[1]])
        scores = plant.wait_for_scores()
        live = [scores.get(("rig", len(known) + i)) for i in range(len(held))]
        if None in live:
            raise loop.Failed(f"{live.count(None)} cycles have no score")
        line, ledger = loop.account(plant)
    labels = [rig.labels[finding][i] for i in held]
    auc = figures.roc_auc(labels, live)
    loop.note(options, f"{NAMES[finding]}, fold {number + 1}: ROC AUC {auc:.4f}; {line}")
    return {"labels": labels, "scores": live, "ledger": ledger, "roc_auc": auc}


def shuffled(options, rig, finding, work):
    """The same model by `millwright train` on cycles drawn at random: neighbours leak."""
    cycles = list(range(rig.cycles))
    random.Random(1).shuffle(cycles)
    cut = rig.cycles * 2 // 3
    parts = [os.path.join(work, f"shuffled-{n}", "rig.csv") for n in ("known", "held")]
    rig.write(parts[0], cycles[:cut])
    rig.write(parts[1], cycles[cut:])
    model = os.path.join(work, "shuffled.tflite")
    words = ["train", "--data", parts[0], "--label", finding, "--features",
             ",".join(rigs.FEATURES[finding]), "--int8-auc-loss", "0.02", "--out", model]
    done = subprocess.run([options.millwright, *words], capture_output=True, text=True)
    if done.returncode == 0:
        with open(parts[1]) as rows:
            done = subprocess.run([options.millwright, "predict", model], stdin=rows,
                                  capture_output=True, text=True)
    if done.returncode != 0:
        raise loop.Failed(f"shuffled comparison: {done.stderr.strip()}")
    scores = [float(line) for line in done.stdout.split()]
    labels = [rig.labels[finding][i] for i in cycles[cut:]]
    return {"roc_auc": figures.roc_auc(labels, scores),
            "accuracy": figures.accuracy(labels, scores)}


def predict(options, rig, finding, work):
    numbers = range(3) if options.fold == 0 else [options.fold - 1]
    folds = [fold(options, rig, finding, n, work) for n in numbers]
    labels = [y for f in folds for y in f["labels"]]
    scores = [s for f in folds for s in f["scores"]]
    return {"roc_auc_mean": figures.mean([f["roc_auc"] for f in folds]),
            "roc_auc_folds": [f["roc_auc"] for f in folds],
            "roc_auc_pooled": figures.roc_auc(labels, scores),
            "average_precision": figures.average_precision(labels, scores),
            "accuracy": figures.accuracy(labels, scores), "cycles": len(labels),
            "positives": sum(labels), "shuffled": shuffled(options, rig, finding, work),
            "ledgers": [f["ledger"] for f in folds]}


def watch(options, rig, work):
    """The recording from its first cycle to its last: what does the watch see of the cooler?"""
    folder = os.path.join(work, "watch")
    used = rigs.COURSE + rigs.COOLING
    changes = {"model.features": as_list(used), "columns.features": as_list(used),
               "columns.finding": "valve_lags", "commission.records": 0, "retrain.on_drift": "true"}
    parts = []
    for end in STAGES:
        parts.append(os.path.join(folder, f"to-{end}", "rig.csv"))
        rig.write(parts[-1], range(end))
    steps = []
    with loop.Plant(options, os.path.join(HERE, "plant.yaml"), folder, changes) as plant:
        plant.replay(parts[:1])
        plant.wait_for_rollouts(1)
        for models, (step, part) in enumerate(zip(rigs.STEPS, parts[1:]), 2):
            plant.replay([part])
            alarm = plant.wait(f"drift alarm for the step at cycle {step}",
                               lambda s=step: about(plant.records("drift"), s))
            plant.wait_for_rollouts(models)
            steps.append({"step": step, "onset_cycle": cycle(alarm["onset"]),
                          "alarm_cycle": cycle(alarm["time"]), "text": alarm["text"],
                          "cooling": [f for f in alarm["features"] if f["name"] in rigs.COOLING]})
            loop.note(options, f"watch: the step at cycle {step} was seen, and answered by a new model")
        plant.wait_for_scores()
        alarms = plant.records("drift")
        line, ledger = loop.account(plant)
        loop.note(options, f"watch: {line}")
        models = len(plant.published())
    return {"steps": steps, "models": models, "ledger": ledger,
            "alarms": [{"onset_cycle": cycle(a["onset"]), "alarm_cycle": cycle(a["time"]),
                        "scope": a["scope"], "text": a["text"]} for a in alarms]}


def cycle(seconds):
    return round(seconds / 60)


def about(alarms, step):
    """The first alarm that began at the step and names the cooling; None while there is none."""
    for alarm in alarms:
        if abs(cycle(alarm["onset"]) - step) <= NEAR and \
                any(f["name"] in rigs.COOLING for f in alarm["features"]):
            return alarm
    return None


def report(options, data, work):
    rig = rigs.Rig(data)
    results = {finding: predict(options, rig, finding, work)
               for finding in (options.only.split(",") if options.only else NAMES)
               if finding in NAMES}
    rows = []
    for finding, r in results.items():
        elsewhere = ELSEWHERE[finding]
        rows.append([NAMES[finding], figures.number(r["roc_auc_mean"]),
                     " ".join(figures.number(a) for a in r["roc_auc_folds"]),
                     figures.number(r["roc_auc_pooled"]), figures.number(r["accuracy"]),
                     figures.number(r["shuffled"]["roc_auc"]),
                     figures.number(r["shuffled"]["accuracy"]),
                     f"AUC {elsewhere['roc_auc']}" if "roc_auc" in elsewhere
                     else f"acc. {elsewhere['shuffled_accuracy_forest']} shuffled"])
    text = "UCI 447: a hydraulic rig's cycles of 60 s through the loop, logistic, int8"
    if rows:
        text += ("\n\n" + figures.table(["finding", "AUC", "each fold", "pooled", "accuracy",
                                         "shuffled AUC", "accuracy", "elsewhere"], rows)
                 + f"\n\nHeld out: whole accumulator blocks, one of each pressure a fold, {rigs.GAP} "
                   f"cycles apart from the rest.\nShuffled: random cycles, for comparison only: a "
                   f"cycle's neighbours are nearly the same, and leak.")
    result = {"example": "hydraulic", "elsewhere": ELSEWHERE, "findings": results}
    if not options.only or "watch" in options.only:
        result["watch"] = watch(options, rig, work)
        rows = [[f"step of the cooler at cycle {s['step']}", s["onset_cycle"], s["alarm_cycle"],
                 ", ".join(f"{f['name']} (PSI {f['psi']:.1f})" for f in s["cooling"])]
                for s in result["watch"]["steps"]]
        text += ("\n\nThe watch, the recording played from its first cycle to its last "
                 f"({result['watch']['models']} models, {len(result['watch']['alarms'])} alarms):\n\n"
                 + figures.table(["", "onset", "alarm at", "of the cooling"], rows))
    return {**result, "text": text}


if __name__ == "__main__":
    sys.exit(loop.main(__doc__, "hydraulic", rigs.FILES, report, [
        (("--only",), {"help": "of cooler_fails, valve_lags, accumulator_leaks, watch; all when "
                               "left out"}),
        (("--fold",), {"type": int, "default": 0, "choices": [0, 1, 2, 3],
                       "help": "only this one of the three ways to hold out; 0: all"})]))
