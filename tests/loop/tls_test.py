#!/usr/bin/env python3
"""A plant whose broker is somebody else's: over TLS with client certificates and MQTT 5, or one that
speaks only 3.1.1; and brokers that are not what they should be, until they are put right."""
import json
import os
import pwd
import shutil
import socket
import struct
import subprocess
import threading
import time

from plant import Plant, account, check, check_numbers, free_port, main, say, skip, wait

TOOLS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools")
TEXT = """\
plant: outside
data: data
http: {port: 0}
time: {tolerance: off}
broker: {url: "%s", %s}
model: {kind: logistic, horizon: 4h}
commission: {records: 40}
level2: {share: 0.2, sketch_records: 20}
retrain: {minimum_records: 600, minimum_positives: 30, on_drift: false}
simulate: {machines: 4, seed: 5, interval: 10m, speed: 30000, until: 7d,
           fault_every: 12h, growth: 12h}
"""
OURS = "ca_file: ca.pem, certificate_file: client.pem, key_file: client.key"


class Broker:
    """mosquitto, as a plant's own people would run it."""

    def __init__(self, folder, port, *lines):
        self.port = port
        self.config = os.path.join(folder, f"mosquitto-{port}.conf")
        user = pwd.getpwuid(os.geteuid()).pw_name
        self.lines = [f"listener {port} 127.0.0.1", f"user {user}", "log_type error",
                      "max_queued_messages 0", *lines]
        self.process = None

    def start(self):
        with open(self.config, "w") as file:
            file.write("\n".join(self.lines) + "\n")
        path = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        self.process = subprocess.Popen([path, "-c", self.config], stderr=subprocess.DEVNULL)

        def accepts():
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return True
            except OSError:
                check(self.process.poll() is None, f"mosquitto ended, {self.config}")
                return False

        wait(accepts, "mosquitto")

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        self.process = None


def secure(folder, port, certificate="server"):
    return Broker(folder, port, f"cafile {folder}/ca.pem", f"certfile {folder}/{certificate}.pem",
                  f"keyfile {folder}/{certificate}.key", "require_certificate true",
                  "use_identity_as_username true", "allow_anonymous false")


def certificates(folder):
    made = subprocess.run(["/bin/sh", os.path.join(TOOLS, "certificates.sh"), folder])
    if made.returncode == 77:
        skip("openssl is not installed")
    check(made.returncode == 0, f"certificates.sh: {made.returncode}")


def new_plant(program, port, keys=OURS, scheme="mqtts"):
    plant = Plant(program, TEXT % (f"{scheme}://localhost:{port}", keys))
    certificates(plant.folder)
    return plant


def runs(plant, records):
    """So many more records are stored and have their scores."""
    before = plant.ledger()["total"]["stored"]

    def enough():
        plant.alive()
        return plant.ledger()["total"]["stored"] >= before + records

    wait(enough, f"{records} further records", pause=0.2)


def logged(plant, role, *words, since=0):
    """The line of that role that holds all the words."""

    def line():
        plant.alive()
        for text in plant.text()[since:].splitlines():
            if f" {role} " in text and all(word in text for word in words):
                return text
        return None

    return wait(line, f"{role} to say: {' .. '.join(words)}")


def settled(plant):
    """Stops the plant when nothing is on its way; the account must hold."""
    check("starting it again" not in plant.text(), f"something died:\n{plant.tail()}")
    plant.stop()
    total = account(plant, more_than=399)
    check_numbers(plant)
    plant.check_log()
    return total


# --- the tests ---


def over_tls(program):
    port = free_port()
    plant = new_plant(program, port, OURS + ", version: 5")
    broker = secure(plant.folder, port)
    broker.start()
    try:
        plant.start()
        for role in ("bridge", "thing"):
            say(logged(plant, role, "broker connected", "mqtt=5", "tls=TLSv1.3"))
        runs(plant, 800)
        broker.stop()  # and all that it had with it
        logged(plant, "bridge", "broker lost")
        at = len(plant.text())
        broker.start()
        logged(plant, "bridge", "broker connected", "mqtt=5", since=at)
        runs(plant, 400)
        another_client(plant, port)
        settled(plant)
    finally:
        broker.stop()


def another_client(plant, port):
    """An independent client's messages with all that 5 has to say about one: stored as any other."""
    sender = subprocess.run(["/usr/bin/python3", "-B", os.path.join(TOOLS, "mqtt5_send.py"),
                             str(port), plant.folder, "mw/outside/telemetry/press-1",
                             *(json.dumps({"v": 1, "device": "press-1", "boot": 1, "seq": seq,
                                           "features": {"a": seq}}) for seq in range(3))])
    if sender.returncode == 77:
        say("no paho-mqtt (python3-paho-mqtt): without another client")
        return
    check(sender.returncode == 0, f"mqtt5_send.py: {sender.returncode}")
    wait(lambda: [record["value"]["seq"] for record in plant.stream("telemetry")
                  if record["key"] == "press-1"] == [0, 1, 2], "the three records of press-1")


