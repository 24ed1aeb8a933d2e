#!/usr/bin/env python3
"""Firmware of the AIoT reference implementation on a plant, unchanged: a client that says and reads
what it does, byte for byte, is activated over TLS with a pinned certificate, sends its peaks, hears
of a model, fetches it, and gets from it the scores that the plant gives. Control messages of others
make the learner train."""
import json
import os
import random
import re
import select
import signal
import socket
import ssl
import struct
import subprocess
import time
import urllib.error
import urllib.request

from mqtt import Client, packet, text
from plant import LIMIT, Plant, check, main, say, skip, wait

TEXT = """\
plant: ref
data: data
http: {port: 0}
time: {tolerance: off}
reference: {enabled: true, listen: 127.0.0.1, port: 0, certificate_file: server.pem,
            key_file: server.key, devices: [77]}
model: {kind: mlp, horizon: 200s, features: [sound, current, vibration, temperature]}
commission: {records: 40}
retrain: {minimum_records: 700, minimum_positives: 80, attempts_gap: 200, minimum_gain: -1,
          on_drift: false}
rollout: {canary: 1, records: 3, alarm_ratio: 1000}
"""
DATA, CONTROL = "shaded-pole-motor-sensor_data", "control-message"
CHIP = "14333616"
BYTES = 11148  # what the firmware reads of a model
CYCLE = 100  # records of the motor's past from a repair to the next failure
BUFFER = 256  # of its MQTT client, for a whole packet
NORMAL = (4.7, 39.1, 39.3, 12.5)
WORN = (5.3, 41.0, 43.0, 14.5)


class Firmware:
    """One device: its requests, its messages, and the state that decides what it does."""

    def __init__(self, plant, chip=CHIP):
        self.plant, self.chip = plant, chip
        self.context = ssl.create_default_context(cafile=os.path.join(plant.folder, "server.pem"))
        self.random = random.Random(chip)
        self.mqtt = None
        self.names = []  # of the models that it was told of
        self.sent = 0

    def request(self, method, path, form=None):
        """(status, body), as far as the body goes."""
        with open(self.plant.path("run", "reference")) as file:
            port = int(file.read())
        lines = [f"{method} {path} HTTP/1.1", f"Host: localhost:{port}",
                 "User-Agent: ESP32HTTPClient", "Connection: keep-alive",
                 "Accept-Encoding: identity;q=1,chunked;q=0.1,*;q=0"]
        if form is not None:
            lines += ["Content-Type: application/x-www-form-urlencoded",
                      f"Content-Length: {len(form)}"]
        message = "\r\n".join(lines) + "\r\n\r\n" + (form or "")
        with socket.create_connection(("127.0.0.1", port), 30) as plain, \
                self.context.wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(message.encode())
            got = b""
            while b"\r\n\r\n" not in got:
                got += self.more(secure)
            head, _, body = got.partition(b"\r\n\r\n")
            length = int(re.search(rb"(?i)\r\ncontent-length: *(\d+)", head).group(1))
            while len(body) < length:
                body += self.more(secure)
            check(len(body) == length, f"{len(body)} bytes of {length}")
            return int(head.split()[1]), body

    @staticmethod
    def more(secure):
        data = secure.recv(4096)
        check(data, "the server closed the connection")
        return data

    def confirm(self):
        return self.request("POST", "/confirmActivation", f"device_id={self.chip}")

    def connect(self):
        self.mqtt = Client(self.plant.broker(), self.chip)
        self.mqtt.socket.sendall(packet(0x82, b"\0\1" + text(CONTROL) + b"\0"))
        self.mqtt.until(0x90)

    def send(self, values=None):
        """One message of four peaks; what was printed of them."""
        values = values or [self.random.gauss(mean, 0.3) for mean in NORMAL]
        shown = [f"{value:.2f}" for value in values]
        message = (f'{{"deviceID": "{self.chip}", "current": {shown[0]}, "temperature": {shown[1]},'
                   f' "vibration": {shown[2]}, "sound": {shown[3]}, "fft_data": "true"}}')
        self.mqtt.socket.sendall(packet(0x30, text(DATA) + message.encode()))
        self.sent += 1
        return shown

    def listen(self):
        """Takes what has come; every control message has to be one that it survives."""
        while select.select([self.mqtt.socket], [], [], 0)[0]:
            kind, body = self.mqtt.read()
            check(kind & 0xF7 == 0x30 and len(body) + 5 < BUFFER, f"{kind:x}: {body!r}")
            size = struct.unpack("!H", body[:2])[0]
            check(body[2:2 + size].decode() == CONTROL, f"{body!r}")
            message = json.loads(body[2 + size:])
            check(isinstance(message.get("command"), str) and
                  isinstance(message.get("payload"), str), f"{message}")
            if message["command"] == "download-model":
                self.names.append(message["payload"])

    def works_until(self, condition, what):
        """Sends and listens, as its loop does, until the condition holds."""

        def once():
            self.plant.alive()
            self.send()
            self.listen()
            return condition()

        return wait(once, what, pause=0.1)

    def fetch(self, name):
        """The bytes that it would take for a model."""
        status, body = self.request("GET", "/quantized/" + name)
        check(status == 200 and len(body) == BYTES, f"{name}: {status}, {len(body)} bytes")
        return body


