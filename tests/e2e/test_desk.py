#!/usr/bin/env python3
"""What the operator's desk shows, against the real server: lists, alarms, energy over time, and the stream of changes.

usage: test_desk.py --contract ops-api.yaml --meterbox-ops PATH [--seed N] [unittest's arguments]
"""
import datetime
import random
import sys
from urllib.parse import quote

sys.dont_write_bytecode = True
import box  # noqa: E402
import ops  # noqa: E402
from box import tariff  # noqa: E402
from ops import OPERATOR_TOKEN, Person, progress, time_text  # noqa: E402
from tapped import TappedTest, unseen  # noqa: E402

PLACE = {"tariff": "day", "label": "Pier 1, left"}
MINUTE_MS = 60000
HOUR_MS = 60 * MINUTE_MS
STAFF_STREAMS_MAX = 16
ROWS_AT_ONCE = 100
READERS = {"listOrders", "listAccounts", "listPostings", "listAlarms", "getSeries", "streamDesk"}


def wall_ms():
    return int(datetime.datetime.now(datetime.timezone.utc).timestamp() * 1000)


class DeskEvents(ops.Events):
    """The desk's stream: of somebody who has signed in, or of a program."""
    PATH = "/v1/operator/events"

    def __init__(self, server, person=None):
        super().__init__(server, self.PATH,
                         person.cookie(self.PATH) if person else {"Authorization": f"Bearer {OPERATOR_TOKEN}"})

    def next(self):
        """(event, object); a heartbeat says that nothing comes. None when the stream has ended."""
        item = self.item()
        if item and item[0] is None:
            raise AssertionError(f"nothing comes: {item}")
        return item

    def until(self, what, holds=lambda value: True):
        """The first object of such an event of which this is true, and all that came before it."""
        passed = []
        while event := self.next():
            if event[0] == what and holds(event[1]):
                return event[1], passed
            passed.append(event)
        raise AssertionError(f"the stream has ended; before: {passed}")


class DeskTest(TappedTest):
    def desk(self, *options):
        """A server with one box that has reported, and one account with money."""
        self.server = self.tapped(*options)
        self.played = self.box(self.server)
        self.server.account("ann", 100000000)

    def events(self, person=None, server=None):
        events = DeskEvents(server or self.server, person)
        self.addCleanup(events.close)
        return events

    def get(self, path):
        return self.server.operator("GET", path)

    def take_all(self):
        """The box takes what it was told to; the commands."""
        with self.played.stream() as stream:
            return [stream.command()[1] for _ in range(self.get("boxes/box-1")["commands"])]

    def session(self, number, outlet=1, energy_mwh=None):
        """An order that supplies, or has ended with so much energy."""
        self.server.order(number, outlet=outlet)
        for command in self.take_all():
            self.played.records.authorized(command)
        self.played.records.started(outlet)
        if energy_mwh is not None:
            register = self.played.records.register[outlet] + energy_mwh
            self.played.records.ended(outlet, register)
            self.played.records.available(outlet, number)
        self.played.report()

    def mark(self, at_ms, register, order="o-1"):
        self.played.records.add("mark", 1, order, register, energised_ms=1000, time=time_text(at_ms))


