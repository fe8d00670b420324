"""The operations server on this machine: meterbox-ops as a real process on a port of its own, the operator's calls, a
box that is played by Python (records, progress, a command stream), and what tests need to look at afterwards.

Used by the tests of this folder and by tests/bench; Python's standard library only. Like box.py it waits for
conditions, never for a time."""
import argparse
import base64
import datetime
import errno
import gzip
import hashlib
import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from urllib.parse import quote

import box
from box import COMPLAINTS, PATIENCE_S, price, tail, tariff, wait_for

OPERATOR_TOKEN = "operator-token-of-the-tests"
TIME = "2026-11-21T01:38:46.123Z"


def time_text(at_ms):
    """A moment of Unix time in ms, as the wire has it."""
    at = datetime.datetime.fromtimestamp(at_ms // 1000, datetime.timezone.utc)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03}Z"


class Answer:
    """What a call was answered with."""

    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)

    def code(self):
        """Of an error."""
        return self.json()["error"]["code"]

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


class Ops:
    """meterbox-ops with its folder. What it is asked goes over HTTP, one connection for each call."""

    def __init__(self, *options, signed=True, tls=None, wrap=()):
        """tls: (certificate's file, key's file). wrap: a command that starts the server."""
        self.folder = tempfile.mkdtemp(prefix="meterbox-ops-")
        self.path = lambda *parts: str(Path(self.folder, *parts))
        self.log = Path(self.folder, "ops.log")
        self.key = self.path("commands.pem") if signed else None
        self.options = list(options)
        self.tls = tls
        self.wrap = list(wrap)
        self.port = 0
        self.process = None
        self.codes = []
        self.kills = 0
        self.tokens = {}
        self.tails = []
        token = Path(self.folder, "operator.token")
        token.write_text(OPERATOR_TOKEN + "\n", encoding="utf-8")
        token.chmod(0o600)

    # --- the process ---

    def command(self):
        """After the first start it keeps its port, so that boxes find it again."""
        words = [*self.wrap, box.arguments.meterbox_ops, "--db", self.path("ops.db"), "--listen",
                 f"127.0.0.1:{self.port}", "--port-file", self.path("port"), "--operator-token-file",
                 self.path("operator.token")]
        words += ["--command-key", self.key] if self.key else ["--insecure-commands"]
        words += ["--cert", self.tls[0], "--key", self.tls[1]] if self.tls else []
        return words + self.options

    def start(self):
        port = Path(self.folder, "port")
        port.unlink(missing_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: "meterbox-ops shall listen\n" + tail(self.log),
                 lambda: port.exists() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise AssertionError("meterbox-ops has ended\n" + tail(self.log))
        self.port = int(port.read_text(encoding="utf-8"))
        return self

    def url(self):
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}"

    def origin(self):
        """As a browser says it; a proxy in front speaks TLS."""
        secure = self.tls or "--behind-proxy" in self.options
        return f"http{'s' if secure else ''}://127.0.0.1:{self.port}"

    def kill(self):
        self.kills += 1
        self.stop(signal.SIGKILL)

    def stop(self, by=signal.SIGTERM):
        """Ends it; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(by)
        return self.wait()

    def wait(self):
        try:
            self.codes.append(self.process.wait(PATIENCE_S))
        except subprocess.TimeoutExpired as error:
            self.process.kill()
            self.process.wait()
            raise AssertionError("meterbox-ops does not end") from error
        return self.codes[-1]

    def close(self):
        """[] or what is wrong with how it ended."""
        problems = []
        try:
            if self.process and self.process.poll() is None and self.stop() != 0:
                problems.append(f"meterbox-ops ended with {self.codes[-1]}")
        except AssertionError as error:
            problems.append(str(error))
        problems += [line for line in self.text().splitlines() if any(word in line for word in COMPLAINTS)]
        if sum(code == -signal.SIGKILL for code in self.codes) > self.kills:
            problems.append("killed by a signal that nobody sent")
        self.tails = [tail(self.log)]
        if not getattr(box.arguments, "keep", False):
            shutil.rmtree(self.folder, ignore_errors=True)
        return problems

    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def lines(self, event):
        return [line for line in self.text().splitlines() if f" event={event} " in line + " "]

    # --- calls ---

    def connect(self, timeout=PATIENCE_S):
        if self.tls:
            context = ssl.create_default_context(cafile=self.tls[0])
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def call(self, method, path, body=None, token=None, headers=None):
        """body: an object that becomes JSON, or bytes as they are."""
        wanted = {"Content-Type": "application/json"} if body is not None else {}
        if token is not None:
            wanted["Authorization"] = f"Bearer {token}"
        wanted.update(headers or {})
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = self.connect()
        try:
            connection.request(method, path, body, wanted)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def operator(self, method, path, body=None, status=200):
        """The answer's object; another status than the wanted one is a failure."""
        answer = self.call(method, "/v1/operator/" + path, body, OPERATOR_TOKEN)
        if answer.status != status:
            raise AssertionError(f"{method} {path} {body}: {answer}")
        return answer.json()

    def provision(self, name, token=None):
        """Makes the box known; its token."""
        answer = self.operator("PUT", f"boxes/{name}", {} if token is None else {"token": token})
        self.tokens[name] = answer["token"]
        return answer["token"]

    def status(self, name):
        return self.operator("GET", f"boxes/{name}")

    def account(self, name, micros=0, kind="shared", limit=0):
        """Makes an account with so much on it."""
        self.operator("PUT", f"accounts/{quote(name, '')}", {"kind": kind, "limit_micros": limit})
        if micros:
            self.operator("POST", f"accounts/{quote(name, '')}/recharges", {"micros": micros, "key": f"first-{name}"})
        return self.operator("GET", f"accounts/{quote(name, '')}")

    def balance(self, name):
        return self.operator("GET", f"accounts/{quote(name, '')}")["balance_micros"]

    def order(self, number, name="box-1", outlet=1, account="ann", credit=1000000, status=201, **more):
        return self.operator("PUT", f"orders/{quote(number, '')}",
                             {"box": name, "outlet": outlet, "account": account, "mode": "local", "tariff": tariff(),
                              "credit_micros": credit, "hold_ms": 600000, **more}, status)

    def order_state(self, number):
        return self.operator("GET", f"orders/{quote(number, '')}")

    def send(self, box_name="box-1", /, status=202, **command):
        return self.operator("POST", f"boxes/{box_name}/commands", command, status)

    def records(self, name="box-1"):
        """The texts of all records that were taken in of the newest ledger."""
        texts = []
        while got := self.operator("GET", f"boxes/{name}/records?from={len(texts) + 1}")["records"]:
            texts += got
        return texts

    def check(self):
        """[] or what is wrong with the books."""
        answer = self.operator("GET", "check")
        return [] if answer["ok"] else [answer["why"]]

    def stream(self, name="box-1", heartbeat_s=3600, last=None, token=None, buffer=None):
        """Opens the box's command stream and waits until it is open. buffer: how much the kernel takes for the box."""
        return Stream(self, name, heartbeat_s, last, token or self.tokens[name], buffer)

    # --- figures of the process ---

    def rss_kib(self):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
        raise AssertionError("no VmRSS")

    def cpu_s(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))


