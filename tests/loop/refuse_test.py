#!/usr/bin/env python3
"""A bundle that is damaged, hostile or wrongly signed is refused with the reason, at every door,
and the one in use runs on; a good one is taken afterwards."""
import base64
import glob
import hashlib
import json
import os
import shutil

from mqtt import Client
from plant import Plant, account, check, main, say, wait

TEXT = """\
plant: refuse
data: data
http: {port: 0}
time: {tolerance: off}
model: {kind: logistic, horizon: 4h}
commission: {records: 40}
level2: {share: 0.2, sketch_records: 20}
retrain: {minimum_records: 600, minimum_positives: 30, on_drift: false}
rollout: {canary: 1, records: 2, alarm_ratio: 1000}
simulate: {machines: 4, seed: 3, interval: 10m, speed: 30000, until: 7d,
           fault_every: 12h, growth: 12h}
"""
MACHINES = ["motor-1", "motor-2", "motor-3", "motor-4"]


def blob(plant, digest):
    return plant.path("artifacts", "blobs", "sha256", digest.removeprefix("sha256:"))


def read(path):
    with open(path, "rb") as file:
        return file.read()


def put(path, data):
    """In one go, as another program would see it; the folder may hold it read-only."""
    with open(path + ".new", "wb") as file:
        file.write(data)
    os.replace(path + ".new", path)


