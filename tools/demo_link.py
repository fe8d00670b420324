"""The link between a box and its server, as something that can be cut: a relay of TCP connections on loopback. Python's
standard library only."""
import contextlib
import socket
import threading

CHUNK = 65536
BACKLOG = 16
TRIES = 100


def drop(end):
    """Also while another thread reads or writes it."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def bound_by_number():
    """A port stays ours while we do not listen only when it was asked for by its number."""
    for _ in range(TRIES):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            address = probe.getsockname()
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            return listener
        except OSError:  # somebody was faster
            listener.close()
    raise OSError("no free port")


class Link:
    """Listens on a port of its own, `port`, and passes on what comes. While it is cut nobody is let in."""

    def __init__(self, upstream_port):
        self.upstream_port = upstream_port
        self.lock = threading.Lock()
        self.ends = set()
        self.is_cut = False
        self.over = threading.Event()
        self.mended = threading.Event()
        self.mended.set()
        self.listener = bound_by_number()
        self.listener.listen(BACKLOG)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def cut(self):
        """Drops all connections, and refuses new ones; the port stays ours."""
        with self.lock:
            self.is_cut = True
            self.mended.clear()
            with contextlib.suppress(OSError):  # it does not listen already
                self.listener.shutdown(socket.SHUT_RD)
            ends, self.ends = self.ends, set()
        for end in ends:
            drop(end)

    def mend(self):
        with self.lock:
            self.is_cut = False
            self.listener.listen(BACKLOG)
            self.mended.set()

    def close(self):
        self.over.set()
        self.cut()
        self.mended.set()
        self.listener.close()

    def accept(self):
        while not self.over.is_set():
            self.mended.wait()
            try:
                client = self.listener.accept()[0]
            except OSError:
                continue  # cut or closed, or gone before it was accepted
            self.join(client)

    def join(self, client):
        try:
            server = socket.create_connection(("127.0.0.1", self.upstream_port))
        except OSError:
            client.close()
            return
        with self.lock:
            if not self.is_cut:
                self.ends |= {client, server}
                pumps = [threading.Thread(target=self.pump, args=way, daemon=True)
                         for way in ((client, server), (server, client))]
                for pump in pumps:
                    pump.start()
                return
        drop(client)
        drop(server)

    def pump(self, source, sink):
        """One direction; the end of either is the end of both."""
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                sink.sendall(data)
        with self.lock:
            self.ends -= {source, sink}
        drop(source)
        drop(sink)
