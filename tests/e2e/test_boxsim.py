#!/usr/bin/env python3
"""End-to-end test of boxsim: the real process, its pseudo-terminals, its pins' socket and its commands.

usage: test_boxsim.py BOXSIM [unittest's arguments]
"""
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

BOXSIM = ""
PATIENCE_S = 20.0  # for what must come
POLL_S = 0.01
SILENCE_S = 0.6  # after which nothing more is expected; replies here take less than half of it
ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "123456789012"
FAST = "baud=115200,turnaround=1"


# --- frames, built here so that the box's own codec is not its own judge ---

def dlt645(address, control, data=b""):
    """A frame without preamble; address as text of 12 digits or AA pairs, data without its +33H."""
    body = bytes([0x68]) + bytes.fromhex(address)[::-1] + bytes([0x68, control, len(data)])
    body += bytes((byte + 0x33) & 0xFF for byte in data)
    return body + bytes([sum(body) & 0xFF, 0x16])


def read_di(address, di):
    return dlt645(address, 0x11, struct.pack("<I", di))


def value_of(address, di, value):
    """The whole answer of a meter, with its preamble."""
    return b"\xFE" * 4 + dlt645(address, 0x91, struct.pack("<I", di) + value)


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ 0xA001 if value & 1 else value >> 1
    return struct.pack("<H", value)


def modbus(*parts):
    data = b"".join(bytes([part]) if isinstance(part, int) else part for part in parts)
    return data + crc(data)


def read_input(slave, register, count=2):
    return modbus(slave, 4, struct.pack(">HH", register, count))


def wait_for(what, condition, patience=PATIENCE_S):
    end = time.monotonic() + patience
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(POLL_S)
    raise AssertionError(f"{what}: not within {patience} s")


class Line:
    """A master at the other side of a pseudo-terminal."""

    def __init__(self, path):
        self.fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)

    def close(self):
        os.close(self.fd)

    def send(self, data):
        os.write(self.fd, data)

    def receive(self, count, patience=PATIENCE_S):
        """count bytes, or what came until patience ran out."""
        data = b""
        end = time.monotonic() + patience
        while len(data) < count and (rest := end - time.monotonic()) > 0:
            if select.select([self.fd], [], [], rest)[0]:
                data += os.read(self.fd, count - len(data))
        return data

    def ask(self, question, count):
        self.send(question)
        return self.receive(count)

    def silence(self):
        """What comes although nothing should."""
        return self.receive(1, SILENCE_S)


