"""A real Apache Kafka on free ports of the loopback, in a folder of its own, gone with its Cluster.

The jars come from Maven Central as pom.xml pins them, once, into ~/.cache/millwright/kafka. By hand:
python3 cluster.py [NODES] starts one, says where it listens and ends it with Ctrl-C."""
import atexit
import ctypes
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 120  # seconds until it must answer; a few are usual
JAVA = ("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

LOGGING = """\
status = error
appender.file.type = File
appender.file.name = file
appender.file.fileName = {folder}/kafka.log
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d %p %c: %m%n
rootLogger.level = warn
rootLogger.appenderRef.file.ref = file
"""

# Small: few threads, few internal partitions. Durable as Kafka is by default.
PROPERTIES = """\
process.roles=broker,controller
node.id={node}
{quorum}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{front},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
default.replication.factor={copies}
min.insync.replicas={insync}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={copies}
transaction.state.log.num.partitions=4
transaction.state.log.min.isr={insync}
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={insync}
share.coordinator.state.topic.num.partitions=4
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
num.network.threads=2
num.io.threads=2
background.threads=2
log.cleaner.dedupe.buffer.size=2097152
broker.session.timeout.ms={session}
broker.heartbeat.interval.ms=500
controller.quorum.election.timeout.ms=500
controller.quorum.fetch.timeout.ms=1000
"""

# Two more listeners: a password over TLS, and certificates on both sides.
SECURE = """\
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},\
SASL_SSL://127.0.0.1:{sasl},SSL://127.0.0.1:{ssl}
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller},\
SASL_SSL://127.0.0.1:{sasl},SSL://127.0.0.1:{ssl}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL
ssl.keystore.type=PEM
ssl.keystore.location={folder}/server.pem
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
listener.name.ssl.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_mill="grist";
"""


def jars(fetch):
    """The folder with the jars of pom.xml; fetched when they are not there yet, or the test is
    skipped: `fetch` is for who was asked to bring a Kafka."""
    with open(os.path.join(HERE, "pom.xml"), "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:16]
    cache = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"),
                         "millwright", "kafka")
    folder = os.path.join(cache, digest)
    missing = [tool for tool in ("java", "kcat") if shutil.which(tool) is None]
    if not os.path.isdir(folder) and not fetch:
        missing.append(folder)
    if missing and not fetch:
        print(f"skipped: no Kafka is prepared ({', '.join(missing)}): make check-kafka does that",
              flush=True)
        sys.exit(77)
    if os.path.isdir(folder):
        return folder
    print(f"Fetching Apache Kafka from Maven Central into {cache}", flush=True)
    os.makedirs(cache, exist_ok=True)
    fresh = tempfile.mkdtemp(prefix="fresh-", dir=cache)
    shutil.copy(os.path.join(HERE, "pom.xml"), fresh)
    try:
        subprocess.run(["mvn", "-q", "-B", "dependency:copy-dependencies",
                        "-DincludeScope=runtime", "-DoutputDirectory=lib"], cwd=fresh, check=True)
        os.rename(os.path.join(fresh, "lib"), folder)  # whole, or not at all
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def free_ports(n):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def make_certificates(folder):
    """ca.pem, server.pem (key and certificate), client.pem and client.key."""
    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-subj", "/CN=test-ca", "-days", "2", "-keyout", "ca.key",
            "-out", "ca.pem")
    for name in ("server", "client"):
        openssl("req", *key, "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-copy_extensions", "copy", "-out", f"{name}.pem")
    with open(os.path.join(folder, "server.pem"), "a") as pem, \
            open(os.path.join(folder, "server.key")) as key_file:
        pem.write(key_file.read())


