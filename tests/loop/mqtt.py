"""As much of MQTT 3.1.1 as a test needs to send what no well-behaved thing would."""
import json
import socket
import struct
from urllib.parse import urlsplit


def text(value):
    data = value.encode()
    return struct.pack("!H", len(data)) + data


def packet(kind, body):
    size, n = b"", len(body)
    while True:
        size += bytes([n % 128 | (0x80 if n > 127 else 0)])
        n //= 128
        if n == 0:
            return bytes([kind]) + size + body


class Client:
    """Blocks; a broker that says nothing for 30 s is an error (socket.timeout)."""

    def __init__(self, broker, name="test"):
        url = urlsplit(broker["url"])
        self.socket = socket.create_connection((url.hostname, url.port or 1883), 30)
        self.id = 0
        self.heard = []  # (topic, payload) that came while something else was waited for
        user = broker.get("username", "")
        flags = 0x02 | (0xC0 if user else 0)
        body = text("MQTT") + bytes([4, flags]) + struct.pack("!H", 0) + text(name)
        if user:
            body += text(user) + text(broker["password"])
        self.socket.sendall(packet(0x10, body))
        kind, answer = self.read()
        if kind != 0x20 or answer[1] != 0:
            raise OSError(f"the broker refused: {answer!r}")

    def exactly(self, n):
        data = b""
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            if not more:
                raise OSError("the broker closed the connection")
            data += more
        return data

    def read(self):
        kind, size, shift = self.exactly(1)[0], 0, 0
        while True:
            byte = self.exactly(1)[0]
            size |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return kind, self.exactly(size)

    def until(self, kind):
        while True:
            got, body = self.read()
            if got & 0xF0 == 0x30:  # a message, QoS 0 or 1
                n = struct.unpack("!H", body[:2])[0]
                at = 2 + n
                if got & 0x06:
                    self.socket.sendall(packet(0x40, body[at:at + 2]))
                    at += 2
                self.heard.append((body[2:2 + n].decode(), body[at:]))
            if got & 0xF0 == kind:
                return body

    def publish(self, topic, payload):
        """QoS 1; returns once the broker has it."""
        if not isinstance(payload, (bytes, str)):
            payload = json.dumps(payload)
        if isinstance(payload, str):
            payload = payload.encode()
        self.id = self.id % 65535 + 1
        self.socket.sendall(packet(0x32, text(topic) + struct.pack("!H", self.id) + payload))
        self.until(0x40)

    def subscribe(self, topic):
        self.id = self.id % 65535 + 1
        self.socket.sendall(packet(0x82, struct.pack("!H", self.id) + text(topic) + b"\1"))
        self.until(0x90)

    def message(self):
        """The next message, (topic, payload)."""
        while not self.heard:
            self.until(0x30)
        return self.heard.pop(0)

    def close(self):
        self.socket.close()
