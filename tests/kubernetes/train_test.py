#!/usr/bin/env python3
"""retrain.where: pipeline - the learner asks, the operator runs the pipeline in pods: from a drift to
the model that things and scorers report; and what is seen of a run that fails."""
import json
import os

from kube import (HOME, apply, check, cluster, get, kubectl, main, make_namespace, say, wait,
                  wait_for)
from operate_test import (broker, condition, disk, events, holder, operator, plant, wait_condition,
                          wait_event)

RUN = "millwright.dev/run"
STEP = "millwright.dev/step"
STEPS = ["extract", "drift", "train", "quantize", "validate", "sign", "publish"]
GAP = 2500  # records, of which there are 40 a second after the first 1152: a minute, and a run takes half of it
WORLD = """\
at 408h load 1.25
at 408h gain vibration 1.8 motor-1 motor-2
"""
CRD = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
       "metadata": {"name": "workflows.argoproj.io"}, "spec": {
           "group": "argoproj.io", "scope": "Namespaced",
           "names": {"kind": "Workflow", "listKind": "WorkflowList", "plural": "workflows",
                     "singular": "workflow", "shortNames": ["wf"]},
           "versions": [{"name": "v1alpha1", "served": True, "storage": True, "schema": {
               "openAPIV3Schema": {"type": "object",
                                   "x-kubernetes-preserve-unknown-fields": True}}}]}}


def spec(url, **more):
    """Four machines, as fast as the stream takes them, so that a drift is minutes away."""
    return {"broker": url, "time": {"tolerance": "off"},
            "model": {"kind": "logistic", "horizon": "4h"}, "commission": {"records": 144},
            "level2": {"share": 0.2, "sketch_records": 36},
            "watch": {"window": 144, "minimum": 144, "psi": 0.3, "cooldown": 576},
            "retrain": {"where": "pipeline", "minimum_records": 3000, "minimum_positives": 100,
                        "fresh_records": 400, "fresh_positives": 30, "attempts_gap": 100,
                        "minimum_gain": -0.2},
            "rollout": {"canary": 1, "records": 2},
            "simulate": {"machines": 4, "seed": 7, "interval": "10m", "speed": 12000,
                         "until": "14d", "fault_every": "16h", "growth": "24h",
                         "script": "/files/world/world.txt"}, **more}


def jobs(space):
    """{run: {step: job}}, the oldest run first."""
    found = {}
    for one in sorted(get("job", None, space), key=lambda it: it["metadata"]["creationTimestamp"]):
        labels = one["metadata"]["labels"]
        found.setdefault(labels[RUN], {})[labels[STEP]] = one
    return found


def training(space, name, *reasons, limit=240):
    """The Plant, once its condition Training has one of these reasons."""
    return wait_for("plant", name, lambda it: condition(it, "Training")["reason"] in reasons,
                    f"{name} to be Training={' or '.join(reasons)}", space, limit)


def bundles(space):
    """{digest: cause} of those in use."""
    return {one["spec"]["digest"]: one["spec"]["cause"] for one in get("bundle", None, space)
            if condition(one, "Serving")["status"] == "True"}


def a_drift_becomes_a_run_and_a_model_in_use(program):
    operator()
    space = make_namespace("train")
    storage = disk(space, "hall", size="256Mi")
    apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "world"},
           "data": {"world.txt": WORLD}}, namespace=space)
    apply(plant("hall", spec(broker(space), plant="site"), files=["world"],
                **storage), namespace=space)
    wait_condition("hall", space, "Ready", "True")
    first_run(space)
    second_run(space)


def first_run(space):
    """The first model comes by a run too, each of its Jobs once, whoever leads."""
    wait_event(space, "hall", "PipelineStarted", "as Jobs, cause first")
    leader = holder().rpartition("-")[0]  # another one goes on with it
    kubectl("delete", "pod", leader, "-n", "millwright", "--force", "--grace-period=0")
    training(space, "hall", "Succeeded")
    started = [one for one in events(space, "hall") if one[0] == "PipelineStarted"]
    check(len(started) == 1 or "cause drift" in started[1][1], f"begun twice: {started}")
    run = next(iter(jobs(space)))
    found = jobs(space)[run]
    check(sorted(found) == sorted(STEPS), f"{sorted(found)}")
    for one in found.values():
        owner, = one["metadata"]["ownerReferences"]
        check((owner["kind"], owner["name"]) == ("Plant", "hall"), owner)
    wait(lambda: "first" in bundles(space).values(), "the first bundle to be in use", 120, 0.5)
    say(f"{run}: {' '.join(STEPS)}")


def second_run(space):
    """The world changes: an alarm, one run for it, and its model with everyone."""
    wait(lambda: [one for one in events(space, "hall") if one[0] == "PipelineStarted" and
                  "cause drift" in one[1]], "a run for the drift", 240, 0.5)
    newest = wait(lambda: [digest for digest, cause in bundles(space).items() if cause == "drift"],
                  "a bundle of the drift to be in use", 240, 0.5)[0]
    check(not [one for one in events(space, "hall") if one[0] == "PipelineFailed"],
          events(space, "hall"))
    drift = [one[1] for one in events(space, "hall") if one[0] == "PipelineStarted"]
    check(len(drift) == len(set(drift)), f"a run was begun twice: {drift}")
    say(drift[-1])
    reported = wait(lambda: by_all(space, newest), "things and scorer to run it", 120, 0.5)
    say(f"{newest[:19]} in use by {reported}")
    listed = kubectl("get", "events", "-n", space)
    check("PipelineStarted" in listed and "PipelineSucceeded" in listed, listed)


