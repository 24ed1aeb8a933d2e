"""A plant in a folder of its own, run by `millwright up`, and what a test may ask of it.

Every wait has a condition and a limit. A test kills only what it started: the supervisor, and the
children that /proc names as the supervisor's. What the roles print goes to one log file, which is
searched for the words of the sanitizers when the test ends."""
import atexit
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROLES = ("mosquitto", "bridge", "score", "watch", "learn", "serve", "thing")
SANITIZERS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:",
              "WARNING: ThreadSanitizer")
LIMIT = 60  # seconds; a wait that takes this long has failed, on a slow machine too


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def wait(condition, what, limit=LIMIT, pause=0.02):
    """Returns the first true value of condition()."""
    end = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, f"waited {limit} s in vain for: {what}")
        time.sleep(pause)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def say(text):
    print(text, flush=True)


def children(pid):
    """{role: pid} of a supervisor."""
    found = {}
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            pids = [int(word) for word in file.read().split()]
    except OSError:
        return found
    for child in pids:
        try:
            with open(f"/proc/{child}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if os.path.basename(words[0]).startswith(b"qemu-"):
            del words[0]  # an emulated one (tests/emulated.sh)
        name = os.path.basename(words[0].decode())
        if name != "mosquitto":
            name = words[1].decode() if len(words) > 1 else name
        if name == "bridge" and b"--share" in words:  # one of several
            found["bridge-" + words[words.index(b"--share") + 1].decode()] = child
        elif name in ROLES:
            found[name] = child
    return found


def alive(pid):
    """A zombie is not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Plant:
    def __init__(self, program, text, folder=None):
        self.program = os.path.abspath(program)
        self.folder = folder or tempfile.mkdtemp(prefix="mw-loop-")
        self.own = folder is None
        self.config = os.path.join(self.folder, "plant.yaml")
        self.data = os.path.join(self.folder, "data")
        self.log = os.path.join(self.folder, "log")
        self.up = None
        self.known = set()  # every child that was ever seen
        self.write(text)
        atexit.register(self.close)

    def write(self, text):
        with open(self.config + ".new", "w") as file:
            file.write(text)
        os.replace(self.config + ".new", self.config)

    def path(self, *parts):
        return os.path.join(self.data, *parts)

    def run(self, *words, status=0, input=None, limit=LIMIT, cwd=None):
        """A millwright command; `status` None accepts any exit status. Returns the result."""
        done = subprocess.run([self.program, *words], input=input, capture_output=True,
                              timeout=limit, cwd=cwd or self.folder)
        done.out = done.stdout.decode(errors="replace")
        done.err = done.stderr.decode(errors="replace")
        for word in SANITIZERS:
            check(word not in done.err, f"millwright {' '.join(words)}: {done.err}")
        check(status is None or done.returncode == status,
              f"millwright {' '.join(words)}: exit status {done.returncode}, {status} was "
              f"expected\n{done.out}{done.err}")
        return done

    def start(self, limit=LIMIT):
        """`millwright up`, until it says READY."""
        self.begin()(limit)

    def begin(self):
        """`millwright up`; returns what waits for its READY, with a limit."""
        read, write = os.pipe()
        with open(self.log, "ab") as log:
            self.up = subprocess.Popen([self.program, "up", "-c", self.config], stdout=log,
                                       stderr=log, stdin=subprocess.DEVNULL, pass_fds=[write],
                                       env={**os.environ, "MILLWRIGHT_READY_FD": str(write)})
        os.close(write)
        os.set_blocking(read, False)
        said = b""

        def ready():
            nonlocal said
            try:
                said += os.read(read, 16)
            except BlockingIOError:
                pass
            check(self.up.poll() is None, f"up ended with {self.up.returncode}:\n{self.tail()}")
            return said.startswith(b"READY")

        def until_ready(limit=LIMIT):
            wait(ready, "READY from millwright up", limit)
            os.close(read)
            self.children()

        return until_ready

    def children(self):
        found = children(self.up.pid) if self.up else {}
        self.known.update(found.values())
        return found

    def state(self, role):
        """What the role says of itself, or {}."""
        try:
            with open(self.path("run", role + ".json")) as file:
                return json.load(file)
        except (OSError, ValueError):
            return {}

    def wait_role(self, role, old=0, said=False, limit=LIMIT):
        """The pid of a role other than `old`; `said`: once it has written its state."""

        def back():
            self.alive()
            pid = self.children().get(role, 0)
            if pid in (0, old):
                return 0
            return pid if not said or self.state(role).get("pid") == pid else 0

        return wait(back, f"{role} to be back after process {old}", limit)

    def alive(self):
        check(self.up.poll() is None,
              f"up ended by itself with {self.up.returncode}:\n{self.tail()}")

    def stop(self, number=signal.SIGTERM, limit=30):
        """Ends `up`; its children must end with it. Returns the seconds that it took."""
        self.children()
        begin = time.monotonic()
        self.up.send_signal(number)
        try:
            status = self.up.wait(limit)
        except subprocess.TimeoutExpired:
            raise Failed(f"up did not stop within {limit} s of signal {number}, its children: "
                         f"{self.children()}\n{self.tail()}") from None
        took = time.monotonic() - begin
        check(status == (0 if number != signal.SIGKILL else -9), f"up ended with {status}")
        left = self.known
        if number == signal.SIGKILL:
            wait(lambda: not any(map(alive, left)), "the children to die with up", limit)
        check(not any(map(alive, left)), f"children outlived up: {list(filter(alive, left))}")
        self.up = None
        return took

    def ledger(self, status=None):
        done = self.run("ledger", "-c", self.config, "--json", status=status)
        check(done.returncode in (0, 3), f"ledger: {done.returncode} {done.err}")
        return json.loads(done.out)

    def stream(self, topic):
        """The records of a topic, as {key, value, offset ..}."""
        done = self.run("stream", "cat", "-c", self.config, topic, "--json")
        return [json.loads(line) for line in done.out.splitlines()]

    def broker(self):
        with open(self.path("run", "broker.json")) as file:
            return json.load(file)

    def text(self):
        """All that the roles have printed."""
        try:
            with open(self.log, errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def tail(self, lines=30):
        return "\n".join(self.text().splitlines()[-lines:])

    def check_log(self):
        text = self.text()
        for word in SANITIZERS:
            at = text.find(word)
            check(at < 0, f"the log has '{word}':\n{text[max(0, at - 200):at + 6000]}")

    def close(self):
        if self.up and self.up.poll() is None:
            found = self.children()
            for pid in [self.up.pid, *found.values()]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
            self.up.wait()
        self.up = None
        if self.own and not os.environ.get("MW_KEEP"):
            shutil.rmtree(self.folder, ignore_errors=True)


def account(plant, more_than=0):
    """The ledger must hold to the last record; returns its total."""
    ledger = plant.ledger()
    total = ledger["total"]
    say("ledger: " + ", ".join(f"{key} {total[key]}" for key in
                               ("published", "stored", "pending", "dead", "dropped", "missing",
                                "doubled", "suppressed", "scored", "passed")))
    check(total["missing"] == 0, f"records are missing: {json.dumps(ledger, indent=1)}")
    check(total["doubled"] == 0, f"records are doubled: {json.dumps(ledger, indent=1)}")
    check(ledger["balanced"], f"the account does not balance: {json.dumps(ledger, indent=1)}")
    check(total["published"] > more_than,
          f"only {total['published']} records were published, {more_than} were expected")
    return total


def check_numbers(plant):
    """The same without the ledger's help: in the stream the numbers of a device run without a gap
    or a repetition, and no record has two scores."""
    numbers = {}
    for topic in ("telemetry", "sketch", "dead"):
        for record in plant.stream(topic):
            value = record["value"]
            if "seq" in value and value.get("by") != "score":
                numbers.setdefault((value["device"], value["boot"]), []).append(value["seq"])
    for (device, boot), found in sorted(numbers.items()):
        check(sorted(found) == list(range(len(found))),
              f"{device}, boot {boot}: {len(found)} records, {len(set(found))} of them different, "
              f"from {min(found)} to {max(found)}")
    scored = [(value["device"], value["boot"], value["seq"])
              for value in (record["value"] for record in plant.stream("score"))
              if value["level"] == 3]
    check(len(scored) == len(set(scored)), f"{len(scored) - len(set(scored))} second scores")
    return sum(map(len, numbers.values()))


def main(*tests):
    """Runs each function with the program's path; exit 0 when all passed."""
    if len(sys.argv) < 2:
        sys.exit(f"usage: {sys.argv[0]} MILLWRIGHT [TEST ...]")
    failed = []
    for test in tests:
        if len(sys.argv) > 2 and test.__name__ not in sys.argv[2:]:
            continue
        begin = time.monotonic()
        say(f"-- {test.__name__}")
        try:
            test(sys.argv[1])
        except Failed as error:
            say(f"FAILED: {error}")
            failed.append(test.__name__)
        say(f"   {time.monotonic() - begin:.1f} s")
    if failed:
        sys.exit("failed: " + ", ".join(failed))
    say("all passed")


def skip(why):
    say(f"skipped: {why}")
    sys.exit(77)
