#!/usr/bin/env python3
"""meterboxctl against the running daemon, and against a ledger's file; what the daemon tells systemd.

usage: test_tool.py --meterboxd PATH --boxsim PATH --meterboxctl PATH [unittest's arguments]
"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
from pathlib import Path

sys.dont_write_bytecode = True
import box  # noqa: E402
from box import tariff, wait_for  # noqa: E402


class Tool(box.E2eTest):
    """A technician's day."""

    def tool(self, *words, code=0):
        done = subprocess.run([box.arguments.meterboxctl, "--socket", self.socket, "--as", box.technician(), *words],
                              capture_output=True, text=True, timeout=box.PATIENCE_S)
        self.assertEqual(done.returncode, code, done)
        return done.stdout

    def test_a_day(self):
        world = self.world()
        self.socket = str(Path(world.folder) / "control")
        self.sell(world)
        self.look(world)
        self.assertEqual(world.daemon.stop(), 0)
        self.tool("status", code=3)
        self.verify_file(world)

    def sell(self, world):
        self.assertIn("available", self.tool("status"))
        self.assertTrue(json.loads(self.tool("status", "--json"))["ok"])
        path = Path(world.folder) / "tariff.json"
        path.write_text(json.dumps(tariff(1000000)))
        world.boxsim.do("plug 1 7000")
        order = ("session", "authorize", "1", "--order", "o1", "--account", "a", "--credit", "0.02", "--tariff", str(path))
        for wrong in (("--full-amps", "0.5"), ("--full-minutes", "10"), ("--full-amps", "0", "--full-minutes", "10"),
                      ("--full-amps", "0.0005", "--full-minutes", "10"), ("--full-amps", "1001", "--full-minutes", "10"),
                      ("--full-amps", "0.5", "--full-minutes", "1441")):
            self.tool(*order, *wrong, code=2)
        self.tool(*order, "--full-amps", "0.5", "--full-minutes", "10")
        grant = world.ledger().only("o1", "authorized")["grant"]
        self.assertEqual((grant["full_ma"], grant["full_ms"]), (500, 600000))
        world.await_state(1, "ready")
        self.tool("session", "start", "1")
        world.await_state(1, "finishing")
        ms = world.ledger().ended("o1")["energised_ms"]
        span = f"{ms // 1000}.{ms % 1000 // 100} s" if ms < 10000 else f"{ms // 1000} s"
        rows = [re.split("  +", line) for line in self.tool("status", "1").splitlines()]
        heading = next(row for row in rows if row[0] == "outlet")
        self.assertEqual(next(row for row in rows if row[0] == "1")[heading.index("time")], span)
        self.tool("session", "start", "1", "--order", "o1", code=4)
        self.tool("session", "departed", "1")

    def look(self, world):
        self.assertIn("sound", self.tool("ledger", "verify"))
        exported = self.tool("ledger", "export").splitlines()
        self.assertIn('"kind":"ended"', "\n".join(exported))
        self.assertEqual(exported, world.ledger().bodies)
        world.boxsim.do("fault 2 silent on")
        wait_for("the silence", lambda: world.status(2)["meter"]["silent"])
        self.tool("status", code=1)
        self.assertIn("outlet 2", self.tool("doctor", code=1))

    def verify_file(self, world):
        ledger = Path(world.folder) / "state/ledger.db"
        self.assertIn("sound", self.tool("ledger", "verify", str(ledger)))
        damaged = bytearray(ledger.read_bytes())
        at = damaged.index(b'"kind":"ended"')
        damaged[at + 8:at + 13] = b"mover"
        ledger.write_bytes(damaged)
        self.tool("ledger", "verify", str(ledger), code=1)


class Screen:
    """What a terminal shows of a program's output: as much of ECMA-48 as meterboxctl uses; all else is a failure."""
    SEQUENCE = re.compile(r"\x1b\[(\?)?([0-9]*)([A-Za-z])")

    def __init__(self, rows, columns):
        self.modes = {"1049": False, "25": True, "7": True}
        self.resize(rows, columns)

    def resize(self, rows, columns):
        """Whatever a terminal leaves standing: here the worst, nothing that belongs."""
        self.rows = [["~"] * columns for _ in range(rows)]
        self.columns = columns
        self.row = self.column = 0

    def text(self):
        return ["".join(row).rstrip() for row in self.rows]

    def take(self, text):
        while text:
            if text[0] == "\x1b":
                sequence = self.SEQUENCE.match(text)
                if sequence is None:
                    raise AssertionError(f"not known to this terminal: {text[:20]!r}")
                self.obey(*sequence.groups())
                text = text[sequence.end():]
                continue
            self.show(text[0])
            text = text[1:]

    def obey(self, private, number, final):
        if private and final in "hl":
            self.modes[number] = final == "h"
        elif (number, final) == ("", "H"):
            self.row = self.column = 0
        elif (number, final) == ("", "K"):
            self.rows[self.row][self.column:] = [" "] * (self.columns - self.column)
        elif (number, final) == ("", "J"):
            self.obey("", "", "K")
            for row in self.rows[self.row + 1:]:
                row[:] = [" "] * self.columns
        else:
            raise AssertionError(f"nothing that a picture needs: {number}{final}")

    def show(self, letter):
        if letter == "\r":
            self.column = 0
        elif letter == "\n":
            self.row += 1
            if self.row == len(self.rows):
                raise AssertionError("the picture scrolls")
        elif letter < " ":
            raise AssertionError(f"a control character: {letter!r}")
        else:
            if self.column == self.columns:
                raise AssertionError("a line is wider than the window")
            self.rows[self.row][self.column] = letter
            self.column += 1


