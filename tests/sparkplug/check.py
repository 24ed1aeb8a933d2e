#!/usr/bin/env python3
"""check.py MILLWRIGHT [TEST ...]: plants run by `millwright up`, and pysparkplug on the other side of
the broker. The last line reads 'N passed, N failed, N skipped'."""
import logging
import os
import pathlib
import queue
import signal
import struct
import sys
import threading
import time
from urllib.parse import urlsplit

import pysparkplug as sp

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "loop"))
from plant import Failed, Plant, check, say, wait  # noqa: E402

TEXT = """\
plant: sp
http: {port: 0}
sparkplug: {groups: [Hall], host: millwright}
"""
CURRENT, SPEED, RUNS = "Motor/Current", "Motor/Speed", "Motor/Runs"
D = sp.DataType


def now():
    return int(time.time() * 1000)


def metric(name, datatype, value, alias=None, **more):
    return sp.Metric(timestamp=now(), name=name, datatype=datatype, value=value, alias=alias,
                     **more)


def address(plant):
    broker = plant.broker()
    url = urlsplit(broker["url"])
    return (url.hostname, url.port), {"username": broker["username"],
                                      "password": broker["password"]}


def client_of(plant, name):
    where, who = address(plant)
    client = sp.Client(client_id=name, **who)
    up = threading.Event()
    client.connect(where[0], port=where[1], callback=lambda _: up.set())
    check(up.wait(30), "pysparkplug could not connect")
    return client


def records(plant, device):
    return [record["value"] for record in plant.stream("telemetry")
            if record["value"]["device"] == device]


def statuses(plant, device, word):
    return [record["value"] for record in plant.stream("status")
            if record["value"]["device"] == device and word in record["value"]]


def started(text=TEXT):
    plant = Plant(sys.argv[1], text)
    plant.start()
    wait(lambda: plant.state("bridge").get("connected"), "the bridge to be connected")
    return plant


class Node:
    """An edge node of the test's own on pysparkplug's client: it may use aliases, skip numbers and
    publish at QoS 1, which EdgeNode does not."""

    def __init__(self, plant, node="Edge", device="M_1", bd_seq=5):
        self.node, self.device, self.bd_seq, self.seq = node, device, bd_seq, 0
        self.values = {CURRENT: 1.5, SPEED: -100, RUNS: True}
        self.rebirths = queue.Queue()
        where, who = address(plant)
        self.client = sp.Client(client_id=node, **who)
        death = sp.NDeath(timestamp=now(), bd_seq_metric=self.bd())
        self.client.set_will(sp.Message(self.topic("NDEATH"), death, sp.QoS.AT_LEAST_ONCE, False))
        self.client.subscribe(self.topic("NCMD"), sp.QoS.AT_LEAST_ONCE, self.on_command)
        up = threading.Event()
        self.client.connect(where[0], port=where[1], callback=lambda _: up.set())
        check(up.wait(30), "the node could not connect")

    def bd(self):
        return metric("bdSeq", D.INT64, self.bd_seq)

    def topic(self, kind, device=None):
        return sp.Topic(group_id="Hall", message_type=sp.MessageType(kind),
                        edge_node_id=self.node, device_id=device)

    def on_command(self, _, message):
        for said in message.payload.metrics:
            if said.name == "Node Control/Rebirth" and said.value:
                self.rebirths.put(time.monotonic())

    def next(self):
        self.seq = (self.seq + 1) % 256
        return self.seq

    def send(self, kind, payload, device=None, qos=sp.QoS.AT_MOST_ONCE, types=True):
        self.client.publish(sp.Message(self.topic(kind, device), payload, qos, False),
                            include_dtypes=types)

    def birth(self, aliases=(1, 2, 3)):
        self.seq = 0
        self.send("NBIRTH", sp.NBirth(now(), 0, (
            self.bd(), metric("Node Control/Rebirth", D.BOOLEAN, False))))
        self.aliases = dict(zip((CURRENT, SPEED, RUNS), aliases))
        types = {CURRENT: D.FLOAT, SPEED: D.INT16, RUNS: D.BOOLEAN}
        self.send("DBIRTH", sp.DBirth(now(), self.next(), tuple(
            metric(name, types[name], value, self.aliases[name])
            for name, value in self.values.items())), self.device)

    def data(self, value, qos=sp.QoS.AT_MOST_ONCE):
        """By alias, without a datatype."""
        self.values[CURRENT] = value
        said = metric(None, D.FLOAT, value, self.aliases[CURRENT])
        self.send("DDATA", sp.DData(now(), self.next(), (said,)), self.device, qos, types=False)

    def vanish(self):
        """Closes the socket without a farewell, and stays away."""
        inner = self.client._client
        inner.reconnect_delay_set(3600, 3600)
        inner._sock_close()
        inner.loop_stop()


