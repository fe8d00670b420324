#!/usr/bin/env python3
"""meterboxctl against the running daemon, and against a ledger's file; what the daemon tells systemd.

usage: test_tool.py --meterboxd PATH --boxsim PATH --meterboxctl PATH [unittest's arguments]
"""
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
import box  # noqa: E402
from box import tariff, wait_for  # noqa: E402


class Tool(box.E2eTest):
    """A technician's day."""

    def tool(self, *words, code=0):
        done = subprocess.run([box.arguments.meterboxctl, "--socket", self.socket, "--as", "tess", *words],
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
        self.tool("session", "authorize", "1", "--order", "o1", "--account", "a", "--credit", "0.02", "--tariff", str(path))
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
