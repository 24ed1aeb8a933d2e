#!/usr/bin/env python3
"""Bad input: says where and what, exits with 2, and stops nobody."""
import json
import os
import random
import time

from mqtt import Client
from plant import Plant, account, check, main, say, wait

# plant.yaml, and words that the one line about it must hold
PLANTS = (
    ("plant: a\nwacth:\n  window: 100\n", ("plant.yaml:2", "wacth", "did you mean watch")),
    ("watch:\n  windw: 100\n", ("plant.yaml:2", "watch.windw", "did you mean watch.window")),
    ("watch:\n\n  window: many\n", ("plant.yaml:3", "watch.window", "many", "20 to 1000000")),
    ("watch: {window: 1}\n", ("plant.yaml:1", "watch.window", "20 to 1000000")),
    ("watch: 3\n", ("plant.yaml:1", "watch", "not a value")),
    ("plant: a\nplant: b\n", ("plant.yaml:2", "given twice")),
    ("plant: Hall 3\n", ("plant.yaml:1", "Hall 3", "not a name")),
    ("model: {kind: tree}\n", ("plant.yaml:1", "model.kind", "logistic, mlp, autoencoder")),
    ("model:\n  horizon: 4 parsecs\n", ("plant.yaml:2", "model.horizon", "duration")),
    ("model: {hidden: [50, x]}\n", ("plant.yaml:1", "model.hidden", "x")),
    ("http: {port: 70000}\n", ("plant.yaml:1", "http.port", "65535")),
    ("log: {level: [a]}\n", ("plant.yaml:1", "log.level")),
    ("watch: {window: 30\n", ("plant.yaml:2", "'}'")),
    ("watch: {window: 30, minimum: 50}\n", ("watch.minimum", "watch.window")),
    ("score: {shares: 3}\n", ("score.shares is 3", "stream.url")),
    ("columns: {features: [a, b], names: [c]}\n", ("columns.names", "columns.features")),
    ("columns: {features: [a, b, a]}\n", ("plant.yaml", "columns.features", "a twice")),
    ("columns: {features: [a, b], device: b}\n", ("columns.features", "b", "columns.device")),
    ("data: ''\n", ("plant.yaml", "data: a folder was expected")),
    ("stream: {url: 'redis://x'}\n", ("plant.yaml", "stream.url", "redis://x", "kafka:")),
    ("topics:\n  uns: a/+/{device}\n", ("plant.yaml:2", "topics.uns", "+ and #")),
    ("topics:\n  a: x/{device}\n  b: x/{machine}\n", ("plant.yaml:3", "topics.b", "topics.a")),
    ("topics:\n  a: mw/{device}\n", ("plant.yaml:2", "mw is Millwright's")),
    ("sparkplug: {publish: x}\n", ("plant.yaml", "sparkplug.publish", "GROUP/NODE")),
    ("sparkplug: {groups: [a/b]}\n", ("plant.yaml", "sparkplug.groups", "a/b")),
)


def plant_yaml(program):
    plant = Plant(program, "")
    for text, words in PLANTS:
        plant.write(text)
        for command in ("up", "ledger", "bridge"):
            done = plant.run(command, "-c", "plant.yaml", status=2)
            line = done.err.strip()
            check("\n" not in line, f"more than one line: {line}")
            for word in words:
                check(word in line, f"{text!r}: no '{word}' in: {line}")
    plant.write("simulate: {machines: 2, script: world.txt}\n")
    for script, words in (("# quiet\nat 5h loud 1.2\n", ("world.txt:2", "loud")),
                          (None, ("world.txt", "No such file"))):
        path = put(plant, "world.txt", script or "")
        if script is None:
            os.remove(os.path.join(plant.folder, path))
        done = plant.run("up", "-c", "plant.yaml", status=2)
        for word in words:
            check(word in done.err, f"{script!r}: no '{word}' in: {done.err}")
    plant.write("retrain: {where: pipeline}\n")
    done = plant.run("up", "-c", "plant.yaml", status=2)
    check("retrain.where" in done.err and "process was expected" in done.err, done.err)
    done = plant.run("up", "-c", "none.yaml", status=2)
    check("none.yaml" in done.err, done.err)


def table():
    draw = random.Random(1)
    rows = []
    for i in range(400):
        label = int(draw.random() < 0.3)
        rows.append(f"{draw.gauss(label, 1):.3f},{draw.gauss(0, 1):.3f},{label}")
    return ["a,b,y", *rows]