def an_edge_node_is_taken_in():
    plant = started()
    where, who = address(plant)
    device = sp.Device("Press_1", (metric(CURRENT, D.FLOAT, 1.5), metric(SPEED, D.INT32, -7),
                                   metric("Maker", D.STRING, "acme")))
    node = sp.EdgeNode("Hall", "Edge", (metric("Cabinet/Temperature", D.DOUBLE, 31.5),),
                       client=sp.Client(client_id="edge", **who))
    node.register(device)
    node.connect(where[0], port=where[1])
    wait(lambda: records(plant, "edge-press-1"), "the record of the birth")
    for i in range(20):
        node.update_device("Press_1", (metric(CURRENT, D.FLOAT, float(i)),))
    node.update((metric("Cabinet/Temperature", D.DOUBLE, 40.25),))
    wait(lambda: len(records(plant, "edge")) == 2, "the node's own records")
    found = records(plant, "edge-press-1")
    check([r["features"] for r in found] ==
          [{CURRENT: 1.5, SPEED: -7}] + [{CURRENT: i, SPEED: -7} for i in range(20)], f"{found}")
    check([r["features"] for r in records(plant, "edge")] ==
          [{"Cabinet/Temperature": 31.5}, {"Cabinet/Temperature": 40.25}], "the cabinet")
    check(all("time_suspect" not in r for r in found), "times are suspect")
    check(statuses(plant, "edge-press-1", "born"), "no status of the birth")
    node.deregister("Press_1")
    wait(lambda: statuses(plant, "edge-press-1", "gone"), "the status of the device's death")
    total = plant.ledger()["total"]
    check(total["unnumbered"] == 23 and total["dead_unnumbered"] == 0, f"{total}")
    node._client.disconnect()  # EdgeNode's own says NDEATH with the bdSeq of its next connection
    plant.stop()
    plant.check_log()


def a_node_that_vanishes_is_gone():
    plant = started()
    node = Node(plant)
    node.birth()
    wait(lambda: records(plant, "edge-m-1"), "the first record")
    node.vanish()
    wait(lambda: statuses(plant, "edge", "gone") and statuses(plant, "edge-m-1", "gone"),
         "the statuses of the deaths")
    plant.stop()
    plant.check_log()


def a_gap_is_answered_with_a_rebirth_request():
    plant = started()
    node = Node(plant)
    node.birth()
    node.data(2.0)
    wait(lambda: len(records(plant, "edge-m-1")) == 2, "two records")
    node.next()  # as if lost
    node.data(3.0)
    node.rebirths.get(timeout=30)
    wait(lambda: statuses(plant, "edge", "gap"), "the status of the gap")
    check(len(plant.stream("dead")) == 1, "the alias behind the gap was believed")
    node.birth(aliases=(30, 20, 10))
    node.data(4.0)
    wait(lambda: len(records(plant, "edge-m-1")) == 4, "the records behind the rebirth")
    check([r["features"][CURRENT] for r in records(plant, "edge-m-1")] == [1.5, 2, 3, 4],
          f"{records(plant, 'edge-m-1')}")
    wait(lambda: plant.state("bridge").get("gaps") == 1, "the bridge to count one gap")
    node.client.disconnect()
    plant.stop()
    plant.check_log()


