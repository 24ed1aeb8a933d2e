#!/bin/sh
# install.sh PACKAGE...: installs the Debian packages that are not there, and says so first.
set -eu
missing=
native=$(dpkg --print-architecture)
for package in "$@"; do
    # One line an architecture, where a foreign one has been added.
    case $package in
    *:*) architecture=${package##*:} ;;
    *) architecture=$native ;;
    esac
    dpkg-query -W -f '${db:Status-Status} ${Architecture}\n' "$package" 2>/dev/null |
        grep -qxE "installed ($architecture|all)" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
echo "Installing Debian packages:$missing"
if [ "$(id -u)" -ne 0 ]; then
    sudo=$(command -v sudo) || { echo "not root, and no sudo: install them yourself" >&2; exit 1; }
else
    sudo=
fi
log=$(mktemp)
# shellcheck disable=SC2086 # the missing ones are words
# Mosquitto's package starts a broker of its own, which nobody here needs.
if ! { $sudo apt-get update -qq &&
    $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    exit 1
fi
rm -f "$log"
