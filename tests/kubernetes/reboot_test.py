#!/usr/bin/env python3
"""A site without an uplink loses its power: control plane, nodes and all pods at once, as on one
computer with K3s. What was fetched from outside is not there when it comes back, and the plant runs
on what its disks have. What the kubelet alone could do is less: without API server it starts no pod."""
import json
import shutil
import time

from kube import IMAGE, apply, check, cluster, get, kubectl, main, make_namespace, node_exec, say, wait
from operate_test import broker, disk, ledger, operator, plant, wait_condition

OUTSIDE = "10.90.0.1:5000"  # may speak plain HTTP, see tests/cluster/README.md
CONFIG = """\
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: %s}}
http: {addr: ":5000"}
"""


def outside_registry():
    """Debian's docker-registry beside the cluster, with the image; gone with the power. The image's
    reference there."""
    image = f"{OUTSIDE}/millwright:1"
    folder = cluster("exec", "--", "mktemp", "-d", "/tmp/mw-outside-XXXXXX").strip()
    with open(f"{folder}/config.yml", "w") as file:
        file.write(CONFIG % folder)
    cluster("run", "outside", "--", shutil.which("docker-registry"), "serve", f"{folder}/config.yml")
    wait(reaches_outside, "the registry outside", 30, 0.1)
    node_exec("n1", "ctr", "-n", "k8s.io", "images", "tag", "--force", IMAGE, image)
    node_exec("n1", "ctr", "-n", "k8s.io", "images", "push", "--plain-http", image)
    node_exec("n1", "ctr", "-n", "k8s.io", "images", "rm", image)
    return image, folder


def reaches_outside():
    return node_exec("n1", "curl", "-sf", "--noproxy", "*", "--max-time", "5",
                     f"http://{OUTSIDE}/v2/", status=None)[0] == 0


def ledger_with(space, stored, scored, what):
    """Its total, once it has more than these."""
    return wait(lambda: [it["total"] for it in [ledger(space)] if it and
                         it["total"]["stored"] > stored and it["total"]["scored"] > scored],
                what, 240, 1)[0]


def containers(space):
    """{pod: its running container}. A kubelet that has booted does not always count it as a restart."""
    return {one["metadata"]["name"]: next((it.get("containerID") for it in
                                           one["status"].get("containerStatuses", [])
                                           if "running" in it["state"]), None)
            for one in get("pod", None, space)}


def all_are_new(seen, now):
    return set(now) == set(seen) and all(now[name] not in (None, seen[name]) for name in seen)


def pulls(space):
    return [one for one in json.loads(kubectl("get", "events", "-n", space, "-o", "json"))["items"]
            if one["reason"] in ("Pulling", "Failed", "BackOff") and
            one["involvedObject"]["name"].startswith("hall-")]


def runs_again_without_an_uplink(program):
    operator()
    image, folder = outside_registry()
    try:
        space = make_namespace("reboot")
        apply(plant("hall", {
            "broker": broker(space), "time": {"tolerance": "off"},
            "model": {"kind": "logistic", "horizon": "4h"}, "commission": {"records": 40},
            "level2": {"share": 0.2, "sketch_records": 20},
            "retrain": {"minimum_records": 600, "minimum_positives": 30, "on_drift": False},
            "rollout": {"canary": 1, "records": 2},
            "simulate": {"machines": 4, "seed": 3, "interval": "10m", "speed": 6000, "until": "7d",
                         "fault_every": "12h", "growth": "12h"}},
            image=image, **disk(space, "hall", "256Mi")), namespace=space)
        before = ledger_with(space, 0, 100, "100 scores")
        check([one for one in pulls(space) if one["reason"] == "Pulling"], "nothing was pulled")
        count, seen = len(pulls(space)), containers(space)
        begin = time.monotonic()
        cluster("power", "off")
        cluster("power", "on", limit=240)
        check(not reaches_outside(), "the registry outside is there")
        wait_condition("hall", space, "Ready", "True", 240)
        after = ledger_with(space, before["stored"], before["scored"], "more records and scores")
        say(f"{before['stored']} stored and {before['scored']} scored before, {after['stored']} and "
            f"{after['scored']} {time.monotonic() - begin:.0f} s after the cut")
        for total in (before, after):
            check((total["missing"], total["doubled"]) == (0, 0), total)
        # The API server hears of it from the kubelet, a moment later.
        wait(lambda: all_are_new(seen, containers(space)),
             "each pod, and no other one, to have started again", 90, 0.5)
        check(len(pulls(space)) == count, pulls(space)[count:])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(runs_again_without_an_uplink)