def code_of(message):
    """The code that was sent to a customer."""
    return re.search(r"\b[0-9]{6}\b", message["text"])[0]


class Person:
    """Somebody with a browser: keeps cookies, and asks as the pages do."""
    PASSWORD = "a password of the tests"

    def __init__(self, ops):
        self.ops = ops
        self.cookies = {}  # name -> (value, path)

    def call(self, method, path, body=None, headers=None):
        """body: an object; also without one the type is said, as the server wants it."""
        wanted = {"Sec-Fetch-Site": "same-origin"}
        if method not in ("GET", "HEAD"):
            wanted.update({"Content-Type": "application/json", "Origin": self.ops.origin()})
        answer = self.ops.call(method, path, body, None, {**wanted, **self.cookie(path), **(headers or {})})
        for line in answer.headers.get_all("Set-Cookie") or ():
            self.keep(line)
        return answer

    def cookie(self, path):
        """The header that the path gets; none without a cookie."""
        sent = [f"{name}={value}" for name, (value, place) in self.cookies.items()
                if (path + "/").startswith(place + "/")]
        return {"Cookie": "; ".join(sent)} if sent else {}

    def keep(self, line):
        (name, value), *attributes = (part.strip().split("=", 1) for part in line.split(";") if "=" in part)
        attributes = dict(attributes)
        if attributes["Max-Age"] == "0":
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = (value, attributes["Path"])

    def ask(self, method, path, body=None, status=200):
        """The answer's object; another status than the wanted one is a failure."""
        answer = self.call(method, path, body)
        if answer.status != status:
            raise AssertionError(f"{method} {path} {body}: {answer}")
        return answer.json()

    def code(self, contact):
        """Asks for a code; it, as the operator sees it."""
        canonical = self.ask("POST", "/v1/customer/codes", {"contact": contact}, 202)["contact"]
        return code_of(next(m for m in self.ops.operator("GET", "messages")["messages"] if m["contact"] == canonical))

    def customer(self, contact="+49 170 1234567"):
        """Signs in as a customer."""
        self.ask("POST", "/v1/customer/session", {"contact": contact, "code": self.code(contact)})
        return self

    def staff(self, name, role):
        """Is made one of the staff by the operator's token, and signs in."""
        self.ops.operator("PUT", f"staff/{quote(name, '')}", {"role": role, "password": self.PASSWORD})
        self.ask("POST", "/v1/operator/session", {"name": name, "password": self.PASSWORD})
        return self


