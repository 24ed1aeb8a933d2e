#!/usr/bin/env python3
"""The image: what is in it runs where nothing is allowed, and a whole plant runs in one pod."""
import json
import os
import subprocess

from kube import (HOME, apply, check, get, kubectl, main, make_folder, make_namespace, node_exec, pod,
                  say, wait, wait_done, wait_ready)
from plant import Plant, account, check_numbers

NODE = "n1"
TEXT = """\
plant: pod
data: %s
http: {listen: 0.0.0.0, port: 8080}
log: {level: warn}
time: {tolerance: off}
model: {kind: logistic, horizon: 4h}
commission: {records: 40}
level2: {share: 0.2, sketch_records: 20}
retrain: {minimum_records: 600, minimum_positives: 30, fresh_records: 300, fresh_positives: 20}
rollout: {canary: 1, records: 2}
simulate: {machines: 4, seed: 3, interval: 10m, speed: 60000, until: 7d,
           fault_every: 12h, growth: 12h}
"""


def is_the_program(program):
    space = make_namespace("image")
    apply(pod("version", "--version"), pod("help"), namespace=space)
    said = wait_done("version", space).strip()
    own = subprocess.run([program, "--version"], capture_output=True, text=True).stdout.strip()
    check(said == own, f"the image says '{said}', the program '{own}'")
    check("usage" in wait_done("help", space), "no usage without arguments")
    say(said)


def loads_kafkas_library(program):
    """Which is only loaded at run time: the ledger gets as far as the network."""
    space = make_namespace("kafka")
    config = 'plant: kafka\ndata: /var/lib/millwright/data\nstream: {url: "kafka://127.0.0.1:9"}\n'
    apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kafka"},
           "data": {"plant.yaml": config}},
          with_config(pod("kafka", "ledger", "-c", "/etc/millwright/plant.yaml"), "kafka"),
          namespace=space)
    wait(lambda: ended("kafka", space), "the end of pod kafka", 90, 0.2)
    log = kubectl("logs", "kafka", "-n", space)
    check("127.0.0.1:9" in log and "librdkafka" not in log, log)


def ended(name, space):
    phase = get("pod", name, space)["status"].get("phase")
    return phase if phase in ("Failed", "Succeeded") else None


def with_config(one, name):
    """The pod with the config map `name` at /etc/millwright."""
    one["spec"]["volumes"].append({"name": "config", "configMap": {"name": name}})
    one["spec"]["containers"][0]["volumeMounts"].append(
        {"name": "config", "mountPath": "/etc/millwright", "readOnly": True})
    return one


def disk(space):
    """A local disk of the node, as the claim `data`; returns its folder as seen from here."""
    folder = make_folder(os.path.join(HOME, "run", "nodes", NODE, "disk", "kubelet", f"disk-{space}"))
    apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": space}, "spec": {
               "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
               "storageClassName": space, "persistentVolumeReclaimPolicy": "Retain",
               "local": {"path": f"/var/lib/kubelet/disk-{space}"},
               "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                   {"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}]}}}},
          {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"},
           "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": space,
                    "resources": {"requests": {"storage": "1Gi"}}}}, namespace=space)
    return folder


def runs_a_whole_plant(program):
    """Broker, bridge, scorer, watch, learner, page and things in one pod that is denied all that
    the standard "restricted" denies; the pod is deleted and made again, and the account holds."""
    space = make_namespace("whole")
    folder = disk(space)
    apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "plant"},
           "data": {"plant.yaml": TEXT % "/var/lib/millwright/data"}}, namespace=space)
    one = with_config(pod("plant", "up", "-c", "/etc/millwright/plant.yaml",
                          readinessProbe={"httpGet": {"path": "/readyz", "port": 8080},
                                          "periodSeconds": 1},
                          ports=[{"containerPort": 8080}]), "plant")
    one["spec"]["terminationGracePeriodSeconds"] = 30
    one["spec"]["volumes"][0] = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    apply(one, namespace=space)
    begin_scored = run_until_scored(space, 0)
    kubectl("delete", "pod", "plant", "-n", space, "--wait=true")
    apply(one, namespace=space)
    run_until_scored(space, begin_scored)
    address = get("pod", "plant", space)["status"]["podIP"]
    metrics = node_exec(NODE, "curl", "-sf", "--noproxy", "*", f"http://{address}:8080/metrics")
    check("millwright_things 4" in metrics, metrics)
    kubectl("delete", "pod", "plant", "-n", space, "--wait=true")
    plant = Plant(program, TEXT % "data", folder)
    total = account(plant, more_than=begin_scored)
    check(check_numbers(plant) == total["stored"], "the ledger counts otherwise than the stream")
    kubectl("delete", "pv", space, "--wait=false")


def run_until_scored(space, before):
    """The number of scores, when it has grown past `before`; the claim's plant has to be ready."""
    wait_ready("plant", space, 120)

    def scored():
        _, out, err = kubectl("exec", "plant", "-n", space, "--", "/usr/bin/millwright",
                              "ledger", "-c", "/etc/millwright/plant.yaml", "--json", status=None)
        check(out, f"ledger: {err}")
        count = json.loads(out)["total"]["scored"]
        return count if count > before + 100 else 0

    return wait(scored, f"more than {before + 100} scores", 180, 0.5)


def is_denied_more(program):
    """A namespace with the standard "restricted" takes no pod of ours that asks for more."""
    space = make_namespace("denied")
    one = pod("root", "--version")
    one["spec"]["containers"][0]["securityContext"] = {"runAsUser": 0}
    status, _, err = kubectl("apply", "-n", space, "-f", "-", input=json.dumps(one), status=None)
    check(status != 0 and "restricted" in err, f"exit status {status}: {err}")


if __name__ == "__main__":
    main(is_the_program, loads_kafkas_library, runs_a_whole_plant, is_denied_more)
