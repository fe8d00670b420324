#!/usr/bin/env python3
"""The box and a server that may be anything: sane, absent, silent, broken, hostile, or somebody else. Whatever it is, the box
goes on, and recovers by itself when a sane one is there again.

usage: test_uplink.py --meterboxd PATH --boxsim PATH --meterboxctl PATH [unittest's arguments]
"""
import base64
import email.utils
import gzip
import hashlib
import json
import os
import random
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
import box  # noqa: E402
from box import wait_for  # noqa: E402

TOKEN = "token-of-box-1-0123456789"
HEARTBEAT_S = 10  # the least that the box may ask for
LATER = "2099-12-31T23:59:59.000Z"
FLOOD = b"x" * 65536


class Request:
    def __init__(self, method, target, fields, body):
        self.method, self.target, self.fields, self.body = method, target, fields, body


class Connection(threading.Thread):
    """One connection: requests are read as they are, answers are written as a test wants them."""

    def __init__(self, server, sock):
        super().__init__(daemon=True)
        self.server, self.socket, self.buffer = server, sock, b""
        self.ended = threading.Event()

    def run(self):
        try:
            if self.server.tls:
                self.socket = self.server.tls.wrap_socket(self.socket, server_side=True)
            while not self.ended.is_set() and (request := self.read_request()):
                self.server.serve(self, request)
        except (OSError, ValueError):
            pass  # it went away; what that means is the test's affair
        finally:
            self.close()

    def fill(self):
        got = self.socket.recv(65536)
        self.buffer += got
        return got

    def read_request(self):
        while b"\r\n\r\n" not in self.buffer:
            if not self.fill():
                return None
            if self.buffer[0] == 0x16:  # TLS, to a server that has none
                self.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                return None
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        first, *lines = head.decode("ascii").split("\r\n")
        method, target, version = first.split(" ")
        if version != "HTTP/1.1":
            raise ValueError(version)
        fields = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
        length = int(fields.get("content-length", 0))
        while len(self.buffer) < length:
            if not self.fill():
                return None
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Request(method, target, fields, body)

    def send(self, data):
        self.socket.sendall(data)

    def answer(self, status, body=b"", kind="application/json", **fields):
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        head = [f"HTTP/1.1 {status} Word", "Date: " + self.server.date(), f"Content-Length: {len(body)}",
                f"Content-Type: {kind}"] + [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        self.send("\r\n".join(head).encode() + b"\r\n\r\n" + body)

    def flood(self, data):
        """Until the other side has had enough."""
        while not self.ended.is_set():
            self.send(data)

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.ended.set()
        for end in (lambda: self.socket.shutdown(socket.SHUT_RDWR), self.socket.close):
            try:
                end()
            except OSError:
                pass


class Server:
    """A sane operations server for one box, until a test gives it other manners."""

    def __init__(self, tls=None):
        self.tls = tls
        self.token = TOKEN
        self.restored = False  # records may come that do not follow
        self.lock = threading.Condition()
        self.ledger, self.records, self.progress = None, [], {}
        self.posts, self.opened, self.wrong = 0, [], []
        self.commands = {}  # seq: data
        self.stream = None
        self.connections = []
        self.on_records, self.on_commands = self.take_records, self.send_commands
        self.date = lambda: email.utils.formatdate(usegmt=True)
        self.listener = None
        self.port = 0
        self.listen()

    def listen(self):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", self.port))
        self.listener.listen(64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, args=(self.listener,), daemon=True).start()

    def accept(self, listener):
        while True:
            try:
                connection = Connection(self, listener.accept()[0])
            except OSError:
                return
            self.connections.append(connection)
            connection.start()

    def close(self):
        """Nobody listens any more, and nobody speaks."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.end_connections()

    def end_connections(self):
        for connection in self.connections:
            connection.close()
        with self.lock:
            self.lock.notify_all()

    def url(self, host="127.0.0.1"):
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def serve(self, connection, request):
        path, _, query = request.target.partition("?")
        if request.fields.get("authorization") != f"Bearer {self.token}":
            connection.answer(401, {"error": {"code": "unauthorized", "message": "no such token"}})
        elif (request.method, path) == ("POST", "/v1/boxes/box-1/records"):
            self.posts += 1
            self.on_records(connection, request)
        elif (request.method, path, query) == ("GET", "/v1/boxes/box-1/commands", f"heartbeat_s={HEARTBEAT_S}"):
            self.opened.append(int(request.fields["last-event-id"]))
            self.on_commands(connection, request)
        else:
            self.wrong.append(f"{request.method} {request.target}")
            connection.answer(404, {"error": {"code": "not_found", "message": "no such call"}})

    # ---- sane ----

    def read_batch(self, request):
        if request.fields["content-encoding"] != "gzip" or request.fields["content-type"] != "application/json":
            self.wrong.append(f"not gzip of JSON: {request.fields}")
        return json.loads(gzip.decompress(request.body))

    def take_records(self, connection, request):
        batch = self.read_batch(request)
        with self.lock:
            if self.ledger is None:
                self.ledger = batch["ledger"]
            if self.ledger != batch["ledger"]:
                self.wrong.append("another ledger")
            for body in batch["records"]:
                self.take_record(body)
            if batch["newest"] < len(self.records):
                self.wrong.append(f"newest is {batch['newest']}, below {len(self.records)}")
            for progress in batch["progress"]:
                self.progress[progress["outlet"]] = progress
            through = len(self.records)
        connection.answer(200, {"accepted_through": through, "refused": []})

    def take_record(self, body):
        """In order, without gaps, chained; what comes again is the same."""
        record = json.loads(body)
        seq = record["seq"]
        if seq <= len(self.records):
            if self.records[seq - 1] != body:
                self.wrong.append(f"record {seq} differs")
            return
        if self.restored and seq > len(self.records) + 1:
            return
        before = self.records[-1] if self.records else self.ledger
        if seq != len(self.records) + 1 or record["prev"] != hashlib.sha256(before.encode()).hexdigest():
            self.wrong.append(f"record {seq} does not follow")
            return
        self.records.append(body)

    def open_stream(self, connection):
        with self.lock:
            if self.stream:
                self.stream.close()
            self.stream = connection
            self.lock.notify_all()
        connection.send(b"HTTP/1.1 200 OK\r\nDate: " + self.date().encode() +
                        b"\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n: open\n\n")

    def send_commands(self, connection, request):
        self.open_stream(connection)
        sent = int(request.fields["last-event-id"])
        while not connection.ended.is_set():
            with self.lock:
                if not (new := [seq for seq in sorted(self.commands) if seq > sent]):
                    self.lock.wait(HEARTBEAT_S / 4)
            if not new:
                connection.send(b": heartbeat\n\n")
            for seq in new:
                connection.send(self.event(seq))
                sent = seq

    def event(self, seq):
        return f"id: {seq}\nevent: command\ndata: {self.commands[seq]}\n\n".encode()

    def command(self, seq, data):
        with self.lock:
            self.commands[seq] = data
            self.lock.notify_all()


def ident(number):
    return f"command-{number}"


class Uplink(box.E2eTest):
    """What every test here needs."""

    def server(self, **options):
        server = Server(**options)
        self.addCleanup(server.close)
        return server

    def config(self, world, server, url=None, **keys):
        token = Path(world.folder, "token")
        token.write_text(TOKEN + "\n")
        token.chmod(0o640)
        keys = {"url": url or server.url(), "token_file": token, "heartbeat_s": HEARTBEAT_S, "backoff_min_ms": 100,
                "backoff_max_ms": 1000, "post_timeout_ms": 3000, "progress_ms": 500, **keys}
        return "\n".join(["[server]"] + [f"{key} = {value}" for key, value in keys.items() if value is not None]) + "\n"

    def linked(self, server, start=True, box_keys=(), insecure=True, keys=(), **options):
        """A world whose box has this server."""
        more = {"insecure_commands": "yes"} if insecure else {}
        world = self.world(start=False, box={"local_sessions": "no", **more, **dict(box_keys)}, **options)
        world.write_config(more=self.config(world, server, **dict(keys)))
        if start:
            world.start()
        return world

    def link(self, world):
        return world.status()["server"]

    def await_link(self, world, what, condition):
        last = {}
        def look():
            last.update(self.link(world))
            return condition(last) and dict(last)
        return wait_for(lambda: f"the link shall be {what}, but it is {last}", look)

    def await_reason(self, world, reason):
        return self.await_link(world, reason, lambda s: s["state"] == "failing" and s["reason"] == reason)

    def await_sane(self, world, server):
        """Everything has arrived, and commands can come."""
        self.await_link(world, "connected", lambda s: s["state"] == "connected" and s["stream"] and s["waiting"] == 0)
        ledger = world.ledger()
        wait_for("every record", lambda: len(server.records) >= len(ledger.bodies))
        self.assertEqual(server.records[:len(ledger.bodies)], ledger.bodies)
        self.assertEqual(server.ledger, ledger.id)
        self.assertEqual(server.wrong, [])

    def make_record(self, world):
        """Something that the server must be told of."""
        world.control.do(type="reserve", outlet=1, account="someone", hold_ms=60000)
        world.control.do(type="release", outlet=1)

    def plain(self, world, seq, kind, outlet=1, **more):
        return json.dumps({"box": "box-1", "ledger": world.ledger().id, "id": ident(seq), "seq": seq, "not_after": LATER,
                           "type": kind, "outlet": outlet, "actor": "operator", "name": "olga", **more})

    def await_result(self, world, seq, outcome="done"):
        wait_for(f"command {seq} shall be {outcome}", lambda: self.count_results(world, seq, outcome) > 0)

    def count_results(self, world, seq, outcome="done"):
        return sum((r["id"], r["outcome"]) == (ident(seq), outcome) for r in world.ledger().commands())


class Sane(Uplink):
    """The ordinary days."""

    def test_records_and_commands(self):
        server = self.server()
        world = self.linked(server)
        self.await_sane(world, server)
        self.assertEqual(server.opened, [0])
        self.make_record(world)
        self.await_sane(world, server)
        self.assertEqual(sorted(server.progress), [1, 2])
        server.command(1, self.plain(world, 1, "reserve", account="someone", hold_ms=600000))
        self.await_result(world, 1)
        self.assertEqual(world.state_of(1), "reserved")
        self.await_sane(world, server)

    def test_the_stream_breaks(self):
        """It is resumed behind the last command that was decided; what comes again acts once."""
        server = self.server()
        world = self.linked(server)
        self.await_sane(world, server)
        server.command(1, self.plain(world, 1, "out_of_service", outlet=2, out=True))
        self.await_result(world, 1)
        server.stream.close()
        wait_for("another stream", lambda: len(server.opened) == 2)
        self.assertEqual(server.opened[-1], 1)
        def all_again(connection, request):
            request.fields["last-event-id"] = "0"
            server.send_commands(connection, request)
        server.on_commands = all_again
        server.command(2, self.plain(world, 2, "out_of_service", outlet=2, out=False))
        self.await_result(world, 2)
        server.stream.close()
        self.await_result(world, 1, "out_of_order")
        self.assertEqual([self.count_results(world, seq) for seq in (1, 2)], [1, 1])
        self.await_sane(world, server)
        self.assertEqual(server.opened[-1], 2)
        self.assertFalse(world.status(2)["out_of_service"])

    def test_a_sale(self):
        """All of it from afar: a server that prices hears of the energy while it flows."""
        server = self.server()
        world = self.linked(server)
        self.await_sane(world, server)
        world.boxsim.do("plug 1 7000")
        grant = box.authorize(1, "o1", 10 ** 9, mode="remote", lease_ms=600000)["grant"]
        server.command(1, self.plain(world, 1, "authorize", grant=grant))
        world.await_state(1, "ready")
        server.command(2, self.plain(world, 2, "start", order="o1"))
        world.await_supply(1)
        wait_for("energy", lambda: server.progress[1]["order"] == "o1" and server.progress[1]["energy_mwh"] > 0)
        server.command(3, self.plain(world, 3, "stop", order="o1"))
        world.await_state(1, "finishing")
        server.command(4, self.plain(world, 4, "departed", order="o1"))
        world.await_state(1, "available")
        self.await_sane(world, server)
        ended = [json.loads(body) for body in server.records if '"kind":"ended"' in body]
        self.assertEqual([(r["order"], r["receipt"]["reason"]) for r in ended], [("o1", "operator")])
        self.assert_sound(world.ledger())

    def test_many_records(self):
        """More than a batch holds, to a server that wants smaller ones still."""
        server = self.server()
        world = self.linked(server)
        self.await_sane(world, server)
        server.close()
        while self.link(world)["waiting"] < 520:
            self.make_record(world)
        sizes, newest = [], []
        def small(connection, request):
            batch = server.read_batch(request)
            sizes.append(len(batch["records"]))
            newest.append(batch["newest"])
            if sizes[-1] > 60:
                connection.answer(413, {"error": {"code": "too_large", "message": "at most 60"}})
            else:
                server.take_records(connection, request)
        server.on_records = small
        server.listen()
        self.await_sane(world, server)
        self.assertGreater(max(sizes), 60)
        self.assertGreaterEqual(min(newest), 520)  # also where the batch holds fewer

    def test_restarts(self):
        """Of the box and of the server, each while the other is away."""
        server = self.server()
        world = self.linked(server)
        self.await_sane(world, server)
        server.close()
        self.make_record(world)
        self.await_reason(world, "unreachable")
        world.daemon.kill()
        world.disconnect()
        world.connect()
        self.make_record(world)
        self.await_reason(world, "unreachable")
        server.listen()
        self.await_sane(world, server)
        self.assertEqual(sum(json.loads(body)["kind"] == "boot" for body in server.records), 2)

    def test_the_end_waits_for_nobody(self):
        server = self.server()
        world = self.linked(server)
        self.await_sane(world, server)
        server.on_records = lambda connection, request: connection.ended.wait()
        before = server.posts
        self.make_record(world)
        wait_for("a POST that is under way", lambda: server.posts > before)
        self.assertEqual(world.daemon.stop(), 0)

    def test_the_tool(self):
        server = self.server()
        world = self.linked(server)
        self.await_sane(world, server)
        self.assertIn(f"server {server.url()}: connected", self.tool(world, "status"))
        server.on_records = lambda connection, request: connection.answer(200, b"<html>", "text/html")
        self.make_record(world)
        self.await_reason(world, "captive_portal")
        told = self.tool(world, "status")
        self.assertIn("FAILING (captive_portal)", told)
        self.assertIn("log this box in to the network", told)
        findings = json.loads(self.tool(world, "doctor", "--json", code=1))
        finding = next(f for f in findings if f["subject"] == "server")
        self.assertEqual(finding["severity"], "warning")
        self.assertIn("captive_portal", finding["finding"])
        self.assertEqual(json.loads(self.tool(world, "status", "--json"))["server"]["reason"], "captive_portal")

    def tool(self, world, *words, code=0):
        done = subprocess.run([box.arguments.meterboxctl, "--socket", world.path("control"), *words],
                              capture_output=True, text=True, timeout=box.PATIENCE_S)
        self.assertEqual(done.returncode, code, done)
        return done.stdout


class Token(Uplink):
    def test_missing_open_to_all_and_wrong(self):
        server = self.server()
        world = self.linked(server, start=False)
        token = Path(world.folder, "token")
        token.unlink()
        world.start()
        world.await_log("token_refused", text="No such file")
        self.assertIn("No such file", self.await_reason(world, "no_token")["detail"])
        token.write_text(TOKEN + "\n")
        token.chmod(0o644)
        wait_for("why", lambda: "chmod o=" in self.link(world)["detail"])
        self.assertEqual(server.posts, 0)
        token.chmod(0o600)
        self.await_sane(world, server)
        token.write_text("token-of-somebody-else-1\n")
        world.daemon.send(box.signal.SIGHUP)
        world.await_log("reloaded")
        self.make_record(world)
        self.assertIn("401, unauthorized: no such token", self.await_reason(world, "refused")["detail"])
        token.write_text(TOKEN)
        world.daemon.send(box.signal.SIGHUP)
        self.await_sane(world, server)
        token.chmod(0o644)
        world.daemon.send(box.signal.SIGHUP)
        world.await_log("token_refused", text="chmod o=")
        self.make_record(world)
        self.await_sane(world, server)  # what may not be used changes nothing
        self.assertNotIn(TOKEN, world.daemon.text())

    def test_rotated(self):
        """The old one is void; the new one counts as soon as it is in the file."""
        server = self.server()
        world = self.linked(server)
        self.await_sane(world, server)
        server.token = "another-token-of-box-1"
        server.end_connections()
        self.make_record(world)
        self.await_reason(world, "refused")
        Path(world.folder, "token").write_text(server.token)
        self.await_sane(world, server)

    def test_no_line_of_text(self):
        server = self.server()
        world = self.linked(server, start=False)
        token = Path(world.folder, "token")
        for text in ("", "\n", "a b", "x" * 129, "tok\x01en", "t\u00f6ken"):
            token.write_text(text)
            if not world.daemon.process:
                world.start()
            self.await_reason(world, "no_token")
        self.assertEqual((server.posts, server.opened), (0, []))
        token.write_text(TOKEN)
        self.await_sane(world, server)


def error(status, code, **fields):
    def answer(connection, request):
        connection.answer(status, {"error": {"code": code, "message": f"so \x1b[2J it is"}}, **fields)
    return answer


def head(connection, kind="application/json", status="200 OK"):
    connection.send(f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n".encode())


def portal(connection, request):
    connection.answer(200, b"<html>Please log in</html>", "text/html; charset=utf-8")


def redirect(connection, request):
    connection.answer(302, b"", "text/html", Location=connection.server.url() + "/portal")


def mute(connection, request):
    connection.ended.wait()


def reset(connection, request):
    connection.reset()


def hang_up(connection, request):
    connection.close()


def no_http(connection, request):
    connection.send(b"SSH-2.0-OpenSSH_9.2p1\r\n")
    connection.close()


def old_http(connection, request):
    connection.send(b"<html>Please log in</html>")
    connection.close()


def endless_fields(connection, request):
    head(connection)
    connection.flood(b"X-Field: value\r\n" * 100)


def endless_field(connection, request):
    head(connection)
    connection.send(b"X-Field: ")
    connection.flood(FLOOD)


def endless_interim(connection, request):
    connection.flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


def endless_body(connection, request):
    head(connection)
    connection.send(b"\r\n")
    connection.flood(FLOOD)


def endless_chunks(connection, request):
    head(connection)
    connection.send(b"Transfer-Encoding: chunked\r\n\r\n")
    connection.flood(b"1\r\n{\r\n" * 1000)


def endless_error(connection, request):
    head(connection, "text/plain", "500 Oh")
    connection.send(b"\r\n")
    connection.flood(FLOOD)


def endless_page(connection, request):
    head(connection, "text/html")
    connection.send(b"\r\n")
    connection.flood(FLOOD)


def dribble(connection, request):
    head(connection)
    connection.send(b"Content-Length: 1000000\r\n\r\n")
    while not connection.ended.wait(0.2):
        connection.send(b" ")


def says(body):
    return lambda connection, request: connection.answer(200, body)


POST_MANNERS = (  # what the server does with records, and what the box says of it
    ("portal", portal, "captive_portal"), ("redirect", redirect, "captive_portal"),
    ("endless fields", endless_fields, "too_long"), ("endless field", endless_field, "too_long"),
    ("endless interim", endless_interim, "too_long"), ("endless body", endless_body, "too_long"),
    ("endless chunks", endless_chunks, "too_long"), ("endless error", endless_error, "server_error"),
    ("endless page", endless_page, "captive_portal"),
    ("bad request", error(400, "bad_request"), "refused"), ("unauthorized", error(401, "unauthorized"), "refused"),
    ("forbidden", error(403, "forbidden"), "refused"), ("not found", error(404, "not_found"), "refused"),
    ("conflict", error(409, "old_ledger"), "refused"), ("too large", error(413, "too_large"), "refused"),
    ("too many", error(429, "too_many_streams", Retry_After="1"), "refused"),
    ("internal", error(500, "internal"), "server_error"),
    ("unavailable", error(503, "unavailable", Retry_After="1"), "server_error"),
    ("no words", lambda connection, request: connection.answer(502, b"\xff" * 3000, "text/html"), "server_error"),
    ("reset", reset, "broken"), ("hang up", hang_up, "broken"), ("no HTTP", no_http, "broken"),
    ("old HTTP", old_http, "broken"),
    ("empty", says(b""), "unreadable"), ("half", says(b'{"accepted_through":'), "unreadable"),
    ("array", says(b"[1]"), "unreadable"), ("deep", says(b"[" * 60000), "unreadable"),
    ("nothing said", says({}), "unreadable"), ("no number", says({"accepted_through": "9", "refused": []}), "unreadable"),
    ("below", says({"accepted_through": -1, "refused": []}), "unreadable"),
    ("not whole", says({"accepted_through": 1.5, "refused": []}), "unreadable"),
    ("too great", says({"accepted_through": 2 ** 60, "refused": []}), "unreadable"),
    ("backwards", says({"accepted_through": 0, "refused": []}), "not_accepted"),
    ("mute", mute, "timed_out"), ("dribble", dribble, "timed_out"),
)


def stream_head(connection):
    head(connection, "text/event-stream")
    connection.send(b"\r\n")


def open_and(data):
    def answer(connection, request):
        stream_head(connection)
        connection.flood(data)
    return answer


def open_and_end(connection, request):
    stream_head(connection)
    connection.close()


STREAM_MANNERS = (
    ("portal", portal, "captive_portal"), ("redirect", redirect, "captive_portal"),
    ("endless page", endless_page, "captive_portal"),
    ("endless fields", endless_fields, "too_long"), ("endless field", endless_field, "too_long"),
    ("endless error", endless_error, "server_error"), ("too many", error(429, "too_many_streams", Retry_After="1"), "refused"),
    ("forbidden", error(403, "forbidden"), "refused"), ("unavailable", error(503, "unavailable"), "server_error"),
    ("endless line", open_and(b"data:" + FLOOD), "too_long"),
    ("endless comment", open_and(b":" + FLOOD), "too_long"),
    ("endless event", open_and(b"data: x\n" * 1000), "too_long"),
    ("reset", reset, "broken"), ("no HTTP", no_http, "broken"), ("ends", open_and_end, "closed"),
)


class Manners(Uplink):
    """Each of them with the same box, one after the other: it says what is wrong, goes on, and recovers by itself."""

    def go_on(self, world, server):
        """What people do at the box works as ever."""
        self.make_record(world)
        self.assertEqual(world.state_of(1), "available")
        self.assertEqual(world.state_of(2), "available")

    def test_records(self):
        server = self.server()
        world = self.linked(server)
        for name, manner, reason in POST_MANNERS:
            with self.subTest(name):
                self.await_sane(world, server)
                server.on_records = manner
                self.go_on(world, server)
                told = self.await_reason(world, reason)
                self.go_on(world, server)
                self.assertTrue(told["detail"].isascii() and told["detail"].isprintable(), told)
                server.on_records = server.take_records
        self.await_sane(world, server)
        self.assertEqual(world.daemon.codes, [])

    def test_commands(self):
        server = self.server()
        world = self.linked(server)
        for number, (name, manner, reason) in enumerate(STREAM_MANNERS, 1):
            with self.subTest(name):
                self.await_sane(world, server)
                server.on_commands = manner
                server.stream.close()
                self.await_reason(world, reason)
                self.go_on(world, server)
                server.on_commands = server.send_commands
                self.await_sane(world, server)
                server.command(number, self.plain(world, number, "out_of_service", out=False))
                self.await_result(world, number)
        self.assertEqual(world.daemon.codes, [])

    def test_silence(self):
        """Half-open: nothing comes, and nobody says so. One that never begins, and one that stops."""
        server = self.server()
        world = self.linked(server)
        self.await_sane(world, server)
        for manner in (mute, lambda connection, request: (stream_head(connection), connection.send(b": open\n\n"),
                                                          connection.ended.wait())):
            server.on_commands = manner
            server.stream.close()
            self.await_reason(world, "silent")
            self.go_on(world, server)
            server.on_commands = server.send_commands
            self.await_sane(world, server)

    def test_nobody_listens(self):
        server = self.server()
        world = self.linked(server)
        self.await_sane(world, server)
        server.close()
        self.await_reason(world, "unreachable")
        self.go_on(world, server)
        server.listen()
        self.await_sane(world, server)

    def test_more_than_was_sent(self):
        """A server that claims to have records that are still to come gets them all the same."""
        server = self.server()
        world = self.linked(server)
        self.await_sane(world, server)
        def boast(connection, request):
            silent = Connection(server, connection.socket)
            silent.answer = lambda *_: None
            server.take_records(silent, request)
            connection.answer(200, {"accepted_through": 10 ** 9, "refused": []})
        server.on_records = boast
        for _ in range(5):
            self.go_on(world, server)
        self.await_sane(world, server)
        server.on_records = server.take_records
        self.go_on(world, server)
        self.await_sane(world, server)

    def test_less_than_it_had(self):
        """A server that was restored from a copy gets again what it lacks."""
        server = self.server()
        world = self.linked(server)
        server.restored = True
        for kept in (0, 2):
            for _ in range(4):
                self.make_record(world)
            self.await_sane(world, server)
            with server.lock:
                del server.records[kept:]
            self.go_on(world, server)
            self.await_sane(world, server)
        world.daemon.kill()
        world.disconnect()
        with server.lock:
            del server.records[3:]
        world.connect()
        self.await_sane(world, server)

    def test_a_burst(self):
        """More commands at once than the ledger has room for: each is decided, once."""
        server = self.server()
        world = self.linked(server)
        self.await_sane(world, server)
        with server.lock:
            server.commands.update({seq: self.plain(world, seq, "release") for seq in range(1, 401)})
            server.lock.notify_all()
        self.await_result(world, 400, "refused")
        ids = [r["id"] for r in world.ledger().commands() if r["outcome"] != "out_of_order"]
        self.assertEqual(sorted(i for i in ids if i.startswith("command-")), sorted(map(ident, range(1, 401))))
        self.await_sane(world, server)

    def test_refused_records(self):
        """A record that is refused for good is noted once, and holds up nothing."""
        server = self.server()
        world = self.linked(server)
        self.await_sane(world, server)
        def refuse(connection, request):
            silent = Connection(server, connection.socket)
            silent.answer = lambda *_: None
            server.take_records(silent, request)
            connection.answer(200, {"accepted_through": len(server.records), "refused": [
                {"seq": len(server.records), "code": "unreadable", "why": "I cannot read"}]})
        server.on_records = refuse
        self.go_on(world, server)
        world.await_log("record_refused", text="I cannot read")
        wait_for("the alarm", lambda: any(r["kind"] == "alarm" and r["alarm"] == "record_refused"
                                          for r in world.ledger().records))
        server.on_records = server.take_records
        self.await_sane(world, server)

    def test_retry_after(self):
        """The server's wish counts, in seconds and as a date, by its own clock: never earlier."""
        server = self.server()
        world = self.linked(server)
        self.await_sane(world, server)
        came = []
        server.date = lambda: "Sun, 06 Nov 1994 08:49:37 GMT"
        for wish in ("3", "Sun, 06 Nov 1994 08:49:40 GMT"):
            del came[:]
            def answer(connection, request):
                came.append(time.monotonic())
                if len(came) == 1:
                    error(503, "unavailable", Retry_After=wish)(connection, request)
                else:
                    server.take_records(connection, request)
            server.on_records = answer
            self.make_record(world)
            wait_for("the next attempt", lambda: len(came) > 1)
            self.assertGreaterEqual(came[1] - came[0], 3)
            self.await_sane(world, server)


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*words, data=None):
    return subprocess.run(["openssl", *map(str, words)], input=data, check=True, capture_output=True,
                          timeout=box.PATIENCE_S).stdout


