#!/usr/bin/env python3
"""A run of the pipeline with Argo's own definitions and its own controller, where those were built
(`cluster build argo`). The executor cannot be built, so that no step gets as far as its own work: a
run is followed until its first pod is placed on a node and waits for the executor's image."""
import os

from kube import HOME, IMAGE, apply, check, cluster, get, kubectl, main, make_namespace, say, skip, \
    wait, wait_for
from operate_test import broker, disk, operator, plant, wait_event
from train_test import spec

PROGRAM = os.path.join(HOME, "bin", "workflow-controller")
CRDS = os.path.join(HOME, "bin", "argo-crds.yaml")
EXECUTOR = "millwright.local/argoexec:none"


def start_controller(space):
    apply({"apiVersion": "v1", "kind": "ConfigMap",
           "metadata": {"name": "workflow-controller-configmap"}, "data": {}}, namespace=space)
    cluster("run", "argo", "--", "env", "LEADER_ELECTION_DISABLE=true", PROGRAM, "--kubeconfig",
            os.path.join(HOME, "run", "pki", "admin.kubeconfig"), "--namespace", space,
            "--namespaced", "--executor-image", EXECUTOR, "--executor-image-pull-policy",
            "IfNotPresent")


def the_controller_takes_a_run(program):
    if not os.path.exists(PROGRAM) or not os.path.exists(CRDS):
        skip("no workflow-controller: cluster build argo")
    operator()
    kubectl("apply", "--server-side", "-f", CRDS)
    try:
        kubectl("wait", "--for=condition=Established", "crd/workflows.argoproj.io", "--timeout=30s")
        follow()
    finally:
        cluster("stop", "argo", status=None)
        kubectl("delete", "-f", CRDS, "--timeout=90s", status=None)


def follow():
    space = make_namespace("argo")
    start_controller(space)
    apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "world"},
           "data": {"world.txt": ""}}, namespace=space)
    apply(plant("hall", spec(broker(space)), files=["world"], **disk(space, "hall", "256Mi")),
          namespace=space)
    wait_event(space, "hall", "PipelineStarted", "as an Argo Workflow, cause first")
    made, = get("workflow", None, space)
    run = made["metadata"]["name"]
    found = wait_for("workflow", run, lambda it: it.get("status", {}).get("phase") == "Running",
                     "the controller to take it", space)
    nodes = sorted(one["displayName"] for one in found["status"]["nodes"].values())
    say(f"phase Running, nodes {nodes}")
    pod = wait(lambda: [one for one in get("pod", None, space) if
                        one["metadata"]["labels"].get("millwright.dev/run") == run and
                        one["spec"].get("nodeName")], "its first pod to be placed", 90, 0.3)[0]
    check(pod["metadata"]["labels"]["millwright.dev/step"] == "extract", pod["metadata"]["labels"])
    containers = {one["name"]: one["image"] for one in
                  pod["spec"].get("initContainers", []) + pod["spec"]["containers"]}
    check(containers == {"init": EXECUTOR, "wait": EXECUTOR, "main": IMAGE}, containers)
    wait_for("pod", pod["metadata"]["name"], waits_for_the_executor, "the executor's image", space)
    wait(lambda: [one for one in [get("plant", "hall", space)["status"]["conditions"]] if any(
        it["type"] == "Training" and it["status"] == "True" and "extract" in it["message"]
        for it in one)], "the operator to say which step waits", 60, 0.5)
    say(f"{pod['metadata']['name']} on {pod['spec']['nodeName']}, waits for {EXECUTOR}")


def waits_for_the_executor(pod):
    states = pod["status"].get("initContainerStatuses", [])
    return any(one["name"] == "init" and "waiting" in one["state"] and
               one["state"]["waiting"]["reason"] in ("ErrImagePull", "ImagePullBackOff")
               for one in states)


if __name__ == "__main__":
    main(the_controller_takes_a_run)