def brokers_that_are_not_to_be_trusted(program):
    """Each wrong in one way at the same port; when the right one comes, the plant goes on with it."""
    port = free_port()
    plant = new_plant(program, port)
    wrong = (("stranger", "no trusted authority", "other-ca"),
             ("elsewhere", "broker.example", "not for localhost"),
             ("expired", "expired on"))
    broker = secure(plant.folder, port, wrong[0][0])
    broker.start()
    try:
        # Nothing is ready that has no broker, so that this start has to wait for the right one.
        starting = threading.Thread(target=plant.start, daemon=True)
        starting.start()
        wait(lambda: plant.up, "the supervisor")
        for number, (name, *words) in enumerate(wrong):
            at = len(plant.text()) if number > 0 else 0
            if number > 0:
                broker.stop()
                broker = secure(plant.folder, port, name)
                broker.start()
            for role in ("bridge", "thing"):
                line = logged(plant, role, "no secure connection", *words, since=at)
            say(line.partition("warn ")[2])
        broker.stop()
        broker = secure(plant.folder, port)
        broker.start()
        starting.join(60)
        check(not starting.is_alive(), f"not ready with the right broker:\n{plant.tail()}")
        runs(plant, 800)
        settled(plant)
    finally:
        broker.stop()


class Door(threading.Thread):
    """Stands before a broker: `reset` ends each connection in the handshake; else it answers CONNECT
    of version 5 as a broker does that knows only 3.1.1, and passes everything else on."""

    def __init__(self, port, inner=None):
        super().__init__(daemon=True)
        self.inner = inner
        self.came = []  # times
        self.versions = []
        self.socket = socket.create_server(("127.0.0.1", port))
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            self.came.append(time.monotonic())
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        first = client.recv(4096)
        if self.inner is None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            return
        if not first:
            return
        self.versions.append(first[first.index(b"MQTT") + 4])
        if self.versions[-1] != 4:
            client.sendall(b"\x20\x02\x00\x01")
            client.close()
            return
        broker = socket.create_connection(("127.0.0.1", self.inner))
        broker.sendall(first)
        for one, other in ((client, broker), (broker, client)):
            threading.Thread(target=self.pump, args=(one, other), daemon=True).start()

    @staticmethod
    def pump(one, other):
        try:
            while data := one.recv(65536):
                other.sendall(data)
        except OSError:
            pass
        for end in (one, other):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self.join()


def a_broker_that_knows_only_3_1_1(program):
    port, inner = free_port(), free_port()
    plant = new_plant(program, port, "version: auto", "mqtt")
    broker = Broker(plant.folder, inner, "allow_anonymous true")
    broker.start()
    door = Door(port, inner)
    try:
        plant.start()
        for role in ("bridge", "thing"):
            logged(plant, role, "does not speak MQTT 5, going on with 3.1.1")
            logged(plant, role, "broker connected", "mqtt=3.1.1")
        check(sorted(door.versions) == [4, 4, 5, 5], f"versions asked for: {door.versions}")
        runs(plant, 800)
        settled(plant)
    finally:
        door.close()
        broker.stop()


def resets_in_the_handshake(program):
    port = free_port()
    plant = new_plant(program, port)
    door = Door(port)
    broker = secure(plant.folder, port)
    try:
        starting = threading.Thread(target=plant.start, daemon=True)
        starting.start()
        wait(lambda: plant.up, "the supervisor")
        for role in ("bridge", "thing"):
            line = logged(plant, role, "no secure connection", "in the TLS handshake",
                          "reset by peer")
        say(line.partition("warn ")[2])
        wait(lambda: len(door.came) >= 12, "further attempts")
        said = sum("in the TLS handshake" in text for text in plant.text().splitlines())
        check(said == 2, f"one line a role was expected, not {said}:\n{plant.tail()}")
        door.close()
        broker.start()
        starting.join(60)
        check(not starting.is_alive(), f"not ready with the broker:\n{plant.tail()}")
        runs(plant, 400)
        settled(plant)
    finally:
        broker.stop()


if __name__ == "__main__":
    main(over_tls, brokers_that_are_not_to_be_trusted, a_broker_that_knows_only_3_1_1,
         resets_in_the_handshake)