def raw_signature(der):
    """r and s of a DER signature, 32 bytes each."""
    numbers, at = b"", 2
    for _ in range(2):
        length = der[at + 1]
        numbers += der[at + 2:at + 2 + length].lstrip(b"\0").rjust(32, b"\0")
        at += 2 + length
    return numbers


class Signer:
    def __init__(self, path):
        self.private, self.public = Path(f"{path}.key"), Path(f"{path}.pub")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", self.private)
        openssl("pkey", "-in", self.private, "-pubout", "-out", self.public)

    def token(self, payload, head='{"alg":"ES256"}', signed=None):
        text = base64url(head.encode()) + "." + base64url(payload.encode())
        signature = raw_signature(openssl("dgst", "-sha256", "-sign", self.private, data=(signed or text).encode()))
        return text + "." + base64url(signature)


class Signed(Uplink):
    """Commands act when the right key signed them, and only then."""

    def setUp(self):
        self.folder = Path(box.tempfile.mkdtemp(prefix="meterbox-"))
        self.addCleanup(box.shutil.rmtree, self.folder)
        self.signer, self.stranger = Signer(self.folder / "ours"), Signer(self.folder / "theirs")

    def tokens(self, world):
        """What must not act, each an order to take outlet 2 out of service."""
        order = lambda seq: self.plain(world, seq, "out_of_service", outlet=2, out=True)
        good = self.signer.token(order(1))
        first, middle, last = good.split(".")
        yield self.stranger.token(order(1))
        yield order(1)
        yield self.signer.token(order(1), '{"alg":"none"}')
        yield base64url(b'{"alg":"none"}') + "." + middle + "."
        yield self.signer.token(order(1), '{"alg":"HS256"}')
        yield self.signer.token(order(1), '{"alg":"ES256","crit":["x"],"x":1}')
        yield first + "." + base64url(order(1).replace("out_of_service", "departed").encode()) + "." + last
        yield first + "." + middle + "." + base64url(b"\0" * 64)
        yield first + "." + middle + "." + last[:-2]
        yield good + "."
        yield first + "." + middle
        yield "."
        yield ".."
        yield "x" * 16000
        yield self.signer.token("no JSON")
        yield self.signer.token("{}")
        yield self.signer.token(order(1).replace("out_of_service", "self_destruct"))
        yield self.signer.token(order(1).replace('"box-1"', '"box-2"'))
        yield self.signer.token(order(1).replace(LATER, "2020-01-01T00:00:00.000Z"))

    def test_good_bad_and_missing(self):
        server = self.server()
        world = self.linked(server, insecure=False, keys={"command_key_file": self.signer.public})
        self.await_sane(world, server)
        with server.lock:
            for number, data in enumerate(self.tokens(world), 1):
                server.commands[number] = data
            server.commands[1000] = self.signer.token(self.plain(world, 1000, "out_of_service", outlet=1, out=True))
            server.lock.notify_all()
        self.await_result(world, 1000)
        self.assertFalse(world.status(2)["out_of_service"])
        self.assertTrue(world.status(1)["out_of_service"])
        results = {r["outcome"] for r in world.ledger().commands() if r["name"] == "olga"}
        self.assertEqual(results, {"unverified", "expired", "done"})
        world.await_log("command_rejected")
        self.await_sane(world, server)

    def test_a_flood(self):
        """Of commands that nobody signed, over TLS, which holds some back: people at the box notice nothing of it."""
        authority = Authority(self.folder, "ca")
        server = self.server(tls=authority.context())
        world = self.linked(server, insecure=False,
                            keys={"command_key_file": self.signer.public, "ca_file": authority.certificate})
        self.await_sane(world, server)
        bad = self.stranger.token(self.plain(world, 1, "out_of_service", out=True))
        with server.lock:
            server.commands.update((number, bad) for number in range(1, 3000))
            server.commands[3000] = self.signer.token(self.plain(world, 3000, "out_of_service", out=True))
            server.lock.notify_all()
        for _ in range(20):
            self.make_record(world)
        self.await_result(world, 3000)
        self.await_sane(world, server)
        self.assertLess(len(world.daemon.lines("command_rejected")), 10)

    def test_without_a_key(self):
        server = self.server()
        key = self.folder / "later.pub"
        world = self.linked(server, insecure=False, keys={"command_key_file": key})
        self.await_reason(world, "no_command_key")
        self.assertEqual(server.opened, [])
        key.write_bytes(self.signer.private.read_bytes()[:100])
        self.make_record(world)
        self.await_reason(world, "no_command_key")
        key.write_bytes(self.signer.public.read_bytes())
        self.await_sane(world, server)
        server.command(1, self.signer.token(self.plain(world, 1, "out_of_service", out=True)))
        self.await_result(world, 1)

    def test_a_workshop(self):
        """insecure_commands takes what is not signed; what says that it is signed must be signed rightly even there."""
        server = self.server()
        world = self.linked(server, keys={"command_key_file": self.signer.public})
        self.await_sane(world, server)
        server.command(1, self.stranger.token(self.plain(world, 1, "out_of_service", outlet=2, out=True)))
        server.command(2, self.signer.token(self.plain(world, 2, "out_of_service", outlet=1, out=True)))
        server.command(3, self.plain(world, 3, "out_of_service", outlet=1, out=False))
        self.await_result(world, 3)
        self.await_result(world, 2)
        self.assertFalse(world.status(2)["out_of_service"])

    def test_byte_by_byte(self):
        server = self.server()
        def slowly(connection, request):
            server.open_stream(connection)
            data = self.signer.token(self.plain(world, 1, "out_of_service", out=True)).encode()
            connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"event: command\r\nid: 1\r\ndata: " + data + b"\r\n\r\n":
                connection.send(bytes([byte]))
            connection.ended.wait()
        world = self.linked(server, insecure=False, keys={"command_key_file": self.signer.public})
        self.await_sane(world, server)
        server.on_commands = slowly
        server.stream.close()
        self.await_result(world, 1)


