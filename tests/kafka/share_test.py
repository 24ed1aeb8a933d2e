#!/usr/bin/env python3
"""Several bridges share a plant whose records are in Kafka: each has a transactional id of its own, so
whoever is killed, restarted or started twice, nothing is lost and nothing doubled."""
import os
import signal
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "loop"))
from cluster import Cluster  # noqa: E402
import share_test as loop  # noqa: E402
from plant import Plant, account, check, check_numbers, main, say, wait  # noqa: E402


def make_plant(program, cluster, shares, spool="1GiB"):
    return Plant(program, text_of(cluster, shares, spool))


def text_of(cluster, shares, spool="1GiB"):
    return loop.TEXT % ("info", shares) + \
        f'stream: {{url: "kafka://{cluster.bootstrap}", partitions: 3, spool: {spool}}}\n'


def judge(plant):
    total = account(plant, more_than=1000)
    check(check_numbers(plant) == total["stored"], "the ledger counts otherwise than the stream")
    check(all(boot == 1 for _, boot in loop.boots(plant)), "a position was lost")
    plant.check_log()


def shared(program):
    cluster = Cluster()
    plant = make_plant(program, cluster, 2)
    plant.start(limit=180)
    wait(lambda: loop.stored(plant) > 500, "the first records", limit=180, pause=0.5)
    loop.kill_bridges(plant, 2)
    before = loop.stored(plant)
    wait(lambda: loop.stored(plant) > before + 500, "records after the kills", limit=180, pause=0.5)
    plant.stop()
    figures = [plant.state(name).get("records") for name in loop.names(2)]
    check(all(figures), f"one bridge has stored all: {figures}")
    judge(plant)
    plant.write(text_of(cluster, 3))
    plant.start(limit=180)
    before = loop.stored(plant)
    wait(lambda: loop.stored(plant) > before + 500, "records by three", limit=180, pause=0.5)
    plant.stop()
    check(plant.text().count("divided anew") >= 5, "a bridge has not taken over its devices")
    judge(plant)
    cluster.close()


def started_twice(program):
    """Two processes are the bridge of one share, on two machines: one of them waits for the other."""
    cluster = Cluster()
    plant = make_plant(program, cluster, 2, "off")
    plant.start(limit=180)
    wait(lambda: loop.stored(plant) > 300, "the first records", limit=180, pause=0.5)
    config, log = os.path.join(plant.folder, "other.yaml"), os.path.join(plant.folder, "other.log")
    broker = plant.broker()
    user = f"{broker['username']}:{broker['password']}@"
    with open(config, "w") as file:
        file.write(text_of(cluster, 2, "off").replace("data: data", "data: other") +
                   f'broker: {{url: "{broker["url"].replace("//", "//" + user)}"}}\n')

    def said(words):
        with open(log) as file:
            return words in file.read()

    with open(log, "w") as file:
        other = subprocess.Popen([program, "bridge", "-c", config, "--share", "1"], stderr=file)
    try:
        wait(lambda: said("waiting for it to end"), "the second one to wait")
        before, pid = loop.stored(plant), plant.children()["bridge-1"]
        wait(lambda: loop.stored(plant) > before + 300, "records beside it", limit=180, pause=0.5)
        check(plant.children()["bridge-1"] == pid, "the first one was ended by the second")

        os.kill(pid, signal.SIGSTOP)  # it is silent, and it is not dead
        wait(lambda: said("taking over"), "the second one to take over")
        before = loop.stored(plant)
        wait(lambda: loop.stored(plant) > before + 300, "its records", limit=180, pause=0.5)
        os.kill(pid, signal.SIGCONT)
        plant.wait_role("bridge-1", old=pid, limit=180)
        wait(lambda: "waiting for it to end" in plant.text(), "the first one to wait", limit=180)
        check(other.poll() is None, "the second one was ended by the first")
        other.kill()
        other.wait()
        wait(lambda: plant.state("bridge-1").get("pid") == plant.children().get("bridge-1"),
             "the first one to take over", limit=180)
        before = loop.stored(plant)
        wait(lambda: loop.stored(plant) > before + 300, "its records", limit=180, pause=0.5)
    finally:
        other.kill()
        other.wait()
    plant.stop()
    judge(plant)
    cluster.close()


if __name__ == "__main__":
    main(shared, started_twice)
