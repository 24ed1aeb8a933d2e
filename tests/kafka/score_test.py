#!/usr/bin/env python3
"""Three scorers share a plant whose records are in Kafka. Whoever is killed, the others take over what
it had, and every record has one score."""
import os
import random
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "loop"))
from cluster import Cluster  # noqa: E402
from plant import Plant, account, check, check_numbers, main, say, wait  # noqa: E402

SHARES = 3
SEED = 11
KILLS = 8
TAKEN_OVER = 30  # seconds: the session's 6 and patience; what it took is printed

TEXT = """\
plant: scorers
data: data
http: {port: 0}
time: {tolerance: off}
model: {kind: logistic, horizon: 4h}
commission: {records: 40}
level2: {enabled: false}
action: {immediate: stop, expires: 1h}
retrain: {minimum_records: 600, minimum_positives: 30, on_drift: false}
rollout: {canary: 1, records: 2}
simulate: {machines: 12, seed: 3, interval: 10m, speed: 6000, fault_every: 12h, growth: 12h}
stream: {url: "kafka://%s", partitions: 6}
"""
DIVIDED = "score: {shares: %d}\n"


class Scorers:
    """Beside the one that `up` has: `millwright score`, so many processes."""

    def __init__(self, plant, n):
        self.plant = plant
        self.process = [None] * n
        for i in range(n):
            self.start(i)

    def start(self, i):
        with open(self.plant.log, "ab") as log:
            self.process[i] = subprocess.Popen(
                [self.plant.program, "score", "-c", self.plant.config], stdout=log, stderr=log,
                stdin=subprocess.DEVNULL)

    def kill(self, i):
        self.process[i].kill()
        self.process[i].wait()

    def stop(self):
        for one in self.process:
            if one.poll() is None:
                one.terminate()
        for one in self.process:
            one.wait(30)


def name(share):
    return "score" if share == 0 else f"score-{share}"


def hosts(plant):
    """The process that scores each share, as far as they say."""
    return [plant.state(name(share)).get("pid") for share in range(SHARES)]


def scored(plant):
    return plant.ledger()["total"]["scored"]


def each_has_one(plant, scorers):
    pids = {one.pid for one in scorers.process} | {plant.children().get("score")}
    wait(lambda: set(hosts(plant)) == pids, "each of three scorers to have a share", limit=120,
         pause=0.2)


def judge(plant):
    total = account(plant, more_than=1000)
    check(check_numbers(plant) == total["stored"], "the ledger counts otherwise than the stream")
    check(total["scored"] > 500, f"only {total['scored']} scores")
    # An id is made of the record that gave the command.
    ids = [record["value"]["id"] for record in plant.stream("command")]
    check(len(ids) == len(set(ids)), f"{len(ids)} commands, {len(set(ids))} of them different")
    plant.check_log()


def begin(program, text):
    cluster = Cluster()
    plant = Plant(program, TEXT % cluster.bootstrap + text)
    plant.start(limit=180)
    wait(lambda: scored(plant) > 100, "the first model to score", limit=180, pause=0.5)
    return cluster, plant


def taken_over(program):
    """One of three is killed and does not come back."""
    cluster, plant = begin(program, DIVIDED % SHARES)
    scorers = Scorers(plant, 2)
    try:
        each_has_one(plant, scorers)
        before = hosts(plant)
        lost = before.index(scorers.process[1].pid)
        began = time.monotonic()
        scorers.kill(1)
        wait(lambda: hosts(plant)[lost] not in (None, before[lost]), "another one to have the share",
             limit=TAKEN_OVER)
        taken = time.monotonic() - began
        wait(lambda: plant.state(name(lost)).get("scored", 0) > 0, "another one to score the share",
             limit=TAKEN_OVER)
        say(f"share {lost}: another scorer has it {taken:.1f} s after the kill, and says that it "
            f"has scored after {time.monotonic() - began:.1f} s")
        for share in range(SHARES):
            check(share == lost or hosts(plant)[share] == before[share],
                  f"share {share} has moved without a reason")
        count = scored(plant)
        wait(lambda: scored(plant) > count + 500, "scores by two", limit=120, pause=0.5)
    finally:
        scorers.stop()
    plant.stop()
    judge(plant)
    cluster.close()


def killed_at_random(program):
    """Any of three is killed, again and again, and comes back soon or late."""
    cluster, plant = begin(program, DIVIDED % SHARES)
    scorers = Scorers(plant, 2)
    draw = random.Random(int(os.environ.get("MW_SEED", SEED)))
    try:
        each_has_one(plant, scorers)
        for _ in range(KILLS):
            count, more = scored(plant), draw.randrange(400)
            wait(lambda: scored(plant) >= count + more, "work between two kills", limit=120,
                 pause=0.2)
            which = draw.randrange(3)
            if which == 2:
                os.kill(plant.wait_role("score"), 9)
                continue
            pid = scorers.process[which].pid
            scorers.kill(which)
            if draw.random() < 0.5:
                wait(lambda: pid not in hosts(plant), "the others to have what it had", limit=60)
            scorers.start(which)
        count = scored(plant)
        wait(lambda: scored(plant) > count + 500, "scores after the kills", limit=180, pause=0.5)
        each_has_one(plant, scorers)
    finally:
        scorers.stop()
    plant.stop()
    judge(plant)
    cluster.close()


def divided_later(program):
    """A plant with one scorer is divided, and the shares go on where it stood; once, and for good."""
    cluster, plant = begin(program, "")
    plant.stop()
    before = scored(plant)
    text = TEXT % cluster.bootstrap
    plant.write(text + DIVIDED % SHARES)
    plant.start(limit=180)
    wait(lambda: scored(plant) > before + 500, "scores of three shares", limit=180, pause=0.5)
    plant.stop()
    judge(plant)
    for other in (DIVIDED % 2, ""):
        plant.write(text + other)
        done = plant.run("score", "-c", plant.config, status=1)
        check("divided into 3 for good" in done.err, done.err)
    cluster.close()


if __name__ == "__main__":
    main(taken_over, killed_at_random, divided_later)
