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
from kafka_plant import goes_on, settled, spools  # noqa: E402
from plant import Plant, account, check, check_numbers, main, wait  # noqa: E402


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
    wait(lambda: all(plant.state(name).get("records") for name in loop.names(2)),
         "records by both bridges", limit=180, pause=0.1)  # the last one killed began only just now
    plant.stop()
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


class Other:
    """A bridge on another machine, with a data folder of its own and the plant's broker."""

    def __init__(self, plant, text):
        self.plant = plant
        self.config = os.path.join(plant.folder, "other.yaml")
        self.log = os.path.join(plant.folder, "other.log")
        broker = plant.broker()
        user = f"{broker['username']}:{broker['password']}@"
        with open(self.config, "w") as file:
            file.write(text.replace("data: data", "data: other") +
                       f'broker: {{url: "{broker["url"].replace("//", "//" + user)}"}}\n')
        with open(self.log, "w") as file:
            self.process = subprocess.Popen([plant.program, "bridge", "-c", self.config],
                                            stderr=file)

    def text(self):
        with open(self.log) as file:
            return file.read()

    def refuses(self, words):
        status = wait(lambda: self.process.poll(), "the other bridge to end", limit=120)
        check(status == 1 and words in self.text(),
              f"status {status}, '{words}' was expected in:\n{self.text()}")

    def close(self):
        self.process.kill()
        self.process.wait()


def claimed(program):
    """What one bridge has acknowledged in its spool no other may pass over: another machine takes its
    place only when the spool has been given back, or given up."""
    cluster = Cluster(held_up=True)
    plant = make_plant(program, cluster, 1)
    plant.start(limit=180)
    wait(lambda: loop.stored(plant) > 300, "the first records", limit=180, pause=0.5)
    on, off = text_of(cluster, 1), text_of(cluster, 1, "off")
    for text in (on, off):  # while the first one answers
        Other(plant, text).refuses("cannot be its stand-by")

    pid = plant.children()["bridge"]
    cluster.nodes[0].send_signal(signal.SIGSTOP)
    spools(plant)
    os.kill(pid, signal.SIGSTOP)  # with acknowledged records, and it is silent
    cluster.nodes[0].send_signal(signal.SIGCONT)
    for text in (on, off):
        Other(plant, text).refuses("takes its place")
    os.kill(pid, signal.SIGCONT)
    goes_on(plant)
    plant.stop()
    judge(plant)

    plant.write(off)  # the spool is given back, and a stand-by is one
    plant.start(limit=180)
    other = Other(plant, off)
    try:
        wait(lambda: "waiting for it to end" in other.text(), "the other one to be the stand-by")
        os.kill(plant.children()["bridge"], signal.SIGSTOP)
        wait(lambda: "taking over" in other.text(), "the stand-by to take over")
        before = loop.stored(plant)
        wait(lambda: loop.stored(plant) > before + 300, "its records", limit=180, pause=0.5)
    finally:
        os.kill(plant.children()["bridge"], signal.SIGCONT)
        other.close()
    plant.stop()
    judge(plant)

    plant.write(on)  # and given up
    plant.start(limit=180)
    wait(lambda: settled(plant), "the spool to be there", limit=60)
    plant.stop()
    identity = plant.state("bridge")["spool"]
    plant.write(off)
    os.rename(plant.path("spool"), plant.path("lost"))
    plant.begin()
    wait(lambda: identity in plant.text() and "takes its place" in plant.text(),
         "the bridge to refuse without that spool", limit=120)
    plant.stop()
    plant.write(off.replace("spool: off", f'spool: off, spool_lost: "{identity}"'))
    plant.start(limit=180)
    check("given up" in plant.text(), "the log does not say so")
    before = loop.stored(plant)
    wait(lambda: loop.stored(plant) > before + 300, "records without it", limit=180, pause=0.5)
    plant.stop()
    judge(plant)
    os.rename(plant.path("lost"), plant.path("spool"))  # it turns up again
    plant.begin()
    wait(lambda: "was given up as lost" in plant.text(), "the spool to be refused", limit=120)
    plant.stop()
    judge(plant)
    cluster.close()


if __name__ == "__main__":
    main(shared, started_twice, claimed)
