"""MQTT into Kafka: Millwright's bridge beside other programs, one after the other, in the same Kafka.

One mosquitto and one Kafka (one node, as tests/kafka starts it) serve them all. The payloads are
Millwright telemetry with boot and seq, one record a message, QoS 1, acks=all.

live    300,000 records, published as fast as the broker takes them: records a second from the first
        publication until the last one is in Kafka's log (with who only counts: has come)
drain   300,000 that the broker has kept: from the first one in the log to the last
CPU     seconds of the program, user and system, a million records
delay   from a record's publication until a consumer that reads what is committed has it, at half of
        the program's own live rate
memory  the largest resident set of the phases before (VmHWM), in millions of bytes
killed  SIGKILL in the middle of a run and started again: records that are not there in the end, and
        records that are there twice
floor   transactions with librdkafka alone, no MQTT: kafka_floor.c

BENCH_KAFKA_ONLY=IdleLibrary,IdleSocket,Millwright,Telegraf,MqBridge: these only, in the order of the table;
BENCH_KAFKA_RECORDS and BENCH_KAFKA_INFLIGHT as below.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import replay
from kafka_subjects import Failed, Idle, IdleLibrary, IdleSocket, Millwright, MqBridge, Telegraf, wait

SOURCE = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SOURCE / "examples"))
sys.path.insert(0, str(SOURCE / "tests" / "kafka"))
import figures  # noqa: E402
from cluster import Cluster, jars  # noqa: E402

RECORDS = int(os.environ.get("BENCH_KAFKA_RECORDS", 300000))
INFLIGHT = os.environ.get("BENCH_KAFKA_INFLIGHT", 0)  # mosquitto's max_inflight_messages
BACKLOG = 1000000  # in the bridge's spool
DEVICES = 100
FLOORS = ((100, 300, 0), (100, 300, 5), (2000, 100, 5))  # records a transaction, how often, milliseconds between
PAUSE = 5          # seconds of half load
PATIENCE = 20      # seconds without a record, after which what is missing is lost
HEAD = ["", "live, records/s", "drain, records/s", "CPU s/M live", "drain", "at records/s", "delay p50", "p99",
        "memory", "lost", "doubled"]
TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(process):
    with open(f"/proc/{process.pid}/stat") as file:
        words = file.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / TICK


def memory_of(process):
    with open(f"/proc/{process.pid}/status") as file:
        for line in file:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0


class Run:
    """One subject after the other on the same broker and Kafka."""

    def __init__(self, bench, port, cluster):
        self.bench, self.port, self.cluster, self.boot = bench, port, cluster, 0

    def program(self, name, *arguments):
        return [str(self.bench.build / "bench" / f"bench_kafka_{name}"), *map(str, arguments)]

    def sink(self, topic, *arguments):
        command = self.program("sink", self.cluster.bootstrap, topic, *arguments)
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def ask(self, topic, *arguments):
        with self.sink(topic, *arguments) as sink:
            said = sink.stdout.read().splitlines()
        if sink.returncode != 0:
            raise Failed(f"{topic} cannot be read")
        return json.loads(said[-1])

    def make_topic(self, topic):
        """Kafka itself stamps what it appends, for whoever does."""
        subprocess.run(self.program("sink", self.cluster.bootstrap, topic, "make"), check=True)

    def load(self, count, batch=1, rate=0):
        return subprocess.Popen(self.program("load", "127.0.0.1", self.port, "bench", DEVICES, count, batch, self.boot,
                                             rate), stdout=subprocess.PIPE, text=True)

    def publish(self, count, batch=1, rate=0):
        with self.load(count, batch, rate) as load:
            said = load.stdout.read()
        if load.returncode != 0:
            raise Failed("the load could not be published")
        return json.loads(said)

    def count(self, subject, count, batch=1):
        seen = self.ask(subject.topic, "count", self.boot, count, batch, DEVICES, PATIENCE)
        self.bench.versions["librdkafka"] = seen["version"]
        return seen

    def live(self, subject, count, batch=1):
        self.boot += 1
        before = cpu_of(subject.process)
        if subject.topic is None:
            said = self.publish(count)
            last = subject.result()["last"]
        else:
            end = self.ask(subject.topic, "end")["end"]
            said = self.publish(count, batch)
            self.ask(subject.topic, "until", end + count, 120)
            last = self.count(subject, count, batch)["last"]
        return {"live": count / (last - said["start"]), "live_cpu": (cpu_of(subject.process) - before) * 1e6 / count,
                "bytes": said["bytes"]}

    def drain(self, subject, count):
        """What the broker has kept while the subject was away."""
        self.boot += 1
        subject.boot = self.boot
        subject.stop()
        self.publish(count)
        if subject.topic is None:
            subject.start()
            seen = subject.result()
        else:
            end = self.ask(subject.topic, "end")["end"]
            subject.start()
            self.ask(subject.topic, "until", end + count, 120)
            seen = self.count(subject, count)
        return {"drain": count / max(seen["last"] - seen["first"], 1e-3),
                "drain_cpu": cpu_of(subject.process) * 1e6 / count}

    def delay(self, subject, rate):
        self.boot += 1
        subject.boot = self.boot
        count = int(rate * PAUSE)
        if subject.topic is None:
            subject.stop()
            subject.count = count
            subject.start()
            self.publish(count, rate=rate)
            seen = subject.result()
        else:
            with self.sink(subject.topic, "follow", self.boot, count, 1, DEVICES, PATIENCE) as sink:
                sink.stdout.readline()
                time.sleep(1)  # until it knows where the end is
                self.publish(count, rate=rate)
                seen = json.loads(sink.stdout.readline())
        return {"rate": rate, "p50": seen["p50_ms"], "p99": seen["p99_ms"]}

    def killed(self, subject, count, rate):
        self.boot += 1
        with self.load(count, rate=rate):
            time.sleep(count / rate / 2)
            subject.kill()
            subject.start()
        seen = self.count(subject, count)
        return {"lost": seen["lost"], "doubled": seen["doubled"], "disordered": seen["disordered"]}

    def measure(self, subject):
        subject.count, subject.boot = RECORDS, self.boot + 1
        subject.start()
        result = self.live(subject, RECORDS)
        result["memory"] = memory_of(subject.process)
        result |= self.drain(subject, RECORDS)
        result["memory"] = max(result["memory"], memory_of(subject.process))
        result |= self.delay(subject, int(result["live"] / 2))
        result["memory"] = max(result["memory"], memory_of(subject.process))
        if subject.topic is not None:
            result |= self.killed(subject, RECORDS // 3, int(result["live"] / 2))
        return result

    def spool(self, subject):
        """A million records while Kafka does not answer, and what happens when it does again."""
        self.boot += 1
        self.cluster.nodes[0].send_signal(19)  # SIGSTOP
        before = cpu_of(subject.process)
        said = self.publish(BACKLOG, 50)
        wait(lambda: (subject.says("spooled") or 0) >= BACKLOG * 0.99, "the spool to hold them", 120)
        took = time.time() - said["start"]
        self.cluster.nodes[0].send_signal(18)  # SIGCONT
        end = time.monotonic()
        wait(lambda: subject.says("spooled") == 0 and not subject.says("away"), "the spool to be empty", 240)
        cpu = cpu_of(subject.process) - before
        seen = self.count(subject, BACKLOG, 50)
        return {"in": BACKLOG / took, "out": BACKLOG / max(seen["last"] - seen["first"], 1e-3), "cpu": cpu,
                "memory": memory_of(subject.process), "seconds": time.monotonic() - end, **seen}


    def floor(self, topic, records, times, gap):
        command = self.program("floor", self.cluster.bootstrap, topic, records, times, gap)
        said = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
        return {"records": records, "gap": gap, **said}


def row_of(name, result):
    def show(key, form="{:,.0f}"):
        return form.format(result[key]) if key in result else ""
    return [name, show("live"), show("drain"), show("live_cpu", "{:.1f}"), show("drain_cpu", "{:.1f}"), show("rate"),
            show("p50", "{:.1f} ms"), show("p99", "{:.1f} ms"), show("memory", "{:.1f} MB"), show("lost"), show("doubled")]


def wanted():
    only = os.environ.get("BENCH_KAFKA_ONLY", "").split(",")
    for kind in (IdleLibrary, IdleSocket, Millwright, Telegraf, MqBridge):
        if only == [""] or kind.__name__ in only:
            why = kind.install() if hasattr(kind, "install") else None
            if why is None:
                yield kind
            else:
                print(f"{kind.name} is left out: {why}")


def kafka_version():
    return next(pathlib.Path(jars(True)).glob("kafka-clients-*.jar")).stem.rpartition("-")[2]


def measure(bench):
    Millwright.program = bench.millwright
    Idle.program = bench.build / "bench" / "bench_kafka_idle"
    kinds = list(wanted())
    rows, extra, floors = [], [], []
    with tempfile.TemporaryDirectory(dir=bench.work) as place, \
            replay.plain_broker(bench.work, INFLIGHT) as (_, port, _, _):
        cluster = Cluster(held_up=True, fetch=True)
        bench.versions["Kafka"] = kafka_version()
        run = Run(bench, port, cluster)
        for kind in kinds:
            subject = kind(pathlib.Path(place), port, cluster.bootstrap)
            if kind.topic is not None:
                run.make_topic(kind.topic)
            try:
                result = run.measure(subject)
                rows.append(row_of(kind.name, result))
                print(f"{kind.name}: {result}", file=sys.stderr, flush=True)
                if kind is Millwright:
                    rows.append(row_of("    64 records a message", run.live(subject, 640000, 64)))
                    extra.append(run.spool(subject))
                    print(f"    {extra}", file=sys.stderr, flush=True)
            except (Failed, OSError, ValueError, KeyError) as error:
                print(f"{kind.name}: {error}")
            finally:
                subject.stop()
        run.make_topic("floor")
        floors = [run.floor("floor", *one) for one in FLOORS]
        cluster.close()
    return rows, extra, floors


def print_part(bench):
    rows, extra, floors = measure(bench)
    print(f"MQTT to Kafka {bench.versions['Kafka']}, acks=all, QoS 1, {RECORDS:,} records, {DEVICES} devices")
    print(figures.table(HEAD, rows), flush=True)
    for one in extra:
        print(f"Millwright, {BACKLOG:,} records (50 a message) while Kafka does not answer: {one['in']:,.0f} records/s into "
              f"the spool, {one['out']:,.0f} out of it, {one['cpu']:.1f} CPU s, peak memory {one['memory']:.1f} MB, "
              f"{one['lost']} lost, {one['doubled']} doubled, {one['disordered']} out of order")
    for one in floors:
        print(f"librdkafka alone, {one['records']:,} records a transaction, {one['gap']} ms between two: a transaction takes "
              f"{one['p50_ms']:.1f} ms (p50), {one['p99_ms']:.1f} ms (p99) and {one['cpu_ms']:.1f} ms of CPU; "
              f"{one['rate']:,.0f} records/s, {one['cpu']:.1f} CPU s/M")
