#!/usr/bin/env python3
"""Sessions from end to end: people at boxsim's doors and sockets, a client at meterboxd's control socket.

usage: test_session.py --meterboxd PATH --boxsim PATH [--seed N] [unittest's arguments]
"""
import json
import signal
import sys
from pathlib import Path

sys.dont_write_bytecode = True
import box  # noqa: E402
from box import authorize, price, tariff, wait_for  # noqa: E402

STEP_MWH = 10000
LOAD_W = 7000


class CreditEnd(box.E2eTest):
    """A customer's session until the credit is used up."""

    def test_until_the_credit_ends(self):
        world = self.world()
        of = tariff(1000000, start_fee_micros=5000, service_price_micros=123457)
        credit = 5000 + 33704  # 30 Wh at 1.123457 per kWh, and the start fee: not a micro more
        self.use_credit(world, of, credit)
        ended = self.await_end(world)
        ledger = world.ledger()
        self.assert_sound(ledger)
        self.assertEqual(ledger.kinds("order-1"), ["authorized", "started", "stopping", "ended"])
        receipt = ended["receipt"]
        self.assertEqual(receipt["reason"], "credit_exhausted")
        self.assertTrue(receipt["settled"])
        self.assertEqual(receipt["amount_micros"], price(of, receipt["energy_mwh"]))
        self.check_register(world, ledger, ended)
        self.check_overdraft(world, 30000)
        self.check_lock(world)

    def use_credit(self, world, of, credit):
        world.boxsim.do(f"plug 1 {LOAD_W}")
        world.control.do(**authorize(1, "order-1", credit, of=of))
        world.await_truth(1, "the lock shall have been pulsed", lambda t: t["unlocked"])
        world.boxsim.do("open 1")
        world.await_outlet(1, "shall miss its door", lambda o: o["door"] == "open")
        self.assertEqual(world.state_of(1), "unlocked")
        world.boxsim.do("close 1")
        world.await_state(1, "ready")
        self.before_uj = world.boxsim.outlet(1)["true_uj"]
        self.assertEqual(world.boxsim.spans("driven", 1), [])
        world.control.do(type="start", outlet=1, order="order-1")
        world.await_supply(1)
        supplying = world.await_outlet(1, "shall show power", lambda o: o["progress"]["power_mw"] == LOAD_W * 1000)
        self.assertEqual(supplying["session"], {"order": "order-1", "account": "acct-1", "kind": "customer",
                                                "phase": "started"})
        self.assertEqual((supplying["breaker"], supplying["contact"]), ("closed", "closed"))
        self.assertTrue(supplying["progress"]["low_credit"])

    def await_end(self, world):
        outlet = world.await_state(1, "finishing")
        self.assertEqual((outlet["breaker"], outlet["contact"]), ("open", "open"))
        truth = world.boxsim.outlet(1)
        self.assertEqual((truth["driven"], truth["contact"], truth["energised"]), (False, False, False))
        return world.ledger().only("order-1", "ended")

    def check_register(self, world, ledger, ended):
        """By boxsim's own steps, not by what the daemon read."""
        def shown_at(ms):
            steps = [e["mwh"] for e in world.boxsim.events("step", 1) if e["mono_ms"] <= ms]
            return steps[-1] if steps else 0
        started = ledger.only("order-1", "started")
        self.assertEqual(started["register_mwh"], shown_at(started["mono_ms"]))
        self.assertEqual(ended["register_mwh"], shown_at(ended["mono_ms"]))
        self.assertEqual(ended["register_mwh"], world.boxsim.outlet(1)["register_mwh"])
        self.assertEqual(ended["receipt"]["energy_mwh"], ended["register_mwh"] - started["register_mwh"])

    def check_overdraft(self, world, affordable_mwh):
        bound_mwh = world.check_config()["outlets"][0]["overdraft_bound_mwh"]
        used_mwh = (world.boxsim.outlet(1)["true_uj"] - self.before_uj) / 3600000
        print(json.dumps({"overdraft_mwh": round(used_mwh - affordable_mwh), "bound_mwh": bound_mwh}))
        self.assertEqual(bound_mwh, world.status(1)["overdraft_bound_mwh"])
        self.assertLessEqual(used_mwh - affordable_mwh, bound_mwh)
        self.assertGreaterEqual(used_mwh, affordable_mwh - STEP_MWH)  # nobody is cut with more than one step left

    def check_lock(self, world):
        """Once for the authorization; after the end only when somebody asks."""
        self.assertEqual(len(world.boxsim.events("pulse", 1)), 1)
        world.control.do(type="unlock", outlet=1)
        wait_for("the lock's second pulse", lambda: len(world.boxsim.events("pulse", 1)) == 2)
        world.boxsim.do("open 1")
        world.await_outlet(1, "shall see its door", lambda o: o["door"] == "open")
        world.boxsim.do("close 1")
        world.await_state(1, "available")
        self.assertEqual(len(world.boxsim.events("pulse", 1)), 2)
        self.assertEqual(world.boxsim.events("pulse", 2), [])
        self.assertNotIn("session", world.status(1))


