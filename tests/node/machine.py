"""A machine's sysfs, /dev and CDI folder as a test wants them, and `millwright node` on it."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

LIMIT = 60  # seconds: who waits longer has failed


class Failed(Exception):
    pass


def say(text):
    print(text, flush=True)


def check(good, text):
    if not good:
        raise Failed(text)


def wait(what, holds):
    """Waits until holds() gives something, and returns that."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        found = holds()
        if found:
            return found
        time.sleep(0.01)
    raise Failed(f"waited {LIMIT} s for {what}")


class Machine:
    def __init__(self, program):
        self.program = program
        self.root = tempfile.mkdtemp(prefix="mw-node-")
        self.kubelet = os.path.join(self.root, "kubelet")
        self.cdi = os.path.join(self.root, "cdi")
        os.mkdir(self.kubelet)
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    # ---- hardware ----

    def path(self, name):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return path

    def write(self, name, text):
        path = self.path(name)
        with open(path + ".new", "w", encoding="ascii") as file:
            file.write(text)
        os.rename(path + ".new", path)

    def node(self, name):
        os.symlink("/dev/null", self.path(name))

    def plug_usb(self, port, number, name="18d1:9302", bus=1):
        """The whole device appears at once, as in sysfs."""
        here = f"sys/bus/usb/devices/{port}"
        self.node(f"dev/bus/usb/{bus:03}/{number:03}")
        for key, value in (("idVendor", name[:4]), ("idProduct", name[5:]), ("busnum", bus),
                           ("devnum", number), ("authorized", 1)):
            self.write(f"sys/coming/{key}", f"{value}\n")
        os.rename(self.path("sys/coming"), self.path(here))

    def unplug_usb(self, port):
        here = self.path(f"sys/bus/usb/devices/{port}")
        with open(here + "/busnum", encoding="ascii") as bus, \
                open(here + "/devnum", encoding="ascii") as number:
            node = f"dev/bus/usb/{int(bus.read()):03}/{int(number.read()):03}"
        os.rename(here, self.path("sys/gone"))
        shutil.rmtree(self.path("sys/gone"))
        os.unlink(self.path(node))

    def plug_apex(self, address, number, numa=0):
        here = f"sys/bus/pci/devices/{address}"
        self.node(f"dev/apex_{number}")
        for key, value in (("vendor", "0x1ac1"), ("device", "0x089a"), ("class", "0x0880ff"),
                           ("numa_node", numa), (f"apex/apex_{number}/status", "ALIVE")):
            self.write(f"sys/coming/{key}", f"{value}\n")
        os.rename(self.path("sys/coming"), self.path(here))

    def set_apex(self, address, number, status):
        self.write(f"sys/bus/pci/devices/{address}/apex/apex_{number}/status", status + "\n")

    # ---- the program ----

    def start(self, *arguments, environment=None):
        self.log = open(self.path("log"), "ab")
        self.process = subprocess.Popen(
            [self.program, "node", "--sysfs-root", self.root, "--host-root", self.root,
             "--kubelet", self.kubelet, "--cdi", self.cdi, "--interval", "20ms", *arguments],
            stderr=self.log, env={**os.environ, **(environment or {})})
        self.log.close()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LIMIT)

    def text(self):
        with open(self.path("log"), encoding="utf-8") as file:
            return file.read()

    def wait_log(self, part):
        wait(f"the log to say {part!r}", lambda: part in self.text())

    def cdi_spec(self, name):
        try:
            with open(os.path.join(self.cdi, f"millwright-{name}.json"), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None