def broken_tables():
    """name: (bytes, words of the message); all are broken in line 8, the header in line 1."""
    good = table()

    def line8(text):
        return "\n".join(good[:7] + [text] + good[8:]) + "\n"

    whole = "\n".join(good) + "\n"
    return {
        "text": (line8("1.5,abc,0"), (":8:", "column b", "abc")),
        "blank": (line8("1.5,,0"), (":8:", "column b", "empty")),
        "ragged": (line8("1.5,2"), (":8:", "2 columns", "expected 3")),
        "long": (line8("1.5,2,0,7"), (":8:", "4 columns", "expected 3")),
        "nan": (line8("1.5,nan,0"), (":8:", "column b", "nan")),
        "inf": (line8("-inf,1,0"), (":8:", "column a", "-inf")),
        "huge": (line8("1e400,1,0"), (":8:", "column a", "1e400")),
        "quote": (line8('1.5,"1,0'), (":8:", "column b", "quote")),
        "comma": (whole.replace(",", ";").replace(".", ","), (":2:", "column a")),
        "missing": (whole.replace("b", "c", 1), (":1:", "column b", "not there")),
        "twice": (whole.replace("a,b", "a,a", 1), (":1:", "column a", "twice")),
        "utf16": (whole.encode("utf-16"), (":1:", "UTF-16")),
        "empty": ("", (":1:", "header")),
    }