CA_CONFIG = """[ca]
default_ca = it
[it]
database = {folder}/index
new_certs_dir = {folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
commonName = supplied
[leaf]
basicConstraints = critical, CA:false
subjectAltName = {names}
"""

DAY_S = 86400


class Authority:
    """A CA that signs whatever a test wants."""

    def __init__(self, folder, name):
        self.folder, self.name = Path(folder, name), name
        self.folder.mkdir()
        self.key, self.certificate = self.folder / "ca.key", self.folder / "ca.pem"
        (self.folder / "index").write_text("")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-addext", "basicConstraints=critical,CA:true", "-addext", "keyUsage=critical,keyCertSign",
                "-days", 7300, "-keyout", self.key, "-out", self.certificate)
        self.count = 0

    def context(self, names="IP:127.0.0.1, DNS:localhost", begin_s=-DAY_S, end_s=365 * DAY_S):
        """Of a server with a certificate for these names, valid from and until so many seconds from now."""
        self.count += 1
        base = self.folder / str(self.count)
        stamp = lambda s: time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + s))
        Path(f"{base}.cnf").write_text(CA_CONFIG.format(folder=self.folder, names=names))
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=server",
                "-keyout", f"{base}.key", "-out", f"{base}.csr")
        openssl("ca", "-batch", "-notext", "-config", f"{base}.cnf", "-extensions", "leaf", "-startdate", stamp(begin_s),
                "-enddate", stamp(end_s), "-keyfile", self.key, "-cert", self.certificate, "-in", f"{base}.csr",
                "-out", f"{base}.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{base}.pem", f"{base}.key")
        return context


