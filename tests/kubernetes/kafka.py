"""Apache Kafka as a pod: this machine's Java and the jars of tests/kafka in an image of their own."""
import functools
import os
import shutil
import sys
import tempfile

from kube import HERE, RESTRICTED, apply, cluster, get, skip, wait_ready

TESTS = os.path.join(HERE, "..")
sys.path.insert(0, os.path.join(TESTS, "kafka"))
sys.path.insert(0, os.path.join(TESTS, "..", "deploy", "image"))
from cluster import PROPERTIES, jars  # noqa: E402
import make  # noqa: E402

IMAGE = "millwright.local/kafka:test"
PORT = 9092
FOLDER = "/var/lib/kafka"
JAVA = ("/usr/java/bin/java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        "-Dlog4j2.configurationFile=file:/config/log4j2.properties", "-cp", "/usr/kafka/*")
ID = "4L6g3nShT-eMCtK--X86sw"  # any
LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""
# The pod is known by its service's address, and talks to itself by another.
LISTENERS = """\
listeners=PLAINTEXT://0.0.0.0:{port},INTERNAL://127.0.0.1:9094,CONTROLLER://127.0.0.1:9093
advertised.listeners=PLAINTEXT://{address}:{port},INTERNAL://127.0.0.1:9094,\
CONTROLLER://127.0.0.1:9093
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=INTERNAL
"""


def add_java(root, home):
    """The runtime with the libraries that it needs, without what only a developer does."""
    shutil.copytree(home, root.path("usr/java"), ignore_dangling_symlinks=True,
                    ignore=shutil.ignore_patterns("jmods", "src.zip", "include", "man", "demo",
                                                  "legal", "docs", "*.jsa", "*.debuginfo"))
    for folder, _, names in os.walk(root.path("usr/java")):
        for name in names:
            if ".so" not in name and name != "java":
                continue
            for library in make.needed(os.path.join(folder, name)):
                if not os.path.exists(os.path.join(home, "lib", library)) and \
                        not os.path.exists(os.path.join(home, "lib", "server", library)) and \
                        os.path.exists(f"/usr/lib/{root.triplet}/{library}"):
                    root.add_library(library)


@functools.cache
def make_image():
    """The image, on every node; once is enough."""
    java = shutil.which("java", path="/usr/bin") or shutil.which("java")
    if java is None or shutil.which("mvn") is None:
        skip("no Java or no Maven (openjdk-17-jre-headless, maven)")
    home = os.path.dirname(os.path.dirname(os.path.realpath(java)))
    with tempfile.TemporaryDirectory(prefix="mw-kafka-image-") as folder:
        root = make.Root(folder, os.path.join(home, "bin", "java"))
        add_java(root, home)
        shutil.copytree(jars(True), root.path("usr/kafka"))
        for name, text in make.TEXTS.items():
            with open(root.path(name), "w") as file:
                file.write(text)
            os.chmod(root.path(name), 0o644)
        cluster("image", folder, IMAGE, limit=300)


def container(name, *words, **more):
    mounts = [{"name": name, "mountPath": path} for name, path in
              (("data", FOLDER), ("tmp", "/tmp"), ("config", "/config"))]
    return {"name": name, "image": IMAGE, "imagePullPolicy": "IfNotPresent",
            "command": [*JAVA, *words], "volumeMounts": mounts,
            "securityContext": {**RESTRICTED, "runAsUser": 65532, "runAsGroup": 65532}, **more}


def settings(address):
    text = PROPERTIES.format(node=1, port=PORT, front=PORT, controller=9093, folder=FOLDER,
                             copies=1, insync=1, session=3000,
                             quorum="controller.quorum.bootstrap.servers=127.0.0.1:9093")
    kept = [line for line in text.splitlines() if not line.startswith(
        ("listeners=", "advertised.listeners=", "inter.broker.listener.name="))]
    return "\n".join(kept) + "\n" + LISTENERS.format(port=PORT, address=address)


def kafka(space, name="kafka"):
    """A broker in the namespace, ready; the URL of its service. There is no cluster DNS."""
    make_image()
    apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
           "spec": {"selector": {"app": name}, "ports": [{"port": PORT}]}}, namespace=space)
    address = get("service", name, space)["spec"]["clusterIP"]
    apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
           "data": {"server.properties": settings(address), "log4j2.properties": LOGGING}},
          {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}},
           "spec": {
               "terminationGracePeriodSeconds": 1, "enableServiceLinks": False,
               "securityContext": {"fsGroup": 65532},
               "volumes": [{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}},
                           {"name": "config", "configMap": {"name": name}}],
               "initContainers": [container("format", "kafka.tools.StorageTool", "format",
                                            "--standalone", "-t", ID, "-c",
                                            "/config/server.properties")],
               "containers": [container("kafka", "kafka.Kafka", "/config/server.properties",
                                        readinessProbe={"tcpSocket": {"port": PORT},
                                                        "periodSeconds": 1})]}},
          namespace=space)
    wait_ready(name, space, 180)
    return f"kafka://{address}:{PORT}"
