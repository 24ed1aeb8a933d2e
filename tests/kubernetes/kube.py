"""The cluster of tests/cluster, and what a test may ask of it.

A test is a file x_test.py with functions that take the program's path, and ends in main(...) like
those of tests/loop, whose words (check, wait, say, skip) are here too. check.py runs them all on one
cluster. By hand: `../cluster/cluster up n1 n2`, then `python3 x_test.py PROGRAM [FUNCTION]` as often
as wanted, then `../cluster/cluster down`."""
import functools
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "loop"))
import plant  # noqa: E402
from plant import Failed, check, say, skip, wait  # noqa: E402,F401

CLUSTER = os.path.join(HERE, "..", "cluster", "cluster")
HOME = os.environ.get("CLUSTER_HOME") or os.path.join(
    os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "millwright", "cluster")
IMAGE = os.environ.get("MILLWRIGHT_IMAGE") or "millwright.local/millwright:test"  # on every node
BOX = "millwright.local/box:1"              # busybox
NODES = ("n1", "n2")
LIMIT = 90  # seconds
SPACES = []  # that a function has made

# What the pod security standard "restricted" asks of a container, and a root nobody writes to.
RESTRICTED = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
              "runAsNonRoot": True, "capabilities": {"drop": ["ALL"]},
              "seccompProfile": {"type": "RuntimeDefault"}}


def cluster(*words, input=None, status=0, limit=LIMIT):
    """A command of the kit: cluster("node", "kill", "n2"). Returns what it printed; `status` None
    takes any exit status and returns (status, output, errors)."""
    done = subprocess.run([CLUSTER, *words], input=input, capture_output=True, text=True,
                          timeout=limit)
    if status is None:
        return done.returncode, done.stdout, done.stderr
    check(done.returncode == status, f"cluster {' '.join(words)}: exit status {done.returncode}, "
          f"{status} was expected\n{done.stdout}{done.stderr}")
    return done.stdout


def kubectl(*words, input=None, status=0, limit=LIMIT):
    return cluster("kubectl", *words, input=input, status=status, limit=limit)


def node_exec(node, *words, input=None, status=0, limit=LIMIT):
    """A command on a node: as root, with its network and its own /var/lib/kubelet."""
    return cluster("exec", "-n", node, "--", *words, input=input, status=status, limit=limit)


def apply(*objects, namespace="default", limit=LIMIT):
    """Objects as dicts, or one manifest as text (YAML)."""
    if len(objects) == 1 and isinstance(objects[0], str):
        text = objects[0]
    else:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
    return kubectl("apply", "-n", namespace, "-f", "-", input=text, limit=limit)


def get(kind, name=None, namespace="default"):
    """The object as a dict, None when it is not there; without a name, the list of all."""
    words = ["get", kind, *([name] if name else []), "-n", namespace, "-o", "json"]
    status, out, err = kubectl(*words, status=None)
    if status != 0 and "NotFound" in err:
        return None
    check(status == 0, f"kubectl {' '.join(words)}: {err}")
    found = json.loads(out)
    return found if name else found["items"]


def wait_for(kind, name, condition, what, namespace="default", limit=LIMIT):
    """The object, as soon as condition(object) is true; when it never is, with its story."""
    def now():
        found = get(kind, name, namespace)
        return found if found is not None and condition(found) else None

    try:
        return wait(now, what, limit, pause=0.2)
    except Failed as error:
        raise Failed(f"{error}\n{tell(kind, name, namespace)}") from None


def tell(kind, name, namespace="default"):
    """What a person would look at first."""
    text = kubectl("describe", kind, name, "-n", namespace, status=None)[1]
    if kind in ("pod", "job"):
        text += kubectl("logs", f"{kind}/{name}", "-n", namespace, "--all-containers",
                        "--tail=30", status=None)[1]
    return text


def is_ready(pod):
    return any(one["type"] == "Ready" and one["status"] == "True"
               for one in pod["status"].get("conditions", []))


def wait_ready(pod, namespace="default", limit=LIMIT):
    return wait_for("pod", pod, is_ready, f"pod {pod} to be ready", namespace, limit)


def wait_done(pod, namespace="default", limit=LIMIT):
    """A pod that runs to its end: its log. Failed when it ends otherwise than with 0."""
    def ended(found):
        return found["status"].get("phase") in ("Succeeded", "Failed")

    found = wait_for("pod", pod, ended, f"the end of pod {pod}", namespace, limit)
    check(found["status"]["phase"] == "Succeeded", tell("pod", pod, namespace))
    return kubectl("logs", pod, "-n", namespace)


def pod(name, *args, image=IMAGE, node=None, **more):
    """A pod of one container, as the standard "restricted" wants it, with a folder of its own at
    /var/lib/millwright and at /tmp. `more` goes into the container."""
    container = {
        "name": "main", "image": image, "args": list(args), "imagePullPolicy": "IfNotPresent",
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/millwright"},
                         {"name": "tmp", "mountPath": "/tmp"}],
        **more,
    }
    spec = {"containers": [container], "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 10,
            "securityContext": {"fsGroup": 65532},
            "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]}
    if node:
        spec["nodeName"] = node
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def make_namespace(name, security="restricted"):
    """A namespace that goes, with all that is in it, when the function ends. Nobody waits for that
    (15 s, where a pod has 30 to end) but who makes it again."""
    kubectl("delete", "namespace", name, "--ignore-not-found", f"--timeout={LIMIT - 10}s")
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": name, "labels": {"pod-security.kubernetes.io/enforce": security}}})
    SPACES.append(name)
    wait(lambda: get("serviceaccount", "default", name), f"the service account of {name}", pause=0.1)
    return name


def make_folder(path):
    """Empty, whatever an earlier run on this cluster has left there."""
    shutil.rmtree(path, ignore_errors=True)
    os.makedirs(path)
    return path


def main(*tests):
    """Runs each function with the program's path; exit 0 when all passed."""
    plant.main(*map(with_end, tests))


def with_end(test):
    @functools.wraps(test)
    def run(program):
        try:
            test(program)
        finally:
            if SPACES:
                kubectl("delete", "namespace", *SPACES, "--ignore-not-found", "--wait=false",
                        status=None)
                SPACES.clear()
    return run
