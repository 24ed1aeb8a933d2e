"""Runs a plant for an example: millwright up, replay, waiting on conditions, reading results.

Nothing here knows what happens inside: it calls the program's commands and reads what they print.
Standard library only."""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(HERE)
PAUSE = 0.05  # seconds between two looks at a condition
SKIPPED = 77  # exit status, for test drivers


class Failed(Exception):
    pass


def find_program(given):
    candidates = [given, os.environ.get("MILLWRIGHT"),
                  os.path.join(SOURCE, "build", "release", "millwright"),
                  shutil.which("millwright")]
    for path in candidates:
        if path and os.path.isfile(path) and os.access(path, os.X_OK):
            return os.path.abspath(path)
    raise Failed("millwright is not built: run 'make build', or name it with --millwright")


def find_data(given):
    """The folder with the public data sets: the first that is named, there or not."""
    return os.path.abspath(given or os.environ.get("MILLWRIGHT_DATA")
                           or os.path.join(os.path.dirname(SOURCE), "shared", "data"))


def arguments(what, extra=()):
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--millwright", help="the program; build/release/millwright when left out")
    parser.add_argument("--data", help="folder with the data sets; $MILLWRIGHT_DATA when left out")
    parser.add_argument("--work", help="folder to work in, kept; a temporary one when left out")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    for names, options in extra:
        parser.add_argument(*names, **options)
    return parser.parse_args()


def main(what, folder, files, report, extra=()):
    """Finds program, data and work folder, calls report(options, data, work) -> dict with "text"."""
    options = arguments(what, extra)
    data = os.path.join(find_data(options.data), folder)
    missing = [f for f in files if not os.path.exists(os.path.join(data, f))]
    if missing:
        example = os.path.basename(os.path.dirname(os.path.abspath(sys.argv[0])))
        print(f"skipped: {data} has no {missing[0]}; examples/{example}/README.md says where the data "
              f"set comes from; --data or MILLWRIGHT_DATA names the folder that holds {folder}/",
              file=sys.stderr)
        return SKIPPED
    work = os.path.abspath(options.work) if options.work else tempfile.mkdtemp(prefix="millwright-")
    os.makedirs(work, exist_ok=True)
    try:
        options.millwright = find_program(options.millwright)
        started = time.monotonic()
        result = report(options, data, work)
        result["seconds"] = round(time.monotonic() - started, 1)
        text = result.pop("text")
        print(json.dumps(result) if options.json else f"{text}\n\n{result['seconds']} s in all")
        return 0
    except Failed as failed:
        print(f"{os.path.basename(sys.argv[0])}: {failed}", file=sys.stderr)
        return 1
    finally:
        if not options.work:
            shutil.rmtree(work, ignore_errors=True)


def note(options, text):
    """Progress, for people only."""
    if not options.json:
        print(text, file=sys.stderr, flush=True)


def write_plant(template, path, changes):
    """Copies a plant.yaml with some values replaced: {"model.kind": "mlp"}. Every key must be there."""
    left = dict(changes)
    section, lines = "", []
    with open(template) as file:
        for line in file:
            top = re.match(r"([a-z_0-9]+):", line)
            section = top.group(1) if top else section
            key = re.match(r"( *)([a-z_0-9]+):", line)
            if key:
                name = key.group(2) if not key.group(1) else f"{section}.{key.group(2)}"
                if name in left:
                    line = f"{key.group(1)}{key.group(2)}: {left.pop(name)}\n"
            lines.append(line)
    if left:
        raise Failed(f"{template} has no key {', '.join(left)}")
    with open(path, "w") as file:
        file.writelines(lines)


