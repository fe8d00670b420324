#!/usr/bin/env python3
"""How much thousands of open command streams cost the operations server, and how fast a command arrives through them.

usage: streams.py --meterbox-ops PATH [--boxes N] [--idle SECONDS] [--heartbeat SECONDS] [--push N] [--seed N]

Provisions N boxes (2000), posts a boot record for each, opens a stream of each, all held by one process. Measures the
server's memory before and after, its processor time during so many seconds (60) of idle heartbeats (every 30 s), and
how long a command takes from the operator's call to its arrival at 200 boxes chosen by the seed, one after the other.
Prints one JSON object. The server runs as in a test: plain HTTP on the loopback, database in the temporary folder."""
import argparse
import json
import random
import resource
import selectors
import socket
import sys
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import box  # noqa: E402
import ops  # noqa: E402

FILES_RESERVE = 200


class Peers:
    """The boxes' ends of the streams; one thread notes when a command has come in."""

    def __init__(self, server):
        self.server = server
        self.selector = selectors.DefaultSelector()
        self.sockets = {}
        self.got = {}  # name -> bytes since the last look
        self.arrived = {}  # name -> seconds of the monotonic clock
        self.heartbeats = 0
        self.lost = 0
        self.lock = threading.Condition()

    def open(self, name, token, heartbeat_s):
        peer = socket.create_connection(("127.0.0.1", self.server.port), timeout=box.PATIENCE_S)
        peer.sendall(f"GET /v1/boxes/{name}/commands?heartbeat_s={heartbeat_s} HTTP/1.1\r\nHost: ops\r\n"
                     f"Authorization: Bearer {token}\r\nAccept: text/event-stream\r\n\r\n".encode())
        got = b""
        while b": open\n\n" not in got:
            part = peer.recv(4096)
            if not part:
                raise SystemExit(f"{name}: the stream was not opened: {got!r}")
            got += part
        peer.setblocking(False)
        self.sockets[name] = peer
        self.got[name] = b""
        self.selector.register(peer, selectors.EVENT_READ, name)

    def listen(self):
        while True:
            for key, _ in self.selector.select():
                self.take(key.fileobj, key.data)

    def take(self, peer, name):
        try:
            part = peer.recv(65536)
        except OSError:
            part = b""
        now = time.monotonic()
        with self.lock:
            if not part:
                self.selector.unregister(peer)
                self.lost += 1
                return
            self.got[name] += part
            self.heartbeats += self.got[name].count(b": heartbeat\n\n")
            if b"event: command" in self.got[name] and self.got[name].endswith(b"\n\n\r\n"):
                self.arrived[name] = now
                self.lock.notify_all()
            if self.got[name].endswith(b"\n\n\r\n"):
                self.got[name] = b""

    def wait(self, name):
        with self.lock:
            if not self.lock.wait_for(lambda: name in self.arrived, box.PATIENCE_S):
                raise SystemExit(f"{name}: no command arrived")
            return self.arrived.pop(name)


def raise_files(count):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < count:
        if hard != resource.RLIM_INFINITY and hard < count:
            raise SystemExit(f"{count} open files are needed, and the hard limit is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def spread(values_s):
    values = sorted(values_s)
    at = lambda share: round(values[min(len(values) - 1, int(share * len(values)))] * 1000, 2)
    return {"count": len(values), "min_ms": at(0), "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99),
            "max_ms": at(1)}


def provision(server, count):
    connection = server.connect()
    tokens = {}
    for number in range(count):
        name = f"box-{number}"
        headers = {"Authorization": f"Bearer {ops.OPERATOR_TOKEN}", "Content-Type": "application/json"}
        connection.request("PUT", f"/v1/operator/boxes/{name}", b"{}", headers)
        tokens[name] = json.loads(connection.getresponse().read())["token"]
        records = ops.Records()
        body = json.dumps({"ledger": records.ledger, "records": records.texts, "progress": []}).encode()
        headers["Authorization"] = f"Bearer {tokens[name]}"
        connection.request("POST", f"/v1/boxes/{name}/records", body, headers)
        answer = connection.getresponse()
        if answer.status != 200 or json.loads(answer.read())["accepted_through"] != 1:
            raise SystemExit(f"{name}: its boot record was not accepted")
    connection.close()
    return tokens


def measure(server, arguments):
    tokens = provision(server, arguments.boxes)
    before_kib = server.rss_kib()
    peers = Peers(server)
    began = time.monotonic()
    for name, token in tokens.items():
        peers.open(name, token, arguments.heartbeat)
    opened_s = time.monotonic() - began
    after_kib = server.rss_kib()
    threading.Thread(target=peers.listen, daemon=True).start()
    cpu, began = server.cpu_s(), time.monotonic()
    time.sleep(arguments.idle)
    idle_s, idle_cpu_s = time.monotonic() - began, server.cpu_s() - cpu
    heartbeats = peers.heartbeats
    chosen = random.Random(arguments.seed).sample(sorted(tokens), min(arguments.push, len(tokens)))
    arrivals, cpu = [], server.cpu_s()
    for name in chosen:
        began = time.monotonic()
        server.send(name, type="unlock", outlet=1)
        arrivals.append(peers.wait(name) - began)
    return {"boxes": arguments.boxes, "streams": server.operator("GET", "server")["streams"], "lost": peers.lost,
            "threads": server.threads(), "open_all_s": round(opened_s, 2),
            "rss_before_kib": before_kib, "rss_after_kib": after_kib, "rss_end_kib": server.rss_kib(),
            "rss_per_stream_kib": round((after_kib - before_kib) / arguments.boxes, 2),
            "idle": {"seconds": round(idle_s, 1), "heartbeat_s": arguments.heartbeat, "heartbeats": heartbeats,
                     "cpu_s": round(idle_cpu_s, 2), "cpu_percent": round(100 * idle_cpu_s / idle_s, 2)},
            "command_arrival": {**spread(arrivals), "server_cpu_ms_each":
                                round(1000 * (server.cpu_s() - cpu) / len(arrivals), 2)},
            "database_bytes": Path(server.path("ops.db")).stat().st_size, "seed": arguments.seed}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--meterbox-ops", required=True)
    parser.add_argument("--boxes", type=int, default=2000)
    parser.add_argument("--idle", type=float, default=60.0)
    parser.add_argument("--heartbeat", type=int, default=30)
    parser.add_argument("--push", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args(namespace=box.arguments)
    raise_files(arguments.boxes + FILES_RESERVE)
    # A sixteenth of the connections is kept free of streams.
    server = ops.Ops("--max-connections", str(max(256, arguments.boxes * 5 // 4)), "--log-level", "warning")
    server.start()
    try:
        result = measure(server, arguments)
        result["stop_code"] = server.stop()
    finally:
        problems = server.close()
    print(json.dumps(result, indent=1))
    if problems:
        print("\n".join(problems + server.tails), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
