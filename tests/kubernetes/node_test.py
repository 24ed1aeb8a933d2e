#!/usr/bin/env python3
"""The DaemonSet of deploy/node.yaml: accelerators of files, on real kubelets and a real scheduler."""
import atexit
import json
import os

from kube import (BOX, HERE, IMAGE, RESTRICTED, apply, check, cluster, get, kubectl, main,
                  make_namespace, node_exec, pod, say, wait, wait_for, wait_ready)

RESOURCE = "millwright.dev/edgetpu"
SPACE = "millwright-system"
HARDWARE = "/var/lib/kubelet/hardware"  # each node of the kit has a folder /var/lib/kubelet of its own
USER = {**RESTRICTED, "runAsUser": 0, "runAsNonRoot": False}
MANIFEST = os.path.join(HERE, "..", "..", "deploy", "node.yaml")


def plug(node, port, number, name="18d1:9302"):
    """A Coral USB appears. Its device node is that of /dev/null."""
    node_exec(node, "sh", "-ec", f"""
        here={HARDWARE}/sys/bus/usb/devices
        mkdir -p $here/.new {HARDWARE}/dev/bus/usb/001
        mknod -m 0666 {HARDWARE}/dev/bus/usb/001/{number:03} c 1 3
        cd $here/.new
        echo {name[:4]} >idVendor; echo {name[5:]} >idProduct
        echo 1 >busnum; echo {number} >devnum; echo 1 >authorized
        mv $here/.new $here/{port}""")


def unplug(node, port):
    node_exec(node, "sh", "-ec", f"""
        cd {HARDWARE}
        number=$(cat sys/bus/usb/devices/{port}/devnum)
        mv sys/bus/usb/devices/{port} gone
        rm -r gone; rm dev/bus/usb/001/$(printf %03d $number)""")


def deploy():
    """The manifest as it is, but for the machine that it looks at and the image."""
    with open(MANIFEST, encoding="utf-8") as file:
        text = file.read()
    for old, new in (("path: /sys\n", f"path: {HARDWARE}/sys\n"),
                     ("path: /dev\n", f"path: {HARDWARE}/dev\n"),
                     ("path: /proc/driver\n", f"path: {HARDWARE}/proc/driver\n"),
                     ("--host-root=/\n", f"--host-root={HARDWARE}\n            - --forget=1h\n"
                      "            - --interval=200ms\n"),
                     ("millwright.local/millwright:0.1.0", IMAGE)):
        check(old in text, f"the manifest has no {old!r}")
        text = text.replace(old, new)
    if get("namespace", SPACE) is None:
        atexit.register(kubectl, "delete", "-f", MANIFEST, "--timeout=60s", status=None)
        atexit.register(remove_role)
    # The role of the function before has the folders of that one in its mounts.
    remove_role()
    for node in ("n1", "n2"):
        node_exec(node, "sh", "-ec", f"""rm -rf {HARDWARE}
            mkdir -p {HARDWARE}/sys/bus/usb/devices {HARDWARE}/dev {HARDWARE}/proc/driver""")
    kubectl("apply", "-f", "-", input=text)
    for node in ("n1", "n2"):
        wait_for("pod", agent(node), lambda found: found["status"].get("phase") == "Running",
                 "the role node to run", SPACE)


def remove_role():
    """Until its pods have ended; the namespace need not give them time then."""
    kubectl("delete", "daemonset", "--all", "-n", SPACE, "--cascade=foreground", "--timeout=60s",
            status=None)


def agent(node):
    """The pod of the DaemonSet on this node."""
    def find():
        for one in get("pods", namespace=SPACE):
            if one["spec"].get("nodeName") == node and "deletionTimestamp" not in one["metadata"]:
                return one["metadata"]["name"]
        return None

    return wait(find, f"the role node on {node}")


def allocatable(node):
    return get("node", node)["status"]["allocatable"].get(RESOURCE)


def wait_allocatable(node, count):
    wait_for("node", node, lambda found: found["status"]["allocatable"].get(RESOURCE) == count,
             f"{node} to offer {count}")


def wait_label(node, value, count):
    def holds(found):
        labels = found["metadata"]["labels"]
        return (labels.get(RESOURCE), labels.get(RESOURCE + ".count")) == (value, count)

    wait_for("node", node, holds, f"{node} to be labelled {value} {count}")


def asks(name):
    """A pod that wants one Edge TPU and says what it was given."""
    return pod(name, image=BOX, securityContext=USER, resources={"limits": {RESOURCE: "1"}},
               command=["sh", "-c", "env | grep MILLWRIGHT; ls -l /dev/bus/usb/001; exec sleep 3600"])


def said(name, space):
    return wait(lambda: kubectl("logs", name, "-n", space, status=None)[1], f"the log of {name}")


def is_unscheduled(found):
    return any(one["type"] == "PodScheduled" and one["status"] == "False" and
               f"Insufficient {RESOURCE}" in one["message"]
               for one in found["status"].get("conditions", []))


def remove(name, space):
    kubectl("delete", "pod", name, "-n", space, "--wait=true", "--timeout=60s", "--grace-period=1")


