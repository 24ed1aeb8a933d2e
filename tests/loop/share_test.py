#!/usr/bin/env python3
"""Several bridges share a plant: each device is one bridge's, whichever of them the broker gives its
messages to, also while bridges are killed, and when the plant is divided anew."""
import json
import os
import random
import signal
import time

from mqtt import Client
from plant import Plant, account, check, check_numbers, free_port, main, say, wait
from tls_test import Broker

SEED = 7
KILLS = 10

TEXT = """\
plant: share
data: data
http: {port: 0}
log: {level: %s}
time: {tolerance: off}
bridge: {shares: %d}
model: {kind: logistic, horizon: 4h}
commission: {records: 40}
level2: {share: 0.2, sketch_records: 20}
action: {immediate: stop, expires: 1h}
retrain: {minimum_records: 600, minimum_positives: 30, on_drift: false}
rollout: {canary: 1, records: 2}
simulate: {machines: 8, seed: 3, interval: 10m, speed: 30000, until: 7d,
           fault_every: 12h, growth: 12h}
"""


def names(shares):
    return ["bridge"] + [f"bridge-{i}" for i in range(1, shares)]


def stored(plant):
    return plant.ledger()["total"]["stored"]


def files(plant):
    """Which writers' files hold records of which device."""
    found = {}
    for record in plant.stream("telemetry") + plant.stream("sketch"):
        found.setdefault(record["key"], set()).add(record["partition"])
    return found


def boots(plant):
    return {(record["value"]["device"], record["value"]["boot"])
            for record in plant.stream("telemetry") if "boot" in record["value"]}


def sent_without_numbers(plant):
    """Any bridge may store these, and each does so once."""
    client = Client(plant.broker(), "unnumbered")
    for i in range(100):
        client.publish("mw/share/telemetry/plain", {"v": 1, "device": "plain", "time": 1.7e9 + i,
                                                    "features": {"a": i}})
    client.close()
    wait(lambda: sum(record["key"] == "plain" for record in plant.stream("telemetry")) >= 100,
         "the records without numbers")
    values = [record["value"]["features"]["a"] for record in plant.stream("telemetry")
              if record["key"] == "plain"]
    check(sorted(values) == list(range(100)), f"without numbers: {len(values)} records")
    writers = files(plant)["plain"]
    check(len(writers) == 2, f"one bridge had all of the shared messages: {writers}")


def sent_out_of_order(plant):
    """Twice, too early, and to a bridge whose the device is not."""
    client = Client(plant.broker(), "disorder")
    device = "disorder"
    client.subscribe(f"mw/share/ack/{device}")

    def record(seq):
        return {"v": 1, "device": device, "boot": 1, "seq": seq, "time": 1.7e9 + seq,
                "features": {"a": seq}}

    topics = [f"mw/share/telemetry/{device}{end}" for end in ("", "", "/0", "/1")]
    draw = random.Random(SEED)
    order = [seq for seq in range(30) for _ in range(8)]
    draw.shuffle(order)
    for topic in (topics[0], topics[2], topics[3]):
        for seq in order:
            client.publish(draw.choice([topic, topics[1]]), record(seq))
    for seq in range(30):  # what a thing does that waits for its answer
        client.publish(topics[0], record(seq))
        while json.loads(client.message()[1])["next"] <= seq:
            pass
    wait(lambda: sum(r["key"] == device for r in plant.stream("telemetry")) >= 30, "all 30")
    found = [r["value"]["seq"] for r in plant.stream("telemetry") if r["key"] == device]
    check(found == list(range(30)), f"{device}: {found}")
    wait(lambda: any(plant.state(name).get("astray") for name in names(2)),
         "a bridge to say that something went astray")
    client.close()


def kill_bridges(plant, shares):
    draw = random.Random(int(os.environ.get("MW_SEED", SEED)))
    last = dict.fromkeys(names(shares), 0)
    for _ in range(KILLS):
        name = draw.choice(names(shares))
        last[name] = plant.wait_role(name, old=last[name], said=draw.random() < 0.5)
        time.sleep(draw.choice((0, 0.1, 0.4)))
        os.kill(last[name], signal.SIGKILL)
    for name in names(shares):
        plant.wait_role(name, old=last[name], said=True)
    say(f"{KILLS} times killed one of {', '.join(names(shares))}")


def shared(program):
    plant = Plant(program, TEXT % ("warn", 2))
    plant.start()
    wait(lambda: all(plant.state(name).get("connected") for name in names(2)), "both bridges")
    sent_without_numbers(plant)
    sent_out_of_order(plant)
    kill_bridges(plant, 2)
    before = stored(plant)
    wait(lambda: stored(plant) > max(before + 200, 4000), "records after the kills", pause=0.2)
    figures = [{key: plant.state(name).get(key) for key in ("records", "passed", "again", "ahead")}
               for name in names(2)]
    plant.stop()
    account(plant, more_than=4000)
    check_numbers(plant)
    writers = files(plant)
    for device in writers:
        check(device == "plain" or len(writers[device]) == 1,
              f"two bridges have stored {device}: {writers[device]}")
    check(len(set.union(*writers.values())) == 2, f"one bridge has stored all: {writers}")
    say(f"bridges since their last start: {figures}")
    plant.check_log()


