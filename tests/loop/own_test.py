#!/usr/bin/env python3
"""Motors with models of their own and without labels: one of them drifts, and learns anew only once
somebody has found it well. Watch and learner may be killed at any moment.

The plant's time runs as fast as its records are stored up to `until`, and then stands nearly still,
so that the test says how far it goes."""
import os
import signal

from plant import Plant, account, check, check_numbers, main, say, wait

TEXT = """\
plant: own
data: data
http: {port: 0}
time: {tolerance: off}
model: {kind: autoencoder, scope: machine, horizon: 1h}
commission: {records: 432}
level2: {share: 0.3, sketch_records: 20}
watch: {window: 288, minimum: 288, psi: 0.5, cooldown: 5000}
retrain: {fresh_records: 200}
simulate: {machines: 3, seed: 3, interval: 10m, speed: 1, until: %s, fault_every: off,
           script: changes.txt}
"""
SCRIPT = "at 6d gain vibration 2 motor-2\n"
MACHINES = ["motor-1", "motor-2", "motor-3"]
WAITS_FOR = "an inspection that finds no fault, or a repair"


def go_on(plant, until):
    """Lets the plant live to that day."""
    old = plant.children()["thing"]
    plant.write(TEXT % until)
    plant.up.send_signal(signal.SIGHUP)
    plant.wait_role("thing", old=old, said=True)


def kill(plant, *roles):
    found = plant.children()
    for role in roles:
        os.kill(found[role], signal.SIGKILL)
    for role in roles:
        plant.wait_role(role, old=found[role], said=True)


def in_use(plant):
    """{machine: bundle} as the things report it."""
    return {name: device["bundle"] for name, device in
            plant.state("thing").get("devices", {}).items() if device["bundle"]}


def published(plant):
    """The records of models that were published, in their order."""
    return [record["value"] for record in plant.stream("model") if "bundle" in record["value"]]


def alarms(plant):
    return [record["value"] for record in plant.stream("drift")]


def everywhere(plant, models):
    """Each machine runs its own newest model, on the thing and by the order that is in force."""
    newest = {model["machine"]: model["bundle"] for model in models}
    return newest if in_use(plant) == newest and len(newest) == len(MACHINES) else None


def scored_by(plant):
    """{machine: bundle} of the newest scores; each motor is a device of its own."""
    return {record["value"]["device"]: record["value"]["model"]
            for record in plant.stream("score")}


def first_models(plant):
    wait(lambda: len(published(plant)) == len(MACHINES), "a first model of each machine", pause=0.2)
    found = wait(lambda: everywhere(plant, published(plant)), "each to run its own", pause=0.2)
    check(len(set(found.values())) == len(MACHINES), f"not each has its own: {found}")
    wait(lambda: plant.state("watch").get("bundles") == len(MACHINES), "all three to be watched")
    return found


def the_alarm(plant, bundle):
    found = wait(lambda: alarms(plant), "the alarm", pause=0.2)
    check(len(found) == 1, f"one alarm was expected: {found}")
    alarm = found[0]
    say(alarm["text"])
    check(alarm["scope"] == "machine" and alarm["machine"] == "motor-2", f"{alarm}")
    check(alarm["bundle"] == bundle, f"the alarm is about another bundle than {bundle}: {alarm}")
    names = [feature["name"] for feature in alarm["features"]]
    check("vibration_rms" in names, f"the vibration has not moved: {names}")
    check(all(name.startswith("vibration") or name == "score" for name in names), f"{names}")
    check(next(feature for feature in alarm["features"]
               if feature["name"] == "vibration_rms")["moved"] > 0.5, f"{alarm}")
    return alarm


def drifts_and_learns(program):
    plant = Plant(program, TEXT % "4d")
    with open(os.path.join(plant.folder, "changes.txt"), "w") as file:
        file.write(SCRIPT)
    plant.start()
    first = first_models(plant)

    # The gain changes while the watch is killed, and killed again.
    before = plant.ledger()["total"]["stored"]
    go_on(plant, "12d")
    wait(lambda: plant.ledger()["total"]["stored"] > before + 100, "records to come again")
    kill(plant, "watch")
    kill(plant, "watch", "learn")
    alarm = the_alarm(plant, first["motor-2"])

    # Nobody has looked at it yet: it may be a fault. That holds for those that start anew, too.
    kill(plant, "learn", "watch")
    wait(lambda: plant.state("learn").get("waiting") == 1, "the learner to wait")
    state = plant.state("learn")
    check((state["drifted"], state["waits_for"]) == (1, WAITS_FOR), f"{state}")
    wait(lambda: plant.state("watch").get("drifted") == 1, "the watch to know of its alarm")
    told = wait(lambda: (text := plant.run("status", "-c", plant.config).out) and
                WAITS_FOR in text and text, "status to say what is waited for")
    check("3, one a machine; 1 drifted, 1 of them waiting for" in told, told)
    check(WAITS_FOR in plant.text(), "the log does not say what is waited for")
    check(not any("started" in record["value"] and record["value"]["cause"] == "drift"
                  for record in plant.stream("model")), "it has been trained all the same")
    # What is found at another machine, or was found before, does not count.
    plant.run("event", "add", "-c", plant.config, "--machine", "motor-1", "--type", "inspection",
              "--finding", "no_fault")
    plant.run("event", "add", "-c", plant.config, "--machine", "motor-2", "--type", "inspection",
              "--finding", "no_fault", "--time", str(alarm["onset"] - 3600))
    kill(plant, "learn")
    wait(lambda: plant.state("learn").get("waiting") == 1, "the learner to wait on")
    check(len(published(plant)) == 3, f"{published(plant)}")

    plant.run("event", "add", "-c", plant.config, "--machine", "motor-2", "--type", "inspection",
              "--finding", "no_fault")
    kill(plant, "learn")
    second = wait(lambda: published(plant)[3:], "the second model", pause=0.2)[0]
    say(f"learnt anew: {second['machine']}, {second['bundle']}, replaces {second['replaces']}")
    check((second["machine"], second["cause"], second["replaces"]) ==
          ("motor-2", "drift", first["motor-2"]), f"{second}")
    started = [record["value"] for record in plant.stream("model")
               if record["value"].get("cause") == "drift" and "started" in record["value"]]
    check(all(one["machine"] == "motor-2" and one["since"] == alarm["onset"] and
              one["records"] >= 200 for one in started), f"{started}")
    now = wait(lambda: everywhere(plant, published(plant)), "motor-2 to run it", pause=0.2)
    check(now == {**first, "motor-2": second["bundle"]}, f"{now}")

    # And life goes on: each is scored by its own model, and what is normal now is no drift.
    go_on(plant, "15d")
    wait(lambda: scored_by(plant) == now, "scores by each machine's own model", pause=0.2)
    wait(lambda: plant.state("learn").get("drifted") == 0, "nothing to be left to do")
    plant.alive()
    plant.stop()
    check(len(published(plant)) == 4, f"{published(plant)}")
    check(alarms(plant) == [alarm], f"{alarms(plant)}")
    total = account(plant, more_than=3000)
    check(check_numbers(plant) == total["stored"], "the ledger counts otherwise than the stream")
    plant.check_log()


if __name__ == "__main__":
    main(drifts_and_learns)