class Session(box.E2eTest):
    """What ends, pauses and resumes a session. One box serves all of a test."""

    def setUp(self):
        self.box = self.world(limits={"service_ms": 30000})
        self.box.boxsim.do(f"plug 1 {LOAD_W}")

    def test_stop_by_command(self):
        world = self.box
        world.supply(1, "order-1", 500000)
        world.await_outlet(1, "shall count", lambda o: o["progress"]["energy_mwh"] >= STEP_MWH)
        world.control.do(type="stop", outlet=1, order="order-1")
        world.await_state(1, "finishing")
        world.control.do(type="stop", outlet=1, order="order-1")  # again: nothing more happens
        receipt = world.ledger().ended("order-1")
        self.assertEqual(receipt["reason"], "technician")
        self.assertGreater(receipt["energised_ms"], 0)
        self.assertEqual(world.status(1)["progress"]["energised_ms"], receipt["energised_ms"])
        self.assertEqual(receipt["amount_micros"], price(tariff(), receipt["energy_mwh"]))
        self.assertGreaterEqual(receipt["energy_mwh"], STEP_MWH)
        self.assertEqual(world.status(1)["contact"], "open")
        world.control.do(type="departed", outlet=1, order="order-1")
        world.await_state(1, "available")
        self.assert_sound(world.ledger())

    def test_an_ended_session_cannot_be_started(self):
        world = self.box
        world.supply(1, "order-1")
        world.control.do(type="stop", outlet=1, order="order-1")
        world.await_state(1, "finishing")
        answer = world.control.command(type="start", outlet=1, order="order-1")
        self.assertEqual((answer["code"], answer["error"]), ("refused", "no such session on this outlet"))
        answer = world.control.command(**authorize(1, "order-1", 1000000))
        self.assertEqual((answer["code"], answer["error"]), ("refused", "the outlet is in use"))
        self.assertEqual(len(world.boxsim.spans("driven", 1)), 1)

    def test_a_door_pauses_and_only_a_start_resumes(self):
        world = self.box
        world.supply(1, "order-1")
        world.boxsim.do("open 1 force")
        paused = world.await_state(1, "paused")
        self.assertEqual(paused["session"]["phase"], "paused")
        world.await_truth(1, "shall be dead", lambda t: not t["energised"])
        refused = world.control.command(type="start", outlet=1, order="order-1")
        self.assertEqual((refused["code"], refused["error"]), ("refused", "Please close the door of the socket."))
        world.boxsim.do("close 1")
        world.await_outlet(1, "shall miss nothing", lambda o: o["progress"]["missing"] == 0)
        self.assertEqual(world.state_of(1), "paused")
        self.assertEqual(len(world.boxsim.spans("driven", 1)), 1)
        world.control.do(type="start", outlet=1, order="order-1")
        world.await_supply(1)
        world.control.do(type="stop", outlet=1, order="order-1")
        world.await_state(1, "finishing")
        ledger = world.ledger()
        self.assertEqual(ledger.kinds("order-1"), ["authorized", "started", "paused", "resumed", "stopping", "ended"])
        self.assertEqual(ledger.only("order-1", "paused")["reason"], "door")
        self.assertEqual(len(world.boxsim.spans("driven", 1)), 2)
        self.assert_sound(ledger)

    def test_until_full(self):
        """A load that charges for a little more than a minute, and then draws next to nothing."""
        world = self.box
        world.boxsim.do("plug 1 50 40000 65000")
        world.supply(1, "order-1", full_ma=500, full_ms=3000)
        world.await_outlet(1, "shall charge", lambda o: o["progress"]["power_mw"] == 2000000)
        world.await_outlet(1, "shall be full", lambda o: o["progress"]["power_mw"] == 50000)
        world.await_state(1, "finishing")
        ledger = world.ledger()
        receipt = ledger.ended("order-1")
        self.assertEqual(receipt["reason"], "full")
        self.assertGreaterEqual(receipt["energised_ms"], 68000)
        self.assertEqual(receipt["amount_micros"], price(tariff(), receipt["energy_mwh"]))
        self.assertEqual(ledger.kinds("order-1"), ["authorized", "started", "stopping", "ended"])
        self.assert_sound(ledger)

    def test_a_service_session_ends_with_its_terminal(self):
        world = self.box
        with world.client() as terminal:
            terminal.sign_on("tom")
            terminal.do(type="service", outlet=1, order="service-1")
            world.await_state(1, "ready")
            terminal.do(type="start", outlet=1, order="service-1")
            world.await_supply(1)
            world.await_outlet(1, "shall count", lambda o: o["progress"]["energy_mwh"] >= STEP_MWH)
        world.await_state(1, "available")
        self.assertFalse(world.boxsim.outlet(1)["energised"])
        ledger = world.ledger()
        self.assert_sound(ledger)
        receipt = ledger.ended("service-1")
        self.assertEqual((receipt["reason"], receipt["amount_micros"]), ("technician", 0))
        self.assertGreaterEqual(receipt["energy_mwh"], STEP_MWH)
        image = ledger.outlets[0]
        self.assertEqual((image["service_mwh"], image["billed_mwh"]), (receipt["energy_mwh"], 0))
        self.assertEqual({r["name"] for r in ledger.commands()}, {box.technician("tom")})
        self.assertEqual(world.boxsim.events("pulse", 1), [])

    def test_a_terminal_gone_before_the_start(self):
        world = self.box
        with world.client() as terminal:
            terminal.sign_on("tom")
            terminal.do(type="service", outlet=1, order="service-1")
        world.await_state(1, "available")
        self.assertEqual(world.ledger().ended("service-1")["reason"], "technician")
        self.assertEqual(world.boxsim.spans("driven", 1), [])

    def test_two_outlets_of_one_account_share_its_credit(self):
        world = self.box
        world.boxsim.do("plug 2 3500")
        world.supply(1, "order-1", 20000)
        world.supply(2, "order-2", 20000)
        for outlet in (1, 2):
            world.await_state(outlet, "finishing")
        ledger = world.ledger()
        self.assert_sound(ledger)
        amounts = [ledger.ended(order)["amount_micros"] for order in ("order-1", "order-2")]
        self.assertEqual({ledger.ended(o)["reason"] for o in ("order-1", "order-2")}, {"credit_exhausted"})
        bounds = sum(o["overdraft_bound_mwh"] for o in world.status()["outlets"])
        self.assertLessEqual(sum(amounts), 40000 + bounds)


