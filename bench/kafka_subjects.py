"""Those who carry MQTT messages into Kafka, and two who only receive them: how each is started.

A subject has a name, the Kafka topic it writes to (None: none), `start` and `process`, which holds
what was started last. Its session with the broker outlives it."""
import importlib.metadata
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")) / "millwright" / "bench"
TELEGRAF = "v1.37.2"
LIMIT = 60
FILTER = "mw/bench/telemetry/+"


class Failed(Exception):
    pass


def wait(condition, what, limit=LIMIT):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"waited {limit} s in vain for {what}")
        time.sleep(0.02)


class Subject:
    topic = None

    def __init__(self, place, broker, kafka):
        self.folder, self.port, self.kafka = place / self.name.replace(" ", "-").replace(",", ""), broker, kafka
        self.folder.mkdir()
        self.process = None

    def run(self, *command, **more):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen([str(word) for word in command], cwd=self.folder, stdin=subprocess.DEVNULL,
                                            stderr=log, **{"stdout": log, **more})

    def wait(self, condition, what):
        def met():
            if self.process.poll() is not None:
                raise Failed(f"{self.name} ended with {self.process.returncode}: {self.said()}")
            return condition()
        wait(met, f"{self.name}: {what}")

    def said(self):
        return (self.folder / "log").read_text(errors="replace")[-600:]

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        self.process.kill()
        self.process.wait()


class Millwright(Subject):
    name = "Millwright"
    topic = "mw.bench.telemetry"
    program = None  # set by kafka.py

    def start(self):
        (self.folder / "plant.yaml").write_text(
            f'plant: bench\ndata: data\nbroker: {{url: "mqtt://127.0.0.1:{self.port}"}}\n'
            f'stream: {{url: "kafka://{self.kafka}", partitions: 4}}\n')
        self.run(self.program, "bridge", "-c", "plant.yaml")
        self.wait(lambda: self.says("connected"), "a connection")

    def says(self, what):
        """A figure of the bridge that runs; None: it has not said anything yet."""
        try:
            said = json.loads((self.folder / "data" / "run" / "bridge.json").read_text())
        except (OSError, ValueError):
            return None
        return said.get(what) if said["pid"] == self.process.pid else None


class Idle(Subject):
    count = boot = 0

    def start(self):
        self.run(self.program, "127.0.0.1", self.port, f"idle-{self.how}", FILTER, self.how, self.count, self.boot,
                 stdout=subprocess.PIPE, text=True)
        self.seen = None
        line = self.process.stdout.readline()
        if line.startswith("{"):  # what the broker had kept came before its answer
            self.seen = json.loads(line)
            line = self.process.stdout.readline()
        if line != "ready\n":
            raise Failed(f"{self.name}: {line!r} {self.said()}")

    def result(self):
        return self.seen or json.loads(self.process.stdout.readline())


class IdleLibrary(Idle):
    name, how = "only counts, libmosquitto", "library"


class IdleSocket(Idle):
    name, how = "only counts, a socket", "socket"


class Telegraf(Subject):
    name = f"Telegraf {TELEGRAF[1:]}"
    topic = "telegraf"

    @staticmethod
    def install():
        """Builds it once, with the module's own go.sum; why it cannot be, or None."""
        program = CACHE / f"telegraf-{TELEGRAF}"
        if program.exists():
            return None
        if shutil.which("go") is None:
            return "no Go in PATH to build it with (1.25 or newer; Debian 12 has 1.19)"
        print(f"Building Telegraf {TELEGRAF} from the Go module proxy into {CACHE}", flush=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        work = CACHE / "telegraf-source"
        shutil.rmtree(work, ignore_errors=True)
        try:
            said = subprocess.run(["go", "mod", "download", "-json", f"github.com/influxdata/telegraf@{TELEGRAF}"],
                                  capture_output=True, text=True, cwd=CACHE, check=True).stdout
            shutil.copytree(json.loads(said)["Dir"], work)
            subprocess.run(["chmod", "-R", "u+w", work], check=True)
            tags = "custom,inputs.mqtt_consumer,outputs.kafka,parsers.value,serializers.template"
            subprocess.run(["go", "build", "-buildvcs=false", "-trimpath", "-tags", tags, "-o", f"{program}.new",
                            "./cmd/telegraf"], capture_output=True, text=True, cwd=work, check=True)
            os.rename(f"{program}.new", program)
        except (OSError, KeyError, subprocess.CalledProcessError) as error:
            return f"cannot be built: {(getattr(error, 'stderr', None) or str(error)).strip()[-300:]}"
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return None

    def start(self):
        (self.folder / "telegraf.conf").write_text(f"""\
[agent]
  interval = "1s"
  flush_interval = "10ms"
  flush_jitter = "0s"
  metric_batch_size = 1000
  metric_buffer_limit = 100000
  omit_hostname = true
[[inputs.mqtt_consumer]]
  servers = ["tcp://127.0.0.1:{self.port}"]
  topics = ["{FILTER}"]
  qos = 1
  client_id = "telegraf"
  persistent_session = true
  max_undelivered_messages = 10000
  data_format = "value"
  data_type = "string"
[[outputs.kafka]]
  brokers = ["{self.kafka}"]
  topic = "{self.topic}"
  routing_tag = "topic"
  required_acks = -1
  compression_codec = 0
  data_format = "template"
  template = '{{{{ .Field "value" }}}}'
""")
        self.run(CACHE / f"telegraf-{TELEGRAF}", "--config", "telegraf.conf")
        self.wait(lambda: "Connected" in self.said(), "a connection")


class MqBridge(Subject):
    name = "mq-bridge"
    topic = "mqbridge"

    @staticmethod
    def install():
        try:
            MqBridge.name = f"mq-bridge {importlib.metadata.version('mq-bridge')}"
        except importlib.metadata.PackageNotFoundError:
            return "is not in build/bench"
        return None

    def start(self):
        (self.folder / "route.json").write_text(json.dumps({"routes": {"r": {
            "batch_size": 1000,
            "input": {"mqtt": {"url": f"tcp://127.0.0.1:{self.port}", "topic": FILTER, "client_id": "mq-bridge", "qos": 1,
                               "clean_session": False, "session_expiry_interval": 3600, "queue_capacity": 10000,
                               "max_inflight": 1000}},
            "output": {"kafka": {"url": self.kafka, "topic": self.topic, "create_topic": False,
                                 "producer_options": [["acks", "all"]]}}}}}))
        (self.folder / "run.py").write_text(
            "import mq_bridge\nroute = mq_bridge.Route.from_file('route.json', 'r')\n"
            "route.start()\nprint('ready', flush=True)\nroute.join()\n")
        self.run(sys.executable, "run.py", stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            raise Failed(f"{self.name}: {self.said()}")