def by_all(space, digest):
    """How many things report the bundle, when all do, and the scorer's newest scores are of it."""
    state = api_state(space, "hall")
    things = state["things"] if state else []
    if len(things) == 4 and all(one.get("bundle") == digest == one.get("model") for one in things):
        return f"{len(things)} things, scorer {digest[:19]}"
    return None


def api_state(space, name):
    """What the page says, asked from a node: services are not reachable from the control plane."""
    address = get("service", name, space)["spec"]["clusterIP"]
    status, out, _ = cluster("exec", "-n", "n1", "--", "curl", "-s", "--noproxy", "*", "--max-time",
                             "10", f"http://{address}:8080/api/state?limit=100", status=None)
    return json.loads(out) if status == 0 and out else None


def model_records(space):
    """What the stream says of models, the oldest first."""
    status, out, _ = kubectl("exec", "deployment/hall-bridge", "-c", "bridge", "-n", space, "--",
                             "/usr/bin/millwright", "stream", "cat", "model", "--json", "-c",
                             "/etc/millwright/plant.yaml", status=None)
    return [json.loads(line)["value"] for line in out.splitlines()] if status == 0 else []


def a_run_that_fails_says_why(program):
    """The step and its log's last line, in the condition and an Event; the learner is told, and asks
    again when more has been labelled, and not before: meanwhile a run is long over."""
    operator()
    space = make_namespace("fails")
    storage = disk(space, "hall", size="256Mi")
    apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "world"},
           "data": {"world.txt": ""}}, namespace=space)
    one = plant("hall", spec(broker(space)), files=["world"], **storage)
    one["spec"]["retrain"].update(minimum_records=1000, minimum_positives=30, attempts_gap=GAP)
    one["spec"]["simulate"].update(speed=6000, until="2d")
    apply(one, namespace=space)
    break_a_key(space)
    said = condition(training(space, "hall", "Failed"), "Training")
    say(f"{said['reason']}: {said['message']}")
    check(said["status"] == "False" and "step sign: " in said["message"] and
          "targets" in said["message"], said)
    wait_event(space, "hall", "PipelineFailed", "step sign: ")
    run = next(iter(jobs(space)))
    ran = [step for step in STEPS if not jobs(space)[run][step]["spec"]["suspend"]]
    check(ran == STEPS[:6], f"the model was not signed, and yet these ran: {ran}")
    wait(lambda: len(jobs(space)) > 1, "another run", 240, 0.5)
    first, told, again = model_records(space)[:3]
    check("started" in first and "started" in again, (first, again))
    check(told["refused"].startswith("step sign: "), told)
    check(again["records"] - first["records"] >= GAP, f"asked again too early: {first} {again}")
    say(f"asked with {first['records']} records, and again with {again['records']}, "
        f"{again['time'] - told['time']:.1f} s after it was told")


def break_a_key(space):
    """What signs the targets is no key any more, once the first metadata, without which no role
    starts, is signed; the volume is a folder of the node n1."""
    data = os.path.join(HOME, "run", "nodes", "n1", "disk", "kubelet", f"disk-{space}", "data")
    signed = os.path.join(data, "artifacts", "metadata", "timestamp.json")  # the last one
    wait(lambda: os.path.exists(signed), signed, 120, 0.1)
    folder = os.path.join(data, "keys")
    found = [name for name in os.listdir(folder) if "targets" in name]
    check(found, os.listdir(folder))
    for name in found:
        with open(os.path.join(folder, name), "w") as file:
            file.write("broken\n")


def argo_gets_a_workflow(program):
    """Where the resource is, a run is one Workflow and no Jobs. Its controller is not needed for that:
    what it would say is written here, as a failure, to see that it is read."""
    operator()
    apply(CRD)
    try:
        kubectl("wait", "--for=condition=Established", "crd/workflows.argoproj.io", "--timeout=30s")
        space = make_namespace("argo")
        storage = disk(space, "hall", size="256Mi")
        apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "world"},
               "data": {"world.txt": ""}}, namespace=space)
        apply(plant("hall", spec(broker(space)), files=["world"], pipeline_account="argo",
                    **storage), namespace=space)
        wait_event(space, "hall", "PipelineStarted", "as an Argo Workflow, cause first")
        made, = get("workflow", None, space)
        check(made["spec"]["serviceAccountName"] == "argo", made["spec"])
        check(not get("job", None, space), "Jobs beside the Workflow")
        check(made["metadata"]["name"] == get("plant", "hall", space)["status"]["run"], made)
        made["status"] = {"phase": "Failed", "nodes": {"x": {
            "type": "Pod", "phase": "Failed", "templateName": "train",
            "message": "written by the test"}}}
        kubectl("replace", "-n", space, "-f", "-", input=json.dumps(made))
        training(space, "hall", "Failed")
        wait_event(space, "hall", "PipelineFailed", "step train: written by the test")
    finally:
        kubectl("delete", "crd", "workflows.argoproj.io", "--timeout=60s", status=None)


if __name__ == "__main__":
    main(a_drift_becomes_a_run_and_a_model_in_use, a_run_that_fails_says_why, argo_gets_a_workflow)
