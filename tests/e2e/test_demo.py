#!/usr/bin/env python3
"""tools/demo: its story on programs that are built already, what it says when something is wrong, and that nothing of it
stays behind.

usage: test_demo.py --meterboxd PROGRAM --boxsim PROGRAM --meterbox-ops PROGRAM [unittest's arguments]"""
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path[:0] = [str(Path(__file__).parent), str(TOOLS)]
import box  # noqa: E402
import demo  # noqa: E402
import demo_live  # noqa: E402
import demo_parts  # noqa: E402
import ops  # noqa: E402
from box import arguments, wait_for  # noqa: E402

LIMIT_S = demo.PATIENCE_S + 2 * box.PATIENCE_S
ARMED_MS = 62000  # of supply, before a session until full can end for it
FIGURES = ["ok", "end_reason", "energy_wh", "amount_micros", "overdraft_wh", "scan_to_unlock_ms", "start_to_power_ms",
           "trip_ms"]


class Demo:
    """A demo as a process, in a temporary folder and a session of its own."""

    def __init__(self, test, *options, programs=None, **streams):
        self.folder = tempfile.TemporaryDirectory(prefix="meterbox-")
        test.addCleanup(self.folder.cleanup)
        programs = {"meterboxd": arguments.meterboxd, "boxsim": arguments.boxsim,
                    "meterbox-ops": arguments.meterbox_ops, **(programs or {})}
        words = [word for name, program in programs.items() for word in ("--" + name, program)]
        self.process = subprocess.Popen([sys.executable, str(TOOLS / "demo.py"), *words, *options],
                                        env={**os.environ, "TMPDIR": self.folder.name}, start_new_session=True,
                                        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                                           "stderr": subprocess.PIPE, "text": True, **streams})
        test.addCleanup(self.sweep)

    def sweep(self):
        """Whatever a failed test left of its processes."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

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

    def child(self, program):
        """The process of one of its programs."""
        for child in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("ascii").split():
            if Path(f"/proc/{child}/cmdline").read_bytes().startswith(program.encode() + b"\0"):
                return int(child)
        raise AssertionError(f"{program} does not run")


class Played(unittest.TestCase):
    """The demo without anybody looking."""

    def begin(self, *options, **programs):
        self.demo = Demo(self, "--headless", *options, programs=programs)
        self.folder = self.demo.folder
        return self.demo.process

    def end(self, process):
        """(exit code, the last line's object, standard output, standard error); nothing may be left."""
        out, err = process.communicate(timeout=LIMIT_S)
        self.assertEqual(self.demo.left_behind(), [], err)
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
        os.kill(self.demo.child(arguments.meterboxd), signal.SIGKILL)
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


class Terminal:
    """A pseudo-terminal that a demo has for itself, and what came on it."""

    def __init__(self, test, *options, **more):
        self.master, self.slave = pty.openpty()
        test.addCleanup(os.close, self.slave)
        test.addCleanup(self.hang_up)
        self.text = ""
        self.seen = 0  # of the text
        self.before = termios.tcgetattr(self.slave)
        own = lambda: fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)  # so that Ctrl-C reaches it
        self.demo = Demo(test, *options, text=False, preexec_fn=own,
                         **{"stdin": self.slave, "stdout": self.slave, "stderr": self.slave, **more})

    def hang_up(self):
        if self.master is not None:
            os.close(self.master)
        self.master = None

    def read(self):
        while self.master is not None and select.select([self.master], [], [], 0)[0]:
            self.text += os.read(self.master, 65536).decode()

    def wait(self, pattern):
        """For text behind that of the last call; the match."""
        def look():
            self.read()
            if self.demo.process.poll() is not None and not re.search(pattern, self.text[self.seen:]):
                raise AssertionError(f"no {pattern!r}, the demo has ended: {self.text}")
            return re.search(pattern, self.text[self.seen:])
        found = wait_for(lambda: f"{pattern!r} on the terminal, which shows\n{self.text}", look, LIMIT_S)
        self.seen += found.end()
        return found

    def press(self, keys):
        os.write(self.master, keys.encode())

    def await_turn(self):
        """The address of the pages."""
        url = self.wait(r"A customer's page +(http://127\.0\.0\.1:[0-9]+)/o/A1 ").group(1)
        return url

    def end(self):
        """The exit code; the terminal is as it was, and nothing is left."""
        code = self.demo.process.wait(LIMIT_S)
        self.read()
        if termios.tcgetattr(self.slave) != self.before:
            raise AssertionError("the terminal was not given back as it was")
        if self.demo.left_behind():
            raise AssertionError(f"left behind: {self.demo.left_behind()}")
        return code


