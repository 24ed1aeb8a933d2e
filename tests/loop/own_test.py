#!/usr/bin/env python3
"""Motors of which one drifts. With models of their own and labels it learns anew from its own;
without labels it does so only once somebody has found it well. Under the plant's one model it then
gets a new baseline. Watch and learner may be killed at any moment.

The plant's time runs as fast as its records are stored up to `until`, and then stands nearly still,
so that the test says how far it goes."""
import glob
import json
import os
import signal

from plant import Plant, account, check, check_numbers, main, say, wait

TEXT = """\
plant: own
data: data
http: {port: 0}
time: {tolerance: off}
"""
UNLABELLED = TEXT + """\
model: {kind: autoencoder, scope: machine, horizon: 1h}
commission: {records: 432}
level2: {share: 0.3, sketch_records: 20}
watch: {window: 288, minimum: 288, psi: 0.5, cooldown: 5000}
retrain: {fresh_records: 200}
simulate: {machines: 3, seed: 3, interval: 10m, speed: 1, until: %s, fault_every: off,
           script: changes.txt}
"""
LABELLED = TEXT + """\
model: {kind: logistic, scope: machine, horizon: 4h}
commission: {records: 100}
level2: {enabled: false}
watch: {window: 288, minimum: 144, psi: 0.5, cooldown: 5000}
retrain: {minimum_records: 1000, minimum_positives: 100, fresh_records: 300, fresh_positives: 30,
          minimum_gain: -0.1}
simulate: {machines: 2, seed: 3, interval: 10m, speed: 1, until: %s, fault_every: 12h, growth: 12h,
           script: changes.txt}
"""
SHARED = TEXT + """\
model: {kind: autoencoder, scope: plant, horizon: 1h}
commission: {records: 432}
level2: {enabled: false}
watch: {window: 288, minimum: 288, psi: 0.5, cooldown: 5000}
retrain: {minimum_records: 1200}
rollout: {canary: 0}
simulate: {machines: 3, seed: 3, interval: 10m, speed: 1, until: %s, fault_every: off,
           script: changes.txt}
"""
WAITS_FOR = "an inspection that finds no fault, or a repair"


def begin(program, text, until, script):
    plant = Plant(program, text % until)
    with open(os.path.join(plant.folder, "changes.txt"), "w") as file:
        file.write(script)
    plant.start()
    return plant


def go_on(plant, text, until):
    """Lets the plant live to that day."""
    old = plant.children()["thing"]
    plant.write(text % until)
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
    """Each machine runs its own newest model."""
    newest = {model["machine"]: model["bundle"] for model in models}
    return newest if in_use(plant) == newest else None


def scored_by(plant):
    """{machine: bundle} of the newest scores; each motor is a device of its own."""
    return {record["value"]["device"]: record["value"]["model"]
            for record in plant.stream("score")}


def first_models(plant, machines):
    wait(lambda: len(published(plant)) == machines, "a first model of each machine", pause=0.2)
    found = wait(lambda: everywhere(plant, published(plant)), "each to run its own", pause=0.2)
    check(len(set(found.values())) == machines, f"not each has its own: {found}")
    wait(lambda: plant.state("watch").get("bundles") == machines, "all to be watched")
    return found


def the_alarm(plant, machine, bundle):
    found = wait(lambda: alarms(plant), "the alarm", pause=0.2)
    check(len(found) == 1, f"one alarm was expected: {found}")
    alarm = found[0]
    say(alarm["text"])
    check((alarm["scope"], alarm["machine"], alarm["bundle"]) == ("machine", machine, bundle),
          f"{machine} with {bundle} was expected: {alarm}")
    moved = {feature["name"]: feature["moved"] for feature in alarm["features"]}
    check(all(name.startswith("vibration") or name == "score" for name in moved), f"{moved}")
    check(moved.get("vibration_rms", 0) > 0.5, f"the vibration has not moved: {moved}")
    return alarm


def the_second_model(plant, first, alarm):
    """Of the machine that the alarm was about, trained for it, and in use there alone."""
    machine = alarm["machine"]
    second = wait(lambda: published(plant)[len(first):], "the second model", pause=0.2)[0]
    say(f"learnt anew: {machine}, {second['bundle']}, replaces {second['replaces']}")
    check((second["machine"], second["cause"], second["replaces"]) ==
          (machine, "drift", first[machine]), f"{second}")
    started = [record["value"] for record in plant.stream("model")
               if record["value"].get("cause") == "drift" and "started" in record["value"]]
    check(started and all((one["machine"], one["since"]) == (machine, alarm["onset"])
                          for one in started), f"{started}")
    now = wait(lambda: everywhere(plant, published(plant)), f"{machine} to run it", pause=0.2)
    check(now == {**first, machine: second["bundle"]}, f"{now}")
    return now, started


def inspected(plant, machine, *words):
    plant.run("event", "add", "-c", plant.config, "--machine", machine, "--type", "inspection",
              "--finding", "no_fault", *words)


def end(plant, models, alarm):
    plant.alive()
    plant.stop()
    check(len(published(plant)) == models, f"{published(plant)}")
    check(alarms(plant) == [alarm], f"{alarms(plant)}")
    total = account(plant, more_than=3000)
    check(check_numbers(plant) == total["stored"], "the ledger counts otherwise than the stream")
    plant.check_log()


