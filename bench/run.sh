#!/bin/sh
# run.sh BUILD [PART...]: prints the benchmarks, each figure beside a peer's from the same run. Parts:
# logistic, replay, engine, stream, ledger, latency, kafka, demo. The peers come from PyPI into build/bench, once.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
environment=$here/../build/bench
wanted=$here/requirements.txt
if ! cmp -s "$wanted" "$environment/installed.txt"; then
    echo "Installing the peers from PyPI in build/bench: $(grep -v '^#' "$wanted" | tr '\n' ' ')"
    python3 -m venv "$environment"
    "$environment/bin/pip" install -q --disable-pip-version-check -r "$wanted"
    cp "$wanted" "$environment/installed.txt"
fi
exec "$environment/bin/python" "$here/run.py" "$@"
