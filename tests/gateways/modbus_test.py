"""Modbus things against pymodbus: what is read, what is written, and who is killed in between."""
import json
import os
import pty
import random
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "loop"))
from mqtt import Client  # noqa: E402
from plant import Plant, account, check, check_numbers, say, wait  # noqa: E402

TEXT = """\
plant: gateway
data: data
http: {port: 0}
log: {level: info}
gateway: {devices: [%s]}
"""

PRESS = """\
device: press
url: %s
unit: 1
interval: 50ms
timeout: 1s
registers:
  plain: holding 0 float32
  words: holding 2 float32 order=cdab
  bytes: holding 4 int32 order=badc
  both: holding 6 uint32 order=dcba
  double: holding 8 float64
  long: holding 12 int64
  scaled: input 0 int16 scale=0.1 offset=40
  running: discrete 5
  stopped: coil 3
actions:
  stop: coil 3 = 1
  slow: holding 50 = 1200
"""

FAN = """\
device: fan
url: %s
unit: 2
interval: 50ms
timeout: 1s
registers:
  unit: holding 100 uint16
actions:
  stop: coil 3 = 1
"""

VALUES = {"plain": 21.5, "words": -3.25, "bytes": -70000, "both": 70000, "double": 1234.5,
          "long": -5e9, "scaled": 34.5, "running": 1, "stopped": 0}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(site):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(site.server.where.split(":")[1]))) == 0