def put(plant, name, data):
    with open(os.path.join(plant.folder, name), "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    return name


def tables(program):
    plant = Plant(program, "")
    good = "\n".join(table()) + "\n"
    put(plant, "good.csv", good)

    def train(data, status, *more):
        return plant.run("train", "--data", data, "--label", "y", "--features", "a,b", *more,
                         status=status)

    train("good.csv", 0, "--out", "good.tflite")
    for name, (data, words) in broken_tables().items():
        put(plant, name + ".csv", data)
        with open(os.path.join(plant.folder, name + ".csv"), "rb") as file:
            rows = file.read()
        for done, where in (
                (train(name + ".csv", 2, "--out", "bad.tflite"), name + ".csv"),
                (plant.run("drift", "--reference", "good.csv", "--current", name + ".csv",
                           "--features", "a,b", status=2), name + ".csv"),
                (plant.run("predict", "good.tflite", input=rows, status=2), "stdin")):
            check(where in done.err, f"{name}: no {where} in: {done.err}")
            for word in words:
                check(word in done.err, f"{name}: no '{word}' in: {done.err}")
    check(not os.path.exists(os.path.join(plant.folder, "bad.tflite")),
          "a model was written from a broken table")

    # A byte-order mark and the line ends of Windows change nothing.
    other = b"\xef\xbb\xbf" + good.replace("\n", "\r\n").encode()
    put(plant, "other.csv", other)
    train("other.csv", 0, "--out", "other.tflite")
    models = []
    for name in ("good.tflite", "other.tflite"):
        with open(os.path.join(plant.folder, name), "rb") as file:
            models.append(file.read())
    check(models[0] == models[1], "the same table with other line ends gave another model")
    scores = [plant.run("predict", "good.tflite", input=rows).out
              for rows in (good.encode(), other)]
    check(scores[0] == scores[1] and scores[0].count("\n") == 400, "other scores")


REPLAY = """\
plant: replay
data: data
http: {port: 0}
columns: {features: [a, b], decimal: %s}
"""


def recordings(program):
    plant = Plant(program, REPLAY % "point")
    plant.start()
    for name, (data, words) in broken_tables().items():
        if name in ("missing", "twice", "utf16", "empty", "text", "ragged", "nan", "inf"):
            put(plant, name + ".csv", data)
            done = plant.run("replay", "-c", "plant.yaml", name + ".csv", "--json", status=2)
            for word in (name + ".csv", *words):
                check(word in done.err, f"{name}: no '{word}' in: {done.err}")
    stored = plant.ledger()["total"]["stored"]

    def replay(name, data):
        put(plant, name, data)
        done = json.loads(plant.run("replay", "-c", "plant.yaml", name, "--json").out)
        check(done["rows"] == 400 and done["sent"] == 400, f"{name}: {done}")

    good = "\n".join(table()) + "\n"
    replay("windows.csv", b"\xef\xbb\xbf" + good.replace("\n", "\r\n").encode())
    plant.write(REPLAY % "comma")
    replay("german.csv", good.replace(",", ";").replace(".", ","))
    total = plant.ledger()["total"]
    check(total["stored"] == stored + 800, f"{stored} and 800 records, stored: {total}")
    values = {}
    for record in plant.stream("telemetry"):
        values.setdefault(record["value"]["device"], []).append(record["value"]["features"])
    check(values["windows"] == values["german"], "the decimal comma gave other numbers")
    plant.stop()
    account(plant)
    plant.check_log()


LIVE = """\
plant: door
data: data
http: {port: 0}
"""


def deep(n):
    return '{"v":1,"x":' + "[" * n + "]" * n + "}"


def letters():
    """(payload, a word of the reason) that have no number, so that each is one dead letter."""
    now = time.time()

    def record(**change):
        made = {"v": 1, "device": "press-1", "time": now, "features": {"a": 1.5}}
        made.update(change)
        return {key: value for key, value in made.items() if value is not None}

    return (
        ('{"v":1,"device":"press-1"', None),
        ("no JSON at all", None),
        ("", None),
        (b"\xff\xfe\x00\x01", None),
        (b'{"v":1,"device":"pr\xc3"}', None),
        (deep(5000), "deep"),
        ('{"v":1,"x":"' + "y" * 1050000 + '"}', "long"),
        ("[" + ",".join(["{}"] * 65) + "]", None),
        ("[]", None),
        ("3", None),
        (record(v=2), "v is not 1"),
        (record(v=None), "v"),
        (record(features=None), "features"),
        (record(features={}), "features"),
        (record(features=[1, 2]), "features"),
        (record(features={"a": "1.5"}), "not a number"),
        (record(features={"a": None}), "not a number"),
        (record(features={"a": True}), "not a number"),
        ('{"v":1,"device":"press-1","features":{"a":NaN}}', None),
        ('{"v":1,"device":"press-1","features":{"a":1e999}}', "range"),
        ('{"v":1,"device":"press-1","features":{"a":1,"a":2}}', "twice"),
        (record(features={str(i): i for i in range(200)}), "too many features"),
        (record(time="yesterday"), "time"),
        (record(time=1e300), "time"),
        (record(time={}), "time"),
        (record(device=7), "device"),
        (record(device="Press 1"), "device"),
        (record(device="press-2"), "topic"),
        (record(p=0), "p"),
        (record(p=1.5), "p"),
        (record(boot=1), "seq"),
        (record(received=now), "received"),
    )


def live_messages(program):
    plant = Plant(program, LIVE)
    plant.start()
    client = Client(plant.broker())
    topic = "mw/door/telemetry/press-1"
    bad = letters()
    for payload, _ in bad:
        client.publish(topic, payload)

    # Broken ones that carry the next number take its place, so that the sequence goes on.
    client.subscribe("mw/door/ack/press-1")
    for seq in range(6):
        features = {"a": "broken"} if seq % 2 else {"a": seq}
        client.publish(topic, {"v": 1, "device": "press-1", "boot": 1, "seq": seq,
                               "time": time.time(), "features": features})
    wanted = {"v": 1, "boot": 1, "next": 6}
    wait(lambda: json.loads(client.message()[1]) == wanted, "the acknowledgement of all six")

    # The reference firmware's message, and one without a time: kept, though not numbered.
    client.publish("mw/door/telemetry/esp32-01",
                   {"deviceID": "esp32-01", "current": 1.5, "temperature": 40, "vibration": 0.2,
                    "sound": 55})
    client.publish(topic, {"v": 1, "device": "press-1", "features": {"a": 7}})
    # One of another year is kept, but nobody learns from it.
    client.publish(topic, {"v": 1, "device": "press-1", "time": 86400, "features": {"a": 8}})

    # Other doors: events, statuses, topics that are none.
    client.publish("mw/door/event/press-1", {"v": 1, "id": "e-1", "machine": "press-1"})
    client.publish("mw/door/status/press-1", "{")
    client.publish("mw/door/status/press-1", {"v": 1, "device": "press-1", "boot": "x"})
    client.publish("mw/door/telemetry/Press_1", {"v": 1})

    wait(lambda: len(plant.stream("telemetry")) == 6, "the six records that can be read")

    def letters_of_all():
        found = plant.stream("dead")
        return found if len(found) >= len(bad) + 3 + 3 else None

    dead = wait(letters_of_all, "the dead letters")
    reasons = [letter["value"]["reason"] for letter in dead]
    for (payload, word), letter in zip(bad, dead):
        value = letter["value"]
        check(value["reason"] and value["topic"] == topic, f"{value}")
        check(word is None or word in value["reason"],
              f"{str(payload)[:200]}: no '{word}' in: {value['reason']}")
        check(len(value["payload"]) <= 4096, "a payload of more than 4 KiB was kept")
    check(any("event" in letter["value"]["topic"] for letter in dead), f"{reasons}")
    check(any("status" in letter["value"]["topic"] for letter in dead), f"{reasons}")
    stored = {record["value"]["device"]: record["value"] for record in plant.stream("telemetry")}
    check(stored["press-1"].get("time_suspect") is True, f"not suspected: {stored['press-1']}")
    flat = stored["esp32-01"]["features"] if "esp32-01" in stored else {}
    check(set(flat) == {"current", "temperature", "vibration", "sound"} and
          flat["temperature"] == 40, f"the reference firmware's message became {stored}")

    total = plant.ledger()["total"]
    check(total["dead"] == 3 and total["published"] == 6, f"numbered: {total}")
    check(total["unnumbered"] == 3, f"not numbered: {total}")
    check(total["dead_unnumbered"] >= len(bad), f"dead letters: {total}")
    check("starting it again" not in plant.text(), f"something died:\n{plant.tail()}")
    say(f"{len(dead)} dead letters, such as: {'; '.join(reasons[:12:3])}")
    client.close()
    plant.stop()
    account(plant)
    plant.check_log()


if __name__ == "__main__":
    main(plant_yaml, tables, recordings, live_messages)
