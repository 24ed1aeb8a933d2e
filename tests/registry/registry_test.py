#!/usr/bin/env python3
"""Models go to a real registry and come from it: signed, whole, and through its bad days."""
import glob
import hashlib
import json
import os
import signal
import subprocess
import sys
import tarfile

from registry import Proxy, Registry

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "loop"))
from kill_test import TEXT  # noqa: E402
from plant import Plant, check, main, say, wait  # noqa: E402

OCI = "application/vnd.oci.image.manifest.v1+json"
FIRST = {}  # the plant whose models the tests carry around, made once


def text(url, more=""):
    return TEXT + f"artifacts: {{registry: '{url}'{more}}}\n"


def first(program):
    """A plant that has learned and published to a registry; both are kept for all tests."""
    if not FIRST:
        registry = Registry()
        plant = Plant(program, text(registry.url("plants/first")))
        plant.start()
        wait(lambda: plant.ledger()["total"]["scored"] > 50, "a first model at work", 180, 0.2)
        plant.stop()
        plant.check_log()
        FIRST.update(registry=registry, plant=plant)
    return FIRST["registry"], FIRST["plant"]


def listed(plant):
    rows = json.loads(plant.run("model", "list", "-c", plant.config, "--json").out)["bundles"]
    tagged = [row["digest"] for row in rows if "plant" in row["tags"]]
    check(len(tagged) == 1, f"one bundle tagged 'plant' was expected: {rows}")
    return tagged[0]


def a_published_model_is_in_the_registry(program):
    registry, plant = first(program)
    digest = listed(plant)
    tags = json.loads(registry.get("plants/first/tags/list"))["tags"]
    check(sorted(tags) == ["metadata", "plant"], f"tags: {tags}")
    manifest = json.loads(registry.get("plants/first/manifests/plant", OCI))
    check(manifest["artifactType"] == "application/vnd.millwright.bundle.v1", manifest)
    with open(os.path.join(plant.data, "artifacts", "blobs", *digest.split(":"))) as file:
        check(json.load(file) == manifest, "the registry has another manifest")
    titles = {layer["annotations"]["org.opencontainers.image.title"] for layer in json.loads(
        registry.get("plants/first/manifests/metadata", OCI))["layers"]}
    check({"1.root.json", "timestamp.json"} < titles, titles)


def pull_brings_what_is_signed(program):
    registry, plant = first(program)
    second = Plant(program, text(registry.url("plants/first")))
    said = second.run("model", "pull", "-c", second.config, "plant").out
    check(said == f"pulled {listed(plant)}\n", said)
    verified = second.run("model", "verify", "-c", second.config, "plant").out
    check("is verified" in verified, verified)
    check(second.run("model", "pull", "-c", second.config, "plant").out == said, "not twice")
    done = second.run("model", "pull", "-c", second.config, "absent", status=None)
    check(done.returncode != 0 and "404" in done.err and "absent" in done.err, done.err)


def push_sends_it_to_another(program):
    registry, plant = first(program)
    digest = listed(plant)
    with open(plant.config) as file:
        old = file.read()
    plant.write(text(registry.url("other/repository")))
    done = plant.run("model", "push", "-c", plant.config, "plant", "--json").out
    check(done == f"{{\"pushed\":\"{digest}\"}}\n", done)
    plant.write(old)
    third = Plant(program, text(registry.url("other/repository")))
    check(digest in third.run("model", "pull", "-c", third.config, digest).out, "by its digest")


