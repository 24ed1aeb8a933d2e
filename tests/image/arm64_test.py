#!/usr/bin/env python3
"""arm64_test.py MILLWRIGHT: the image of this arm64 program, and in it a whole plant, every process an
emulated arm64 one, mosquitto too. Wants the namespaces of tests/emulated.sh."""
import atexit
import functools
import json
import os
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "loop"))
from kill_test import TEXT  # noqa: E402
from plant import Plant, account, check, check_numbers, main, say, wait  # noqa: E402

MAKE = os.path.join(HERE, "..", "..", "deploy", "image", "make.py")
LIMIT = 600  # seconds for what takes a few on a machine that is not emulated
ROWS = ("machine,time,current_rms\n" + "".join(
    f"press,2026-01-01T00:{i // 60:02}:{i % 60:02}Z,{4 + i % 7 / 10}\n" for i in range(600)))
REPLAY = "plant: replay\ndata: data\nhttp: {port: 0}\ntime: {tolerance: off}\n" \
         "columns: {time: time, machine: machine}\n"


def read_blob(archive, digest):
    return archive.extractfile("blobs/" + digest.replace(":", "/"))


def unpack(path, folder):
    """The files of the archive's arm64 image."""
    with tarfile.open(path) as archive:
        index = json.load(archive.extractfile("index.json"))
        while "manifests" in index:
            entries = index["manifests"]
            found = [one for one in entries
                     if one.get("platform", {}).get("architecture") == "arm64"] or entries
            index = json.load(read_blob(archive, found[0]["digest"]))
        with tarfile.open(fileobj=read_blob(archive, index["layers"][0]["digest"])) as layer:
            for member in layer:  # one user is mapped here
                member.uid = member.gid = 0
                layer.extract(member, folder)


def mount(*words):
    subprocess.run(["mount", *words], check=True)


def leave(folder):
    """The memory disk goes with this mount namespace. Nothing is removed one by one: the machine's
    own folders are bound in there."""
    subprocess.run(["umount", "--lazy", folder], check=True)
    os.rmdir(folder)


@functools.cache
def make_program(program):
    """The image, and a script that runs its program in its root, with the same /tmp as here; all in
    a memory disk that only this mount namespace sees."""
    scratch = tempfile.mkdtemp(prefix="mw-image-")
    mount("-t", "tmpfs", "tmpfs", scratch)
    atexit.register(leave, scratch)
    root = os.path.join(scratch, "root")
    archive = os.path.join(scratch, "image.tar")
    subprocess.run([sys.executable, "-B", MAKE, archive, "millwright:test", program], check=True)
    unpack(archive, root)
    for name in ("proc", "dev", "tmp"):
        os.makedirs(os.path.join(root, name), exist_ok=True)
        mount("--rbind", "/" + name, os.path.join(root, name))
    path = os.path.join(scratch, "millwright")
    with open(path, "w") as file:
        file.write(f'#!/bin/sh\nexec chroot {root} /usr/bin/millwright "$@"\n')
    os.chmod(path, 0o755)
    return path


def is_for_arm64(program):
    script = make_program(program)
    with open(os.path.join(os.path.dirname(script), "root/usr/bin/millwright"), "rb") as file:
        check(file.read(20)[18] == 0xb7, "the program is not for arm64")
    say(subprocess.run([script, "--version"], capture_output=True, text=True).stdout.strip())


def learns_and_scores(program):
    plant = Plant(make_program(program), TEXT.replace("speed: 60000", "speed: 6000"))
    plant.start(LIMIT)
    wait(lambda: plant.ledger()["total"]["scored"] > 50, "a first model at work", LIMIT, 1)
    plant.stop()
    total = account(plant, more_than=500)
    check(check_numbers(plant) == total["stored"], "the ledger counts otherwise than the stream")
    plant.check_log()


def replays_a_recording(program):
    plant = Plant(make_program(program), REPLAY)
    rows = os.path.join(plant.folder, "rows.csv")
    with open(rows, "w") as file:
        file.write(ROWS)
    plant.start(LIMIT)
    say(plant.run("replay", "-c", plant.config, rows, "--speed", "max", limit=LIMIT).out.strip())
    plant.stop()
    account(plant, more_than=599)
    plant.check_log()


if __name__ == "__main__":
    main(is_for_arm64, learns_and_scores, replays_a_recording)
