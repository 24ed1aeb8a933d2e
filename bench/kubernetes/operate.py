#!/usr/bin/env python3
"""operate.py MILLWRIGHT [NODES] [PLANTS] [CHANGES]: the operator at 1,000 nodes and 200 Plants.

Brings up tests/cluster with simulated nodes (KWOK), each with an Edge TPU, and the operator beside
the API server. Then changes one Plant after another, and takes the time from the API server's answer
to the change until the changed Deployment comes out of a watch. Beside it, in the same run, the floor
under that: the same client changes a Deployment itself. Prints both, and the operator's memory."""
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "..", "tests", "kubernetes"))
from kube import HOME, apply, cluster, kubectl, say, wait  # noqa: E402

DEPLOY = os.path.join(HERE, "..", "..", "deploy")
ROLES = 5
KWOK = "kwok.x-k8s.io/node"


def make_plant(i):
    return {"apiVersion": "millwright.dev/v1alpha1", "kind": "Plant",
            "metadata": {"name": f"plant-{i:03d}"}, "spec": {
                "broker": {"url": "mqtt://broker:1883"},
                "cluster": {"accelerators": ["edgetpu", "cpu"], "tolerations": [KWOK],
                            "storage_access": "many-nodes", "storage_class": "bench",
                            "storage_size": "1MiB", "node_selector": {"type": "kwok"}}}}


def make_volume(i):
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"bench-{i:03d}"},
            "spec": {"capacity": {"storage": "1Mi"}, "accessModes": ["ReadWriteMany"],
                     "storageClassName": "bench", "persistentVolumeReclaimPolicy": "Retain",
                     "hostPath": {"path": "/tmp/bench"}}}


def main():
    program = os.path.abspath(sys.argv[1])
    nodes, plants, changes = (int(word) for word in (sys.argv[2:] + ["1000", "200", "200"][
        len(sys.argv) - 2:]))
    say(f"-- {nodes} nodes, {plants} Plants, {changes} changes")
    cluster("down")
    cluster("up", "n1", limit=180)
    try:
        measure(program, nodes, plants, changes)
    finally:
        cluster("down")


def measure(program, nodes, plants, changes):
    begin = time.monotonic()
    cluster("kwok", str(nodes), "millwright.dev/edgetpu=1", limit=600)
    say(f"{nodes} nodes after {time.monotonic() - begin:.0f} s")
    kubectl("apply", "--server-side", "-f", os.path.join(DEPLOY, "crds"))
    kubectl("wait", "--for=condition=Established", "crd/plants.millwright.dev", "--timeout=30s")
    apply(*(make_volume(i) for i in range(plants)), limit=600)
    cluster("run", "operate", "--", program, "operate", "--kubeconfig",
            os.path.join(HOME, "run", "pki", "admin.kubeconfig"), "--image", "millwright:1",
            "--log-level", "warn")
    begin = time.monotonic()
    apply(*(make_plant(i) for i in range(plants)), limit=600)

    def ready():
        found = kubectl("get", "plants", "-o", "jsonpath={range .items[*]}"
                        "{.status.accelerator}/{.status.conditions[0].status} {end}")
        return found.split().count("edgetpu/True") == plants

    wait(ready, f"{plants} plants to be ready", 500, 1)
    say(f"{plants} Plants with {plants * ROLES} pods, each ready after "
        f"{time.monotonic() - begin:.0f} s")
    script = os.path.join(HERE, "operate_changes.py")
    print(cluster("exec", "--", sys.executable, "-B", script, HOME, str(plants), str(changes),
                  limit=900), end="", flush=True)
    with open(os.path.join(HOME, "run", "pid", "control-plane.operate")) as file:
        pid = file.read().split()[0]
    with open(f"/proc/{pid}/status") as file:
        memory = {line.split(":")[0]: int(line.split()[1]) // 1024 for line in file
                  if line.startswith(("VmHWM", "VmRSS"))}
    say(f"operator: {memory['VmRSS']} MiB resident, {memory['VmHWM']} MiB at most")


if __name__ == "__main__":
    main()