def a_pod_runs_where_its_accelerator_is(program):
    deploy()
    space = make_namespace("where", "privileged")
    plug("n2", "1-1.4", 4)
    wait_allocatable("n2", "1")
    wait_label("n2", "true", "1")
    check(allocatable("n1") is None, f"n1 offers {allocatable('n1')}")
    wait_label("n1", None, None)
    apply(asks("first"), asks("second"), namespace=space)
    placed = {}
    for name in ("first", "second"):
        wait_for("pod", name, lambda found: found["status"].get("phase") == "Running" or
                 is_unscheduled(found), f"{name} to be placed or not", space)
    for name in ("first", "second"):
        placed[name] = get("pod", name, space)["spec"].get("nodeName")
    check(sorted(placed.values(), key=str) == sorted(["n2", None], key=str),
          f"one on n2 and one on none was expected: {placed}")
    one, other = sorted(placed, key=lambda name: placed[name] is None)
    text = said(one, space)
    check("MILLWRIGHT_ACCELERATOR_EDGETPU=/dev/bus/usb/001/004" in text and
          "1,   3" in text and " 004" in text, f"the pod saw {text}")
    wait_for("pod", other, is_unscheduled, f"{other} to wait for a device", space)
    remove(one, space)
    check(wait_ready(other, space)["spec"]["nodeName"] == "n2", "the other one is elsewhere")
    remove(other, space)


def unplugged_and_plugged_in_again(program):
    deploy()
    space = make_namespace("unplug", "privileged")
    plug("n1", "1-1.4", 4)
    wait_allocatable("n1", "1")
    wait_label("n1", "true", "1")
    unplug("n1", "1-1.4")
    wait_allocatable("n1", "0")
    wait_label("n1", None, None)
    apply(asks("waiting"), namespace=space)
    wait_for("pod", "waiting", is_unscheduled, "the pod to wait for a device", space)
    plug("n1", "1-1.4", 5)
    check(wait_ready("waiting", space)["spec"]["nodeName"] == "n1", "the pod is elsewhere")
    check("/dev/bus/usb/001/005" in said("waiting", space), "the pod was given the old address")
    wait_label("n1", "true", "1")
    remove("waiting", space)


def firmware_is_loaded_by_the_first_user(program):
    """The device leaves the bus and comes back with another id and address: the same device."""
    deploy()
    space = make_namespace("firmware", "privileged")
    plug("n1", "1-1.4", 4, name="1a6e:089a")
    wait_allocatable("n1", "1")
    apply(asks("user"), namespace=space)
    wait_ready("user", space)
    unplug("n1", "1-1.4")
    wait_allocatable("n1", "0")
    plug("n1", "1-1.4", 5)
    wait_allocatable("n1", "1")
    # Still the first pod's: a second one has to wait.
    apply(asks("second"), namespace=space)
    wait_for("pod", "second", is_unscheduled, "the second to wait", space)
    remove("user", space)
    wait_ready("second", space)
    check("/dev/bus/usb/001/005" in said("second", space), "the new pod has the old address")
    remove("second", space)


def the_kubelet_restarts(program):
    deploy()
    space = make_namespace("restart", "privileged")
    plug("n1", "1-1.4", 4)
    wait_allocatable("n1", "1")
    name = agent("n1")
    before = log(name).count('"registered with the kubelet"')
    apply(asks("before"), namespace=space)
    wait_ready("before", space)
    cluster("node", "kill", "n1")
    cluster("node", "start", "n1")
    wait(lambda: log(name).count('"registered with the kubelet"') > before,
         "the plugin to register again")
    check(agent("n1") == name, "the role node was replaced")
    wait_allocatable("n1", "1")
    wait_ready("before", space)
    remove("before", space)
    apply(asks("after"), namespace=space)
    check(wait_ready("after", space)["spec"]["nodeName"] == "n1", "the pod is elsewhere")
    remove("after", space)


def log(name):
    return kubectl("logs", name, "-n", SPACE, status=None)[1]


def it_may_change_its_own_labels_only(program):
    deploy()
    pod_of = agent("n1")
    token = kubectl("create", "token", "millwright-node", "-n", SPACE, "--bound-object-kind", "Pod",
                    "--bound-object-name", pod_of).strip()

    def patch(node, body):
        text = cluster("exec", "--", "curl", "-sk", "--noproxy", "*", "-X", "PATCH",
                       "-H", f"Authorization: Bearer {token}",
                       "-H", "Content-Type: application/merge-patch+json", "-d", json.dumps(body),
                       f"https://10.90.0.1:6443/api/v1/nodes/{node}")
        return json.loads(text)

    own = {"metadata": {"labels": {"millwright.dev/test": "1"}}}

    def is_refused():  # the policy takes a moment to be in force
        return "only the node that it runs on" in patch("n2", own).get("message", "")

    wait(is_refused, "the policy to refuse another node's label")
    for body in ({"metadata": {"labels": {"other.dev/test": "1"}}}, {"spec": {"unschedulable": True}},
                 {"metadata": {"labels": {"kubernetes.io/hostname": None}}}):
        answer = patch("n1", body)
        check("only labels that begin with millwright.dev/" in answer.get("message", ""),
              f"{body} gave {answer}")
    check(patch("n1", own)["kind"] == "Node", "its own label was refused")
    patch("n1", {"metadata": {"labels": {"millwright.dev/test": None}}})
    read = cluster("exec", "--", "curl", "-sk", "--noproxy", "*", "-H", f"Authorization: Bearer {token}",
                   "https://10.90.0.1:6443/api/v1/nodes/n1")
    check(json.loads(read).get("code") == 403, "it may read nodes, which it does not need")
    say("refused: another node, other labels, spec, reading")


if __name__ == "__main__":
    main(a_pod_runs_where_its_accelerator_is, unplugged_and_plugged_in_again,
         firmware_is_loaded_by_the_first_user, the_kubelet_restarts,
         it_may_change_its_own_labels_only)
