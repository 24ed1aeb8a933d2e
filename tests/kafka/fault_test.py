#!/usr/bin/env python3
"""What a plant on Kafka has to stand: 200 kills at random, a scorer that is held up, a device whose
clock jumps, a disk that is full under the spool, a request that comes late, messages that come twice
and in the wrong order. The ledger is the judge."""
import json
import os
import random
import signal
import time

from cluster import Cluster
from front import Front
from kafka_plant import (ONE, SEED, acknowledged, figure, goes_on, judge_all, make_plant, scored,
                         settled, stored, without_things)
import full_test
from kill_test import kill
from mqtt import Client
from plant import account, check, check_numbers, main, say, wait

# Of $MW_KILLS, 200 unless that says otherwise. A role that keeps being killed is started again only
# after 10 s, which sets the pace.
SHARE = {"thing": 0.22, "mosquitto": 0.22, "bridge": 0.22, "score": 0.2, "kafka": 0.14}
DECK = {role: round(share * int(os.environ.get("MW_KILLS", "200"))) for role, share in SHARE.items()}
HAND = 8  # cards from which the next one is played
DAY = 86400


class Killer:
    """A shuffled deck of who is to be killed. The first of the hand that has come back since its
    last time is next; nobody waits for the others."""

    def __init__(self, plant, cluster, seed):
        self.plant = plant
        self.cluster = cluster
        self.draw = random.Random(seed)
        self.deck = [role for role, n in DECK.items() for _ in range(n)]
        self.draw.shuffle(self.deck)
        self.counts = dict.fromkeys(DECK, 0)
        self.last = dict.fromkeys(DECK, 0)

    def target(self):
        children = self.plant.children()
        for role in dict.fromkeys(self.deck[:HAND]):
            pid = self.cluster.nodes[0].pid if role == "kafka" else children.get(role, 0)
            if pid not in (0, self.last[role]):
                return role, pid
        return None

    def kill(self):
        self.plant.alive()
        role, pid = wait(self.target, f"one of {set(self.deck[:HAND])} to be up again")
        time.sleep(self.draw.choice((0, 0, 0.05, 0.3, 1)))  # into what it is doing
        if role == "kafka":
            self.cluster.kill(0)
            self.cluster.start(0)
        elif not kill(pid):
            return  # it has ended by itself, as a role without its stream does
        self.deck.remove(role)
        self.counts[role] += 1
        self.last[role] = pid

    def all_back(self):
        self.cluster.wait(0)
        for role in DECK:
            if role != "kafka":
                self.plant.wait_role(role, old=self.last[role], said=role != "mosquitto",
                                     limit=300)  # Kafka may be slow to come to itself


def two_hundred_kills(program):
    cluster = Cluster()
    plant = make_plant(program, cluster, "kills")
    plant.start()
    wait(scored(plant, 50), "the first model to score", limit=180, pause=0.2)
    killer = Killer(plant, cluster, SEED)
    began = time.monotonic()
    while killer.deck:
        killer.kill()
    took = time.monotonic() - began
    killer.all_back()
    wait(lambda: settled(plant), "the spool to be drained", limit=180, pause=0.1)
    before = plant.ledger()["total"]
    wait(lambda: plant.ledger()["total"]["stored"] > before["stored"] + 300 and
         plant.ledger()["total"]["scored"] > before["scored"], "work to go on", limit=180, pause=0.2)
    say(f"{sum(killer.counts.values())} kills in {took:.0f} s, seed {SEED}: " +
        ", ".join(f"{role} {n}" for role, n in killer.counts.items()))
    plant.stop()
    judge_all(plant, cluster, "kills")
    cluster.close()


