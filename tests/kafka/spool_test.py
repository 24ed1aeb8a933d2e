#!/usr/bin/env python3
"""Kafka does not answer for a while: the bridge acknowledges from its spool, and drains it after."""
import os
import random
import signal
import time

from cluster import Cluster
from kafka_plant import (LONG, ONE, SEED, acknowledged, begin, figure, goes_on, judge_all, make_plant,
                         settled, spools)
from kill_test import kill
from plant import account, check, main, say, wait


def stopped(program):
    """For a moment, and for longer than Kafka lets a transaction stay open."""
    cluster, plant = begin(program, "stopped", held_up=True)
    pid = plant.children()["bridge"]
    for more in (1000, LONG):
        cluster.nodes[0].send_signal(signal.SIGSTOP)
        spools(plant, more)
        cluster.nodes[0].send_signal(signal.SIGCONT)
        goes_on(plant)
    check(plant.children()["bridge"] == pid, "the bridge did not live through it")
    plant.stop()
    judge_all(plant, cluster, "stopped")
    cluster.close()


def gone(program):
    """With SIGKILL, and started again."""
    cluster, plant = begin(program, "gone")
    pid = plant.children()["bridge"]
    for more in (1000, LONG):
        cluster.kill(0)
        spools(plant, more)
        cluster.start(0)
        cluster.wait(0)
        goes_on(plant)
    check(plant.children()["bridge"] == pid, "the bridge did not live through it")
    plant.stop()
    judge_all(plant, cluster, "gone")
    cluster.close()


def bridge_killed(program):
    """While it spools and while it drains, wherever that hits it."""
    cluster, plant = begin(program, "bridge-killed", held_up=True)
    draw = random.Random(SEED)
    last = 0
    for turn in range(4):
        pid = plant.wait_role("bridge", old=last, said=True)
        cluster.nodes[0].send_signal(signal.SIGSTOP)
        spools(plant, 500)
        if turn % 2 == 0:
            check(kill(pid), "the bridge was gone already")
            last = pid
            cluster.nodes[0].send_signal(signal.SIGCONT)
        else:
            cluster.nodes[0].send_signal(signal.SIGCONT)
            wait(lambda: not figure(plant, "away") or plant.children().get("bridge") != pid,
                 "draining to begin")
        for _ in range(3):
            pid = plant.wait_role("bridge", old=last)
            time.sleep(draw.choice((0, 0.02, 0.1, 0.3, 1)))
            if kill(pid):
                last = pid
        goes_on(plant)
    say(f"seed {SEED}")
    plant.stop()
    judge_all(plant, cluster, "bridge-killed")
    cluster.close()


def end_bridge(plant, number):
    """While Kafka is away: the next one goes on from what is on the disk."""
    pid = plant.children()["bridge"]
    os.kill(pid, number)
    plant.wait_role("bridge", old=pid, said=True, limit=120)
    check(figure(plant, "away"), "Kafka was not away")
    spools(plant)


def goes_on_knowing(plant):
    """Kafka is there again, and what it has is not only known any more."""
    goes_on(plant)
    check(not os.path.exists(plant.path("spool", "bridge.known")),
          "it is known what Kafka had, and not what it has")


def spools_knowing(plant):
    spools(plant)
    wait(lambda: os.path.exists(plant.path("spool", "bridge.known")),
         "what Kafka has to be noted", limit=60)


def started_without(program):
    """The bridge is killed, or stopped in order, while Kafka is away. And what Kafka turns out to
    have of a transaction in doubt is passed over."""
    cluster, plant = begin(program, "without", held_up=True)
    for _ in range(2):
        cluster.nodes[0].send_signal(signal.SIGSTOP)
        spools_knowing(plant)
        for number in (signal.SIGKILL, signal.SIGTERM):
            end_bridge(plant, number)
        cluster.nodes[0].send_signal(signal.SIGCONT)
        goes_on_knowing(plant)
    pid = plant.children()["bridge"]
    cluster.nodes[0].send_signal(signal.SIGSTOP)
    os.kill(pid, signal.SIGTERM)  # as if in order, before it has noticed
    plant.wait_role("bridge", old=pid, said=True, limit=120)
    spools(plant)
    cluster.nodes[0].send_signal(signal.SIGCONT)
    goes_on(plant)
    check("into the spool from the start" in plant.text(), "the log does not say so")
    plant.stop()
    judge_all(plant, cluster, "without")
    cluster.close()