def an_image_of_models_starts_a_plant(program):
    """Pushed, unpacked as a container runtime does it, and taken over by a plant without a registry."""
    registry, plant = first(program)
    digest = listed(plant)
    words = ("model", "push", "-c", plant.config, "--image", "site-1", digest)
    said = plant.run(*words).out
    check(plant.run(*words).out == said, "the same model gives another image")
    text_of_manifest = registry.get("plants/first/manifests/site-1", OCI)
    check(said == f"pushed sha256:{hashlib.sha256(text_of_manifest).hexdigest()}\n", said)
    layers = json.loads(text_of_manifest)["layers"]
    check([one["mediaType"] for one in layers] == ["application/vnd.oci.image.layer.v1.tar"], layers)
    done = plant.run("model", "push", "-c", plant.config, "--image", "plant", digest, status=None)
    check(done.returncode != 0 and "a tag was expected that no model has" in done.err, done.err)

    site = Plant(program, TEXT)
    mounted = os.path.join(site.folder, "mounted")
    with tarfile.open(registry.blob_file(layers[0]["digest"])) as tar:
        check(all(one.mtime == one.uid == 0 for one in tar), tar.getnames())
        tar.extractall(mounted)
    for folder, _, files in os.walk(mounted):  # read-only, as it is mounted; not that root cared
        for name in files:
            os.chmod(os.path.join(folder, name), 0o444)
    site.run("prepare", "-c", site.config, "--models", mounted)
    check(listed(site) == digest, "another model is tagged")
    site.run("prepare", "-c", site.config, "--models", mounted)
    check(sorted(os.listdir(mounted)) == ["blobs", "index.json", "oci-layout"], "it was written to")
    site.start()
    wait(lambda: site.ledger()["total"]["scored"] > 50, "scores by the model that came", 180, 0.2)
    site.stop()
    models = {json.loads(one["value"])["model"] if isinstance(one["value"], str)
              else one["value"]["model"] for one in site.stream("score")}
    check(models == {digest}, f"{models} scored, and {digest} came")
    check(len(site.stream("model")) == 1, "the model was published again")

    other = Plant(program, TEXT)  # has keys of its own, and refuses it with the reason
    other.run("prepare", "-c", other.config)
    refused = os.path.join(other.folder, "refused")
    done = other.run("prepare", "-c", other.config, "--models", mounted, "--refused", refused)
    check("refused" in done.err and "1.root.json is not the one seen before" in done.err, done.err)
    with open(refused) as file:
        check("1.root.json is not the one seen before" in file.read(), "the reason is not in its file")
    with open(os.path.join(mounted, "blobs", *digest.split(":")), "w") as file:
        file.write("{}")
    new = Plant(program, TEXT)  # has none, and must not make some that the image's would not fit
    done = new.run("prepare", "-c", new.config, "--models", mounted, status=1)
    check("the bytes have another hash" in done.err, done.err)
    check(not os.path.exists(new.path("keys", "root.pem")), "keys were made all the same")


def damage_is_refused(program):
    """A changed part, metadata of other keys, and no registry at all: nothing is taken."""
    registry, plant = first(program)
    manifest = json.loads(registry.get("plants/first/manifests/plant", OCI))
    path = registry.blob_file(manifest["layers"][0]["digest"])
    with open(path, "rb") as file:
        good = file.read()
    with open(path, "wb") as file:
        file.write(good[:-1] + bytes([good[-1] ^ 1]))
    second = Plant(program, text(registry.url("plants/first")))
    done = second.run("model", "pull", "-c", second.config, "plant", status=1)
    check("other bytes" in done.err, done.err)
    with open(path, "wb") as file:
        file.write(good)
    second.run("model", "pull", "-c", second.config, "plant")

    stranger = Plant(program, text(registry.url("plants/first")))
    stranger.start()  # makes keys of its own, and would sign with them
    stranger.stop()
    known = {os.path.basename(path) for path in glob.glob(second.path("artifacts/metadata/*"))}
    stranger_root = {os.path.basename(path) for path in
                     glob.glob(stranger.path("artifacts/metadata/*"))}
    say(f"{len(known)} and {len(stranger_root)} documents")
    port = registry.port
    registry.stop()
    done = second.run("model", "pull", "-c", second.config, "plant", status=1)
    check(f":{port}" in done.err and "onnect" in done.err, done.err)
    registry.start()


def other_keys_are_refused(program):
    registry, plant = first(program)
    second = Plant(program, text(registry.url("plants/first")))
    second.run("model", "pull", "-c", second.config, "plant")
    stranger = Plant(program, TEXT)
    stranger.start()
    wait(lambda: stranger.ledger()["total"]["scored"] > 50, "a model of the stranger", 180, 0.2)
    stranger.stop()
    own = listed(stranger)
    stranger.write(text(registry.url("plants/first")))
    stranger.run("model", "push", "-c", stranger.config, "plant")
    done = second.run("model", "pull", "-c", second.config, "plant", status=1)
    check("1.root.json is not the one seen before" in done.err, done.err)
    check("is verified" in second.run("model", "verify", "-c", second.config, listed(plant)).out,
          "what was there before is gone")
    done = second.run("model", "verify", "-c", second.config, own, status=3)
    plant.run("model", "push", "-c", plant.config, "plant")  # as it was
    second.run("model", "pull", "-c", second.config, "plant")