class Visitor:
    """Both pages' calls, and boxsim's log."""

    def __init__(self, terminal, url):
        self.terminal = terminal
        self.server = ops.Ops.__new__(ops.Ops)  # its calls alone: the process is the demo's
        self.server.port, self.server.tls = int(url.rsplit(":", 1)[1]), None
        self.server.options = ()
        self.person = ops.Person(self.server)

    def call(self, who, method, path, body=None, status=200):
        return self.person.ask(method, f"/v1/{who}/{path}", body, status)

    def customer(self, method, path, body=None, status=200):
        return self.call("customer", method, path, body, status)

    def desk(self, method, path, body=None, status=200):
        return self.call("operator", method, path, body, status)

    def await_box(self, what, condition):
        last = {}
        def look():
            last.update(self.desk("GET", f"boxes/{demo_parts.BOX}"))
            return condition(last)
        wait_for(lambda: f"{what}, but the server says {last}\n{self.terminal.text}", look)

    def await_outlet(self, outlet, what, condition):
        self.await_box(what, lambda status: condition(status["outlets"][outlet - 1]["progress"]))

    def await_order(self, number, what, condition):
        last = {}
        def look():
            last.update(self.customer("GET", f"orders/{number}"))
            return condition(last) and last
        return wait_for(lambda: f"{what}, but it is {last}\n{self.terminal.text}", look)

    def await_log(self, since, **wanted):
        """An event of boxsim's log that is so; how many lines the log has then."""
        log = next(Path(self.terminal.demo.folder.name).glob("*/*/box.log"))
        def look():
            text = log.read_text("utf-8")
            lines = text[:text.rfind("\n") + 1].splitlines()
            return any(wanted.items() <= json.loads(line).items() for line in lines[since:]) and len(lines)
        return wait_for(f"{wanted} in boxsim's log", look)


