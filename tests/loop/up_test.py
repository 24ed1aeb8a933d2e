#!/usr/bin/env python3
"""The supervisor: one a data folder, stops cleanly, restarts what dies, follows plant.yaml."""
import os
import shutil
import signal
import socket
import stat
import subprocess

from plant import ROLES, Plant, account, alive, check, free_port, main, say, wait

TEXT = """\
plant: up
data: data
http: {port: 0}
time: {tolerance: off}
%s
simulate: {machines: %d, seed: 1, interval: 10m, speed: 6000}
"""


def text(extra="", machines=2):
    return TEXT % (extra, machines)


def refuses_to_start_twice(program):
    plant = Plant(program, text())
    plant.start()
    second = plant.run("up", "-c", plant.config, status=1)
    check(str(plant.up.pid) in second.err,
          f"the message does not name process {plant.up.pid}: {second.err}")
    check(set(plant.children()) == set(ROLES), "the first one was disturbed")
    plant.stop()
    plant.start()  # the lock is free again
    plant.stop()
    plant.check_log()


def says_that_its_port_is_taken(program):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        plant = Plant(program, text().replace("http: {port: 0}", f"http: {{port: {port}}}"))
        done = plant.run("up", "-c", plant.config, status=1)
        check("http.port" in done.err and str(port) in done.err, done.err)
        plant.write(text())
        plant.start()
        before = plant.children()
        at = len(plant.text())
        plant.write(text().replace("http: {port: 0}", f"http: {{port: {port}}}"))
        plant.up.send_signal(signal.SIGHUP)
        wait(lambda: "the old one stays in force" in plant.text()[at:], "the old one to stay")
        unchanged(before, plant.children())
        plant.stop()
    plant.check_log()


def stops_cleanly(program):
    for number in (signal.SIGTERM, signal.SIGINT):
        plant = Plant(program, text())
        plant.start()
        wait(lambda: plant.ledger()["total"]["stored"] > 20, "the first records")
        took = plant.stop(number)
        say(f"{number.name}: stopped in {took:.2f} s")
        check("did not stop in time" not in plant.text(),
              f"a role had to be killed:\n{plant.tail()}")
        check(not os.path.exists(plant.path("run", "http")), "run/http outlived the server")
        account(plant)
        plant.check_log()


def keeps_its_files_to_itself(program):
    plant = Plant(program, text())
    plant.start()
    plant.stop()

    def mode(*parts):
        return stat.S_IMODE(os.stat(plant.path(*parts)).st_mode)

    check(mode() == 0o700, f"data has mode {mode():o}")
    for folder, _, files in os.walk(plant.path("keys")):
        for name in files:
            check(mode("keys", name) == 0o600, f"keys/{name} has mode {mode('keys', name):o}")
    check(mode("run", "broker.json") == 0o600, "run/broker.json can be read by others")


def restarts_what_ends(program):
    plant = Plant(program, text())
    plant.start()
    before = plant.children()
    for role in ROLES:  # asked to end this time: to the supervisor it is the same
        os.kill(before[role], signal.SIGTERM)
    for role in ROLES:
        plant.wait_role(role, old=before[role])
    check(plant.text().count("starting it again") >= len(ROLES), plant.tail())
    stored = plant.ledger()["total"]["stored"]
    wait(lambda: plant.ledger()["total"]["stored"] > stored + 20, "records after the restarts")
    plant.stop()
    account(plant)
    plant.check_log()


def unchanged(before, after, but=()):
    moved = [role for role in ROLES if before.get(role) != after.get(role)]
    check(set(moved) == set(but), f"restarted: {moved}, expected: {list(but)}")


