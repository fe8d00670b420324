#!/usr/bin/env python3
"""Sessions through the control socket, with the real daemon and a simulated box: what a customer, a technician and
systemd do, and what is refused."""
import json
import os
import signal
import subprocess
import time

from harness import BoxTest, grant, main, wait_for

STEP = 10000  # mWh, of both meters


class Sessions(BoxTest):
    def begin(self, outlet=1, credit=30000, order="o1", load=7000, **more):
        """Authorized, plugged in, started."""
        control = self.box.connect("li.wei")
        self.addCleanup(control.close)
        self.assertEqual(control.command("authorize", outlet, grant=grant(order, credit, **more)),
                         {"ok": True, "outcome": "done"})
        self.box.tell(f"plug {outlet} {load}")
        self.box.wait_state(outlet, "ready")
        self.assertTrue(control.command("start", outlet, order=order)["ok"])
        self.box.wait_state(outlet, "supplying")
        return control

    def truth(self, outlet=1):
        return self.box.state()["outlets"][outlet - 1]

    def ended(self, order):
        records, _ = self.box.ledger()
        found = [r for r in records if r["kind"] == "ended" and r["order"] == order]
        self.assertEqual(len(found), 1, found)
        return found[0]

    def bound(self):
        printed = subprocess.run([self.programs.meterboxd, "--check-config", "--json", "--config", self.box.config],
                                 check=True, capture_output=True)
        return json.loads(printed.stdout)["outlets"][0]["overdraft_bound_mwh"]

    # --- money ---

    def test_until_the_credit_ends(self):
        self.begin(credit=30000)
        self.box.wait_state(1, "finishing")
        receipt, truth = self.ended("o1")["receipt"], self.truth()
        self.assertEqual(receipt["reason"], "credit_exhausted")
        self.assertEqual(receipt["energy_mwh"], truth["register_mwh"] - receipt["start_mwh"])
        self.assertEqual(receipt["amount_micros"], receipt["energy_mwh"])  # 1.00 per kWh
        self.assertTrue(receipt["settled"])
        self.assertFalse(truth["energised"])
        overdraft = truth["true_mwh"] - 30000
        self.assertLessEqual(overdraft, self.bound())
        # With fresh readings nobody is cut off with more than a step left.
        self.assertGreaterEqual(overdraft, -STEP)
        print(json.dumps({"overdraft_mwh": overdraft, "bound_mwh": self.bound()}))

    def test_stop(self):
        control = self.begin(credit=10**9)
        wait_for("two steps", lambda: self.truth()["register_mwh"] >= 2 * STEP)
        self.assertTrue(control.command("stop", 1, order="o1")["ok"])
        self.assertFalse(self.truth()["driven"])
        self.assertTrue(control.command("stop", 1, order="o1")["ok"], "a stop is idempotent")
        self.box.wait_state(1, "finishing")
        receipt = self.ended("o1")["receipt"]
        self.assertEqual(receipt["reason"], "technician")
        self.assertEqual(receipt["energy_mwh"], self.truth()["register_mwh"])
        # Nothing puts power on an ended session again.
        self.assertEqual(control.command("start", 1, order="o1")["code"], "refused")
        self.assertEqual(control.command("credit", 1, order="o1", credit_micros=10**6, lease_ms=0)["code"], "refused")
        self.assertTrue(control.command("departed", 1, order="o1")["ok"])
        self.box.wait_state(1, "available")
        self.assertEqual(self.truth()["register_mwh"], receipt["energy_mwh"])

    def test_one_account_two_outlets(self):
        control = self.begin(outlet=1, credit=40000, order="o1")
        self.assertTrue(control.command("authorize", 2, grant=grant("o2", 0))["ok"])
        self.box.tell("plug 2 7000")
        self.box.wait_state(2, "ready")
        control.command("start", 2, order="o2")
        for outlet in (1, 2):
            self.box.wait_state(outlet, "finishing")
        spent = sum(self.ended(order)["receipt"]["amount_micros"] for order in ("o1", "o2"))
        self.assertLessEqual(spent, 40000)

    # --- doors ---

    def test_a_door_pauses_and_only_a_start_resumes(self):
        control = self.begin(credit=10**9)
        self.box.tell("open 1 force")
        self.box.wait_state(1, "paused")
        self.assertFalse(self.truth()["driven"])
        wait_for("the contact to open", lambda: not self.truth()["energised"])
        self.assertEqual(control.command("start", 1, order="o1")["code"], "refused", "the door is open")
        self.box.tell("close 1")
        wait_for("the door to be seen", lambda: self.box.outlet(1)["door"] == "closed")
        self.assertEqual(self.box.outlet_state(1), "paused")
        self.assertFalse(self.truth()["driven"])
        self.assertTrue(control.command("start", 1, order="o1")["ok"])
        self.box.wait_state(1, "supplying")
        control.command("stop", 1, order="o1")
        self.box.wait_state(1, "finishing")

    def test_metering_box(self):
        control = self.box.connect("li.wei")
        self.addCleanup(control.close)
        self.assertEqual(control.command("unlock")["code"], "bad_request", "without a work order")
        wait_for("the lock to have been pulsed",
                 lambda: control.command("unlock", work_order="w-17")["ok"] and self.box.state()["box"]["unlocked"])
        self.box.tell("open box")
        wait_for("the door to be seen", lambda: self.box.status()["metering_door"] == "open")
        self.assertEqual(self.box.outlet(1)["fault"], "none")
        self.box.tell("close box")
        wait_for("the door to be seen", lambda: self.box.status()["metering_door"] == "closed")
        self.box.tell("open box force")
        wait_for("tamper", lambda: self.box.outlet(1)["fault"] == "tamper")
        self.assertEqual(control.command("clear_fault", 1)["code"], "refused", "the box is open")
        self.box.tell("close box")
        wait_for("the fault to be cleared", lambda: control.command("clear_fault", 1)["ok"])
        cleared = [r for r in self.box.ledger()[0] if r["kind"] == "cleared"]
        self.assertEqual([r["name"] for r in cleared], ["li.wei"])

    # --- technicians ---

    def test_service_ends_with_its_terminal(self):
        control = self.box.connect("li.wei")
        self.assertTrue(control.command("service", 1, order="svc-1")["ok"])
        self.box.tell("plug 1 7000")
        self.box.wait_state(1, "ready")
        self.assertTrue(control.command("start", 1, order="svc-1")["ok"])
        wait_for("a step", lambda: self.truth()["register_mwh"] >= STEP)
        control.close()
        self.box.wait_state(1, "available")
        self.assertFalse(self.truth()["driven"])
        receipt = self.ended("svc-1")["receipt"]
        self.assertEqual((receipt["reason"], receipt["amount_micros"]), ("technician", 0))
        image = self.box.ledger()[1][0]
        self.assertEqual((image["service_mwh"], image["billed_mwh"]), (self.truth()["register_mwh"], 0))

    def test_refusals_change_nothing(self):
        control = self.box.connect()
        self.addCleanup(control.close)
        before = len(self.box.ledger()[0])
        self.assertEqual(control.command("start", 1, order="x")["code"], "not_signed_on")
        for name in ("", "x" * 41, 'a"b', "\n", 7, None):
            self.assertEqual(control.ask("sign_on", name=name)["code"], "bad_request", name)
        self.assertTrue(control.ask("sign_on", name="li.wei")["ok"])
        for command in ({"type": "dance", "outlet": 1}, {"type": "start", "outlet": 0, "order": "x"},
                        {"type": "start", "outlet": 99, "order": "x"}, {"type": "start", "outlet": 1}, {}, [], "start",
                        {"type": "authorize", "outlet": 1, "grant": grant("o", -1)},
                        {"type": "authorize", "outlet": 1, "grant": grant("o", 2**60)},
                        {"type": "authorize", "outlet": 1, "grant": grant("o" * 41, 1000)}):
            answer = control.ask("command", command=command)
            self.assertEqual(answer.get("code"), "bad_request", (command, answer))
            self.assertTrue(answer["error"])
        self.assertEqual(len(self.box.ledger()[0]), before)
        for command in ({"type": "start", "outlet": 1, "order": "unknown"},
                        {"type": "start", "outlet": 3, "order": "no such outlet"},
                        {"type": "authorize", "outlet": 1, "grant": grant("o", 0)}):
            self.assertEqual(control.ask("command", command=command)["code"], "refused", command)
        self.assertEqual(self.box.outlet_state(1), "available")

    def test_the_order_as_the_daemon_names_it(self):
        """A command's own claims about who gives it are not believed."""
        control = self.box.connect("li.wei")
        self.addCleanup(control.close)
        control.ask("command", command={"type": "unlock", "outlet": 1, "actor": "server", "name": "somebody else",
                                        "box": "another", "seq": 99, "not_after": "1999-01-01T00:00:00.000Z"})
        record = [r for r in self.box.ledger()[0] if r["kind"] == "command"][-1]
        self.assertEqual((record["actor"], record["name"], record["command_seq"]), ("technician", "li.wei", 0))

    # --- signals ---

    def test_terminate_and_resume(self):
        self.begin(credit=10**9)
        wait_for("a step", lambda: self.truth()["register_mwh"] >= STEP)
        self.assertEqual(self.box.stop_daemon(), 0)
        self.assertFalse(self.truth()["energised"])
        self.box.start_daemon()
        self.assertEqual(self.box.outlet_state(1), "paused")
        self.assertFalse(self.truth()["driven"])
        control = self.box.connect("li.wei")
        self.addCleanup(control.close)
        wait_for("a start", lambda: control.command("start", 1, order="o1")["ok"])
        self.box.wait_state(1, "supplying")
        control.command("stop", 1, order="o1")
        self.box.wait_state(1, "finishing")
        self.assertEqual(self.ended("o1")["receipt"]["energy_mwh"], self.truth()["register_mwh"])

    def log_says(self, event, text=""):
        log = (self.box.folder / "meterboxd.log").read_text()
        return any(f"event={event} " in line and text in line for line in log.splitlines())

    def reload(self, find, replace, event):
        text = self.box.config.read_text()
        self.assertIn(find, text)
        self.box.config.write_text(text.replace(find, replace))
        os.kill(self.box.daemon.pid, signal.SIGHUP)
        wait_for(event, lambda: self.log_says(event))
        self.box.config.write_text(text)

    def test_reload(self):
        self.reload("log_level = debug", "log_level = info", "reloaded")
        size = len((self.box.folder / "meterboxd.log").read_text())
        self.box.tell("plug 1 100")
        control = self.box.connect("li.wei")
        self.addCleanup(control.close)
        self.assertTrue(control.command("authorize", 1, grant=grant("o1", 10**6))["ok"])
        self.assertNotIn("level=debug", (self.box.folder / "meterboxd.log").read_text()[size:])

    def test_reload_of_nonsense(self):
        self.reload("log_level = debug", "log_levle = debug", "reload_refused")
        self.assertTrue(self.log_says("reload_refused", "log_levle"))
        self.assertEqual(self.box.outlet_state(1), "available")

    def test_reload_of_what_needs_a_restart(self):
        self.reload("rated_w = 7000", "rated_w = 3500", "reload_partial")
        self.assertTrue(self.log_says("reload_partial", "rated_w"))
        self.assertEqual(self.box.outlet(1)["rated_mw"], 7000000)