def aliases_outlive_the_bridge():
    plant = started()
    node = Node(plant)
    node.birth(aliases=(101, 102, 103))
    wait(lambda: records(plant, "edge-m-1"), "the first record")
    old = plant.children()["bridge"]
    os.kill(old, signal.SIGKILL)
    new = plant.wait_role("bridge", old, said=True)
    wait(lambda: plant.state("bridge").get("connected") and plant.state("bridge")["pid"] == new,
         "the new bridge to be connected")
    node.data(7.0)
    wait(lambda: len(records(plant, "edge-m-1")) == 2, "the record behind the kill")
    check(records(plant, "edge-m-1")[-1]["features"] == {CURRENT: 7, SPEED: -100, RUNS: 1},
          f"{records(plant, 'edge-m-1')}")
    check(node.rebirths.empty() and plant.state("bridge")["rebirths"] == 0, "it had to ask")
    node.client.disconnect()
    plant.stop()
    plant.check_log()


def kills_neither_lose_nor_double_what_the_broker_keeps():
    """At QoS 1 the broker delivers again what the bridge had not acknowledged when it was killed;
    the seq that was committed with the records says what is old."""
    plant = started()
    node = Node(plant)
    node.birth()
    wait(lambda: records(plant, "edge-m-1"), "the first record")
    sent = 0
    for _ in range(4):
        old = plant.children()["bridge"]
        for _ in range(400):
            sent += 1
            node.data(1000.0 + sent, sp.QoS.AT_LEAST_ONCE)
        os.kill(old, signal.SIGKILL)
        plant.wait_role("bridge", old)
    wait(lambda: len(records(plant, "edge-m-1")) >= sent + 1, "all records")
    found = [r["features"][CURRENT] for r in records(plant, "edge-m-1")]
    check(found == [1.5] + [1000.0 + i + 1 for i in range(sent)],
          f"{len(found)} records of {sent + 1}, {len(set(found))} of them different")
    check(not plant.stream("dead"), f"{plant.stream('dead')[:2]}")
    check(node.rebirths.empty(), "a gap was seen where none was")
    say(f"{sent} records, 4 kills")
    node.client.disconnect()
    plant.stop()
    plant.check_log()


def the_host_says_its_state():
    plant = started()
    heard = queue.Queue()
    client = client_of(plant, "watcher")
    topic = sp.Topic(message_type=sp.MessageType.STATE, sparkplug_host_id="millwright")
    client.subscribe(topic, sp.QoS.AT_LEAST_ONCE, lambda _, m: heard.put(m.payload))

    def next_state(online):
        while True:
            state = heard.get(timeout=30)
            if state.online == online:
                return state

    first = next_state(True)
    check(abs(first.timestamp - now()) < 3600e3, f"{first}")
    os.kill(plant.children()["bridge"], signal.SIGKILL)
    check(next_state(False).timestamp == first.timestamp, "the will is of another run")
    back = next_state(True)
    check(back.timestamp > first.timestamp, f"{back} is not newer than {first}")
    client.publish(sp.Message(topic, sp.State(timestamp=now(), online=False),
                              sp.QoS.AT_LEAST_ONCE, True))
    next_state(False)
    check(next_state(True).timestamp == back.timestamp, "the host let itself be called gone")
    client.disconnect()
    plant.stop()
    plant.check_log()


SCORED = """\
plant: sp
http: {port: 0}
log: {level: warn}
time: {tolerance: off}
sparkplug: {publish: Mill/Scores, groups: [Mill]}
model: {kind: logistic, horizon: 4h}
commission: {records: 40}
level2: {enabled: false}
retrain: {minimum_records: 600, minimum_positives: 30}
simulate: {machines: 3, seed: 3, interval: 10m, speed: 6000, until: 5d, fault_every: 12h, growth: 12h}
"""


class Host:
    """Hears all of a group, through pysparkplug's host side."""

    def __init__(self, plant):
        self.heard = []  # messages, in order
        self.client = client_of(plant, "host")
        self.client.subscribe(sp.Topic(group_id="Mill", message_type="#"), sp.QoS.AT_LEAST_ONCE,
                              lambda _, message: self.heard.append(message))

    def of(self, kind, begin=0):
        return [m for m in self.heard[begin:] if m.topic.message_type == kind]