class Board:
    """A controller's board at the pins' socket."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE_S)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def close(self):
        self.file.close()
        self.socket.close()

    def say(self, text):
        self.socket.sendall(text.encode())

    def hear(self):
        return self.file.readline().decode().strip()

    def hear_until(self, wanted):
        heard = []
        while not heard or heard[-1] != wanted:
            heard.append(self.hear())
            if not heard[-1]:
                raise AssertionError(f"the box hung up before '{wanted}': {heard}")
        return heard


class Box:
    def __init__(self, test, *arguments, outlets=1, meters=(), folder=None, expect_start=True):
        self.folder = folder or test.folder
        self.pins = str(Path(self.folder, "pins"))
        self.bus = str(Path(self.folder, "bus"))
        options = ["--quiet", "--outlets", str(outlets), "--pins", self.pins, "--bus", self.bus]
        for meter in meters:
            options += ["--meter", meter]
        self.errors = open(Path(self.folder, "errors"), "a+", encoding="utf-8")
        self.process = subprocess.Popen([BOXSIM, *options, *arguments], stdin=subprocess.PIPE, bufsize=0,
                                        stdout=subprocess.PIPE, stderr=self.errors)
        self.buffer = b""
        test.addCleanup(self.end)
        if expect_start:
            self.state()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for file in (self.process.stdin, self.process.stdout, self.errors):
            file.close()

    def stderr(self):
        return Path(self.folder, "errors").read_text(encoding="utf-8")

    def line(self):
        end = time.monotonic() + PATIENCE_S
        while b"\n" not in self.buffer:
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise AssertionError("boxsim does not answer: " + self.stderr())
            got = os.read(self.process.stdout.fileno(), 65536)
            if not got:
                raise AssertionError("boxsim has ended: " + self.stderr())
            self.buffer += got
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def type(self, text):
        """Types lines; the lines up to the first ok or error."""
        self.process.stdin.write(text.encode() if isinstance(text, str) else text)
        answer = [self.line()]
        while answer[-1] != "ok" and not answer[-1].startswith("error: "):
            answer.append(self.line())
        return answer

    def do(self, command):
        answer = self.type(command + "\n")
        if answer[-1] != "ok":
            raise AssertionError(f"{command}: {answer}")
        return answer

    def refuses(self, command):
        answer = self.type(command + "\n")
        if len(answer) != 1 or not answer[0].startswith("error: "):
            raise AssertionError(f"{command}: not refused: {answer}")
        return answer[0]

    def state(self):
        return json.loads(self.do("state")[0])

    def outlet(self, number=1):
        return self.state()["outlets"][number - 1]

    def wait_outlet(self, what, condition, number=1):
        def look():
            outlet = self.outlet(number)
            return outlet if condition(outlet) else None
        return wait_for(what, look)

    def stop(self, by=signal.SIGTERM):
        self.process.send_signal(by)
        return self.process.wait(PATIENCE_S)


class BoxTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def start(self, *arguments, **named):
        return Box(self, *arguments, **named)

    def master(self, box, path=None):
        line = Line(path or box.bus)
        self.addCleanup(line.close)
        return line

    def board(self, box):
        board = Board(box.pins)
        self.addCleanup(board.close)
        return board

    def events(self, path):
        return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").splitlines()]

    def expect(self, line, question, answer):
        self.assertEqual(line.ask(question, len(answer)).hex(" "), answer.hex(" "))


class Dlt645(BoxTest):
    def setUp(self):
        super().setUp()
        self.box = self.start(meters=[f"dlt645:{ADDRESS},register=123456.78,serial=SN-4711-00815,{FAST}"])
        self.line = self.master(self.box)

    def test_frames_of_real_peers(self):
        self.expect(self.line, bytes.fromhex("68 12 90 78 56 34 12 68 11 04 33 33 34 33 68 16"),
                    bytes.fromhex("FEFEFEFE 68 12 90 78 56 34 12 68 91 08 33 33 34 33 AB 89 67 45 CC 16"))
        self.expect(self.line, bytes.fromhex("68 AA AA AA AA AA AA 68 13 00 DF 16"),
                    bytes.fromhex("FEFEFEFE 68 12 90 78 56 34 12 68 93 06 45 C3 AB 89 67 45 07 16"))
        self.expect(self.line, bytes.fromhex("68 12 90 78 56 34 12 68 11 04 40 3F 3E 3D 95 16"),
                    bytes.fromhex("FEFEFEFE 68 12 90 78 56 34 12 68 D1 01 35 8D 16"))
        self.expect(self.line, bytes.fromhex("68 12 90 78 56 34 12 68 12 05 34 33 39 38 34 A9 16"),
                    bytes.fromhex("FEFEFEFE 68 12 90 78 56 34 12 68 D2 01 34 8D 16"))

    def test_identifiers(self):
        total, none = bytes.fromhex("78563412"), bytes(4)
        values = {
            0x00000000: total, 0x00010000: total, 0x0001FF00: total + none * 2 + total + none,
            0x00010300: total, 0x00010100: none,
            0x02010100: bytes.fromhex("0023"), 0x02010200: b"\xFF\xFF", 0x02010300: b"\xFF\xFF",
            0x0201FF00: bytes.fromhex("0023FFFFFFFF"),
            0x02020100: bytes(3), 0x02020200: b"\xFF" * 3, 0x0202FF00: bytes(3) + b"\xFF" * 6,
            0x02030000: bytes(3), 0x02030100: bytes(3), 0x02030300: b"\xFF" * 3,
            0x02060000: bytes.fromhex("0010"), 0x02800002: bytes.fromhex("0050"),
            0x04000401: bytes.fromhex("129078563412"), 0x04000402: bytes.fromhex("150810710400"),
            **{0x04000500 + word: bytes(2) for word in range(1, 8)}, 0x040005FF: bytes(14),
        }
        for di, value in values.items():
            with self.subTest(di=f"{di:08X}"):
                self.expect(self.line, read_di(ADDRESS, di), value_of(ADDRESS, di, value))

    def test_unknown_identifiers(self):
        refusal = b"\xFE" * 4 + dlt645(ADDRESS, 0xD1, b"\x02")
        for di in (0x00010500, 0x00010001, 0x00020000, 0x02010000, 0x02010101, 0x02020000, 0x02800001, 0x04000103,
                   0x04000500, 0x04000508, 0x01000000, 0xFFFFFFFF):
            with self.subTest(di=f"{di:08X}"):
                self.expect(self.line, read_di(ADDRESS, di), refusal)

    def test_writing_and_switching_are_refused(self):
        for control in (0x14, 0x1C):
            self.expect(self.line, dlt645(ADDRESS, control, bytes(16)),
                        b"\xFE" * 4 + dlt645(ADDRESS, control | 0xC0, b"\x04"))

    def test_clock_is_at_utc_8(self):
        def clock():
            date = self.line.ask(read_di(ADDRESS, 0x04000101), 24)[18:22]
            return date, self.line.ask(read_di(ADDRESS, 0x04000102), 23)[18:21]

        def digits(data):
            return [int(f"{(byte - 0x33) & 0xFF:02x}") for byte in data]

        before = int(time.time())
        date, day_time = clock()
        after = int(time.time())
        allowed = [time.gmtime(second + 8 * 3600) for second in range(before - 1, after + 2)]
        self.assertIn((digits(date), digits(day_time)),
                      [([(t.tm_wday + 1) % 7, t.tm_mday, t.tm_mon, t.tm_year % 100], [t.tm_sec, t.tm_min, t.tm_hour])
                       for t in allowed])

    def test_wildcards(self):
        answer = value_of(ADDRESS, 0x02800002, bytes.fromhex("0050"))
        self.expect(self.line, read_di("AA" * 6, 0x02800002), answer)
        self.expect(self.line, read_di("AAAAAAAA9012", 0x02800002), answer)

    def test_what_is_not_for_it_is_not_answered(self):
        for question in (read_di("123456789013", 0), read_di("AAAAAAAA9013", 0), read_di("99" * 6, 0),
                         dlt645(ADDRESS, 0x91, bytes(8)), dlt645(ADDRESS, 0x11, bytes(4))[:-2] + b"\x00\x16",
                         dlt645("99" * 6, 0x08, bytes(6)), modbus(1, 4, bytes.fromhex("00000002"))):
            self.line.send(question)
        self.assertEqual(self.line.silence(), b"")

    def test_garbage_before_and_between(self):
        answer = value_of(ADDRESS, 0x02800002, bytes.fromhex("0050"))
        question = read_di(ADDRESS, 0x02800002)
        for garbage in (b"\x00", b"\xFE" * 9, b"\x68", b"\x68\x01\x02\x68", question[:-3], b"\x68" * 7, bytes(range(256))):
            with self.subTest(garbage=garbage.hex()):
                self.expect(self.line, garbage + question, answer)

    def test_bytes_one_by_one(self):
        for byte in b"\xFE\xFE" + read_di(ADDRESS, 0x02800002):
            self.line.send(bytes([byte]))
        answer = value_of(ADDRESS, 0x02800002, bytes.fromhex("0050"))
        self.assertEqual(self.line.receive(len(answer)), answer)

    def test_address_is_not_told_when_meters_share_the_line(self):
        self.box.stop()
        box = self.start(outlets=2, meters=[f"dlt645:1,{FAST}", f"dlt645:2,{FAST}"])
        line = self.master(box)
        line.send(dlt645("AA" * 6, 0x13))
        line.send(read_di("AA" * 6, 0))
        self.assertEqual(line.silence(), b"")
        self.expect(line, read_di("AAAAAAAAAA02", 0), value_of("000000000002", 0, bytes(4)))


class Modbus(BoxTest):
    def setUp(self):
        super().setUp()
        self.box = self.start(outlets=2, meters=[f"dlt645:{ADDRESS},{FAST}",
                                                 f"sdm120:7,register=1242.06,serial=20154711,{FAST}"])
        self.line = self.master(self.box)

    def test_registers(self):
        for register, value in ((0x0000, 230.0), (0x0006, 0.0), (0x000C, 0.0), (0x001E, 1.0), (0x0046, 50.0),
                                (0x0048, 1242.06), (0x0156, 1242.06)):
            with self.subTest(register=f"{register:04X}"):
                self.expect(self.line, read_input(7, register), modbus(7, 4, 4, struct.pack(">f", value)))
        self.expect(self.line, read_input(7, 0x0046, 4), modbus(7, 4, 8, struct.pack(">ff", 50.0, 1242.06)))
        self.expect(self.line, modbus(7, 3, bytes.fromhex("FC000002")), modbus(7, 3, 4, struct.pack(">I", 20154711)))

    def test_a_frame_of_a_real_peer(self):
        self.box.stop()
        box = self.start(meters=[f"sdm120:1,register=1242.06,{FAST}"])
        self.expect(self.master(box), bytes.fromhex("01 04 01 56 00 02 90 27"),
                    bytes.fromhex("01 04 04 44 9B 41 EC AF 46"))

    def test_refusals(self):
        address, value = modbus(7, 0x84, 2), modbus(7, 0x84, 3)
        self.expect(self.line, read_input(7, 0x01FF), address)
        self.expect(self.line, read_input(7, 0x0002), address)
        self.expect(self.line, read_input(7, 0x0000, 3), address)
        self.expect(self.line, read_input(7, 0x0000, 0), value)
        self.expect(self.line, read_input(7, 0x0000, 126), value)
        self.expect(self.line, modbus(7, 3, bytes.fromhex("00000002")), modbus(7, 0x83, 2))
        self.expect(self.line, modbus(7, 6, bytes.fromhex("FC000001")), modbus(7, 0x86, 2))
        self.expect(self.line, modbus(7, 16, bytes.fromhex("FC0000020400000001")), modbus(7, 0x90, 2))
        self.expect(self.line, modbus(7, 1, bytes.fromhex("00000001")), modbus(7, 0x81, 2))

    def test_what_is_not_for_it_is_not_answered(self):
        for question in (read_input(8, 0), read_input(7, 0)[:-1] + b"\x00", modbus(0, 4, bytes.fromhex("00000002"))):
            self.line.send(question)
        self.assertEqual(self.line.silence(), b"")

    def test_both_protocols_on_one_line_with_garbage(self):
        modbus_answer = modbus(7, 4, 4, struct.pack(">f", 50.0))
        dlt_answer = value_of(ADDRESS, 0x02800002, bytes.fromhex("0050"))
        for garbage in (b"", b"\x68", b"\x07\x04", b"\x07\x10\x00\x00\x00\x01\xFF", bytes(range(256)) * 3):
            with self.subTest(garbage=garbage[:8].hex()):
                self.expect(self.line, garbage + read_input(7, 0x0046), modbus_answer)
                self.expect(self.line, garbage + read_di(ADDRESS, 0x02800002), dlt_answer)


class Faults(BoxTest):
    QUESTION = read_di(ADDRESS, 0x00010000)
    ANSWER = value_of(ADDRESS, 0x00010000, bytes.fromhex("78563412"))
    MODBUS_ANSWER = modbus(7, 4, 4, struct.pack(">f", 50.0))

    def setUp(self):
        super().setUp()
        self.log = str(Path(self.folder, "log"))
        self.box = self.start("--log", self.log, "--log-bus", outlets=2,
                              meters=[f"dlt645:{ADDRESS},register=123456.78,{FAST}", f"sdm120:7,{FAST}"])
        self.line = self.master(self.box)

    def test_silent(self):
        self.box.do("fault 1 silent on")
        self.assertIsNone(self.box.outlet()["register_mwh"])
        self.line.send(self.QUESTION)
        self.line.send(dlt645("AA" * 6, 0x13))
        self.assertEqual(self.line.silence(), b"")
        self.box.do("fault 1 silent off")
        self.expect(self.line, self.QUESTION, self.ANSWER)

    def test_zero(self):
        self.box.do("fault 1 zero on")
        self.expect(self.line, self.QUESTION, value_of(ADDRESS, 0x00010000, bytes(4)))
        self.assertEqual(self.box.outlet()["true_mwh"], 123456780000)

    def test_dribble(self):
        self.box.do("fault 1 dribble 20")
        self.expect(self.line, self.QUESTION, self.ANSWER)
        self.box.do("fault 1 dribble off")
        # The log's own times tell: 24 bytes with 23 gaps.
        asked, answered = wait_for("the reply in the log", lambda: self.bus_events() if len(self.bus_events()) > 1 else None)[:2]
        self.assertGreaterEqual(answered["mono_ms"] - asked["mono_ms"], 23 * 20)

    def bus_events(self):
        return [event for event in self.events(self.log) if event["event"] in ("question", "reply")]

    def test_late_answer_comes_behind_the_next_one(self):
        self.box.do("fault 1 late 3000")
        self.line.send(self.QUESTION)
        wait_for("the question in the log", self.bus_events)
        self.box.do("fault 1 late off")
        frequency = value_of(ADDRESS, 0x02800002, bytes.fromhex("0050"))
        self.line.send(read_di(ADDRESS, 0x02800002))
        self.assertEqual(self.line.receive(len(frequency) + len(self.ANSWER)), frequency + self.ANSWER)

    def test_slow(self):
        self.box.do("fault 2 slow 300")
        self.expect(self.line, read_input(7, 0x0046), self.MODBUS_ANSWER)
        asked, answered = wait_for("the reply in the log", lambda: self.bus_events() if len(self.bus_events()) > 1 else None)
        self.assertGreaterEqual(answered["mono_ms"] - asked["mono_ms"], 300)
        self.assertEqual(answered["bytes"], self.MODBUS_ANSWER.hex().upper())

    def test_garbled(self):
        for outlet, question, answer, preamble in ((1, self.QUESTION, self.ANSWER, 4),
                                                   (2, read_input(7, 0x0046), self.MODBUS_ANSWER, 0)):
            self.box.do(f"fault {outlet} garbled on")
            seen = set()
            for _ in range(len(answer) - preamble):
                got = self.line.ask(question, len(answer))
                wrong = [i for i in range(len(answer)) if got[i] != answer[i]]
                self.assertEqual(len(wrong), 1)
                seen.add(wrong[0])
            self.assertEqual(seen, set(range(preamble, len(answer))))  # every field of the frame in its turn
            self.box.do(f"fault {outlet} garbled off")
            self.expect(self.line, question, answer)

    def test_foreign(self):
        self.box.do("fault 1 foreign on")
        self.box.do("fault 2 foreign on")
        self.expect(self.line, self.QUESTION, value_of("123456789013", 0x00010000, bytes.fromhex("78563412")))
        self.expect(self.line, read_input(7, 0x0046), modbus(6, 4, 4, struct.pack(">f", 50.0)))

    def test_half(self):
        self.box.do("fault 1 half on")
        self.line.send(self.QUESTION)
        self.assertEqual(self.line.receive(len(self.ANSWER), SILENCE_S), self.ANSWER[:len(self.ANSWER) // 2])

    def test_echo(self):
        self.box.do("fault bus echo on")
        self.assertTrue(self.box.state()["lines"][0]["echo"])
        self.expect(self.line, self.QUESTION, self.QUESTION + self.ANSWER)
        self.box.do("fault bus1 echo off")
        self.expect(self.line, self.QUESTION, self.ANSWER)

    def test_foreign_master(self):
        self.box.do("foreign-master on")
        total = bytes.fromhex("78563412")
        question = b"\xFE" * 4 + read_di(ADDRESS, 0x0001FF00)
        answer = value_of(ADDRESS, 0x0001FF00, total + bytes(8) + total + bytes(4))
        self.assertEqual(self.line.receive(len(question) + len(answer)), question + answer)
        self.assertEqual(self.line.receive(len(question) + len(answer)), question + answer)  # and again
        self.box.do("foreign-master off")

    def test_mains_off_ends_answers_under_way(self):
        self.box.do("fault 1 late 3000")
        self.line.send(self.QUESTION)
        wait_for("the question in the log", self.bus_events)
        self.box.do("mains off")
        self.box.do("fault 1 late off")
        self.line.send(self.QUESTION)
        self.assertEqual(self.line.receive(1, 3.5), b"")
        self.box.do("mains on")
        self.expect(self.line, self.QUESTION, self.ANSWER)

    def test_nobody_listens(self):
        self.box.do("fault 1 late 300")
        self.line.send(self.QUESTION)
        os.close(self.line.fd)
        wait_for("the reply in the log", lambda: len(self.bus_events()) == 2)
        self.line.fd = os.open(self.box.bus, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.expect(self.line, read_input(7, 0x0046), self.MODBUS_ANSWER)  # the lost answer is not in front

    def test_a_flood_of_questions(self):
        self.box.do("fault 1 late 60000")
        for _ in range(200):
            self.line.send(self.QUESTION)
        wait_for("all bytes in the log", lambda: sum(len(event["bytes"]) // 2 for event in self.bus_events()) ==
                 200 * len(self.QUESTION))
        self.box.do("mains off")
        self.box.do("mains on")
        self.box.do("fault 1 late off")
        self.expect(self.line, self.QUESTION, self.ANSWER)


class Pins(BoxTest):
    def test_levels_at_connecting(self):
        box = self.start(outlets=2)
        box.do("open 2 force")
        board = self.board(box)
        self.assertEqual(sorted(board.hear_until("ready")),
                         ["contact 1 0", "contact 2 0", "door 0 1", "door 1 1", "door 2 0", "ready"])
        self.assertTrue(box.state()["connected"])

    def test_what_is_not_fitted_is_not_told(self):
        board = self.board(self.start("--no-door", "--no-contact"))
        self.assertEqual(board.hear_until("ready"), ["door 0 1", "ready"])

    def test_breaker_and_energy(self):
        log = str(Path(self.folder, "log"))
        box = self.start("--log", log, meters=["dlt645:1,step=1Wh"])
        box.do("plug 1 60000")
        self.assertEqual(box.outlet()["power_mw"], 0)
        board = self.board(box)
        board.hear_until("ready")
        board.say("breaker 1 1\n")
        self.assertEqual(board.hear(), "contact 1 1")
        outlet = box.wait_outlet("two register steps", lambda o: o["register_mwh"] >= 2000)
        self.assertTrue(outlet["driven"] and outlet["contact"] and outlet["energised"])
        self.assertEqual(outlet["power_mw"], 60000000)
        self.assertEqual(outlet["true_uj"] // 3600000, outlet["true_mwh"])
        self.assertEqual(outlet["register_mwh"], outlet["true_mwh"] // 1000 * 1000)
        board.say("breaker 1 0\n")
        self.assertEqual(board.hear(), "contact 1 0")
        outlet = box.outlet()
        self.assertFalse(outlet["driven"] or outlet["contact"] or outlet["energised"])
        events = self.events(log)
        closed, opened = [event["mono_ms"] for event in events if event["event"] == "energised"]
        self.assertEqual(outlet["true_uj"], (opened - closed) * 60000000)
        steps = [event for event in events if event["event"] == "step"]
        self.assertEqual([step["mwh"] for step in steps], [1000 * (i + 1) for i in range(len(steps))])
        for step in steps:  # 1 Wh at 60 kW takes 60 ms: each step has its own moment
            self.assertEqual(step["mono_ms"] - closed, step["mwh"] * 60 // 1000)
        self.assertEqual(outlet["register_mwh"], len(steps) * 1000)

    def test_disconnecting_drops_the_breaker(self):
        box = self.start()
        board = self.board(box)
        board.hear_until("ready")
        board.say("breaker 1 1\n")
        self.assertEqual(board.hear(), "contact 1 1")
        board.close()
        box.wait_outlet("the breaker open", lambda o: not o["contact"] and not o["driven"])
        self.assertFalse(box.state()["connected"])
        self.board(box).hear_until("ready")

    def test_a_latching_breaker_stays(self):
        box = self.start("--latching")
        board = self.board(box)
        board.hear_until("ready")
        board.say("breaker 1 1\n")
        self.assertEqual(board.hear(), "contact 1 1")
        board.close()
        wait_for("the board away", lambda: not box.state()["connected"])
        self.assertIn("contact 1 1", self.board(box).hear_until("ready"))

    def test_a_second_board_is_refused(self):
        box = self.start()
        first = self.board(box)
        first.hear_until("ready")
        self.assertEqual(self.board(box).hear(), "")
        first.say("breaker 1 1\n")
        self.assertEqual(first.hear(), "contact 1 1")

    def test_malformed_lines_disconnect(self):
        box = self.start()
        for text in ("breaker 1 2\n", "breaker 2 1\n", "breaker 0 1\n", "pulse 1 0\n", "pulse 2 100\n", "contact 1 1\n",
                     "ready\n", "\n", "breaker 1 1 \n", "x" * 64, "breaker 1 1\0\n"):
            with self.subTest(text=text):
                board = self.board(box)
                board.hear_until("ready")
                board.say(text)
                self.assertEqual(board.hear(), "")
                self.assertFalse(box.outlet()["driven"])
        self.assertIn("disconnected", box.stderr())

    def test_a_line_may_come_in_pieces(self):
        box = self.start()
        board = self.board(box)
        board.hear_until("ready")
        for piece in ("brea", "ker 1", " 1\nbreaker 1 0\nbr", "eaker 1 1\n"):
            board.say(piece)
        box.wait_outlet("the breaker closed", lambda o: o["driven"] and o["contact"])

    def test_lock_and_door(self):
        box = self.start()
        self.assertIn("locked", box.refuses("open 1"))
        board = self.board(box)
        board.hear_until("ready")
        board.say("pulse 1 300\npulse 0 250\n")
        box.wait_outlet("unlocked", lambda o: o["unlocked"])
        box.do("open 1")
        self.assertEqual(board.hear(), "door 1 0")
        box.do("open box")
        self.assertEqual(board.hear(), "door 0 0")
        box.do("close 1")
        self.assertEqual(board.hear(), "door 1 1")
        self.assertFalse(box.outlet()["unlocked"])
        box.wait_outlet("the whole pulse", lambda o: o["longest_coil_ms"] == 300)
        self.assertEqual(box.state()["box"]["longest_coil_ms"], 250)

    def test_a_burnt_coil(self):
        box = self.start("--lock-rating", "50")
        board = self.board(box)
        board.hear_until("ready")
        board.say("pulse 1 100\n")
        box.wait_outlet("the whole pulse", lambda o: o["longest_coil_ms"] == 100)
        box.do("open 1")
        box.do("close 1")
        self.assertFalse(box.outlet()["unlocked"])
        board.say("pulse 1 20\nbreaker 1 1\n")
        board.hear_until("contact 1 1")
        self.assertFalse(box.outlet()["unlocked"])

    def test_bounce(self):
        log = str(Path(self.folder, "log"))
        box = self.start("--log", log)
        board = self.board(box)
        board.hear_until("ready")
        box.do("bounce 1 100")
        self.assertEqual([board.hear() for _ in range(20)], ["door 1 0", "door 1 1"] * 10)
        doors = [event for event in self.events(log) if event["event"] == "door"]
        self.assertEqual([event["mono_ms"] - doors[0]["mono_ms"] for event in doors], [5 * i for i in range(20)])

    def test_mains(self):
        box = self.start()
        box.do("plug 1 1000")
        board = self.board(box)
        board.hear_until("ready")
        board.say("breaker 1 1\n")
        self.assertEqual(board.hear(), "contact 1 1")
        box.do("mains off")
        self.assertEqual(board.hear(), "contact 1 0")
        self.assertFalse(box.state()["mains"])
        box.do("mains on")
        self.assertEqual(board.hear(), "contact 1 1")
        box.do("mains off hard")
        while board.hear():
            pass  # whatever it said before it hung up
        self.assertEqual(self.board(box).hear(), "")
        box.do("mains on")
        self.board(box).hear_until("ready")

    def test_trip_and_plant_faults(self):
        box = self.start()
        board = self.board(box)
        board.hear_until("ready")
        board.say("breaker 1 1\n")
        self.assertEqual(board.hear(), "contact 1 1")
        box.do("trip 1")
        self.assertEqual(board.hear(), "contact 1 0")
        box.do("reset 1")
        self.assertEqual(board.hear(), "contact 1 1")
        box.do("fault 1 welded on")
        board.say("breaker 1 0\n")
        box.wait_outlet("driven open", lambda o: not o["driven"])
        self.assertTrue(box.outlet()["contact"])
        self.assertEqual(box.outlet()["faults"], {"welded": 1})
        box.do("fault 1 welded off")
        self.assertEqual(board.hear(), "contact 1 0")
        box.do("fault 1 bypassed on")
        self.assertTrue(box.outlet()["energised"])


class Commands(BoxTest):
    def test_wrong_commands_change_nothing(self):
        box = self.start(outlets=2, meters=["dlt645:1", "sdm120:2"])

        def truth():
            state = box.state()
            del state["mono_ms"]
            return state

        before = truth()
        for command in ("frobnicate", "plug", "plug 1", "plug 0 100", "plug 3 100", "plug 1 -1", "plug 1 0", "plug 1 70001",
                        "plug 1 1e3", "plug 1 100 1000", "plug 1 100 1000 0 1", "plug 1 100 1000 0 1 1 1", "unplug",
                        "open 1", "open box", "open 1 gently", "open 3 force", "close 17", "mains", "mains maybe",
                        "mains on hard", "trip", "trip box", "reset 99999999999999999999", "replace 1", "replace 1 no-digit!",
                        "replace 1 ABC", "replace 2 A7", "replace 2 4294967296", "replace 1 7 1000000", "bounce 1",
                        "bounce 1 60001", "fault 1 welded", "fault 1 welded 5", "fault 1 slow on", "fault 1 slow 0",
                        "fault 1 slow 60001", "fault 1 nothing on", "fault bus echo", "fault bus2 echo on",
                        "fault bus hum on", "foreign-master", "foreign-master on bus9", "at 5 plug 1 100", "state now",
                        "quit 1", "plug 1 100 " + "1000 " * 60):
            with self.subTest(command=command):
                error = box.refuses(command)
                self.assertGreater(len(error), len("error: "))
        self.assertEqual(truth(), before)

    def test_lines_that_are_no_text(self):
        box = self.start()
        self.assertRegex(box.type(b"plug 1 100\x01\n")[0], "^error: .*text")
        self.assertRegex(box.type(b"plug \xc3\xbc\n")[0], "^error: .*text")
        self.assertRegex(box.type(b"plug 1 100" + b" " * 5000 + b"\n")[0], "^error: .*too long")
        self.assertEqual(box.outlet()["load_mw"], 0)

    def test_empty_lines_comments_and_help(self):
        box = self.start()
        answer = box.type("\n  \n# nothing\nhelp # all of them\n")
        self.assertEqual(answer[-1], "ok")
        for verb in ("plug", "unplug", "open", "close", "mains", "trip", "reset", "replace", "bounce", "fault",
                     "foreign-master", "state", "quit"):
            self.assertTrue(any(re.search(rf"\b{verb}\b", line) for line in answer), verb)

    def test_end_of_input_is_no_end(self):
        box = self.start()
        box.process.stdin.close()
        board = self.board(box)
        board.hear_until("ready")
        board.say("breaker 1 1\n")
        self.assertEqual(board.hear(), "contact 1 1")
        self.assertIsNone(box.process.poll())

    def test_quit_and_signals_clean_up(self):
        for end in ("quit", signal.SIGTERM, signal.SIGINT):
            with self.subTest(end=end):
                box = self.start()
                self.assertTrue(os.path.islink(box.bus))
                if end == "quit":
                    box.do("quit")
                    self.assertEqual(box.process.wait(PATIENCE_S), 0)
                else:
                    self.assertEqual(box.stop(end), 0)
                self.assertEqual(os.listdir(self.folder), ["errors"])
                self.assertEqual(box.stderr(), "")

    def test_replaced_meter(self):
        box = self.start(meters=[f"dlt645:{ADDRESS},register=5,{FAST}"])
        line = self.master(box)
        box.do("fault 1 silent on")
        box.do("replace 1 NEW-0042 77.5")
        self.expect(line, read_di(ADDRESS, 0x04000402), value_of(ADDRESS, 0x04000402, bytes.fromhex("420000000000")))
        self.expect(line, read_di(ADDRESS, 0x00010000), value_of(ADDRESS, 0x00010000, bytes.fromhex("50770000")))
        self.assertEqual(box.outlet()["serial"], "NEW-0042")

    def test_power_and_current_on_the_line(self):
        box = self.start(meters=[f"dlt645:{ADDRESS},{FAST}"])
        line = self.master(box)
        box.do("plug 1 2300")
        box.do("fault 1 bypassed on")
        self.expect(line, read_di(ADDRESS, 0x02030000), value_of(ADDRESS, 0x02030000, bytes.fromhex("003002")))
        self.expect(line, read_di(ADDRESS, 0x02020100), value_of(ADDRESS, 0x02020100, bytes.fromhex("000001")))


class Lives(BoxTest):
    """What a killed process leaves behind."""

    def test_sigkill_keeps_the_register(self):
        state = str(Path(self.folder, "state"))
        begin = time.monotonic()
        box = self.start("--state", state, outlets=2, meters=["dlt645:1,register=12.34", "sdm120:2,serial=77"])
        box.do("plug 1 70000")
        box.do("replace 2 88 9.5")
        board = self.board(box)
        board.hear_until("ready")
        board.say("breaker 1 1\n")
        shown = box.wait_outlet("a register step", lambda o: o["register_mwh"] > 12340000)
        box.stop(signal.SIGKILL)
        lived_ms = int((time.monotonic() - begin) * 1000) + 1
        self.assertTrue(os.path.islink(box.bus) and os.path.exists(box.pins))  # left behind
        again = self.start("--state", state, outlets=2, meters=["dlt645:1,register=99", "sdm120:2,serial=77"])
        after = again.outlet()
        self.assertGreaterEqual(after["true_uj"], shown["true_uj"])
        self.assertLessEqual(after["true_uj"], 12340000 * 3600000 + 70000000 * lived_ms)
        self.assertGreaterEqual(after["register_mwh"], shown["register_mwh"])
        self.assertFalse(after["driven"] or after["contact"] or after["energised"])
        self.assertEqual((again.outlet(2)["serial"], again.outlet(2)["true_mwh"]), ("88", 9500000))
        self.assertEqual(again.stop(), 0)
        third = self.start("--state", state, outlets=2, meters=["dlt645:1", "sdm120:2"])
        self.assertEqual(third.outlet()["true_uj"], after["true_uj"])  # to the last microjoule

    def test_a_live_box_is_not_disturbed(self):
        state = str(Path(self.folder, "state"))
        box = self.start("--state", state)
        board = self.board(box)
        board.hear_until("ready")
        other = tempfile.TemporaryDirectory()
        self.addCleanup(other.cleanup)
        free = [str(Path(other.name, name)) for name in ("pins", "bus", "state")]
        for pins, bus, file in ((box.pins, free[1], free[2]), (free[0], box.bus, free[2]), (free[0], free[1], state)):
            run = self.run_boxsim("--pins", pins, "--bus", bus, "--state", file)
            self.assertEqual(run.returncode, 1)
            self.assertIn("another boxsim", run.stderr)
        self.assertEqual([name for name in os.listdir(other.name) if name != "state"], [])
        board.say("breaker 1 1\n")
        self.assertEqual(board.hear(), "contact 1 1")
        self.assertTrue(os.path.islink(box.bus))

    def test_what_is_not_ours_is_left(self):
        pins, bus, state = (Path(self.folder, name) for name in ("pins", "bus", "state"))
        for path in (pins, bus, state):
            path.write_text("precious", encoding="utf-8")
        link = Path(self.folder, "link")
        link.symlink_to("/dev/null")
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(str(Path(self.folder, "taken")))
        listening.listen()
        for option, path in (("--pins", pins), ("--bus", bus), ("--state", state), ("--bus", link),
                             ("--pins", Path(self.folder, "taken"))):
            run = self.run_boxsim(option, str(path))
            self.assertEqual(run.returncode, 1, run.stderr)
            self.assertIn(str(path), run.stderr)
        for path in (pins, bus, state):
            self.assertEqual(path.read_text(encoding="utf-8"), "precious")
        self.assertEqual(os.readlink(link), "/dev/null")
        self.assertEqual([name for name in os.listdir(self.folder) if name.endswith(".lock")], [])

    def run_boxsim(self, *arguments):
        return subprocess.run([BOXSIM, "--quiet", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=PATIENCE_S, check=False)

    def test_wrong_options(self):
        for arguments in (["--outlets", "0"], ["--outlets", "17"], ["--outlets", "x"], ["--frob"], ["--pins", ""],
                          ["--pins", "x" * 200], ["--meter", "dlt645:"], ["--meter", "dlt645:1234567890123"],
                          ["--meter", "dlt645:AA"], ["--meter", "sdm120:0"], ["--meter", "sdm120:248"],
                          ["--meter", "other:1"], ["--meter", "dlt645"], ["--meter", "dlt645:1,baud=7"],
                          ["--meter", "dlt645:1,bus=2"], ["--meter", "dlt645:1,step=0Wh"], ["--meter", "dlt645:1,step=10"],
                          ["--meter", "dlt645:1,register=1000000"], ["--meter", "dlt645:1,colour=blue"],
                          ["--meter", "dlt645:1,serial"], ["--meter", "sdm120:1,serial=A1"],
                          ["--meter", "dlt645:1,serial=\"1"], ["--meter", "dlt645:1", "--meter", "dlt645:2"],
                          ["--outlets", "2", "--meter", "dlt645:7", "--meter", "dlt645:7"], ["--lock-rating", "-1"],
                          ["--log-bus"], ["one", "two"], ["--meter", "dlt645:1," + "x" * 300]):
            with self.subTest(arguments=arguments):
                run = self.run_boxsim(*arguments)
                self.assertEqual(run.returncode, 2)
                self.assertTrue(run.stderr.startswith("boxsim: ") or "--frob" in run.stderr, run.stderr)
                self.assertEqual(run.stdout, "")

    def test_help_and_version(self):
        self.assertIn("usage: boxsim", self.run_boxsim("--help").stdout)
        self.assertRegex(self.run_boxsim("--version").stdout, r"^boxsim \d+\.\d+")

    def test_four_lines(self):
        buses = [str(Path(self.folder, f"bus{i}")) for i in (2, 3, 4)]
        box = self.start(*[word for bus in buses for word in ("--bus", bus)], outlets=2,
                         meters=[f"dlt645:1,bus=4,{FAST}", f"dlt645:1,bus=1,{FAST},register=3"])
        self.expect(self.master(box, buses[2]), read_di("000000000001", 0), value_of("000000000001", 0, bytes(4)))
        self.expect(self.master(box), read_di("000000000001", 0),
                    value_of("000000000001", 0, bytes.fromhex("00030000")))
        other = self.master(box, buses[0])
        other.send(read_di("000000000001", 0))
        self.assertEqual(other.silence(), b"")


class Scenario(BoxTest):
    def write(self, text):
        path = str(Path(self.folder, "x.scenario"))
        Path(path).write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def test_steps_come_in_order(self):
        log = str(Path(self.folder, "log"))
        path = self.write("# a test\nplug 1 100\nat 0.2 unplug 1\n at 0.1\tplug 1 300\nplug 1 400 # at once\nopen 1\n")
        box = self.start("--log", log, path)
        box.wait_outlet("the last step", lambda o: o["load_mw"] == 0)
        plugs = [event for event in self.events(log) if event["event"] == "plug"]
        self.assertEqual([event["value"] for event in plugs], [100, 300, 400, 0])
        self.assertEqual(plugs[1]["mono_ms"], plugs[2]["mono_ms"])
        self.assertGreaterEqual(plugs[3]["mono_ms"] - plugs[1]["mono_ms"], 1)
        self.assertIn("x.scenario:6: outlet 1 is locked", box.stderr())

    def test_wrong_lines_are_named_before_anything_starts(self):
        for text, line in (("plug 1 100\nfrob\n", 2), ("\n\n\nplug 2 100\n", 4), ("at x plug 1 100\n", 1), ("at 5\n", 1),
                           ("at\n", 1), ("at 1.2345 plug 1 1\n", 1), ("plug 1 100\n" * 1001, 1001), ("x" * 300, 1),
                           (b"plug 1 100\nplug\0 1 100\n", 2), (b"\xff\xfe\n", 1)):
            with self.subTest(line=line, text=text[:20]):
                bus = str(Path(self.folder, "bus"))
                run = subprocess.run([BOXSIM, "--quiet", "--bus", bus, self.write(text)], stdin=subprocess.DEVNULL,
                                     capture_output=True, text=True, timeout=PATIENCE_S, check=False)
                self.assertEqual(run.returncode, 2)
                self.assertIn(f"x.scenario:{line}: ", run.stderr)
                self.assertFalse(os.path.lexists(bus))

    def test_a_missing_file(self):
        run = subprocess.run([BOXSIM, "--quiet", str(Path(self.folder, "none"))], stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        self.assertEqual(run.returncode, 1)
        self.assertIn("No such file", run.stderr)

    def test_the_example_is_right(self):
        box = self.start(str(ROOT / "etc/boxsim/market.scenario"))
        self.assertEqual(box.outlet()["load_mw"], 0)


class Picture(BoxTest):
    def test_the_box_is_drawn(self):
        box = self.start("--picture", expect_start=False)
        box.process.stdin.write(b"plug 1 1234\nfault 1 slow 77\n")

        def drawn():
            if select.select([box.process.stdout], [], [], POLL_S)[0]:
                box.buffer += os.read(box.process.stdout.fileno(), 65536)
            return re.search(rb"1 +1234 +open +dead +locked +closed +0\.000 +0 +slow=77", box.buffer)
        wait_for("the picture", drawn)
        self.assertEqual(box.stop(), 0)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    BOXSIM = os.path.abspath(sys.argv.pop(1))
    unittest.main(verbosity=1)
