#!/bin/sh
# peers.sh BUILD SUITE: runs tests/SUITE/check.py, which holds the program against independent peers from PyPI, in a
# virtual environment of their own (build/SUITE, made once). The last line reads 'N passed, N failed, N skipped'.
set -u
here=$(cd "$(dirname "$0")" && pwd)
environment=$here/../build/$2
wanted=$here/$2/requirements.txt
if ! cmp -s "$wanted" "$environment/installed.txt"; then
    echo "Installing from PyPI in build/$2: $(grep -v '^#' "$wanted" | tr '\n' ' ')"
    if ! { python3 -m venv "$environment" &&
        "$environment/bin/pip" install -q --disable-pip-version-check -r "$wanted" &&
        cp "$wanted" "$environment/installed.txt"; }; then
        echo "0 passed, 1 failed, 0 skipped"
        exit 1
    fi
fi
exec "$environment/bin/python" -B "$here/$2/check.py" "$1/millwright"
