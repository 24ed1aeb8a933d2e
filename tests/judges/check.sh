#!/bin/sh
# check.sh BUILD: the engine and freshly trained models under independent judges from PyPI, in a virtual
# environment of their own (build/judges, made once). The last line reads 'N passed, N failed, N skipped'.
set -u
here=$(cd "$(dirname "$0")" && pwd)
environment=$here/../../build/judges
wanted=$here/requirements.txt
if ! cmp -s "$wanted" "$environment/installed.txt"; then
    echo "Installing the judges from PyPI in build/judges: $(grep -v '^#' "$wanted" | tr '\n' ' ')"
    if ! { python3 -m venv "$environment" &&
        "$environment/bin/pip" install -q --disable-pip-version-check -r "$wanted" &&
        cp "$wanted" "$environment/installed.txt"; }; then
        echo "0 passed, 1 failed, 0 skipped"
        exit 1
    fi
fi
exec "$environment/bin/python" "$here/check_models.py" "$1/millwright"
