#!/usr/bin/env python3
"""check.py BUILD [NAME ...]: every x_test.py of this folder (or those with that x) on a real
Kubernetes, which is built when it is not there yet, brought up, and taken down again. The last line
reads 'N passed, N failed, N skipped'."""
import fcntl
import glob
import os
import shutil
import signal
import subprocess
import sys
import time

from kube import CLUSTER, HERE, HOME, IMAGE, NODES

TOOLS = ("kube", "etcd", "kwok", "helm", "containerd")
LIMIT = 600  # seconds a test


def say(text):
    print(text, flush=True)


def run(*words):
    say("-- " + " ".join(os.path.basename(word) for word in words))
    subprocess.run(words, check=True)


def lacks():
    """Why no cluster can be run on this machine, or None."""
    if os.geteuid() != 0:
        return "a cluster needs root"
    probe = f"/sys/fs/cgroup/pids/millwright-probe-{os.getpid()}"
    try:
        os.mkdir(probe)
        os.rmdir(probe)
    except OSError as error:
        return f"a cluster needs the controllers of cgroup v1: {error}"
    if subprocess.run(["unshare", "--net", "--mount", "--uts", "true"]).returncode != 0:
        return "a cluster needs namespaces of its own"
    if shutil.which("go") is None:
        return "there is no Go (1.26 or later) to build Kubernetes with"
    return None


def bring_up(build):
    run(CLUSTER, "packages")
    run(CLUSTER, "build", *TOOLS)
    archive = os.path.join(build, "image-test.tar")
    run(sys.executable, "-B", os.path.join(HERE, "..", "..", "deploy", "image", "make.py"), archive,
        IMAGE, os.path.join(build, "millwright"))
    subprocess.run([CLUSTER, "down"], check=True, stdout=subprocess.DEVNULL)  # of a killed run
    run(CLUSTER, "up", *NODES)
    run(CLUSTER, "load", archive)


def run_test(path, program):
    """True: passed, None: skipped."""
    begin = time.monotonic()
    test = subprocess.Popen([sys.executable, "-B", path, program], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, start_new_session=True)
    try:
        out, _ = test.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        os.killpg(test.pid, signal.SIGKILL)
        out = test.communicate()[0] + f"\nkilled after {LIMIT} s\n"
    passed = {0: True, 77: None}.get(test.returncode, False)
    word = {True: "passed", None: "skipped", False: "FAILED"}[passed]
    say(f"{word}: {os.path.basename(path)[:-3]} {time.monotonic() - begin:.1f} s")
    if passed is not True:
        say(out)
    else:  # what it has measured
        say("".join(f"   {line}\n" for line in out.splitlines() if line != "all passed").rstrip())
    return passed


def left_behind():
    """What `down` should have removed."""
    found = glob.glob("/sys/fs/cgroup/*/millwright") + glob.glob(os.path.join(HOME, "run"))
    with open("/proc/self/mounts") as file:
        found += [line for line in file if HOME in line]
    return found


def main():
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} BUILD [NAME ...]")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    build, names = os.path.abspath(sys.argv[1]), sys.argv[2:]
    # The kubelets remember the device plugin of node_test, which operate_test would stumble over;
    # volume_test adds a node.
    late = ("node_test.py", "volume_test.py")
    paths = sorted(glob.glob(os.path.join(HERE, "*_test.py")),
                   key=lambda path: (os.path.basename(path) in late, path))
    tests = [path for path in paths
             if not names or os.path.basename(path)[:-len("_test.py")] in names]
    why = lacks()
    if why is not None:
        say(f"skipped: {why}\n0 passed, 0 failed, {len(tests)} skipped")
        return
    results = []
    os.makedirs(HOME, exist_ok=True)
    with open(os.path.join(HOME, "lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one cluster at a time
        try:
            bring_up(build)
            for path in tests:
                results.append(run_test(path, os.path.join(build, "millwright")))
        except subprocess.CalledProcessError as error:
            say(f"FAILED: {error}")
            results.append(False)
        finally:
            down = subprocess.run([CLUSTER, "down"])
        found = left_behind()
        if down.returncode != 0 or found:
            say(f"FAILED: the cluster left behind: {found}")
            results.append(False)
    passed, failed, skipped = (sum(one is what for one in results)
                               for what in (True, False, None))
    say(f"{passed} passed, {failed} failed, {skipped} skipped")
    sys.exit(0 if failed == 0 and passed > 0 else 1)


if __name__ == "__main__":
    main()
