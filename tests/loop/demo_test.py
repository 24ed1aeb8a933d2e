#!/usr/bin/env python3
"""`millwright demo --once` closes the loop, and its report holds what it promises."""
import json
import os
import pty
import re
import select
import subprocess
import tempfile
import time

from plant import Failed, check, free_port, main, say

LIMIT = 150  # seconds; it ends by itself before


def find(report, *path):
    value = report
    for key in path:
        check(isinstance(value, dict) and value.get(key) is not None,
              f"the report has no {'.'.join(path)}: {json.dumps(report, indent=1)}")
        value = value[key]
    return value


def closes_the_loop(program):
    with tempfile.TemporaryDirectory(prefix="mw-demo-") as folder:
        path = os.path.join(folder, "r.json")
        # Its children die with it, should it have to be killed.
        demo = subprocess.Popen([os.path.abspath(program), "demo", "--once", "--port", "0",
                                 "--report", path], stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, text=True,
                                env={**os.environ, "TMPDIR": folder})
        try:
            told = demo.communicate(timeout=LIMIT)[0]
        except subprocess.TimeoutExpired:
            demo.kill()
            raise Failed(f"not over after {LIMIT} s:\n{demo.communicate()[0]}") from None
        try:
            with open(path) as file:
                report = json.load(file)
        except (OSError, ValueError) as error:
            raise Failed(f"no report ({error}):\n{told}") from None
    text = told + json.dumps(report, indent=1)
    check(demo.returncode == 0, f"exit status {demo.returncode}:\n{text}")
    check(report.get("closed") is True, f"not closed:\n{text}")
    check("\033" not in told, f"drawn where there is no terminal:\n{told!r}")

    def at(*keys):
        return find(report, *keys)

    check(at("records", "missing") == 0 and at("records", "doubled") == 0, text)
    check(at("records", "published") >= at("records", "stored") > 10000, text)
    check(0 < at("records", "scored") <= at("records", "stored"), text)
    check(at("fault", "predicted_before_breakdown_s") > 0, text)
    check(at("fault", "actuated") is True, text)
    check(0 < at("drift", "onset_time") <= at("drift", "alarm_time") <=
          at("drift", "enough_labels_time"), text)
    check(isinstance(at("drift", "features"), list) and at("drift", "features"), text)
    for key in ("before_drift", "after_drift_old_model", "after_new_model"):
        check(0 < at("auc", key) <= 1, text)
    check(at("auc", "after_new_model") > at("auc", "after_drift_old_model"), text)  # and by how much: closed
    check(at("int8_auc_loss") <= 0.005, text)
    check(at("loop_seconds") > 0, text)
    check(0 < at("latency_ms", "p50") <= at("latency_ms", "p99") <= at("latency_ms", "max"), text)
    own = [mb for role, mb in at("memory_mb", "by_role").items() if role != "mosquitto"]
    check(len(own) >= 8 and abs(sum(own) - at("memory_mb", "total")) < 1, text)
    for key in ("digest", "dataset_digest"):
        check(at("model", key).startswith("sha256:") and len(at("model", key)) == 71, text)
    check(len(at("model", "signature")) >= 64, text)
    say(json.dumps({key: report[key] for key in ("auc", "loop_seconds", "latency_ms")}))


def moves_on_a_terminal(program):
    """Between two lines of the story, a line that is drawn again, and makes way for the next."""
    ours, its = pty.openpty()
    told, counts = "", []
    with tempfile.TemporaryDirectory(prefix="mw-demo-") as folder:
        demo = subprocess.Popen([os.path.abspath(program), "demo", "--port", "0"], stdout=its,
                                stderr=its, env={**os.environ, "TMPDIR": folder})
        os.close(its)
        try:
            end = time.monotonic() + LIMIT
            while len(counts) < 3 or "Two weeks" not in told:
                check(select.select([ours], [], [], end - time.monotonic())[0], f"in vain: {told!r}")
                told += os.read(ours, 4096).decode()
                counts = sorted({int(n) for n in re.findall(r"\r +8 motors, .*?; records (\d+)  ", told)})
        finally:
            demo.terminate()
            while demo.poll() is None:  # what nobody reads would hold it up
                if select.select([ours], [], [], 0.1)[0]:
                    try:
                        told += os.read(ours, 4096).decode()
                    except OSError:
                        break
            demo.wait(LIMIT)
            os.close(ours)
    for line in ("A plant is up", "Two weeks"):
        check(re.search(r"\r\033\[K *[0-9.]+ s  " + line, told), f"not on a clear line: {told!r}")
    say(f"drawn {told.count('; records ')} times")


def page(demo, end):
    """The port that a demo says its page is at."""
    told = ""
    while "Look at" not in told:
        check(select.select([demo.stdout], [], [], end - time.monotonic())[0],
              f"no page within {LIMIT} s: {told}")
        data = os.read(demo.stdout.fileno(), 4096)
        check(data, f"over before it had a page: {told}")
        told += data.decode()
    return int(re.search(r"Look at http://localhost:(\d+)/", told)[1]), told


def many_at_once(program):
    """They ask for the same port at the same moment: one gets it, the others say which they have."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="mw-demo-") as folder:
        demos = [subprocess.Popen([os.path.abspath(program), "demo", "--port", str(port)],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, bufsize=0,
                                  env={**os.environ, "TMPDIR": folder}) for _ in range(4)]
        try:
            end = time.monotonic() + LIMIT
            pages = [page(demo, end) for demo in demos]
        finally:
            for demo in demos:
                demo.terminate()
            for demo in demos:
                demo.communicate(timeout=LIMIT)
    ports = [found for found, _ in pages]
    check(len(set(ports)) == 4 and port in ports, f"pages at {ports}, wanted {port}")
    for found, told in pages:
        check((f"port {port} is taken" in told) == (found != port), told)


if __name__ == "__main__":
    main(many_at_once, moves_on_a_terminal, closes_the_loop)
