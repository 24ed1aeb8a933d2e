#!/usr/bin/env python3
"""What Prometheus reads: of a whole plant at its page, and of each role at a port of its own, as in a
pod. The figures are those that the roles say of themselves."""
import os
import subprocess

import metrics
from metrics import fetch, read
from plant import Plant, check, free_port, main, say, wait

TEXT = """\
plant: gauge
data: data
http: {port: 0}
time: {tolerance: off}
model: {kind: logistic, horizon: 4h}
bridge: {shares: 2}
simulate: {machines: 6, seed: 5, interval: 10m, speed: 600000, fault_every: 24h, growth: 12h}
"""
OF_PAGE = ("millwright_things", "millwright_ledger_stored", "millwright_records_total")
OF_ROLES = {"bridge": "messages_total", "score": "records_total", "watch": "records_total",
            "learn": "labelled_records", "serve": "records_total", "thing": "published_records"}
OF_PROCESSES = ("process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds",
                "process_start_time_seconds")


def page(plant):
    with open(plant.path("run", "http")) as file:
        return fetch(f"http://127.0.0.1:{file.read().strip()}/metrics")


def of_a_plant(program):
    """All roles at the page of a plant on one machine; bridges that share it side by side."""
    plant = Plant(program, TEXT)
    plant.start()

    def whole():
        samples = read(page(plant))
        names = {name for name, *_ in samples}
        return "millwright_ledger_stored" in names and \
            all(f"millwright_{role}_{figure}" in names for role, figure in OF_ROLES.items()) and \
            all(samples.get(("millwright_bridge_records_total", "share", share), 0) > 0
                for share in "01") and samples

    samples = wait(whole, "the metrics of all roles", pause=0.2)
    check(all((name,) in samples for name in OF_PAGE), f"not all of the page's: {samples}")
    check(samples[("millwright_things",)] == 6, samples)
    for quantile in ("0.5", "0.99", "1"):
        check(("millwright_thing_command_latency_seconds", "quantile", quantile) in samples, samples)
    plant.stop()
    stored = sum(plant.state(f"bridge{tail}")["records"] for tail in ("", "-1"))
    check(stored >= sum(value for key, value in samples.items()
                        if key[0] == "millwright_bridge_records_total"), "a counter went back")
    plant.check_log()
    say(f"{len(samples)} samples" + ("" if metrics.judged else
                                     "; no prometheus_client: without another parser"))


def of_a_role(program):
    """Each role of its own, with a port as the operator gives it one. No broker is needed to be
    asked, nor a model."""
    plant = Plant(program, TEXT.replace("bridge: {shares: 2}\n", ""))
    plant.start()
    plant.stop()
    plant.write(TEXT + 'broker: {url: "mqtt://127.0.0.1:1"}\n')
    for role in ("score", "watch", "learn", "serve", "relay", "node"):
        port = free_port()
        words = [program, role, "-c", plant.config] if role != "node" else \
            [program, "node", "--kubelet", plant.folder, "--cdi", "", "--sysfs-root", plant.folder]
        with open(plant.log, "ab") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                                       env={**os.environ, "MILLWRIGHT_HEALTH": str(port)})
        try:
            def told(port=port, role=role):
                try:
                    samples = read(fetch(f"http://127.0.0.1:{port}/metrics"))
                except OSError:
                    check(process.poll() is None, f"{role} has ended:\n{plant.tail()}")
                    return None
                own = [key for key in samples if key[0].startswith(f"millwright_{role}_")]
                return own and samples

            samples = wait(told, f"what {role} says of itself", pause=0.1)
            check(samples.get(("millwright_role_info", "role", role)) == 1, samples)
            check(all((name,) in samples for name in OF_PROCESSES), samples)
            others = [key for key in samples if key[0].startswith("millwright_") and
                      not key[0].startswith((f"millwright_{role}_", "millwright_role_"))]
            check(not others, f"{role} tells others' figures: {others}")
        finally:
            process.terminate()
            process.wait(30)
    plant.check_log()


if __name__ == "__main__":
    main(of_a_plant, of_a_role)