def follows_plant_yaml(program):
    plant = Plant(program, text())
    plant.start()

    def hang_up(words):
        at = len(plant.text())
        plant.up.send_signal(signal.SIGHUP)
        wait(lambda: words in plant.text()[at:], f"'{words}' in the log")
        return plant.text()[at:]

    before = plant.children()
    plant.write(text("wacth: {window: 100}"))
    said = hang_up("the old one stays in force")
    check("plant.yaml:5" in said and "watch" in said, f"no line or no nearest key in: {said}")
    unchanged(before, plant.children())

    plant.write(text().replace("plant: up", "plant: other"))
    hang_up("change only with a new start")
    unchanged(before, plant.children())

    plant.write(text("broker: {url: 'mqtt://127.0.0.1:1'}"))
    hang_up("change only with a new start")
    unchanged(before, plant.children())

    # Sections that one role alone reads: only its process is another one afterwards.
    extra = ""
    for section, role in (("action: {expires: 2h}", "score"), ("watch: {cooldown: 300}", "watch"),
                          ("rollout: {canary: 2}", "serve"), ("retrain: {every: 9999}", "learn"),
                          ("gate: {minimum: 0.5}", "thing"),
                          ("stream: {retention_age: off}", None)):
        extra += section + "\n"
        plant.write(text(extra))
        hang_up("restarting for a changed section")
        # The stream is every role's but the things'.
        expected = [role] if role else [r for r in ROLES if r not in ("mosquitto", "thing")]
        for one in expected:
            plant.wait_role(one, old=before[one], said=True)
        after = plant.children()
        unchanged(before, after, expected)
        before = after
    plant.stop()
    account(plant)
    plant.check_log()


def things_come_and_go(program):
    plant = Plant(program, text(machines=0))
    plant.start()
    check("thing" not in plant.children(), "a thing runs, though there are no machines")
    plant.write(text(machines=2))
    plant.up.send_signal(signal.SIGHUP)
    plant.wait_role("thing")
    wait(lambda: plant.ledger()["total"]["stored"] > 20, "records of the new things")
    plant.write(text(machines=0))
    plant.up.send_signal(signal.SIGHUP)
    wait(lambda: "thing" not in plant.children(), "the things to go")
    plant.stop()
    account(plant)
    plant.check_log()


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def uses_an_external_broker(program):
    mosquitto = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    port = free_port()
    plant = Plant(program, text(f"broker: {{url: 'mqtt://127.0.0.1:{port}'}}"))
    config = os.path.join(plant.folder, "mosquitto.conf")
    with open(config, "w") as file:
        file.write(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")
    broker = subprocess.Popen([mosquitto, "-c", config], stderr=subprocess.DEVNULL)
    try:
        wait(lambda: accepts(port), "the external broker")
        plant.start()
        check(set(plant.children()) == set(ROLES) - {"mosquitto"},
              f"children are {plant.children()}")
        check(not os.path.exists(plant.path("run", "broker.json")), "a broker.json was written")
        wait(lambda: plant.ledger()["total"]["stored"] > 20, "records through that broker")
        plant.stop()
        check(alive(broker.pid), "the external broker was stopped")
        account(plant)
        plant.check_log()
    finally:
        broker.kill()
        broker.wait()


def tells_starting_from_no_broker(program):
    """A broker that has yet to answer, and then one that is not there."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        plant = Plant(program, text(f"broker: {{url: 'mqtt://127.0.0.1:{port}'}}", machines=0))
        plant.start()
        wait(lambda: plant.state("bridge"), "the bridge to say how it is")
        told = plant.run("status", "-c", plant.config).out
        check("starting" in told and "NO BROKER" not in told, told)
    wait(lambda: "NO BROKER" in plant.run("status", "-c", plant.config).out, "NO BROKER")
    plant.stop()
    plant.check_log()


if __name__ == "__main__":
    main(refuses_to_start_twice, says_that_its_port_is_taken, stops_cleanly,
         keeps_its_files_to_itself, restarts_what_ends, follows_plant_yaml, things_come_and_go,
         uses_an_external_broker, tells_starting_from_no_broker)