# Starts a program that cannot ask the kernel whether its clock is right: one that is not.
NO_CLOCK = """import ctypes, os, platform, struct, sys
numbers = {"x86_64": (159, 305), "aarch64": (171, 266), "armv7l": (124, 372, 405)}[platform.machine()]
steps = [(0x20, 0, 0, 0)]
steps += [(0x15, len(numbers) - i, 0, number) for i, number in enumerate(numbers)]
steps += [(0x06, 0, 0, 0x7fff0000), (0x06, 0, 0, 0x00050001)]
code = b"".join(struct.pack("HBBI", *step) for step in steps)
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]
libc = ctypes.CDLL(None, use_errno=True)
program = Program(len(steps), code)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(program), 0, 0):
    sys.exit(f"seccomp: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
"""


class Tls(Uplink):
    def setUp(self):
        self.folder = Path(box.tempfile.mkdtemp(prefix="meterbox-"))
        self.addCleanup(box.shutil.rmtree, self.folder)
        self.ours, self.theirs = Authority(self.folder, "ours"), Authority(self.folder, "theirs")

    def certified(self, server, trusted=True, **keys):
        """A box that knows for certain what time it is, or does not."""
        more = {"box_keys": {"trust_system_clock": "yes"}} if trusted else {"wrap": [sys.executable, "-c", NO_CLOCK]}
        return self.linked(server, keys={"ca_file": self.ours.certificate, **keys}, **more)

    def change(self, server, context):
        server.tls = context
        server.end_connections()

    def refuses(self, world, server, context, says):
        self.change(server, context)
        self.make_record(world)
        for part in ("records", "commands"):
            wait_for(f"{part} to be refused", lambda: [line for line in world.daemon.lines("link")
                                                       if f"part={part}" in line][-1].find("reason=tls") > 0)
        wait_for(f"'{says}'", lambda: says in self.link(world)["detail"])
        posts = server.posts
        self.make_record(world)
        self.assertEqual(server.posts, posts)
        self.change(server, self.ours.context())
        self.await_sane(world, server)

    def test_whom_the_box_believes(self):
        server = self.server(tls=self.ours.context())
        world = self.certified(server)
        self.await_sane(world, server)
        self.refuses(world, server, self.theirs.context(), "unable to get local issuer certificate")
        self.refuses(world, server, self.ours.context(names="DNS:ops.example.org"), "127.0.0.1")
        self.refuses(world, server, self.ours.context(end_s=-60), "certificate has expired")
        self.refuses(world, server, self.ours.context(begin_s=30 * DAY_S), "certificate is not yet valid")
        server.command(1, self.plain(world, 1, "out_of_service", out=True))
        self.await_result(world, 1)
        self.assertEqual(world.status()["time"]["quality"], "synchronised")

    def test_no_tls_at_all(self):
        server = self.server(tls=self.ours.context())
        world = self.certified(server)
        self.await_sane(world, server)
        self.refuses(world, server, None, "")

    def test_by_name(self):
        server = self.server(tls=self.ours.context(names="DNS:localhost"))
        world = self.certified(server, url=server.url("localhost"))
        self.await_sane(world, server)

    def test_without_the_ca(self):
        server = self.server(tls=self.ours.context())
        ca = self.folder / "later.pem"
        world = self.certified(server, ca_file=ca)
        self.await_reason(world, "tls")
        ca.write_bytes(self.theirs.certificate.read_bytes())
        self.make_record(world)
        self.await_reason(world, "tls")
        ca.write_bytes(self.ours.certificate.read_bytes())
        self.await_sane(world, server)

    def test_a_clock_that_nobody_trusts(self):
        """A certificate may be newer than our clock; none may be older. The server then says what time it is."""
        server = self.server(tls=self.ours.context(begin_s=30 * DAY_S))
        ahead_s = 40 * DAY_S
        server.date = lambda: email.utils.formatdate(time.time() + ahead_s, usegmt=True)
        world = self.certified(server, trusted=False)
        self.await_sane(world, server)
        clock = world.status()["time"]
        self.assertEqual(clock["quality"], "relative")
        self.assertEqual(clock["wall"][:8], time.strftime("%Y-%m-", time.gmtime(time.time() + ahead_s)))
        server.command(1, self.plain(world, 1, "out_of_service", outlet=2, out=True).replace(
            LATER, time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + ahead_s + DAY_S))))
        self.await_result(world, 1)
        server.command(2, self.plain(world, 2, "out_of_service", outlet=2, out=False).replace(
            LATER, time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() + ahead_s - DAY_S))))
        self.await_result(world, 2, "expired")
        self.refuses(world, server, self.ours.context(begin_s=-800 * DAY_S, end_s=-400 * DAY_S), "certificate has expired")
        self.refuses(world, server, self.theirs.context(), "unable to get local issuer certificate")

    def test_a_clock_that_was_wrong(self):
        """A server that once was years ahead, and its certificates: that must not lock the box out, now or later."""
        server = self.server(tls=self.ours.context(end_s=30 * DAY_S))
        server.date = lambda: email.utils.formatdate(time.time() + 800 * DAY_S, usegmt=True)
        world = self.certified(server, trusted=False)
        self.make_record(world)
        self.await_sane(world, server)
        year = lambda days: time.strftime("%Y-%m-", time.gmtime(time.time() + days * DAY_S))
        self.assertEqual(world.status()["time"]["wall"][:8], year(800))
        server.date = lambda: email.utils.formatdate(usegmt=True)
        for again in (False, True):
            if again:
                world.daemon.kill()
                world.disconnect()
            self.change(server, self.ours.context(end_s=30 * DAY_S))
            if again:
                world.connect()
            self.make_record(world)
            self.await_sane(world, server)
            wait_for("the true time", lambda: world.status()["time"]["wall"][:8] == year(0))
        self.assertEqual(world.status()["time"]["source"], "server")

    def test_another_ca(self):
        """No session of TLS outlives the CA that vouched for it."""
        server = self.server(tls=self.ours.context())
        ca = self.folder / "replaced.pem"
        ca.write_bytes(self.ours.certificate.read_bytes())
        world = self.certified(server, ca_file=ca)
        self.await_sane(world, server)
        ca.write_bytes(self.theirs.certificate.read_bytes())
        world.daemon.send(box.signal.SIGHUP)
        world.await_log("reloaded")
        self.make_record(world)
        self.assertIn("certificate", self.await_reason(world, "tls")["detail"])
        ca.write_bytes(self.ours.certificate.read_bytes())
        self.await_sane(world, server)


if __name__ == "__main__":
    box.main([("--meterboxctl", {"required": True})])