def divided_anew(program):
    plant = Plant(program, TEXT % ("info", 1))
    for shares in (1, 3, 2):
        plant.write(TEXT % ("info", shares))
        plant.start()
        before = stored(plant)
        wait(lambda: stored(plant) > before + 400, f"records by {shares} bridges", pause=0.2)
        check(all(plant.children().get(name) for name in names(shares)), "bridges are missing")
        plant.stop()
        account(plant)
        check_numbers(plant)
    found = boots(plant)
    check(all(boot == 1 for _, boot in found), f"a position was lost: {sorted(found)}")
    check("divided anew" in plant.text(), "nobody took over what others had")
    check(any(len(writers) > 1 for writers in files(plant).values()), "no device changed hands")
    plant.check_log()


def brokers_come_and_go(program):
    """The first of two brokers dies and comes back: everybody meets at the other one, and again at
    the first."""
    plant = Plant(program, TEXT % ("info", 2))
    ports = [free_port(), free_port()]
    brokers = [Broker(plant.folder, port, "allow_anonymous true") for port in ports]
    urls = ", ".join(f"mqtt://127.0.0.1:{port}" for port in ports)
    plant.write(TEXT % ("info", 2) + f'broker: {{url: "{urls}"}}\n')
    try:
        for broker in brokers:
            broker.start()
        plant.start()
        wait(lambda: stored(plant) > 200, "the first records", pause=0.2)
        check(f"port={ports[1]}" not in plant.text(), "somebody went to the second broker")
        brokers[0].stop()
        before = stored(plant)
        wait(lambda: stored(plant) > before + 500, "records by the second broker", pause=0.2)
        brokers[0].start()
        at = len(plant.text())
        wait(lambda: plant.text()[at:].count(f'"broker connected" broker=127.0.0.1 '
                                             f"port={ports[0]}") >= 3,
             "two bridges and the things to come back to the first", pause=0.2)
        before = stored(plant)
        wait(lambda: stored(plant) > before + 500, "records by the first again", pause=0.2)
        plant.stop()
    finally:
        for broker in brokers:
            broker.stop()
    account(plant)
    check_numbers(plant)
    check(all(boot == 1 for _, boot in boots(plant)), "a position was lost")
    plant.check_log()


def session_taken(program):
    """Somebody else connects under a bridge's name, again and again: the bridge says so, takes its time,
    and loses nothing."""
    plant = Plant(program, TEXT % ("info", 2))
    plant.start()
    wait(lambda: stored(plant) > 100, "the first records", pause=0.2)
    words = "is another client connected under our name?"
    times = 0
    while words not in plant.text() and times < 20:
        thief = Client(plant.broker(), "mw-share-bridge-1-of-2")
        times += 1
        try:
            while True:
                thief.read()  # until the bridge has taken its session back
        except OSError:
            thief.close()
    say(f"pushed out {times} times until it said why")
    check(3 <= times <= 6, "it said so too late")
    before = stored(plant)
    wait(lambda: stored(plant) > before + 200, "records by both", pause=0.2)
    plant.stop()
    account(plant)
    check_numbers(plant)
    check(all(boot == 1 for _, boot in boots(plant)), "a position was lost")
    plant.check_log()


def one_still_runs(program):
    """Who divides the plant otherwise is told to wait, and the running ones go on."""
    plant = Plant(program, TEXT % ("info", 2))
    plant.start()
    wait(lambda: stored(plant) > 100, "the first records", pause=0.2)
    other = os.path.join(plant.folder, "other.yaml")
    with open(other, "w") as file:
        file.write(TEXT % ("info", 3))
    done = plant.run("bridge", "-c", other, "--share", "2", status=1)
    check("still runs as one of 2 bridges" in done.err, done.err)
    done = plant.run("bridge", "-c", plant.config, "--share", "1", status=1)
    check("bridge-1" in done.err and "held by process" in done.err, done.err)
    done = plant.run("bridge", "-c", plant.config, "--share", "2", status=2)
    check("less than bridge.shares (2) was expected" in done.err, done.err)
    before = stored(plant)
    wait(lambda: stored(plant) > before + 100, "records afterwards", pause=0.2)
    plant.stop()
    account(plant)
    check_numbers(plant)
    plant.check_log()


if __name__ == "__main__":
    main(shared, divided_anew, brokers_come_and_go, session_taken, one_still_runs)