class Cluster:
    """Started when made. Every node is broker and controller. `secure`, for one node: it also
    listens at self.sasl and self.ssl, and self.path(0) has the certificates. `front`, for one node:
    the Front through which all come to it. `held_up`: the node keeps its partitions when it is
    stopped for a while (docs/protocol.md), but is not soon there again when it was killed. `fetch`:
    see jars."""

    def __init__(self, nodes=1, secure=False, front=None, held_up=False, fetch=False):
        self.folder = tempfile.mkdtemp(prefix="mw-kafka-")
        atexit.register(self.close)
        self.env = {**os.environ, "CLASSPATH": os.path.join(jars(fetch), "*")}
        ports = free_ports(2 * nodes)
        self.ports, controllers = ports[:nodes], ports[nodes:]
        self.nodes = [None] * nodes
        alone = nodes == 1
        voters = ",".join(f"{i + 1}@127.0.0.1:{port}" for i, port in enumerate(controllers))
        cluster_id = self.tool("random-uuid")
        for i in range(nodes):
            self.write(i, "log4j2.properties", LOGGING.format(folder=self.path(i)))
            self.write(i, "server.properties", PROPERTIES.format(
                node=i + 1, port=self.ports[i], front=self.ports[i] if front is None else front.port,
                controller=controllers[i], folder=self.path(i),
                copies=min(nodes, 3), insync=min(nodes, 2),
                session=3600000 if held_up else 3000,
                quorum=f"controller.quorum.bootstrap.servers=127.0.0.1:{controllers[0]}" if alone
                else f"controller.quorum.voters={voters}"))
            self.tool("format", *(["--standalone"] if alone else []), "-t", cluster_id,
                      "-c", self.path(i, "server.properties"))
        if secure:
            self.sasl, self.ssl = free_ports(2)
            make_certificates(self.path(0))
            with open(self.path(0, "server.properties"), "a") as file:
                file.write(SECURE.format(port=self.ports[0], controller=controllers[0],
                                         sasl=self.sasl, ssl=self.ssl, folder=self.path(0)))
        if front is not None:
            front.target, self.ports[0] = self.ports[0], front.port
        for i in range(nodes):
            self.start(i)
        for i in range(nodes):
            self.wait(i)
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in self.ports)

    def path(self, node, *parts):
        return os.path.join(self.folder, f"node-{node + 1}", *parts)

    def write(self, node, name, text):
        os.makedirs(self.path(node), exist_ok=True)
        with open(self.path(node, name), "w") as file:
            file.write(text)

    def tool(self, *words):
        done = subprocess.run([*JAVA, "kafka.tools.StorageTool", *words], env=self.env,
                              capture_output=True, check=True)
        return done.stdout.decode().split()[-1]

    def start(self, node):
        logging = f"-Dlog4j2.configurationFile=file:{self.path(node, 'log4j2.properties')}"
        with open(self.path(node, "out"), "ab") as out:
            self.nodes[node] = subprocess.Popen(
                [*JAVA, "-Xms64m", "-Xmx192m", logging, "kafka.Kafka",
                 self.path(node, "server.properties")],
                env=self.env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                preexec_fn=die_with_parent)

    def wait(self, node):
        """Until the node answers, and knows of itself."""
        end = time.monotonic() + LIMIT
        address = f"127.0.0.1:{self.ports[node]}"
        while True:
            done = subprocess.run(["kcat", "-b", address, "-L", "-m", "2"], capture_output=True)
            if done.returncode == 0 and f"at {address}".encode() in done.stdout:
                return
            if self.nodes[node].poll() is not None or time.monotonic() > end:
                said = ""
                for name in ("out", "kafka.log"):
                    if os.path.exists(self.path(node, name)):
                        with open(self.path(node, name), errors="replace") as file:
                            said += file.read()[-4000:]
                sys.exit(f"Kafka's node {node + 1} does not answer:\n{said}")
            time.sleep(0.1)

    def kill(self, node):
        self.nodes[node].kill()
        self.nodes[node].wait()

    def close(self):
        for node in self.nodes if hasattr(self, "nodes") else ():
            if node is not None and node.poll() is None:
                node.kill()
                node.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    cluster = Cluster(int(sys.argv[1]) if len(sys.argv) > 1 else 1, fetch=True)
    print(f"kafka://{cluster.bootstrap}", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        pass
