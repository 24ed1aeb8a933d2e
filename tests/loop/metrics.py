"""Reads Prometheus' text format, version 0.0.4: strictly, and with the parser of Prometheus' own Python
library where that is installed; both have to agree."""
import json
import os
import re
import subprocess
import urllib.request

from plant import check

JUDGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tools", "prometheus_read.py")
HELP = re.compile(r"# HELP ([a-z_][a-z0-9_]*) (\S.*)\Z")
TYPE = re.compile(r"# TYPE ([a-z_][a-z0-9_]*) (counter|gauge)\Z")
LABEL = r'[a-z_][a-z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"([a-z_][a-z0-9_]*)(?:\{{({LABEL}(?:,{LABEL})*)\}})? (-?[0-9.e+-]+)\Z")
judged = None  # whether the other parser was there


def read(text):
    """{(name, label, value of it, ...): figure}, after checking every line: HELP, TYPE, and then the
    samples of one name, none of them twice; counters, and only they, end in _total."""
    samples, families, name = {}, {}, None
    check(text.endswith("\n"), "the last line has no end")
    lines = iter(text[:-1].split("\n"))
    for line in lines:
        head = HELP.match(line)
        if head:
            name, kind = head[1], TYPE.match(next(lines, ""))
            check(kind and kind[1] == name, f"no TYPE behind: {line}")
            check(name not in families, f"{name} stands in two places")
            check(name.endswith("_total") == (kind[2] == "counter"), f"{name} is a {kind[2]}")
            families[name] = kind[2]
            continue
        one = SAMPLE.match(line)
        check(one and one[1] == name, f"not a sample of {name}: {line}")
        pairs = re.findall(r'([a-z0-9_]+)="((?:[^"\\]|\\.)*)"', one[2] or "")
        key = (name, *(word for pair in sorted(pairs) for word in pair))
        check(key not in samples, f"{key} comes twice")
        samples[key] = float(one[3])
    check({key[0] for key in samples} == set(families), "a family without a sample")
    judge(text, samples, families)
    return samples


def judge(text, samples, families):
    global judged
    done = subprocess.run(["/usr/bin/python3", JUDGE], input=text, capture_output=True, text=True)
    judged = done.returncode != 77
    if not judged:
        return
    check(done.returncode == 0, f"the other parser: {done.stderr}")
    theirs = {(name, *(word for pair in sorted(labels.items()) for word in pair)): (figure, kind)
              for name, labels, figure, kind, _ in json.loads(done.stdout)}
    ours = {key: (figure, families[key[0]]) for key, figure in samples.items()}
    check(theirs == ours, f"the other parser reads {theirs}, and not {ours}")


def fetch(url):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=10) as answer:
        check(answer.headers["Content-Type"].startswith("text/plain; version=0.0.4"),
              answer.headers["Content-Type"])
        return answer.read().decode()
