#!/usr/bin/env python3
"""Scorers of a Plant with Kafka share its stream. Three speak to Kafka themselves; one is killed, and
stays away as if its node had gone: the others take over what it had. Two have a streaming sidecar,
which is killed. Nothing is missing and nothing doubled."""
import json
import os
import signal
import time

from kafka import kafka
from kube import HOME, check, cluster, get, kubectl, main, make_namespace, say, wait
from operate_test import NODE, apply, broker, disk, ledger, operator, plant, wait_condition

SHARES = 3
SIDECARS = 2
SOCKET = "relay:/run/millwright/stream.sock"
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


def hosts(space, shares=SHARES):
    return [state(space, share).get("host") for share in range(shares)]


def process_of(pod, role="score"):
    """The role's process in the pod, as this machine numbers it."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                ours = f"HOSTNAME={pod}".encode() in file.read().split(b"\0")
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if ours and words[:2] == [b"/usr/bin/millwright", role.encode()]:
            return int(name)
    return 0


def scored(space):
    found = ledger(space)
    return found["total"]["scored"] if found else 0


def hall(space, scorers, **more):
    """A Plant whose stream so many scorers share; it has scores, and each of them has a share."""
    storage = disk(space, "hall")
    spec = {
        "broker": broker(space), "stream": {"url": kafka(space), "partitions": 6},
        "score": {"shares": scorers}, "time": {"tolerance": "off"},
        "model": {"kind": "logistic", "horizon": "4h"}, "commission": {"records": 40},
        "level2": {"enabled": False}, "action": {"immediate": "stop", "expires": "1h"},
        "retrain": {"minimum_records": 600, "minimum_positives": 30, "on_drift": False},
        "rollout": {"canary": 1, "records": 2},
        "simulate": {"machines": 12, "seed": 3, "interval": "10m", "speed": 6000,
                     "fault_every": "12h", "growth": "12h"}}
    apply(plant("hall", spec, scorers=scorers, storage_access="one-node", **storage, **more),
          namespace=space)
    wait_condition("hall", space, "Ready", "True", 240)
    wait(lambda: scored(space) > 100, "the first model to score", 240, 1)
    wait(lambda: len(set(hosts(space, scorers)) - {None}) == scorers, "each scorer to have a share",
         120, 0.5)


def takes_over(program):
    operator()
    space = make_namespace("score")
    hall(space, SHARES)
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
    judge(space, SHARES)
    kubectl("delete", "plant", "hall", "-n", space, "--wait=true")


def judge(space, scorers):
    """While it runs: what is on its way is pending, nothing is missing or doubled."""
    now = wait(lambda: scored(space), "the ledger", 60, 1)
    wait(lambda: scored(space) > now + 500, "scores after the kill", 120, 1)
    found = wait(lambda: ledger(space), "the ledger again", 60, 1)
    total = found["total"]
    say("ledger: " + ", ".join(f"{key} {total[key]}" for key in (
        "published", "stored", "pending", "dead", "dropped", "missing", "doubled", "scored")))
    check(total["missing"] == 0 and total["doubled"] == 0, found)
    wait(lambda: scored(space) >= total["scored"] + 200, "more scores", 60, 1)
    check(len(pods(space)) == scorers, list(pods(space)))


def pods(space):
    """{name: pod} of the scorers."""
    return {one["metadata"]["name"]: one for one in get("pod", None, space)
            if "-score-" in one["metadata"]["name"]}


def speaks_to_kafka(process):
    """Whether it has loaded the client."""
    with open(f"/proc/{process}/maps") as file:
        return "librdkafka" in file.read()


def running(pod):
    """Names of its containers that run."""
    status = pod["status"]
    return {one["name"] for one in status["initContainerStatuses"] + status["containerStatuses"]
            if "running" in one["state"]}


def restarts(space, name):
    status = pods(space)[name]["status"]
    return {one["name"]: one["restartCount"]
            for one in status["initContainerStatuses"] + status["containerStatuses"]}


def through_a_sidecar(program):
    """cluster.sidecar: each scorer has its stream from the relay beside it, which alone speaks to
    Kafka. When the relay is killed, both begin again."""
    operator()
    space = make_namespace("sidecar")
    hall(space, SIDECARS, sidecar=True)
    found = pods(space)
    check(len(found) == SIDECARS, list(found))
    for name, pod in found.items():
        check(running(pod) == {"relay", "score"}, pod["status"])
        check(SOCKET in pod["spec"]["containers"][0]["args"], pod["spec"]["containers"])
        relay, score = process_of(name, "relay"), process_of(name)
        check(relay and score, f"{name}: no process of relay ({relay}) or score ({score})")
        check(speaks_to_kafka(relay) and not speaks_to_kafka(score), f"{name}: the wrong one does")

    name = hosts(space, SIDECARS)[1]
    before, count = restarts(space, name), scored(space)
    os.kill(process_of(name, "relay"), signal.SIGKILL)
    wait(lambda: all(restarts(space, name)[it] > before[it] for it in ("relay", "score")),
         "relay and scorer to begin again", 120, 0.2)
    say(f"{SIDECARS} scorers with a sidecar have scored {count}; then {name} lost its relay: "
        f"restarts {restarts(space, name)}")
    wait_condition("hall", space, "Ready", "True", 240)
    judge(space, SIDECARS)
    kubectl("delete", "plant", "hall", "-n", space, "--wait=true")


if __name__ == "__main__":
    main(takes_over, through_a_sidecar)
