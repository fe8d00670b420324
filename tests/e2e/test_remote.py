#!/usr/bin/env python3
"""A box that the server prices, and one that must do without its server: progress on each step of the register, the
server's power-off, the lease when the link is gone, the backlog after it; and a tariff by time of use on both ends.

usage: test_remote.py --meterboxd PROGRAM --boxsim PROGRAM --meterbox-ops PROGRAM --backlog PROGRAM"""
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import box
import ops
from box import arguments, wait_for
from online import OnlineTest, noon_tariff

LOAD_W = 7000
STEP_MWH = 10000  # of the simulated DL/T 645 meter


def report(server, outlet=1):
    """The outlet as the server knows it from the latest progress."""
    for known in server.status("box-1")["outlets"]:
        if known["outlet"] == outlet and known["progress"]:
            return known["progress"]
    return {}


class Remote(OnlineTest):
    def remote_order(self, server, world, number, credit, lease_ms=60000, money=None, **more):
        server.account("ann", credit if money is None else money)
        self.sell(server, world, number, load_w=LOAD_W, account="ann", credit=credit, mode="remote", lease_ms=lease_ms,
                  **more)

    def test_each_step_of_the_register_is_told(self):
        server = self.ops()
        world = self.join(server)
        self.remote_order(server, world, "o-1", 10 ** 8)
        start = report(server)["register_mwh"]
        seen = {start}
        def look():
            seen.add(report(server)["register_mwh"])
            return max(seen) >= start + 5 * STEP_MWH
        wait_for("five steps", look)
        self.assertEqual(sorted(seen), list(range(start, max(seen) + 1, STEP_MWH)), "a step was not told")
        server.send(type="stop", outlet=1, order="o-1")
        order = self.await_order(server, "o-1", "done")
        self.assert_bill(order, world.ledger(), lambda r: box.price(box.tariff(), r["energy_mwh"]))

    def test_the_server_ends_what_is_used_up(self):
        """The lease grows with what is used, and when nothing is left the server pushes power_off."""
        server = self.ops()
        world = self.join(server)
        self.remote_order(server, world, "o-1", 15000, money=60000)  # 15 Wh each time, 60 Wh in all
        order = self.await_order(server, "o-1", "done")
        ledger = world.ledger()
        self.assertTrue(order["power_off_sent"] or order["receipt"]["reason"] == "lease_expired", order)
        self.assertGreaterEqual(len(ledger.of("o-1", "credit")), 2, "the lease did not grow")
        self.assertIn(order["receipt"]["reason"], ("server", "lease_expired"))
        self.assert_bill(order, ledger, lambda r: box.price(box.tariff(), r["energy_mwh"]))
        bound = world.check_config()["outlets"][0]["overdraft_bound_mwh"]
        self.assertLessEqual(order["billed_micros"], 60000 + bound)
        self.assertGreaterEqual(order["billed_micros"], 60000 - 2 * STEP_MWH, "cut off in credit")
        self.assertEqual(server.check(), [])
        self.assertEqual(server.balance("ann"), 60000 - order["captured_micros"])

    def test_the_lease_ends_a_box_without_its_server(self):
        server = self.ops()
        world = self.join(server)
        self.remote_order(server, world, "o-1", 10 ** 8, lease_ms=8000)
        server.kill()
        world.await_state(1, "finishing")
        ended = world.ledger().ended("o-1")
        self.assertEqual(ended["reason"], "lease_expired")
        self.assertGreater(ended["energy_mwh"], 0)
        server.start()
        order = self.await_order(server, "o-1", "done")
        self.await_link(server, world)
        self.assert_bill(order, world.ledger(), lambda r: box.price(box.tariff(), r["energy_mwh"]))
        self.assertEqual(server.records(), world.ledger().bodies)
        self.assertEqual(server.check(), [])

    def test_the_leases_money_ends_a_box_without_its_server(self):
        server = self.ops()
        world = self.join(server)
        self.remote_order(server, world, "o-1", 30000, lease_ms=600000)
        server.kill()
        world.await_state(1, "finishing")
        ended = world.ledger().ended("o-1")
        self.assertEqual(ended["reason"], "lease_expired")
        bound = world.check_config()["outlets"][0]["overdraft_bound_mwh"]
        self.assertLessEqual(ended["energy_mwh"], 30000 + bound)
        self.assertGreaterEqual(ended["energy_mwh"], 30000 - STEP_MWH)

    def test_a_short_break_is_not_noticed(self):
        """The server is away for less than the lease: the session goes on, and its credit ends it as if nothing was."""
        server = self.ops()
        world = self.join(server)
        self.remote_order(server, world, "o-1", 40000, money=40000)
        server.kill()
        register = world.boxsim.outlet(1)["register_mwh"]
        wait_for("a step without the server",
                 lambda: world.boxsim.outlet(1)["register_mwh"] >= register + STEP_MWH)
        self.assertEqual(world.state_of(1), "supplying")
        server.start()
        order = self.await_order(server, "o-1", "done")
        self.assertIn(order["receipt"]["reason"], ("server", "lease_expired"))
        self.assert_bill(order, world.ledger(), lambda r: box.price(box.tariff(), r["energy_mwh"]))

    def test_local_mode_needs_no_server(self):
        server = self.ops()
        world = self.join(server)
        server.account("bob", 10 ** 6)
        self.sell(server, world, "o-1", load_w=LOAD_W, account="bob", credit=25000)
        server.kill()
        world.await_state(1, "finishing")
        self.assertEqual(world.ledger().ended("o-1")["reason"], "credit_exhausted")
        server.start()
        order = self.await_order(server, "o-1", "done")
        self.assert_bill(order, world.ledger(), lambda r: box.price(box.tariff(), r["energy_mwh"]))
        self.assertEqual(server.balance("bob"), 10 ** 6 - order["billed_micros"])

    def test_a_rate_changes_while_power_flows(self):
        """Both ends price each part at its rate; so does this test. One outlet sells by itself, the other for the server."""
        server = self.ops()
        world = self.join(server)
        prices = (300000, 1100000, 700000)
        of, noon_ms = noon_tariff(prices, 15000)
        for outlet, mode, load_w in ((1, "local", LOAD_W), (2, "remote", 3000)):
            account = f"account-{outlet}"
            server.account(account, 10 ** 7)
            self.sell(server, world, f"o-{outlet}", outlet, load_w, account=account, credit=10 ** 6, tariff=of, mode=mode,
                      lease_ms=600000 if mode == "remote" else 0)
        wait_for("noon", lambda: time.time() * 1000 > noon_ms)
        wait_for("energy at noon's rate, as the server knows it",
                 lambda: len(report(server, 2).get("rates_mwh", [])) > 1 and report(server, 2)["rates_mwh"][1] > STEP_MWH)
        for outlet in (1, 2):
            server.send(type="stop", outlet=outlet, order=f"o-{outlet}")
            order = self.await_order(server, f"o-{outlet}", "done")
            ledger = world.ledger()
            boundary = ledger.only(f"o-{outlet}", "boundary")
            self.assertEqual((boundary["rate"], boundary["unknown_time"]), (1, False))
            split = ledger.ended(f"o-{outlet}")["rates_mwh"]
            started = ledger.only(f"o-{outlet}", "started")
            self.assertEqual(split[0], boundary["register_mwh"] - started["register_mwh"])
            self.assertEqual(len(split), 2)
            self.assertGreater(split[1], 0)
            self.assert_bill(order, ledger, lambda r: box.price(of, r["energy_mwh"], r["rates_mwh"]))
        self.assertEqual(server.check(), [])


