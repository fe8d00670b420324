#!/usr/bin/env python3
"""What a customer can do, against the real server: orders by a code, buttons, live events, receipts, payments; what is
not theirs; and one whole session with a real box.

usage: test_customer.py --contract ops-api.yaml --meterbox-ops PATH --meterboxd PATH --boxsim PATH [--seed N]
       [unittest's arguments]
"""
import hashlib
import hmac
import json
import re
import secrets
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
import box  # noqa: E402
import ops  # noqa: E402
from box import wait_for  # noqa: E402
from online import OnlineTest  # noqa: E402
from ops import OPERATOR_TOKEN, Person, progress, raw  # noqa: E402
from tapped import TappedTest, unseen  # noqa: E402

ANN, BOB = "+49 170 1111111", "+49 170 2222222"
EURO = 1000000
KWH = 1000000
PAYMENT_KEY = "key-of-the-payment-provider-of-the-tests"
READERS = ("listOwnOrders", "getOwnOrder", "streamOwnOrder", "getOwnPayment", "getSandboxPayment")
BODY_MAX = 4096
STREAMS_MAX = 4
ORDERS_AT_ONCE = 20
UNPAID_MAX = 20
COMMANDS_AT_ONCE = 30
TARIFF = {"currency": "EUR", "energy_price_micros": EURO, "start_fee_micros": 100000, "quantum_micros": 10000,
          "rounding": "half_up"}


def new_number():
    return "c-" + secrets.token_hex(16)


def path_of(number, button=None):
    return f"/v1/customer/orders/{number}" + (f"/{button}" if button else "")


def signature(body, key=PAYMENT_KEY):
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


class OrderEvents(ops.Events):
    """An order's events, as its customer's page reads them."""

    def __init__(self, person, number):
        path = path_of(number, "events")
        super().__init__(person.ops, path, person.cookie(path))

    def next(self):
        """The next order; comments are passed over. None when the stream has ended."""
        end = time.monotonic() + box.PATIENCE_S  # heartbeats go on for ever
        while item := self.item():
            if time.monotonic() > end:
                raise AssertionError("nothing is told")
            if item[0] is not None:
                assert item[0] == "order", item
                return item[1]
        return None

    def until(self, what):
        """The first order of which this is true."""
        end = time.monotonic() + box.PATIENCE_S
        order = None
        while time.monotonic() < end:
            order = self.next()
            if order is None or what(order):
                break
        if order is None or not what(order):
            raise AssertionError(f"it is not told: the last was {order}")
        return order


class CustomerTest(TappedTest):
    def payments(self, make=None):
        """A server that takes payments, with a key that the test knows. make: who makes it, else tapped()."""
        server = (make or self.tapped)("--sandbox-payments", start=False)
        key = Path(server.path("payment.key"))
        key.write_text(PAYMENT_KEY + "\n", encoding="utf-8")
        key.chmod(0o600)
        server.options += ["--payment-key-file", str(key)]
        return server.start()

    def shop(self, server, codes=("A-1", "A-2")):
        """A box that reports and has its stream open; its outlets are for sale."""
        played = self.box(server)
        server.operator("PUT", "tariffs/flat", {"replaces": 0, "tariff": TARIFF})
        for outlet, code in enumerate(codes, 1):
            server.operator("PUT", f"outlets/{code}",
                            {"box": "box-1", "outlet": outlet, "tariff": "flat", "label": f"Socket {outlet}"})
        played.commands = played.stream()
        self.addCleanup(played.commands.close)
        return played

    def customer(self, server, contact=ANN, money=0):
        person = Person(server).customer(contact)
        person.account = person.ask("GET", "/v1/customer/session")["account"]
        if money:
            server.operator("POST", f"accounts/{person.account}/recharges",
                            {"micros": money, "key": f"first-{person.account}"})
        return person

    def order(self, person, number=None, status=201, **more):
        """An order until the credit ends, of A-1; the answer's object."""
        number = number or new_number()
        return person.ask("PUT", path_of(number), {"code": "A-1", "agreement": 1, "until": "credit", **more}, status)

    def get(self, person, number):
        return person.ask("GET", path_of(number))

    def opened(self, played, person, **more):
        """An order that the box has taken; its number."""
        number = self.order(person, **more)["order"]
        while (command := played.commands.command()[1])["type"] != "authorize":
            pass
        played.records.authorized(command)
        played.report()
        return number

    def ended(self, played, number, outlet=1, **more):
        played.records.ended(outlet, **more)
        played.report()