def slow_consumer(program):
    """A scorer that stands still: intake goes on, and afterwards everything is scored, once."""
    cluster = Cluster()
    plant = make_plant(program, cluster, "slow")
    plant.start()
    wait(scored(plant, 50), "the first model to score", limit=180, pause=0.2)
    pid = plant.children()["score"]
    os.kill(pid, signal.SIGSTOP)
    before = plant.ledger()["total"]
    wait(stored(plant, before["stored"] + 1500), "intake to go on", limit=120, pause=0.2)
    held = plant.ledger()["total"]
    check(held["scored"] <= before["scored"] + 600, "the scorer did not stand still")
    check(not figure(plant, "away") and not figure(plant, "paused"), "the bridge waited for it")
    os.kill(pid, signal.SIGCONT)

    def caught_up():
        total = plant.ledger()["total"]
        return total["scored"] >= held["scored"] + held["awaiting"]

    wait(caught_up, "the scorer to catch up", limit=180, pause=0.2)
    total = plant.ledger()["total"]
    say(f"{held['awaiting']} records waited for the scorer, {total['passed']} of all have no score")
    check(total["passed"] == 0, "records were passed over")
    plant.stop()
    judge_all(plant, cluster, "slow")
    cluster.close()


class Press:
    """A thing of the test's own that says what it likes."""

    def __init__(self, plant, name, kind):
        self.name, self.kind, self.plant = name, kind, plant
        self.client = Client(plant.broker(), name)
        self.client.subscribe(f"mw/{plant_name(plant)}/ack/{name}")
        self.next = 0

    def record(self, seq, at, boot=1):
        return {"v": 1, "device": self.name, "boot": boot, "seq": seq, "time": at,
                "features": {"a": seq}}

    def send(self, *records):
        self.client.publish(f"mw/{plant_name(self.plant)}/telemetry/{self.name}",
                            list(records))

    def heard(self):
        """The number that the bridge wants next."""
        while True:
            _, payload = self.client.message()
            ack = json.loads(payload)
            if "next" in ack:
                self.next = ack["next"]
                return self.next

    def wait_for(self, number):
        while self.next != number:
            self.heard()


def plant_name(plant):
    with open(plant.config) as file:
        return next(line.split()[1] for line in file if line.startswith("plant:"))


def values_of(plant, device):
    return [record["value"] for record in plant.stream("telemetry")
            if record["value"]["device"] == device]


