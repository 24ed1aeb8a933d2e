#!/usr/bin/env python3
"""The operator on a real cluster, with exactly the rights of deploy/operator/rbac.yaml."""
import atexit
import json
import os

from kube import (HOME, IMAGE, apply, check, get, kubectl, main, make_folder, make_namespace,
                  node_exec, say, tell, wait, wait_for, wait_ready)
import metrics

DEPLOY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy")
NODE = "n1"
TPU = "millwright.dev/edgetpu"
BROKER = "listener 1883\nallow_anonymous true\npersistence false\n"


def read(*names):
    with open(os.path.join(DEPLOY, *names)) as file:
        return file.read()


def operator():
    """Two operators in the namespace millwright, once for all tests of this file."""
    if get("namespace", "millwright") is not None:
        return
    atexit.register(kubectl, "delete", "namespace", "millwright", "--timeout=60s", status=None)
    # A namespace whose pods have ended need not give them time.
    atexit.register(kubectl, "delete", "deployment", "millwright-operator", "-n", "millwright",
                    "--cascade=foreground", "--timeout=60s", status=None)
    atexit.register(kubectl, "delete", "-f", os.path.join(DEPLOY, "crds"), "--timeout=60s",
                    status=None)
    atexit.register(kubectl, "delete", "-f", os.path.join(DEPLOY, "operator", "rbac.yaml"),
                    "--ignore-not-found", "--timeout=60s", status=None)
    kubectl("apply", "--server-side", "-f", os.path.join(DEPLOY, "crds"))
    apply(read("operator", "namespace.yaml"), namespace="millwright")
    apply(read("operator", "rbac.yaml"), namespace="millwright")
    kubectl("wait", "--for=condition=Established", "crd/plants.millwright.dev", "--timeout=30s")
    apply(read("operator", "operator.yaml").replace("IMAGE", IMAGE), namespace="millwright")
    wait_for("deployment", "millwright-operator",
             lambda it: it["status"].get("readyReplicas") == 2, "two operators", "millwright")


def plant(name, spec, accelerators=("cpu",), **cluster):
    spec = {"broker": {"url": "mqtt://broker:1883"}, **spec}
    spec["cluster"] = {"accelerators": list(accelerators), **cluster}
    return {"apiVersion": "millwright.dev/v1alpha1", "kind": "Plant", "metadata": {"name": name},
            "spec": spec}


def condition(it, kind):
    for one in it.get("status", {}).get("conditions", []):
        if one["type"] == kind and one["observedGeneration"] == it["metadata"]["generation"]:
            return one
    return {"status": "Unknown", "reason": "", "message": ""}


def wait_condition(name, space, kind, value, limit=120):
    return wait_for("plant", name, lambda it: condition(it, kind)["status"] == value,
                    f"plant {name} to be {kind}={value}", space, limit)


def replicas(name, space):
    found = get("deployment", name, space)
    return found["spec"]["replicas"] if found else None


def events(space, name):
    found = json.loads(kubectl("get", "events", "-n", space, "-o", "json"))["items"]
    return [(one["reason"], one["message"]) for one in found
            if one["involvedObject"]["name"] == name]


def wait_event(space, name, reason, text):
    wait(lambda: [one for one in events(space, name) if one[0] == reason and text in one[1]],
         f"an event {reason} of {name} with '{text}'", pause=0.2)


def disk(space, name, size="64Mi", node=NODE):
    """A local disk of a node for the claim of the plant `name`."""
    make_folder(os.path.join(HOME, "run", "nodes", node, "disk", "kubelet", f"disk-{space}"))
    apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": space}, "spec": {
        "capacity": {"storage": size}, "accessModes": ["ReadWriteOnce"],
        "storageClassName": space, "persistentVolumeReclaimPolicy": "Retain",
        "claimRef": {"namespace": space, "name": f"{name}-data"},
        "local": {"path": f"/var/lib/kubelet/disk-{space}"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}]}}}})
    atexit.register(kubectl, "delete", "pv", space, "--wait=false", status=None)
    return {"storage_class": space, "storage_size": size + "B", "storage_retain": False}