class TheInterface(DeskTest):
    """All that the interface file has of the desk, in good ways and in bad; a tap judges."""

    def good_ways(self):
        now = wall_ms()
        for path in ("orders", "orders?open=1", "orders?open=0&before=o-1", "accounts", "accounts?after=a%20b",
                     "accounts/ann/postings", "accounts/ann/postings?before=2", "alarms", "alarms?before=9",
                     f"boxes/box-1/series?from={time_text(now - HOUR_MS)}&to={time_text(now)}&step_s=60",
                     f"boxes/box-1/series?from={time_text(0).replace(':', '%3A')}&to={time_text(1)}&step_s=86400", "boxes"):
            self.get(path)

    def bad_ways(self):
        now = wall_ms()
        for path in ("orders?open=2", "orders?open=yes", "orders?before=a%22b", "orders?before=" + "o" * 41,
                     "orders?before=%zz", "accounts?after=" + "a" * 41, "accounts?after=%00", "accounts/ann/postings?before=0",
                     "accounts/a%22b/postings", "alarms?before=x", "alarms?before=0", "boxes/box-1/series",
                     f"boxes/box-1/series?from={time_text(now)}&to={time_text(now)}&step_s=60",
                     f"boxes/box-1/series?from={time_text(now)}&to={time_text(now + 1)}",
                     f"boxes/box-1/series?from={time_text(now)}&to={time_text(now + 1)}&step_s=59",
                     f"boxes/box-1/series?from={time_text(now)}&to={time_text(now + 1)}&step_s=86401",
                     f"boxes/box-1/series?from=now&to={time_text(now + 1)}&step_s=60",
                     f"boxes/box-1/series?from={time_text(now)}&to=2026-11-21&step_s=60",
                     f"boxes/box-1/series?from={time_text(0)}&to={time_text(400 * MINUTE_MS + 1)}&step_s=60",
                     f"boxes/box%201/series?from={time_text(0)}&to={time_text(1)}&step_s=60"):
            self.assert_refused(self.ask(path), 400, "bad_request")
        for path in ("orders?before=o-9", "accounts/nobody/postings", "nothing",
                     f"boxes/box-9/series?from={time_text(0)}&to={time_text(1)}&step_s=60"):
            self.assert_refused(self.ask(path), 404, "not_found")

    def ask(self, path, token=OPERATOR_TOKEN, method="GET"):
        return self.server.call(method, "/v1/operator/" + path, None, token)

    def strangers(self):
        customer, viewer = Person(self.server).customer(), Person(self.server).staff("vera", "viewer")
        series = f"boxes/box-1/series?from={time_text(0)}&to={time_text(1)}&step_s=60"
        for path in ("orders", "accounts", "accounts/ann/postings", "alarms", series, "events"):
            for token in (None, self.played.token, "wrong-token-wrong-token"):
                self.assert_refused(self.ask(path, token), 401, "unauthorized")
            self.assert_refused(customer.call("GET", "/v1/operator/" + path), 401, "unauthorized")
            self.assert_refused(self.ask(path, method="DELETE"), 405, "method_not_allowed")
            if path != "events":
                viewer.ask("GET", "/v1/operator/" + path)

    def too_many(self):
        """An eighth of the streams are for those who look on; a box finds room."""
        few = self.tapped("--max-connections", "16")
        played = self.box(few)
        first = self.events(server=few)
        with self.assertRaises(ops.Refused) as refused:
            self.events(server=few)
        self.assert_refused(refused.exception.args[0], 429, "too_many_streams")
        self.assertGreater(int(refused.exception.args[0].headers["Retry-After"]), 0)
        with played.stream():
            self.assertTrue(first.until("box", lambda status: status["connected"]))
        first.close()
        box.wait_for("room again", lambda: few.operator("GET", "server")["streams"] == 0)
        self.events(server=few).close()
        few.tap.check()
        self.server.tap.seen.update(few.tap.seen)

    def test_every_operation(self):
        self.desk()
        self.server.account("a b")
        self.server.order("o-1")
        self.good_ways()
        self.bad_ways()
        self.strangers()
        self.too_many()
        self.server.tap.check()
        self.assertEqual(unseen(self.server.tap, ("desk",), READERS), [], "documented, but never seen")


