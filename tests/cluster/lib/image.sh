# shellcheck shell=bash
# Images without a registry: made of a folder, and given to the containerd of every node.

# image_add DIR REF [CMD...]
image_add() {
    local file
    (($# >= 2)) || die "usage: cluster image DIR REF [CMD ...]"
    [[ -d $1 ]] || die "no folder '$1'"
    [[ $2 =~ ^[a-z0-9./-]+(:[0-9]+)?[a-z0-9._/-]*:[A-Za-z0-9._-]+$ ]] ||
        die "'$2' is not a reference like millwright.local/name:1"
    file=$(image_file "$2")
    "$PACK" --plain "$1" "$2" "$file" "${@:3}"
    images_spread "$file"
}

# image_load FILE: an archive of somebody else's making, for all nodes, later ones too.
image_load() {
    (($# == 1)) && [[ -f $1 ]] || die "usage: cluster load ARCHIVE.tar"
    local file
    file=$RUN/images/load-$(basename "$1")
    cp "$1" "$file"
    images_spread "$file"
}

# images_spread FILE: to the nodes that run.
images_spread() {
    local node
    for node in "$RUN"/nodes/*; do
        node=${node##*/}
        pid_of "$node.containerd" >/dev/null || continue
        images_import "$node" "$1"
    done
}

image_file() { echo "$RUN/images/${1//[\/:]/_}.tar"; }

images_import() {
    local node=$1 file
    shift
    mkdir -p "$RUN/nodes/$node/imported"
    for file; do
        ctr_on "$node" images import "$file" >/dev/null
        touch "$RUN/nodes/$node/imported/${file##*/}"
    done
}

# images_import_new NODE: what it has never been given. A machine that boots has its disk, and no more.
images_import_new() {
    local file
    for file in "$RUN"/images/*.tar; do
        [[ -e $RUN/nodes/$1/imported/${file##*/} ]] || images_import "$1" "$file"
    done
}

# The pause image keeps a pod's namespaces; the box image is busybox, for pods that try things.
make_base_images() {
    local root=$RUN/images/root applet
    mkdir -p "$root/pause" "$root/box/bin" "$root/box/tmp"
    cc -Os -static -o "$root/pause/pause" "$KIT/image/pause.c"
    "$PACK" --plain "$root/pause" "$PAUSE_IMAGE" "$(image_file "$PAUSE_IMAGE")" /pause
    cp "$(command -v busybox)" "$root/box/bin/busybox"
    for applet in $(busybox --list); do
        [[ $applet == busybox ]] || ln -s busybox "$root/box/bin/$applet"
    done
    "$PACK" --plain "$root/box" "$BOX_IMAGE" "$(image_file "$BOX_IMAGE")" /bin/sh
    rm -r "$root"
}

# registry_allow_http HOST:PORT: containerd has to be told that a registry speaks plain HTTP; it
# reads this at every pull.
registry_allow_http() {
    local host=${1:-}
    [[ $host =~ ^[a-z0-9.-]+:[0-9]+$ ]] || die "usage: cluster registry HOST:PORT"
    mkdir -p "$RUN/registries/$host"
    printf '[host."http://%s"]\n' "$host" >"$RUN/registries/$host/hosts.toml"
}