class Server:
    """A pymodbus server that can be ended and started again; its journal stays."""

    def __init__(self, folder, where):
        self.where, self.journal = where, os.path.join(folder, "journal")
        self.process = None

    def start(self, *options):
        # A line that its end cut short is none.
        self.process = subprocess.Popen([sys.executable, "-B", os.path.join(HERE, "modbus_server.py"),
                                         self.where, self.journal, *options])
        return self

    def end(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def ended(self):
        return self.process.poll() is not None

    def events(self, kind, unit=None):
        try:
            with open(self.journal) as file:
                found = [json.loads(line) for line in file if line.endswith("\n")]
        except OSError:
            return []
        return [event for event in found
                if event["kind"] == kind and unit in (None, event["unit"])]


class Site:
    """A plant with devices behind one server."""

    def __init__(self, program, url, where, devices=(("press", PRESS), ("fan", FAN))):
        self.plant = Plant(program, TEXT % ", ".join(name + ".yaml" for name, _ in devices))
        for name, text in devices:
            with open(os.path.join(self.plant.folder, name + ".yaml"), "w") as file:
                file.write(text % url)
        self.server = Server(self.plant.folder, where)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.plant.close()
        self.server.end()

    def records(self, device):
        return [record["value"] for record in self.plant.stream("telemetry")
                if record["value"]["device"] == device]

    def stored(self):
        return self.plant.ledger()["total"]["stored"]

    def more(self, n=20):
        before = self.stored()
        wait(lambda: self.stored() >= before + n, f"{n} more records", pause=0.1)

    def command(self, name, action, device="press", seconds=60):
        """As the bridge sends it."""
        now = time.time()
        client = Client(self.plant.broker())
        client.publish(f"mw/gateway/command/{device}",
                       {"v": 1, "id": name, "device": device, "machine": device, "action": action,
                        "time": now, "expires": now + seconds, "cause": "score"})
        client.socket.close()

    def answer(self, name):
        for record in self.plant.stream("status"):
            answer = record["value"].get("answer")
            if answer and answer["id"] == name:
                return answer["result"]
        return None

    def obeyed(self, name, action, device="press", seconds=60):
        def answered():
            self.command(name, action, device, seconds)
            return self.answer(name)
        return wait(answered, f"an answer to {name}", pause=0.5)

    def away(self, device):
        """As the newest status of the device has it; what the thing and the plant say of it agrees."""
        found = [record["value"] for record in self.plant.stream("status")
                 if record["value"]["device"] == device and "last_seq" in record["value"]]
        away = bool(found) and "away" in found[-1]
        things = json.loads(self.plant.run("status", "-c", self.plant.config, "--json").out)["things"]
        seen = [thing["away"] for thing in things if thing["device"] == device]
        own = self.plant.state("thing").get("devices", {}).get(device, {})
        return away and seen == [True] and "reason" in own.get("away", {})

    def end(self):
        self.plant.stop()
        total = account(self.plant)
        check(check_numbers(self.plant) == total["stored"],
              "the ledger counts otherwise than the stream")
        self.plant.check_log()
        return total


def tcp_site(program, **more):
    port = free_port()
    return Site(program, f"tcp://127.0.0.1:{port}", f"tcp:{port}", **more)


def check_values(site):
    record = site.records("press")[0]
    for name, value in VALUES.items():
        check(record["features"].get(name) == value,
              f"{name} is {record['features'].get(name)}, {value} was expected")
    check(site.records("fan")[0]["features"] == {"unit": 2}, "the fan is not unit 2")
    seen = {(event["table"], event["address"], event["values"])
            for event in site.server.events("read", 1)}
    check(seen == {("holding", 0, 16), ("input", 0, 1), ("discrete", 5, 1), ("coil", 3, 1)},
          f"registers that lie side by side are one request each table: {seen}")


def registers_become_records(program):
    with tcp_site(program) as site:
        site.server.start()
        site.plant.start()
        site.more(40)
        check_values(site)
        site.end()


def commands_are_written_once(program):
    with tcp_site(program) as site:
        site.server.start()
        site.plant.start()
        site.more(5)
        check(site.obeyed("c-1", "dance") == "unknown", "dance is no action")
        check(site.obeyed("c-2", "stop", seconds=-1) == "expired", "an old command was obeyed")
        check(not site.server.events("write"), "a command was written that should not be")
        check(site.obeyed("c-3", "stop") == "done", "stop was not done")
        for _ in range(3):
            site.command("c-3", "stop")
        check(site.obeyed("c-4", "slow") == "done", "slow was not done")
        writes = [(event["table"], event["address"], event["values"])
                  for event in site.server.events("write")]
        check(writes == [("coil", 3, [1]), ("holding", 50, [1200])], f"writes are {writes}")
        wait(lambda: site.records("press")[-1]["features"]["stopped"] == 1, "the coil to be read")
        site.end()


def a_server_that_restarts_is_found_again(program):
    with tcp_site(program) as site:
        site.plant.start()  # nobody is there yet
        wait(lambda: site.away("press") and site.away("fan"), "both to be away", pause=0.2)
        site.server.start()
        site.more()
        for _ in range(2):
            site.server.end()
            wait(lambda: site.away("press"), "the press to be away", pause=0.2)
            site.server.start()
            site.more()
        check(not site.away("press"), "the press answers, but its status says that it is away")
        text = site.plant.text()
        for words, most in (("device does not answer", 6), ("device answers again", 6)):
            n = text.count(words)
            check(n == most, f"the log says '{words}' {n} times, {most} was expected")
        site.end()


def a_command_whose_answer_is_lost_is_written_once(program):
    with tcp_site(program) as site:
        site.server.start("--die-on-write")
        site.plant.start()
        site.more(5)
        site.command("c-1", "stop")
        wait(site.server.ended, "the server to end behind the write")
        check(site.answer("c-1") is None, "done was said before the device said so")
        site.server.end()
        site.server.start()
        check(site.obeyed("c-1", "stop") == "done", "stop was not done")
        writes = site.server.events("write")
        check(len(writes) == 1, f"the coil was written {len(writes)} times")
        site.end()


def a_thing_that_is_killed_in_a_write_does_not_write_again(program):
    with tcp_site(program) as site:
        site.server.start("--slow-write")
        site.plant.start()
        site.more(5)
        thing = site.plant.wait_role("thing")
        site.command("c-1", "stop")
        wait(lambda: site.server.events("write"), "the write")
        os.kill(thing, signal.SIGKILL)
        site.plant.wait_role("thing", old=thing, said=True)
        check(site.answer("c-1") is None, "it was answered before it was killed")
        check(site.obeyed("c-1", "stop") == "done", "stop was not done")
        writes = site.server.events("write")
        check(len(writes) == 1, f"the coil was written {len(writes)} times")
        site.end()


def a_thing_that_is_killed_loses_nothing(program):
    with tcp_site(program) as site:
        site.server.start()
        site.plant.start()
        old = 0
        for i in range(6):
            site.more(10)
            if i == 3:
                check(site.obeyed("c-1", "stop") == "done", "stop was not done")
            old = site.plant.wait_role("thing", old=old)
            os.kill(old, signal.SIGKILL)
        site.plant.wait_role("thing", old=old, said=True)
        check(site.obeyed("c-1", "stop") == "done", "what was done is not known any more")
        site.more()
        check(len(site.server.events("write")) == 1, "the coil was written more than once")
        site.end()


def a_serial_line_is_shared(program):
    """Two units on one line: a pair of pseudo-terminals whose other end is the server's."""
    relay = Relay()
    with Site(program, f"rtu://{relay.ours}?baud=19200&parity=none", f"rtu:{relay.theirs}") as site:
        try:
            site.server.start()
            site.plant.start()
            site.more(40)
            check_values(site)
            check(site.obeyed("c-1", "stop", device="fan") == "done", "stop was not done")
            writes = [(event["unit"], event["address"]) for event in site.server.events("write")]
            check(writes == [(2, 3)], f"writes are {writes}")
            site.end()
        finally:
            relay.close()


class Relay:
    """Two pseudo-terminals, joined by a process that carries bytes between them."""

    def __init__(self):
        one, a = pty.openpty()
        two, b = pty.openpty()
        self.ours, self.theirs = os.ttyname(a), os.ttyname(b)
        self.pid = os.fork()
        if self.pid == 0:
            self.carry(one, two, a, b)
        for fd in (one, two, a, b):
            os.close(fd)

    @staticmethod
    def carry(one, two, *kept):
        import select
        import tty
        for fd in kept:  # open here, so that neither hangs up when its user does
            tty.setraw(fd)
        while True:
            for fd in select.select([one, two], [], [])[0]:
                os.write(two if fd == one else one, os.read(fd, 4096))

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def mistakes_are_named(program):
    """Each where it is, and what was expected."""
    cases = [
        ("  t: input 0 int12", "press.yaml:4: registers.t: type \"int12\": int16, "),
        ("  t: input 65536 int16", "press.yaml:4: registers.t: address \"65536\": a number from 0"),
        ("  t: input 65535 int32", "press.yaml:4: registers.t: address 65535: 2 registers"),
        ("  t: input 0 float32\n  u: input 1 int16", "press.yaml:5: registers.u: overlaps t of line 4"),
        ("  t: output 0 int16", "press.yaml:4: registers.t: \"output\" is no kind of register"),
        ("  t: coil 0\nactions: {stop: input 3 = 1}", "press.yaml:5: actions.stop: a write to input"),
        ("  t: coil 0\nunit: 300", "press.yaml:5: unit: 300"),
        ("  t: coil 0\nurl: http://x", "press.yaml:5: url: \"http://x\" is no address"),
    ]
    for text, words in cases:
        plant = Plant(program, TEXT % "press.yaml")
        with open(os.path.join(plant.folder, "press.yaml"), "w") as file:
            url = "" if "url:" in text else "url: tcp://127.0.0.1\n"
            head = "device: press\n" + (url or "# none\n") + "registers:\n"
            file.write(head + text + "\n")
        said = plant.run("up", "-c", plant.config, status=None)
        check(said.returncode != 0 and words in said.err, f"{text!r}: {said.err}")
        plant.close()
    say(f"{len(cases)} mistakes")


def a_changed_device_is_read_anew(program):
    with tcp_site(program) as site:
        site.server.start()
        site.plant.start()
        site.more(5)
        path = os.path.join(site.plant.folder, "fan.yaml")
        with open(path) as file:
            text = file.read()
        old = site.plant.wait_role("thing")
        for change, words in (("  speed: holding 1e5 uint16", "fan.yaml:8: registers.speed: address"),
                              ("  speed: holding 101 uint16", "restarting for a changed section")):
            with open(path, "w") as file:
                file.write(text.replace("actions:", change + "\nactions:"))
            site.plant.up.send_signal(signal.SIGHUP)
            wait(lambda: words in site.plant.text(), words)
        site.plant.wait_role("thing", old=old)
        wait(lambda: site.records("fan")[-1]["features"] == {"unit": 2, "speed": 0}, "the speed")
        site.end()


def half_a_reading_is_no_record(program):
    """One register is not there, another is no number: neither device makes a record."""
    press = "device: press\nurl: %s\ninterval: 50ms\nregisters:\n  a: holding 0 float32\n" \
            "  b: holding 900 int16\n"
    fan = "device: fan\nurl: %s\nunit: 2\ninterval: 50ms\nregisters:\n  a: holding 0 float32\n" \
          "  b: input 1 float32\n"
    with tcp_site(program, devices=(("press", press), ("fan", fan))) as site:
        site.server.start()
        wait(lambda: listens(site), "the server")
        site.plant.start()
        wait(lambda: site.away("press") and site.away("fan"), "both to be away", pause=0.2)
        # Each had its first half read.
        check(site.server.events("read", 1) and site.server.events("read", 2), "nothing was read")
        for words in ("b: Illegal data address", "b is no finite number"):
            check(words in site.plant.text(), f"'{words}' is not said")
        check(site.stored() == 0, "half a reading became a record")
        site.plant.stop()


def a_silent_device_holds_up_nobody(program):
    """One takes connections and never says a word; its timeout is half a minute."""
    mute = "device: mute\nurl: tcp://127.0.0.1:%d\ntimeout: 30s\nregisters: {a: coil 0}\n"
    with socket.socket() as listener, tcp_site(program) as site:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        with open(os.path.join(site.plant.folder, "mute.yaml"), "w") as file:
            file.write(mute % listener.getsockname()[1])
        site.plant.write(TEXT % "mute.yaml, press.yaml, fan.yaml")
        site.server.start()
        site.plant.start()
        kept = listener.accept()
        site.more(40)
        check(site.obeyed("c-1", "stop") == "done", "stop was not done")
        check("thing=mute" not in site.plant.text(), "half a minute has passed")
        site.end()
        kept[0].close()


LOOP = """\
plant: gateway
data: data
http: {port: 0}
model: {kind: logistic, horizon: 1s}
commission: {records: 0}
level2: {share: 0.5, sketch_records: 20}
action: {immediate: stop, confirm: 3}
retrain: {minimum_records: 300, minimum_positives: 40}
rollout: {canary: 0}
gateway: {devices: [press.yaml]}
"""

SHAKING = """\
device: press
url: %s
interval: 20ms
registers:
  vibration: holding 60 uint16 scale=0.01
actions:
  stop: coil 3 = 1
"""


class World:
    """Shakes the press, by writing to the register that its sensor would."""

    def __init__(self, site):
        from pymodbus.client import ModbusTcpClient
        self.site = site
        self.client = ModbusTcpClient("127.0.0.1", port=int(site.server.where.split(":")[1]))
        check(self.client.connect(), "the world cannot reach the server")
        self.draw = random.Random(7)

    def shake(self, mean, seconds, until=lambda: False):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not until():
            value = max(0, round(100 * self.draw.gauss(mean, 0.2)))
            self.client.write_register(60, value, slave=1)
            time.sleep(0.01)

    def tell(self, *words):
        self.site.plant.run("event", "add", "-c", self.site.plant.config, "--machine", "press",
                            "--type", *words)

    def stopped(self):
        return any(event["table"] == "coil" for event in self.site.server.events("write"))


def a_model_stops_the_press(program):
    """The whole loop: breakdowns teach a model, which runs beside the device and has its coil set."""
    with tcp_site(program, devices=(("press", SHAKING),)) as site:
        site.plant.write(LOOP)
        site.server.start()
        wait(lambda: listens(site), "the server")
        site.plant.start()
        world = World(site)

        def own():
            return site.plant.state("thing")["devices"]["press"]

        def bundle():
            return own()["bundle"]

        site.more(1)
        for _ in range(12):  # breakdowns, until a model has come of them
            world.shake(1, 3, until=world.stopped)
            world.shake(4, 1, until=world.stopped)
            if world.stopped():
                break
            world.tell("failure")
            world.shake(0, 0.2)
            world.tell("repair", "--finding", "fault")
        check(world.stopped(), f"no model has stopped the press\n{site.plant.tail()}")
        wait(bundle, "the model beside the press")
        world.shake(1, 30, until=lambda: own()["suppressed"] > 20)
        for command in site.plant.stream("command"):  # named after the record that caused it
            boot, seq = map(int, command["value"]["id"].split("-")[-2:])
            cause = [record["features"]["vibration"] for record in site.records("press")
                     if (record["boot"], record["seq"]) == (boot, seq)]
            check(cause and cause[0] > 2.5, f"{command['value']['id']} was caused by {cause}")
        done = [record["value"]["answer"]["result"] for record in site.plant.stream("status")
                if "answer" in record["value"]]
        check(done and set(done) == {"done"}, f"answers are {done}")
        total = site.end()
        check(total["suppressed"] > 0 and total["scored"] > 0, "no model was at work")


TESTS = (registers_become_records, commands_are_written_once, a_server_that_restarts_is_found_again,
         a_command_whose_answer_is_lost_is_written_once,
         a_thing_that_is_killed_in_a_write_does_not_write_again, a_thing_that_is_killed_loses_nothing,
         a_serial_line_is_shared, a_changed_device_is_read_anew,
         half_a_reading_is_no_record, a_silent_device_holds_up_nobody, a_model_stops_the_press,
         mistakes_are_named)
