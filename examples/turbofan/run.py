"""Engines 1-70 teach the loop, engines 71-100 are scored live by what it deployed."""

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
import figures  # noqa: E402
import loop  # noqa: E402

FILE = "train_FD001.txt"
HORIZON = 30
LAST_KNOWN = 70  # engines up to this one have failed already
CONFIRM = 2      # scores in a row that make an alarm
ELSEWHERE = {"roc_auc": 0.988, "average_precision": 0.943}


def split(data, work):
    """The rows of the known engines and of those in service as two files; the latter's lifetimes."""
    paths = [os.path.join(work, name) for name in ("known.txt", "in-service.txt")]
    lifetime = {}
    with open(os.path.join(data, FILE)) as source, open(paths[0], "w") as known, \
            open(paths[1], "w") as service:
        for line in source:
            engine, cycle = line.split()[:2]
            if int(engine) <= LAST_KNOWN:
                known.write(line.rstrip() + "\n")
            else:
                service.write(line.rstrip() + "\n")
                lifetime[engine] = int(cycle)
    return paths[0], paths[1], lifetime


def judge(scores, lifetime):
    labels, values, lead, early, unpredicted = [], [], [], 0, 0
    for engine, cycles in lifetime.items():
        row = [scores.get((f"engine-{engine}", i)) for i in range(cycles)]
        if None in row:
            raise loop.Failed(f"engine {engine} has {row.count(None)} records without a score")
        labels += [int(cycles - 1 - i <= HORIZON) for i in range(cycles)]
        values += row
        alarm = figures.first_alarm(row, 0.5, CONFIRM)
        if alarm is None:
            unpredicted += 1
        else:
            lead.append(cycles - 1 - alarm)
            early += cycles - 1 - alarm > 2 * HORIZON
    return {"roc_auc": figures.roc_auc(labels, values),
            "average_precision": figures.average_precision(labels, values),
            "records": len(labels), "engines": len(lifetime),
            "predicted": len(lifetime) - unpredicted,
            "lead_cycles": {"least": min(lead), "median": figures.median(lead), "most": max(lead)},
            "alarms_over_two_horizons_early": early}


def run(options, kind, files, lifetime, work):
    loop.note(options, f"{kind}: millwright up, replay of engines 1-{LAST_KNOWN} with their failures")
    changes = {"model.kind": kind}
    with loop.Plant(options, os.path.join(HERE, "plant.yaml"), os.path.join(work, kind),
                    changes) as plant:
        plant.replay([files[0]])
        rollout = plant.wait_for_rollouts(1)[0]
        loop.note(options, f"{kind}: {rollout['bundle'][:19]} is in service; replay of the others")
        plant.replay([files[1]])
        result = judge(plant.wait_for_scores(), lifetime)
        line, result["ledger"] = loop.account(plant)
        result["bundle"] = rollout["bundle"]
        result["validation"] = plant.published()[0].get("metrics")
        loop.note(options, f"{kind}: {line}")
    return result


def report(options, data, work):
    known, service, lifetime = split(data, work)
    results = {kind: run(options, kind, (known, service), lifetime, work)
               for kind in options.kind.split(",")}
    rows = [[f"{kind}, int8, in the loop", figures.number(r["roc_auc"], 4),
             figures.number(r["average_precision"], 4), f"{r['predicted']} of {r['engines']}",
             f"{r['lead_cycles']['median']:g} ({r['lead_cycles']['least']} to "
             f"{r['lead_cycles']['most']})", r["alarms_over_two_horizons_early"]]
            for kind, r in results.items()]
    rows.append(["seen elsewhere, float", ELSEWHERE["roc_auc"], ELSEWHERE["average_precision"],
                 "", "", ""])
    first = next(iter(results.values()))
    text = (f"C-MAPSS FD001: learned from engines 1-{LAST_KNOWN}, scored {first['records']} records of "
            f"{first['engines']} others live, horizon {HORIZON} cycles\n\n"
            + figures.table(["model", "ROC AUC", "avg. precision", "predicted", "lead, cycles",
                             "too early"], rows)
            + f"\n\nAn alarm is {CONFIRM} scores in a row of at least 0.5. Lead: from the first alarm "
              f"to the failure.\nToo early: first alarm over {2 * HORIZON} cycles before it.")
    return {"example": "turbofan", "elsewhere": ELSEWHERE, "models": results, "text": text}


if __name__ == "__main__":
    sys.exit(loop.main(__doc__, "cmapss", [FILE], report, [
        (("--kind",), {"default": "logistic,mlp", "help": "models to try: logistic, mlp or both"})]))
