#!/usr/bin/env python3
"""make.py OUT.tar REFERENCE MILLWRIGHT ...: one small image for all roles, as an OCI archive.

MILLWRIGHT is a program, for amd64 or arm64; with several of them the image is for several
architectures. In it are the program, mosquitto, the libraries of both - those that are only loaded
at run time too -, the certificates of public authorities, and a user. No shell, no package manager.

It runs as user 65532 with a root that nobody writes to; /tmp and /var/lib/millwright, the working
directory, are places for volumes."""
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile

import oci

USER = "65532"
HOME = "/var/lib/millwright"
# Loaded by name when a plant asks for them, so that no program names them as needed.
AT_RUN_TIME = ("librdkafka.so.1", "libmodbus.so.5", "libiio.so.0")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
MOSQUITTO = ("/usr/sbin/mosquitto", "/usr/bin/mosquitto_passwd")

# What readelf calls the machine: the image's name of it, Debian's folder, its linker, its tools.
MACHINES = {
    "Advanced Micro Devices X86-64": ("amd64", "x86_64-linux-gnu", "/lib64/ld-linux-x86-64.so.2"),
    "AArch64": ("arm64", "aarch64-linux-gnu", "/lib/ld-linux-aarch64.so.1"),
}

TEXTS = {
    "etc/passwd": "root:x:0:0:root:/:/sbin/nologin\n"
                  f"millwright:x:{USER}:{USER}:millwright:{HOME}:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nmillwright:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def fail(text):
    sys.exit(f"make.py: {text}")


def read_elf(path, *words):
    done = subprocess.run(["readelf", "-W", *words, path], capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        fail(f"{path}: {done.stderr.strip()}")
    return done.stdout


def needed(path):
    """The libraries that a program or library names."""
    return re.findall(r"\(NEEDED\).*\[(.*)\]", read_elf(path, "-d"))


class Root:
    """The image's files, in a folder."""

    def __init__(self, folder, program):
        self.folder = folder
        machine = re.search(r"Machine:\s+(.*)", read_elf(program, "-h")).group(1)
        if machine not in MACHINES:
            fail(f"{program}: for {machine}, which there is no image for")
        self.architecture, self.triplet, self.linker = MACHINES[machine]
        self.done = set()
        for name in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "etc", "tmp", HOME[1:]):
            os.makedirs(self.path(name), exist_ok=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            os.symlink("usr/" + name, self.path(name))
        os.chmod(self.path("tmp"), 0o1777)
        os.chmod(self.path(HOME[1:]), 0o700)

    def path(self, name):
        return os.path.join(self.folder, name)

    def add_file(self, source, name, mode):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        shutil.copyfile(source, self.path(name))
        os.chmod(self.path(name), mode)

    def add_program(self, source, name):
        """With all that it needs, and without what only a debugger needs."""
        self.add_file(source, name, 0o755)
        strip = shutil.which(f"{self.triplet}-strip") or "strip"
        subprocess.run([strip, "--strip-unneeded", self.path(name)], check=True)
        for library in needed(source):
            self.add_library(library)

    def add_library(self, name):
        if name in self.done:
            return
        self.done.add(name)
        if name == os.path.basename(self.linker):
            self.add_file(os.path.realpath(self.find(name)), "usr" + self.linker, 0o755)
            return
        self.add_program(os.path.realpath(self.find(name)), f"usr/lib/{self.triplet}/{name}")

    def find(self, name):
        for folder in (f"/usr/lib/{self.triplet}", f"/lib/{self.triplet}",
                       f"/usr/{self.triplet}/lib"):
            if os.path.exists(os.path.join(folder, name)):
                return os.path.join(folder, name)
        fail(f"{name} for {self.architecture} is not installed")

    def find_program(self, path):
        """Debian has one program at a path; that of another architecture is unpacked beside."""
        if self.triplet not in self.foreign():
            return path
        return os.path.join(unpacked("mosquitto", self.architecture), path[1:])

    def foreign(self):
        native = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True,
                                check=True).stdout.strip()
        return () if native == self.architecture else (self.triplet,)


@functools.cache
def unpacked(package, architecture):
    """The files of a Debian package of another architecture, fetched once a run."""
    folder = tempfile.mkdtemp(prefix="mw-package-", dir=SCRATCH.name)
    subprocess.run(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root",
                    f"{package}:{architecture}"], cwd=folder,
                   check=True, stdout=subprocess.DEVNULL)
    archive, = os.listdir(folder)
    subprocess.run(["dpkg-deb", "-x", archive, "."], cwd=folder, check=True)
    return folder


def make_root(folder, program):
    root = Root(folder, program)
    root.add_program(program, "usr/bin/millwright")
    for path in MOSQUITTO:
        root.add_program(root.find_program(path), path[1:])
    for name in AT_RUN_TIME:
        root.add_library(name)
    root.add_file(CERTIFICATES, CERTIFICATES[1:], 0o644)
    for name, text in TEXTS.items():
        with open(root.path(name), "w") as file:
            file.write(text)
        os.chmod(root.path(name), 0o644)
    return root.architecture


def main(out, reference, *programs):
    config = {"User": f"{USER}:{USER}", "WorkingDir": HOME, "Entrypoint": ["/usr/bin/millwright"],
              "Cmd": ["--help"]}
    images = []
    os.umask(0o022)
    for number, program in enumerate(programs):
        folder = os.path.join(SCRATCH.name, str(number))
        architecture = make_root(folder, program)
        layer = oci.layer_of(folder, USER, (HOME,))
        images.append(oci.image(layer, architecture, config))
        print(f"{reference} for {architecture}: {len(layer) / 1e6:.1f} MB, "
              f"{len(images[-1][0][0]) / 1e6:.1f} MB packed")
    oci.write_archive(out, reference, images)
    print(out)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    SCRATCH = tempfile.TemporaryDirectory(prefix="mw-image-")
    main(*sys.argv[1:])