def broker(space):
    """mosquitto out of our image. There is no cluster DNS: its URL is the service's address."""
    restricted = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]},
                  "runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "broker"},
           "data": {"mosquitto.conf": BROKER}},
          {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "broker"},
           "spec": {"selector": {"app": "broker"}, "ports": [{"port": 1883}]}},
          {"apiVersion": "v1", "kind": "Pod",
           "metadata": {"name": "broker", "labels": {"app": "broker"}}, "spec": {
               "terminationGracePeriodSeconds": 1,
               "volumes": [{"name": "config", "configMap": {"name": "broker"}}],
               "containers": [{
                   "name": "broker", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
                   "command": ["/usr/sbin/mosquitto", "-c", "/config/mosquitto.conf"],
                   "securityContext": restricted,
                   "volumeMounts": [{"name": "config", "mountPath": "/config"}],
                   "readinessProbe": {"tcpSocket": {"port": 1883}, "periodSeconds": 1}}]}},
          namespace=space)
    wait_ready("broker", space)
    return {"url": f"mqtt://{get('service', 'broker', space)['spec']['clusterIP']}:1883"}


def ledger(space):
    """What `millwright ledger` says of the plant hall, in its bridge's pod; None while that cannot. It
    has figures too when its exit status says that they are bad."""
    _, out, _ = kubectl("exec", "deployment/hall-bridge", "-c", "bridge", "-n", space, "--",
                        "/usr/bin/millwright", "ledger", "-c", "/etc/millwright/plant.yaml",
                        "--json", status=None)
    return json.loads(out) if out else None


def refused(one, *paths):
    status, _, err = kubectl("apply", "-f", "-", input=json.dumps(one), status=None)
    check(status != 0, f"was taken: {one}")
    for path in paths:
        check(path in err, f"{path} is not in: {err}")


def refuses_what_no_role_could_read(program):
    operator()
    refused(plant("bad", {"modle": {}, "model": {"horizn": "1h"}, "data": "x"}),
            '"spec.modle"', '"spec.model.horizn"', '"spec.data"')
    refused(plant("bad", {"model": {"kind": "forest", "horizon": "3 weeks"},
                          "http": {"listen": "x"}}), "spec.http")
    refused(plant("bad", {"model": {"kind": "forest", "horizon": "3 weeks", "seed": -1},
                          "watch": {"psi": 11}}, ["tpu"]),
            "spec.model.kind", "spec.model.horizon", "spec.model.seed", "spec.watch.psi",
            "spec.cluster.accelerators[0]")
    refused(plant("bad", {"rollout": {"timeout": "1us"}, "stream": {"retention_size": 10}}),
            "spec.rollout.timeout", "from 100ms to 30d", "spec.stream.retention_size")
    refused(plant("bad", {"stream": {"url": "nats://x"}, "watch": {"minimum": 300}}),
            "spec.stream.url", "spec.watch.minimum")
    refused(plant("bad", {"broker": {}}), "spec.broker", "broker.url")
    refused(plant("a" * 41, {}), "metadata.name")
    # A client that does not ask for strictness loses the unknown key, and is warned.
    loose = kubectl("create", "--validate=false", "--dry-run=server", "-o", "json", "-f", "-",
                    input=json.dumps(plant("loose", {"modle": {}})))
    check("modle" not in loose, loose)


def runs_a_plant(program):
    """Bridge, scorer, watch, learner, page and things, each a pod; and nothing is left of them."""
    operator()
    space = make_namespace("runs")
    storage = disk(space, "hall")
    apply(plant("hall", {
        "broker": broker(space), "time": {"tolerance": "off"},
        "model": {"kind": "logistic", "horizon": "4h"}, "commission": {"records": 40},
        "level2": {"share": 0.2, "sketch_records": 20},
        "retrain": {"minimum_records": 600, "minimum_positives": 30, "fresh_records": 300,
                    "fresh_positives": 20},
        "rollout": {"canary": 1, "records": 2},
        "simulate": {"machines": 4, "seed": 3, "interval": "10m", "speed": 60000, "until": "7d",
                     "fault_every": "12h", "growth": "12h"}}, **storage), namespace=space)
    found = wait_condition("hall", space, "Ready", "True")
    say(f"roles {found['status']['roles']}, scorer on {found['status']['accelerator']}")
    check(found["status"]["roles"] == "6/6", found["status"])
    listed = kubectl("get", "mwp", "-n", space)
    check("AllRolesReady" in listed and "cpu" in listed, listed)
    for reason, text in (("Created", "Deployment/hall-bridge"), ("Placed", "class cpu")):
        wait_event(space, "hall", reason, text)

    total = wait(lambda: [it["total"] for it in [ledger(space)] if it and
                          it["total"]["scored"] > 100], "100 scores", 240, 1)[0]
    check(total["missing"] == 0 and total["doubled"] == 0, total)
    say(f"{total['stored']} stored, {total['scored']} scored, none missing or doubled")
    tells_metrics(space)
    rolls_out(space)
    kubectl("delete", "plant", "hall", "-n", space, "--wait=true")
    for kind in ("deployment", "configmap", "service", "persistentvolumeclaim", "pod"):
        wait(lambda kind=kind: not [one for one in get(kind, None, space) if
                                    one["metadata"]["name"].startswith("hall")],
             f"the end of every {kind} of the plant", pause=0.3)