class MeteringBox(box.E2eTest):
    """The metering box's own door."""

    def alarms(self, world):
        return [r for r in world.ledger().of(kind="alarm") if r["alarm"] == "tamper"]

    def test_unlocked_with_a_work_order(self):
        world = self.world()
        refused = world.control.command(type="unlock")
        self.assertFalse(refused["ok"])
        self.assertEqual(world.boxsim.events("pulse"), [])
        world.control.do(type="unlock", work_order="WO-4711")
        wait_for("the lock of the metering box", lambda: world.boxsim.state()["box"]["unlocked"])
        world.boxsim.do("open box")
        wait_for("the open door", lambda: world.status()["metering_door"] == "open")
        world.boxsim.do("close box")
        wait_for("the closed door", lambda: world.status()["metering_door"] == "closed")
        self.assertEqual(self.alarms(world), [])
        self.assertEqual([o["fault"] for o in world.status()["outlets"]], ["none", "none"])
        done = world.ledger().commands()[-1]
        self.assertEqual((done["name"], done["outcome"], done["detail"]), (box.technician(), "done", "WO-4711"))

    def test_forced(self):
        world = self.world()
        world.boxsim.do(f"plug 1 {LOAD_W}")
        world.supply(1, "order-1")
        world.boxsim.do("open box force")
        world.await_outlet(2, "shall have a fault", lambda o: o["fault"] == "tamper")
        world.await_outlet(1, "shall end", lambda o: o["session"]["phase"] == "ended")
        self.assertFalse(world.boxsim.outlet(1)["energised"])
        self.assertEqual(len(self.alarms(world)), 1)
        self.assertEqual(world.ledger().ended("order-1")["reason"], "tamper")
        refused = world.control.command(type="clear_fault", outlet=1)
        self.assertEqual((refused["code"], refused["error"]), ("refused", "the cause of the fault is still there"))
        world.boxsim.do("close box")
        wait_for("the closed door", lambda: world.status()["metering_door"] == "closed")
        self.assertEqual(world.status(1)["fault"], "tamper")
        for outlet in (1, 2):
            world.control.do(type="clear_fault", outlet=outlet)
        self.assertEqual([o["fault"] for o in world.status()["outlets"]], ["none", "none"])
        self.assertEqual(world.state_of(2), "available")
        self.assert_sound(world.ledger())


