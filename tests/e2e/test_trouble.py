#!/usr/bin/env python3
"""What a running daemon meets in the field: bad clients, sick buses, disks that are missing, full or damaged, wrong
configurations, a second daemon.

usage: test_trouble.py --meterboxd PATH --boxsim PATH [--seed N] [unittest's arguments]
"""
import json
import os
import pty
import random
import resource
import select
import shutil
import subprocess
import sys
import threading
import time
import tty
from pathlib import Path

sys.dont_write_bytecode = True
import box  # noqa: E402
from box import Client, Gone, authorize, wait_for  # noqa: E402

STEP_MWH = 10000
LOAD_W = 7000
REQUEST_MAX = 8192
CLIENTS_MAX = 16


def chance():
    return random.Random(box.arguments.seed)


class ControlSocket(box.E2eTest):
    """Whatever a client says: it is answered or hung up on, and everybody else is served."""

    def setUp(self):
        self.box = self.world()
        self.box.boxsim.do(f"plug 2 {LOAD_W // 2}")
        self.box.supply(2, "order-2")
        self.pid = self.box.daemon.process.pid

    def tearDown(self):
        """The same process, the same session, and no word of all that in the ledger."""
        self.assertEqual(self.box.daemon.process.pid, self.pid)
        self.assertEqual((self.box.state_of(1), self.box.state_of(2)), ("available", "supplying"))
        self.assertEqual(len(self.box.boxsim.spans("driven", 2)), 1)
        ledger = self.box.ledger()
        self.assertEqual({r["order"] for r in ledger.of(kind="authorized")}, {"order-2"})
        self.assertEqual(len(ledger.commands()), 2)

    def test_random_bytes(self):
        dice = chance()
        for _ in range(150):
            data = dice.randbytes(dice.choice((1, 10, 100, 1000, 20000)))
            with self.box.client() as client:
                try:
                    client.send(data)
                    for _ in range(dice.randint(0, data.count(b"\n"))):
                        self.assertFalse(client.line()["ok"])
                except Gone:
                    self.assertGreater(len(data), REQUEST_MAX)  # hung up on: there is too long a line in it
        self.assertTrue(self.box.control.status()["ok"])

    def test_lines_that_are_no_requests(self):
        depth = 4000
        lines = [b"", b" ", b"\x00", b"[]", b"{}", b"7", b"null", b"nul", b'"call"', b'{"call":7}', b'{"call":null}',
                 b'{"call":"status"', b'{"call":"status"}}', b'{"call":"status"} x', b'{"call":"sta\xfftus"}',
                 b'{"call":"hello","call":"status"}', b'{"call":"status\\u0000"}', b'{"call":"\xed\xa0\x80"}',
                 b"[" * depth, b'{"a":' * (depth // 3), b"[" * depth + b"]" * depth, b'{"call":' + b"[" * depth,
                 b'{"call":"ledger","from":0}', b'{"call":"ledger","from":1e999}', b'{"call":"ledger","from":-1}',
                 b'{"call":"ledger","from":1.5}', b'{"call":"ledger","max":51}', b'{"call":"ledger","from":"1"}',
                 b'{"call":"watch","interval_ms":1}', b'{"call":"watch","interval_ms":[]}', b'{"call":"sign_on"}',
                 b'{"call":"sign_on","name":{"name":"x"}}', b'{"call":"command"}', b'{"call":"STATUS"}',
                 b'{"call":"' + b"x" * 8000 + b'"}', b'{"call":"command","command":' + b'{"a":' * 20 + b"1" + b"}" * 21]
        with self.box.client() as client:
            for line in lines:
                with self.subTest(line=line[:40]):
                    client.send(line + b"\n")
                    answer = client.line()
                    self.assertEqual((answer["ok"], bool(answer["error"])), (False, True))
                    self.assertIn(answer["code"], ("bad_request", "unknown_call", "not_signed_on"))
            self.assertTrue(client.status()["ok"])

    def test_a_line_that_is_too_long(self):
        with self.box.client() as client:
            client.send(b" " * (REQUEST_MAX - 18) + b'{"call":"status"}\n')  # just fits
            self.assertTrue(client.line()["ok"])
        with self.box.client() as client:
            client.send(b"x" * 9000)
            answer = client.line()
            self.assertEqual((answer["code"], answer["error"]), ("bad_request", "the line is longer than 8192 bytes"))
            with self.assertRaises(Gone):
                client.line()

    def test_dribbled_and_half_lines(self):
        with self.box.client() as client, self.box.client() as half:
            half.send(b'{"call":"sta')
            for byte in b'{"call":"hello"}\n':
                client.send(bytes([byte]))
                self.assertTrue(self.box.control.status()["ok"])
            self.assertEqual(client.line()["program"], "meterboxd")
        self.assertTrue(self.box.control.status()["ok"])

    def test_many_requests_at_once(self):
        """Answered in their order, though the answers are far longer than what the socket holds."""
        with self.box.client() as client:
            requests = b'{"call":"hello"}\n{"call":"status"}\n{"call":"ledger"}\n{"call":"none"}\n' * 100
            sender = threading.Thread(target=client.send, args=(requests,))
            sender.start()
            self.assertTrue(self.box.control.status()["ok"])
            for _ in range(100):
                answers = [client.line() for _ in range(4)]
                self.assertEqual(answers[0]["program"], "meterboxd")
                self.assertIn("outlets", answers[1])
                self.assertIn("records", answers[2])
                self.assertEqual(answers[3]["code"], "unknown_call")
            sender.join()

    def test_a_client_that_does_not_read(self):
        deaf = self.box.client()
        self.addCleanup(deaf.close)
        deaf.socket.setblocking(False)
        sent = 0
        try:
            while sent < 10 ** 6:
                sent += deaf.socket.send(b'{"call":"ledger"}\n' * 100)
        except BlockingIOError:
            pass
        self.assertLess(sent, 10 ** 6)  # the daemon collects nothing for it
        self.assertTrue(self.box.control.status()["ok"])

    def test_twenty_connections(self):
        clients = [self.box.client() for _ in range(CLIENTS_MAX - 1)]  # and one that the box has
        for client in clients:
            self.addCleanup(client.close)
            self.assertTrue(client.call("hello")["ok"])
        for _ in range(5):
            late = Client(self.box.path("control"))
            self.assertEqual(late.line(), {"ok": False, "code": "too_many", "error": "16 connections are open: close one"})
            late.close()
        for client in clients:
            self.assertTrue(client.status()["ok"])
        clients[0].close()
        def attempt():
            with self.box.client() as client:
                try:
                    return client.call("hello")["ok"]
                except Gone:
                    return False
        wait_for("a place that became free", attempt)

    def test_watchers(self):
        watchers = [self.box.client() for _ in range(8)]
        for watcher in watchers:
            self.addCleanup(watcher.close)
            watcher.ask("watch", interval_ms=200)
            watcher.line()
        self.box.boxsim.do("open 1 force")
        for watcher in watchers:
            wait_for("word of the open door", lambda w=watcher: w.line()["outlets"][0]["door"] == "open")


class BusFaults(box.E2eTest):
    """One meter is sick; the session at the other one's outlet goes on, and nothing that was read is wrong."""

    FAULTS = ("silent on", "garbled on", "foreign on", "half on", "dribble 200", "late 2500", "slow 3000")
    BORNE = ("slow 400", "late 300", "dribble 10")  # slower than usual, and still in time

    def run_faults(self, faulty, steady):
        world = self.world(rated_w=(7000, 7000))
        world.boxsim.do(f"plug {steady} {LOAD_W}")
        world.supply(steady, "order-1")
        for fault in self.FAULTS:
            with self.subTest(fault=fault):
                self.one_fault(world, faulty, steady, fault)
        for fault in self.BORNE:
            with self.subTest(fault=fault):
                world.boxsim.do(f"fault {faulty} {fault}")
                before = world.status(faulty)["meter"]["answered"]
                world.await_outlet(faulty, "shall still be read", lambda o: o["meter"]["answered"] >= before + 10)
                world.boxsim.do(f"fault {faulty} {fault.split()[0]} off")
        world.control.do(type="stop", outlet=steady, order="order-1")
        world.await_state(steady, "finishing")
        self.check(world, steady)

    def one_fault(self, world, faulty, steady, fault):
        world.boxsim.do(f"fault {faulty} {fault}")
        world.await_outlet(faulty, f"shall be seen to be ill ({fault})", lambda o: o["meter"]["outcome"] != "answered")
        before = world.status(steady)["meter"]["answered"]
        world.await_outlet(steady, "shall still be read", lambda o: o["meter"]["answered"] >= before + 10)
        world.boxsim.do(f"fault {faulty} {fault.split()[0]} off")
        world.await_outlet(faulty, f"shall be well again ({fault})", lambda o: not o["meter"]["silent"] and
                           o["meter"]["outcome"] == "answered" and o["progress"]["reading_age_ms"] < 1000)
        self.assertEqual(world.state_of(steady), "supplying")

    def check(self, world, steady):
        ledger = world.ledger()
        self.assert_sound(ledger)
        for number in (1, 2):
            self.assertEqual(world.status(number)["meter"]["register_mwh"], world.boxsim.outlet(number)["register_mwh"])
        self.assertEqual(len(world.boxsim.spans("driven", steady)), 1)
        self.assertEqual([(r["alarm"], r["detail"]) for r in ledger.of(kind="alarm")], [])
        self.assertEqual(ledger.ended("order-1")["energy_mwh"], world.boxsim.outlet(steady)["register_mwh"])

    def test_of_a_dlt645_meter(self):
        self.run_faults(1, 2)

    def test_of_a_modbus_meter(self):
        self.run_faults(2, 1)

    def test_of_the_line(self):
        world = self.world()
        world.boxsim.do(f"plug 1 {LOAD_W}")
        world.supply(1, "order-1")
        world.boxsim.do("fault bus echo on")
        world.await_outlet(2, "shall hear itself", lambda o: o["meter"]["outcome"] != "answered")
        world.boxsim.do("fault bus echo off")
        world.await_outlet(2, "shall be well again", lambda o: not o["meter"]["silent"] and
                           o["meter"]["outcome"] == "answered")
        world.boxsim.do("foreign-master on")
        wait_for("word of another master", lambda: world.status()["buses"][0]["foreign"])
        world.boxsim.do("foreign-master off")
        self.assertEqual(world.state_of(1), "supplying")
        world.control.do(type="stop", outlet=1, order="order-1")
        world.await_state(1, "finishing")
        self.check(world, 1)

    def test_the_meter_of_a_session_falls_silent(self):
        """Supply does not go on without readings; the customer does not pay for our meter."""
        world = self.world(limits={"meter_late_ms": 2000, "meter_silent_ms": 3000, "settle_ms": 3000})
        world.boxsim.do(f"plug 1 {LOAD_W}")
        world.supply(1, "order-1")
        world.await_outlet(1, "shall count", lambda o: o["progress"]["energy_mwh"] >= STEP_MWH)
        world.boxsim.do("fault 1 silent on")
        world.await_outlet(1, "shall end", lambda o: o["session"]["phase"] == "ended")
        self.assertFalse(world.boxsim.outlet(1)["energised"])
        receipt = world.ledger().ended("order-1")
        self.assertEqual((receipt["reason"], receipt["amount_micros"], receipt["settled"]), ("meter_silent", 0, False))
        self.assertEqual([r["alarm"] for r in world.ledger().of(kind="alarm")], ["meter_silent"])
        world.boxsim.do("fault 1 silent off")
        world.await_outlet(1, "shall be read again", lambda o: o["meter"]["register_mwh"] ==
                           world.boxsim.outlet(1)["register_mwh"] and not o["meter"]["silent"])
        world.control.do(type="departed", outlet=1, order="order-1")
        world.supply(1, "order-2")  # what the meter counted unseen is not the next one's
        world.control.do(type="stop", outlet=1, order="order-2")
        world.await_state(1, "finishing")
        self.assert_sound(world.ledger())


def dlt645(address, control, data):
    body = bytes([0x68]) + bytes.fromhex(address)[::-1] + bytes([0x68, control, len(data)])
    body += bytes((byte + 0x33) & 0xFF for byte in data)
    return body + bytes([sum(body) & 0xFF, 0x16])


class Line:
    """A pseudo-terminal behind a name, and on it the smallest meter that the daemon takes for one."""

    ADDRESS = "000000000077"
    VALUES = {0x00010000: "78563412", 0x02030000: "000000", 0x02020100: "000000", 0x04000402: "770000000000",
              0x02010100: "0023", 0x02800002: "0050"}

    def __init__(self, name):
        self.name = Path(name)
        self.master = self.thread = None
        self.stop = False

    def appear(self):
        self.master, slave = pty.openpty()
        tty.setraw(slave)
        self.name.symlink_to(os.ttyname(slave))
        os.close(slave)
        self.stop = False
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def vanish(self):
        """As an adapter that is pulled out: the name goes, and whoever has it open gets errors."""
        if self.thread is None:
            return
        self.stop = True
        self.thread.join()
        self.thread = None
        self.name.unlink()
        os.close(self.master)

    def say(self, data):
        os.write(self.master, data)

    def serve(self):
        heard = b""
        while not self.stop:
            if not select.select([self.master], [], [], 0.05)[0]:
                continue
            try:
                heard += os.read(self.master, 4096)
            except OSError:
                time.sleep(0.05)  # nobody has the other side open
                continue
            heard = self.answer(heard[-64:])

    def answer(self, heard):
        """The rest of what was heard, once every question in it is answered."""
        question = bytes([0x68]) + bytes.fromhex(self.ADDRESS)[::-1] + bytes([0x68, 0x11, 4])
        at = heard.find(question)
        if at < 0 or len(heard) < at + 16:
            return heard
        di = bytes((byte - 0x33) & 0xFF for byte in heard[at + 10:at + 14])
        value = self.VALUES.get(int.from_bytes(di, "little"))
        if value is None:
            self.say(dlt645(self.ADDRESS, 0xD1, b"\x02"))
        else:
            self.say(b"\xFE" * 4 + dlt645(self.ADDRESS, 0x91, di + bytes.fromhex(value)))
        return heard[at + 16:]


class Bus(box.E2eTest):
    """A serial adapter that comes and goes."""

    def bus(self, world):
        return world.status()["buses"][1]

    def test_an_adapter_comes_and_goes(self):
        world = self.world(start=False, meters=("dlt645:000000000001,baud=9600", f"dlt645:{Line.ADDRESS}"),
                           second_bus="/nowhere")
        world.second_bus = world.path("adapter")
        world.write_config()
        line = Line(world.second_bus)
        self.addCleanup(line.vanish)
        world.boxsim.start()
        world.daemon.start()
        world.connect()
        self.assertEqual((self.bus(world)["state"], self.bus(world)["error"]), ("lost", "No such file or directory"))
        world.await_outlet(1, "shall be read", lambda o: o["progress"]["has_register"])
        world.boxsim.do(f"plug 1 {LOAD_W}")
        world.supply(1, "order-1")
        for _ in range(3):
            line.appear()
            wait_for("bus b", lambda: self.bus(world)["state"] == "open")
            answered = world.status(2)["meter"]["answered"]
            world.await_outlet(2, "shall be read", lambda o: o["meter"]["answered"] > answered + 10)
            self.assertEqual(world.status(2)["meter"]["register_mwh"], 123456780000)
            line.say(chance().randbytes(300))
            answered = world.status(2)["meter"]["answered"]
            world.await_outlet(2, "shall be read in spite of noise", lambda o: o["meter"]["answered"] > answered + 5)
            line.vanish()
            wait_for("the loss of bus b", lambda: self.bus(world)["state"] == "lost" and self.bus(world)["error"])
        self.assertEqual(world.state_of(1), "supplying")
        self.assertEqual(len(world.daemon.lines("port_lost")), 4)  # each loss is told once
        self.assertEqual([r for r in world.ledger().of(kind="alarm") if r["alarm"] != "meter_silent"], [])
        self.assertEqual(world.daemon.codes, [])

    def test_what_is_no_serial_port(self):
        world = self.world(start=False, meters=("dlt645:000000000001,baud=9600", f"dlt645:{Line.ADDRESS}"),
                           second_bus="/dev/null")
        world.boxsim.start()
        world.daemon.start()
        world.connect()
        wait_for("the reason", lambda: "ioctl" in self.bus(world).get("error", ""))
        world.await_outlet(1, "shall be read", lambda o: o["progress"]["has_register"])


class Storage(box.E2eTest):
    """The disk: missing, full, failing, damaged."""

    def test_a_state_directory_that_cannot_be_made(self):
        world = self.world(start=False)
        obstacle = Path(world.path("obstacle"))
        obstacle.write_text("a file where a folder should be\n", encoding="utf-8")
        world.box_keys["state_dir"] = obstacle / "state"
        world.write_config()
        world.boxsim.start()
        world.daemon.start()
        world.control = world.client()
        world.control.sign_on()
        ledger = wait_for("word of the obstacle", lambda: (s := world.status()["ledger"]) and
                          s["error"].startswith(str(obstacle)) and s)
        self.assertEqual(ledger["state"], "unavailable")
        self.assertIn("let this program write there", ledger["error"])
        self.assertNotIn("progress", world.status(1))
        self.assertEqual(world.control.call("ledger", **{"from": 1})["code"], "not_ready")
        refused = world.control.command(**authorize(1, "order-1", 1000000))
        self.assertEqual((refused["code"], refused["error"]), ("not_ready", ledger["error"]))
        self.assertEqual(world.boxsim.events("driven"), [])
        obstacle.unlink()
        obstacle.mkdir()
        world.connect()
        world.await_meters()
        world.supply(1, "order-1")
        self.assertEqual(world.daemon.codes, [])
        self.assertEqual(world.status()["ledger"]["state"], "open")

    def fail_and_recover(self, world, fail, repair):
        world.boxsim.do(f"plug 1 {LOAD_W}")
        world.supply(1, "order-1")
        identity = world.status()["ledger"]["id"]
        world.await_outlet(1, "shall count", lambda o: o["progress"]["energy_mwh"] >= STEP_MWH)
        fail()
        asking = world.client()
        self.addCleanup(asking.close)
        asking.sign_on("tom")
        while world.status()["ledger"]["state"] != "failing":  # each refused start is a record of its own
            asking.ask("command", command={"type": "release", "outlet": 2})
            wait_for("an answer, or word of the failing disk", lambda: select.select([asking.socket], [], [], 0)[0] or
                     world.status()["ledger"]["state"] == "failing")
            if world.status()["ledger"]["state"] != "failing":
                asking.line()
        self.assertTrue(world.status()["ledger"]["error"])
        world.await_truth(1, "shall be dead", lambda t: not t["driven"] and not t["energised"])
        self.assertNotEqual(world.status(1)["progress"]["missing"] & 1 << 7, 0)  # storage
        world.control.ask("command", command=authorize(2, "order-2", 1000000))
        wait_for("no session", lambda: world.boxsim.outlet(1)["contact"] is False)
        repair()
        refused = world.control.line()
        self.assertEqual((refused["code"], refused["error"]),
                         ("refused", "The box cannot store your session safely at the moment."))
        asking.line()
        wait_for("a sound disk", lambda: world.status()["ledger"]["state"] == "open")
        world.await_state(1, "finishing")
        ledger = world.ledger()
        self.assert_sound(ledger)
        self.assertEqual(ledger.id, identity)
        receipt = ledger.ended("order-1")
        self.assertEqual((receipt["reason"], receipt["amount_micros"]), ("storage", 0))
        self.assertIn("storage", [r["alarm"] for r in ledger.of(kind="alarm")])
        world.supply(2, "order-2")
        self.assertEqual(len(world.boxsim.spans("driven", 1)), 1)

    def test_a_full_disk(self):
        """The state directory is a small file system of the daemon's own, filled and emptied from outside."""
        world = self.world(start=False, wrap=("unshare", "--mount", "--map-root-user", "sh", "-c",
                                              'mount -t tmpfs -o size=256k tmpfs "${3%box.conf}state" && exec "$@"', "sh"))
        Path(world.path("state")).mkdir()
        probe = subprocess.run(["unshare", "--mount", "--map-root-user", "mount", "-t", "tmpfs", "tmpfs",
                                world.path("state")], capture_output=True, text=True, check=False)
        if probe.returncode != 0:
            self.skipTest(f"no file system of one's own here: {probe.stderr.strip()}")
        world.start()
        filler = Path(f"/proc/{world.daemon.process.pid}/root{world.path('state')}/filler")
        def fail():
            with open(filler, "wb", buffering=0) as file:
                for size in (4096, 1):
                    try:
                        while True:
                            file.write(b"x" * size)
                    except OSError:
                        pass
        self.fail_and_recover(world, fail, filler.unlink)

    def test_a_failing_disk(self):
        """No file of the daemon may grow: every commit fails with EFBIG."""
        world = self.world()
        files = [Path(world.path("state", name)) for name in ("ledger.db", "ledger.db-wal")]
        log = os.open(world.daemon.log, os.O_WRONLY | os.O_APPEND)
        self.addCleanup(os.close, log)
        pid = world.daemon.process.pid
        everything = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        def fail():
            wal = max(file.stat().st_size for file in files)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (wal, everything[1]))
        self.fail_and_recover(world, fail, lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, everything))

    def test_a_damaged_ledger_is_set_aside(self):
        world = self.world(restart=False)
        world.supply(1, "order-1")
        world.control.do(type="stop", outlet=1, order="order-1")
        world.await_state(1, "finishing")
        stored = Path(world.path("state", "ledger.db"))
        dice = chance()
        damages = [lambda data: data[:len(data) // 2], lambda data: data[:100], lambda data: bytes(len(data)),
                   lambda data: dice.randbytes(100) + data[100:], lambda data: data[:1024] + dice.randbytes(len(data) - 1024)]
        damages += [self.flip(dice) for _ in range(4)]
        for damage in damages:
            self.damage(world, stored, damage)

    def flip(self, dice):
        def damage(data):
            data = bytearray(data)
            for _ in range(50):
                data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
            return bytes(data)
        return damage

    def damage(self, world, stored, how):
        """Either it is noticed, put aside and told; or what was hit was nobody's, and the ledger is sound."""
        identity = world.status()["ledger"]["id"]
        world.disconnect()
        self.assertEqual(world.daemon.stop(), 0)
        aside = set(Path(world.path("state")).glob("ledger.db.damaged-*"))
        self.assertFalse(Path(f"{stored}-wal").exists())
        stored.write_bytes(how(stored.read_bytes()))
        world.daemon.start()
        world.connect()
        world.await_meters()
        ledger = world.ledger()
        self.assert_sound(ledger)
        now_aside = set(Path(world.path("state")).glob("ledger.db.damaged-*"))
        if ledger.id == identity:
            self.assertEqual(now_aside, aside)
            return
        self.assertEqual(len(now_aside - aside), 1)
        self.assertEqual([r["alarm"] for r in ledger.of(kind="alarm")], ["ledger_set_aside"])
        self.assertFalse(world.boxsim.outlet(1)["driven"])
        self.assertEqual(world.state_of(1), "available")


class Start(box.E2eTest):
    """What keeps a daemon from starting says so."""

    def run_daemon(self, config, *more):
        return subprocess.run([box.arguments.meterboxd, "-c", str(config), *more], capture_output=True, text=True,
                              check=False, timeout=box.PATIENCE_S)

    def test_configuration_mistakes(self):
        world = self.world(start=False)
        right = world.config_text()
        def line_of(text, what):
            return text[:text.index(what)].count("\n") + 1
        for old, new, sentence in (
                ("rated_w = 7000", "rated_w = 0", "rated_w"), ("rated_w = 7000", "rated_w = 7k", "rated_w"),
                ("rated_w = 7000", "rated_v = 7000", "did you mean rated_w?"), ("[outlet 2]", "[outlet 3]", "outlet"),
                ("[outlet 2]", "[outlet 1]", "this section is there already"), ("[bus a]", "[buss a]", "[bus NAME]"),
                ("meter = m2", "meter = m1", "m1"), ("meter = m2", "meter = m3", "m3"), ("bus = a", "bus = z", "z"),
                ("model = sdm120", "model = sdm121", "sdm121"), ("address = 2", "address = 248", "1 to 247"),
                ("parity = none", "parity = nonne", "parity"), ("baud = 9600", "baud = 9601", "9601"),
                ("breaker_kind = monostable", "breaker_kind = latching", "undervoltage_release"),
                ("log_level = info", "log_level = loud", "loud"), ("id = box-1", "id =", "id"),
                ("local_sessions = yes", "local_sessions = maybe", "maybe"), ("[box]", "box", "")):
            text = right.replace(old, new, 1)
            self.assertNotEqual(text, right)
            with self.subTest(new=new):
                Path(world.config).write_text(text, encoding="utf-8")
                done = self.run_daemon(world.config)
                self.assertEqual(done.returncode, 78, done.stderr)
                self.assertEqual(done.stdout, "")
                self.assertRegex(done.stderr, rf"^meterboxd: {world.config}:\d+: ")
                self.assertIn(sentence, done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1)
                if "=" in new and "id =" != new and "latching" not in new and "meter = m1" != new:
                    self.assertIn(f"{world.config}:{line_of(text, new)}: ", done.stderr)
                self.assertEqual(self.run_daemon(world.config, "--check-config").returncode, 78)
        self.assertFalse(Path(world.path("control")).exists())
        self.assertFalse(Path(world.path("state")).exists())

    def test_no_configuration_at_all(self):
        world = self.world(start=False)
        for path in ("/nowhere/box.conf", world.folder, "/dev/null"):
            done = self.run_daemon(path)
            self.assertEqual(done.returncode, 78)
            self.assertRegex(done.stderr, rf"^meterboxd: {path}:")

    def test_wrong_usage(self):
        world = self.world(start=False)
        for more in (["--bogus"], ["extra"], ["--json"]):
            done = self.run_daemon(world.config, *more)
            self.assertEqual((done.returncode, done.stdout), (64, ""))
        done = self.run_daemon(world.config, "--check-config")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_without_a_box(self):
        world = self.world(start=False)
        done = self.run_daemon(world.config)
        self.assertEqual(done.returncode, 1)
        self.assertIn("event=start_failed", done.stderr)
        self.assertIn(world.path("pins"), done.stderr)

    def second(self, world, **box_keys):
        """A configuration beside the first one's, and what it shares with it."""
        other = self.world(start=False, restart=False)
        other.box_keys = {"control_socket": other.path("control"), "state_dir": other.path("state"),
                          "pins": "socket:" + other.path("pins"), **box_keys}
        other.write_config()
        other.boxsim.start()
        return other

    def undisturbed(self, world):
        self.assertEqual(world.state_of(1), "supplying")
        self.assertEqual(len(world.boxsim.spans("driven", 1)), 1)
        with world.client() as client:
            self.assertTrue(client.status()["ok"])
        self.assertEqual(world.daemon.codes, [])

    def test_a_second_daemon_on_the_same_control_socket(self):
        world = self.world()
        world.supply(1, "order-1")
        other = self.second(world, control_socket=world.path("control"))
        done = self.run_daemon(other.config)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another meterboxd listens there", done.stderr)
        self.assertIn(world.path("control"), done.stderr)
        self.undisturbed(world)

    def test_a_second_daemon_on_the_same_pins(self):
        world = self.world()
        world.supply(1, "order-1")
        other = self.second(world, pins="socket:" + world.path("pins"))
        done = self.run_daemon(other.config)
        self.assertEqual(done.returncode, 1)
        self.assertIn("event=start_failed what=pins", done.stderr)
        self.undisturbed(world)

    def test_a_second_daemon_on_the_same_ledger(self):
        world = self.world()
        world.supply(1, "order-1")
        identity = world.status()["ledger"]["id"]
        other = self.second(world, state_dir=world.path("state"))
        other.daemon.start()
        other.control = other.client()
        wait_for("word of the locked ledger", lambda: "locked" in other.status()["ledger"].get("error", ""))
        self.assertEqual(other.status()["ledger"]["state"], "unavailable")
        self.assertEqual([p.name for p in Path(world.path("state")).glob("*damaged*")], [])
        self.undisturbed(world)
        world.control.do(type="stop", outlet=1, order="order-1")
        world.await_state(1, "finishing")
        self.assertEqual(world.status()["ledger"]["id"], identity)
        self.assert_sound(world.ledger())

    def test_a_second_daemon_on_the_same_bus(self):
        world = self.world()
        world.supply(1, "order-1")
        other = self.second(world)
        text = other.config_text().replace(f"device = {other.path('bus')}", f"device = {world.path('bus')}")
        Path(other.config).write_text(text, encoding="utf-8")
        other.daemon.start()
        other.connect()
        wait_for("word of the port", lambda: other.status()["buses"][0].get("error") == "Device or resource busy")
        answered = world.status(1)["meter"]["answered"]
        world.await_outlet(1, "shall still be read", lambda o: o["meter"]["answered"] > answered + 10)
        self.undisturbed(world)


if __name__ == "__main__":
    box.main()
