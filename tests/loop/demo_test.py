#!/usr/bin/env python3
"""`millwright demo --once` closes the loop, and its report holds what it promises."""
import json
import os
import subprocess
import tempfile

from plant import Failed, check, main, say

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


if __name__ == "__main__":
    main(closes_the_loop)