class WithServer(BoxTest):
    local = "no"

    def test_the_server_grants_credit(self):
        control = self.box.connect("li.wei")
        self.addCleanup(control.close)
        self.assertEqual(control.command("authorize", 1, grant=grant("o1", 1000))["code"], "not_allowed")
        self.assertEqual(self.box.outlet_state(1), "available")


class Tool(BoxTest):
    """meterboxctl against the running daemon."""

    def run_tool(self, *arguments, code=0):
        if not self.programs.meterboxctl:
            self.fail("--meterboxctl is missing")
        done = subprocess.run([self.programs.meterboxctl, "--socket", self.box.folder / "control", "--as", "li.wei",
                               *arguments], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, code, done)
        return done.stdout

    def test_tool(self):
        self.assertIn("available", self.run_tool("status"))
        self.assertTrue(json.loads(self.run_tool("status", "--json"))["ok"])
        tariff = self.box.folder / "tariff.json"
        tariff.write_text(json.dumps(grant("", 0)["tariff"]))
        self.run_tool("session", "authorize", "1", "--order", "o1", "--account", "a", "--credit", "0.02", "--tariff",
                      str(tariff))
        self.box.tell("plug 1 7000")
        self.box.wait_state(1, "ready")
        self.run_tool("session", "start", "1")
        self.box.wait_state(1, "finishing")
        self.run_tool("session", "start", "1", "--order", "o1", code=4)
        self.run_tool("session", "departed", "1")
        self.assertIn("sound", self.run_tool("ledger", "verify"))
        exported = [json.loads(line) for line in self.run_tool("ledger", "export").splitlines()]
        self.assertEqual(exported, self.box.ledger()[0])
        self.box.tell("fault 2 silent on")
        wait_for("the silence", lambda: self.box.outlet(2)["meter"]["silent"])
        self.run_tool("status", code=1)
        self.assertIn("outlet 2", self.run_tool("doctor", code=1))
        self.assertEqual(self.box.stop_daemon(), 0)
        self.run_tool("status", code=3)
        ledger = self.box.folder / "state/ledger.db"
        self.assertIn("sound", self.run_tool("ledger", "verify", str(ledger)))
        damaged = bytearray(ledger.read_bytes())
        at = damaged.index(b'"kind":"ended"')
        damaged[at + 8:at + 13] = b"mover"
        ledger.write_bytes(damaged)
        self.run_tool("ledger", "verify", str(ledger), code=1)


if __name__ == "__main__":
    main("__main__")
