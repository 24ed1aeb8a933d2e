#!/usr/bin/env python3
"""The Helm chart: what it makes is taken by the API server, and what it installs runs and goes again.

Strimzi's and Prometheus' resources are not there: those are held against the names that their
manuals give only."""
import atexit
import json
import os

from kube import (HERE, IMAGE, apply, check, cluster, get, kubectl, main, make_namespace, say, wait,
                  wait_for)

CHART = os.path.join(HERE, "..", "..", "deploy", "helm", "millwright")
VERSION = "1.35.4"
SPACE = "chart"
STRANGE = ("kafka.strimzi.io/v1beta2", "monitoring.coreos.com/v1")
FULL = {
    "image": IMAGE,
    "imagePullSecrets": [{"name": "registry"}],
    "operator": {"replicas": 3, "overrides": {
        "spec": {"template": {"spec": {"nodeSelector": {"kubernetes.io/os": "linux"}}}}}},
    "node": {"namespace": "chart-node"},
    "plants": {"hall": {"broker": {"url": "mqtt://mosquitto:1883"}}},
    "networkPolicies": {"pageFrom": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "mosquitto": {"enabled": True, "passwords": "passwords", "tls": "tls", "storageClass": "fast"},
    "kafka": {"enabled": True, "topics": ["hall"], "storageClass": "fast", "version": "4.0.0"},
}
RUNNING = {"image": IMAGE, "node": {"namespace": "chart-node"}, "mosquitto": {"enabled": True}}


def helm(*words, values=None, status=0, limit=180):
    """Helm as the administrator of the cluster; `values` go in through a file."""
    with_values = ["-f", "/dev/stdin"] if values is not None else []
    text = json.dumps(values) if values is not None else None
    done = cluster("exec", "--", "helm", *words, *with_values, input=text, status=None, limit=limit)
    check(done[0] == status, f"helm {' '.join(words)}: exit status {done[0]}\n{done[1]}{done[2]}")
    return done[1] if status == 0 else done[1] + done[2]


def objects(values):
    """What the chart makes of the values, without the resource definitions."""
    text = helm("template", "millwright", CHART, "-n", SPACE, "--kube-version", VERSION,
                values=values)
    # kubectl reads the YAML; what it does not know the kind of, it could not print.
    found = []
    for part in text.split("\n---\n"):
        lines = [line for line in part.splitlines() if line and not line.startswith(("#", "---"))]
        if lines:
            api = next(line[12:] for line in lines if line.startswith("apiVersion: "))
            kind = next(line[6:] for line in lines if line.startswith("kind: "))
            found.append((api, kind, "\n".join(lines)))
    return found


def is_linted(program):
    for values in ({}, RUNNING, FULL):
        said = helm("lint", "--strict", CHART, "--kube-version", VERSION, values=values)
        check("0 chart(s) failed" in said, said)


def refuses_odd_values(program):
    for values, said in (({"imgae": "x"}, "imgae"), ({"operator": {"replicas": 0}}, "replicas"),
                         ({"kafka": {"replicas": "three"}}, "replicas"),
                         ({"plants": {"Hall A": {}}}, "Hall A"),
                         ({"node": {"namespace": "a\nkind: Secret"}}, "namespace"),
                         ({"mosquitto": {"storage": "1Gi, x"}}, "storage")):
        found = helm("template", "m", CHART, "--kube-version", VERSION, values=values, status=1)
        check(said in found, f"'{said}' is not in: {found}")


def definitions(there):
    folder = os.path.join(CHART, "crds")
    if there:
        kubectl("apply", "--server-side", "-f", folder)
        kubectl("wait", "--for=condition=Established", "crd/plants.millwright.dev", "--timeout=30s")
    else:
        kubectl("delete", "-f", folder, "--timeout=60s")


def is_taken_by_the_server(program):
    """Every object of the cluster's own kinds, as the API server would store it."""
    make_namespace(SPACE)
    make_namespace("chart-node", "privileged")
    definitions(True)
    for values in ({"image": IMAGE, "node": {"namespace": "chart-node"}}, FULL):
        own = [text for api, kind, text in objects(values) if api not in STRANGE]
        out = kubectl("apply", "--dry-run=server", "-f", "-", input="\n---\n".join(own))
        check(len(out.splitlines()) == len(own), out)
        say(f"{len(own)} objects are taken")
    strange = [(kind, text) for api, kind, text in objects(FULL) if api in STRANGE]
    kinds = [kind for kind, _ in strange]
    check(kinds.count("KafkaTopic") == 14 and "Kafka" in kinds and "KafkaNodePool" in kinds and
          "ServiceMonitor" in kinds and "PodMonitor" in kinds, kinds)
    allowed = {name: [text for _, kind, text in objects(values) if kind == "NetworkPolicy" and
                      "port: 8086" in text]
               for name, values in (("full", FULL), ("running", RUNNING))}
    check(len(allowed["full"]) == 2 and not allowed["running"], allowed)
    firmware = [text for _, kind, text in objects(RUNNING) if kind == "NetworkPolicy" and
                "port: 8443" in text]
    check(len(firmware) == 1 and "name: millwright-plants" in firmware[0], firmware)
    kubectl("delete", "namespace", SPACE, "chart-node", "--wait=true", "--timeout=60s")
    definitions(False)


def disk():
    """A volume for the broker's claim."""
    folder = "/var/lib/kubelet/disk-chart"
    cluster("exec", "-n", "n1", "--", "mkdir", "-p", folder)
    apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": SPACE}, "spec": {
        "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
        "claimRef": {"namespace": SPACE, "name": "data-mosquitto-0"},
        "persistentVolumeReclaimPolicy": "Retain", "local": {"path": folder},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": ["n1"]}]}]}}}})
    atexit.register(kubectl, "delete", "pv", SPACE, "--wait=false", status=None)


def runs(program):
    """Installed into a namespace with the standard "restricted": operator, broker and node role are
    ready, a Plant is looked after, an upgrade keeps them, and nothing but data is left in the end."""
    make_namespace(SPACE)
    disk()
    try:
        install_and_upgrade()
    finally:  # not every object of the chart goes with the namespaces
        helm("uninstall", "millwright", "-n", SPACE, "--wait", "--ignore-not-found")
    wait(lambda: not get("deployment", None, SPACE), "the end of what was installed", pause=0.3)
    check(get("crd", "plants.millwright.dev"), "uninstalling took the resource definitions")
    check(get("clusterrole", "millwright-operator") is None, "a right is left")
    definitions(False)


def install_and_upgrade():
    helm("install", "millwright", CHART, "-n", SPACE, values=RUNNING)
    wait_for("deployment", "millwright-operator",
             lambda it: it["status"].get("readyReplicas") == 2, "two operators", SPACE)
    wait_for("statefulset", "mosquitto", lambda it: it["status"].get("readyReplicas") == 1,
             "the broker", SPACE)
    wait_for("daemonset", "millwright-node", lambda it: it["status"].get("numberReady") == 2,
             "the role node on both nodes", "chart-node")
    helm("upgrade", "millwright", CHART, "-n", SPACE, values={
        **RUNNING, "plants": {"hall": {"broker": {"url": "mqtt://mosquitto:1883"}}}})
    wait(lambda: get("deployment", "hall-bridge", SPACE), "the Plant's bridge", pause=0.3)
    say(helm("list", "-n", SPACE).strip())


if __name__ == "__main__":
    main(is_linted, refuses_odd_values, is_taken_by_the_server, runs)
