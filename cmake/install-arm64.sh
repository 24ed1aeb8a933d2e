#!/bin/sh
# install-arm64.sh: what `make arm64` needs beside the host's own packages. Says so first.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if ! dpkg --print-foreign-architectures | grep -qx arm64; then
    echo "Adding arm64 to the architectures that dpkg installs packages of"
    if [ "$(id -u)" -ne 0 ]; then
        sudo dpkg --add-architecture arm64
    else
        dpkg --add-architecture arm64
    fi
fi
# The last ones are what the image has besides: loaded at run time, and mosquitto's own.
libraries=
for package in libsqlite3-dev librdkafka-dev libmicrohttpd-dev libcurl4-openssl-dev libssl-dev libjansson-dev libyaml-dev \
    libkissfft-dev libnghttp2-dev libnanopb-dev liblbfgs-dev libcmocka-dev \
    libmodbus5 libiio0 libcjson1 libdlt2 libsystemd0 libwebsockets17 libwrap0; do
    libraries="$libraries $package:arm64"
done
# shellcheck disable=SC2086 # the libraries are words
exec sh "$here/install.sh" cmake ninja-build pkg-config gcc-aarch64-linux-gnu libc6-dev-arm64-cross \
    libjsmn-dev libmodbus-dev libiio-dev qemu-user-static util-linux binutils ca-certificates $libraries
