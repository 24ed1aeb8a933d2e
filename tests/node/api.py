"""What of a Kubernetes API server `millwright node` needs: a PATCH of its Node, over TLS."""
import json
import os
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from machine import wait

PREFIX = "millwright.dev/"


class Api:
    """Answers with `failures`, one status a request, before it takes what it is sent."""

    def __init__(self, account, failures=()):
        self.account, self.failures = account, list(failures)
        self.labels, self.requests = {}, []
        os.makedirs(account)
        key = os.path.join(account, "key.pem")
        ca = os.path.join(account, "ca.crt")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                        "-subj", "/CN=api", "-addext", "subjectAltName=IP:127.0.0.1",
                        "-keyout", key, "-out", ca], check=True, capture_output=True)
        for name, text in (("token", "secret\n"), ("namespace", "default")):
            with open(os.path.join(account, name), "w", encoding="ascii") as file:
                file.write(text)
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_PATCH(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status = api.take(self.path, dict(self.headers), body)
                text = json.dumps({"kind": "Status", "message": "not now", "code": status}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(ca, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1",
                            "KUBERNETES_SERVICE_PORT": str(self.server.server_port)}

    def take(self, path, headers, body):
        self.requests.append(("PATCH", path, headers, body))
        if self.failures:
            return self.failures.pop(0)
        for name, value in body["metadata"]["labels"].items():
            self.labels[name.removeprefix(PREFIX)] = value
        return 200

    def wait_label(self, name):
        return wait(f"label {name}", lambda: self.labels.get(name))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
