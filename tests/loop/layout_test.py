#!/usr/bin/env python3
"""Topics of other layouts, mapped in plant.yaml: what they say is stored, and held over a kill."""
import os
import signal

from mqtt import Client
from plant import Plant, check, main, say, wait

TEXT = """\
plant: lay
http: {port: 0}
topics:
  hall: acme/plant1/{area}/{device}/{device}/{feature...}
  esp32: sensors/data
"""


def features(plant, device):
    return [record["value"]["features"] for record in plant.stream("telemetry")
            if record["value"]["device"] == device]


def other_layouts(program):
    plant = Plant(program, TEXT)
    plant.start()
    wait(lambda: plant.state("bridge").get("connected"), "the bridge to be connected")
    client = Client(plant.broker())
    client.publish("acme/plant1/north/Line 1/Press/current", "4.5")
    client.publish("acme/plant1/north/Line 1/Press/bearing", {"rms": 0.5, "value": 2, "unit": "mm"})
    client.publish("acme/plant1/north/line2/Press/current", {"value": 2, "time": 1.7e9})
    client.publish("acme/plant1/north/line2/Press/current", {"value": 3, "time": 1.7e9})
    client.publish("sensors/data", {"deviceID": "ESP32_01", "current": 1.5, "temperature": 40,
                                    "vibration": 0.2, "sound": 50})
    # Nobody can say whose this one is: the name is that of north.
    client.publish("acme/plant1/south/line2/Press/current", "1")
    client.publish("acme/plant1/north/line2/Press/current", "on")
    wait(lambda: len(plant.stream("telemetry")) == 3 and len(plant.stream("dead")) == 2,
         "three records and two dead letters")
    check(features(plant, "line-1-press") ==
          [{"current": 4.5, "bearing/rms": 0.5, "bearing": 2}],
          f"{features(plant, 'line-1-press')}")
    check(features(plant, "line2-press") == [{"current": 3}], "line2-press")
    check(set(features(plant, "esp32-01")[0]) == {"current", "temperature", "vibration", "sound"},
          "the reference firmware's message")

    old = plant.children()["bridge"]
    os.kill(old, signal.SIGKILL)
    plant.wait_role("bridge", old)
    client.publish("acme/plant1/north/Line 1/Press/current", "5")  # the broker keeps it
    wait(lambda: len(features(plant, "line-1-press")) == 2, "the record behind the kill")
    check(features(plant, "line-1-press")[-1] == {"current": 5, "bearing/rms": 0.5, "bearing": 2},
          f"{features(plant, 'line-1-press')}")

    total = plant.ledger()["total"]
    check(total["unnumbered"] == 4 and total["dead_unnumbered"] == 1, f"{total}")
    reasons = [letter["value"]["reason"] for letter in plant.stream("dead")]
    say(f"dead letters: {'; '.join(reasons)}")
    client.close()
    plant.stop()
    plant.check_log()


def maps_change_while_it_runs(program):
    plant = Plant(program, TEXT)
    plant.start()
    old = plant.wait_role("bridge", said=True)
    plant.write(TEXT.replace("sensors/data", "other/data"))
    plant.up.send_signal(signal.SIGHUP)
    new = plant.wait_role("bridge", old, said=True)
    wait(lambda: plant.state("bridge").get("connected"), "the new bridge to be connected")
    client = Client(plant.broker())
    client.publish("sensors/data", {"deviceID": "a", "current": 0, "sound": 0})
    client.publish("other/data", {"deviceID": "a", "current": 1, "sound": 2})
    wait(lambda: features(plant, "a"), "the record on the new topic")
    check(len(features(plant, "a")) == 1 and not plant.stream("dead"), "the old topic is taken in")
    check("sensors/data" in plant.text(), "no word about the old topic")
    plant.write(TEXT.replace("sensors/data", "other/#"))
    plant.up.send_signal(signal.SIGHUP)
    wait(lambda: "topics.esp32" in plant.text(), "a word about the map that cannot work")
    check(plant.children()["bridge"] == new, "the bridge was restarted for a broken file")
    client.close()
    plant.stop()
    plant.check_log()


if __name__ == "__main__":
    main(other_layouts, maps_change_while_it_runs)
