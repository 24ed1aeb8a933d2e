#!/usr/bin/env python3
"""A candidate that is properly signed, and bad, rolls back by itself: nobody says so, and the things
that did not go first never run it."""
import csv
import glob
import json
import os
import shutil
import subprocess
import sys

from plant import Plant, account, check, main, say, wait

TEXT = """\
plant: rollback
data: data
http: {port: 0}
time: {tolerance: off}
model: {kind: logistic, horizon: 4h}
commission: {records: 40}
level2: {share: 1}
retrain: {minimum_records: 2800, minimum_positives: 300, on_drift: false}
rollout: {canary: 1, records: 400, alarm_ratio: 2}
simulate: {machines: 4, seed: 3, interval: 10m, speed: 30000, until: 7d, script: world.txt,
           fault_every: 12h, growth: 12h}
"""
MACHINES = ["motor-1", "motor-2", "motor-3", "motor-4"]
CALM = 200  # scores of a machine, of which one in ten at most is an alarm
SIGN = sys.argv.pop(2) if len(sys.argv) > 2 else None


def rollouts(plant):
    done = plant.run("rollout", "status", "-c", plant.config, "--json")
    return json.loads(done.out)


def in_use(plant):
    """{machine: bundle} as the things report it."""
    return {name: device["bundle"] for name, device in
            plant.state("thing").get("devices", {}).items()}


def first_model(plant):
    def everywhere():
        bundles = set(in_use(plant).values())
        return len(bundles) == 1 and "" not in bundles and rollouts(plant)[0]["state"] == "done"

    wait(everywhere, "the first model to run everywhere", pause=0.2)
    return in_use(plant)[MACHINES[0]]


def wait_until_calm(plant):
    """The first model is at work on machines without faults: it has a rate to compare with."""

    def calm():
        scores = {}
        for record in plant.stream("score"):
            value = record["value"]
            scores.setdefault(value["device"], []).append(value["score"])
        return set(scores) == set(MACHINES) and all(
            len(found) >= CALM and sum(score >= 0.8 for score in found) < 0.1 * len(found)
            for found in scores.values())

    wait(calm, "the first model to see calm machines", pause=0.3)


def wait_rolled_back(plant, bundle, word):
    """The roll-out of a bundle is taken back with that reason, and all run the one before."""

    def back():
        newest = rollouts(plant)[0]
        return newest if newest["bundle"] == bundle and newest["state"] == "rolled-back" else None

    found = wait(back, f"{bundle} to be rolled back", pause=0.1)
    check(word in found["reason"], f"no '{word}' in: {found}")
    say(f"{found['id']}: {found['reason']}")
    old = found["previous"]
    wait(lambda: set(in_use(plant).values()) == {old}, "all things to run the old one")
    check(found["canary"] and len(found["canary"]) == 1, f"{found}")
    others = set(MACHINES) - set(found["canary"])
    for record in plant.stream("status"):
        reported = record["value"].get("reported", {})
        check(record["key"] not in others or reported.get("bundle") != bundle,
              f"{record['key']} ran it: {record}")
    scored = plant.ledger()["total"]["scored"]
    wait(lambda: plant.ledger()["total"]["scored"] > scored + 20, "further scores")
    check(plant.stream("score")[-1]["value"]["model"] == old, "the scorer runs another one")
    check(len(rollouts(plant)) == int(found["id"][2:]), "something else was rolled out")


def cries_wolf(plant, work):
    """A model that learned healthy and faulty the wrong way round: it passes every gate on the data
    that says so, and is signed."""
    folder = os.path.join(plant.folder, "wolf")
    os.mkdir(folder)
    data = os.path.join(folder, "dataset.csv")
    with open(os.path.join(work, "dataset.csv"), newline="") as file:
        rows = list(csv.DictReader(file))
    with open(data, "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "label": 1 - int(row["label"])} for row in rows)
    train = plant.run("train", "--data", data, "--label", "label", "--weight", "weight",
                      "--machine", "machine", "--time", "time", "--split", "split",
                      "--out", os.path.join(folder, "int8"),
                      "--out-float", os.path.join(folder, "float"), "--json")
    with open(os.path.join(folder, "train.json"), "w") as file:
        file.write(train.out)
    bundle = os.path.join(folder, "bundle")
    plant.run("validate", "-c", plant.config, "--data", data,
              "--model", os.path.join(folder, "int8"), "--float", os.path.join(folder, "float"),
              "--train", os.path.join(folder, "train.json"),
              "--extract", os.path.join(work, "extract.json"), "--out", bundle)
    done = plant.run("sign", "-c", plant.config, "--bundle", bundle, "--json")
    return json.loads(done.out)["bundle"]


def breaks_its_word(plant, work):
    """A model that does not give the answers of its golden vectors. `millwright sign` would not."""
    folder = os.path.join(plant.folder, "word")
    shutil.copytree(os.path.join(work, "bundle"), folder)
    path = os.path.join(folder, "golden.bin")
    with open(path, "r+b") as file:
        file.seek(-2, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(-2, os.SEEK_END)
        file.write(bytes([byte ^ 1]))
    done = subprocess.run([SIGN, plant.data, folder], capture_output=True, text=True)
    check(done.returncode == 0, done.stderr)
    return done.stdout.strip()


def bad_candidates_roll_back(program):
    plant = Plant(program, TEXT)
    with open(os.path.join(plant.folder, "world.txt"), "w") as file:
        file.write("at 7d faults off\n")
    plant.start()
    old = first_model(plant)
    work = glob.glob(plant.path("learn", "first-*"))[0]
    wait_until_calm(plant)
    for make, verified, reason in ((cries_wolf, 0, "alarm rate"),
                                   (breaks_its_word, 3, "golden.bin: vector")):
        bundle = make(plant, work)
        plant.run("model", "verify", "-c", plant.config, bundle, status=verified)
        plant.run("publish", "-c", plant.config, "--bundle", bundle)
        wait_rolled_back(plant, bundle, reason)
        check(set(in_use(plant).values()) == {old}, f"{in_use(plant)}")
    check("starting it again" not in plant.text(), f"something died:\n{plant.tail()}")
    plant.stop()
    account(plant, more_than=2000)
    plant.check_log()


if __name__ == "__main__":
    main(bad_candidates_roll_back)