class Plant:
    """A running plant in a folder of its own. Use as a context manager."""

    def __init__(self, options, template, folder, changes=None):
        os.makedirs(folder, exist_ok=True)
        self.options = options
        self.folder = folder
        self.config = os.path.join(folder, "plant.yaml")
        self.log = os.path.join(folder, "log.txt")
        self.process = None
        write_plant(template, self.config, changes or {})

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([self.options.millwright, "up", "-c", self.config],
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        for line in self.process.stdout:  # it says so when all roles are ready
            if line.startswith("stop it"):
                return self
        status = self.process.wait()
        raise Failed(f"millwright up ended with status {status}:\n{self.tail()}")

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdout.close()

    def tail(self, lines=15):
        with open(self.log, errors="replace") as log:
            return "".join(log.readlines()[-lines:]).rstrip()

    def call(self, *words, allow=(0,)):
        """Runs a command of millwright; gives what it printed."""
        done = subprocess.run([self.options.millwright, *words], capture_output=True, text=True)
        if done.returncode not in allow:
            raise Failed(f"millwright {' '.join(words)} ended with status {done.returncode}: "
                         f"{done.stderr.strip()}\n{self.tail()}")
        return done.stdout

    def replay(self, files, speed="max"):
        return json.loads(self.call("replay", "-c", self.config, "--speed", str(speed), "--json",
                                    *files))

    def records(self, topic):
        """Everything in a topic of the stream."""
        lines = self.call("stream", "cat", "-c", self.config, topic).splitlines()
        return [json.loads(line) for line in lines]

    def ledger(self):
        """The account of all records; "total" has the sums. Missing or doubled ones are told, too."""
        return json.loads(self.call("ledger", "-c", self.config, "--json", allow=(0, 3)))

    def wait(self, what, condition, limit=60):
        """Asks until the condition's answer is something, and gives that."""
        end = time.monotonic() + limit
        while True:
            answer = condition()
            if answer:
                return answer
            if self.process.poll() is not None:
                raise Failed(f"millwright up ended while waiting for {what}:\n{self.tail()}")
            if time.monotonic() > end:
                raise Failed(f"no {what} within {limit} s:\n{self.tail()}")
            time.sleep(PAUSE)

    def rollouts(self):
        """The newest record of each rollout, by id, in order of their beginning."""
        newest = {}
        for record in self.records("rollout"):
            newest[record["id"]] = record
        return list(newest.values())

    def wait_for_rollouts(self, count, limit=180):
        """Waits until so many rollouts are done; gives them. A refusal ends the wait at once."""

        def look():
            refused = [r["refused"] for r in self.records("model") if "refused" in r]
            if refused:
                raise Failed(f"the pipeline refused a candidate: {refused[-1]}")
            rollouts = self.rollouts()
            back = [r for r in rollouts if r["state"] == "rolled-back"]
            if back:
                raise Failed(f"rollout {back[-1]['id']} was rolled back: {back[-1]['reason']}")
            done = [r for r in rollouts if r["state"] == "done"]
            return done if len(done) >= count else None

        return self.wait(f"rollout number {count}", look, limit)

    def wait_for_scores(self, limit=60):
        """Waits until the scorer has nothing left to do; gives {(device, seq): score}."""

        def look():
            total = self.ledger()["total"]
            return total["pending"] == 0 and total["awaiting"] == 0

        self.wait("score for every record", look, limit)
        return {(s["device"], s["seq"]): s["score"] for s in self.records("score")
                if s["level"] == 3}

    def model_file(self, bundle, path):
        """Takes the int8 model out of a bundle, by the OCI image layout of data/artifacts."""
        blobs = os.path.join(self.folder, "data", "artifacts", "blobs")
        with open(os.path.join(blobs, *bundle.split(":"))) as file:
            manifest = json.load(file)
        for layer in manifest["layers"]:
            if "int8" in json.dumps(layer.get("annotations", {})) + layer["mediaType"]:
                shutil.copyfile(os.path.join(blobs, *layer["digest"].split(":")), path)
                return path
        raise Failed(f"{bundle} has no int8 model")

    def published(self):
        """What the pipeline said of the models that it published."""
        return [r for r in self.records("model") if "bundle" in r]


def account(plant):
    """One line on whether every record is there once, and the figures for JSON."""
    ledger = plant.ledger()
    total = ledger["total"]
    keys = ("published", "stored", "scored", "missing", "doubled", "dead")
    figures = {key: total[key] for key in keys}
    figures["balanced"] = ledger["balanced"]
    line = ", ".join(f"{figures[key]} {key}" for key in keys)
    return f"ledger: {line}{'' if figures['balanced'] else '  DOES NOT BALANCE'}", figures
