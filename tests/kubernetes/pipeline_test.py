#!/usr/bin/env python3
"""The pipeline as Jobs: each step a pod of our image, from recorded data to a published model."""
import json
import os
import subprocess

from image_test import disk
from kube import IMAGE, apply, check, get, kubectl, main, make_namespace, say, tell, wait
from plant import Plant

NEEDS = "millwright.dev/needs"
STEP = "millwright.dev/step"
TEXT = """\
plant: hall
data: %s
log: {level: warn}
time: {tolerance: off}
model: {kind: logistic, horizon: 4h}
commission: {records: 40}
level2: {share: 0.2, sketch_records: 20}
retrain: {minimum_records: 900000000}
simulate: {machines: 4, seed: 3, interval: 10m, speed: 60000, until: 7d,
           fault_every: 12h, growth: 12h}
"""


def record(program, folder):
    """A week of four machines in folder/data, without a model, as the image's user owns it."""
    plant = Plant(program, TEXT % "data", folder)
    plant.start()

    def stored():
        done = plant.run("ledger", "-c", plant.config, "--json", status=None)
        total = json.loads(done.out)["total"] if done.out else {}
        return total.get("stored", 0) > 2000 and not total["pending"] and total

    total = wait(stored, "2000 records", 240, 0.5)
    plant.stop()
    subprocess.run(["chown", "-R", "65532:65532", folder], check=True)
    say(f"{total['stored']} records")
    return plant


def volume(program, space):
    plant = record(program, disk(space))
    apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "hall"},
           "data": {"plant.yaml": TEXT % "/var/lib/millwright/data"}}, namespace=space)
    return plant


def export(plant, *words):
    return json.loads(plant.run("pipeline", "export", "--jobs", "-c", plant.config, "--image",
                                IMAGE, "--claim", "data", *words).out)["items"]


def condition(job):
    for one in job["status"].get("conditions", []):
        if one["type"] in ("Complete", "Failed") and one["status"] == "True":
            return one["type"]
    return None


def run(jobs, space):
    """What the operator does with the Jobs: lets one run when those that it needs are complete.
    Returns the steps in the order of their ends, and what became of the last."""
    apply(*jobs, namespace=space)
    names = {one["metadata"]["labels"][STEP]: one["metadata"]["name"] for one in jobs}
    needs = {one["metadata"]["labels"][STEP]:
             one["metadata"].get("annotations", {}).get(NEEDS, "").split(",") for one in jobs}
    done, freed = [], set()

    def ended():
        for step, name in names.items():
            if step in done:
                continue
            job = get("job", name, space)
            what = condition(job)
            if what == "Failed":
                return done, step
            if what == "Complete":
                done.append(step)
            elif job["spec"]["suspend"] and step not in freed and set(needs[step]) <= set(done):
                freed.add(step)
                kubectl("patch", "job", name, "-n", space, "--type=merge", "-p",
                        '{"spec": {"suspend": false}}')
        return (done, None) if len(done) == len(names) else None

    return wait(ended, "the end of the Jobs", 300, 0.3)


def log(space, name):
    return kubectl("logs", f"job/{name}", "-n", space)


def publishes_a_model(program):
    space = make_namespace("steps")
    plant = volume(program, space)
    jobs = export(plant, "--run", "first", "--cause", "first")
    done, failed = run(jobs, space)
    check(failed is None, failed and tell("job", f"first-{failed}", space))
    place = {step: at for at, step in enumerate(done)}
    for one in jobs:
        for need in one["metadata"].get("annotations", {}).get(NEEDS, "").split(","):
            check(need == "" or place[need] < place[one["metadata"]["labels"][STEP]], done)
    check("left out" in log(space, "first-drift"), "there is no model to have drifted from")
    said = json.loads(log(space, "first-publish").strip().splitlines()[-1])
    say(f"{' '.join(done)}: {said['bundle'][:19]}, version {said['version']}")
    pods = get("pod", None, space)
    check(len(pods) == len(jobs), f"{len(pods)} pods for {len(jobs)} steps")
    listed = plant.run("model", "list", "-c", plant.config).out
    check(said["bundle"].split(":")[1][:12] in listed, listed)
    check(os.path.exists(plant.path("learn", "first", "bundle", "bundle.json")), "no bundle")
    ends_with_a_refusal(plant, space)
    kubectl("delete", "pv", space, "--wait=false")


def ends_with_a_refusal(plant, space):
    """Wrong usage is not tried again, and what needs the step never starts."""
    steps = os.path.join(plant.folder, "wrong.yaml")
    with open(steps, "w") as file:
        file.write("steps:\n- {name: wrong, run: [extract, --no-such-option]}\n"
                   "- {name: after, needs: [wrong], run: [extract, --help]}\n")
    done, failed = run(export(plant, "--run", "second", "--file", steps), space)
    check((done, failed) == ([], "wrong"), (done, failed))
    pods = [one["metadata"]["labels"][STEP] for one in get("pod", None, space)
            if one["metadata"]["labels"]["millwright.dev/run"] == "second"]
    check(pods == ["wrong"], pods)
    check("no-such-option" in log(space, "second-wrong"), log(space, "second-wrong"))


def takes_no_odd_resource(program):
    """The API server takes what is exported with an accelerator; such a pod waits for a device."""
    space = make_namespace("odd")
    plant = Plant(program, TEXT % "data")
    steps = os.path.join(plant.folder, "tpu.yaml")
    with open(steps, "w") as file:
        file.write('steps:\n- {name: tpu, accelerator: edgetpu, run: [verify, "$(HOME) $$"]}\n')
    jobs = export(plant, "--run", "tpu", "--file", steps)
    kubectl("apply", "-n", space, "--dry-run=server", "-f", "-", input=json.dumps(jobs[0]))
    made = kubectl("apply", "-n", space, "--dry-run=server", "-o", "json", "-f", "-",
                   input=json.dumps(jobs[0]))
    container, = json.loads(made)["spec"]["template"]["spec"]["containers"]
    check(container["resources"]["limits"] == {"millwright.dev/edgetpu": "1"}, container)


if __name__ == "__main__":
    main(takes_no_odd_resource, publishes_a_model)