class Refused(Exception):
    """A stream was not opened; the answer is args[0]."""


class Events:
    """A stream of server-sent events as a page reads them."""

    def __init__(self, ops, path, headers, buffer=None):
        """buffer: how much the kernel takes for the reader."""
        self.connection = ops.connect()
        self.connection.connect()
        if buffer is not None:
            self.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.connection.request("GET", path, headers=headers)
        self.socket = self.connection.sock  # which the connection forgets once it has the answer's head
        self.response = self.connection.getresponse()
        if self.response.status != 200:
            answer = Answer(self.response)
            self.connection.close()
            raise Refused(answer)
        if self.block() != [": open"]:
            raise AssertionError("a stream begins with a comment")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.response.close()
        self.connection.close()

    def block(self):
        """The lines of one event or comment; [] when the server has ended the stream."""
        lines = []
        while (line := self.response.readline()) != b"\n":
            if not line:
                return []
            lines.append(line.decode().rstrip("\n"))
        return lines

    def item(self):
        """(event, object), (None, comment), or None when the server has ended the stream."""
        lines = self.block()
        if not lines:
            return None
        if lines[0].startswith(":"):
            return None, lines[0]
        fields = dict(line.split(": ", 1) for line in lines)
        if set(fields) != {"event", "data"}:
            raise AssertionError(f"not an event: {lines}")
        return fields["event"], json.loads(fields["data"])


class Stream(Events):
    """A box's command stream."""

    def __init__(self, ops, name, heartbeat_s, last, token, buffer):
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        super().__init__(ops, f"/v1/boxes/{name}/commands?heartbeat_s={heartbeat_s}", headers, buffer)

    def block(self):
        try:
            return super().block()
        except (http.client.IncompleteRead, ConnectionError):
            return []

    def item(self):
        """("comment", text), ("command", seq, data), or None when the server has ended the stream."""
        lines = self.block()
        if not lines:
            return None
        if len(lines) == 1 and lines[0].startswith(": "):
            return "comment", lines[0][2:]
        fields = dict(line.split(": ", 1) for line in lines)
        if set(fields) != {"id", "event", "data"} or fields["event"] != "command":
            raise AssertionError(f"not an event: {lines}")
        return "command", int(fields["id"]), fields["data"]

    def command(self):
        """The next command: (seq, its object); heartbeats are passed over."""
        while (item := self.item()) and item[0] == "comment":
            pass
        if item is None:
            raise AssertionError("the stream has ended")
        return item[1], payload(item[2])

    def ended(self):
        """Reads to the end, which the server makes; what came before it."""
        items = []
        while item := self.item():
            items.append(item)
        return items


