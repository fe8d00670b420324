"""The harness of the end-to-end tests: boxsim and meterboxd as processes, in a folder of their own.

Everything waits for conditions; nothing sleeps for an effect. What happened is told when a test fails: the tails of both
logs, and the seed."""
import argparse
import hashlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

LIMIT = 60  # seconds that any one condition may take, also under the sanitizers on a busy machine
MODELS = Path(__file__).resolve().parents[2] / "etc/models"
TARIFF = {"id": "flat", "version": 1, "currency": "CNY", "energy_price_micros": 1000000, "quantum_micros": 1,
          "rounding": "half_up"}

CONFIG = """
[box]
id = e2e-box
state_dir = {folder}/state
control_socket = {folder}/control
models_dir = {models}
pins = socket:{folder}/pins
metering_door = yes
metering_lock = yes
metering_lock_rest_ms = 1000
local_sessions = {local}
log_level = debug

[limits]
resume_window_ms = 60000
boot_wait_ms = 10000
settle_ms = 10000

[bus a]
device = {folder}/bus

[meter left]
bus = a
model = dlt645-2007
address = 1
parity = none
baud = 9600

[meter right]
bus = a
model = sdm120
address = 2
baud = 9600
"""
OUTLET = """
[outlet {number}]
meter = {meter}
rated_w = 7000
breaker_kind = monostable
breaker_pin = yes
contact_pin = yes
breaker_actuation_ms = 200
door_pin = yes
lock = yes
lock_rest_ms = 1000
"""


class Failure(AssertionError):
    pass


def wait_for(what, condition, limit=LIMIT):
    """The first true value of condition(), asked again and again."""
    deadline = time.monotonic() + limit
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failure(f"waited {limit} s in vain: {what}")
        time.sleep(0.02)


