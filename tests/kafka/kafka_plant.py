"""What the tests of a plant on Kafka have in common."""
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "loop"))
from cluster import Cluster  # noqa: E402
from kill_test import TEXT  # noqa: E402
from plant import Plant, account, check, check_numbers, say, wait  # noqa: E402

SEED = int(os.environ.get("MW_SEED", "20"))
ONE = "partitions: 3"
THREE = "partitions: 3, replication: 3"
# Records that take longer than the 15 s for which Kafka lets a transaction stay open: four machines
# have a hundred each a second, and are through with the 4000 of their past before.
LONG = 10000


def make_plant(program, cluster, name, topics=ONE, text=TEXT):
    text = text.replace("plant: kill\n", f"plant: {name}\n")
    return Plant(program, text + f'stream: {{url: "kafka://{cluster.bootstrap}", {topics}}}\n')


def without_things(text=TEXT):
    return text[:text.index("simulate:")]


def scored(plant, n):
    return lambda: plant.ledger()["total"]["scored"] > n


def stored(plant, n):
    return lambda: plant.ledger()["total"]["stored"] > n


def count_committed(cluster, topic):
    """As kcat sees it, which knows nothing of Millwright."""
    done = subprocess.run(["kcat", "-b", cluster.bootstrap, "-C", "-t", topic, "-o", "beginning",
                           "-e", "-q", "-X", "isolation.level=read_committed", "-f", "%k\n"],
                          capture_output=True, check=True)
    return done.stdout.count(b"\n")


def judge(plant, cluster, name):
    total = account(plant, more_than=2000)
    check(check_numbers(plant) == total["stored"], "the ledger counts otherwise than the stream")
    seen = count_committed(cluster, f"mw.{name}.telemetry")
    seen += count_committed(cluster, f"mw.{name}.sketch")
    check(seen == total["stored"], f"kcat sees {seen} records, the ledger {total['stored']}")
    check(not os.path.exists(plant.path("stream")), "there is a stream on the disk as well")
    plant.check_log()
    return total


def figure(plant, name):
    return plant.state("bridge").get(name, 0)


def settled(plant):
    """The running bridge has said that Kafka is there and nothing waits."""
    state = plant.state("bridge")
    return state.get("pid") == plant.children().get("bridge") and \
        not state.get("away") and state.get("spooled") == 0 and not state.get("paused")


def acknowledged(plant):
    """What the things have in their outboxes no more."""
    devices = plant.state("thing").get("devices", {}).values()
    return sum(device["published"] - device["waiting"] for device in devices)


def spools(plant, more=300):
    """Until so many records were acknowledged without Kafka."""
    wait(lambda: figure(plant, "away"), "the bridge to notice", limit=60)
    before = acknowledged(plant)
    begin = time.monotonic()
    wait(lambda: acknowledged(plant) > before + more, "acknowledgements from the spool",
         limit=60 + more / 20)
    say(f"{more} acknowledged from the spool in {time.monotonic() - begin:.1f} s, "
        f"{figure(plant, 'spooled')} items wait")
    check(figure(plant, "away"), "Kafka was not away any more")


def goes_on(plant):
    wait(lambda: settled(plant), "the spool to be drained", limit=180, pause=0.1)
    before = plant.ledger()["total"]["stored"]
    wait(stored(plant, before + 300), "records in Kafka behind the spooled ones", limit=120,
         pause=0.2)


def judge_all(plant, cluster, name):
    judge(plant, cluster, name)
    last = {}
    for record in plant.stream("telemetry"):
        value = record["value"]
        number = (value["boot"], value["seq"])
        check(number > last.get(value["device"], (0, -1)),
              f"{value['device']}: {number} comes behind {last.get(value['device'])}")
        last[value["device"]] = number


def begin(program, name, held_up=False):
    cluster = Cluster(held_up=held_up)
    plant = make_plant(program, cluster, name, ONE)
    plant.start()
    wait(stored(plant, 500), "the first records", limit=180, pause=0.2)
    return cluster, plant