def all_metrics(space):
    """{role: {sample: figure}}, of every role of the plant and of the operators, as Prometheus would
    ask them."""
    roles = {}
    for one in get("pod", None, space) + get("pod", None, "millwright"):
        if one["metadata"]["name"] == "broker" or "podIP" not in one["status"]:
            continue
        container = one["spec"]["containers"][0]
        port = next(port["containerPort"] for port in container["ports"] if port["name"] == "health")
        text = node_exec(NODE, "curl", "-sf", "--noproxy", "*",
                         f"http://{one['status']['podIP']}:{port}/metrics")
        for key, figure in metrics.read(text).items():
            roles.setdefault(container["args"][0], {})[key] = figure
    return roles


def tells_metrics(space):
    roles = all_metrics(space)
    check(set(roles) == {"bridge", "score", "watch", "learn", "serve", "thing", "operate"}, roles)
    for role, samples in roles.items():
        check(any(key[0].startswith(f"millwright_{role}_") for key in samples), f"{role}: {samples}")
    check(roles["operate"][("millwright_operate_plants",)] >= 1, roles["operate"])
    # A scorer renews its figures every two seconds, and the ledger is ahead of them.
    wait(lambda: all_metrics(space)["score"][("millwright_score_scored_total",)] > 100,
         "the scorer to tell of 100 scores", 30, 0.5)
    say(f"metrics: {({role: len(samples) for role, samples in roles.items()})}")


def rolls_out(space):
    """What the plant of this namespace has trained is a Bundle; a Rollout moves the plant to one."""
    def serving():
        return [one for one in get("bundle", None, space)
                if condition(one, "Serving")["status"] == "True"]

    bundle = wait(serving, "a bundle in use", 120, 0.5)[0]
    check(bundle["spec"]["plant"] == "hall" and "auc" in bundle["status"]["metrics"], bundle)
    refused({**rollout("short", "sha256:12"), "metadata": {"name": "short", "namespace": space}},
            "spec.bundle")
    apply(rollout("none", "sha256:" + "0" * 64), rollout("again", bundle["spec"]["digest"]),
          namespace=space)
    for name, reasons in (("none", ("Refused",)), ("again", ("Done", "Refused"))):
        found = wait_for("rollout", name, lambda it, r=reasons: condition(it, "Complete")["reason"] in r,
                         f"rollout {name} to be {' or '.join(reasons)}", space)
        say(f"rollout {name}: {condition(found, 'Complete')['reason']}: "
            f"{condition(found, 'Complete')['message']}")
    wait_event(space, "hall", "Bundle", bundle["metadata"]["name"])
    wait_event(space, "hall", "Rollout", "rollout none is refused")


def rollout(name, digest, **spec):
    return {"apiVersion": "millwright.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": name},
            "spec": {"plant": "hall", "bundle": digest, **spec}}


def restarts_only_who_reads_a_change(program):
    operator()
    space = make_namespace("change")
    apply(plant("press", {}), namespace=space)
    wait_event(space, "press", "Created", "Deployment/press-serve")
    before = {name: generation(name, space) for name in ("press-watch", "press-bridge")}
    kubectl("patch", "plant", "press", "-n", space, "--type=merge", "-p",
            '{"spec": {"watch": {"window": 300}, "cluster": {"accelerators": ["cpu"]}}}')
    wait(lambda: generation("press-watch", space) > before["press-watch"], "a new watch", pause=0.1)
    wait_for("plant", "press", lambda it: it["status"].get("observedGeneration") ==
             it["metadata"]["generation"], "the status of the change", space)
    check(generation("press-bridge", space) == before["press-bridge"], "the bridge was changed too")
    kubectl("delete", "service", "press", "-n", space)
    wait(lambda: get("service", "press", space), "the service to be made again", pause=0.1)


def generation(name, space):
    return get("deployment", name, space)["metadata"]["generation"]


