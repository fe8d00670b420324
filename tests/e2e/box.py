"""A whole box on this machine: boxsim and meterboxd as real processes, their configuration in a folder of its own, a
client of the control socket, and what tests need to look at afterwards: the ledger and boxsim's log.

Used by the tests of this folder; Python's standard library only. Nothing here waits for a time: everything waits for a
condition, with a limit that only a hanging process reaches."""
import argparse
import hashlib
import json
import os
import pwd
import random
import select
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from pathlib import Path

PATIENCE_S = 90.0  # for what must come, on a slow machine and with sanitizers
POLL_S = 0.02
TAIL_LINES = 60
MODELS = Path(__file__).resolve().parents[2] / "etc" / "models"
COMPLAINTS = ("Sanitizer", "runtime error:", "Assertion", "SUMMARY:")
MS_PER_H = 3600000
OURS = ("meter_silent", "meter_implausible", "breaker_fault", "storage", "clock")  # nobody pays for these ends
# Between a decision's moment in its record and the breaker's line in boxsim's log lie two processes on a busy machine.
# What this guards against, a breaker that nobody opens, lasts until the next decision, seconds later.
LAG_MS = 1500

arguments = argparse.Namespace()  # of the command line, once main() has read it


def now_ms():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000000


def wait_for(what, condition, patience=PATIENCE_S):
    """Polls until the condition gives something true, and returns that."""
    end = time.monotonic() + patience
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() >= end:
            raise AssertionError(f"{what() if callable(what) else what}: not within {patience} s")
        time.sleep(POLL_S)


def technician(name="tess"):
    """Root may sign on by any name, everybody else by the own login name only."""
    return name if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name


def tail(path, lines=TAIL_LINES):
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return f"{path}: not there"
    return "\n".join([f"--- the end of {path}"] + text[-lines:])


def tariff(price=1000000, **more):
    """price in micros per kWh."""
    return {"id": "flat", "version": 1, "currency": "EUR", "energy_price_micros": price, "quantum_micros": 1,
            "rounding": "half_up", **more}


