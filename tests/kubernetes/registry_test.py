#!/usr/bin/env python3
"""A registry inside the cluster: the nodes pull Millwright's image from it, and models reach the
roles of a plant by it, without a restart of anything."""
import json
import os
import re
import shutil
import subprocess
import tempfile

from kube import (IMAGE, RESTRICTED, apply, check, cluster, get, kubectl, main, make_namespace,
                  node_exec, pod, say, wait, wait_done, wait_for, wait_ready)

REGISTRY = "millwright.local/registry:1"
CONFIG = """\
version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: /var/lib/millwright}}
http: {addr: ":5000"}
"""
MOSQUITTO = """\
listener 1883
allow_anonymous true
set_tcp_nodelay true
max_inflight_messages 1000
max_queued_messages 0
"""
TEXT = """\
plant: cluster
data: /var/lib/millwright/data
broker: {{url: 'mqtt://{broker}:1883'}}
stream: {{url: 'sqlite:/stream/log'}}
artifacts: {{registry: 'oci+http://{registry}/plants/cluster'}}
http: {{listen: 0.0.0.0, port: 8080}}
time: {{tolerance: off}}
model: {{kind: logistic, horizon: 4h}}
commission: {{records: 40}}
level2: {{share: 0.2, sketch_records: 20}}
retrain: {{minimum_records: 600, minimum_positives: 30, every: 400, minimum_gain: -1}}
rollout: {{canary: 1, records: 2}}
simulate: {{machines: 4, seed: 3, interval: 10m, speed: 30000, until: 7d,
           fault_every: 12h, growth: 12h}}
"""
ROLES = ("bridge", "score", "watch", "learn", "serve")
PROGRAM = "/usr/bin/millwright"
PLANT = "/etc/millwright/plant.yaml"


def make_image():
    """Debian's docker-registry with the libraries that it names."""
    folder = tempfile.mkdtemp(prefix="mw-registry-image-")
    program = shutil.which("docker-registry")
    listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
    for path in [program, *re.findall(r"(/\S+) \(0x", listed)]:
        place = folder + path
        os.makedirs(os.path.dirname(place), exist_ok=True)
        shutil.copy(path, place)
    cluster("image", folder, REGISTRY, program, "serve", "/etc/millwright/config.yml")
    shutil.rmtree(folder)


def config_map(name, file, text):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
            "data": {file: text}}


def mount(one, name):
    """The config map `name` at /etc/millwright of every container."""
    one["spec"]["volumes"].append({"name": "config", "configMap": {"name": name}})
    for container in one["spec"]["containers"]:
        container["volumeMounts"].append(
            {"name": "config", "mountPath": "/etc/millwright", "readOnly": True})
    return one


def start_registry(space):
    """Its address, HOST:PORT, for pods and nodes."""
    make_image()
    one = mount(pod("registry", image=REGISTRY, readinessProbe={
        "tcpSocket": {"port": 5000}, "periodSeconds": 1},
        securityContext={**RESTRICTED, "runAsUser": 65532}), "registry")
    del one["spec"]["containers"][0]["args"]
    apply(config_map("registry", "config.yml", CONFIG), one, namespace=space)
    address = wait_ready("registry", space)["status"]["podIP"] + ":5000"
    cluster("registry", address)
    return address


def nodes_pull_the_image(program):
    space = make_namespace("pull")
    address = start_registry(space)
    image = f"{address}/millwright:1"
    node_exec("n1", "ctr", "-n", "k8s.io", "images", "tag", "--force", IMAGE, image)
    node_exec("n1", "ctr", "-n", "k8s.io", "images", "push", "--plain-http", image)
    node_exec("n1", "ctr", "-n", "k8s.io", "images", "rm", image)
    apply(pod("pulled", "--version", image=image, node="n2", imagePullPolicy="Always"),
          namespace=space)
    say(wait_done("pulled", space).strip())
    events = kubectl("get", "events", "-n", space, "-o", "jsonpath={.items[*].message}")
    check("Successfully pulled image" in events, events)


def roles(registry):
    """Broker and roles as containers of one pod, each with a folder of its own; they share the
    stream, as roles share a Kafka where there is one."""
    one = pod("plant")
    spec = one["spec"]
    base = spec["containers"][0]
    spec["containers"] = []
    spec["restartPolicy"] = "Always"
    spec["volumes"] += [{"name": "stream", "emptyDir": {}}]
    for role in (*ROLES, "mosquitto"):
        container = json.loads(json.dumps({**base, "name": role, "args": [role, "-c", PLANT]}))
        container["volumeMounts"] += [{"name": "stream", "mountPath": "/stream"}]
        for place in container["volumeMounts"][:2]:
            place["subPath"] = role
        spec["containers"].append(container)
    spec["containers"][-1].update(command=["/usr/sbin/mosquitto"],
                                  args=["-c", "/etc/millwright/mosquitto.conf"])
    spec["containers"][ROLES.index("serve")]["readinessProbe"] = {
        "httpGet": {"path": "/readyz", "port": 8080}, "periodSeconds": 1}
    texts = config_map("plant", "plant.yaml", TEXT.format(broker="127.0.0.1", registry=registry))
    texts["data"]["mosquitto.conf"] = MOSQUITTO
    return texts, mount(one, "plant")


def models_that_scored(space):
    status, out, _ = kubectl("exec", "plant", "-c", "score", "-n", space, "--", PROGRAM, "stream",
                             "cat", "score", "-c", PLANT, status=None)
    found = []
    for line in out.splitlines() if status == 0 else ():
        model = re.search(r'"model":"(sha256:[0-9a-f]{64})"', line)
        if model and model.group(1) not in found:
            found.append(model.group(1))
    return found


def models_reach_running_roles(program):
    space = make_namespace("models")
    registry = start_registry(space)
    apply(*roles(registry), namespace=space)
    address = wait_for("pod", "plant", lambda one: one["status"].get("podIP"), "an address",
                       space)["status"]["podIP"]
    things = pod("things", "thing", "-c", PLANT)
    things["spec"]["restartPolicy"] = "Always"  # until somebody has signed the first metadata
    apply(config_map("things", "plant.yaml", TEXT.format(broker=address, registry=registry)),
          mount(things, "things"), namespace=space)
    wait_ready("plant", space, 180)
    wait(lambda: len(models_that_scored(space)) >= 2, "scores of a second model", 240, 1)
    found = get("pod", "plant", space)
    counts = {one["name"]: one["restartCount"] for one in found["status"]["containerStatuses"]}
    check(counts["score"] == 0 and counts["serve"] == 0 and counts["learn"] == 0, f"{counts}")
    say(f"models {[one[:19] for one in models_that_scored(space)]}, restarts {counts}")
    tags = node_exec("n1", "curl", "-sf", "--noproxy", "*",
                     f"http://{registry}/v2/plants/cluster/tags/list")
    check(sorted(json.loads(tags)["tags"]) == ["metadata", "plant"], tags)


if __name__ == "__main__":
    main(nodes_pull_the_image, models_reach_running_roles)