def started_without_killed(program):
    """The same while Kafka hangs and is killed, with the transaction that hung."""
    cluster, plant = begin(program, "without-killed")
    cluster.nodes[0].send_signal(signal.SIGSTOP)
    spools_knowing(plant)
    for number in (signal.SIGKILL, signal.SIGTERM):
        end_bridge(plant, number)
    cluster.kill(0)
    cluster.start(0)
    cluster.wait(0)
    goes_on_knowing(plant)
    plant.stop()
    judge_all(plant, cluster, "without-killed")
    cluster.close()


def all_without(program):
    """The whole plant is started while there is no Kafka: it takes in and acknowledges all the same,
    and the roles that can do nothing without it are there when it is."""
    cluster, plant = begin(program, "all-without")
    plant.stop()
    cluster.kill(0)
    until_ready = plant.begin()
    plant.wait_role("thing", said=True, limit=120)
    spools(plant, 1000)
    wait(lambda: 'score "ended, starting it again"' in plant.text(), "the scorer to try again",
         limit=60)
    cluster.start(0)
    cluster.wait(0)
    until_ready(180)
    goes_on(plant)
    plant.stop()
    judge_all(plant, cluster, "all-without")
    cluster.close()


def check_gaps(plant, ledger):
    """Without the ledger's help: what a device lacks is as much as was merged and dropped."""
    numbers = {}
    for topic in ("telemetry", "sketch", "dead"):
        for record in plant.stream(topic):
            value = record["value"]
            if "seq" in value and value.get("by") != "score":
                numbers.setdefault(value["device"], []).append((value["boot"], value["seq"]))
    for row in ledger["devices"]:
        found = numbers.get(row["device"], [])
        check(len(found) == len(set(found)), f"{row['device']} has numbers twice")
        check({boot for boot, _ in found} == {1}, f"{row['device']}: a thing has lost its outbox")
        there = 1 + max(seq for _, seq in found)
        check(there - len(found) == row["merged"] + row["dropped"],
              f"{there - len(found)} numbers are not there: {row}")


def bounded(program):
    """At the limit sketches are merged and then the oldest records dropped; intake goes on, and the
    ledger says what was dropped."""
    cluster = Cluster(held_up=True)
    plant = make_plant(program, cluster, "bounded", ONE + ", spool: 1MiB")
    plant.start()
    wait(lambda: plant.ledger()["total"]["sketches"] > 20, "the first sketches", limit=180,
         pause=0.2)
    cluster.nodes[0].send_signal(signal.SIGSTOP)
    wait(lambda: figure(plant, "spool_dropped") > 500, "records to be dropped", limit=180)
    before = acknowledged(plant)
    wait(lambda: acknowledged(plant) > before + 1000, "intake to go on at the limit", limit=60)
    check(not figure(plant, "paused"), "intake is paused")
    check(figure(plant, "spool_bytes") <= 1 << 20, "there is more in the spool than it may hold")
    check(figure(plant, "spool_merged") > 0, "no sketches were merged")
    check("oldest records are dropped" in plant.text(), "the log does not say so")
    cluster.nodes[0].send_signal(signal.SIGCONT)

    def whole():
        ledger = plant.ledger()
        check(ledger["total"]["missing"] == 0 and ledger["balanced"],
              f"while it is drained: {ledger['total']}")
        return settled(plant)

    wait(whole, "the spool to be drained", limit=180)
    goes_on(plant)
    done = {name: figure(plant, name) for name in ("spool_merged", "spool_dropped")}
    plant.stop()
    total = account(plant, more_than=2000)
    say(f"{done}, in the ledger: merged {total['merged']}, dropped {total['dropped']}")
    check(0 < total["dropped"] <= done["spool_dropped"], "the ledger tells otherwise")
    check(total["merged"] == done["spool_merged"], "the ledger tells otherwise of the sketches")
    check_gaps(plant, plant.ledger())
    plant.check_log()
    cluster.close()


if __name__ == "__main__":
    main(stopped, gone, bridge_killed, started_without, started_without_killed, all_without, bounded)
