# shellcheck shell=bash
# Argo Workflows: its command line, which checks Workflows without a cluster, and its controller. The
# executor, which its pods need, cannot be built: a source file for Linux is missing in what the proxy
# serves.

argo_build() {
    local module=github.com/argoproj/argo-workflows/v3 stamp=$BIN/.argo.stamp inputs version
    inputs=$(cd "$KIT" && { go version && sha256sum go/argo/* lib/argo.sh; } | sha256sum)
    if argo_is_built && [[ -f $stamp && $(<"$stamp") == "$inputs" ]]; then
        step "argo is up to date"
        return
    fi
    mkdir -p "$BIN"
    version=$(module_version argo "$module")
    (cd "$KIT/go/argo" && CGO_ENABLED=0 GOFLAGS="${GOFLAGS:-} -buildvcs=false" GOWORK=off \
        nice go build -mod=readonly -trimpath -ldflags "-s -w -X $module.version=$version" \
        -o "$BIN/" "$module/cmd/argo" "$module/cmd/workflow-controller")
    argo_crds >"$BIN/argo-crds.yaml"
    echo "$inputs" >"$stamp"
    step "argo $version built, $(du -mc "$BIN/argo" "$BIN/workflow-controller" | tail -n 1 | cut -f1) MiB"
}

# The definitions of Argo's resources, without the schemas, as its own module has them.
argo_crds() {
    local file folder
    folder=$(cd "$KIT/go/argo" && go list -m -f '{{.Dir}}' github.com/argoproj/argo-workflows/v3)
    for file in "$folder"/manifests/base/crds/minimal/argoproj.io_*.yaml; do
        echo ---
        cat "$file"
    done
}

argo_is_built() { [[ -x $BIN/argo && -x $BIN/workflow-controller ]]; }