def a_role_brings_what_it_lacks(program):
    """A scorer with an empty store, on the stream of a plant: it loads the model of the registry."""
    registry, plant = first(program)
    digest = listed(plant)
    other = Plant(program, text(registry.url("plants/first")) +
                  f"stream: {{url: 'sqlite:{plant.path('stream')}'}}\n")
    scorer = subprocess.Popen([other.program, "score", "-c", other.config], cwd=other.folder,
                              stderr=open(other.log, "ab"))
    path = other.path("artifacts", "blobs", *digest.split(":"))
    try:
        wait(lambda: os.path.exists(path) or scorer.poll() is not None, "the bundle's manifest")
        wait(lambda: other.state("score") or scorer.poll() is not None, "the scorer's state")
        check(scorer.poll() is None, f"the scorer has ended: {other.tail()}")
    finally:
        scorer.send_signal(signal.SIGTERM)
        scorer.wait()
    verified = other.run("model", "verify", "-c", other.config, digest).out
    check("is verified" in verified, verified)
    other.check_log()


def a_password_over_tls(program):
    registry, plant = first(program)
    secure = Registry(secure=True)
    url = secure.url("plants/first")
    with open(plant.config) as file:
        old = file.read()

    def use(more, password="grist"):
        with open(os.path.join(plant.folder, "password"), "w") as file:
            file.write(password + "\n")
        plant.write(text(url, more))
        return plant.run("model", "push", "-c", plant.config, "plant", status=None)

    who = ", username: mill, password_file: password"
    trust = f", ca_file: {secure.path('ca.pem')}"
    done = use(who)
    check(done.returncode == 1 and "certificate" in done.err, done.err)
    done = use(trust)
    check(done.returncode == 1 and "401" in done.err, done.err)
    done = use(trust + who, "chaff")
    check(done.returncode == 1 and "401" in done.err and "chaff" not in done.err, done.err)
    done = use(trust + who)
    check(done.returncode == 0 and "pushed" in done.out, done.err)
    plant.write(old)


def bad_days_pass(program):
    """Every first request fails in its own way, and all goes well; a lasting fault is told."""
    registry, plant = first(program)
    with open(plant.config) as file:
        old = file.read()
    faults = [503, 429, "cut", 500]

    def first_time(method, path, times):
        return faults[len(path) % len(faults)] if times == 1 else None

    proxy = Proxy(registry, first_time)
    plant.write(text(proxy.url("bad/days")))
    plant.run("model", "push", "-c", plant.config, "plant")
    second = Plant(program, text(proxy.url("bad/days")))
    second.run("model", "pull", "-c", second.config, "plant")
    check(len(proxy.seen) > 10 and min(proxy.seen.values()) > 1, f"too few: {proxy.seen}")

    always = Proxy(registry, lambda method, path, times: 503)
    third = Plant(program, text(always.url("bad/days")))
    done = third.run("model", "pull", "-c", third.config, "plant", status=1)
    check("503" in done.err and "not today" in done.err, done.err)
    check(max(always.seen.values()) == 4, f"{always.seen}")
    plant.write(old)


def wrong_addresses_are_told(program):
    for url, said in (("http://h/n", "oci://"), ("oci://h", "name of a repository"),
                      ("oci:///n", "no host"), ("oci://h/UPPER", "name of a repository")):
        plant = Plant(program, text(url))
        done = plant.run("model", "pull", "-c", plant.config, "plant", status=None)
        check(done.returncode != 0 and said in done.err, f"{url}: {done.err}")
    plant = Plant(program, TEXT)
    done = plant.run("model", "push", "-c", plant.config, "plant", status=2)
    check("artifacts.registry" in done.err, done.err)


if __name__ == "__main__":
    main(a_published_model_is_in_the_registry, pull_brings_what_is_signed,
         push_sends_it_to_another, an_image_of_models_starts_a_plant, damage_is_refused,
         other_keys_are_refused, a_role_brings_what_it_lacks, a_password_over_tls, bad_days_pass,
         wrong_addresses_are_told)
