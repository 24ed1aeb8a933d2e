"""Debian's docker-registry on a free port of the loopback, in a folder of its own, gone with its
Registry; and a proxy before it that misbehaves on request."""
import atexit
import crypt
import http.client
import http.server
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "loop"))
from plant import check, wait  # noqa: E402

CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}
http: {{addr: "{address}"{tls}}}
{auth}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Registry:
    """`secure`: over TLS, for the user "mill" with the password "grist"; self.folder has ca.pem."""

    def __init__(self, secure=False):
        self.folder = tempfile.mkdtemp(prefix="mw-registry-")
        self.process = None
        self.secure = secure
        self.port = free_port()
        atexit.register(self.close)
        tls = auth = ""
        if secure:
            self.make_certificates()
            with open(self.path("users"), "w") as file:
                file.write("mill:" + crypt.crypt("grist", crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=32)) + "\n")
            tls = f", tls: {{certificate: {self.path('server.pem')}, key: {self.path('server.key')}}}"
            auth = f"auth: {{htpasswd: {{realm: mill, path: {self.path('users')}}}}}"
        with open(self.path("config.yml"), "w") as file:
            file.write(CONFIG.format(folder=self.folder, address=f"127.0.0.1:{self.port}", tls=tls,
                                     auth=auth))
        self.start()

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def url(self, name):
        return f"oci{'' if self.secure else '+http'}://127.0.0.1:{self.port}/{name}"

    def make_certificates(self):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=127.0.0.1", "-addext",
                        "subjectAltName=IP:127.0.0.1", "-days", "2", "-keyout", "server.key",
                        "-out", "server.pem"], cwd=self.folder, check=True, capture_output=True)
        shutil.copy(self.path("server.pem"), self.path("ca.pem"))

    def start(self):
        with open(self.path("log"), "ab") as log:
            self.process = subprocess.Popen(["docker-registry", "serve", self.path("config.yml")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def answers():
            check(self.process.poll() is None, "docker-registry has ended")
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                return False
            return True

        wait(answers, "docker-registry to listen")

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def get(self, path, accept="*/*"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/v2/{path}",
                                         headers={"Accept": accept})
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return answer.read()

    def blob_file(self, digest):
        hexes = digest.partition(":")[2]
        return self.path("data", "docker", "registry", "v2", "blobs", "sha256", hexes[:2], hexes,
                         "data")


class Proxy:
    """Passes requests on; `fault(method, path, times)` may give a status to answer instead, or
    "cut" to close the connection. `times` counts the requests of this method and path."""

    def __init__(self, registry, fault):
        self.seen = {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                key = (self.command, self.path.partition("?")[0])
                outer.seen[key] = outer.seen.get(key, 0) + 1
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                what = fault(*key, outer.seen[key])
                if what == "cut":
                    self.close_connection = True
                    self.connection.close()
                elif what:
                    self.answer(what, {}, b"not today")
                else:
                    self.forward(body)

            do_GET = do_HEAD = do_PUT = do_POST = handle_any

            def forward(self, body):
                link = http.client.HTTPConnection("127.0.0.1", registry.port, timeout=30)
                headers = {key: value for key, value in self.headers.items() if key != "Expect"}
                link.request(self.command, self.path, body, headers)
                answer = link.getresponse()
                self.answer(answer.status, dict(answer.getheaders()), answer.read())
                link.close()

            def answer(self, status, headers, body):
                self.send_response(status)
                for key, value in headers.items():
                    if key.lower() not in ("content-length", "transfer-encoding", "connection"):
                        self.send_header(key, value)
                length = len(body)
                if self.command == "HEAD":
                    length = headers.get("Content-Length", "0")
                self.send_header("Content-Length", str(length))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        atexit.register(self.server.shutdown)

    def url(self, name):
        return f"oci+http://127.0.0.1:{self.port}/{name}"