class Watch(box.E2eTest):
    """meterboxctl watch on a terminal of a size that changes, on a dumb one, and into a pipe."""

    def begin(self, rows, columns, *words, kind="xterm", **more):
        self.master, slave = pty.openpty()
        self.addCleanup(os.close, self.master)
        self.window(rows, columns)
        self.screen = Screen(rows, columns)
        self.before = termios.tcgetattr(slave)
        command = [box.arguments.meterboxctl, "--socket", str(Path(self.folder) / "control"), "watch", *words]
        streams = {"stdin": slave, "stdout": slave, "stderr": slave, **more}
        # The terminal is its own: the kernel then tells it of another size and of Ctrl-C.
        process = subprocess.Popen(command, start_new_session=True, env={**os.environ, "TERM": kind}, **streams,
                                   preexec_fn=lambda: fcntl.ioctl(slave, termios.TIOCSCTTY, 0))
        self.slave = slave
        self.addCleanup(os.close, slave)
        self.addCleanup(self.sweep, process)
        return process

    @staticmethod
    def sweep(process):
        if process.poll() is None:
            process.kill()
        process.wait()

    def window(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def told(self):
        """What has come so far."""
        text = ""
        while select.select([self.master], [], [], 0)[0]:
            text += os.read(self.master, 65536).decode()
        return text

    def await_screen(self, what, condition):
        def look():
            self.screen.take(self.told())
            return condition(self.screen.text())
        return wait_for(lambda: f"{what}, but it shows {self.screen.text()}", look)

    def await_end(self, process):
        self.assertEqual(process.wait(box.PATIENCE_S), 0)
        self.screen.take(self.told())
        self.assertEqual(self.screen.modes, {"1049": False, "25": True, "7": True})
        self.assertEqual(termios.tcgetattr(self.slave), self.before)

    def setUp(self):
        self.box = self.world()
        self.folder = self.box.folder

    def test_a_window(self):
        """Live, over what was drawn before."""
        process = self.begin(40, 160, "--interval", "0.2")
        self.await_screen("all of it", lambda rows: "q ends" in rows and not any("~" in row for row in rows))
        self.assertEqual(self.screen.modes, {"1049": True, "25": False, "7": False})
        self.box.boxsim.do("open box force")
        self.await_screen("the door", lambda rows: "door of the metering box: open" in rows)
        os.write(self.master, b"q")
        self.await_end(process)

    def test_a_small_window_says_what_it_hides(self):
        process = self.begin(9, 60, "--interval", "60")
        self.await_screen("what is hidden", lambda rows: re.search("^q ends - no room for [0-9]+ more below$", rows[8]))
        self.assertTrue(self.screen.text()[0].startswith("box box-1"), self.screen.text())
        os.write(self.master, b"\x03")
        self.await_end(process)

    def test_drawn_anew_without_news(self):
        """At once, in a window that becomes smaller and larger: from the daemon nothing comes for a minute."""
        process = self.begin(40, 160, "--interval", "60")
        self.await_screen("all of it", lambda rows: "q ends" in rows)
        for rows, columns in ((9, 40), (1, 10), (3, 3), (30, 120)):
            with self.subTest(rows=rows, columns=columns):
                self.screen.resize(rows, columns)
                self.window(rows, columns)
                self.await_screen("drawn anew", lambda shown: not any("~" in row for row in shown) and
                                  any(row.startswith("q ends"[:columns]) for row in shown))
        process.send_signal(signal.SIGTERM)
        self.await_end(process)

    def test_a_dumb_terminal(self):
        process = self.begin(24, 80, "--interval", "0.2", kind="dumb")
        seen = []
        def look():
            seen.append(self.told())
            return "".join(seen).count("box box-1") >= 2
        wait_for("two blocks", look)
        os.write(self.master, b"q")
        self.assertEqual(process.wait(box.PATIENCE_S), 0)
        self.assertNotIn("\x1b", "".join(seen) + self.told())
        self.assertEqual(termios.tcgetattr(self.slave), self.before)

    def test_a_pipe(self):
        """Blocks of text; and a reader that goes away ends it."""
        process = self.begin(24, 80, "--interval", "0.2", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        blocks = 0
        while blocks < 2:
            line = process.stdout.readline().decode()
            self.assertNotIn("\x1b", line)
            blocks += line.startswith("box box-1")
        process.stdout.close()
        self.assertEqual(process.wait(box.PATIENCE_S), 1)
        self.assertEqual(termios.tcgetattr(self.slave), self.before)


class Systemd(box.E2eTest):
    """What systemd is told, through the socket that it gives."""

    def test_notifications(self):
        with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(f"{folder}/notify")
            notify.settimeout(box.PATIENCE_S)
            os.environ.update(NOTIFY_SOCKET=f"{folder}/notify", WATCHDOG_USEC="1000000")
            try:
                world = self.world()
            finally:
                del os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]
            self.hear(notify, "READY=1")
            self.hear(notify, "WATCHDOG=1")
            world.daemon.send(signal.SIGHUP)
            self.assertIn("RELOADING=1", self.hear(notify, "READY=1"))
            self.assertEqual(world.daemon.stop(), 0)
            self.hear(notify, "STOPPING=1")

    def hear(self, notify, word):
        """All that is told until this word."""
        told = []
        while word not in told:
            told += notify.recv(4096).decode().splitlines()
        return told


if __name__ == "__main__":
    box.main([("--meterboxctl", {"required": True})])