def certificate(folder):
    """Signed by itself, for localhost, as the reference's own."""
    try:
        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj",
             "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
             "server.key", "-out", "server.pem"], cwd=folder, capture_output=True)
    except FileNotFoundError:
        skip("openssl is not installed")
    check(made.returncode == 0, made.stderr.decode())


def history(client, start, cycles, chips=(CHIP,)):
    """What a motor did before: worn out at the end of each cycle of 1000 s. And another machine of
    the plant, of Millwright's own layout and another size, so that baselines matter."""
    noise = random.Random(start)
    for cycle in range(cycles):
        for step in range(CYCLE):
            now = start + cycle * 1000 + step * 10
            means = WORN if step >= 80 else NORMAL
            values = [round(noise.gauss(mean, 0.3), 2) for mean in means]
            names = ("current", "temperature", "vibration", "sound")
            for chip in chips:
                client.publish(DATA, {"deviceID": chip, **dict(zip(names, values)), "time": now})
            if step % 2 == 0:
                other = {name: round(3 * noise.gauss(mean, 0.5) + 7, 3)
                         for name, mean in zip(names, NORMAL)}
                client.publish("mw/ref/telemetry/lathe", {"v": 1, "device": "lathe", "time": now,
                                                          "features": other})
        end = start + cycle * 1000 + 995
        for kind, at in (("failure", end), ("repair", end + 4)):
            client.publish("mw/ref/event/tester", {
                "v": 1, "id": f"{kind}-{end}", "machine": CHIP, "type": kind, "time": at,
                "by": "test"})
    return start + cycles * 1000


def provision(plant, chip, headers=None):
    with open(plant.path("run", "http")) as file:
        port = int(file.read())
    request = urllib.request.Request(f"http://127.0.0.1:{port}/provisionDevice",
                                     f"device_id={chip}".encode(), headers or {})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def refused_requests(plant, device):
    for path in ("none-model.tflite", "", "../run/http", "..%2f..%2fkeys%2froot.pem",
                 "%2e%2e/plant.yaml"):
        status, body = device.request("GET", "/quantized/" + path)
        check(status == 404 and b"error" in body, f"{path}: {status} {body!r}")
    check(device.request("POST", "/provisionDevice", f"device_id={CHIP}")[0] == 403, "provisioned")
    check(device.request("POST", "/confirmActivation", "device_id=1%002")[0] == 400, "no number")
    check(device.request("GET", "/api/state")[0] == 404, "the page's API")
    check(provision(plant, "1;2")[0] == 400, "an id that is no number")
    check(provision(plant, "5", {"Origin": "http://evil.example"})[0] == 403, "another's page")