def price(of, energy_mwh, by_rate=None):
    """What an energy costs by a tariff, computed here: the daemon is not its own judge. by_rate: with a tariff by time of
    use, the energy at each of its rates."""
    if energy_mwh == 0:
        return 0
    def line(quantity, micros, per):
        per *= of["quantum_micros"]
        product = quantity * micros
        up = {"down": 0, "half_up": per // 2, "up": per - 1}[of["rounding"]]
        return (product + up) // per * of["quantum_micros"]
    energy = sum(line(mwh, rate["price_micros"], 1000000) for mwh, rate in zip(by_rate, of["rates"])) \
        if of.get("rates") else line(energy_mwh, of["energy_price_micros"], 1000000)
    return (energy +
            line(energy_mwh, of.get("service_price_micros", 0), 1000000) + line(1, of.get("start_fee_micros", 0), 1))


def prices_of(of):
    """Of each of its rates; a service session has no tariff."""
    if of is None:
        return [0]
    return [r["price_micros"] for r in of["rates"]] if of.get("rates") else [of["energy_price_micros"]]


def rate_at(of, time_text):
    """The rate's index at a record's time, by the tariff's own clock."""
    if of is None or not of.get("rates"):
        return 0
    hours, minutes = int(time_text[11:13]), int(time_text[14:16])
    minute = (hours * 60 + minutes + of.get("utc_offset_min", 0)) % 1440
    return [p["rate"] for p in of["periods"] if p["from_min"] <= minute][-1]


def authorize(outlet, order, credit, account="acct-1", hold_ms=600000, of=None, **limits):
    return {"type": "authorize", "outlet": outlet, "grant": {
        "order": order, "account": account, "session_kind": "customer", "mode": "local", "tariff": tariff() if of is None else of,
        "credit_micros": credit, "lease_ms": 0, "hold_ms": hold_ms, "limit_mwh": 0, "limit_micros": 0, "limit_ms": 0,
        **limits}}


class Gone(Exception):
    """The daemon hung up, or is not there."""


class Client:
    """One connection to the control socket."""

    def __init__(self, path, patience=PATIENCE_S):
        self.buffer = b""
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(patience)
        try:
            self.socket.connect(path)
        except OSError as error:
            self.socket.close()
            raise Gone(str(error)) from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Gone(str(error)) from error

    def line(self):
        while b"\n" not in self.buffer:
            try:
                got = self.socket.recv(65536)
            except TimeoutError as error:
                raise AssertionError("meterboxd does not answer") from error
            except OSError as error:
                raise Gone(str(error)) from error
            if not got:
                raise Gone("meterboxd hung up")
            self.buffer += got
        line, self.buffer = self.buffer.split(b"\n", 1)
        return json.loads(line)

    def ask(self, call, **more):
        self.send(json.dumps({"call": call, **more}).encode() + b"\n")

    def call(self, call, **more):
        self.ask(call, **more)
        return self.line()

    def status(self):
        answer = self.call("status")
        if not answer["ok"]:
            raise AssertionError(f"status: {answer}")
        return answer

    def sign_on(self, name="tess"):
        name = technician(name)
        answer = self.call("sign_on", name=name)
        if answer != {"ok": True, "name": name}:
            raise AssertionError(f"sign_on: {answer}")

    def command(self, **command):
        return self.call("command", command=command)

    def do(self, **command):
        answer = self.command(**command)
        if answer != {"ok": True, "outcome": "done"}:
            raise AssertionError(f"{command}: {answer}")

    def ledger(self):
        return Ledger.over(self)


class Ledger:
    """All records, as texts and as objects, and the images behind them."""

    def __init__(self, identity, bodies, image, outlets, tip):
        self.id = identity
        self.bodies = bodies
        self.records = [json.loads(body) for body in bodies]
        self.image = image
        self.outlets = outlets
        self.tip = tip

    @classmethod
    def over(cls, client):
        bodies, answer = [], None
        while answer is None or answer["records"]:
            answer = client.call("ledger", **{"from": len(bodies) + 1})
            if not answer["ok"]:
                raise AssertionError(f"ledger: {answer}")
            bodies += answer["records"]
        return cls(answer["id"], bodies, json.loads(answer["image"]), [json.loads(o) for o in answer["outlet_images"]],
                   answer["tip"])

    @classmethod
    def of_file(cls, path):
        """Of a ledger that no daemon has open."""
        database = sqlite3.connect(path)
        try:
            meta = dict(database.execute("SELECT name, value FROM meta"))
            bodies = [body for (body,) in database.execute("SELECT body FROM record ORDER BY seq")]
            parts = {part: json.loads(body) for part, body in database.execute("SELECT part, body FROM snapshot")}
        finally:
            database.close()
        return cls(meta["id"], bodies, parts.get(0), [parts.get(i + 1) for i in range(16)], meta["tip"])

    def of(self, order=None, kind=None):
        return [r for r in self.records if (order is None or r.get("order") == order) and
                (kind is None or r["kind"] == kind)]

    def only(self, order, kind):
        found = self.of(order, kind)
        if len(found) != 1:
            raise AssertionError(f"{order}: {len(found)} records {kind}: {found}")
        return found[0]

    def kinds(self, order):
        return [r["kind"] for r in self.of(order)]

    def ended(self, order):
        return self.only(order, "ended")["receipt"]

    def commands(self, since=0):
        return [r for r in self.records if r["kind"] == "command" and r["seq"] > since]

    def phases(self, number):
        """[from, to) in which the records let the outlet's breaker be closed."""
        phases, begin = [], None
        for record in self.records:
            if record.get("outlet") != number:
                continue
            if record["kind"] in ("started", "resumed"):
                begin = record["mono_ms"]
            elif record["kind"] in ("paused", "stopping", "ended") and begin is not None:
                phases.append((begin, record["mono_ms"]))
                begin = None
        if begin is not None:
            raise AssertionError(f"outlet {number}: supply that began at {begin} has no end")
        return phases

    def wrong_spans(self, boxsim, number, least):
        """When the outlet's breaker was driven or had power, and no record allows it; or that it hardly ever was."""
        phases, wrong = self.phases(number), []
        for event in ("driven", "energised"):
            spans = boxsim.spans(event, number)
            if len(spans) < least:
                wrong.append(f"outlet {number} {event} only {len(spans)} times")
            wrong += [f"outlet {number} {event} from {begin} to {end}, allowed: {phases}" for begin, end in spans
                      if not any(p[0] <= begin <= p[1] + LAG_MS and end <= p[1] + LAG_MS for p in phases)]
        return wrong

    def check(self):
        """What must hold of every ledger at rest; [] or what does not."""
        return self.check_chain() + self.check_energy()

    def check_chain(self):
        wrong, previous = [], hashlib.sha256(self.id.encode()).hexdigest()
        for number, (body, record) in enumerate(zip(self.bodies, self.records), 1):
            if record["seq"] != number or record["prev"] != previous or record["ledger"] != self.id:
                wrong.append(f"record {number}: not chained to the one before")
            previous = hashlib.sha256(body.encode()).hexdigest()
        if previous != self.tip or self.image["seq"] != len(self.records):
            wrong.append("the last record is not the tip of the chain")
        return wrong

    def check_energy(self):
        """Replays the registers: whose is each unit, and does each receipt say the same."""
        wrong = []
        for number, image in enumerate(self.outlets, 1):
            account = Account(number)
            for record in self.records:
                if record.get("outlet") == number:
                    account.take(record)
            wrong += account.wrong + account.compare(image)
        return wrong


class Account:
    """Whose the units of one outlet's register are, and at which rate each was used, by the records alone."""

    def __init__(self, number):
        self.number = number
        self.register = self.billed = self.service = self.outside = 0
        self.session = None
        self.bills = {}  # by order: what the session costs
        self.wrong = []

    def complain(self, record, what):
        self.wrong.append(f"outlet {self.number}, record {record['seq']} ({record['kind']}): {what}")

    def take(self, record):
        kind = record["kind"]
        if kind == "meter":
            self.register = self.outside = record["register_mwh"]
            self.billed = self.service = 0
            return
        if "register_mwh" in record:
            self.move(record)
        if kind == "authorized":
            if self.session:
                self.complain(record, "another session is open")
            tariff_of = None if record["grant"]["session_kind"] == "service" else record["grant"]["tariff"]
            self.session = {"grant": record["grant"], "tariff": tariff_of, "start": None, "rate": 0,
                            "split": [0] * len(prices_of(tariff_of))}
        elif kind in ("started", "resumed", "boundary"):
            self.take_rate(record)
        elif kind == "ended":
            self.end(record)

    def move(self, record):
        moved = record["register_mwh"] - self.register
        if moved < 0:
            self.complain(record, "the register falls")
        if self.session and self.session["start"] is not None:
            self.session["split"][self.session["rate"]] += moved
        else:
            self.outside += moved
        self.register = record["register_mwh"]

    def is_of_session(self, record):
        same = self.session is not None and self.session["grant"]["order"] == record["order"]
        if not same:
            self.complain(record, "not the session that is open")
        return same

    def take_rate(self, record):
        session = self.session
        if not self.is_of_session(record):
            return
        if record["kind"] == "started":
            if session["start"] is not None:
                self.complain(record, "started twice")
            session["start"] = record["register_mwh"]
        prices = prices_of(session["tariff"])
        session["rate"] = record.get("rate", 0)
        due = rate_at(session["tariff"], record.get("rate_from", record["time"]))
        if record.get("unknown_time"):
            due = prices.index(min(prices))
        if session["rate"] != due:
            self.complain(record, f"rate {session['rate']}, not {due}")

    def end(self, record):
        session, receipt = self.session, record["receipt"]
        if not self.is_of_session(record):
            return
        self.session = None
        split, mwh, of = session["split"], sum(session["split"]), session["tariff"]
        if receipt["energy_mwh"] != mwh:
            self.complain(record, f"{receipt['energy_mwh']} mWh on the receipt, {mwh} by the register")
        if session["start"] is None and receipt["energy_mwh"] != 0:
            self.complain(record, "energy, but never started")
        if session["start"] is not None and (receipt["start_mwh"] != session["start"] or "register_mwh" not in record or
                                             record["register_mwh"] - session["start"] != receipt["energy_mwh"]):
            self.complain(record, "energy is not the end register less the start register")
        said = receipt.get("rates_mwh", [])
        if of and of.get("rates") and said + [0] * (len(split) - len(said)) != split:
            self.complain(record, f"by rate {said} on the receipt, {split} by the records")
        due = 0 if of is None or receipt["reason"] in OURS else price(of, mwh, split)
        if receipt["amount_micros"] != due:
            self.complain(record, f"the amount is {receipt['amount_micros']}, not {due}")
        self.bills[record["order"]] = due
        if of is None:
            self.service += mwh
        else:
            self.billed += mwh

    def compare(self, image):
        if image is None:
            return []
        wrong = [f"outlet {self.number}: {name} is {image[name]} in the image, {mine} by the records"
                 for name, mine in (("register_mwh", self.register), ("billed_mwh", self.billed),
                                    ("service_mwh", self.service), ("outside_mwh", self.outside))
                 if image[name] != mine]
        open_mwh = sum(self.session["split"]) if self.session else 0
        if image["billed_mwh"] + image["service_mwh"] + image["outside_mwh"] + open_mwh != image["register_mwh"]:
            wrong.append(f"outlet {self.number}: billed, service and outside are not the register: {image}")
        return wrong


class Boxsim:
    """The simulated box; its commands go in on standard input."""

    def __init__(self, folder, outlets, meters, options):
        self.folder = folder
        self.outlets = outlets
        self.meters = meters
        self.options = options
        self.log = Path(folder, "box.log")
        self.errors = Path(folder, "boxsim.err")
        self.process = None
        self.buffer = b""
        self.ends_ms = []  # when it was killed: what its log says of a closed breaker ends there

    def start(self):
        command = [arguments.boxsim, "--quiet", "--outlets", str(self.outlets), "--pins", str(Path(self.folder, "pins")),
                   "--bus", str(Path(self.folder, "bus")), "--state", str(Path(self.folder, "box.state")),
                   "--log", str(self.log), *self.options]
        for meter in self.meters:
            command += ["--meter", meter]
        self.buffer = b""
        with open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                            bufsize=0)
        self.state()

    def line(self):
        end = time.monotonic() + PATIENCE_S
        while b"\n" not in self.buffer:
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError("boxsim does not answer")
            got = os.read(self.process.stdout.fileno(), 65536)
            if not got:
                raise AssertionError("boxsim has ended")
            self.buffer += got
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def do(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        answer = [self.line()]
        while answer[-1] != "ok" and not answer[-1].startswith("error: "):
            answer.append(self.line())
        if answer[-1] != "ok":
            raise AssertionError(f"boxsim: {command}: {answer}")
        return answer

    def state(self):
        return json.loads(self.do("state")[0])

    def outlet(self, number):
        return self.state()["outlets"][number - 1]

    def events(self, event=None, outlet=None):
        """What the log has so far, whole lines only."""
        text = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        events = [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]
        return [e for e in events if (event is None or e["event"] == event) and
                (outlet is None or e.get("outlet") == outlet)]

    def spans(self, event, outlet):
        """[from, to) in monotonic ms while a flag of the log was set. A process that was killed ended its own."""
        marks = [(e["mono_ms"], e["value"]) for e in self.events(event, outlet)] + [(ms, 0) for ms in self.ends_ms]
        spans, begin = [], None
        for ms, value in sorted(marks, key=lambda mark: mark[0]):
            if value and begin is None:
                begin = ms
            elif not value and begin is not None:
                spans.append((begin, ms))
                begin = None
        return spans + ([(begin, now_ms())] if begin is not None else [])

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.ends_ms.append(now_ms())
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()

    def complaints(self):
        text = self.errors.read_text(encoding="utf-8", errors="replace") if self.errors.exists() else ""
        return [line for line in text.splitlines() if any(word in line for word in COMPLAINTS)]


class Daemon:
    """meterboxd, started again when it ends, as its unit does, until stop()."""

    def __init__(self, config, log, restart=True, wrap=()):
        self.config = config
        self.wrap = list(wrap)
        self.log = Path(log)
        self.restart = restart
        self.wanted = False
        self.process = None
        self.codes = []  # of every process that has ended
        self.kills = 0
        self.lock = threading.Lock()
        self.keeper = None

    def spawn(self):
        with open(self.log, "ab") as log:
            # Python ignores SIGXFSZ, and lets its children do so: a file that may not grow is an error like any other.
            return subprocess.Popen([*self.wrap, arguments.meterboxd, "-c", str(self.config)],
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, restore_signals=False)

    def start(self):
        self.wanted = True
        self.process = self.spawn()
        self.keeper = threading.Thread(target=self.keep, daemon=True)
        self.keeper.start()

    def keep(self):
        while True:
            self.codes.append(self.process.wait())
            time.sleep(0.1)  # the unit's RestartSec, in small
            with self.lock:
                if not self.wanted or not self.restart:
                    return
                self.process = self.spawn()

    def send(self, number):
        with self.lock:
            if self.process.poll() is None:
                self.process.send_signal(number)

    def kill(self):
        self.kills += 1
        self.send(signal.SIGKILL)

    def ended(self):
        return not self.keeper.is_alive()

    def stop(self, by=signal.SIGTERM):
        """Ends it for good; its exit code."""
        with self.lock:
            self.wanted = False
            if self.process.poll() is None:
                self.process.send_signal(by)
        return self.wait()

    def wait(self):
        """For the end of a process that is not started again; its exit code."""
        self.keeper.join(PATIENCE_S)
        if self.keeper.is_alive():
            self.process.kill()
            raise AssertionError("meterboxd does not end")
        return self.codes[-1]

    def text(self):
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    def lines(self, event):
        return [line for line in self.text().splitlines() if f" event={event} " in line + " "]

    def complaints(self):
        """Of sanitizers and assertions, and ends by a signal that nobody sent."""
        wrong = [line for line in self.text().splitlines() if any(word in line for word in COMPLAINTS)]
        killed = sum(code == -signal.SIGKILL for code in self.codes)
        wrong += [f"ended with {code}" for code in self.codes if code not in (0, 1, 78, -signal.SIGKILL)]
        if killed > self.kills:
            wrong.append(f"killed {killed} times, not {self.kills}")
        return wrong


FAST_METERS = ("dlt645:000000000001,baud=9600,turnaround=20", "sdm120:2,baud=9600")


class World:
    """A folder with boxsim, meterboxd and their files."""

    def __init__(self, outlets=2, meters=FAST_METERS, options=(), rated_w=(7000, 3500), baud=9600, box=None, limits=None,
                 door=(True, False), restart=True, second_bus=None, wrap=()):
        """second_bus: the device of a bus b, for the second outlet's meter. wrap: a command that starts meterboxd."""
        self.folder = tempfile.mkdtemp(prefix="meterbox-")
        self.path = lambda *parts: str(Path(self.folder, *parts))
        self.outlets = outlets
        self.rated_w = rated_w
        self.baud = baud
        self.meters = list(meters)[:outlets]
        self.door = door
        self.second_bus = second_bus
        self.box_keys = box or {}
        self.limits = limits or {}
        self.config = self.path("box.conf")
        self.write_config()
        self.boxsim = Boxsim(self.folder, outlets, self.meters, list(options))
        self.daemon = Daemon(self.config, self.path("daemon.log"), restart, wrap)
        self.control = None
        self.tails = []

    def config_text(self, box=None, limits=None, more=""):
        keys = {"id": "box-1", "state_dir": self.path("state"), "control_socket": self.path("control"),
                "models_dir": MODELS, "local_sessions": "yes", "pins": "socket:" + self.path("pins"),
                "metering_door": "yes", "metering_lock": "yes", "log_level": "info", **self.box_keys, **(box or {})}
        lines = ["[box]"] + [f"{key} = {value}" for key, value in keys.items()]
        lines += ["[limits]"] + [f"{key} = {value}" for key, value in {**self.limits, **(limits or {})}.items()]
        lines += ["[bus a]", f"device = {self.path('bus')}"]
        lines += ["[bus b]", f"device = {self.second_bus}"] if self.second_bus else []
        for number, meter in enumerate(self.meters, 1):
            kind, address = meter.split(",")[0].split(":")
            lines += [f"[meter m{number}]", "bus = b" if self.second_bus and number == 2 else "bus = a", f"model = {'sdm120' if kind == 'sdm120' else 'dlt645-2007'}",
                      f"address = {address}", f"baud = {self.baud}", "parity = none", f"[outlet {number}]",
                      f"meter = m{number}", f"rated_w = {self.rated_w[number - 1]}", "breaker_kind = monostable",
                      # Longer than a busy machine takes to run boxsim: one that is late is not welded.
                      "breaker_pin = yes", "contact_pin = yes", "breaker_actuation_ms = 500", "lock = yes"]
            lines += ["door_pin = yes"] * self.door[number - 1]
        return "\n".join(lines) + "\n" + more

    def write_config(self, **changes):
        Path(self.config).write_text(self.config_text(**changes), encoding="utf-8")

    def start(self):
        self.boxsim.start()
        self.daemon.start()
        self.connect()
        self.await_meters()
        return self

    def await_meters(self):
        wait_for("all meters", lambda: all(o["progress"]["has_register"] for o in self.status()["outlets"]))

    def client(self):
        """A new connection, as soon as there is a daemon."""
        def attempt():
            try:
                return Client(self.path("control"))
            except Gone:
                return None
        return wait_for("the control socket", attempt)

    def connect(self, name="tess"):
        """The connection that the shortcuts below use, signed on; the box decides."""
        def attempt():
            try:
                if self.control is None:
                    self.control = self.client()
                    self.control.sign_on(name)
                return "id" in self.control.status()["ledger"]
            except Gone:
                self.disconnect()
                return False
        wait_for("a daemon that decides", attempt)

    def disconnect(self):
        if self.control:
            self.control.close()
        self.control = None

    def status(self, outlet=None):
        status = self.control.status()
        return status if outlet is None else status["outlets"][outlet - 1]

    def state_of(self, outlet):
        return self.status(outlet)["progress"]["state"]

    def await_outlet(self, outlet, what, condition):
        last = {}
        def look():
            last.update(self.status(outlet))
            return dict(last) if condition(last) else None
        return wait_for(lambda: f"outlet {outlet} {what}, but it is {json.dumps(last)}", look)

    def await_state(self, outlet, *states):
        return self.await_outlet(outlet, f"shall be {' or '.join(states)}",
                                 lambda o: o["progress"]["state"] in states)

    def await_truth(self, outlet, what, condition):
        return wait_for(f"outlet {outlet}: {what}", lambda: (t := self.boxsim.outlet(outlet)) and condition(t) and t)

    def await_log(self, event, count=1, text=""):
        return wait_for(f"{count} x {event} {text} in the daemon's log", lambda: (
            found := [line for line in self.daemon.lines(event) if text in line]) and len(found) >= count and found)

    def ledger(self):
        return self.control.ledger()

    def check_config(self):
        done = subprocess.run([arguments.meterboxd, "--check-config", "--json", "-c", self.config], check=True,
                              capture_output=True, text=True, timeout=PATIENCE_S)
        return json.loads(done.stdout)

    def supply(self, outlet, order, credit=10 ** 9, **more):
        """From authorization to a breaker that is closed."""
        self.control.do(**authorize(outlet, order, credit, **more))
        self.await_state(outlet, "ready")
        self.control.do(type="start", outlet=outlet, order=order)
        self.await_supply(outlet)

    def await_supply(self, outlet):
        self.await_state(outlet, "supplying")
        return self.await_truth(outlet, "shall be energised", lambda t: t["energised"])

    def close(self):
        self.disconnect()
        problems = []
        try:
            if self.daemon.process:
                self.daemon.stop()
        except AssertionError as error:
            problems.append(str(error))
        if self.boxsim.process:
            self.boxsim.close()
        problems += self.daemon.complaints() + self.boxsim.complaints()
        graver = [line for line in self.daemon.text().splitlines() if "level=warning" in line or "level=error" in line]
        self.tails = ["\n".join(["--- the daemon's warnings"] + graver[-TAIL_LINES:]), tail(self.daemon.log), tail(self.boxsim.log, 20), tail(self.boxsim.errors, 10)]
        if not arguments.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        return problems


class E2eTest(unittest.TestCase):
    """Prints the processes' logs when a test fails, and fails when a sanitizer complained."""
    worlds = ()

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        self.worlds = []
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            print(f"\n{self.id()} failed; seed {arguments.seed}", file=sys.stderr)
            for world in self.worlds:
                print("\n".join(world.tails), file=sys.stderr)
        return result

    def world(self, start=True, **options):
        world = World(**options)
        self.worlds.append(world)
        def close():
            problems = world.close()
            self.assertEqual(problems, [], "what the processes said or how they ended")
        self.addCleanup(close)
        return world.start() if start else world

    def assert_sound(self, ledger):
        self.assertEqual(ledger.check(), [])


def main(options=()):
    """The tests of the calling file. options: what add_argument() takes, beside those that every file has."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--meterboxd", required=True)
    parser.add_argument("--boxsim", required=True)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--keep", action="store_true", help="leaves the processes' folders behind in the temporary one")
    for name, more in options:
        parser.add_argument(name, **more)
    rest = parser.parse_known_args(namespace=arguments)[1]
    print(f"seed {arguments.seed}", file=sys.stderr)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
