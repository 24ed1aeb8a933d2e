#!/usr/bin/env python3
"""The loop with its records in a real Kafka: nothing lost, nothing doubled, whoever is killed."""
import json
import os
import subprocess
import time

from cluster import Cluster
from kafka_plant import SEED, THREE, goes_on, judge, make_plant, scored, spools, stored
from kill_test import Killer
from plant import account, check, main, say, wait

KILLS = 10  # seconds


def whole_loop(program):
    cluster = Cluster()
    plant = make_plant(program, cluster, "whole")
    plant.start()
    wait(scored(plant, 200), "the first model to score", limit=180, pause=0.2)
    took = plant.stop()
    say(f"stopped in {took:.1f} s")
    total = judge(plant, cluster, "whole")
    check(total["suppressed"] > 0, "no model was at work on the things")
    cluster.close()


def killed_at_random(program):
    cluster = Cluster()
    plant = make_plant(program, cluster, "killed")
    plant.start()
    killer = Killer(plant, SEED)
    killer.kill(KILLS)
    wait(scored(plant, 50), "the first model to score", limit=180, pause=0.2)
    killer.kill(KILLS)
    killer.all_back()
    before = plant.ledger()["total"]["stored"]
    wait(stored(plant, before + 200), "new records after the kills", limit=180, pause=0.2)
    say(f"seed {SEED}, killed: " +
        ", ".join(f"{role} {n}" for role, n in killer.counts.items()))
    plant.stop()
    judge(plant, cluster, "killed")
    cluster.close()


def kafka_killed(program):
    """Its only node, with SIGKILL: what comes is acknowledged, and all goes on when it is back."""
    cluster = Cluster()
    plant = make_plant(program, cluster, "away")
    plant.start()
    wait(stored(plant, 500), "the first records", limit=180)
    for _ in range(2):
        cluster.kill(0)
        spools(plant)
        cluster.start(0)
        cluster.wait(0)
        goes_on(plant)
    plant.stop()
    judge(plant, cluster, "away")
    cluster.close()


def node_lost(program):
    """One of three, with SIGKILL, the others one after another: the plant goes on without it."""
    cluster = Cluster(3)
    plant = make_plant(program, cluster, "three", THREE)
    plant.start()
    wait(stored(plant, 300), "the first records", limit=180)
    for node in range(3):
        before = plant.ledger()["total"]["stored"]
        cluster.kill(node)
        begin = time.monotonic()
        wait(stored(plant, before + 300), f"records without node {node + 1}", limit=120, pause=0.2)
        say(f"without node {node + 1}: 300 new records after {time.monotonic() - begin:.1f} s")
        cluster.start(node)
        cluster.wait(node)
    plant.stop()
    judge(plant, cluster, "three")
    cluster.close()


def leader_of(cluster, topic):
    """The node of a topic with one partition."""
    done = subprocess.run(["kcat", "-b", cluster.bootstrap, "-L", "-J", "-t", topic],
                          capture_output=True, check=True)
    return json.loads(done.stdout)["topics"][0]["partitions"][0]["leader"] - 1


def position_away(program):
    """A bridge that starts while nobody has its positions waits for them: they are not none."""
    cluster = Cluster(3)
    plant = make_plant(program, cluster, "away", "partitions: 3, replication: 1, spool: off")
    plant.start()
    wait(stored(plant, 1000), "the first records", limit=180)
    plant.stop()
    node = leader_of(cluster, "mw.away.bridge.position")
    cluster.kill(node)
    before = len(plant.text())
    until_ready = plant.begin()
    wait(lambda: "mw.away.bridge.position" in plant.text()[before:], "the bridge to say what it lacks",
         limit=120)
    check(plant.state("bridge").get("pid") != plant.children().get("bridge"),
          "the bridge has begun without its positions")
    cluster.start(node)
    cluster.wait(node)
    until_ready(180)
    before = plant.ledger()["total"]["stored"]
    wait(stored(plant, before + 300), "records behind those of before", limit=120, pause=0.2)
    plant.stop()
    judge(plant, cluster, "away")
    cluster.close()


def secured(program):
    """A password over TLS and client certificates work; what does not says why."""
    cluster = Cluster(secure=True)
    tls = f"ssl.ca.location={cluster.path(0, 'ca.pem')}\n"
    plain = f"security.protocol=sasl_ssl\nsasl.mechanism=PLAIN\nsasl.username=mill\n{tls}"
    config = "config: kafka.properties"
    plant = make_plant(program, cluster, "secured", config)
    options = os.path.join(plant.folder, "kafka.properties")

    def use(port, text):
        with open(options, "w") as file:
            file.write(text)
        os.chmod(options, 0o600)
        plant.write(plant_text.replace(f":{cluster.ports[0]}", f":{port}"))

    with open(plant.config) as file:
        plant_text = file.read()
    use(cluster.sasl, plain + "sasl.password=grist\n")
    plant.start()
    wait(stored(plant, 500), "records over SASL and TLS", limit=180)
    plant.stop()
    stored_ones = account(plant)["stored"]
    use(cluster.ssl, f"security.protocol=ssl\n{tls}"
                     f"ssl.certificate.location={cluster.path(0, 'client.pem')}\n"
                     f"ssl.key.location={cluster.path(0, 'client.key')}\n")
    check(account(plant)["stored"] == stored_ones, "another account over client certificates")

    for port, text, word in ((cluster.sasl, plain + "sasl.password=chaff\n", "uthentication"),
                             (cluster.ssl, f"security.protocol=ssl\n{tls}", "ertificate"),
                             (cluster.sasl, plain.replace("PLAIN", "SCRAM-SHA-256"), "SCRAM")):
        use(port, text)
        done = plant.run("ledger", "-c", plant.config, status=None)
        say(done.err.strip())
        check(done.returncode in (1, 2) and word in done.err and "grist" not in done.err,
              f"exit status {done.returncode}, '{word}' was expected in: {done.err}")
    plant.check_log()
    cluster.close()


if __name__ == "__main__":
    main(whole_loop, killed_at_random, kafka_killed, node_lost, position_away, secured)
