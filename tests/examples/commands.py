"""commands.py PROGRAM: features and stream cat, as a person types them. Needs no data set."""

import csv
import io
import json
import math
import os
import subprocess
import sys
import tempfile

PROGRAM = os.path.abspath(sys.argv[1])


def run(*words, status=0):
    done = subprocess.run([PROGRAM, *words], capture_output=True, text=True)
    assert done.returncode == status, (words, done.returncode, done.stderr)
    return done


def features(folder):
    samples = os.path.join(folder, "samples.csv")
    with open(samples, "w") as file:
        file.write("vibration\n")
        file.writelines(f"{math.sin(2 * math.pi * 50 * i / 1000):.9g}\n" for i in range(1024))
    out = run("features", "--rate", "1000", "--window", "500", samples).stdout
    rows = list(csv.DictReader(io.StringIO(out)))
    assert len(rows) == 2 and abs(float(rows[1]["vibration_peak_1_hz"]) - 50) < 0.01, out
    records = os.path.join(folder, "records.csv")
    counts = json.loads(run("features", "--rate", "1000", "--window", "500", samples, "--out", records,
                            "--json").stdout)
    assert counts == {"samples": 1024, "windows": 2, "held": 0, "features": 17}, counts
    with open(records) as file:
        assert file.read() == out
    assert "--rate" in run("features", samples, status=2).stderr
    assert "do not fill one window" in run("features", "--rate", "1000", "--window", "2000", samples,
                                           "--out", records, status=2).stderr
    assert not os.path.exists(records), "half a file was left"


def stream_cat(folder):
    config = os.path.join(folder, "plant.yaml")
    with open(config, "w") as file:
        file.write("plant: test\n")
    assert run("stream", "cat", "-c", config, "score").stdout == ""
    assert "did you mean score?" in run("stream", "cat", "-c", config, "scores", status=2).stderr
    assert "telemetry" in run("stream", "cat", "-c", config, "nothing-like-it", status=2).stderr
    assert "one topic" in run("stream", "cat", "-c", config, status=2).stderr


with tempfile.TemporaryDirectory() as place:
    features(place)
    stream_cat(place)
print("ok")