def reports_a_conflict(program):
    operator()
    space = make_namespace("conflict")
    apply(plant("saw", {}), namespace=space)
    wait_event(space, "saw", "Created", "Deployment/saw-serve")
    kubectl("scale", "deployment", "saw-serve", "--replicas=2", "-n", space)
    found = wait_condition("saw", space, "Degraded", "True")
    said = condition(found, "Degraded")
    check(said["reason"] == "Conflict" and ".spec.replicas" in said["message"] and
          "kubectl" in said["message"], said)
    wait_event(space, "saw", "Conflict", "Deployment/saw-serve: .spec.replicas")
    check(replicas("saw-serve", space) == 2, "the other owner's value was overwritten")
    kubectl("scale", "deployment", "saw-serve", "--replicas=1", "-n", space)
    wait_condition("saw", space, "Degraded", "False")


def hands_over(program):
    """The leader is killed, and the other one goes on; both gone for a while, nothing is lost."""
    operator()
    space = make_namespace("lead")
    before = holder()
    pod = before.rpartition("-")[0]
    kubectl("delete", "pod", pod, "-n", "millwright", "--force", "--grace-period=0")
    wait(lambda: holder() not in ("", before), "another leader", pause=0.2)
    apply(plant("lathe", {}), namespace=space)
    wait_event(space, "lathe", "Created", "Deployment/lathe-serve")
    kubectl("scale", "deployment", "millwright-operator", "--replicas=0", "-n", "millwright")
    wait(lambda: not get("pod", None, "millwright"), "the end of the operators", pause=0.2)
    kubectl("patch", "plant", "lathe", "-n", space, "--type=merge", "-p",
            '{"spec": {"watch": {"window": 300}}}')
    kubectl("delete", "configmap", "lathe", "-n", space)
    kubectl("scale", "deployment", "millwright-operator", "--replicas=2", "-n", "millwright")
    wait(lambda: "300" in ((get("configmap", "lathe", space) or {}).get("data", {})
                           .get("plant.yaml", "")), "the change to be caught up with", pause=0.2)


def holder():
    lease = get("lease", "millwright-operator", "millwright")
    return lease["spec"].get("holderIdentity", "") if lease else ""


def plug(count):
    """What a device plugin makes of the node; here without one."""
    path = "/status/capacity/" + TPU.replace("/", "~1")
    change = {"op": "add" if count else "remove", "path": path}
    if count:
        change["value"] = str(count)
    kubectl("patch", "node", NODE, "--subresource=status", "--type=json", "-p",
            json.dumps([change]))
    wait(lambda: int(get("node", NODE)["status"]["allocatable"].get(TPU, "0")) == count,
         f"{count} devices on {NODE}", pause=0.2)


def follows_the_devices(program):
    """The Edge TPU is taken when there is one, and left when there is none, by one scorer at a time."""
    operator()
    space = make_namespace("device")
    storage = disk(space, "mill")
    apply(plant("mill", {"broker": broker(space)}, ["edgetpu", "cpu"], **storage), namespace=space)
    wait_condition("mill", space, "Ready", "True")
    check((replicas("mill-score-edgetpu", space), replicas("mill-score-cpu", space)) == (0, 1),
          "a scorer without its device")
    atexit.register(lambda: kubectl("patch", "node", NODE, "--subresource=status", "--type=json",
                                    "-p", json.dumps([{"op": "remove", "path":
                                                       "/status/capacity/" +
                                                       TPU.replace("/", "~1")}]), status=None))
    for count, class_, other in ((1, "edgetpu", "cpu"), (0, "cpu", "edgetpu"),
                                 (1, "edgetpu", "cpu")):
        plug(count)
        wait_for("plant", "mill", lambda it, c=class_: it["status"]["accelerator"] == c and
                 condition(it, "Ready")["status"] == "True", f"the scorer on {class_}", space)
        wait(lambda c=class_, o=other: (replicas(f"mill-score-{c}", space),
                                        replicas(f"mill-score-{o}", space)) == (1, 0),
             f"the scorer of {class_} alone to run", pause=0.2)
        wait_event(space, "mill", "Moved", f"to {class_}")
    pods = [one for one in get("pod", None, space) if
            one["metadata"]["labels"].get("millwright.dev/accelerator") == "edgetpu"]
    check(pods and all(one["spec"]["nodeName"] == NODE for one in pods), tell("plant", "mill", space))
    plug(0)


if __name__ == "__main__":
    main(refuses_what_no_role_could_read, restarts_only_who_reads_a_change, reports_a_conflict,
         hands_over, runs_a_plant, follows_the_devices)