class Lists(DeskTest):
    def setUp(self):
        self.desk()

    def parts(self, path, rows, query):
        """All rows of a list that is read in parts, and how long each part was."""
        found, sizes, answer = [], [], self.get(path)
        while True:
            found += answer[rows]
            sizes.append(len(answer[rows]))
            if answer["next"] is None:
                return found, sizes
            answer = self.get(f"{path}{'&' if '?' in path else '?'}{query}={quote(str(answer['next']), '')}")

    def test_orders(self):
        numbers = [f"o-{i}" for i in range(2 * ROWS_AT_ONCE)]
        for number in numbers:
            self.server.order(number, credit=1)
        orders, sizes = self.parts("orders", "orders", "before")
        self.assertEqual(sizes, [ROWS_AT_ONCE, ROWS_AT_ONCE])
        self.assertEqual(sorted(o["order"] for o in orders), sorted(numbers))
        self.assertEqual([o["made"] for o in orders], sorted((o["made"] for o in orders), reverse=True))
        self.assertEqual(orders[0], self.server.order_state(orders[0]["order"]))
        self.assertEqual(self.parts("orders?open=1", "orders", "before")[0], orders)
        self.assertEqual(self.parts("orders?open=0", "orders", "before"), ([], [0]))

    def test_orders_that_are_over(self):
        self.session("o-1", energy_mwh=500000)
        self.server.order("o-2")
        self.assertEqual([o["order"] for o in self.get("orders?open=1")["orders"]], ["o-2"])
        over, = self.get("orders?open=0")["orders"]
        self.assertEqual((over["order"], over["state"], over["receipt"]["energy_mwh"]), ("o-1", "done", 500000))
        self.assertEqual(over["ended"], ops.TIME)
        self.assertNotIn("code", over)
        self.assertEqual([o["order"] for o in self.get("orders")["orders"]], ["o-2", "o-1"])

    def test_accounts(self):
        for number in range(ROWS_AT_ONCE):
            self.server.account(f"b {number:03}")
        customer = Person(self.server).customer("Ann@Example.org")
        accounts, sizes = self.parts("accounts", "accounts", "after")
        self.assertEqual(sizes, [ROWS_AT_ONCE, 2])
        self.assertEqual([a["account"] for a in accounts], sorted(a["account"] for a in accounts))
        self.assertEqual(accounts[0], {"account": "ann", "kind": "shared", "limit_micros": 0, "balance_micros": 100000000,
                                       "spendable_micros": 100000000})
        theirs = customer.ask("GET", "/v1/customer/session")["account"]
        self.assertEqual([(a["account"], a["contact"]) for a in accounts if "contact" in a], [(theirs, "ann@example.org")])
        self.assertEqual(self.get("accounts/" + theirs)["contact"], "ann@example.org")

    def test_postings(self):
        self.session("o-1", energy_mwh=400000)
        answer = self.get("accounts/ann/postings")
        self.assertIsNone(answer["next"])
        postings = answer["postings"]
        self.assertEqual([(p["from"], p["to"], p["key"], p.get("order")) for p in postings],
                         [("held:box-1:ann", "customer:ann", "release:o-1", "o-1"),
                          ("customer:ann", "held:box-1:ann", "hold:o-1", "o-1"),
                          ("cash", "customer:ann", "recharge:first-ann", None)])
        moved = sum(p["micros"] if p["to"] == "customer:ann" else -p["micros"] for p in postings)
        self.assertEqual(moved, self.server.balance("ann"))
        for number in range(ROWS_AT_ONCE):
            self.server.operator("POST", "accounts/ann/recharges", {"micros": 1, "key": f"k-{number}"})
        more, sizes = self.parts("accounts/ann/postings", "postings", "before")
        self.assertEqual(sizes, [ROWS_AT_ONCE, 3])
        self.assertEqual(more[ROWS_AT_ONCE:], postings)

    def test_alarms(self):
        records = self.played.records
        records.add("alarm", alarm="storage", detail="<b>slow</b> disk", time=ops.TIME)
        records.add("fault", 2, fault="welded")
        self.played.report()
        records.append("garbage")
        self.played.report(refused=[len(records.texts)])
        records.add("cleared", 2, actor="technician", name="tom")
        self.played.report()
        alarms = self.get("alarms")["alarms"]
        self.assertEqual([(a["kind"], a["word"], a.get("outlet")) for a in alarms],
                         [("cleared", "technician", 2), ("server", "record_parked", None), ("fault", "welded", 2),
                          ("alarm", "storage", None)])
        self.assertEqual((alarms[3]["time"], alarms[3]["detail"], alarms[3]["box"]), (ops.TIME, "<b>slow</b> disk", "box-1"))
        self.assertEqual(alarms[0]["detail"], "tom")
        self.assertEqual(self.get(f"alarms?before={alarms[1]['number']}")["alarms"], alarms[2:])

    def test_a_box(self):
        self.server.operator("PUT", "tariffs/day", {"replaces": 0, "tariff": {
            name: value for name, value in tariff().items() if name not in ("id", "version")}})
        self.server.operator("PUT", "outlets/P1-L", {"box": "box-1", "outlet": 2, **PLACE})
        self.server.order("o-1")
        status = self.server.status("box-1")
        self.assertEqual((status["queue"], status["commands"]), (0, 1))
        records = self.played.records
        for command in self.take_all():
            records.authorized(command)
        records.add("fault", 2, fault="tripped")
        self.played.report(progress(1, state="unlocked", order="o-1"), progress(2, state="faulted"))
        status = self.server.status("box-1")
        self.assertEqual(status["commands"], 0)
        first, second = status["outlets"]
        self.assertEqual((first["order"], first["clearable_by"]), ("o-1", []))
        self.assertNotIn("code", first)
        self.assertEqual((second["code"], second["label"]), ("P1-L", PLACE["label"]))
        self.assertNotIn("order", second)
        self.assertIn("technician", second["clearable_by"])
        records.boot()  # three that are not sent
        records.boot()
        records.boot()
        self.assertEqual(self.played.post({**self.played.batch(), "records": []}).status, 200)
        self.assertEqual(self.server.status("box-1")["queue"], 3)
        self.server.stop()
        self.server.tap.close()
        self.server.start()
        self.assertIsNone(self.server.status("box-1")["queue"])


