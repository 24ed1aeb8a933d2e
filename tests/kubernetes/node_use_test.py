#!/usr/bin/env python3
"""A Plant's scorer follows an accelerator that the role `node` reports: operator, scheduler, kubelet
and device plugin, each the real one; only the hardware's files are made up."""
import atexit
import glob
import os

from kube import HOME, apply, check, get, kubectl, main, make_folder, make_namespace, say, wait
from node_test import deploy, plug, unplug, wait_allocatable
from operate_test import broker, operator, plant, wait_condition, wait_event, wait_for

NODE = "n2"  # with the device


def shared_disk(space, name):
    """A folder that every node sees, so that the volume says nothing about where a pod may run."""
    folder = make_folder(os.path.join(HOME, "run", f"disk-{space}"))
    os.chown(folder, 65532, 65532)
    apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": space}, "spec": {
        "capacity": {"storage": "64Mi"}, "accessModes": ["ReadWriteMany"],
        "storageClassName": space, "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": space, "name": f"{name}-data"}, "hostPath": {"path": folder}}})
    atexit.register(kubectl, "delete", "pv", space, "--wait=false", status=None)
    return {"storage_class": space, "storage_size": "64MiB", "storage_retain": False,
            "storage_access": "many-nodes"}


def scorers(space):
    """[(class, node)] of those that are not on their way out."""
    return [(one["metadata"]["labels"]["millwright.dev/accelerator"], one["spec"].get("nodeName"))
            for one in get("pod", None, space)
            if one["metadata"]["labels"].get("app.kubernetes.io/component") == "score" and
            "deletionTimestamp" not in one["metadata"]]


def wait_class(space, class_):
    wait_for("plant", "mill", lambda it: it.get("status", {}).get("accelerator") == class_ and
             any(one["type"] == "Ready" and one["status"] == "True"
                 for one in it["status"]["conditions"]), f"the scorer to be ready on {class_}",
             space, 150)
    found = wait(lambda: [one for one in [scorers(space)] if len(one) == 1], "one scorer", 60, 0.3)[0]
    check(found[0][0] == class_, f"{class_} was expected: {found}")
    return found[0][1]


def process_of(space):
    """/proc/PID of the scorer that has the device."""
    one, = [it for it in get("pod", None, space) if
            it["metadata"]["labels"].get("millwright.dev/accelerator") == "edgetpu"]
    for place in glob.glob("/proc/[0-9]*"):
        try:
            with open(f"{place}/cgroup") as group, open(f"{place}/cmdline") as line:
                if "pod" + one["metadata"]["uid"] in group.read() and "score" in line.read():
                    return place
        except OSError:
            pass  # it has ended
    return None


def check_given(space, number):
    """The container has the device, and is told where."""
    place = wait(lambda: process_of(space), "the process of the scorer", 30, 0.3)
    device = f"/dev/bus/usb/001/{number:03}"
    with open(f"{place}/environ") as file:
        told = file.read().split("\0")
    check(f"MILLWRIGHT_ACCELERATOR_EDGETPU={device}" in told, told)
    check(os.path.exists(f"{place}/root{device}"), f"{device} is not in the container")


def the_scorer_follows_the_device(program):
    deploy()
    operator()
    space = make_namespace("follow")
    storage = shared_disk(space, "mill")
    apply(plant("mill", {"broker": broker(space)}, ["edgetpu", "gpu", "cpu"], **storage),
          namespace=space)
    wait_condition("mill", space, "Ready", "True")
    say(f"without a device: cpu, on {wait_class(space, 'cpu')}")
    for number in (4, 5):
        plug(NODE, "1-1.4", number)
        wait_allocatable(NODE, "1")
        where = wait_class(space, "edgetpu")
        check(where == NODE, f"{NODE} has the device, the scorer is on {where}")
        wait_event(space, "mill", "Moved", "to edgetpu")
        say(f"plugged in as {number}: edgetpu, on {where}")
        check_given(space, number)
        unplug(NODE, "1-1.4")
        wait_allocatable(NODE, "0")
        say(f"unplugged: cpu, on {wait_class(space, 'cpu')}")
        wait_event(space, "mill", "Moved", "to cpu")


if __name__ == "__main__":
    main(the_scorer_follows_the_device)
