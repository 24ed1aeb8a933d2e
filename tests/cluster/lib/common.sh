# shellcheck shell=bash
# Where things are, messages, waiting, and processes by pid file.

CLUSTER_HOME=${CLUSTER_HOME:-${XDG_CACHE_HOME:-${HOME:?}/.cache}/millwright/cluster}
BIN=$CLUSTER_HOME/bin # programs that were built; survives 'down'
LOG=$CLUSTER_HOME/log # <sandbox>.<process>.log of the last cluster; survives 'down'
RUN=$CLUSTER_HOME/run # all else; exists exactly as long as the cluster does
export PATH=$BIN:$PATH
BUILT_CONTAINERD=$BIN/containerd-built # a folder: containerd and its shim

CONTROL_PLANE=control-plane
CONTROL_PLANE_IP=10.90.0.1
API_SERVER=https://$CONTROL_PLANE_IP:6443
PACK=$KIT/../../deploy/image/oci.py # a folder into an image
PAUSE_IMAGE=millwright.local/pause:1
BOX_IMAGE=millwright.local/box:1
OWN_PROCESSES=' sandbox etcd kube-apiserver kube-controller-manager kube-scheduler kwok
    containerd kubelet kube-proxy ' # the names that 'cluster run' may not use
CGROUP=/sys/fs/cgroup
CGROUP_NAME=millwright # <controller>/millwright/<sandbox> holds every process of the cluster

die() {
    echo "cluster: $*" >&2
    exit 1
}

started_us=${EPOCHREALTIME/./}
last_us=$started_us

# step TEXT: the seconds since the last step and since the start, and what was done.
step() {
    local now_us=${EPOCHREALTIME/./}
    awk -v step=$((now_us - last_us)) -v all=$((now_us - started_us)) -v text="$*" \
        'BEGIN { printf "%6.1f s %7.1f s  %s\n", step / 1e6, all / 1e6, text }'
    last_us=$now_us
}

needs_root() { [[ $EUID -eq 0 ]] || die "this needs root"; }
needs_cluster() { [[ -d $RUN ]] || die "no cluster is up ($RUN is missing)"; }
needs_node() { [[ -n $1 && -d $RUN/nodes/$1 ]] || die "no node '$1'"; }

needs_packages() { [[ -z $(packages_missing) ]] || die "packages are missing: 'cluster packages'"; }

needs_built() {
    local tool
    for tool; do [[ -x $BIN/$tool ]] || die "$BIN/$tool is missing: 'cluster build $tool'"; done
}

# wait_for SECONDS WHAT CMD...: until CMD succeeds. WAIT_ON names a process that must live
# meanwhile; its log is shown when it does not, or when the time is over.
wait_for() {
    local limit=$1 what=$2 end=$((SECONDS + $1))
    shift 2
    until "$@" >/dev/null 2>&1; do
        if ((SECONDS >= end)) || { [[ -n ${WAIT_ON:-} ]] && ! pid_of "$WAIT_ON" >/dev/null; }; then
            [[ -z ${WAIT_ON:-} ]] || tail -n 15 "$LOG/$WAIT_ON.log" >&2
            die "waited for $what, at most $limit s, in vain${WAIT_ON:+ (see $LOG/$WAIT_ON.log)}"
        fi
        sleep 0.2
    done
}

# fill TEMPLATE NAME=VALUE...: the template with ${NAME} replaced, to stdout.
fill() {
    local template=$KIT/config/$1 names
    shift
    names=$(printf "\${%s} " "${@%%=*}")
    env "$@" envsubst "$names" <"$template"
}

# start SANDBOX NAME CMD...: CMD in the background in the namespaces and cgroup of SANDBOX.
start() {
    local sandbox=$1 name=$1.$2
    shift 2
    (
        echo "$BASHPID" >"$CGROUP/pids/$CGROUP_NAME/$sandbox/cgroup.procs"
        namespaces_of "$sandbox"
        exec setsid "${nsenter[@]}" "$@"
    ) >>"$LOG/$name.log" 2>&1 </dev/null &
    echo $! >"$RUN/pid/$name"
}

# pid_of SANDBOX.NAME: its pid, if it lives. That the process is in the cluster's own cgroup
# proves that the number was not given to a stranger since.
pid_of() {
    local pid
    pid=$(cat "$RUN/pid/$1" 2>/dev/null) &&
        grep -q ":pids:/$CGROUP_NAME/" "/proc/$pid/cgroup" 2>/dev/null &&
        ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null && echo "$pid"
}

gone() { ! pid_of "$1"; }

is_own_process() { [[ ${OWN_PROCESSES//$'\n'/ } == *" $1 "* ]]; }

kill_process() {
    local pid
    pid=$(pid_of "$1") || die "$1 is not running"
    kill -KILL "$pid"
    wait_for 10 "the end of $1" gone "$1"
}

stop_process() {
    local pid end=$((SECONDS + 10))
    pid=$(pid_of "$1") || return 0
    kill -TERM "$pid"
    while pid_of "$1" >/dev/null && ((SECONDS < end)); do sleep 0.1; done
    gone "$1" >/dev/null || kill_process "$1"
    rm -f "$RUN/pid/$1"
}