class Energy(DeskTest):
    def series(self, from_ms, to_ms, step_s):
        answer = self.get(f"boxes/box-1/series?from={time_text(from_ms)}&to={time_text(to_ms)}&step_s={step_s}")
        self.assertEqual((answer["from"], answer["step_s"]), (time_text(from_ms), step_s))
        return {outlet["outlet"]: outlet["energy_mwh"] for outlet in answer["outlets"]}

    def setUp(self):
        """A session in the last hours; the first registers are far back."""
        self.server = self.tapped()
        self.server.account("ann", 100000000)
        self.played = ops.Box(self.server)
        self.now = wall_ms()
        self.start = self.now - 20 * HOUR_MS
        for outlet in (1, 2):
            self.played.records.add("meter", outlet, register=1000 * outlet, serial="m", time=time_text(self.start - HOUR_MS))
        self.played.report()
        self.server.order("o-1")
        for command in self.take_all():
            self.played.records.authorized(command)
        self.played.records.add("started", 1, "o-1", 1000, time=time_text(self.start))
        self.played.report()

    def test_steps(self):
        self.mark(self.start + HOUR_MS, 1007)
        self.played.report()
        self.assertEqual(self.series(self.start - HOUR_MS, self.start + 2 * HOUR_MS, 1800), {1: [0, 0, 3, 4, 0, 0],
                                                                                            2: [0] * 6})
        self.assertEqual(self.series(self.start, self.start + HOUR_MS, 86400)[1], [7])

    def test_sums(self):
        chance = random.Random(box.arguments.seed)
        at, register, last = self.start, 1000, self.now - 1
        while at < last:
            at = min(last, at + chance.randrange(1, 40 * MINUTE_MS))
            register += chance.randrange(0, 3000000)
            self.mark(at, register)
        self.played.report()
        begin, end = self.start - 2 * HOUR_MS, self.now + HOUR_MS
        whole = self.series(begin, end, 86400)[1]
        self.assertEqual(whole, [register - 1000])
        for _ in range(40):
            low = chance.randrange(begin, end - 2)
            high = chance.randrange(low + 1, end)
            step_s = chance.randrange(max(60, (high - low) // 400000 + 1), 86401)
            steps = self.series(low, high, step_s)[1]
            self.assertEqual(len(steps), (high - low - 1) // (step_s * 1000) + 1)
            self.assertGreaterEqual(min(steps), 0)
            parts = [self.series(*part, 86400)[1] for part in ((begin, low), (high, end)) if part[0] < part[1]]
            self.assertEqual(sum(steps) + sum(map(sum, parts)), register - 1000, (low, high, step_s))


class LiveEvents(DeskTest):
    def setUp(self):
        self.desk()

    def test_what_changes_is_told(self):
        events = self.events()
        with self.played.stream():
            status, passed = events.until("box", lambda status: status["connected"])
        self.assertEqual(passed, [])
        self.assertEqual((status["box"], status["commands"]), ("box-1", 0))
        self.server.order("o-1")
        events.until("box", lambda status: status["commands"] == 1)
        order, _ = events.until("order")
        self.assertEqual(order, self.server.order_state("o-1"))
        for command in self.take_all():
            self.played.records.authorized(command)
        self.played.records.add("alarm", alarm="tamper", detail="door")
        self.played.report(progress(1, state="unlocked", order="o-1"))
        self.assertEqual(events.until("order")[0]["state"], "open")
        alarm, _ = events.until("alarm")
        self.assertEqual(alarm, self.get("alarms")["alarms"][0])
        self.played.report(progress(1, state="ready", order="o-1", power_mw=5))
        status, _ = events.until("box", lambda status: status["outlets"][0]["progress"]["power_mw"] == 5)
        self.assertEqual(status, self.server.status("box-1"))
        self.server.tap.check()

    def test_one_of_the_staff_leaves_room_for_others(self):
        vera, boss = Person(self.server).staff("vera", "viewer"), Person(self.server).staff("boss", "manager")
        opened = [self.events(vera) for _ in range(STAFF_STREAMS_MAX)]
        with self.assertRaises(ops.Refused) as refused:
            self.events(vera)
        self.assert_refused(refused.exception.args[0], 429, "too_many_streams")
        self.assertGreater(int(refused.exception.args[0].headers["Retry-After"]), 0)
        self.events(boss)
        for _ in range(2):  # programs have no limit of their own
            self.events()
        opened.pop().close()
        box.wait_for("room again", lambda: self.server.operator("GET", "server")["streams"] == STAFF_STREAMS_MAX + 2)
        self.events(vera)
        self.server.tap.check()

    def test_a_box_that_is_not_heard(self):
        """After a restart nothing was heard of any; what is done is told all the same."""
        self.server.stop()
        self.server.tap.close()
        self.server.start()
        events = self.events()
        self.server.order("o-1")
        self.assertEqual(events.until("order")[0]["order"], "o-1")

    def test_many_changes_of_one_box(self):
        """The last state is told; how it came there need not be."""
        events = self.events()
        last = 50
        for power in range(1, last + 1):
            self.played.report(progress(1, power_mw=power))
        _, passed = events.until("box", lambda status: status["outlets"][0]["progress"]["power_mw"] == last)
        self.assertLess(len(passed), last - 1)
        self.server.tap.check()

    def test_many_boxes(self):
        names = [f"many-{i}" for i in range(60)]
        boxes = [ops.Box(self.server, name) for name in names]
        events = self.events()
        for played in boxes:
            played.report(progress(1, power_mw=7))
        told = set()
        while told != set(names):
            told.add(events.until("box", lambda status: status["outlets"] and status["box"] in names)[0]["box"])

    def test_many_orders(self):
        """More than one text holds, and none is left out."""
        events = self.events()
        numbers = {f"o-{i}" for i in range(100)}
        for number in numbers:
            self.server.order(number, credit=1)
        told = set()
        while told != numbers:
            told.add(events.until("order")[0]["order"])

    def test_the_session_ends(self):
        vera = Person(self.server).staff("vera", "viewer")
        again = Person(self.server)
        again.ask("POST", "/v1/operator/session", {"name": "vera", "password": Person.PASSWORD})
        mine, other, program = self.events(vera), self.events(again), self.events()
        vera.ask("DELETE", "/v1/operator/session")
        self.assertIsNone(mine.next())
        self.played.report(progress(1, power_mw=1))
        self.assertEqual(other.next()[0], "box")
        self.server.operator("DELETE", "staff/vera")
        while other.next() is not None:
            pass
        self.played.report(progress(1, power_mw=2))
        program.until("box", lambda status: status["outlets"][0]["progress"]["power_mw"] == 2)

    def test_the_server_ends(self):
        events = self.events()
        self.assertEqual(self.server.stop(), 0)
        self.assertIsNone(events.next())


if __name__ == "__main__":
    parser = ops.argparse.ArgumentParser(add_help=False)
    parser.add_argument("--contract", required=True)
    sys.argv[1:] = parser.parse_known_args(namespace=box.arguments)[1]
    ops.main()
