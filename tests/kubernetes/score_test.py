#!/usr/bin/env python3
"""Three scorers of a Plant with Kafka share its stream. One is killed, and stays away as if its node
had gone: the others take over what it had, nothing is missing and nothing doubled."""
import json
import os
import signal
import time

from kafka import kafka
from kube import HOME, check, cluster, get, kubectl, main, make_namespace, say, wait
from operate_test import NODE, apply, broker, disk, operator, plant, wait_condition

SHARES = 3
TAKEN_OVER = 60  # seconds; what it took is printed


def state(space, share):
    """What the share's host says of it; the volume is a folder of the node."""
    name = "score.json" if share == 0 else f"score-{share}.json"
    path = os.path.join(HOME, "run", "nodes", NODE, "disk", "kubelet", f"disk-{space}", "data", "run",
                        name)
    try:
        with open(path) as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def hosts(space):
    return [state(space, share).get("host") for share in range(SHARES)]


def process_of(pod):
    """The scorer's process, as this machine numbers it."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                ours = f"HOSTNAME={pod}".encode() in file.read().split(b"\0")
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if ours and words[:2] == [b"/usr/bin/millwright", b"score"]:
            return int(name)
    return 0


def ledger(space):
    _, out, err = kubectl("exec", "deployment/hall-bridge", "-c", "bridge", "-n", space, "--",
                          "/usr/bin/millwright", "ledger", "-c", "/etc/millwright/plant.yaml",
                          "--json", status=None)
    return json.loads(out) if out else {"said": err}


def scored(space):
    return ledger(space).get("total", {}).get("scored", 0)


def takes_over(program):
    operator()
    space = make_namespace("score")
    storage = disk(space, "hall")
    spec = {
        "broker": broker(space), "stream": {"url": kafka(space), "partitions": 6},
        "score": {"shares": SHARES}, "time": {"tolerance": "off"},
        "model": {"kind": "logistic", "horizon": "4h"}, "commission": {"records": 40},
        "level2": {"enabled": False}, "action": {"immediate": "stop", "expires": "1h"},
        "retrain": {"minimum_records": 600, "minimum_positives": 30, "on_drift": False},
        "rollout": {"canary": 1, "records": 2},
        "simulate": {"machines": 12, "seed": 3, "interval": "10m", "speed": 6000,
                     "fault_every": "12h", "growth": "12h"}}
    apply(plant("hall", spec, scorers=SHARES, storage_access="one-node", **storage), namespace=space)
    wait_condition("hall", space, "Ready", "True", 240)
    wait(lambda: scored(space) > 100, "the first model to score", 240, 1)
    wait(lambda: len(set(hosts(space)) - {None}) == SHARES, "each scorer to have a share", 120, 0.5)

    before = hosts(space)
    pid = process_of(before[1])
    check(pid, f"no process of {before[1]}")
    count = state(space, 1)["scored"]
    cluster("node", "kill", NODE)  # its kubelet: nobody starts the scorer again
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    try:
        wait(lambda: hosts(space)[1] not in (None, before[1]), "another scorer to take the share",
             TAKEN_OVER)
        taken = time.monotonic() - began
        wait(lambda: state(space, 1).get("scored", 0) > 0, "scores of the share", TAKEN_OVER)
        say(f"share 1: another pod has it {taken:.1f} s after the kill, and says that it has scored "
            f"after {time.monotonic() - began:.1f} s; the first had scored {count}")
        after = hosts(space)
        check(after[1] in (before[0], before[2]), f"not by one of the others: {before} {after}")
        check((after[0], after[2]) == (before[0], before[2]), f"others moved: {before} {after}")
    finally:
        cluster("node", "start", NODE)
    wait_condition("hall", space, "Ready", "True", 240)
    now = wait(lambda: scored(space), "the ledger", 60, 1)
    wait(lambda: scored(space) > now + 500, "scores after the kill", 120, 1)
    judge(space)
    kubectl("delete", "plant", "hall", "-n", space, "--wait=true")


def judge(space):
    """While it runs: what is on its way is pending, nothing is missing or doubled."""
    found = ledger(space)
    total = found["total"]
    say("ledger: " + ", ".join(f"{key} {total[key]}" for key in (
        "published", "stored", "pending", "dead", "dropped", "missing", "doubled", "scored")))
    check(total["missing"] == 0 and total["doubled"] == 0, found)
    late = wait(lambda: ledger(space)["total"]["scored"] >= total["scored"] + 200, "more scores", 60, 1)
    check(late, "it has stopped")
    names = [one["metadata"]["name"] for one in get("pod", None, space)]
    check(sum("-score-" in name for name in names) == SHARES, names)


if __name__ == "__main__":
    main(takes_over)
