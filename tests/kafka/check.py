#!/usr/bin/env python3
"""check.py BUILD [CTEST OPTION...]: the tests that want a real Kafka, with one started for them; the
last line reads 'N passed, N failed, N skipped'. Kafka's own end-to-end tests start theirs."""
import os
import subprocess
import sys

from cluster import HERE, Cluster


def main():
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} BUILD [CTEST OPTION...]")
    cluster = Cluster(fetch=True)
    env = {**os.environ, "MILLWRIGHT_STREAM_URI": f"kafka://{cluster.bootstrap}"}
    tests = sys.argv[2:] or ["-R", "^(kafka/|lib/stream/(stream|stream_kill|kafka_broker|relay)_test)"]
    status = subprocess.run(["sh", os.path.join(HERE, "..", "run.sh"), sys.argv[1], *tests],
                            env=env).returncode
    cluster.close()
    sys.exit(status)


if __name__ == "__main__":
    main()