def activated(plant, device):
    """As its setup does: asks until it is told TRUE."""
    check(device.confirm() == (200, b"FALSE"), "activated without being provisioned")
    refused_requests(plant, device)
    check(Firmware(plant, "77").confirm() == (200, b"TRUE"), "reference.devices")
    check(provision(plant, CHIP) == (200, b"TRUE"), "POST /provisionDevice")
    check(device.confirm() == (200, b"TRUE"), "not activated")
    old = plant.children()["serve"]
    os.kill(old, signal.SIGKILL)
    plant.wait_role("serve", old, said=True)
    check(device.confirm() == (200, b"TRUE"), "what was provisioned is gone after a kill")


def updates_for_all(plant):
    return [record["value"]["desired"] for record in plant.stream("update")
            if record["value"]["device"] == "*"]


def same_scores(plant, device, name, sent):
    """The file gives, for what the device printed, the very scores of the plant. sent: records of it
    that others sent."""
    path = os.path.join(plant.folder, "fetched.tflite")
    with open(path, "wb") as file:
        file.write(device.fetch(name))

    def newest():
        """(offset, score) of its newest record, once it has both and nothing else is on its way."""
        records = [record for record in plant.stream("telemetry") if record["key"] == CHIP]
        scored = {score["seq"]: score["score"] for score in
                  (record["value"] for record in plant.stream("score"))
                  if score["device"] == CHIP}
        here = records[-1]["offset"]
        return len(records) == sent + device.sent and here in scored and (here, scored[here])

    plant_says, rows = [], ["current,temperature,vibration,sound"]
    for step in range(8):
        means = [a + (b - a) * step / 7 for a, b in zip(NORMAL, WORN)]
        rows.append(",".join(device.send([mean + 0.01 * step for mean in means])))
        plant_says.append(struct.pack("f", wait(newest, "the record's score")[1]))
    raw = plant.run("predict", path, input="\n".join(rows).encode() + b"\n")
    own = [struct.pack("f", float(line)) for line in raw.out.split()]
    shown = [f"{struct.unpack('f', score)[0]:.4f}" for score in own]
    say(f"scores of {name}: {' '.join(shown)}")
    check(own == plant_says, f"the file says {own}, the plant {plant_says}")
    check(len(set(own)) > 3, "scores that do not depend on the record show nothing")


def firmware_unchanged(program):
    plant = Plant(program, TEXT)
    certificate(plant.folder)
    plant.start()
    wait(lambda: plant.state("bridge").get("connected"), "the bridge to be connected")
    device = Firmware(plant)
    activated(plant, device)
    device.connect()
    client = Client(plant.broker(), "others")
    history(client, time.time() - 12000, 9)

    name = device.works_until(lambda: device.names and device.names[-1], "a model")
    check(updates_for_all(plant)[-1]["stage"] == "all", "the model was named while on trial")
    check(len(set(device.names)) == 1, f"{device.names}")
    first = [record["value"] for record in plant.stream("download")
             if "bundle" in record["value"]][-1]
    check(first["name"] == name and first["bundle"] == updates_for_all(plant)[-1]["bundle"],
          f"{first}")
    same_scores(plant, device, name, 9 * CYCLE)

    # Nobody is told twice, unless who speaks may have none: here the bridge that knew is gone.
    heard = len(device.names)
    for role in ("serve", "bridge"):
        old = plant.children()[role]
        os.kill(old, signal.SIGKILL)
        plant.wait_role(role, old, said=True)
    wait(lambda: plant.state("bridge").get("connected"), "the bridge to be connected")
    device.works_until(lambda: len(device.names) > heard, "the model's name again")
    check(set(device.names) == {name}, f"another name after a restart: {device.names}")
    wait(lambda: device.request("GET", "/quantized/" + name)[0] == 200, "the model after a kill")
    asked_for(plant, device, client, name)
    client.close()
    plant.stop()
    plant.check_log()


