#!/bin/sh
# check.sh BUILD: things behind gateways against an independent Modbus server from PyPI, in a virtual environment
# of its own (build/gateways, made once). The last line reads 'N passed, N failed, N skipped'.
set -u
here=$(cd "$(dirname "$0")" && pwd)
environment=$here/../../build/gateways
wanted=$here/requirements.txt
if ! cmp -s "$wanted" "$environment/installed.txt"; then
    echo "Installing from PyPI in build/gateways: $(grep -v '^#' "$wanted" | tr '\n' ' ')"
    if ! { python3 -m venv "$environment" &&
        "$environment/bin/pip" install -q --disable-pip-version-check -r "$wanted" &&
        cp "$wanted" "$environment/installed.txt"; }; then
        echo "0 passed, 1 failed, 0 skipped"
        exit 1
    fi
fi
exec "$environment/bin/python" -B "$here/check_gateways.py" "$1/millwright"
