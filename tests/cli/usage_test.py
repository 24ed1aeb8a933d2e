#!/usr/bin/env python3
"""What every subcommand shares: help, the manual, and exit statuses."""
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "loop"))
from plant import Plant, check, main  # noqa: E402


def names(plant):
    listed = plant.run("--help").out
    found = re.findall(r"^  ([a-z]+(?: [a-z]+)?) {2,}\S", listed, re.M)
    check(len(found) > 20, f"--help lists {found}")
    return found


def help_tells(program):
    plant = Plant(program, "")
    manual = plant.run("--man").out
    check(manual.startswith(".TH MILLWRIGHT 1"), manual[:80])
    for name in names(plant):
        words = name.split()
        done = plant.run(*words, "--help")
        check(done.out.startswith(f"usage: millwright {name} "), f"{name} --help: {done.out}")
        check(f".SS millwright {name} " in manual, f"{name} is not in the manual")
        if "--config" in done.out:
            check(plant.run(*words, "-h").out == done.out, f"{name} -h is another text")
    for words in (("model", "--help"), ("help", "model"), ("model", "-h")):
        done = plant.run(*words)
        check("'model show'" in done.out and done.err == "", f"{words}: {done.out}{done.err}")
    check(re.fullmatch(r"millwright \d+\.\d+\.\d+\n", plant.run("--version").out), "--version")
    for key in ("broker.url", "simulate.machines", "columns.decimal"):
        check(key in manual, f"{key} is not in the manual")


def wrong_usage_is_2(program):
    plant = Plant(program, "")
    check("usage" in plant.run(status=2).err, "no usage without a command")
    done = plant.run("frobnicate", status=2)
    check("frobnicate" in done.err and done.out == "", done.err)
    for name in names(plant):
        words = name.split()
        done = plant.run(*words, "--no-such-option", status=2)
        check(f"millwright {name}: " in done.err and "--no-such-option" in done.err,
              f"{name}: {done.err}")
        check(len(done.err.splitlines()) == 1, f"{name}: more than one line: {done.err}")
        if re.fullmatch("replay|rollout|predict|features|discover|stream cat|pipeline step|model (show|verify|push|pull|pack)", name):
            continue
        done = plant.run(*words, "stray", status=2)
        check("unexpected argument stray" in done.err, f"{name} stray: {done.err}")
    for words, said in ((("ledger", "--conifg", "plant.yaml"), "config"),
                        (("train", "--kind", "forest"), "logistic, mlp, autoencoder"),
                        (("train", "--seed", "one"), "one"),
                        (("train", "--seed"), "--seed"),
                        (("replay", "-c", "plant.yaml"), "CSV"),
                        (("stream", "cat", "scores"), "score"),
                        (("rollout", "stat"), "status"),
                        (("top", "-c", "none.yaml"), "none.yaml"),
                        (("event", "add", "--machine", "Motor 1"), "machine")):
        done = plant.run(*words, status=2)
        check(said in done.err, f"{' '.join(words)}: no '{said}' in: {done.err}")


def full_output_is_an_error(program):
    """A disk that is full must not look like success."""
    plant = Plant(program, "")
    with open("/dev/full", "w") as full:
        done = subprocess.run([plant.program, "--man"], stdout=full, stderr=subprocess.PIPE)
        ledger = subprocess.run([plant.program, "ledger", "-c", plant.config], stdout=full,
                                stderr=subprocess.PIPE)
    check(ledger.returncode == 1 and b"cannot write" in ledger.stderr, f"ledger: {ledger}")
    check(done.returncode == 1, f"--man: {done.returncode}")


if __name__ == "__main__":
    main(help_tells, wrong_usage_is_2, full_output_is_an_error)