class TheInterface(CustomerTest):
    """All that the interface file has of customers, in good ways and in bad; a tap judges."""

    def setUp(self):
        self.ops = self.payments()
        self.played = self.shop(self.ops)
        self.ann = self.customer(self.ops, money=5 * EURO)

    def good_ways(self):
        number = self.opened(self.played, self.ann, credit_micros=EURO)
        self.order(self.ann, number, 200, credit_micros=EURO)
        for button in ("unlock", "start"):
            self.ann.ask("POST", path_of(number, button), {}, 202)
        self.ann.ask("POST", path_of(number, "credit"), {"micros": EURO, "key": "k"})
        with OrderEvents(self.ann, number) as events:
            self.assertEqual(events.next()["order"], number)
        self.ann.ask("POST", path_of(number, "stop"), None, 202)
        self.played.records.started(1)
        self.played.records.ended(1, 4 * KWH)
        self.played.report()
        self.ann.ask("POST", path_of(number, "departed"), {}, 202)
        self.assertEqual(len(self.ann.ask("GET", "/v1/customer/orders")["orders"]), 1)
        payment = self.ann.ask("POST", "/v1/customer/payments", {"micros": EURO, "key": "p"}, 201)
        self.ann.ask("GET", f"/v1/customer/payments/{payment['payment']}")
        sandbox = f"/v1/sandbox/payments/{payment['payment']}"
        self.ann.ask("GET", sandbox)
        self.ann.ask("POST", sandbox, {"pay": True})
        self.ann.ask("POST", sandbox, {"pay": False}, 409)
        self.assertEqual(self.callback(payment, reference="sandbox-" + payment["payment"]).status, 200)

    def callback(self, payment, **more):
        body = json.dumps({"payment": payment["payment"], "reference": "r", "micros": payment["micros"], "state": "paid",
                           **more}).encode()
        return self.ops.call("POST", "/v1/payments/callback", body, None, {"Meterbox-Signature": signature(body)})

    def bodies(self, number, payment):
        """Every call that has a body, with a good one."""
        wish = {"code": "A-2", "agreement": 1, "until": "credit"}
        yield "PUT", path_of(new_number()), wish
        for button in ("start", "stop", "unlock", "departed"):
            yield "POST", path_of(number, button), {}
        yield "POST", path_of(number, "credit"), {"micros": 1, "key": "bodies"}
        yield "POST", "/v1/customer/payments", {"micros": 10000, "key": "bodies"}
        yield "POST", f"/v1/sandbox/payments/{payment}", {"pay": True}
        yield "POST", "/v1/payments/callback", {"payment": payment, "reference": "r", "micros": 10000, "state": "paid"}

    def signed(self, path, body):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return body, {"Meterbox-Signature": signature(body)} if "callback" in path else {}

    def bad_bodies(self):
        payment = self.ann.ask("POST", "/v1/customer/payments", {"micros": 10000, "key": "bad"}, 201)["payment"]
        stranger = Person(self.ops)
        number = self.opened(self.played, self.ann, code="A-2", credit_micros=EURO)
        for method, path, body in self.bodies(number, payment):
            for damaged in self.damaged(body):
                damaged, more = self.signed(path, damaged)
                self.assert_refused(self.ann.call(method, path, damaged, more), 400, "bad_request")
            good, more = self.signed(path, body)
            for headers in ({"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}):
                self.assert_refused(self.ann.call(method, path, good, {**more, **headers}), 415,
                                    "unsupported_media_type")
            self.assert_refused(self.ann.call(method, path, good, {**more, "Origin": "http://elsewhere.example"}), 403,
                                "bad_origin")
            self.assert_refused(self.ann.call(method, path, good, {**more, "Sec-Fetch-Site": "cross-site"}), 403,
                                "bad_origin")
            huge, more = self.signed(path, b" " * (BODY_MAX + 1))
            self.assert_refused(self.ann.call(method, path, huge, more), 413, "too_large")
            if "/customer/" in path:
                self.assert_refused(stranger.call(method, path, good), 401, "unauthorized")
                self.assert_refused(stranger.call(method, path, good, {"Authorization": f"Bearer {OPERATOR_TOKEN}"}),
                                    401, "unauthorized")
            self.assertEqual(self.ann.call("PATCH", path, good).status, 405)
        self.assert_refused(self.ann.call("GET", "/v1/customer/nothing"), 404, "not_found")
        self.assertEqual(self.get(self.ann, number)["pending"], [])

    def damaged(self, body):
        for name in body:
            for value in (None, 1.5, [], {}, -1, 2 ** 63):
                yield {**body, name: value}
            if name not in ("pay",):
                yield {other: value for other, value in body.items() if other != name}
        yield {**body, "more": 1}
        yield from (b"{", b"[]", b'{"a":1,"a":2}', b"\xff", b"null")

    def wrong_wishes(self):
        number = new_number()
        for more in ({"limit_mwh": 1}, {"until": "energy"}, {"until": "energy", "limit_ms": 1},
                     {"until": "energy", "limit_mwh": 0}, {"until": "time", "limit_ms": 2 ** 53 - 1},
                     {"until": "amount", "limit_micros": 10 ** 15 + 1}, {"until": "ever"}, {"agreement": 0},
                     {"credit_micros": 0}, {"until": "energy", "limit_mwh": 1, "limit_ms": 1}):
            self.order(self.ann, number, 400, **more)
        for wrong in ("x", "c-", "o" + number[1:], number.upper(), number + "0", "c-%22" + number[3:]):
            self.order(self.ann, wrong, 400)
        for query in ("before=", "before=1", "before=x." + number, "before=0." + number,
                      "before=99999999999999999999." + number):
            self.ann.ask("GET", "/v1/customer/orders?" + query, None, 400)
        for path in ("", "/events"):
            self.ann.ask("GET", path_of("%22") + path, None, 400)
            self.ann.ask("GET", path_of(number) + path, None, 404)
        for button in ("start", "stop", "unlock", "departed"):
            self.ann.ask("POST", path_of(number, button), {}, 404)
        self.ann.ask("POST", path_of(number, "credit"), {"micros": 1, "key": "k"}, 404)
        for name in ("0" * 32, "x"):
            self.ann.ask("GET", "/v1/customer/payments/" + name, None, 404)
            self.ann.ask("GET", "/v1/sandbox/payments/" + name, None, 404)
            self.ann.ask("POST", "/v1/sandbox/payments/" + name, {"pay": True}, 404)
        self.ann.ask("GET", "/v1/customer/payments/%22", None, 400)
        self.ann.ask("GET", "/v1/sandbox/payments/%22", None, 400)
        self.assert_refused(self.callback({"payment": "0" * 32, "micros": EURO}), 404, "not_found")

    def refusals(self):
        """Conflicts of each call, and money that is not there."""
        number = self.ann.ask("GET", "/v1/customer/orders")["orders"][-1]["order"]  # done, the plug is out
        self.played.records.available(1, number)
        self.played.report()
        for button in ("start", "stop", "unlock", "departed"):
            self.assert_refused(self.ann.call("POST", path_of(number, button), {}), 409, "conflict")
        self.assert_refused(self.ann.call("POST", path_of(number, "credit"), {"micros": 1, "key": "over"}), 409,
                            "conflict")
        self.assert_refused(self.ann.call("POST", path_of(number, "credit"), {"micros": 2, "key": "k"}), 409, "conflict")
        self.ann.ask("POST", path_of(number, "credit"), {"micros": EURO, "key": "k"})  # as before, though over now
        number = self.ann.ask("GET", "/v1/customer/orders")["orders"][0]["order"]
        self.assert_refused(self.ann.call("POST", path_of(number, "credit"), {"micros": 10 ** 9, "key": "l"}), 402,
                            "insufficient_funds")
        self.assert_refused(self.ann.call("PUT", path_of(new_number()), {"code": "A-1", "agreement": 1, "until": "amount",
                                                                        "limit_micros": 10 ** 9}), 402,
                            "insufficient_funds")
        self.order(self.ann, number, 409)
        self.assert_refused(self.ann.call("PUT", path_of(new_number()), {"code": "Z-9", "agreement": 1,
                                                                        "until": "credit"}), 404, "not_offered")
        self.assert_refused(self.ann.call("POST", "/v1/customer/payments", {"micros": EURO * 2, "key": "p"}), 409,
                            "conflict")
        payment = self.ann.ask("POST", "/v1/customer/payments", {"micros": 10000, "key": "bad"}, 201)
        self.assert_refused(self.callback(payment, micros=10001), 409, "conflict")
        self.assert_refused(self.ops.call("POST", "/v1/payments/callback", {"payment": payment["payment"]}), 401,
                            "unauthorized")

    def strangers(self):
        stranger = Person(self.ops)
        number = new_number()
        for path in ("/v1/customer/orders", path_of(number), path_of(number, "events"),
                     "/v1/customer/payments/" + "0" * 32):
            for headers in ({}, {"Cookie": "meterbox_customer=" + "0" * 64}, {"Cookie": "meterbox_customer="},
                            {"Authorization": f"Bearer {OPERATOR_TOKEN}"}):
                self.assert_refused(stranger.call("GET", path, None, headers), 401, "unauthorized")

    def limits(self):
        number = self.ann.ask("GET", "/v1/customer/orders")["orders"][0]["order"]
        streams = [OrderEvents(self.ann, number) for _ in range(STREAMS_MAX)]
        for stream in streams:
            self.addCleanup(stream.close)
            self.assertEqual(stream.next()["order"], number)
        answer = self.ann.call("GET", path_of(number, "events"))
        self.assert_refused(answer, 429, "too_many_streams")
        self.assertGreater(int(answer.headers["Retry-After"]), 0)
        streams.pop().close()
        def again():
            try:
                OrderEvents(self.ann, number).close()
                return True
            except ops.Refused:
                return False
        wait_for("one went, another may come", again)
        self.commands_are_limited()
        wanted = 0
        while (answer := self.ann.call("POST", "/v1/customer/payments",
                                       {"micros": 10000, "key": f"many-{wanted}"})).status == 201:
            wanted += 1
        self.assert_refused(answer, 429, "too_many")
        self.assertLessEqual(wanted, UNPAID_MAX)

    def commands_are_limited(self):
        number = self.opened(self.played, self.ann, code="A-2", credit_micros=1)
        sent = 0
        while (answer := self.ann.call("POST", path_of(number, "unlock"), {})).status == 202:
            command = self.played.commands.command()[1]
            self.played.records.command(command, "refused", "enough")
            self.played.report()
            sent += 1
        self.assertLess(sent, COMMANDS_AT_ONCE)  # this customer has sent some before
        for method, path, body in self.bodies(number, "0" * 32):
            if "/orders/" in path and "stop" not in path:
                answer = self.ann.call(method, path, body)
                self.assert_refused(answer, 429, "too_many")
                self.assertIn(int(answer.headers["Retry-After"]), range(1, 6))
        self.ann.ask("POST", path_of(number, "stop"), {}, 202)  # that is always possible

    def a_store_that_cannot_be_written(self):
        payment = self.ann.ask("POST", "/v1/customer/payments", {"micros": 10000, "key": "bad"}, 201)["payment"]
        number = self.ann.ask("GET", "/v1/customer/orders")["orders"][0]["order"]
        self.ended(self.played, number, 2)  # not started
        self.played.records.available(2, number)
        self.played.report()
        bob = self.customer(self.ops, BOB, 5 * EURO)
        mine = self.opened(self.played, bob, credit_micros=EURO)
        other = sqlite3.connect(self.ops.path("ops.db"), isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            for method, path, body in self.bodies(mine, payment):
                if "departed" not in path:
                    body, more = self.signed(path, body)
                    self.assert_refused(bob.call(method, path, body, more), 503, "unavailable")
        finally:
            other.close()
        self.assertEqual(self.get(bob, mine)["pending"], [])
        self.ended(self.played, mine)
        other = sqlite3.connect(self.ops.path("ops.db"), isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            self.assert_refused(bob.call("POST", path_of(mine, "departed"), {}), 503, "unavailable")
        finally:
            other.close()

    def closed(self):
        """The tap of a server that takes no payments, once it was asked to."""
        server = self.tapped()
        self.assert_refused(self.customer(server).call("POST", "/v1/customer/payments", {"micros": EURO, "key": "k"}), 404,
                            "not_offered")
        return server.tap

    def test_the_whole_of_it(self):
        self.good_ways()
        self.bad_bodies()
        self.wrong_wishes()
        self.refusals()
        self.strangers()
        self.a_store_that_cannot_be_written()
        self.limits()
        self.ops.tap.check()
        missed = set(unseen(self.ops.tap, ("customer",), READERS)) & set(unseen(self.closed(), ("customer",), READERS))
        self.assertEqual(missed, set(), "documented, but never seen")
        self.assertEqual(self.ops.check(), [])


class Orders(CustomerTest):
    def setUp(self):
        self.ops = self.tapped()
        self.played = self.shop(self.ops)
        self.ann = self.customer(self.ops, money=5 * EURO)

    def tearDown(self):
        self.ops.tap.check()
        self.assertEqual(self.ops.check(), [])

    def live(self, number, **more):
        self.played.report(progress(order=number, **more))

    def press(self, number, button, status=202):
        return self.ann.ask("POST", path_of(number, button), {}, status)

    def decide(self, outcome="done", detail=""):
        """The box decides the next command; its type."""
        _, command = self.played.commands.command()
        self.played.records.command(command, outcome, detail)
        return command["type"]

    def test_a_session_as_its_customer_sees_it(self):
        sent = self.order(self.ann, until="energy", limit_mwh=2 * KWH)
        number = sent["order"]
        self.assertEqual((sent["state"], sent["pending"], sent["live"], sent["receipt"], sent["mine"]),
                         ("sent", ["authorize"], None, None, False))
        self.assertEqual((sent["code"], sent["label"], sent["until"], sent["limit_mwh"], sent["held_micros"]),
                         ("A-1", "Socket 1", "energy", 2 * KWH, 2120000))  # the energy, the fee, two quanta
        self.assertEqual((sent["balance_micros"], sent["agreement"]["version"], sent["connected"]),
                         (5 * EURO - 2120000, 1, True))
        self.played.records.authorized(self.played.commands.command()[1])
        self.played.report(progress(order=number, state="unlocked", missing=2 | 32))
        order = self.get(self.ann, number)
        self.assertEqual((order["state"], order["pending"], order["mine"], order["live"]["missing"]),
                         ("open", [], True, ["user_door", "breaker_open"]))
        self.assertEqual(self.press(number, "start")["pending"], ["start"])
        self.assertEqual(self.press(number, "start")["pending"], ["start"])  # no second one
        self.assertEqual(self.decide("refused", "the door is open"), "start")
        self.played.report()
        self.assertEqual(self.get(self.ann, number)["refused"], {"type": "start", "why": "the door is open"})
        self.press(number, "unlock")
        self.press(number, "start")
        self.assertEqual([self.decide(), self.decide()], ["unlock", "start"])
        self.played.records.started(1, 3 * KWH)
        self.played.report(progress(order=number, state="supplying", register_mwh=4 * KWH, power_mw=7000000,
                                    energy_mwh=KWH, energised_ms=60000, cost_micros=1100000, remaining_micros=1020000,
                                    remaining_ms=524571, reading_age_ms=1000))
        order = self.get(self.ann, number)
        self.assertEqual((order["refused"], order["started"]), (None, True))
        self.assertGreaterEqual(order["live"].pop("age_ms"), 1000)
        self.assertEqual(order["live"], {"state": "supplying", "missing": [], "energy_mwh": KWH, "power_mw": 7000000,
                                         "energised_ms": 60000, "cost_micros": 1100000, "remaining_micros": 1020000,
                                         "remaining_ms": 524571, "low_credit": False})
        self.press(number, "departed", 409)
        self.assertEqual(self.press(number, "stop")["pending"], ["stop"])
        self.assertEqual(self.decide(), "stop")
        self.played.records.ended(1, 4500000)
        self.played.report(progress(order=number, state="finishing"))
        order = self.get(self.ann, number)
        self.assertEqual((order["state"], order["mine"], order["balance_micros"]), ("done", True, 5 * EURO - 1600000))
        receipt = order["receipt"]
        self.assertEqual((receipt["start_mwh"], receipt["end_mwh"], receipt["energy_mwh"], receipt["meter"]),
                         (3 * KWH, 4500000, 1500000, "m-1"))
        self.assertEqual((receipt["amount_micros"], receipt["captured_micros"], receipt["written_off_micros"]),
                         (1600000, 1600000, 0))
        self.assertEqual(receipt["lines"], [
            {"kind": "energy", "quantity": 1500000, "price_micros": EURO, "amount_micros": 1500000},
            {"kind": "start", "quantity": 1, "price_micros": 100000, "amount_micros": 100000}])
        self.assertEqual(receipt["ended"], ops.TIME)
        self.press(number, "unlock")
        self.press(number, "departed")
        self.assertEqual([self.decide(), self.decide()], ["unlock", "departed"])
        self.played.records.available(1, number)
        self.played.report(progress())
        order = self.get(self.ann, number)
        self.assertEqual((order["mine"], order["live"], order["pending"]), (False, None, []))
        for button in ("start", "stop", "unlock", "departed"):
            self.press(number, button, 409)

    def test_the_box_refuses(self):
        number = self.order(self.ann)["order"]
        self.assertEqual(self.decide("refused", "the outlet has a fault"), "authorize")
        self.played.report()
        order = self.get(self.ann, number)
        self.assertEqual((order["state"], order["refused"], order["balance_micros"]),
                         ("cancelled", {"type": "authorize", "why": "the outlet has a fault"}, 5 * EURO))

    def test_why_not(self):
        def refused(reason, **more):
            answer = self.ann.call("PUT", path_of(new_number()), {"code": "A-1", "agreement": 1, "until": "credit", **more})
            self.assert_refused(answer, 404 if reason == "not_offered" else 409, reason)
            return answer.json()["error"]["message"]
        refused("not_offered", code="Z")
        self.ops.operator("PUT", "agreement", {"replaces": 1, "en": "New.", "zh": "New."})
        refused("agreement_changed")
        for kind, more, word in (("service_mode", {"out": True}, "out of service"), ("fault", {"fault": "tripped"}, "fault")):
            self.played.records.add(kind, 1, **more)
            self.played.report()
            self.assertIn(word, refused("outlet_unavailable", agreement=2))
            if kind == "service_mode":
                self.played.records.add(kind, 1, out=False)
        self.played.records.add("cleared", 1, actor="technician", name="t")
        self.played.records.add("reserved", 1, account="somebody", hold_ms=60000)
        self.played.report()
        self.assertIn("reserved", refused("outlet_unavailable", agreement=2))
        self.played.records.add("released", 1)
        self.played.report()
        self.played.commands.close()
        wait_for("the stream shall be closed", lambda: not self.ops.status("box-1")["connected"])
        self.assertIn("reached", refused("outlet_unavailable", agreement=2))
        self.played.commands = self.played.stream()
        self.addCleanup(self.played.commands.close)
        bob = self.customer(self.ops, BOB, EURO)
        self.order(bob, agreement=2)
        self.assertIn("ordered", refused("outlet_unavailable", agreement=2))
        self.played.records.authorized(self.played.commands.command()[1])
        self.played.report()
        self.assertIn("in use", refused("outlet_unavailable", agreement=2))
        self.assertEqual(self.ann.ask("GET", "/v1/customer/orders"), {"orders": [], "next": None})
        self.assertEqual(self.ops.balance(self.ann.account), 5 * EURO)

    def test_only_at_the_price_that_was_shown(self):
        offer = Person(self.ops).ask("GET", "/v1/customer/outlets/A-1")
        seen = {name: offer["tariff"][name] for name in ("id", "version")}
        self.ops.operator("PUT", "tariffs/flat", {"replaces": 1, "tariff": {**TARIFF, "energy_price_micros": 100 * EURO}})
        number = new_number()
        answer = self.ann.call("PUT", path_of(number), {"code": "A-1", "agreement": 1, "until": "credit", "tariff": seen})
        self.assert_refused(answer, 409, "tariff_changed")
        self.ops.operator("PUT", "tariffs/night", {"replaces": 0, "tariff": TARIFF})
        self.ops.operator("PUT", "outlets/A-1", {"box": "box-1", "outlet": 1, "tariff": "night", "label": "Socket 1"})
        answer = self.ann.call("PUT", path_of(number), {"code": "A-1", "agreement": 1, "until": "credit", "tariff": seen})
        self.assert_refused(answer, 409, "tariff_changed")  # the same version, of another one
        self.assertEqual(self.ops.balance(self.ann.account), 5 * EURO)
        for wrong in ({}, [], "flat", {"id": "night"}, {"id": "night", "version": 0}, {"id": 1, "version": 1},
                      {"id": "night", "version": 1, "more": 1}):
            self.order(self.ann, number, 400, tariff=wrong)
        self.order(self.ann, number, tariff={"id": "night", "version": 1})
        self.ops.operator("PUT", "tariffs/night", {"replaces": 1, "tariff": {**TARIFF, "energy_price_micros": 1}})
        again = self.order(self.ann, number, 200, tariff={"id": "night", "version": 1})  # it was made before that
        self.assertEqual(again["tariff"]["version"], 1)

    def test_without_money(self):
        poor = self.customer(self.ops, BOB)
        self.assertEqual(self.order(poor, status=402)["error"]["code"], "insufficient_funds")
        self.ops.operator("POST", f"accounts/{poor.account}/recharges", {"micros": EURO, "key": "poor"})
        self.order(poor, status=402, until="amount", limit_micros=EURO + 1)
        first = self.opened(self.played, poor)
        second = self.order(poor, code="A-2")  # they share
        self.assertEqual((second["held_micros"], second["spendable_micros"]), (0, 0))
        self.ended(self.played, first)
        self.assertEqual(self.ops.order_state(second["order"])["state"], "sent")

    def test_the_same_order_again(self):
        number = self.order(self.ann)["order"]
        held = self.ops.balance(self.ann.account)
        self.order(self.ann, number, 200)
        self.order(self.ann, number, 409, until="full")
        self.order(self.ann, number, 409, code="A-2")
        bob = self.customer(self.ops, BOB, EURO)
        self.order(bob, number, 409)
        self.assertEqual((self.ops.balance(self.ann.account), self.ops.balance(bob.account)), (held, EURO))
        self.played.commands.command()
        self.ops.send(type="release", outlet=2)  # nothing of the order came before it
        self.assertEqual(self.played.commands.command()[1]["type"], "release")

    def test_until_full(self):
        self.order(self.ann, until="full")
        grant = self.played.commands.command()[1]["grant"]
        self.assertEqual((grant["full_ma"], grant["full_ms"]), (500, 600000))

    def test_pages_of_orders(self):
        made = []
        for _ in range(ORDERS_AT_ONCE + 3):
            made.insert(0, self.order(self.ann, credit_micros=EURO)["order"])
            self.decide("refused", "")
            self.played.report()
        first = self.ann.ask("GET", "/v1/customer/orders")
        second = self.ann.ask("GET", "/v1/customer/orders?before=" + first["next"])
        self.assertEqual([len(page["orders"]) for page in (first, second)], [ORDERS_AT_ONCE, 3])
        self.assertIsNone(second["next"])
        self.assertEqual([order["order"] for order in first["orders"] + second["orders"]], made)
        self.assertEqual(self.customer(self.ops, BOB).ask("GET", "/v1/customer/orders"), {"orders": [], "next": None})

    def test_it_outlives_a_restart(self):
        number = self.opened(self.played, self.ann)
        before = self.get(self.ann, number)
        self.ops.kill()
        self.ops.tap.close()
        self.ops.start()
        after = self.get(self.ann, number)
        self.assertEqual((before.pop("connected"), after.pop("connected")), (True, False))
        self.assertEqual(before, after)


class Others(CustomerTest):
    """Bob knows the numbers of all that is Ann's."""

    def setUp(self):
        self.ops = self.payments()
        self.played = self.shop(self.ops)
        self.ann = self.customer(self.ops, ANN, 5 * EURO)
        self.bob = self.customer(self.ops, BOB, 5 * EURO)

    def assert_same_answer(self, method, path, other, body=None):
        """404, and nothing tells it from the answer to what does not exist."""
        mine, none = (self.bob.call(method, way, body) for way in (path, other))
        self.assertEqual((mine.status, none.status), (404, 404), (path, mine))
        name = r"c-[0-9a-f]{32}|[0-9a-f]{32}"
        self.assertEqual(re.sub(name, "X", mine.body.decode()), re.sub(name, "X", none.body.decode()))
        def headers(answer):
            return sorted((name, value) for name, value in answer.headers.items() if name != "Date")
        self.assertEqual(headers(mine), headers(none))

    def try_order(self, number):
        for path in ("", "/events"):
            self.assert_same_answer("GET", path_of(number) + path, path_of(new_number()) + path)
        for button in ("start", "stop", "unlock", "departed"):
            self.assert_same_answer("POST", path_of(number, button), path_of(new_number(), button), {})
        self.assert_same_answer("POST", path_of(number, "credit"), path_of(new_number(), "credit"),
                                {"micros": 1, "key": "k"})
        self.assertEqual(self.bob.ask("GET", "/v1/customer/orders"), {"orders": [], "next": None})

    def test_everything_of_anns(self):
        number = self.opened(self.played, self.ann)
        self.try_order(number)  # open
        self.played.records.started(1)
        self.ended(self.played, number, register=KWH)
        self.try_order(number)  # finishing, with a receipt
        self.played.records.available(1, number)
        self.played.report()
        self.try_order(number)  # over
        payment = self.ann.ask("POST", "/v1/customer/payments", {"micros": EURO, "key": "k"}, 201)["payment"]
        self.assert_same_answer("GET", "/v1/customer/payments/" + payment, "/v1/customer/payments/" + "0" * 32)
        other = self.bob.ask("POST", "/v1/customer/payments", {"micros": EURO, "key": "k"}, 201)["payment"]
        self.assertNotEqual(payment, other)
        self.assertEqual(self.get(self.ann, number)["pending"], [])
        self.assertEqual(self.ops.balance(self.bob.account), 5 * EURO)
        self.ops.send(type="release", outlet=1)
        self.assertEqual(self.played.commands.command()[1]["type"], "release", "Bob has moved something")
        self.ops.tap.check()

    def test_operators_see_and_customers_are_none(self):
        number = self.opened(self.played, self.ann)
        self.assertEqual(self.ops.order_state(number)["account"], self.ann.account)
        for path in ("orders/" + number, "accounts/" + self.ann.account, "boxes", "messages"):
            answer = self.ann.call("GET", "/v1/operator/" + path)
            self.assertEqual(answer.status, 401)
        staff = Person(self.ops).staff("boss", "manager")
        staff.cookies = {name: (value, "/") for name, (value, _) in staff.cookies.items()}
        self.assertEqual(staff.call("GET", path_of(number)).status, 401)
        value = next(iter(staff.cookies.values()))[0]
        self.assertEqual(Person(self.ops).call("GET", path_of(number), None,
                                               {"Cookie": "meterbox_customer=" + value}).status, 401)
        self.ops.order("op-1", outlet=2, account=self.ann.account, credit=0)
        self.assertEqual(self.ann.call("GET", path_of("op-1")).status, 404)


class LiveEvents(CustomerTest):
    def setUp(self):
        self.ops = self.payments()
        self.played = self.shop(self.ops)
        self.ann = self.customer(self.ops, money=5 * EURO)
        self.number = self.order(self.ann, credit_micros=EURO)["order"]

    def events(self, person=None):
        events = OrderEvents(person or self.ann, self.number)
        self.addCleanup(events.close)
        return events

    def test_what_happens_is_told(self):
        events = self.events()
        self.assertEqual(events.response.headers["Content-Type"], "text/event-stream")
        self.assertEqual(events.next(), self.get(self.ann, self.number))
        self.played.records.authorized(self.played.commands.command()[1])
        self.played.report()
        self.assertEqual(events.until(lambda o: o["state"] == "open")["pending"], [])
        self.ann.ask("POST", path_of(self.number, "start"), {}, 202)
        self.assertEqual(events.next()["pending"], ["start"])
        self.played.report(progress(order=self.number, state="ready", power_mw=1))
        self.assertEqual(events.next()["live"]["power_mw"], 1)
        for _ in range(3):  # only older than before
            self.played.report(progress(order=self.number, state="ready", power_mw=1, reading_age_ms=5000))
        self.played.report(progress(order=self.number, state="ready", power_mw=2))
        self.assertEqual(events.next()["live"]["power_mw"], 2)
        payment = self.ann.ask("POST", "/v1/customer/payments", {"micros": EURO, "key": "k"}, 201)
        self.ann.ask("POST", "/v1/sandbox/payments/" + payment["payment"], {"pay": True})
        self.assertEqual(events.next()["balance_micros"], 5 * EURO)
        self.ops.operator("POST", f"accounts/{self.ann.account}/recharges", {"micros": EURO, "key": "more"})
        self.assertEqual(events.next()["balance_micros"], 6 * EURO)
        self.ann.ask("POST", path_of(self.number, "credit"), {"micros": 2 * EURO, "key": "k"})
        self.assertEqual(events.until(lambda o: o["held_micros"] == 3 * EURO)["balance_micros"], 4 * EURO)
        self.played.commands.close()
        self.assertFalse(events.until(lambda o: not o["connected"])["connected"])
        self.ended(self.played, self.number)
        self.assertEqual(events.until(lambda o: o["state"] == "done")["receipt"]["reason"], "customer")
        self.ops.tap.check()

    def test_customers_do_not_crowd_out_the_desk(self):
        server = self.tapped("--max-connections", "64")  # 7 may look on
        self.shop(server)
        ann, bob = self.customer(server, ANN, EURO), self.customer(server, BOB, EURO)
        numbers = self.order(ann)["order"], self.order(bob, code="A-2")["order"]
        for _ in range(STREAMS_MAX):
            self.addCleanup(OrderEvents(ann, numbers[0]).close)
        self.addCleanup(OrderEvents(bob, numbers[1]).close)
        with self.assertRaises(ops.Refused) as refused:
            OrderEvents(bob, numbers[1])
        self.assert_refused(refused.exception.args[0], 429, "too_many_streams")
        ops.Events(server, "/v1/operator/events", {"Authorization": f"Bearer {OPERATOR_TOKEN}"}).close()
        server.tap.check()

    def test_a_stranger_signs_out(self):
        """That makes nobody's page look, which takes time: what only looking would show stays unseen."""
        events = self.events()
        self.assertTrue(events.next())
        other = sqlite3.connect(self.ops.path("ops.db"), isolation_level=None)
        other.execute("DELETE FROM session")
        other.close()
        stranger = Person(self.ops)
        def streams():
            return self.ops.operator("GET", "server")["streams"]
        before = streams()
        for headers in ({}, {"Cookie": "meterbox_customer=" + "0" * 64}):
            for path in ("/v1/customer/session", "/v1/operator/session"):
                self.assertEqual(stranger.call("DELETE", path, {}, headers).status, 200)
                self.assertEqual({streams() for _ in range(20)}, {before})
        self.customer(self.ops, BOB).ask("DELETE", "/v1/customer/session")
        self.assertIsNone(events.next())  # it looks when somebody was in

    def test_signing_out_ends_it(self):
        ann = Person(self.ops).customer(ANN)  # on another telephone
        mine, others = self.events(), self.events(ann)
        self.assertTrue(mine.next() and others.next())
        ann.ask("DELETE", "/v1/customer/session")
        self.assertIsNone(others.next())
        self.ann.ask("POST", path_of(self.number, "stop"), {}, 202)
        self.assertEqual(mine.next()["pending"], ["authorize", "stop"])

    def test_the_server_stops(self):
        events = self.events()
        events.next()
        self.assertEqual(self.ops.stop(), 0)
        self.assertIsNone(events.next())


class Payments(CustomerTest):
    def setUp(self):
        self.ops = self.payments()
        self.ann = self.customer(self.ops)
        self.payment = self.make("first")

    def make(self, key, micros=5 * EURO):
        return self.ann.ask("POST", "/v1/customer/payments", {"micros": micros, "key": key}, 201)

    def callback(self, headers=None, **more):
        body = json.dumps({"payment": self.payment["payment"], "reference": "ref-1", "micros": 5 * EURO, "state": "paid",
                           **more}).encode()
        return self.ops.call("POST", "/v1/payments/callback", body, None,
                             {"Meterbox-Signature": signature(body), **(headers or {})})

    def state(self):
        return self.ann.ask("GET", "/v1/customer/payments/" + self.payment["payment"])["state"]

    def balance(self):
        self.assertEqual(self.ops.check(), [])
        return self.ann.ask("GET", "/v1/customer/session")["balance_micros"]

    def test_once(self):
        self.assertRegex(self.payment["payment"], "^[0-9a-f]{32}$")
        self.assertEqual(self.payment["pay_url"], "/sandbox/pay/" + self.payment["payment"])
        self.assertEqual((self.payment["state"], self.payment["currency"]), ("pending", "EUR"))
        self.assertEqual(self.make("first"), self.payment)
        for _ in range(3):
            self.assertEqual(self.callback().json(), {"ok": True})
            self.assertEqual((self.balance(), self.state()), (5 * EURO, "paid"))
        self.ops.kill()
        self.ops.tap.close()
        self.ops.start()
        self.assertEqual(self.callback().status, 200)
        self.assertEqual(self.balance(), 5 * EURO)
        self.assertEqual(self.make("first")["state"], "paid")

    def test_another_outcome(self):
        self.assert_refused(self.callback(micros=5 * EURO + 1), 409, "conflict")
        self.assert_refused(self.callback(micros=1), 409, "conflict")
        self.assertEqual((self.balance(), self.state()), (0, "pending"))
        self.assertEqual(self.callback(state="failed").status, 200)
        self.assert_refused(self.callback(), 409, "conflict")
        self.assertEqual((self.balance(), self.state()), (0, "failed"))
        self.payment = self.make("second")
        self.assertEqual(self.callback().status, 200)
        self.assert_refused(self.callback(state="failed"), 409, "conflict")
        self.assert_refused(self.callback(reference="ref-2"), 409, "conflict")
        self.assert_refused(self.callback(micros=4 * EURO), 409, "conflict")
        self.assertEqual((self.balance(), self.state()), (5 * EURO, "paid"))

    def test_forged(self):
        body = json.dumps({"payment": self.payment["payment"], "reference": "r", "micros": 5 * EURO,
                           "state": "paid"}).encode()
        right = signature(body)
        for wrong in ("", "0" * 64, right[:-1], right + "0", right.upper(), "x" * 64, right[:-1] + "é",
                      signature(body, "another key"), signature(body + b" "), hashlib.sha256(body).hexdigest()):
            if wrong == right:
                continue
            headers = {"Meterbox-Signature": wrong.encode("latin-1", "replace")}
            self.assert_refused(self.ops.call("POST", "/v1/payments/callback", body, None, headers), 401, "unauthorized")
        self.assert_refused(self.ops.call("POST", "/v1/payments/callback", body), 401, "unauthorized")
        self.assert_refused(self.ops.call("POST", "/v1/payments/callback", body + b" ", None,
                                          {"Meterbox-Signature": right}), 401, "unauthorized")
        self.assert_refused(self.ops.call("POST", "/v1/payments/callback", None, None,
                                          {"Meterbox-Signature": right, "Content-Type": "application/json"}), 401,
                            "unauthorized")
        self.assertEqual((self.balance(), self.state()), (0, "pending"))

    def test_nonsense_that_is_signed(self):
        self.assert_refused(self.callback(payment="0" * 32), 404, "not_found")
        for more in ({"payment": "x" * 33}, {"payment": ""}, {"payment": 5}, {"reference": ""}, {"reference": "x" * 65},
                     {"reference": 'a"b'}, {"micros": 0}, {"micros": -1}, {"micros": 1.5}, {"micros": "1"}, {"more": 1},
                     {"micros": 2 ** 63}, {"state": "pending"}, {"state": "PAID"}, {"state": None}):
            self.assert_refused(self.callback(**more), 400, "bad_request")
        for body in (b"", b"[]", b"{", b"\x00", b"\xff", b'{"payment":"a","payment":"b"}', b"[" * 2000):
            headers = {"Meterbox-Signature": signature(body), "Content-Type": "application/json"}
            self.assert_refused(self.ops.call("POST", "/v1/payments/callback", body, None, headers), 400, "bad_request")
        self.assert_refused(self.callback(reference="x" * BODY_MAX), 413, "too_large")
        self.assert_refused(self.callback({"Origin": "https://elsewhere.example"}), 403, "bad_origin")
        self.assertEqual((self.balance(), self.state()), (0, "pending"))

    def test_a_huge_body(self):
        """Neither kept nor waited for to its end."""
        head = b"POST /v1/payments/callback HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        got = raw(self.ops, head + b"Content-Length: 1000000000000\r\n\r\n")
        self.assertTrue(got.startswith(b"HTTP/1.1 413 "), got[:100])
        self.assertEqual((self.balance(), self.state()), (0, "pending"))

    def test_the_sandbox(self):
        path = "/v1/sandbox/payments/" + self.payment["payment"]
        stranger = Person(self.ops)  # whoever has the number
        self.assertEqual(stranger.ask("GET", path), {"micros": 5 * EURO, "currency": "EUR", "state": "pending"})
        for _ in range(2):
            self.assertEqual(stranger.ask("POST", path, {"pay": True}), {"ok": True})
            self.assertEqual(self.balance(), 5 * EURO)
        self.assertEqual(stranger.ask("GET", path)["state"], "paid")
        stranger.ask("POST", path, {"pay": False}, 409)
        path = "/v1/sandbox/payments/" + self.make("second")["payment"]
        stranger.ask("POST", path, {"pay": False})
        stranger.ask("POST", path, {"pay": False})
        stranger.ask("POST", path, {"pay": True}, 409)
        self.assertEqual(self.balance(), 5 * EURO)

    def test_a_key_of_its_own(self):
        """Without a file the key is made at random; only the sandbox has it."""
        other = self.tapped("--sandbox-payments", "--currency", "CNY")
        self.assertTrue(other.lines("sandbox_payments"))
        ann = self.customer(other)
        payment = ann.ask("POST", "/v1/customer/payments", {"micros": EURO, "key": "k"}, 201)
        self.assertEqual(payment["currency"], "CNY")
        body = json.dumps({"payment": payment["payment"], "reference": "r", "micros": EURO, "state": "paid"}).encode()
        for key in (PAYMENT_KEY, "", "0" * 64):
            answer = other.call("POST", "/v1/payments/callback", body, None, {"Meterbox-Signature": signature(body, key)})
            self.assert_refused(answer, 401, "unauthorized")
        ann.ask("POST", "/v1/sandbox/payments/" + payment["payment"], {"pay": True})
        self.assertEqual(ann.ask("GET", "/v1/customer/session")["balance_micros"], EURO)

    def test_another_currency(self):
        """What was paid in euros buys nothing that is priced in dollars."""
        self.shop(self.ops)
        self.assertEqual(self.callback().status, 200)
        self.ops.operator("PUT", "tariffs/flat", {"replaces": 1, "tariff": {**TARIFF, "currency": "USD"}})
        answer = self.ann.call("PUT", path_of(new_number()), {"code": "A-1", "agreement": 1, "until": "credit"})
        self.assert_refused(answer, 409, "outlet_unavailable")
        self.assertEqual(self.balance(), 5 * EURO)
        self.ops.operator("PUT", "tariffs/flat", {"replaces": 2, "tariff": TARIFF})
        self.order(self.ann)

    def test_a_server_that_takes_none(self):
        closed = self.tapped()
        self.assertFalse(closed.lines("sandbox_payments"))
        self.shop(closed)
        self.assertIs(Person(closed).ask("GET", "/v1/customer/outlets/A-1")["payments"], False)
        ann = self.customer(closed)
        number = "0" * 32
        body = json.dumps({"payment": number, "reference": "r", "micros": EURO, "state": "paid"}).encode()
        for method, path, sent, key in (("POST", "/v1/customer/payments", {"micros": EURO, "key": "k"}, None),
                                        ("GET", "/v1/customer/payments/" + number, None, None),
                                        ("GET", "/v1/sandbox/payments/" + number, None, None),
                                        ("POST", "/v1/sandbox/payments/" + number, {"pay": True}, None),
                                        ("POST", "/v1/payments/callback", body, PAYMENT_KEY),
                                        ("POST", "/v1/payments/callback", body, "")):
            headers = {"Meterbox-Signature": signature(body, key)} if key is not None else {}
            self.assert_refused(ann.call(method, path, sent, headers), 404, "not_offered")
        closed.tap.check()

    def test_options(self):
        def refused(code, said, *options):
            done = subprocess.run([box.arguments.meterbox_ops, "--db", self.ops.path("other.db"), "--insecure-commands",
                                   "--operator-token-file", self.ops.path("operator.token"), "--listen", "127.0.0.1:0",
                                   *options], capture_output=True, text=True, timeout=box.PATIENCE_S)
            self.assertEqual((done.returncode, said in done.stderr), (code, True), done)
        for currency in ("", "eur", "EURO", "E1R"):
            refused(64, "--currency must be", "--currency", currency)
        key = Path(self.ops.path("payment.key"))
        refused(64, "--sandbox-payments", "--payment-key-file", str(key))
        key.chmod(0o644)
        refused(78, "others may read", "--sandbox-payments", "--payment-key-file", str(key))
        key.chmod(0o600)
        key.write_text("short\n", encoding="utf-8")
        refused(78, "must be the token", "--sandbox-payments", "--payment-key-file", str(key))


class AWholeSession(OnlineTest, CustomerTest):
    """A customer with a telephone and a real box with a load: all that the customer does goes over HTTP."""

    def test_from_the_code_to_the_receipt(self):
        server = self.payments(self.ops)
        world = self.join(server)
        server.operator("PUT", "tariffs/flat", {"replaces": 0, "tariff": {**TARIFF, "quantum_micros": 1}})
        server.operator("PUT", "outlets/A-1", {"box": "box-1", "outlet": 1, "tariff": "flat", "label": "By the door"})
        offer = Person(server).ask("GET", "/v1/customer/outlets/A-1")
        self.assertEqual((offer["state"], offer["connected"], offer["payments"]), ("available", True, True))
        ann = self.customer(server)
        self.recharge(ann)
        order = self.order(ann, new_number(), agreement=offer["agreement"]["version"], until="time", limit_ms=3600000,
                           credit_micros=2 * EURO)
        number = order["order"]
        events = OrderEvents(ann, number)
        self.addCleanup(events.close)
        self.assertEqual(events.next()["order"], number)
        events.until(lambda o: o["live"] and o["live"]["state"] == "ready")
        world.boxsim.do("plug 1 7000")
        ann.ask("POST", path_of(number, "start"), {}, 202)
        begun = events.until(lambda o: o["live"]["state"] == "supplying" and o["live"]["energy_mwh"] > 0)
        later = events.until(lambda o: o["live"]["energy_mwh"] > begun["live"]["energy_mwh"])
        for name in ("cost_micros", "energised_ms"):
            self.assertGreater(later["live"][name], begun["live"][name] - 1)
        self.assertGreater(later["live"]["power_mw"], 6000000)
        self.assertEqual(later["live"]["cost_micros"],
                         box.price(later["tariff"], later["live"]["energy_mwh"]))
        ann.ask("POST", path_of(number, "stop"), {}, 202)
        done = events.until(lambda o: o["state"] == "done" and o["pending"] == [])
        self.assert_receipt(world, done)
        self.assertTrue(done["mine"])
        world.boxsim.do("unplug 1")
        ann.ask("POST", path_of(number, "departed"), {}, 202)
        gone = events.until(lambda o: not o["mine"])
        self.assertEqual(gone["receipt"], done["receipt"])
        wait_for("the outlet shall be free",
                 lambda: Person(server).ask("GET", "/v1/customer/outlets/A-1")["state"] == "available")
        me = ann.ask("GET", "/v1/customer/session")
        self.assertEqual(me["balance_micros"], 5 * EURO - done["receipt"]["amount_micros"])
        self.assertEqual(server.check(), [])

    def recharge(self, ann):
        payment = ann.ask("POST", "/v1/customer/payments", {"micros": 5 * EURO, "key": "k"}, 201)
        ann.ask("POST", "/v1/sandbox/payments/" + payment["payment"], {"pay": True})
        self.assertEqual(ann.ask("GET", "/v1/customer/payments/" + payment["payment"])["state"], "paid")
        self.assertEqual(ann.ask("GET", "/v1/customer/session")["balance_micros"], 5 * EURO)

    def assert_receipt(self, world, order):
        """It is the meter's, and the price is what it costs."""
        receipt = order["receipt"]
        ledger = world.ledger()
        started, ended = (ledger.only(order["order"], kind) for kind in ("started", "ended"))
        self.assertEqual((receipt["start_mwh"], receipt["end_mwh"]), (started["register_mwh"], ended["register_mwh"]))
        self.assertEqual(receipt["end_mwh"], world.boxsim.outlet(1)["register_mwh"])
        self.assertEqual(receipt["energy_mwh"], receipt["end_mwh"] - receipt["start_mwh"])
        self.assertEqual(receipt["meter"], next(r["serial"] for r in ledger.of(kind="meter") if r["outlet"] == 1))
        self.assertEqual(receipt["amount_micros"], box.price(order["tariff"], receipt["energy_mwh"]))
        self.assertEqual(sum(line["amount_micros"] for line in receipt["lines"]), receipt["amount_micros"])
        self.assertEqual(receipt["captured_micros"], receipt["amount_micros"])


if __name__ == "__main__":
    box.main([("--meterbox-ops", {"required": True}), ("--contract", {"required": True})])
