#!/usr/bin/env python3
"""Any process may be killed at any moment: the ledger still accounts for every record."""
import os
import random
import signal
import sys
import time

from plant import ROLES, Plant, account, check, main, say, wait

SEED = 20
SECONDS = 15

TEXT = """\
plant: kill
data: data
http: {port: 0}
log: {level: warn}
time: {tolerance: off}
model: {kind: logistic, horizon: 4h}
commission: {records: 40}
level2: {share: 0.2, sketch_records: 20}
action: {immediate: stop, expires: 1h}
retrain: {minimum_records: 600, minimum_positives: 30, fresh_records: 300, fresh_positives: 20}
rollout: {canary: 1, records: 2}
simulate: {machines: 4, seed: 3, interval: 10m, speed: 60000, until: 7d, fault_every: 12h, growth: 12h}
"""


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


def killed_at_random(program):
    plant = Plant(program, TEXT)
    plant.start()
    seed = int(os.environ.get("MW_SEED", SEED))
    draw = random.Random(seed)
    counts = dict.fromkeys(ROLES, 0)
    last = dict.fromkeys(ROLES, 0)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        # Nobody waits for the one killed before: several may be down at the same time. A role that
        # is killed again has come back in between, and has at times got as far as its first words.
        role = draw.choice(ROLES)
        said = role != "mosquitto" and draw.random() < 0.3
        pid = plant.wait_role(role, old=last[role], said=said)
        time.sleep(draw.choice((0, 0.05, 0.3)))
        if kill(pid):
            counts[role] += 1
            last[role] = pid
    say(f"seed {seed}, killed: " + ", ".join(f"{role} {n}" for role, n in counts.items()))
    # All are back, and work goes on.
    for role in ROLES:
        plant.wait_role(role, old=last[role], said=role != "mosquitto")
    before = plant.ledger()["total"]["stored"]
    wait(lambda: plant.ledger()["total"]["stored"] > before + 200, "new records after the kills")
    took = plant.stop()
    say(f"stopped in {took:.1f} s")
    account(plant, more_than=4000)
    plant.check_log()


def supervisor_killed(program):
    plant = Plant(program, TEXT)
    plant.start()
    wait(lambda: plant.ledger()["total"]["stored"] > 500, "the first records")
    found = plant.children()
    check(set(found) == set(ROLES), f"children are {found}")
    plant.stop(signal.SIGKILL)
    say("its children died with it")
    before = account(plant)
    plant.start()
    wait(lambda: plant.ledger()["total"]["stored"] > before["stored"] + 500,
         "records after the second start")
    plant.stop()
    account(plant)
    plant.check_log()


if __name__ == "__main__":
    main(killed_at_random, supervisor_killed)
