"""The first 7,000 workpieces of the mill teach the loop, the last 3,000 are scored live."""

import csv
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import figures  # noqa: E402
import loop  # noqa: E402

FILE = "ai4i2020.csv"
KNOWN = 7000
ELSEWHERE = {"logistic": {"roc_auc": [0.889], "average_precision": [0.407]},
             "mlp": {"roc_auc": [0.974, 0.978], "average_precision": [0.65, 0.69]}}


def prepare(data, work):
    """The first rows as a file of their own. Both files are called mill.csv: that names the device."""
    source = os.path.join(data, FILE)
    paths = [os.path.join(work, folder, "mill.csv") for folder in ("known", "all")]
    for path in paths:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(source) as lines, open(paths[0], "w") as known:
        known.writelines(line for i, line in enumerate(lines) if i <= KNOWN)
    if not os.path.lexists(paths[1]):
        os.symlink(source, paths[1])
    with open(source) as lines:
        labels = [int(row["Machine failure"]) for row in csv.DictReader(lines)]
    return paths, labels


def run(options, kind, paths, labels, work):
    loop.note(options, f"{kind}: millwright up, replay of workpieces 1-{KNOWN}")
    with loop.Plant(options, os.path.join(HERE, "plant.yaml"), os.path.join(work, kind),
                    {"model.kind": kind}) as plant:
        plant.replay([paths[0]])
        rollout = plant.wait_for_rollouts(1)[0]
        loop.note(options, f"{kind}: {rollout['bundle'][:19]} is in service; replay of the others")
        plant.replay([paths[1]])  # goes on behind what is stored already
        scores = plant.wait_for_scores()
        row = [scores.get(("mill", i)) for i in range(KNOWN, len(labels))]
        if None in row:
            raise loop.Failed(f"{row.count(None)} records have no score")
        line, ledger = loop.account(plant)
        loop.note(options, f"{kind}: {line}")
    truth = labels[KNOWN:]
    return {"roc_auc": figures.roc_auc(truth, row),
            "average_precision": figures.average_precision(truth, row), "records": len(row),
            "failures": sum(truth), "bundle": rollout["bundle"], "ledger": ledger}


def report(options, data, work):
    paths, labels = prepare(data, work)
    results = {kind: run(options, kind, paths, labels, work) for kind in options.kind.split(",")}
    rows = []
    for kind, r in results.items():
        rows.append([f"{kind}, int8, in the loop", figures.number(r["roc_auc"], 3),
                     figures.number(r["average_precision"], 3)])
        rows.append(["  seen elsewhere, float"]
                    + [" to ".join(str(v) for v in ELSEWHERE[kind][f])
                       for f in ("roc_auc", "average_precision")])
    first = next(iter(results.values()))
    text = (f"AI4I 2020: learned from {KNOWN} workpieces ({sum(labels[:KNOWN])} failures), scored "
            f"{first['records']} live ({first['failures']} failures), five sensors\n\n"
            + figures.table(["model", "ROC AUC", "avg. precision"], rows))
    return {"example": "mill", "elsewhere": ELSEWHERE, "models": results, "text": text}


if __name__ == "__main__":
    sys.exit(loop.main(__doc__, "ai4i2020", [FILE], report, [
        (("--kind",), {"default": "logistic,mlp", "help": "models to try: logistic, mlp or both"})]))