def trainings(plant):
    return [record["value"] for record in plant.stream("model")
            if record["value"].get("started") and record["value"]["cause"] == "asked"]


def asked_for(plant, device, client, name):
    """Messages of a platform beside this one."""
    raw = {"command": "extract-data", "payload": "raw_sensor_training_data_1.csv"}
    for message in (raw, {"command": "download-model", "payload": "2022-04-25-18:39:17-model.tflite"}):
        client.publish(CONTROL, message)
    wait(lambda: plant.state("learn").get("asked"), "the learner to hear of it")
    check("asked for a model: 200" in plant.run("status", "-c", plant.config).out, "status")
    check(not trainings(plant), "a training without new records")
    history(client, time.time() + 3000, 4)  # after all that the first model was made of
    # The learner counts for a twentieth of the time, and a sanitizer makes that long.
    started = wait(lambda: trainings(plant), "a training because it was asked for", 3 * LIMIT)
    check(started[0]["asked"]["command"] == raw["command"] and
          started[0]["asked"]["payload"] == raw["payload"], f"{started}")
    other = device.works_until(lambda: device.names[-1] not in (name, "2022-04-25-18:39:17-model"
                                                                ".tflite") and device.names[-1],
                               "the new model")
    device.fetch(other)
    device.fetch(name)  # for who is late
    check("asked for by extract-data raw_sensor_training_data_1.csv: begun" in
          plant.run("status", "-c", plant.config).out, "status")
    for _ in range(20):
        client.publish(CONTROL, {"command": "train-model", "payload": "normalized.csv"})
    wait(lambda: len(plant.stream("request")) == 21, "the requests to be stored")
    wait(lambda: plant.state("learn").get("asked"), "the learner to hear of them")
    check(len(trainings(plant)) == 1, "a loop of messages trains for ever")

    plant.run("rollout", "rollback", "-c", plant.config)
    device.works_until(lambda: device.names[-1] == name, "the former model after the roll-back")
    check(len(device.fetch(name)) == BYTES, "the former model")
    check(updates_for_all(plant)[-1]["stage"] == "rollback", "no order to go back")
    check(not plant.stream("dead"), f"{plant.stream('dead')}")
    client.publish(CONTROL, {"command": "train-model"})
    letter = wait(lambda: plant.stream("dead"), "a dead letter")[0]["value"]
    check("two texts" in letter["reason"] and letter["topic"] == CONTROL, f"{letter}")


def one_model_for_two_machines(program):
    """Each has a baseline of its own, and both would load the same file: the program says so, and
    offers none. Chip ids may be negative: they are printed as %d."""
    plant = Plant(program, TEXT)
    certificate(plant.folder)
    plant.start()
    wait(lambda: plant.state("bridge").get("connected"), "the bridge to be connected")
    device = Firmware(plant, "-7")
    device.connect()
    client = Client(plant.broker(), "others")
    history(client, time.time() - 12000, 9, (CHIP, "-7"))
    device.works_until(lambda: "have baselines of their own" in plant.text(), "a word about it")
    check("have baselines of their own" in plant.run("status", "-c", plant.config).out, "status")
    check(updates_for_all(plant)[-1]["stage"] == "all", "the plant itself goes on with it")
    check(not device.names, f"{device.names}")
    plant.write(TEXT.replace("server.pem", "none.pem"))
    old = plant.children()["serve"]
    plant.up.send_signal(signal.SIGHUP)
    wait(lambda: "none.pem" in plant.text(), "a word about the certificate that is not there")
    check(plant.children()["serve"] == old, "serve was restarted for a broken file")
    client.close()
    plant.stop()
    plant.check_log()


if __name__ == "__main__":
    main(firmware_unchanged, one_model_for_two_machines)