def clock_jumps(program):
    """Days ahead, days back, and right again: each record is kept, in order, and the wrong ones are
    marked."""
    cluster = Cluster()
    text = without_things().replace("tolerance: off", "tolerance: 1h")
    plant = make_plant(program, cluster, "jumps", text=text)
    plant.start()
    press = Press(plant, "press-1", "telemetry")
    jumps = (0, 3 * DAY, 0, -30 * DAY, 0, 400 * DAY, -20000 * DAY, 0)
    for seq in range(400):
        now = time.time()
        press.send(press.record(seq, now + jumps[seq // 50]))
        press.wait_for(seq + 1)
    press.client.close()
    wait(stored(plant, 399), "all records in Kafka", pause=0.1)
    plant.stop()
    total = account(plant)
    check(total["stored"] == 400 and total["published"] == 400, f"not 400: {total}")
    found = values_of(plant, "press-1")
    check([value["seq"] for value in found] == list(range(400)), "not in order")
    for value in found:
        wrong = jumps[value["seq"] // 50] != 0
        check(value.get("time_suspect", False) is wrong, f"suspected or not: {value}")
    say(f"{sum('time_suspect' in value for value in found)} of {len(found)} are marked")
    check(check_numbers(plant) == 400, "the ledger counts otherwise than the stream")
    plant.check_log()
    cluster.close()


def delivery(program):
    """Messages again, in the wrong order, with holes, in parts that overlap: each record once and
    in order. Drawn, so that each run is the same."""
    cluster = Cluster()
    plant = make_plant(program, cluster, "delivery", text=without_things())
    plant.start()
    draw = random.Random(SEED)
    press = Press(plant, "press-1", "telemetry")
    count, sent = 2000, 0
    while press.next < count:
        parts = []
        for _ in range(6):  # somewhere around what is wanted
            first = max(0, press.next + draw.randint(-40, 40))
            parts.append(range(first, min(count, first + draw.randint(1, 40))))
        parts.append(range(press.next, min(count, press.next + draw.randint(1, 20))))
        draw.shuffle(parts)
        for part in filter(len, parts):
            press.send(*(press.record(seq, time.time()) for seq in part))
            sent += len(part)
            press.heard()
    press.client.close()
    wait(stored(plant, count - 1), "all records in Kafka", pause=0.1)
    state = plant.state("bridge")
    say(f"seed {SEED}: {sent} records sent, {state['again']} again, {state['ahead']} too early")
    plant.stop()
    total = account(plant)
    check(total["stored"] == count, f"not {count}: {total}")
    check([value["seq"] for value in values_of(plant, "press-1")] == list(range(count)),
          "not in order")
    check(sent > 3 * count and state["again"] > 0 and state["ahead"] > 0, "nothing was wrong")
    plant.check_log()
    cluster.close()


def spool_disk_full(program):
    """The disk is full while Kafka is away: said plainly, nothing acknowledged, nothing lost."""
    folder = full_test.mount("16m")
    cluster = Cluster(held_up=True)
    plant = make_plant(program, cluster, "spoolfull")
    os.makedirs(plant.path(), mode=0o700, exist_ok=True)
    os.symlink(folder, plant.path("spool"))
    os.chmod(folder, 0o700)
    plant.start()
    wait(stored(plant, 500), "the first records", limit=180, pause=0.2)
    filler = os.path.join(folder, "filler")
    for turn in range(2):
        at = len(plant.text())
        cluster.nodes[0].send_signal(signal.SIGSTOP)
        wait(lambda: figure(plant, "away"), "the bridge to notice", limit=60)
        full_test.fill(filler)
        wait(lambda: figure(plant, "paused"), "the bridge to say that it cannot write", limit=120)
        check("full" in plant.text()[at:], f"the log does not say why:\n{plant.tail()}")
        say(f"full with {figure(plant, 'spooled')} items in the spool")
        if turn == 0:  # there is room while Kafka is still away
            os.unlink(filler)
            before = acknowledged(plant)
            wait(lambda: acknowledged(plant) > before + 300, "the spool to go on", limit=120)
            cluster.nodes[0].send_signal(signal.SIGCONT)
        else:  # Kafka is back on a disk that is still full
            cluster.nodes[0].send_signal(signal.SIGCONT)
            wait(lambda: not figure(plant, "paused"), "Kafka to take what waits", limit=180)
            os.unlink(filler)
        goes_on(plant)
    plant.stop()
    judge_all(plant, cluster, "spoolfull")
    cluster.close()


def asked_twice(program):
    """The end of a transaction is answered to a second request; the first gets to Kafka when part of
    the next transaction is there, and must not end that."""
    front = Front()
    cluster = Cluster(front=front)
    for name, spool in (("twice", ""), ("twice-unspooled", ", spool: off")):
        plant = make_plant(program, cluster, name, ONE + spool)
        plant.start()
        wait(stored(plant, 500), "the first records", limit=180, pause=0.2)
        for cut in (False, True, False, True):
            front.detain(f"mw.{name}.bridge", cut)
            wait(front.over.is_set, "the late request to be answered", limit=120)
            check(front.said != 0, "Kafka took the end of one transaction for another's")
            before = plant.ledger()["total"]["stored"]
            wait(stored(plant, before + 300), "records behind it", limit=120, pause=0.2)
        plant.stop()
        say(f"the late request was answered with {front.said}")
        judge_all(plant, cluster, name)
    cluster.close()


if __name__ == "__main__":
    main(clock_jumps, delivery, slow_consumer, spool_disk_full, asked_twice, two_hundred_kills)
