"""A recording at full speed through `millwright up`, and libmosquitto on the very same broker."""
import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.parse

SOURCE = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCE / "examples"))
from loop import Failed, Plant, account  # noqa: E402

LAST_KNOWN = 70  # engines up to this one teach the model
COPIES = 20      # of the other 30 engines, each as engines of its own
MESSAGES = 50000


def split(source, work):
    """The recording that teaches, and a long one to measure with; its number of rows."""
    known, service, count = work / "known.txt", work / "service.txt", 0
    rows = [line.rstrip().split(" ", 1) for line in source.read_text().splitlines()]
    known.write_text("".join(f"{e} {rest}\n" for e, rest in rows if int(e) <= LAST_KNOWN))
    with open(service, "w") as out:
        for copy in range(COPIES):
            for engine, rest in rows:
                if int(engine) > LAST_KNOWN:
                    out.write(f"{int(engine) + 100 * copy} {rest}\n")
                    count += 1
    return known, service, count


def broker_of(plant):
    with open(f"{plant.folder}/data/run/broker.json") as file:
        broker = json.load(file)
    url = urllib.parse.urlparse(broker["url"])
    return [url.hostname, url.port, broker["username"], broker["password"]]


def last_append(plant, topic):
    """Unix time of the newest record of a topic."""
    lines = plant.call("stream", "cat", "-c", plant.config, "--json", topic).splitlines()
    return max(json.loads(line)["appended"] for line in lines)


class Options:
    json = True

    def __init__(self, millwright):
        self.millwright = str(millwright)


def measure(bench, source):
    """Records a second, from the start of the command until the last one is stored and scored."""
    known, service, count = split(source, bench.work)
    template = SOURCE / "examples" / "turbofan" / "plant.yaml"
    with Plant(Options(bench.millwright), template, str(bench.work / "plant"), {}) as plant:
        plant.replay([str(known)])
        plant.wait_for_rollouts(1)
        start = time.time()
        stored = plant.replay([str(service)])

        def scored():
            total = plant.ledger()["total"]
            return total["pending"] == 0 and total["awaiting"] == 0

        plant.wait("score for every record", scored, 120)
        seconds = last_append(plant, "score") - start
        line, _ = account(plant)
        record = plant.call("stream", "cat", "-c", plant.config, "telemetry").split("\n", 1)[0]
        payload = bench.work / "payload"
        payload.write_text(record)
        peer = bench.program("mqtt_peer", *broker_of(plant), payload, MESSAGES)
    if stored["sent"] != count:
        raise Failed(f"{stored['sent']} of {count} records were sent")
    return {"records": count, "stored_rate": count / stored["seconds"], "scored_rate": count / seconds,
            "ledger": line, "peer": peer}


@contextlib.contextmanager
def plain_broker(work, inflight=1000):
    """mosquitto on a free port, as lib/mqtt/mosquitto.c configures it, without a password; inflight 0: no
    bound on the messages that are on their way to a subscriber."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (work / "mosquitto.conf").write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\npersistence false\n"
        f"max_inflight_messages {inflight}\nmax_queued_messages 0\nlog_type none\n")
    broker = subprocess.Popen(["/usr/sbin/mosquitto", "-c", str(work / "mosquitto.conf")])
    try:
        end = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > end or broker.poll() is not None:
                    raise Failed("mosquitto does not answer") from None
                time.sleep(0.01)
        yield ["127.0.0.1", port, "bench", "bench"]
    finally:
        broker.terminate()
        broker.wait()


def measure_turns(bench):
    """A message and its answer, with a record of the demo's size."""
    payload = bench.work / "payload"
    payload.write_text("x" * 500)
    with plain_broker(bench.work) as broker:
        return bench.program("mqtt_peer", *broker, payload, MESSAGES)