def values(message):
    return {said.name: said.value for said in message.payload.metrics}


def single(value):
    """The float32 that a decimal stands for."""
    return struct.unpack("f", struct.pack("f", value))[0]


def check_order(messages):
    """seq counts from the NBIRTH on, and a device is born before its data."""
    expected, born = None, set()
    for message in messages:
        kind, device = message.topic.message_type, message.topic.device_id
        if kind in ("NCMD", "NDEATH"):
            continue
        if kind == "NBIRTH":
            check(message.payload.seq == 0, f"an NBIRTH with seq {message.payload.seq}")
            expected, born = 0, set()
        check(message.payload.seq == expected, f"{kind}: seq {message.payload.seq}, not {expected}")
        expected = (expected + 1) % 256
        born |= {device} if kind == "DBIRTH" else set()
        check(kind != "DDATA" or device in born, f"data of {device} before its birth")


def scores_reach_any_host():
    plant = started(SCORED)
    host = Host(plant)
    rebirth = sp.NCmd(timestamp=now(),
                      metrics=(metric("Node Control/Rebirth", D.BOOLEAN, True),))
    command = sp.Topic(group_id="Mill", message_type=sp.MessageType.NCMD, edge_node_id="Scores")
    host.client.publish(sp.Message(command, rebirth, sp.QoS.AT_LEAST_ONCE, False),
                        include_dtypes=True)
    wait(lambda: host.of("NBIRTH"), "the birth that was asked for")
    first = values(host.of("NBIRTH")[0])["bdSeq"]
    wait(lambda: len(host.of("DDATA")) > 600 and
         len({m.topic.device_id for m in host.of("DBIRTH")}) == 3, "scores of three machines")
    begin = host.heard.index(host.of("NBIRTH")[0])
    seen = host.heard[begin:]
    check_order(seen)

    stored = {}
    for record in plant.stream("score"):
        value = record["value"]
        stored.setdefault(value.get("machine", value["device"]), []).append(
            (round(value["time"] * 1000), single(value["score"]), value["band"], value["model"]))
    data = [m for m in seen if m.topic.message_type == "DDATA"]
    for message in data:
        said = values(message)
        row = (message.payload.metrics[0].timestamp, said["Score"], said["Band"],
               said["Model"])
        check(row in stored[message.topic.device_id], f"{message} is no score in the stream")
    say(f"{len(data)} scores as a host sees them")

    begin = len(host.heard)
    os.kill(plant.children()["bridge"], signal.SIGKILL)
    wait(lambda: host.of("NDEATH", begin), "the will")
    check(host.of("NDEATH", begin)[0].payload.bd_seq_metric.value == first,
          "a death of another connection")
    wait(lambda: host.of("NBIRTH", begin), "the next birth")
    check(values(host.of("NBIRTH", begin)[0])["bdSeq"] == first + 1, "bdSeq did not go on")
    begin = len(host.heard)
    wait(lambda: host.of("DDATA", begin), "scores behind the kill")
    check(not statuses(plant, "scores", "born"), "the bridge took in its own node")
    host.client.disconnect()
    plant.stop()
    plant.check_log()


TESTS = (an_edge_node_is_taken_in, a_node_that_vanishes_is_gone,
         a_gap_is_answered_with_a_rebirth_request, aliases_outlive_the_bridge,
         kills_neither_lose_nor_double_what_the_broker_keeps, the_host_says_its_state,
         scores_reach_any_host)


def main():
    logging.disable(logging.CRITICAL)  # of connections that the tests break on purpose
    passed = failed = 0
    for test in TESTS:
        if len(sys.argv) > 2 and test.__name__ not in sys.argv[2:]:
            continue
        begin = time.monotonic()
        try:
            test()
            passed += 1
            say(f"passed: {test.__name__}, {time.monotonic() - begin:.1f} s")
        except Exception as error:  # whatever it is, the other tests run
            failed += 1
            say(f"FAILED: {test.__name__}: {error!r}")
    say(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
