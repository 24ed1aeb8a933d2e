#!/bin/sh
# debian-source.sh PACKAGE FOLDER: fetches Debian's source package and unpacks it as FOLDER, for targets that
# Debian has no library for. apt checks its signature. The system's package lists stay as they are: a
# list and a cache of our own are used and removed.
set -eu
package=$1
folder=$2
[ ! -f "$folder/debian/control" ] || exit 0
# The mirror that this machine uses already.
# shellcheck disable=SC2016 # $(REPO_URI) is for apt-get
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Codename: bookworm' \
    'Component: main' 2>/dev/null | head -n 1)
if [ -z "$mirror" ]; then
    echo "apt has no list of bookworm's main packages: run apt-get update" >&2
    exit 1
fi
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/source"
echo "deb-src [signed-by=$keyring] $mirror bookworm main" >"$work/sources.list"
echo "Fetching the source package of $package from $mirror"
fetch() {
    apt-get -qq -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o APT::Sandbox::User="$(id -un)" "$@"
}
if ! { fetch update && cd "$work/source" && fetch source "$package"; } >"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    exit 1
fi
cp -R "$work/source/$package"-*/. "$folder"
