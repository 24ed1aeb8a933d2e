#!/usr/bin/env python3
"""oci.py [OPTION ...] DIR REFERENCE OUT.tar [CMD ...]: the files of DIR as a one-layer OCI image.

The archive is an OCI image layout, which `ctr images import`, `podman load` and `skopeo copy
oci-archive:OUT.tar docker://...` take. The same files give the same bytes: times and owners are
left out; what is in the folders that --own names belongs to --user."""
import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import tarfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
OCI = "application/vnd.oci.image."
PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin"


def layer_of(folder, user="", own=()):
    """The bytes of a tar file with everything in `folder`."""
    number = int(user) if user.isdigit() else 0

    def plain(member):
        owned = any(("/" + member.name + "/").startswith(place.rstrip("/") + "/") for place in own)
        member.uid = member.gid = number if owned else 0
        member.uname = member.gname = ""
        member.mtime = 0
        return member

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in sorted(os.listdir(folder)):  # tarfile sorts what is below
            tar.add(os.path.join(folder, name), arcname=name, filter=plain)
    return buffer.getvalue()


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def encode(value):
    return json.dumps(value, sort_keys=True).encode()


def describe(media_type, data, **more):
    return {"mediaType": OCI + media_type, "digest": digest(data), "size": len(data), **more}


def image(layer, architecture, config, plain=False):
    """The blobs of an image for one architecture, and what an index says of it. `plain`: not
    compressed, which takes a minute for a few hundred megabytes."""
    target = {"architecture": architecture, "os": "linux"}
    packed = layer if plain else gzip.compress(layer, mtime=0)
    text = encode({**target, "config": {"Env": ["PATH=" + PATH], **config},
                   "rootfs": {"type": "layers", "diff_ids": [digest(layer)]}})
    manifest = encode({"schemaVersion": 2, "mediaType": OCI + "manifest.v1+json",
                       "config": describe("config.v1+json", text),
                       "layers": [describe("layer.v1.tar" + ("" if plain else "+gzip"), packed)]})
    return [packed, text, manifest], describe("manifest.v1+json", manifest, platform=target)


def write_archive(out, reference, images):
    """An archive of images of one name, one an architecture."""
    blobs = [blob for found, _ in images for blob in found]
    entry = dict(images[0][1])
    if len(images) > 1:
        index = encode({"schemaVersion": 2, "mediaType": OCI + "index.v1+json",
                        "manifests": [entry for _, entry in images]})
        blobs.append(index)
        entry = describe("index.v1+json", index)
    entry["annotations"] = {"io.containerd.image.name": reference,
                            "org.opencontainers.image.ref.name": reference.rpartition(":")[2]}
    with tarfile.open(out + ".new", "w") as tar:
        def put(name, data):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            member.mode = 0o644
            tar.addfile(member, io.BytesIO(data))

        put("oci-layout", encode({"imageLayoutVersion": "1.0.0"}))
        put("index.json", encode({"schemaVersion": 2, "mediaType": OCI + "index.v1+json",
                                  "manifests": [entry]}))
        for blob in {digest(blob): blob for blob in blobs}.values():
            put("blobs/" + digest(blob).replace(":", "/"), blob)
    os.replace(out + ".new", out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[2],
                                     usage=__doc__.partition(": ")[0])
    parser.add_argument("--user", default="", help="that the process runs as: a number or a name")
    parser.add_argument("--entrypoint", help="the program that CMD is for")
    parser.add_argument("--own", action="append", default=[], help="a folder of the user's own")
    parser.add_argument("--plain", action="store_true", help="do not compress")
    parser.add_argument("folder")
    parser.add_argument("reference")
    parser.add_argument("out")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    word = parser.parse_args()
    config = {"Cmd": word.command, "User": word.user}
    if word.entrypoint:
        config["Entrypoint"] = [word.entrypoint]
    layer = layer_of(word.folder, word.user, word.own)
    write_archive(word.out, word.reference,
                  [image(layer, ARCHITECTURES[platform.machine()], config, word.plain)])


if __name__ == "__main__":
    main()
