#!/bin/sh
# check.sh BUILD: `millwright node` against a kubelet that gRPC's own Python plays, in a virtual environment of its
# own (build/node, made once). The last line reads 'N passed, N failed, N skipped'.
set -u
here=$(cd "$(dirname "$0")" && pwd)
environment=$here/../../build/node
wanted=$here/requirements.txt
if ! cmp -s "$wanted" "$environment/installed.txt"; then
    echo "Installing from PyPI in build/node: $(grep -v '^#' "$wanted" | tr '\n' ' ')"
    if ! { python3 -m venv "$environment" &&
        "$environment/bin/pip" install -q --disable-pip-version-check -r "$wanted" &&
        cp "$wanted" "$environment/installed.txt"; }; then
        echo "0 passed, 1 failed, 0 skipped"
        exit 1
    fi
fi
mkdir -p "$environment/generated"
if ! "$environment/bin/python" -m grpc_tools.protoc -I"$here" --python_out="$environment/generated" \
    --grpc_python_out="$environment/generated" "$here/device_plugin.proto" ||
    ! cc -shared -fPIC -O1 -Wall -o "$environment/hang.so" "$here/hang.c" -ldl; then
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
PYTHONPATH=$environment/generated MILLWRIGHT_HANG=$environment/hang.so \
    exec "$environment/bin/python" -B "$here/check_node.py" "$1/millwright"
