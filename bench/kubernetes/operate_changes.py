#!/usr/bin/env python3
"""operate_changes.py CLUSTER_HOME PLANTS CHANGES: the part of operate.py inside the network of the
control plane: changes, and a watch that says when they have come through."""
import http.client
import json
import os
import random
import re
import ssl
import sys
import threading
import time

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PLANTS = "/apis/millwright.dev/v1alpha1/namespaces/default/plants"


def connect(pki):
    """As the cluster's admin; `pki` is the kit's folder."""
    with open(os.path.join(pki, "admin.kubeconfig")) as file:
        host, port = re.search(r"https://([0-9.]+):(\d+)", file.read()).groups()
    context = ssl.create_default_context(cafile=os.path.join(pki, "ca.crt"))
    context.load_cert_chain(os.path.join(pki, "admin.crt"), os.path.join(pki, "admin.key"))
    return lambda: http.client.HTTPSConnection(host, int(port), context=context)


class Watch(threading.Thread):
    """When each Deployment had which generation first."""

    def __init__(self, opened, version):
        super().__init__(daemon=True)
        self.seen, self.change = {}, threading.Condition()
        opened.request("GET", f"{DEPLOYMENTS}?watch=1&resourceVersion={version}")
        self.answer = opened.getresponse()

    def run(self):
        for line in self.answer:
            now = time.monotonic()
            meta = json.loads(line)["object"]["metadata"]
            with self.change:
                self.seen.setdefault((meta["name"], meta["generation"]), now)
                self.change.notify_all()

    def wait(self, name, generation):
        with self.change:
            if not self.change.wait_for(lambda: (name, generation) in self.seen, 60):
                sys.exit(f"{name} did not get to generation {generation} within 60 s")
            return self.seen[name, generation]


def ask(connection, method, path, body=None):
    kind = {"Content-Type": "application/merge-patch+json"} if body is not None else {}
    connection.request(method, path, json.dumps(body) if body is not None else None, kind)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{method} {path}: {answer.status} {text[:300]}")
    return json.loads(text)


def tell(what, times):
    times = sorted(times)

    def at(share):
        return times[min(len(times) - 1, int(share * len(times)))] * 1000

    print(f"{what}: p50 {at(0.5):.0f} ms, p99 {at(0.99):.0f} ms, most {times[-1] * 1000:.0f} ms "
          f"({len(times)} changes)", flush=True)


def main():
    home, plants, changes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    opened = connect(os.path.join(home, "run", "pki"))
    client = opened()
    listed = ask(client, "GET", DEPLOYMENTS)
    generation = {one["metadata"]["name"]: one["metadata"]["generation"] for one in listed["items"]}
    watch = Watch(opened(), listed["metadata"]["resourceVersion"])
    watch.start()
    chance = random.Random(1)

    def change(path, name, body):
        begin = time.monotonic()
        ask(client, "PATCH", path, body)
        generation[name] += 1
        return watch.wait(name, generation[name]) - begin

    operated, floor = [], []
    for i in range(changes):
        plant = f"plant-{chance.randrange(plants):03d}"
        operated.append(change(f"{PLANTS}/{plant}", f"{plant}-watch",
                               {"spec": {"watch": {"window": 300 + i}}}))
        # The bridge's own annotation: a field that nobody else holds.
        name = f"plant-{chance.randrange(plants):03d}-bridge"
        floor.append(change(f"{DEPLOYMENTS}/{name}", name, {"spec": {"template": {"metadata": {
            "annotations": {"bench": str(i)}}}}}))
    tell("a Plant is changed, until its Deployment is", operated)
    tell("a Deployment is changed by the client itself", floor)


if __name__ == "__main__":
    main()