class Refusals(box.E2eTest):
    """What is refused says why, and changes nothing."""

    def image(self, world):
        status = world.status()
        return [(o["progress"]["state"], o.get("session"), o["fault"], o["out_of_service"], o["reserved_for"])
                for o in status["outlets"]]

    def refused(self, world, code, sentence, recorded, **command):
        """recorded: a refusal of the heart is a record; one before it is none."""
        image, last = self.image(world), len(world.ledger().records)
        answer = world.control.command(**command)
        self.assertEqual(answer, {"ok": False, "code": code, "error": sentence})
        self.assertEqual(self.image(world), image)
        news = world.ledger().records[last:]
        self.assertEqual([(r["kind"], r.get("outcome"), r.get("detail")) for r in news],
                         [("command", "refused", sentence)] if recorded else [])
        self.assertEqual(world.boxsim.events("driven"), [])

    def test_not_signed_on(self):
        world = self.world()
        with world.client() as nobody:
            self.assertEqual(nobody.command(**authorize(1, "order-1", 1000)),
                             {"ok": False, "code": "not_signed_on", "error": "sign on first: every act has a name"})
        for name in ("", "x" * 41, 'a"b', "a\nb", 7, None):
            with self.subTest(name=name), world.client() as nobody:
                self.assertEqual(nobody.call("sign_on", name=name)["code"], "bad_request")
        self.assertEqual(self.image(world)[0][0], "available")
        self.assertEqual(world.ledger().commands(), [])

    def test_local_sessions_are_off(self):
        world = self.world(box={"local_sessions": "no"})
        sentence = "the server grants credit on this box; a box without one sets local_sessions = yes in [box]"
        self.refused(world, "not_allowed", sentence, False, **authorize(1, "order-1", 1000000))
        self.refused(world, "not_allowed", sentence, False, type="credit", outlet=1, order="order-1",
                     credit_micros=1000, lease_ms=0)
        self.assertFalse(world.status()["local_sessions"])

    def test_wrong_commands(self):
        world = self.world()
        for sentence, command in (
                ("the box has no such outlet", authorize(3, "order-1", 1000000)),
                ("the box has no such outlet", {"type": "start", "outlet": 16, "order": "order-1"}),
                ("no such session on this outlet", {"type": "start", "outlet": 1, "order": "order-1"}),
                ("no such session on this outlet", {"type": "stop", "outlet": 1, "order": "order-1"}),
                ("no such session on this outlet", {"type": "departed", "outlet": 1, "order": "order-1"}),
                ("the credit does not pay for any energy", authorize(1, "order-1", 0)),
                ("the credit does not pay for any energy", authorize(1, "order-1", 1000, of=tariff(start_fee_micros=1000))),
                ("the outlet has no fault", {"type": "clear_fault", "outlet": 2}),
                ("the outlet is not reserved", {"type": "release", "outlet": 2})):
            with self.subTest(command=command):
                self.refused(world, "refused", sentence, True, **command)
        for sentence, command in (
                ("outlet must be a whole number from 1 to 16", {"type": "start", "outlet": 17, "order": "order-1"}),
                ("outlet must be a whole number from 1 to 16", {"type": "start", "outlet": 1.5, "order": "order-1"}),
                ("order must be a text of 1 to 40 printable characters", {"type": "start", "outlet": 1, "order": 'a"b'}),
                ("order must be 1 to 40 printable characters", {"type": "start", "outlet": 1}),
                ("outlet must be one of the 16 that a box can have", {"type": "start", "order": "order-1"}),
                ("type is missing", {"outlet": 1, "order": "order-1"})):
            with self.subTest(command=command):
                self.refused(world, "bad_request", sentence, False, **command)
        for command in ({"type": "explode", "outlet": 1}, {"type": "start", "outlet": 1, "order": "x" * 41}, [], None, 3,
                        {**authorize(1, "order-1", 1000), "grant": {"order": "order-1"}},
                        authorize(1, "order-1", -1), authorize(1, "order-1", 10 ** 16),
                        authorize(1, "order-1", 1000, of=tariff(-5)),
                        authorize(1, "order-1", 1000, of={"id": "flat"})):
            with self.subTest(command=command):
                answer = world.control.call("command", command=command)
                self.assertEqual((answer["ok"], answer["code"]), (False, "bad_request"))
                self.assertTrue(answer["error"])
        self.assertEqual({name for name, *_ in self.image(world)}, {"available"})

    def test_a_start_before_ready(self):
        world = self.world()
        world.control.do(**authorize(1, "order-1", 1000000))
        world.await_truth(1, "the lock shall have been pulsed", lambda t: t["unlocked"])
        world.boxsim.do("open 1")
        world.await_outlet(1, "shall miss its door", lambda o: o["door"] == "open")
        self.refused(world, "refused", "Please close the door of the socket.", True,
                     type="start", outlet=1, order="order-1")
        self.refused(world, "refused", "no such session on this outlet", True, type="start", outlet=1, order="order-2")
        self.refused(world, "refused", "the outlet is in use", True, **authorize(1, "order-2", 1000000))
        world.boxsim.do("close 1")
        world.await_state(1, "ready")
        world.boxsim.do("open box force")
        wait_for("the open metering box", lambda: world.status()["metering_door"] == "open")
        self.refused(world, "refused", "The door of the metering box is open.", True,
                     type="start", outlet=1, order="order-1")
        world.control.do(type="stop", outlet=1, order="order-1")
        self.assertEqual(world.ledger().ended("order-1"),
                         {"reason": "technician", "start_mwh": 0, "energy_mwh": 0, "amount_micros": 0,
                          "energised_ms": 0, "settled": True})
        self.assert_sound(world.ledger())

    def test_an_order_number_that_is_there_already(self):
        world = self.world()
        world.control.do(**authorize(1, "order-1", 1000000))
        self.refused(world, "refused", "a session with this order number is there already", True,
                     **authorize(2, "order-1", 1000000))