def without_labels(program):
    plant = begin(program, UNLABELLED, "4d", "at 6d gain vibration 2 motor-2\n")
    first = first_models(plant, 3)

    # The gain changes while the watch is killed, and killed again.
    before = plant.ledger()["total"]["stored"]
    go_on(plant, UNLABELLED, "12d")
    wait(lambda: plant.ledger()["total"]["stored"] > before + 100, "records to come again")
    kill(plant, "watch")
    kill(plant, "watch", "learn")
    alarm = the_alarm(plant, "motor-2", first["motor-2"])

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

    # What is found at another machine, or was found before, says nothing.
    inspected(plant, "motor-1")
    inspected(plant, "motor-2", "--time", str(alarm["onset"] - 3600))
    kill(plant, "learn")
    wait(lambda: plant.state("learn").get("waiting") == 1, "the learner to wait on")
    check(not any(record["value"]["cause"] == "drift" for record in plant.stream("model")),
          "it has been trained all the same")

    inspected(plant, "motor-2")
    kill(plant, "learn")
    now, started = the_second_model(plant, first, alarm)
    check(all(one["records"] >= 200 for one in started), f"{started}")

    # And life goes on: each is scored by its own model, and what is normal now is no drift.
    go_on(plant, UNLABELLED, "15d")
    wait(lambda: scored_by(plant) == now, "scores by each machine's own model", pause=0.2)
    wait(lambda: plant.state("learn").get("drifted") == 0, "nothing to be left to do")
    end(plant, 4, alarm)


def with_labels(program):
    plant = begin(program, LABELLED, "14d", "at 16d gain vibration 2 motor-1\n")
    first = first_models(plant, 2)
    go_on(plant, LABELLED, "24d")
    alarm = the_alarm(plant, "motor-1", first["motor-1"])
    kill(plant, "learn")
    _, started = the_second_model(plant, first, alarm)
    check(all(one["records"] >= 300 and one["positives"] >= 30 for one in started), f"{started}")
    work = glob.glob(plant.path("learn", "drift-motor-1-*", "validate.json"))
    with open(max(work)) as file:
        gates = json.load(file)["gates"]
    say("gain: " + gates["gain"])
    check("the model in use has" in gates["gain"], f"not compared with the one in use: {gates}")
    end(plant, 3, alarm)


def middle_score(plant, machine, n=100):
    """The median of the machine's newest scores."""
    found = [record["value"]["score"] for record in plant.stream("score")
             if record["value"]["device"] == machine]
    return sorted(found[-n:])[len(found[-n:]) // 2] if found else None


def baselines(plant, machine):
    return [record["value"] for record in plant.stream("baseline")
            if record["value"]["machine"] == machine]


def under_the_plants_model(program):
    plant = begin(program, SHARED, "5d", "at 7d gain vibration 2 motor-2\n")
    wait(lambda: published(plant), "the plant's model", pause=0.2)
    first = published(plant)[0]["bundle"]
    wait(lambda: set(in_use(plant).values()) == {first} and len(in_use(plant)) == 3,
         "all to run it", pause=0.2)
    go_on(plant, SHARED, "14d")
    alarm = the_alarm(plant, "motor-2", first)
    wait(lambda: plant.state("thing")["plant_time"] - alarm["time"] > 86400, "some days to pass")
    wait(lambda: plant.ledger()["total"]["awaiting"] == 0, "all to be scored", pause=0.2)
    well, ill = middle_score(plant, "motor-1"), middle_score(plant, "motor-2")
    check(len(baselines(plant, "motor-2")) == 1, "a new baseline before anybody has looked")

    kill(plant, "learn")
    inspected(plant, "motor-2")
    wait(lambda: "it is commissioned anew" in plant.text(), "the learner to hear of it")
    kill(plant, "learn")
    go_on(plant, SHARED, "20d")
    wait(lambda: len(baselines(plant, "motor-2")) == 2, "a new baseline", pause=0.2)
    go_on(plant, SHARED, "22d")
    wait(lambda: plant.state("thing")["plant_time"] > 1767225600 + 22 * 86400 - 601,
         "two days to pass", pause=0.2)
    wait(lambda: plant.ledger()["total"]["awaiting"] == 0, "all to be scored", pause=0.2)
    again = middle_score(plant, "motor-2")
    say(f"scores: {well:.3f} of motor-1; motor-2 {ill:.3f} after its sensor changed, "
        f"{again:.3f} with a new baseline")
    check(again < ill / 2 and again < 2 * well, "its scores are not those of a well machine")
    check(baselines(plant, "motor-2")[1]["since"] >= alarm["onset"], "made of old records")
    kill(plant, "learn")
    wait(lambda: plant.state("learn").get("commissioning") == 0, "the learner to know of it")
    check([len(baselines(plant, name)) for name in ("motor-1", "motor-2", "motor-3")] ==
          [1, 2, 1], "others were commissioned anew, or one twice")
    end(plant, 1, alarm)


if __name__ == "__main__":
    main(without_labels, with_labels, under_the_plants_model)