def changed(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def rollouts(plant):
    done = plant.run("rollout", "status", "-c", plant.config, "--json")
    return {rollout["id"]: rollout for rollout in json.loads(done.out)}


def in_use(plant):
    """{machine: bundle} as the things report it."""
    return {name: device["bundle"] for name, device in
            plant.state("thing").get("devices", {}).items()}


def first_model(plant):
    def everywhere():
        bundles = set(in_use(plant).values())
        return len(bundles) == 1 and "" not in bundles and \
            any(rollout["state"] == "done" for rollout in rollouts(plant).values())

    wait(everywhere, "the first model to run everywhere", pause=0.2)
    return in_use(plant)[MACHINES[0]]


def runs_on(plant, bundle):
    """The old bundle is the one of every thing and of the scorer, and records are scored by it."""
    check(set(in_use(plant).values()) == {bundle}, f"things run {in_use(plant)}, not {bundle}")
    before = plant.ledger()["total"]["scored"]
    wait(lambda: plant.ledger()["total"]["scored"] > before + 20, "further scores")
    last = plant.stream("score")[-1]["value"]
    check(last["model"] == bundle, f"scored by {last['model']}, not {bundle}")


def refused(plant, at, bundle, role):
    """Waits for the line in which the role says no, and returns it."""

    def line():
        for text in plant.text()[at:].splitlines():
            if f" {role} " in text and "refused" in text and bundle in text and "reason=" in text:
                return text
        return None

    return wait(line, f"{role} to refuse {bundle}")


def at_the_desk(plant, good):
    """What cannot run or does not do what its golden vectors say is not even signed."""
    model = read(os.path.join(good, "model.int8.tflite"))
    for name, data in (("truncated", model[:900]), ("hostile", b"\xff\xff\xff\x7f" + model[4:]),
                       ("empty", b""), ("none", b"x" * len(model))):
        folder = os.path.join(plant.folder, name)
        shutil.copytree(good, folder)
        path = os.path.join(folder, "model.int8.tflite")
        put(path, data)
        done = plant.run("sign", "-c", plant.config, "--bundle", folder, status=None)
        check(done.returncode in (1, 2, 3) and "model.int8.tflite" in done.err,
              f"sign of a {name} model: {done.returncode} {done.err}")
        done = plant.run("model", "verify", path, status=3)
        check("NOT verified" in done.out, done.out)
        done = plant.run("predict", path, input=b"a,b\n1,2\n", status=2)
        check(path in done.err, done.err)
    folder = os.path.join(plant.folder, "golden")
    shutil.copytree(good, folder)
    path = os.path.join(folder, "golden.bin")
    put(path, changed(read(path), len(read(path)) - 2))
    done = plant.run("sign", "-c", plant.config, "--bundle", folder, status=None)
    check(done.returncode in (1, 2, 3) and "golden" in done.err,
          f"sign with another golden vector: {done.returncode} {done.err}")


def says_who_vouches(plant, good, bundle):
    """That a file can run is one thing, that somebody signed it another."""
    path = os.path.join(good, "model.int8.tflite")
    for words, signed in ((("model", "verify", path), False),
                          (("model", "verify", path, "-c", plant.config), True),
                          (("model", "verify", bundle, "-c", plant.config), True)):
        said = json.loads(plant.run(*words, "--json").out)
        check(said["verified"] and said["signed"] is signed, f"{words}: {said}")
        check(said["bundle"] == (bundle if signed else None), f"{words}: {said}")


def newest_targets(plant):
    """(path, bytes)"""
    paths = glob.glob(plant.path("artifacts", "metadata", "*.targets.json"))
    path = max(paths, key=lambda name: int(os.path.basename(name).partition(".")[0]))
    return path, read(path)


def desired(bundle, targets):
    return {"v": 1, "desired": {"bundle": bundle, "rollout": "r-9", "stage": "all",
                                "targets": base64.b64encode(targets).decode()}}


def unsigned(plant, old):
    """A manifest that nobody signed: put into the store and sent to a thing as an update."""
    manifest = json.loads(read(blob(plant, old)))
    manifest["annotations"] = {"note": "not signed"}
    data = json.dumps(manifest).encode()
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    put(blob(plant, digest), data)
    plant.run("model", "verify", "-c", plant.config, digest, status=3)
    for words in (("publish", "-c", plant.config, "--bundle", digest),
                  ("rollout", "start", digest, "-c", plant.config)):
        done = plant.run(*words, status=1)
        check("not among the signed targets" in done.err, f"{words[0]}: {done.err}")

    targets = newest_targets(plant)[1]
    forged = targets.replace(old.removeprefix("sha256:").encode(),
                             digest.removeprefix("sha256:").encode())
    check(forged != targets, "the targets do not hold the bundle's digest")
    client = Client(plant.broker())
    for text, reason in ((targets, "not among"), (forged, "signature"), (b"{}", "")):
        at = len(plant.text())
        client.publish("mw/refuse/update/motor-1", desired(digest, text))
        line = refused(plant, at, digest, "thing")
        check(reason in line, f"no '{reason}' in: {line}")
        say("thing: " + line.partition("reason=")[2])
    client.publish("mw/refuse/update/motor-1", "{")
    client.publish("mw/refuse/update/motor-1", {"v": 1, "desired": {"bundle": "sha256:12"}})
    client.close()

    def reported():
        return any(record["value"].get("reported", {}).get("refused") == digest and
                   record["value"]["reported"]["bundle"] == old and
                   record["value"]["reported"]["reason"]
                   for record in plant.stream("status") if record["key"] == "motor-1")

    wait(reported, "motor-1 to report what it refused, and what it runs")


def roll_out(plant, bundle, state):
    done = plant.run("rollout", "start", bundle, "-c", plant.config, "--json")
    name = json.loads(done.out)["id"]
    return wait(lambda: (found := rollouts(plant)[name])["state"] == state and found,
                f"rollout {name} to be {state}", pause=0.1)


def refusals(program):
    plant = Plant(program, TEXT)
    plant.start()
    old = first_model(plant)
    good = os.path.join(glob.glob(plant.path("learn", "first-*"))[0], "bundle")
    at_the_desk(plant, good)
    says_who_vouches(plant, good, old)
    unsigned(plant, old)
    runs_on(plant, old)

    # The same model as another bundle, properly signed.
    folder = os.path.join(plant.folder, "second")
    shutil.copytree(good, folder)
    bundle = json.loads(read(os.path.join(folder, "bundle.json")))
    bundle["seed"] = 99
    put(os.path.join(folder, "bundle.json"), json.dumps(bundle).encode())
    done = plant.run("sign", "-c", plant.config, "--bundle", folder, "--json")
    second = json.loads(done.out)["bundle"]

    # Damaged in the store behind its signature: the thing and the scorer see it.
    config = blob(plant, json.loads(read(blob(plant, second)))["config"]["digest"])
    whole = read(config)
    put(config, changed(whole, 100))
    plant.run("model", "verify", "-c", plant.config, second, status=3)
    at = len(plant.text())
    found = roll_out(plant, second, "rolled-back")
    check("refused" in found["reason"], f"{found}")
    say("score: " + refused(plant, at, second, "score").partition("reason=")[2])
    # Whoever saw it first had it rolled back, so that the thing may not have come to its own check.
    at = len(plant.text())
    client = Client(plant.broker())
    client.publish("mw/refuse/update/motor-2", desired(second, newest_targets(plant)[1]))
    client.close()
    line = refused(plant, at, second, "thing")
    check("hash" in line, line)
    say("thing: " + line.partition("reason=")[2])
    runs_on(plant, old)
    put(config, whole)

    # Metadata that the plant's key did not sign.
    newest, whole = newest_targets(plant)
    put(newest, changed(whole, whole.index(b'"sig"') + 20))
    done = plant.run("rollout", "start", second, "-c", plant.config, status=1)
    say("serve: " + done.err.strip())
    done = plant.run("model", "verify", "-c", plant.config, second, status=3)
    runs_on(plant, old)
    put(newest, whole)

    # All repaired, the second one is as good as any.
    roll_out(plant, second, "done")
    wait(lambda: set(in_use(plant).values()) == {second}, "the second bundle to run everywhere")
    runs_on(plant, second)
    check("starting it again" not in plant.text(), f"something died:\n{plant.tail()}")
    plant.stop()
    account(plant, more_than=2000)
    plant.check_log()


if __name__ == "__main__":
    main(refusals)