def payload(data):
    """The command of an event's data, signed or not; the signature is not judged here."""
    if data.startswith("{"):
        return json.loads(data)
    header, body, signature = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in data.split("."))
    if json.loads(header)["alg"] != "ES256" or len(signature) != 64:
        raise AssertionError(f"not an ES256 JWS: {data}")
    return json.loads(body)


class Records:
    """A ledger as a box writes it: texts, each linked by its hash to the one before."""

    def __init__(self, ledger=None, boot=True):
        self.ledger = ledger or os.urandom(16).hex()
        self.tip = hashlib.sha256(self.ledger.encode()).hexdigest()
        self.texts = []
        self.boots = 0
        self.register = {}
        self.sessions = {}  # outlet -> [grant, start, energy of the session]
        if boot:
            self.boot()

    def add(self, kind, outlet=None, order=None, register=None, **detail):
        seq = len(self.texts) + 1
        record = {"schema": 1, "ledger": self.ledger, "prev": self.tip, "seq": seq, "boot": self.boots,
                  "mono_ms": seq * 1000, "time": TIME, "time_quality": "synchronised", "kind": kind}
        record.update({name: value for name, value in (("outlet", outlet), ("order", order), ("register_mwh", register))
                       if value is not None})
        record.update(detail)
        if register is not None:
            if outlet in self.sessions and self.sessions[outlet][1] is not None:
                self.sessions[outlet][2] += register - self.register[outlet]
            self.register[outlet] = register
        return self.append(json.dumps(record, separators=(",", ":")))

    def append(self, text):
        """Any text, as the next record: also a damaged one."""
        self.texts.append(text)
        self.tip = hashlib.sha256(text.encode()).hexdigest()
        return text

    def boot(self, version="test"):
        self.boots += 1
        return self.add("boot", version=version)

    def meter(self, outlet=1, serial="m-1", register=0):
        return self.add("meter", outlet, register=register, serial=serial)

    def command(self, command, outcome="done", detail=""):
        """The result of a command as it came over the stream."""
        more = {"detail": detail} if detail else {}
        return self.add("command", command.get("outlet"), id=command["id"], command_seq=command["seq"],
                        type=command["type"], actor=command["actor"], outcome=outcome, **more)

    def authorized(self, command):
        """The session that an authorize command opens, and the command's result."""
        grant = command["grant"]
        self.sessions[command["outlet"]] = [grant, None, 0]
        self.add("authorized", command["outlet"], grant["order"], grant=grant)
        return self.command(command)

    def started(self, outlet=1, register=None, **more):
        """more: the rate, of a tariff by time of use."""
        register = self.register[outlet] if register is None else register
        text = self.add("started", outlet, self.sessions[outlet][0]["order"], register, **more)
        self.sessions[outlet][1] = register
        return text

    def mark(self, outlet=1, register=None):
        register = self.register[outlet] if register is None else register
        return self.add("mark", outlet, self.sessions[outlet][0]["order"], register, energised_ms=1000)

    def credited(self, command):
        self.add("credit", command["outlet"], command["order"], credit_micros=command["credit_micros"],
                 lease_ms=command["lease_ms"])
        return self.command(command)

    def ended(self, outlet=1, register=None, reason="customer", **more):
        """more: what the receipt has beside, or instead of, what a flat tariff's has."""
        grant, start, energy = self.sessions.pop(outlet)
        last = self.register[outlet]
        if start is not None:
            register = last if register is None else register
            energy += register - last
        amount = 0 if reason in ("meter_silent", "meter_implausible", "breaker_fault", "storage", "clock") else \
            more.get("amount_micros") or price(grant["tariff"], energy)
        receipt = {"reason": reason, "start_mwh": last if start is None else start, "energy_mwh": energy,
                   "amount_micros": amount, "energised_ms": 1000 if start is not None else 0, "settled": True,
                   **more}
        return self.add("ended", outlet, grant["order"], register if start is not None else None, receipt=receipt)

    def available(self, outlet, order):
        return self.add("available", outlet, order)


def progress(outlet=1, **more):
    """A report of an outlet as it is now."""
    return {"outlet": outlet, "mono_ms": 1000, "time": TIME, "time_quality": "synchronised", "state": "available",
            "missing": 0, "has_register": True, "register_mwh": 0, "reading_age_ms": 100, "power_mw": 0,
            "energy_mwh": 0, "energised_ms": 0, "cost_micros": 0, "remaining_micros": 0, "remaining_ms": -1,
            "low_credit": False, **more}