class Control:
    """One connection to the control socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(LIMIT)
        try:
            self.socket.connect(str(path))
        except OSError:
            self.socket.close()
            raise
        self.file = self.socket.makefile("rwb")

    def ask(self, call, **arguments):
        self.file.write(json.dumps({"call": call, **arguments}).encode() + b"\n")
        self.file.flush()
        return self.read()

    def read(self):
        line = self.file.readline()
        if not line:
            raise ConnectionError("the daemon has closed the connection")
        return json.loads(line)

    def command(self, type_, outlet=None, **arguments):
        command = {"type": type_, **arguments}
        if outlet is not None:
            command["outlet"] = outlet
        return self.ask("command", command=command)

    def close(self):
        self.file.close()
        self.socket.close()


class Box:
    """A folder, a boxsim and a meterboxd in it."""

    def __init__(self, meterboxd, boxsim, local="yes"):
        self.meterboxd, self.boxsim = meterboxd, boxsim
        self.place = tempfile.TemporaryDirectory(prefix="meterbox-e2e-")
        self.folder = Path(self.place.name)
        self.config = self.folder / "meterboxd.conf"
        text = CONFIG.format(folder=self.folder, models=MODELS, local=local)
        self.config.write_text(text + OUTLET.format(number=1, meter="left") + OUTLET.format(number=2, meter="right"))
        self.sim = self.daemon = None
        self.files = {}

    # --- processes ---

    def append_to(self, name):
        if name not in self.files:
            self.files[name] = open(self.folder / name, "ab")
        return self.files[name]

    def start_sim(self, *options):
        self.sim = subprocess.Popen(
            [self.boxsim, "--quiet", "--outlets", "2", "--pins", self.folder / "pins", "--bus", self.folder / "bus",
             "--meter", "dlt645:1,baud=9600,turnaround=20", "--meter", "sdm120:2,baud=9600,turnaround=10",
             "--state", self.folder / "box.state", "--log", self.folder / "box.log", *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.append_to("boxsim.err"), text=True)
        self.state()

    def tell(self, command):
        """Gives boxsim a command; its output lines."""
        self.sim.stdin.write(command + "\n")
        self.sim.stdin.flush()
        lines = []
        while True:
            line = self.sim.stdout.readline()
            if not line:
                raise Failure(f"boxsim has ended at '{command}'")
            if line.strip() == "ok":
                return lines
            if line.startswith("error"):
                raise Failure(f"boxsim: {command}: {line}")
            lines.append(line)

    def state(self):
        return json.loads(self.tell("state")[0])

    def start_daemon(self, wait=True, **popen):
        self.daemon = subprocess.Popen([self.meterboxd, "--config", self.config],
                                       stderr=self.append_to("meterboxd.log"), **popen)
        if wait:
            self.wait_ready()

    def wait_ready(self):
        """Until the heart beats and both meters have been read."""
        def ready():
            if self.daemon.poll() is not None:
                raise Failure(f"meterboxd has ended: {self.daemon.returncode}")
            try:
                outlets = self.status()["outlets"]
            except (OSError, ConnectionError):
                return False
            return all(o.get("progress", {}).get("has_register") for o in outlets)
        wait_for("the daemon to read its meters", ready)

    def kill(self, process):
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.close_pipes(process)

    @staticmethod
    def close_pipes(process):
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()

    def stop_daemon(self):
        self.daemon.send_signal(signal.SIGTERM)
        return self.daemon.wait(LIMIT)

    def close(self):
        for process in (self.daemon, self.sim):
            if process and process.poll() is None:
                process.kill()
                process.wait()
            if process:
                self.close_pipes(process)
        for file in self.files.values():
            file.close()
        self.place.cleanup()

    # --- asking ---

    def connect(self, name=None):
        control = Control(self.folder / "control")
        if name:
            answer = control.ask("sign_on", name=name)
            if not answer["ok"]:
                raise Failure(str(answer))
        return control

    def status(self):
        control = self.connect()
        try:
            return control.ask("status")
        finally:
            control.close()

    def outlet(self, number):
        return self.status()["outlets"][number - 1]

    def outlet_state(self, number):
        return self.outlet(number).get("progress", {}).get("state")

    def wait_state(self, number, *states):
        return wait_for(f"outlet {number} to be {states}", lambda: self.outlet_state(number) in states)

    def ledger(self):
        """All records, the hash chain checked, and what the ledger says they add up to."""
        control = self.connect()
        records, tip = [], None
        while True:
            answer = control.ask("ledger", **{"from": len(records) + 1})
            if not answer["ok"]:
                raise Failure(str(answer))
            tip = tip or hashlib.sha256(answer["id"].encode()).hexdigest()
            for text in answer["records"]:
                record = json.loads(text)
                if record["prev"] != tip or record["seq"] != len(records) + 1:
                    raise Failure(f"the chain is broken at {text}")
                tip = hashlib.sha256(text.encode()).hexdigest()
                records.append(record)
            if not answer["records"]:
                if answer["tip"] != tip:
                    raise Failure("the ledger's tip is not the last record's hash")
                control.close()
                return records, [json.loads(text) for text in answer["outlet_images"]]

    def log(self):
        """boxsim's log, one dictionary a line; a SIGKILL may have cut the last."""
        events = []
        for line in (self.folder / "box.log").read_text().splitlines():
            try:
                events.append(json.loads(line))
            except json.JSONDecodeError:
                continue
        return events

    def tails(self):
        text = ""
        for name in ("meterboxd.log", "boxsim.err", "box.log"):
            path = self.folder / name
            if path.exists():
                text += f"--- {name}\n" + "\n".join(path.read_text(errors="replace").splitlines()[-40:]) + "\n"
        return text


def grant(order, credit_micros, account="account", **more):
    return {"order": order, "account": account, "session_kind": "customer", "mode": "local", "tariff": TARIFF,
            "credit_micros": credit_micros, "lease_ms": 0, "hold_ms": 600000, "limit_mwh": 0, "limit_micros": 0,
            "limit_ms": 0, **more}


class BoxTest(unittest.TestCase):
    """A test with a running box; its logs are told when it fails."""
    programs = None
    local = "yes"

    def setUp(self):
        self.box = Box(self.programs.meterboxd, self.programs.boxsim, self.local)
        self.addCleanup(self.box.close)
        self.box.start_sim()
        self.box.start_daemon()

    def tearDown(self):
        if not self._outcome.success:
            print(self.box.tails())


def main(module):
    parser = argparse.ArgumentParser()
    parser.add_argument("--meterboxd", required=True)
    parser.add_argument("--boxsim", required=True)
    parser.add_argument("--meterboxctl")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--daemon-kills", type=int, default=50)
    parser.add_argument("--boxsim-kills", type=int, default=20)
    programs, rest = parser.parse_known_args()
    BoxTest.programs = programs
    unittest.main(module=module, argv=["test", *rest], verbosity=2)
