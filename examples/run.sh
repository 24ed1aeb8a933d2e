#!/bin/sh
# run.sh NAME [OPTIONS]: replays a real recording through the whole loop and prints what came out.
# NAME is turbofan, hydraulic, pump, mill or bearing; --help lists the options.
here=$(cd "$(dirname "$0")" && pwd)
name=${1:-}
if [ -z "$name" ] || [ ! -f "$here/$name/run.py" ]; then
    echo "usage: examples/run.sh turbofan|hydraulic|pump|mill|bearing [OPTIONS]" >&2
    exit 2
fi
shift
exec python3 "$here/$name/run.py" "$@"
