#!/usr/bin/env python3
"""What a person is told who has not started the plant, or mistyped a command."""
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "loop"))
from plant import Plant, check, main, wait  # noqa: E402

CSV = "device,time,a\nmotor-1,1,2.5\nmotor-1,2,2.5\n"


def half_a_command_names_its_commands(program):
    plant = Plant(program, "")
    said = plant.run("model", status=2).err
    check("'model list', 'model show', 'model verify'" in said, said)
    check(plant.run("help", "model", "show").out == plant.run("model", "show", "--help").out,
          "help model show is not model show --help")
    check("'nothing'" in plant.run("help", "nothing", status=2).err, "help nothing")
    check("-c is short for --config" in plant.run("up", "--help").out, "up --help has no -c")


def a_plant_that_is_down_says_so(program):
    plant = Plant(program, "")
    for words in (("status",), ("top", "--once"), ("rollout", "status"),
                  ("event", "add", "--machine", "motor-1", "--type", "failure")):
        said = plant.run(*words, status=1).err
        check("'millwright up' runs the plant" in said, f"{' '.join(words)}: {said}")
    plant.write("http: {enabled: false}\n")
    check("http.enabled" in plant.run("status", status=1).err, "http.enabled is not named")


def a_broker_that_cannot_be_used_is_refused_at_once(program):
    plant = Plant(program, "")
    for broker, said in (("url: 'http://localhost'", '"http"'), ("url: 'mqtt://'", "host"),
                         ("url: 'mqtts://localhost', ca_file: none.pem", "none.pem"),
                         ("url: 'mqtts://localhost', ca_file: plant.yaml", "no certificate"),
                         ("url: 'mqtts://localhost', key_file: plant.yaml", "certificate_file"),
                         ("url: 'mqtt://localhost', ca_file: plant.yaml", "mqtts://"),
                         ("url: 'mqtt://localhost:0'", "port"),
                         ("url: 'mqtt://localhost', password_file: nothing", "nothing")):
        plant.write(f"http: {{port: 0}}\nbroker: {{{broker}}}\n")
        told = plant.run("up", "-c", "plant.yaml", status=2).err
        check("plant.yaml: broker" in told and said in told, f"{broker}: {told}")


def a_time_is_finite(program):
    plant = Plant(program, "")
    for time in ("nan", "inf", "1e999", "2026-13-01T00:00:00"):
        said = plant.run("event", "add", "--machine", "motor-1", "--type", "failure", "--time", time,
                         status=2).err
        check("--time " + time in said, said)


def an_event_that_labels_nothing_is_not_taken_in_silence(program):
    plant = Plant(program, "http: {port: 0}\nsimulate: {machines: 1, interval: 1s}\n")
    plant.start()
    wait(lambda: "motor-1" in plant.run("status", "-c", plant.config).out, "the first record")
    for machine, more, said in (("motor-1", (), ""), ("motor1", (), "did you mean motor-1?"),
                                ("motor-1", ("--time", "1795431600000"), "days ahead")):
        done = plant.run("event", "add", "-c", plant.config, "--machine", machine, "--type",
                         "failure", *more)
        check("recorded" in done.out, done.out)
        check(said in done.err if said else "warning" not in done.err, f"{machine}: {done.err}")
    plant.stop()
    plant.check_log()


def a_replay_without_the_plant_tells_what_it_waits_for(program):
    plant = Plant(program, "http: {port: 0}\ncolumns: {device: device, time: time}\n")
    plant.start()
    plant.stop()
    with open(os.path.join(plant.folder, "rows.csv"), "w") as file:
        file.write(CSV)
    log = os.path.join(plant.folder, "replay.log")
    with open(log, "wb") as out:
        replay = subprocess.Popen([plant.program, "replay", "-c", plant.config, "rows.csv"],
                                  cwd=plant.folder, stdout=out, stderr=out)
    try:
        wait(lambda: "waits for 'millwright up'" in open(log).read(), "the warning")
    finally:
        replay.kill()
        replay.wait()


if __name__ == "__main__":
    main(half_a_command_names_its_commands, a_plant_that_is_down_says_so,
         a_broker_that_cannot_be_used_is_refused_at_once, a_time_is_finite,
         an_event_that_labels_nothing_is_not_taken_in_silence,
         a_replay_without_the_plant_tells_what_it_waits_for)
