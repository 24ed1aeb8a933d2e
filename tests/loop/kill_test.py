#!/usr/bin/env python3
"""Any process may be killed at any moment: the ledger still accounts for every record."""
import os
import random
import signal
import time

from plant import ROLES, Plant, account, check, check_numbers, main, say, wait

SEED = 20
BEFORE = 6  # seconds
AFTER = 12

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
simulate: {machines: 4, seed: 3, interval: 10m, speed: 60000, until: 7d,
           fault_every: 12h, growth: 12h}
"""


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


class Killer:
    def __init__(self, plant, seed):
        self.plant = plant
        self.draw = random.Random(seed)
        self.counts = dict.fromkeys(ROLES, 0)
        self.last = dict.fromkeys(ROLES, 0)

    def kill(self, seconds):
        """Nobody waits for the one killed before: several may be down at the same time. A role that
        is killed again has come back in between, and has at times got as far as its first words."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            role = self.draw.choice(ROLES)
            said = role != "mosquitto" and self.draw.random() < 0.3
            pid = self.plant.wait_role(role, old=self.last[role], said=said)
            time.sleep(self.draw.choice((0, 0.05, 0.3)))
            if kill(pid):
                self.counts[role] += 1
                self.last[role] = pid

    def all_back(self):
        for role in ROLES:
            self.plant.wait_role(role, old=self.last[role], said=role != "mosquitto")


def killed_at_random(program):
    plant = Plant(program, TEXT)
    plant.start()
    seed = int(os.environ.get("MW_SEED", SEED))
    killer = Killer(plant, seed)
    # First while the history comes in and a model is trained, published and rolled out, then while
    # it serves: with sketches, scores and commands on the way.
    killer.kill(BEFORE)
    wait(lambda: plant.ledger()["total"]["scored"] > 50, "the first model to score", pause=0.2)
    killer.kill(AFTER)
    killer.all_back()
    before = plant.ledger()["total"]["stored"]
    wait(lambda: plant.ledger()["total"]["stored"] > max(before + 200, 4000),
         "new records after the kills", pause=0.2)
    say(f"seed {seed}, killed: " +
        ", ".join(f"{role} {n}" for role, n in killer.counts.items()))
    took = plant.stop()
    say(f"stopped in {took:.1f} s")
    total = account(plant, more_than=4000)
    check(check_numbers(plant) == total["stored"], "the ledger counts otherwise than the stream")
    check(total["scored"] > 50 and total["suppressed"] > 0, "no model was at work")
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
