#!/usr/bin/env python3
"""The topics that roles append to are one list: what they do, what the program, the documentation and
the chart say."""
import glob
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, os.pardir, os.pardir)
sys.path.insert(0, os.path.join(HERE, os.pardir, "loop"))
from plant import Plant, check, main  # noqa: E402

# A topic that is named where it is appended to: the `false` of a round is what is not put, and the
# name may be one of two.
NAME = r'\s*(?:[\w>.-]+\s*\?\s*)?"(\w+)"(?:\s*:\s*"(\w+)")?\s*'
APPENDS = (r"mw_\w+_append\([^;,]*," + NAME + ",",
           r"mw_bridge_round_(?:add|open)\([^;,]*," + NAME + r",\s*false\b",
           r"\btopic\s*=" + NAME + ";")


def known(program):
    """As the program itself lists them."""
    said = Plant(program, "").run("stream", "cat", "nothing-like-it", status=2).err
    found = re.search(r"one of ([a-z, ]+) was expected", said)
    check(found, f"no list of topics in: {said}")
    return set(found[1].split(", "))


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


def roles_append_to_what_is_known(program):
    found = {}
    for path in glob.glob(os.path.join(ROOT, "tiers", "*", "*.c")):
        text = "" if path.endswith("_test.c") else read(path)
        for pattern in APPENDS:
            for names in re.findall(pattern, text):
                found.update({name: os.path.basename(path) for name in names if name})
    there = known(program)
    check(set(found) == there, f"appended to: {found}; known: {sorted(there)}")


def documentation_has_them(program):
    rows = re.search(r"\n## Stream\n(.*?)\n\n    drift ", read("docs", "protocol.md"), re.S)[1]
    found = set(re.findall(r"^\| `(\w+)` \|", rows, re.M))
    there = known(program)
    check(found == there, f"docs/protocol.md: {sorted(found)}; known: {sorted(there)}")


def chart_makes_them(program):
    text = read("deploy", "helm", "millwright", "templates", "kafka.yaml")
    found = set(re.findall(r'"(\w+)"', re.search(r"range list ([^}]*)}}", text)[1]))
    there = known(program)
    check(found == there, f"the chart: {sorted(found)}; known: {sorted(there)}")


if __name__ == "__main__":
    main(roles_append_to_what_is_known, documentation_has_them, chart_makes_them)