class Backlog(OnlineTest):
    def test_a_months_backlog_drains_whole(self):
        """Records of a month without a link, then a link: the server has them all, text by text."""
        server = self.ops()
        world = self.join(server, start=False, tapped=False)
        state = Path(world.folder, "state")
        state.mkdir()
        subprocess.run([arguments.backlog, str(state / "ledger.db"), str(arguments.records)], check=True,
                       stdout=subprocess.DEVNULL)
        begun = time.monotonic()
        world.start()
        wait_for("the backlog shall drain", lambda: server.status("box-1")["accepted_through"] >= arguments.records, 900)
        print(f"{arguments.records} records in {time.monotonic() - begun:.1f} s, the start included", file=sys.stderr)
        self.await_link(server, world)
        self.assertEqual(world.daemon.stop(), 0)
        mine = box.Ledger.of_file(state / "ledger.db").bodies
        theirs = server.records()
        self.assertGreaterEqual(len(theirs), arguments.records)
        self.assertEqual(theirs, mine[:len(theirs)])  # what the daemon noted while it ended comes with its next start
        self.assertEqual(server.operator("GET", "server")["records_accepted"], len(theirs))


if __name__ == "__main__":
    box.main([("--meterbox-ops", {"required": True}), ("--backlog", {"required": True}),
              ("--records", {"type": int, "default": 100000})])
