"""Stands before a Kafka, and keeps a request on its way until the one behind it has got ahead of it."""
import socket
import struct
import threading

PRODUCE, END_TXN = 0, 26


def read_exactly(link, n):
    data = b""
    while len(data) < n:
        piece = link.recv(n - len(data))
        if not piece:
            raise ConnectionError
        data += piece
    return data


def read_frame(link):
    size = read_exactly(link, 4)
    return size + read_exactly(link, struct.unpack(">i", size)[0])


def read_header(frame):
    """Key, number and client of a request (header version 1 and later)."""
    key, _, number, length = struct.unpack(">hhih", frame[4:14])
    return key, number, frame[14:14 + max(length, 0)].decode()


class Front:
    """Every connection to self.port goes on to self.target, both on the loopback.

    detain(client): the next EndTxn of that client is held back, as in the buffers of a broker that
    was stopped. The client asks again when its time is over - or, with `cut`, at once, because its
    connection has gone - and is answered. Once Kafka has answered a Produce of the next transaction,
    the first request goes to it, too; only then does the client hear of its Produce. self.over is set behind that, and self.said is what Kafka
    answered the late one (an error code of the protocol)."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self.target = None
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.client = self.held = self.produced = self.said = None
        self.asked = self.cut = False
        self.spawn(self.accept)

    @staticmethod
    def spawn(function, *arguments):
        threading.Thread(target=function, args=arguments, daemon=True).start()

    def detain(self, client, cut=False):
        with self.lock:
            self.over.clear()
            self.held = self.produced = self.said = None
            self.asked = False
            self.client, self.cut = client, cut

    def accept(self):
        while True:
            near, _ = self.server.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            for link in (near, far):
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.spawn(self.ask, near, far)
            self.spawn(self.answer, near, far)

    def keeps(self, far, frame):
        """Whether the request is the one to hold back."""
        key, number, client = read_header(frame)
        with self.lock:
            if client != self.client:
                return False
            if key == END_TXN and self.held is None:
                self.held = (far, number, frame)
                return True
            self.asked |= key == END_TXN
            if key == PRODUCE and self.asked and self.produced is None:
                self.produced = (far, number)
        return False

    def ask(self, near, far):
        try:
            while True:
                frame = read_frame(near)
                if not self.keeps(far, frame):
                    far.sendall(frame)
                elif self.cut:
                    near.shutdown(socket.SHUT_RDWR)
        except OSError:
            with self.lock:
                held = self.held is not None and self.held[0] is far
            if not held:  # else the connection is Kafka's to end
                far.close()

    def answer(self, near, far):
        try:
            while True:
                frame = read_frame(far)
                number, = struct.unpack(">i", frame[4:8])
                with self.lock:
                    late = self.held is not None and self.held[:2] == (far, number)
                    first = self.produced == (far, number) and not self.over.is_set()
                if late:  # behind the number: the time that Kafka had us wait, and the error
                    self.said, = struct.unpack(">h", frame[-2:] if len(frame) == 14 else frame[13:15])
                    self.over.set()
                    continue
                if first:
                    self.held[0].sendall(self.held[2])
                    self.over.wait(30)
                near.sendall(frame)
        except OSError:
            near.close()
