#!/usr/bin/env python3
"""A model that comes with the node: an image, mounted read-only, that a new plant begins with.

No registry runs. The image is given to the nodes beforehand, as a site without a network would get
it. Image volumes need a newer containerd than Debian's: one node more runs that of `cluster build
containerd`, and the others show what a Plant says where there are none."""
import json
import os
import re

from kube import (HOME, apply, check, cluster, get, kubectl, main, make_namespace, say, skip, wait,
                  wait_for)
from operate_test import broker, condition, disk, operator, plant, wait_condition, wait_event
from plant import Plant

NODE, OLD_NODE = "n3", "n1"
MODELS = "millwright.local/models:1"
MODEL = {"time": {"tolerance": "off"}, "model": {"kind": "logistic", "horizon": "4h"},
         "commission": {"records": 40}, "level2": {"share": 0.2, "sketch_records": 20},
         "rollout": {"canary": 1, "records": 2}}
WORLD = {"machines": 4, "interval": "10m", "speed": 60000, "until": "7d", "fault_every": "12h",
         "growth": "12h"}
MADE = {}


def make_models(program):
    """The digest of a model that a plant elsewhere has learned, and its image on all nodes."""
    if MADE:
        return MADE["digest"]
    text = "plant: elsewhere\ndata: data\nhttp: {port: 0}\nretrain: {minimum_records: 600, " \
           "minimum_positives: 30, fresh_records: 300, fresh_positives: 20}\n"
    for key, value in {**MODEL, "simulate": {**WORLD, "seed": 3}}.items():
        text += f"{key}: {{{', '.join(f'{name}: {it}' for name, it in value.items())}}}\n"
    elsewhere = Plant(program, text)
    elsewhere.start()
    wait(lambda: elsewhere.ledger()["total"]["scored"] > 50, "a first model at work", 180, 0.2)
    elsewhere.stop()
    archive = os.path.join(elsewhere.folder, "models.tar")
    words = ("model", "pack", "-c", elsewhere.config, "--reference", MODELS, "--out", archive, "plant")
    said = elsewhere.run(*words).out
    check(elsewhere.run(*words).out == said, "the same model gives another image")
    rows = json.loads(elsewhere.run("model", "list", "-c", elsewhere.config, "--json").out)["bundles"]
    digest = [row["digest"] for row in rows if "plant" in row["tags"]][0]
    cluster("load", archive)
    say(f"{said.strip()}, {os.path.getsize(archive)} bytes")
    MADE["digest"] = digest
    elsewhere.close()
    return digest


def add_node():
    if not os.path.exists(os.path.join(HOME, "bin", "containerd-built", "containerd")):
        skip("the containerd of 'cluster build containerd' is missing: Debian's has no image volumes")
    os.environ["CLUSTER_CONTAINERD"] = "built"
    cluster("node", "add", NODE)
    del os.environ["CLUSTER_CONTAINERD"]
    say(get("node", NODE)["status"]["nodeInfo"]["containerRuntimeVersion"])


def on(node):
    return {"node_selector": {"kubernetes.io/hostname": node}, "models": MODELS}


def models_that_scored(space):
    status, out, _ = kubectl("exec", "deployment/hall-bridge", "-c", "bridge", "-n", space, "--",
                             "/usr/bin/millwright", "stream", "cat", "score", "-c",
                             "/etc/millwright/plant.yaml", status=None)
    return re.findall(r'"model":"(sha256:[0-9a-f]{64})"', out) if status == 0 else []


def a_new_plant_begins_with_the_model(program):
    add_node()
    operator()
    digest = make_models(program)
    space = make_namespace("volume")
    storage = disk(space, "hall", node=NODE)
    apply(plant("hall", {"broker": broker(space), **MODEL, "simulate": {**WORLD, "seed": 4},
                         "retrain": {"minimum_records": 1000000}}, **on(NODE), **storage),
          namespace=space)
    wait_condition("hall", space, "Ready", "True")
    found = wait(lambda: len(models_that_scored(space)) > 100 and models_that_scored(space),
                 "100 scores", 180, 1)
    check(set(found) == {digest}, f"{set(found)} scored, and the image has {digest}")
    pod = [one for one in get("pod", None, space) if "-score-" in one["metadata"]["name"]][0]
    volume = [one for one in pod["spec"]["volumes"] if one["name"] == "models"]
    check(volume == [{"name": "models", "image": {"reference": MODELS, "pullPolicy": "IfNotPresent"}}],
          f"{volume}")
    bundle = wait(lambda: [one for one in get("bundle", None, space)
                           if condition(one, "Serving")["status"] == "True"], "a Bundle in use", 60, 0.5)
    check(bundle[0]["spec"]["digest"] == digest, f"{bundle}")
    say(f"{len(found)} scores, all by {digest[:19]}")


def a_node_without_image_volumes_is_told_of(program):
    add_node()
    operator()
    make_models(program)
    space = make_namespace("novolume")
    storage = disk(space, "saw", node=OLD_NODE)
    apply(plant("saw", {"broker": broker(space)}, **on(OLD_NODE), **storage), namespace=space)
    found = wait_for("plant", "saw", lambda it: condition(it, "Degraded")["reason"] == "ModelsNotMounted",
                     "the Plant to say that the models are not mounted", space, 120)
    say(condition(found, "Degraded")["message"])
    check(condition(found, "Ready")["status"] == "False", f"{found['status']}")
    wait_event(space, "saw", "ModelsNotMounted", "cluster.models")
    kubectl("patch", "plant", "saw", "-n", space, "--type=merge", "-p",
            '{"spec": {"cluster": {"models": ""}}}')
    wait_condition("saw", space, "Ready", "True")
    check(condition(get("plant", "saw", space), "Degraded")["status"] == "False", "still degraded")


def a_plant_with_keys_of_its_own_goes_on(program):
    add_node()
    operator()
    make_models(program)
    space = make_namespace("ownkeys")
    storage = disk(space, "press", node=NODE)
    apply(plant("press", {"broker": broker(space)}, **{**on(NODE), "models": ""}, **storage),
          namespace=space)
    wait_condition("press", space, "Ready", "True")
    kubectl("patch", "plant", "press", "-n", space, "--type=merge", "-p",
            json.dumps({"spec": {"cluster": {"models": MODELS}}}))
    wait_event(space, "press", "ModelsRefused", "1.root.json is not the one seen before")
    found = wait_condition("press", space, "Ready", "True")
    check(condition(found, "Degraded")["status"] == "False", f"{found['status']}")


if __name__ == "__main__":
    main(a_new_plant_begins_with_the_model, a_plant_with_keys_of_its_own_goes_on,
         a_node_without_image_volumes_is_told_of)
