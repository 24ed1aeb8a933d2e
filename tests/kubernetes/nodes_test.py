#!/usr/bin/env python3
"""The cluster itself: what the other tests rely on."""
from kube import (BOX, NODES, RESTRICTED, apply, check, cluster, get, is_ready, kubectl, main,
                  make_namespace, node_exec, pod, say, wait_done, wait_for, wait_ready)

USER = {**RESTRICTED, "runAsUser": 1000}  # the box image names none


def nodes_run_pods_that_reach_each_other(program):
    space = make_namespace("reach")
    listen = ["sh", "-c", "echo hello from $(hostname) | nc -l -p 7000"]
    apply(*(pod(f"on-{node}", image=BOX, node=node, command=listen,
                securityContext=USER) for node in NODES), namespace=space)
    for node in NODES:
        found = wait_ready(f"on-{node}", space)
        check(found["spec"]["nodeName"] == node, f"{node} was asked for: {found['spec']}")
    addresses = {node: get("pod", f"on-{node}", space)["status"]["podIP"] for node in NODES}
    for index, node in enumerate(NODES):
        other = NODES[1 - index]
        apply(pod(f"from-{node}", image=BOX, node=node, securityContext=USER,
                  command=["nc", addresses[other], "7000"]), namespace=space)
        said = wait_done(f"from-{node}", space)
        check(said.strip() == f"hello from on-{other}", said)


def a_kubelet_comes_back_and_the_pods_stay(program):
    space = make_namespace("stay")
    apply(pod("sleeper", image=BOX, node="n2", command=["sleep", "3600"],
              securityContext=USER), namespace=space)
    before = wait_ready("sleeper", space)
    cluster("node", "kill", "n2")
    cluster("node", "start", "n2")
    after = wait_ready("sleeper", space)
    check(before["status"]["containerStatuses"][0]["containerID"] ==
          after["status"]["containerStatuses"][0]["containerID"], "the container was replaced")


def a_node_boots_after_a_power_cut(program):
    space = make_namespace("boot")
    one = pod("sleeper", image=BOX, node="n2", command=["sleep", "3600"],
              securityContext=USER)
    one["spec"]["restartPolicy"] = "Always"
    apply(one, namespace=space)
    wait_ready("sleeper", space)
    cluster("node", "crash", "n2")
    cluster("node", "start", "n2")
    found = wait_for("pod", "sleeper", restarted, "the pod to run again", space)
    say(f"restarts: {found['status']['containerStatuses'][0]['restartCount']}")
    check(node_exec("n2", "hostname").strip() == "n2", "the node has another name")


def restarted(found):
    status = found["status"].get("containerStatuses")
    return bool(status) and status[0]["restartCount"] > 0 and is_ready(found)


def simulated_nodes_take_what_tolerates_them(program):
    cluster("kwok", "20", "millwright.io/edgetpu=1", limit=180)
    found = [node["status"]["allocatable"].get("millwright.io/edgetpu")
             for node in get("nodes") if node["metadata"]["name"].startswith("kwok-")]
    check(found == ["1"] * 20, f"20 nodes with an accelerator were expected: {found}")
    space = make_namespace("fake")
    apply(*(fake_pod(f"p{i}") for i in range(20)), namespace=space)
    nodes = {wait_ready(f"p{i}", space)["spec"]["nodeName"] for i in range(20)}
    check(len(nodes) == 20, f"20 accelerators, {len(nodes)} nodes with a pod")
    kubectl("delete", "nodes", "--selector", "type=kwok")


def fake_pod(name):
    one = pod(name, resources={"limits": {"millwright.io/edgetpu": "1"}})
    one["spec"]["tolerations"] = [{"key": "kwok.x-k8s.io/node", "operator": "Exists"}]
    return one


if __name__ == "__main__":
    main(nodes_run_pods_that_reach_each_other, a_kubelet_comes_back_and_the_pods_stay,
         a_node_boots_after_a_power_cut, simulated_nodes_take_what_tolerates_them)