class Visited(unittest.TestCase):
    """The demo for somebody who looks."""

    def test_a_visit(self):
        self.terminal = Terminal(self)
        url = self.terminal.await_turn()
        self.visitor = Visitor(self.terminal, url)
        self.desk_opens()
        self.assertEqual(termios.tcgetattr(self.terminal.slave)[3] & (termios.ICANON | termios.ECHO), 0)
        self.pages_open(url)
        self.customer_signs_in()
        self.session_with_all_keys()
        self.outlet_2()
        self.terminal.press("?")
        self.terminal.wait("Ctrl-C ends the demo")
        self.terminal.press("z")
        self.terminal.wait("the key z means nothing")
        self.terminal.press("\x03")
        self.assertEqual(self.terminal.end(), 0)
        self.assertIn("The demo has ended", self.terminal.text)

    def desk_opens(self):
        name, password = self.terminal.wait("sign in as ([a-z]+) with the password ([0-9a-f-]+)").groups()
        self.terminal.wait("Ctrl-C ends the demo")
        self.assertEqual(self.visitor.desk("POST", "session", {"name": name, "password": password}),
                         {"name": name, "role": "manager"})
        orders = self.visitor.desk("GET", "orders")["orders"]
        self.assertEqual([order["state"] for order in orders], ["done"])
        self.assertGreaterEqual(orders[0]["receipt"]["energy_mwh"], demo_live.ENOUGH_MWH)
        self.assertEqual(self.visitor.desk("GET", "check"), {"ok": True})

    def pages_open(self, url):
        self.assertEqual(url, self.visitor.server.url())
        for path in ("/o/A1", "/o/A2", "/desk"):
            answer = self.visitor.server.call("GET", path)
            self.assertEqual((answer.status, answer.headers.get_content_type()), (200, "text/html"), path)

    def customer_signs_in(self):
        visitor = self.visitor
        visitor.customer("POST", "codes", {"contact": "bob@example.org"}, 202)
        code = self.terminal.wait("the code for bob@example.org is ([0-9]{6})").group(1)
        visitor.customer("POST", "session", {"contact": "bob@example.org", "code": code})
        payment = visitor.customer("POST", "payments", {"micros": 10000000, "key": "k-1"}, 201)
        visitor.call("sandbox", "POST", f"payments/{payment['payment']}", {"pay": True})
        self.assertEqual(visitor.customer("GET", "session")["balance_micros"], 10000000)

    def buy(self, code):
        offer = self.visitor.customer("GET", f"outlets/{code}")
        number = "c-" + os.urandom(16).hex()
        self.visitor.customer("PUT", f"orders/{number}",
                              {"code": code, "agreement": offer["agreement"]["version"], "until": "full",
                               "credit_micros": 2000000}, 201)
        return number

    def press(self, key, pattern):
        self.terminal.press(key)
        self.terminal.wait(pattern)

    def open_and_plug_in(self, outlet):
        """With the outlet's keys: nothing comes in before the door is open, and that not before it is unlocked."""
        door, plug = "34"[outlet - 1], "12"[outlet - 1]
        self.press(plug, f"the door of outlet {outlet} is closed")
        self.press(door, f"the door of outlet {outlet} is locked")
        number = self.buy(f"A{outlet}")
        since = self.visitor.await_log(0, event="connected")
        self.terminal.wait(f"the lock of outlet {outlet} opens")
        self.press(door, f"the door of outlet {outlet} is open")
        self.visitor.await_log(since, event="door", outlet=outlet, value=0)
        self.visitor.await_order(number, "the door is missing", lambda o: o["live"] and
                                 o["live"]["missing"] == ["user_door"])
        self.press(plug, f"are plugged in at outlet {outlet}")
        self.visitor.await_log(since, event="plug", outlet=outlet, value=demo_parts.LOAD_W)
        self.press(door, f"the door of outlet {outlet} is closed")
        self.visitor.await_order(number, "ready", lambda o: o["live"] and o["live"]["state"] == "ready")
        return number

    def start(self, number, outlet):
        self.visitor.customer("POST", f"orders/{number}/start", status=202)
        self.terminal.wait(f"the breaker of outlet {outlet} is closed")
        self.visitor.await_outlet(outlet, "it supplies", lambda p: p["state"] == "supplying" and
                                  p["power_mw"] > demo_parts.LOAD_W * 900)

    def clear_out(self, number, outlet):
        """Unlocked, opened, unplugged, closed: free again."""
        self.visitor.customer("POST", f"orders/{number}/unlock", status=202)
        self.terminal.wait(f"the lock of outlet {outlet} opens")
        self.press("34"[outlet - 1], f"the door of outlet {outlet} is open")
        self.press("12"[outlet - 1], f"the plug of outlet {outlet} is out")
        self.press("34"[outlet - 1], f"the door of outlet {outlet} is closed")
        self.visitor.customer("POST", f"orders/{number}/departed", status=202)
        self.visitor.await_outlet(outlet, "it is free", lambda p: p["state"] == "available")

    def session_with_all_keys(self):
        number = self.open_and_plug_in(1)
        self.start(number, 1)
        self.link()
        self.power(number)
        self.press("m", "the meter of outlet 1 answers nothing")
        self.visitor.await_outlet(1, "its reading is old", lambda p: p["reading_age_ms"] > 2000)
        self.press("m", "the meter of outlet 1 is mended")
        self.visitor.await_outlet(1, "its reading is new", lambda p: p["reading_age_ms"] < 2000)
        self.press("i", "the meter of outlet 1 shows")
        order = self.visitor.await_order(number, "it ends", lambda o: o["state"] == "done")
        self.assertEqual(order["receipt"]["reason"], "meter_implausible")
        self.press("i", "the meter of outlet 1 is mended")
        self.clear_out(number, 1)

    def link(self):
        self.press("l", "the link between box and server is cut")
        self.visitor.await_box("it is not connected", lambda status: not status["connected"])
        self.press("l", "the link is mended")
        self.visitor.await_box("it is connected", lambda status: status["connected"])

    def power(self, number):
        """What was plugged in is so afterwards, too; and only a new start brings the power back to the socket."""
        self.press("p", "the power is cut")
        self.visitor.await_box("it is not connected", lambda status: not status["connected"])
        self.press("1", "the power is off")
        self.press("p", "the power is back")
        self.visitor.await_order(number, "it pauses", lambda o: o["connected"] and o["live"] and
                                 o["live"]["state"] == "paused" and o["live"]["missing"] == [])
        self.start(number, 1)

    def outlet_2(self):
        """A load that fades ends a session until full."""
        number = self.open_and_plug_in(2)
        self.start(number, 2)
        self.visitor.await_order(number, "it is armed", lambda o: o["live"]["energised_ms"] > ARMED_MS)
        self.press("6", "the load of outlet 2 begins to fade")
        self.visitor.await_outlet(2, "less power", lambda p: p["power_mw"] < demo_parts.LOAD_W * 500)
        self.terminal.wait("its battery is full")
        order = self.visitor.await_order(number, "it ends", lambda o: o["state"] == "done")
        self.assertEqual(order["receipt"]["reason"], "full")
        self.clear_out(number, 2)

    def test_other_ways_out(self):
        """Side by side, as each takes its time: a signal, a terminal that hangs up, a program that dies, and one that has no
        terminal to read from."""
        terminated, hung_up, bereft = (Terminal(self) for _ in range(3))
        keyless = Terminal(self, stdin=subprocess.DEVNULL)
        for terminal in (terminated, hung_up, bereft):
            terminal.await_turn()
            terminal.wait("Ctrl-C ends the demo")
        keyless.await_turn()
        keyless.wait("there are no keys")
        self.assertEqual(termios.tcgetattr(keyless.slave), keyless.before)
        terminated.demo.process.terminate()
        self.assertEqual(terminated.end(), 128 + signal.SIGTERM)
        hung_up.hang_up()
        self.assertEqual(hung_up.demo.process.wait(LIMIT_S), 128 + signal.SIGHUP)
        self.assertEqual(hung_up.demo.left_behind(), [])
        os.kill(bereft.demo.child(arguments.boxsim), signal.SIGKILL)
        self.assertEqual(bereft.end(), 1)
        self.assertIn("demo: boxsim has ended with -9", bereft.text)
        keyless.press("\x03")  # the terminal is still its own
        self.assertEqual(keyless.end(), 0)

    def test_a_port_that_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            terminal = Terminal(self, "--port", str(taken.getsockname()[1]))
            self.assertEqual(terminal.end(), 1)
            self.assertIn(str(taken.getsockname()[1]), terminal.text)

    def test_stopped_in_the_story(self):
        terminal = Terminal(self)
        terminal.wait("customer")
        terminal.press("\x03")
        self.assertEqual(terminal.end(), 0)


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