class Signals(box.E2eTest):
    """How a running daemon ends, starts again and takes over its file."""

    def test_terminated_in_a_session(self):
        world = self.world(restart=False)
        world.boxsim.do(f"plug 1 {LOAD_W}")
        world.supply(1, "order-1")
        world.await_outlet(1, "shall count", lambda o: o["progress"]["energy_mwh"] >= STEP_MWH)
        identity = world.status()["ledger"]["id"]
        world.disconnect()
        self.assertEqual(world.daemon.stop(), 0)
        world.await_truth(1, "shall be dead", lambda t: not t["driven"] and not t["energised"])
        left = box.Ledger.of_file(world.path("state", "ledger.db"))
        self.assertEqual(left.kinds("order-1"), ["authorized", "started", "paused"])
        self.assertEqual(left.only("order-1", "paused")["reason"], "power_lost")
        self.assert_sound(left)
        self.assertFalse(Path(world.path("control")).exists())
        world.daemon.start()
        world.connect()
        self.assertEqual(world.status()["ledger"]["id"], identity)
        self.assertEqual(world.state_of(1), "paused")
        world.await_outlet(1, "shall miss nothing", lambda o: o["progress"]["missing"] == 0)
        self.assertFalse(world.boxsim.outlet(1)["driven"])
        world.control.do(type="start", outlet=1, order="order-1")
        world.await_supply(1)
        world.control.do(type="stop", outlet=1, order="order-1")
        world.await_state(1, "finishing")
        self.assertEqual(world.ledger().kinds("order-1"),
                         ["authorized", "started", "paused", "resumed", "stopping", "ended"])
        self.assert_sound(world.ledger())

    def test_a_terminated_daemon_ends_its_service_sessions(self):
        world = self.world(restart=False)
        world.control.do(type="service", outlet=1, order="service-1")
        world.await_state(1, "ready")
        world.control.do(type="start", outlet=1, order="service-1")
        world.await_supply(1)
        self.assertEqual(world.daemon.stop(signal.SIGINT), 0)
        world.disconnect()
        world.await_truth(1, "shall be dead", lambda t: not t["energised"])
        world.daemon.start()
        world.connect()
        world.await_outlet(1, "shall be free", lambda o: o["progress"]["state"] == "available")
        self.assertEqual(world.ledger().ended("service-1")["reason"], "technician")
        self.assert_sound(world.ledger())

    def test_a_session_that_nobody_resumes_ends(self):
        """The box is away, and with it the daemon that starts again and again: all of that counts as away."""
        world = self.world(limits={"resume_window_ms": 3000, "boot_wait_ms": 1000})
        world.boxsim.do(f"plug 1 {LOAD_W}")
        world.supply(1, "order-1")
        world.boxsim.kill()
        world.disconnect()
        first = len(world.daemon.codes)
        gone_ms = box.now_ms()
        wait_for("a daemon that has tried several times", lambda: len(world.daemon.codes) >= first + 5 and
                 box.now_ms() - gone_ms > 4000)
        world.boxsim.start()
        world.connect()
        self.assertIn(world.status(1)["session"]["phase"], ("stopping", "ended"))
        world.await_state(1, "finishing")
        ledger = world.ledger()
        self.assertEqual(ledger.ended("order-1")["reason"], "power_lost")
        self.assert_sound(ledger)

    def test_a_restart_makes_no_pause_longer(self):
        world = self.world(limits={"resume_window_ms": 6000, "boot_wait_ms": 1000})
        world.supply(1, "order-1")
        world.boxsim.do("open 1 force")
        world.await_state(1, "paused")
        for _ in range(4):
            booted = world.ledger().of(kind="boot")[-1]
            wait_for("half of the pause", lambda: box.now_ms() > booted["mono_ms"] + 3000)
            if world.status(1)["session"]["phase"] == "ended":
                break
            world.daemon.kill()
            world.disconnect()
            world.connect()
        world.await_state(1, "finishing")
        ledger = world.ledger()
        lasted_ms = ledger.only("order-1", "stopping")["mono_ms"] - ledger.only("order-1", "paused")["mono_ms"]
        restarts = len(ledger.of(kind="boot")) - 1
        self.assertLessEqual(restarts, 2, f"the pause lasted {lasted_ms} ms over {restarts} restarts")

    def test_reload(self):
        world = self.world()
        self.assertEqual(world.daemon.lines("breaker"), [])
        world.write_config(box={"log_level": "debug"}, limits={"service_ms": 1000})
        world.daemon.send(signal.SIGHUP)
        world.await_log("reloaded")
        world.control.do(type="service", outlet=1, order="service-1")
        world.await_state(1, "ready")
        world.control.do(type="start", outlet=1, order="service-1")
        world.await_state(1, "available")
        receipt = world.ledger().ended("service-1")
        self.assertIn(receipt["reason"], ("limit_time", "not_started"))  # a second may be over before the start
        self.assertNotEqual(world.daemon.lines("breaker"), [])  # a debug line

    def test_reload_of_a_wrong_file(self):
        world = self.world()
        world.boxsim.do(f"plug 1 {LOAD_W}")
        world.supply(1, "order-1")
        world.write_config(more="[outlet 2]\nrated_w = 5\n")
        world.daemon.send(signal.SIGHUP)
        line = world.await_log("reload_refused")[0]
        self.assertIn("box.conf:", line)
        self.assertIn("going on with the configuration as it was", line)
        self.assertEqual(world.state_of(1), "supplying")
        self.assertEqual(world.daemon.lines("reloaded"), [])
        Path(world.config).unlink()
        world.daemon.send(signal.SIGHUP)
        world.await_log("reload_refused", 2)
        self.assertEqual(world.state_of(1), "supplying")
        self.assertEqual(len(world.boxsim.spans("driven", 1)), 1)

    def test_reload_of_what_needs_a_restart(self):
        world = self.world()
        world.rated_w = (6000, 3500)
        world.write_config(box={"log_level": "debug", "local_sessions": "no"})
        world.daemon.send(signal.SIGHUP)
        line = world.await_log("reload_partial")[0]
        self.assertIn("rated_w", line)
        self.assertIn("restart", line)
        world.await_log("reloaded")
        status = world.status()
        self.assertEqual(status["outlets"][0]["rated_mw"], 7000000)
        self.assertFalse(status["local_sessions"])  # what can be taken over is
        world.disconnect()
        self.assertEqual(world.daemon.stop(), 0)
        world.daemon.start()
        world.connect()
        self.assertEqual(world.status(1)["rated_mw"], 6000000)


if __name__ == "__main__":
    box.main()