class Box:
    """A box that Python plays: its token, its records, what was accepted of them."""

    def __init__(self, ops, name="box-1", records=None):
        self.ops = ops
        self.name = name
        self.token = ops.tokens.get(name) or ops.provision(name)
        self.records = records or Records()
        self.accepted = 0

    def batch(self, since=None, reports=()):
        since = self.accepted if since is None else since
        return {"ledger": self.records.ledger, "newest": len(self.records.texts),
                "records": self.records.texts[since:since + 500], "progress": list(reports)}

    def post(self, batch=None, packed=False):
        body = json.dumps(self.batch() if batch is None else batch).encode()
        headers = {"Content-Encoding": "gzip"} if packed else {}
        return self.ops.call("POST", f"/v1/boxes/{self.name}/records", gzip.compress(body) if packed else body,
                             self.token, headers)

    def report(self, *reports, refused=()):
        """Posts all that is new; everything is taken in, the refused numbers are parked."""
        while True:
            answer = self.post(self.batch(reports=reports))
            if answer.status != 200:
                raise AssertionError(f"records: {answer}")
            said = answer.json()
            if [r["seq"] for r in said["refused"]] != list(refused):
                raise AssertionError(f"refused: {said}")
            if said["accepted_through"] <= self.accepted and self.accepted < len(self.records.texts):
                raise AssertionError(f"not accepted: {said}")
            self.accepted = said["accepted_through"]
            if self.accepted >= len(self.records.texts):
                return said

    def stream(self, **more):
        return self.ops.stream(self.name, token=self.token, **more)


class OpsTest(unittest.TestCase):
    """Prints the server's log when a test fails, and fails when a sanitizer complained or the server ended badly."""

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        self.servers = []
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            print(f"\n{self.id()} failed; seed {box.arguments.seed}", file=sys.stderr)
            for server in self.servers:
                print("\n".join(server.tails), file=sys.stderr)
        return result

    def ops(self, *options, start=True, **more):
        server = Ops(*options, **more)
        self.servers.append(server)
        self.addCleanup(lambda: self.assertEqual(server.close(), [], "what the server said or how it ended"))
        return server.start() if start else server

    def box(self, server, name="box-1"):
        """A box with two commissioned outlets that has reported."""
        played = Box(server, name)
        played.records.meter(1, "m-1")
        played.records.meter(2, "m-2")
        played.report()
        return played

    def assert_refused(self, answer, status, code):
        self.assertEqual((answer.status, answer.code()), (status, code), answer)
        self.assertEqual(answer.headers["Content-Type"], "application/json")
        self.assertIn("Date", answer.headers)
        self.assertTrue(answer.json()["error"]["message"])


def raw(ops, data, patience=PATIENCE_S):
    """Sends bytes on a plain connection, says that no more will come, and gives all that is answered."""
    with socket.create_connection(("127.0.0.1", ops.port), timeout=patience) as peer:
        got = b""
        try:
            peer.sendall(data)
            peer.shutdown(socket.SHUT_WR)
            while part := peer.recv(65536):
                got += part
        except OSError as error:
            # Closed, perhaps before it was spoken to; the last of these is how shutdown() finds that.
            if not isinstance(error, ConnectionError) and error.errno != errno.ENOTCONN:
                raise
        return got


def fling(ops, data):
    """Sends bytes and says that no more will come; the connection, of which nothing is expected. (A peer that is gone
    in the middle of a request may be noticed only when the server's patience with it ends.)"""
    peer = socket.create_connection(("127.0.0.1", ops.port), timeout=PATIENCE_S)
    try:
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    return peer


def main():
    """The tests of the calling file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--meterbox-ops", required=True)
    parser.add_argument("--contract", help="etc/ops-api.yaml, for tests that hold traffic against it")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--keep", action="store_true", help="leaves the servers' folders behind")
    rest = parser.parse_known_args(namespace=box.arguments)[1]
    print(f"seed {box.arguments.seed}", file=sys.stderr)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
