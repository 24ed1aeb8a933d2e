#!/usr/bin/env python3
"""A scorer with a streaming sidecar: each role a process of its own, as in pods, and the scorer has
the stream through a relay. Both are killed again and again: nothing is missing, nothing doubled."""
import os
import random
import signal
import subprocess

from plant import SANITIZERS, Plant, account, check, check_numbers, main, say, wait
from tls_test import Broker, free_port

SEED = 11
KILLS = 12

TEXT = """\
plant: sidecar
data: data
http: {port: 0}
log: {level: warn}
time: {tolerance: off}
broker: {url: "mqtt://127.0.0.1:%d"}
model: {kind: logistic, horizon: 4h}
commission: {records: 40}
level2: {share: 0.2, sketch_records: 20}
action: {immediate: stop, expires: 1h}
retrain: {minimum_records: 600, minimum_positives: 30, on_drift: false}
rollout: {canary: 1, records: 2}
simulate: {machines: 4, seed: 5, interval: 10m, speed: 30000, until: 7d,
           fault_every: 12h, growth: 12h}
"""


class Roles:
    """Starts what has ended, as a kubelet does."""

    def __init__(self, plant, socket):
        self.plant = plant
        self.words = {role: [role] for role in ("bridge", "serve", "learn", "thing")}
        self.words["relay"] = ["relay", "--socket", socket]
        self.words["score"] = ["score", "--stream", f"relay:{socket}"]
        self.running = {}
        self.log = open(plant.log, "ab")

    def look(self):
        for role, words in self.words.items():
            if role not in self.running or self.running[role].poll() is not None:
                self.running[role] = subprocess.Popen(
                    [self.plant.program, *words, "-c", self.plant.config], stdout=self.log,
                    stderr=self.log, stdin=subprocess.DEVNULL)

    def until(self, condition, what, limit=120):
        def both():
            self.look()
            return condition()
        return wait(both, what, limit, 0.1)

    def kill(self, role):
        self.running[role].kill()
        self.running[role].wait()

    def stop(self):
        """The things first, and the scorer when it has scored all."""
        for role in ("thing", "bridge", "score", "relay", "serve", "learn"):
            if role == "score":
                wait(lambda: self.plant.ledger()["total"]["awaiting"] == 0, "all to be scored",
                     pause=0.1)
            process = self.running.pop(role)
            process.send_signal(signal.SIGTERM)
            check(process.wait(30) == 0, f"{role} ended with {process.returncode}:\n"
                                         f"{self.plant.tail()}")

    def close(self):
        for process in self.running.values():
            process.kill()
            process.wait()
        self.log.close()


def scored(plant):
    return plant.ledger()["total"]["scored"]


def killed(program):
    port = free_port()
    plant = Plant(program, TEXT % port)
    broker = Broker(plant.folder, port, "allow_anonymous true")
    roles = Roles(plant, os.path.join(plant.folder, "stream.sock"))
    draw = random.Random(int(os.environ.get("MW_SEED", SEED)))
    try:
        broker.start()
        plant.run("prepare", "-c", plant.config)
        roles.until(lambda: os.path.isdir(plant.path("stream")) and scored(plant) > 200,
                    "scores through the relay")
        for _ in range(KILLS):
            before = scored(plant)
            roles.kill(draw.choice(("relay", "score")))
            roles.until(lambda: scored(plant) > before + 20, "scores after a kill")
        roles.stop()
    finally:
        roles.close()
        broker.stop()
    say(f"{KILLS} times killed the relay or its scorer")
    total = account(plant, more_than=1000)
    check(total["scored"] > 400, f"only {total['scored']} scored")
    check_numbers(plant)
    log = plant.text()
    check("the relay of the stream" in log, f"the scorer never said that its relay is gone:\n{log}")
    check(not any(word in log for word in SANITIZERS), log)


def said_plainly(program):
    plant = Plant(program, TEXT % free_port())
    plant.run("prepare", "-c", plant.config)
    done = plant.run("score", "-c", plant.config, "--stream", "relay:/nowhere/sock", status=1)
    check("/nowhere/sock" in done.err and "no relay answers there" in done.err, done.err)
    done = plant.run("score", "-c", plant.config, "--stream", "kafka://a", status=2)
    check("relay:PATH was expected" in done.err, done.err)
    done = plant.run("relay", "-c", plant.config, "--socket", "/" + "x" * 200, status=2)
    check("path of a socket" in done.err, done.err)
    other = Plant(program, (TEXT % free_port()).replace("plant: sidecar", "plant: other"))
    other.run("prepare", "-c", other.config)
    socket = os.path.join(plant.folder, "s.sock")
    relay = subprocess.Popen([plant.program, "relay", "-c", plant.config, "--socket", socket],
                             stderr=subprocess.DEVNULL)
    try:
        wait(lambda: os.path.exists(socket), "the relay's socket")
        done = plant.run("relay", "-c", plant.config, "--socket", socket, status=1)
        check("another relay listens there" in done.err, done.err)
        done = plant.run("score", "-c", other.config, "--stream", f"relay:{socket}", status=2)
        check('serves plant "sidecar"' in done.err, done.err)
    finally:
        relay.terminate()
        check(relay.wait(30) == 0, f"relay ended with {relay.returncode}")
    check(not os.path.exists(socket), "the relay left its socket behind")


if __name__ == "__main__":
    main(said_plainly, killed)
