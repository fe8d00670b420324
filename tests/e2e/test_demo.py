#!/usr/bin/env python3
"""tools/demo: its story on programs that are built already, what it says when something is wrong, and that nothing of it
stays behind.

usage: test_demo.py --meterboxd PROGRAM --boxsim PROGRAM --meterbox-ops PROGRAM [unittest's arguments]"""
import json
import os
import signal
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path[:0] = [str(Path(__file__).parent), str(TOOLS)]
import box  # noqa: E402
import demo  # noqa: E402
from box import arguments, wait_for  # noqa: E402

LIMIT_S = demo.PATIENCE_S + 2 * box.PATIENCE_S
FIGURES = ["ok", "end_reason", "energy_wh", "amount_micros", "overdraft_wh", "scan_to_unlock_ms", "start_to_power_ms",
           "trip_ms"]


class Played(unittest.TestCase):
    """The demo as a process, in a temporary folder of its own."""

    def begin(self, *options, **programs):
        self.folder = tempfile.TemporaryDirectory(prefix="meterbox-")
        self.addCleanup(self.folder.cleanup)
        programs = {"meterboxd": arguments.meterboxd, "boxsim": arguments.boxsim,
                    "meterbox-ops": arguments.meterbox_ops, **programs}
        words = [word for name, program in programs.items() for word in ("--" + name, program)]
        process = subprocess.Popen([sys.executable, str(TOOLS / "demo.py"), "--headless", *words, *options],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env={**os.environ, "TMPDIR": self.folder.name}, start_new_session=True)
        self.addCleanup(self.sweep, process)
        return process

    def sweep(self, process):
        """Whatever a failed test left of its processes; they are in a session of their own."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()

    def left_behind(self):
        """Files, and processes: each of them was started with a path in the folder."""
        found = os.listdir(self.folder.name)
        for entry in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = entry.read_bytes()
            except OSError:
                continue
            found += [words] if self.folder.name.encode() in words else []
        return found

    def end(self, process):
        """(exit code, the last line's object, standard output, standard error); nothing may be left."""
        out, err = process.communicate(timeout=LIMIT_S)
        self.assertEqual(self.left_behind(), [], err)
        return process.returncode, json.loads(out.splitlines()[-1]), out, err

    def test_the_story(self):
        code, last, out, err = self.end(self.begin())
        self.assertEqual((code, err), (0, ""), out)
        self.assertEqual(list(last), FIGURES)
        self.assertIs(last["ok"], True)
        self.assertEqual(last["end_reason"], "credit_exhausted")
        self.assertGreater(last["energy_wh"], 0)
        self.assertEqual(last["amount_micros"], box.price(demo.FINE, round(last["energy_wh"] * 1000)))
        for figure in FIGURES[4:]:
            self.assertGreaterEqual(last[figure], 0, figure)
        self.assertIn("the bill: server", out)

    def test_stopped_on_the_way(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                process = self.begin()
                for line in process.stdout:
                    if "the lock is pulsed" in line:
                        break
                os.killpg(process.pid, number)  # as a terminal does it: the demo's processes are told, too
                code, last, _, err = self.end(process)
                self.assertEqual(code, 128 + number, err)
                self.assertIs(last["ok"], False)
                self.assertIn(number.name, last["reason"])

    def test_stopped_at_once(self):
        process = self.begin()
        wait_for("its folder", lambda: process.poll() is not None or os.listdir(self.folder.name))
        os.kill(process.pid, signal.SIGTERM)
        code, last, _, err = self.end(process)
        self.assertEqual(code, 128 + signal.SIGTERM, err)
        self.assertIs(last["ok"], False)

    def test_a_program_that_dies(self):
        """One that starts and ends at once, one for each of the three."""
        for name in ("meterbox-ops", "boxsim", "meterboxd"):
            with self.subTest(name):
                code, last, _, err = self.end(self.begin(**{name: "/bin/false"}))
                self.assertEqual(code, 1)
                self.assertIs(last["ok"], False)
                self.assertIn(last["reason"], err)

    def test_a_daemon_that_dies_on_the_way(self):
        process = self.begin()
        for line in process.stdout:
            if "the lock is pulsed" in line:
                break
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split():
            if Path(f"/proc/{child}/cmdline").read_bytes().startswith(arguments.meterboxd.encode() + b"\0"):
                os.kill(int(child), signal.SIGKILL)
        code, last, _, err = self.end(process)
        self.assertEqual(code, 1)
        self.assertIn("meterboxd has ended with -9", last["reason"])
        self.assertIn(last["reason"], err)

    def test_kept(self):
        process = self.begin("--keep", **{"meterboxd": "/bin/false"})
        out, _ = process.communicate(timeout=LIMIT_S)
        self.assertEqual(process.returncode, 1)
        kept = [line.removeprefix("kept: ") for line in out.splitlines() if line.startswith("kept: ")]
        self.assertEqual([Path(path).parent for path in kept], [Path(self.folder.name)])
        self.assertTrue(list(Path(kept[0]).glob("*/box.conf")))


class Script(unittest.TestCase):
    """tools/demo as far as it neither installs nor builds."""

    def call(self, *words):
        return subprocess.run([str(TOOLS / "demo"), *words], capture_output=True, text=True, timeout=box.PATIENCE_S)

    def test_usage(self):
        for words in (("--headless", "--loud"), ("more",), ("--port",), ("--port=",), ("--port", ""), ("--port", "x"),
                      ("--port", "0"), ("--port", "-1"), ("--port", "65536"), ("--port", "99999999999999999999"),
                      ("--port=80a",), ("--port", "--keep"), ("--headless", "--port", "8080")):
            done = self.call(*words)
            self.assertEqual((done.returncode, done.stdout), (64, ""), words)
            self.assertEqual(len(done.stderr.splitlines()), 1, words)

    def test_help(self):
        done = self.call("--help")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        for word in ("--headless", "--keep", "--port", "Exit codes"):
            self.assertIn(word, done.stdout)


def session(**changes):
    """One that is as it must be, changed."""
    order = {"state": "done", "held_micros": 20000, "billed_micros": 20000, "captured_micros": 20000,
             "written_off_micros": 0, "price_differs": False,
             "receipt": {"reason": "credit_exhausted", "start_mwh": 1000000, "energy_mwh": 40000,
                         "amount_micros": 20000, "settled": True}}
    for name in list(changes):
        for part in (order, order["receipt"]):
            if name in part:
                part[name] = changes.pop(name)
                break
    told = {"order": order, "balance_micros": 30000, "paid_in_micros": 50000, "registers_mwh": (1000000, 1040000),
            "scan_ms": 1000, "pulse_ms": 1003, "start_ms": 2000, "closed_ms": 2500, "opened_ms": 23500,
            "flowed_uj": 7000 * 1000 * 21000, **changes}
    return demo.Session(1, "o-1", demo.FINE, 20000, "credit_exhausted", 11778, **told)


class Judgement(unittest.TestCase):
    def test_a_good_one(self):
        self.assertEqual(session().faults(), [])

    def test_figures(self):
        """40.099 Wh are paid for: 7 kW pass them after 20622.3 ms; 21 s make 40.8333 Wh."""
        last = session().last_line()
        self.assertEqual(list(last), FIGURES)
        self.assertEqual({**last, "overdraft_wh": round(last["overdraft_wh"], 3)}, {
            "ok": True, "end_reason": "credit_exhausted", "energy_wh": 40.0, "amount_micros": 20000,
            "overdraft_wh": 0.734, "scan_to_unlock_ms": 3, "start_to_power_ms": 500, "trip_ms": 378})

    def test_nothing_beyond_the_credit(self):
        last = session(opened_ms=22500, flowed_uj=7000 * 1000 * 20000).last_line()
        self.assertEqual((last["overdraft_wh"], last["trip_ms"]), (0, 0))

    def test_each_wrong_one(self):
        for words, changes in (
                ("not done and settled", {"state": "open"}),
                ("not done and settled", {"settled": False}),
                ("it ended for server", {"reason": "server"}),
                ("the meter's register moved by 40000", {"energy_mwh": 39999}),
                ("the meter's register moved by 40001", {"registers_mwh": (999999, 1040000)}),
                ("the box says 20001", {"amount_micros": 20001}),
                ("the server 19999", {"billed_micros": 19999}),
                ("cost 20000 micros", {"price_differs": True}),
                ("19999 were captured", {"captured_micros": 19999}),
                ("1 written off", {"written_off_micros": 1}),
                ("something is still held", {"balance_micros": 29999}),
                ("not 7000 W all the time", {"flowed_uj": 7000 * 1000 * 21000 + 1}),
                ("beyond the credit", {"opened_ms": 29500, "flowed_uj": 7000 * 1000 * 27000}),
                ("cut off in credit", {"registers_mwh": (1000000, 1029000), "energy_mwh": 29000,
                                       "amount_micros": 14500, "billed_micros": 14500, "captured_micros": 14500,
                                       "balance_micros": 35500}),
                ("came in another order", {"pulse_ms": 999})):
            with self.subTest(words):
                wrong = session(**changes).faults()
                self.assertEqual(len(wrong), 1, wrong)
                self.assertIn(words, wrong[0])

    def test_affordable(self):
        self.assertEqual(demo.affordable_mwh(demo.FINE, 20000), 40099)
        self.assertEqual(demo.affordable_mwh(demo.CENTS, 30000), 69999)


if __name__ == "__main__":
    box.main([("--meterbox-ops", {"required": True})])
