#!/usr/bin/env python3
"""What is for sale, on the real server: tariffs and the preview of a bill, outlets and their QR codes, the agreement,
the offer that a customer sees. All traffic is held against the interface file.

usage: test_sales.py --contract ops-api.yaml --meterbox-ops PATH [--seed N] [--keep] [unittest's arguments]
"""
import datetime
import sqlite3
import subprocess
import sys
from urllib.parse import quote

sys.dont_write_bytecode = True
import box  # noqa: E402
import ops  # noqa: E402
import qr  # noqa: E402
import test_api  # noqa: E402
from box import wait_for  # noqa: E402
from ops import OPERATOR_TOKEN, progress, time_text  # noqa: E402
from tapped import TappedTest, contract, unseen  # noqa: E402

TAGS = ("sales",)
READERS = {"listTariffs", "previewBill", "listPlaces", "getPlaceQr", "getAgreement", "getOffer"}
PLACES_AT_ONCE = 1000
MS_PER_H = 3600000
MS_PER_DAY = 24 * MS_PER_H
FLAT = {"currency": "EUR", "energy_price_micros": 300000, "quantum_micros": 10000, "rounding": "half_up"}
DAY = {"currency": "CNY",
       "rates": [{"name": "valley", "price_micros": 300000}, {"name": "peak", "price_micros": 900000}],
       "periods": [{"from_min": 0, "rate": 0}, {"from_min": 420, "rate": 1}, {"from_min": 1320, "rate": 0}],
       "utc_offset_min": 480, "service_price_micros": 100000, "start_fee_micros": 500000, "quantum_micros": 10000,
       "rounding": "half_up"}
LEFT = {"box": "box-1", "outlet": 1, "tariff": "flat", "label": "Left 左"}
DEFAULTS = {"mode": "local", "hold_ms": 600000, "lease_ms": 600000, "full_ma": 500, "full_ms": 600000}


def by_rate(of, energy_mw, start, duration_ms):
    """What flows at each rate, in mW·ms, computed minute by minute."""
    parts = [0] * len(of["rates"])
    at, end = start, start + duration_ms
    while at < end:
        minute = (at // 60000 + of["utc_offset_min"]) % 1440
        rate = max((p for p in of["periods"] if p["from_min"] <= minute), key=lambda p: p["from_min"])["rate"]
        until = min((at // 60000 + 1) * 60000, end)
        parts[rate] += energy_mw * (until - at)
        at = until
    return parts


class SalesTest(TappedTest):
    def kept(self, server):
        """That the file was kept to, also by what the server refused."""
        server.tap.check()
        self.assertEqual([(name, body, str(refused.body)) for name, body, refused in server.tap.puzzles], [])

    def sold(self, *options, **more):
        """A server with a box, two tariffs and an outlet for sale."""
        server = self.tapped(*options, **more)
        played = self.box(server)
        server.operator("PUT", "tariffs/flat", {"replaces": 0, "tariff": FLAT})
        server.operator("PUT", "tariffs/day", {"replaces": 0, "tariff": DAY})
        server.operator("PUT", "outlets/A1", LEFT)
        return server, played


class Tariffs(SalesTest):
    def test_versions(self):
        server = self.tapped()
        self.assertEqual(server.operator("GET", "tariffs"), {"tariffs": []})
        first = server.operator("PUT", "tariffs/flat", {"replaces": 0, "tariff": FLAT})
        zeros = {"service_price_micros": 0, "start_fee_micros": 0, "utc_offset_min": 0}
        self.assertEqual(first, {"id": "flat", "version": 1, **FLAT, **zeros})
        self.assertEqual(server.operator("PUT", "tariffs/flat", {"replaces": 0, "tariff": FLAT}), first)
        dearer = {**FLAT, "energy_price_micros": 400000}
        server.operator("PUT", "tariffs/flat", {"replaces": 0, "tariff": dearer}, 409)
        server.operator("PUT", "tariffs/flat", {"replaces": 2, "tariff": dearer}, 409)
        second = server.operator("PUT", "tariffs/flat", {"replaces": 1, "tariff": dearer})
        self.assertEqual((second["version"], second["energy_price_micros"]), (2, 400000))
        day = server.operator("PUT", "tariffs/" + quote("day/night 1", ""), {"replaces": 0, "tariff": DAY})
        self.assertEqual(day["rates"], DAY["rates"])
        server.kill()
        server.start()
        self.assertEqual(server.operator("GET", "tariffs"), {"tariffs": [day, second]})
        self.kept(server)

    def test_what_is_no_tariff(self):
        server = self.tapped()
        tax = [{**DAY["rates"][0], "tax": 1}, DAY["rates"][1]]
        for wrong in ({**FLAT, "energy_price_micros": -1}, {**FLAT, "discount": 5}, {**FLAT, "id": "flat"},
                      {**FLAT, "version": 1}, {**DAY, "rates": tax}, {**DAY, "periods": DAY["periods"][1:]},
                      {**FLAT, "currency": "Euro"}, {}, [], None, "flat"):
            with self.subTest(wrong):
                server.operator("PUT", "tariffs/flat", {"replaces": 0, "tariff": wrong}, 400)
        for wrong in ("a" * 33, "a%22b", "%E8%B0%B7"):
            server.operator("PUT", "tariffs/" + wrong, {"replaces": 0, "tariff": FLAT}, 400)
        self.assertEqual(server.operator("GET", "tariffs"), {"tariffs": []})
        server.tap.check()


class Previews(SalesTest):
    START = 1800057600000  # midnight in UTC

    def preview(self, server, of, power_mw, start, duration_ms, status=200):
        return server.operator("POST", "preview", {"tariff": of, "power_mw": power_mw, "from": time_text(start),
                                                   "duration_ms": duration_ms}, status)

    def test_flat(self):
        server = self.tapped()
        self.assertEqual(self.preview(server, FLAT, 2000000, self.START, 2 * MS_PER_H), {
            "energy_mwh": 4000000, "total_micros": 1200000,
            "lines": [{"kind": "energy", "quantity": 4000000, "price_micros": 300000, "amount_micros": 1200000}]})
        self.assertEqual(self.preview(server, FLAT, 0, self.START, 1),
                         {"energy_mwh": 0, "lines": [], "total_micros": 0})
        self.kept(server)

    def test_by_time(self):
        """Against a computation of our own: the parts add up, none is off by a milliwatt-hour, the bill is theirs."""
        server = self.tapped()
        for power, start, duration in ((1000000, self.START - 2 * MS_PER_H, 2 * MS_PER_H),
                                       (1234567, self.START + 7, MS_PER_DAY - 1),
                                       (3680001, self.START, 9 * MS_PER_DAY + 12345), (1, self.START, MS_PER_H),
                                       (10 ** 9, self.START, MS_PER_DAY)):
            with self.subTest((power, start, duration)):
                bill = self.preview(server, DAY, power, start, duration)
                lines = {line.get("rate", line["kind"]): line for line in bill["lines"]}
                parts = [lines[rate["name"]]["quantity"] if rate["name"] in lines else 0 for rate in DAY["rates"]]
                for part, exact in zip(parts, by_rate(DAY, power, start, duration)):
                    self.assertLessEqual(abs(part * MS_PER_H - exact), MS_PER_H)
                self.assertEqual(sum(parts), bill["energy_mwh"])
                self.assertEqual(bill["energy_mwh"], -(-power * duration // MS_PER_H))
                self.assertEqual(lines["service"]["quantity"], bill["energy_mwh"])
                self.assertEqual(lines["start"], {"kind": "start", "quantity": 1, "price_micros": 500000,
                                                  "amount_micros": 500000})
                self.assertEqual(bill["total_micros"], sum(line["amount_micros"] for line in bill["lines"]))
                self.assertEqual(bill["total_micros"], box.price(DAY, bill["energy_mwh"], parts))
        self.kept(server)

    def test_limits(self):
        server = self.tapped()
        longest = self.preview(server, DAY, 1000000, self.START, 366 * MS_PER_DAY)
        self.assertEqual(longest["energy_mwh"], 366 * 24 * 1000000)
        for power, duration in ((-1, 1), (10 ** 9 + 1, 1), (1, 0), (1, 366 * MS_PER_DAY + 1)):
            self.preview(server, FLAT, power, self.START, duration, 400)
        self.kept(server)
        server.operator("POST", "preview", {"tariff": FLAT, "power_mw": 1, "from": "yesterday", "duration_ms": 1}, 400)
        self.preview(server, {**FLAT, "energy_price_micros": 10 ** 15}, 10 ** 9, self.START, MS_PER_H, 400)  # too much
        self.assertEqual([act["what"] for act in server.operator("GET", "acts")["acts"]], [])


class Outlets(SalesTest):
    def test_for_sale(self):
        server, _ = self.sold()
        left = {"code": "A1", **LEFT, **DEFAULTS}
        self.assertEqual(server.operator("GET", "outlets"), {"outlets": [left], "next": None})
        given = {"box": "box-1", "outlet": 16, "tariff": "day", "label": "角落 ☀", "mode": "remote", "hold_ms": 1000,
                 "lease_ms": 86400000, "full_ma": 1000000, "full_ms": 2000}
        corner = server.operator("PUT", "outlets/0-ABCDEFGHIJKLMN", given)
        self.assertEqual(corner, {"code": "0-ABCDEFGHIJKLMN", **given})
        server.operator("PUT", "outlets/A2", LEFT, 409)
        changed = server.operator("PUT", "outlets/A1", {**LEFT, "tariff": "day", "outlet": 2})
        self.assertEqual((changed["tariff"], changed["outlet"]), ("day", 2))
        server.operator("PUT", "outlets/A2", LEFT)
        self.assertEqual([p["code"] for p in server.operator("GET", "outlets")["outlets"]],
                         ["0-ABCDEFGHIJKLMN", "A1", "A2"])
        self.assertEqual([p["code"] for p in server.operator("GET", "outlets?after=A1")["outlets"]], ["A2"])
        self.assertEqual(server.operator("DELETE", "outlets/A1"), {"ok": True})
        server.operator("DELETE", "outlets/A1", None, 404)
        server.operator("DELETE", "outlets/A2", {"really": True}, 400)
        self.assertEqual(server.call("GET", "/v1/customer/outlets/A1").code(), "not_offered")
        self.kept(server)

    def test_what_cannot_be_for_sale(self):
        server, _ = self.sold()
        for wrong in ({"box": "box-2"}, {"tariff": "none"}, {"tariff": "flat" + "x" * 40}, {"box": "box-1" + "x" * 40}):
            status = 400 if len(str(wrong)) > 40 else 404
            server.operator("PUT", "outlets/B1", {**LEFT, "outlet": 3, **wrong}, status)
        for wrong in ({"outlet": 0}, {"outlet": 17}, {"label": ""}, {"label": "x" * 41}, {"label": "☀" * 41},
                      {"label": "\U0001f50c" * 41}, {"label": "a\nb"}, {"label": "a\x7f"}, {"mode": "both"},
                      {"mode": 1}, {"hold_ms": 999}, {"lease_ms": 86400001}, {"full_ma": 0}, {"full_ms": 1},
                      {"colour": "red"}):
            with self.subTest(wrong):
                server.operator("PUT", "outlets/B1", {**LEFT, "outlet": 3, **wrong}, 400)
        label = '<b>"&\'</b>'  # whoever shows it escapes it
        self.assertEqual(server.operator("PUT", "outlets/B1", {**LEFT, "outlet": 3, "label": label})["label"], label)
        self.kept(server)
        body = b'{"box":"box-1","outlet":4,"tariff":"flat","label":"\xff"}'
        self.assertEqual(server.call("PUT", "/v1/operator/outlets/B2", body, OPERATOR_TOKEN).status, 400)
        for code in ("a1", "A_1", "A%201", "A" * 17, "%C3%84"):
            server.operator("PUT", f"outlets/{code}", {**LEFT, "outlet": 3}, 400)
            self.assertEqual(server.call("GET", f"/v1/customer/outlets/{code}").code(), "not_offered")
        self.assertEqual(len(server.operator("GET", "outlets")["outlets"]), 2)

    def test_more_than_one_answer(self):
        server, _ = self.sold()
        server.stop()
        with sqlite3.connect(server.path("ops.db")) as store:
            store.executemany("INSERT INTO place SELECT ?, 'box-' || ?, outlet, tariff, label, mode, hold_ms, lease_ms,"
                              " full_ma, full_ms FROM place WHERE code = 'A1'",
                              ((f"B{number:04}", number + 100) for number in range(PLACES_AT_ONCE)))
        store.close()
        server.start()
        first = server.operator("GET", "outlets")
        self.assertEqual((len(first["outlets"]), first["next"]), (PLACES_AT_ONCE, f"B{PLACES_AT_ONCE - 2:04}"))
        second = server.operator("GET", "outlets?after=" + first["next"])
        self.assertEqual([p["code"] for p in second["outlets"]], [f"B{PLACES_AT_ONCE - 1:04}"])
        self.assertIsNone(second["next"])
        server.tap.check()


class Codes(SalesTest):
    def picture(self, server, code="A1", host=None):
        answer = server.call("GET", f"/v1/operator/outlets/{code}/qr", None, OPERATOR_TOKEN,
                             {"Host": host} if host else None)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.headers["Content-Type"], "image/svg+xml")
        self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        self.assertEqual(answer.headers["Content-Security-Policy"], "default-src 'none'")
        said, title, text = qr.read(answer.body)
        self.assertIn(code, title)
        self.assertEqual(text, code)
        return said

    def test_where_it_was_asked_for(self):
        server, _ = self.sold()
        self.assertEqual(self.picture(server), server.origin() + "/o/A1")
        self.assertEqual(self.picture(server, host="[::1]:8080"), "http://[::1]:8080/o/A1")
        self.kept(server)
        for wrong in ("a<b", "a/b c", "", 'a"b', "a?b", "x" * 200):
            answer = server.call("GET", "/v1/operator/outlets/A1/qr", None, OPERATOR_TOKEN, {"Host": wrong})
            self.assert_refused(answer, 400, "bad_request")

    def test_behind_a_proxy(self):
        server, _ = self.sold("--behind-proxy")
        self.assertEqual(self.picture(server, host="sockets.example"), "https://sockets.example/o/A1")
        self.kept(server)

    def test_a_public_address(self):
        """Of any length: the larger codes are laid out in other ways."""
        for url in ("http://s.example", "http://sockets.example:8080/", "https://a.very-long-name.example/" + "x" * 84):
            with self.subTest(url):
                server, _ = self.sold("--public-url", url)
                for code in ("A1", "ABCDEFGHIJKLMNOP"):
                    server.operator("PUT", f"outlets/{code}", {**LEFT, "outlet": len(code)})
                    self.assertEqual(self.picture(server, code, "elsewhere"), url.rstrip("/") + "/o/" + code)
                self.kept(server)

    def test_no_public_address(self):
        for wrong in ("sockets.example", "ftp://a", "https://", "https:///o", "http://a b", "http://a?b", "http://a#b",
                      'http://a"', "http://a<b", "http://" + "a" * 194):
            with self.subTest(wrong):
                done = subprocess.run([box.arguments.meterbox_ops, "--db", "x", "--operator-token-file", "y",
                                       "--insecure-commands", "--public-url", wrong], capture_output=True, text=True,
                                      timeout=box.PATIENCE_S, check=False)
                self.assertEqual(done.returncode, 64, done)
                self.assertIn("--public-url must be", done.stderr)


class Agreements(SalesTest):
    def test_versions(self):
        server = self.tapped()
        first = server.operator("GET", "agreement")
        self.assertEqual(first["version"], 1)
        self.assertIn("outlet", first["en"])
        self.assertIn("插座", first["zh"])
        mine = {"replaces": 1, "en": "Pay.\nUnplug.\n", "zh": "付款。"}
        second = {"version": 2, "en": mine["en"], "zh": mine["zh"]}
        for _ in range(2):
            self.assertEqual(server.operator("PUT", "agreement", mine), second)
        server.operator("PUT", "agreement", {**mine, "en": "Pay more."}, 409)
        self.assertEqual(server.operator("GET", "agreement"), second)
        self.assertEqual(server.operator("GET", "agreement?version=1"), first)
        server.operator("GET", "agreement?version=3", None, 404)
        server.kill()
        server.start()
        self.assertEqual(server.operator("GET", "agreement"), second)
        self.kept(server)

    def test_texts(self):
        server = self.tapped()
        longest = "协" * 6666 + "xy"  # 20000 bytes
        both = server.operator("PUT", "agreement", {"replaces": 1, "en": longest, "zh": longest})
        self.assertEqual((both["en"], both["zh"]), (longest, longest))
        for wrong in ("", "x" * 20001, "a\rb", "a\tb", "a\x7f", 5, None):
            with self.subTest(wrong):
                server.operator("PUT", "agreement", {"replaces": 2, "en": wrong, "zh": "好"}, 400)
                server.operator("PUT", "agreement", {"replaces": 2, "en": "Good", "zh": wrong}, 400)
        self.kept(server)
        server.operator("PUT", "agreement", {"replaces": 2, "en": longest + "z", "zh": "好"}, 400)  # longer in bytes


class Offers(SalesTest):
    def offer(self, server, code="A1"):
        answer = server.call("GET", f"/v1/customer/outlets/{code}")
        self.assertEqual(answer.status, 200, answer)
        return answer.json()

    def test_an_outlet_as_it_is(self):
        server, played = self.sold()
        offer = self.offer(server)
        first = {"code": "A1", "label": "Left 左", "state": "unknown", "connected": False, "reserved": False,
                 "payments": False}
        self.assertEqual({name: offer[name] for name in first}, first)
        self.assertEqual(offer["tariff"], server.operator("GET", "tariffs")["tariffs"][1])
        self.assertEqual(offer["agreement"], server.operator("GET", "agreement"))
        self.assertEqual((offer["price_now_micros"], "rate" in offer), (300000, False))
        played.report(progress(1, state="supplying"), progress(2, state="faulted"))
        self.assertEqual(self.offer(server)["state"], "supplying")
        with played.stream():
            self.assertTrue(self.offer(server)["connected"])
        wait_for("the server sees that the stream has ended", lambda: not self.offer(server)["connected"])
        played.records.add("reserved", 1, account="somebody", hold_ms=600000)
        played.report(progress(1, state="reserved"))
        self.assertTrue(self.offer(server)["reserved"])
        self.assertEqual(self.offer(server)["state"], "reserved")
        self.kept(server)

    def test_an_outlet_that_was_not_heard_yet(self):
        """What the records tell is known before the box reports again."""
        server, played = self.sold()
        server.operator("PUT", "outlets/A2", {**LEFT, "outlet": 2})
        played.records.add("service_mode", 1, out=True)
        played.records.add("fault", 2, fault="welded")
        played.report()
        self.assertEqual(self.offer(server)["state"], "out_of_service")
        self.assertEqual(self.offer(server, "A2")["state"], "faulted")
        self.kept(server)

    def test_the_newest(self):
        server, _ = self.sold()
        server.operator("PUT", "tariffs/flat", {"replaces": 1, "tariff": {**FLAT, "service_price_micros": 50000}})
        server.operator("PUT", "agreement", {"replaces": 1, "en": "Pay.", "zh": "付款。"})
        offer = self.offer(server)
        self.assertEqual((offer["tariff"]["version"], offer["price_now_micros"]), (2, 350000))
        self.assertEqual(offer["agreement"], {"version": 2, "en": "Pay.", "zh": "付款。"})
        self.kept(server)

    def test_the_rate_of_now(self):
        """The clock is not ours to set, but what the local time is."""
        server, _ = self.sold()
        minute = datetime.datetime.now(datetime.timezone.utc)
        minute = minute.hour * 60 + minute.minute
        for rate, local in ((0, 2 * 60), (1, 14 * 60)):  # hours away from any change
            offset = (local - minute + 720) % 1440 - 720
            server.operator("PUT", "tariffs/day", {"replaces": 1 + rate, "tariff": {**DAY, "utc_offset_min": offset}})
            server.operator("PUT", "outlets/A1", {**LEFT, "tariff": "day"})
            offer = self.offer(server)
            self.assertEqual((offer["rate"], offer["price_now_micros"]),
                             (DAY["rates"][rate]["name"], DAY["rates"][rate]["price_micros"] + 100000))
        self.kept(server)


class WhoMay(SalesTest):
    def test_roles_and_acts(self):
        server, _ = self.sold()
        before = len(server.operator("GET", "acts")["acts"])
        mia = ops.Person(server).staff("mia", "manager")
        mia.ask("PUT", "/v1/operator/tariffs/flat", {"replaces": 1, "tariff": {**FLAT, "energy_price_micros": 1}})
        mia.ask("PUT", "/v1/operator/outlets/A2", {**LEFT, "outlet": 2})
        mia.ask("PUT", "/v1/operator/outlets/A2", LEFT, 409)
        mia.ask("DELETE", "/v1/operator/outlets/A2")
        mia.ask("PUT", "/v1/operator/agreement", {"replaces": 1, "en": "Pay.", "zh": "付款。"})
        mia.ask("POST", "/v1/operator/preview", {"tariff": FLAT, "power_mw": 1, "from": ops.TIME, "duration_ms": 1})
        acts = server.operator("GET", "acts")["acts"]
        acts = [(act["who"], act["what"], act["subject"], act["detail"]) for act in acts[:len(acts) - before]]
        self.assertEqual([act for act in acts[::-1] if act[1] not in ("staff", "sign_in")], [
            ("mia", "tariff", "flat", "version=2"), ("mia", "outlet", "A2", "box=box-1 outlet=2 tariff=flat"),
            ("mia", "outlet_removed", "A2", ""), ("mia", "agreement", "", "version=2")])
        with sqlite3.connect(server.path("ops.db")) as store:
            made = store.execute("SELECT who, version FROM tariff WHERE id = 'flat' ORDER BY version").fetchall()
            agreed = store.execute("SELECT who, version FROM agreement ORDER BY version").fetchall()
        store.close()
        self.assertEqual(made, [("program", 1), ("mia", 2)])
        self.assertEqual(agreed, [("meterbox-ops", 1), ("mia", 2)])
        self.kept(server)


class EveryOperation(SalesTest):
    """What the file has of this subject, in good ways and in bad."""
    BODIES = (("PUT", "tariffs/new", {"replaces": 0, "tariff": FLAT}),
              ("PUT", "tariffs/day", {"replaces": 1, "tariff": DAY}),
              ("POST", "preview", {"tariff": DAY, "power_mw": 5, "from": ops.TIME, "duration_ms": 5}),
              ("PUT", "outlets/A1", {**LEFT, **DEFAULTS}),
              ("PUT", "agreement", {"replaces": 1, "en": "Pay.", "zh": "付款。"}))

    def operations(self):
        return [operation for operation in contract().operations
                if set(operation.tags) & set(TAGS)]

    @staticmethod
    def target(operation):
        """A path that is there."""
        return operation.path.format(tariff="flat", code="A1")

    def wrong_bodies(self, server):
        for method, path, body in self.BODIES:
            path = "/v1/operator/" + path
            for what, damaged in test_api.planted(body):
                answer = server.call(method, path, damaged, OPERATOR_TOKEN)
                if "unknown field" in what:
                    self.assert_refused(answer, 400, "bad_request")
            for bad in (b"", b"{", b"[]", b"nonsense", b"{}x", b'{"a":1,"a":2}', b"\xff"):
                self.assert_refused(server.call(method, path, bad, OPERATOR_TOKEN), 400, "bad_request")

    def badly(self, server):
        viewer, elsewhere = ops.Person(server).staff("vera", "viewer"), {"Origin": "http://elsewhere.example"}
        for operation in self.operations():
            path, method = self.target(operation), operation.method
            body = {} if "requestBody" in operation.definition else None
            if operation.role is None:
                continue
            for wrong in (None, "wrong-token-wrong-token", "x" * 200):
                self.assert_refused(server.call(method, path, body, wrong), 401, "unauthorized")
            if operation.role != "viewer":
                self.assert_refused(viewer.call(method, path, body), 403, "forbidden")
            elif method == "GET":
                self.assertEqual(viewer.call(method, path).status, 200)
            if method != "GET":
                self.assert_refused(viewer.call(method, path, body, elsewhere), 403,
                                    "bad_origin" if operation.role == "viewer" else "forbidden")
            if body is not None:
                limit = 4 * test_api.OPERATOR_MAX_BYTES if "agreement" in path else test_api.OPERATOR_MAX_BYTES
                self.assert_refused(server.call(method, path, b" " * (limit + 1), OPERATOR_TOKEN), 413, "too_large")
                text = {"Content-Type": "text/plain"}
                self.assert_refused(server.call(method, path, body, OPERATOR_TOKEN, text), 415,
                                    "unsupported_media_type")
        for path in ("/v1/operator/tariffs", "/v1/operator/outlets/A1", "/v1/customer/outlets/A1"):
            self.assert_refused(server.call("PATCH", path, None, OPERATOR_TOKEN), 405, "method_not_allowed")
        self.assert_refused(server.call("GET", "/v1/operator/outlets/A1/no", None, OPERATOR_TOKEN), 404, "not_found")

    def a_store_that_cannot_be_written(self, server):
        calls = (("PUT", "tariffs/late", {"replaces": 0, "tariff": FLAT}),
                 ("PUT", "outlets/A9", {**LEFT, "outlet": 9}), ("DELETE", "outlets/A1", None),
                 ("PUT", "agreement", {"replaces": 1, "en": "Late.", "zh": "晚。"}))
        other = sqlite3.connect(server.path("ops.db"), isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            for method, path, body in calls:
                server.operator(method, path, body, 503)
        finally:
            other.close()
        for method, path, body in calls:
            server.operator(method, path, body)

    def test_all(self):
        server, _ = self.sold()
        server.operator("GET", "tariffs")
        server.call("GET", "/v1/customer/outlets/A1")
        server.call("GET", "/v1/customer/outlets/A0")
        for method, path in (("GET", "outlets/A0/qr"), ("DELETE", "outlets/A0"), ("GET", "agreement?version=9")):
            server.operator(method, path, None, 404)
        server.operator("GET", "agreement?version=0", None, 400)
        server.operator("DELETE", "outlets/A1", {"a": 1}, 400)
        server.operator("PUT", "outlets/A2", LEFT, 409)
        server.operator("PUT", "outlets/A2", {**LEFT, "box": "no"}, 404)
        server.operator("PUT", "tariffs/flat", {"replaces": 7, "tariff": FLAT | {"energy_price_micros": 7}}, 409)
        server.operator("PUT", "agreement", {"replaces": 7, "en": "a", "zh": "b"}, 409)
        server.operator("POST", "preview", {"tariff": FLAT, "power_mw": 1, "from": ops.TIME, "duration_ms": 1})
        self.badly(server)
        self.a_store_that_cannot_be_written(server)
        self.kept(server)
        self.wrong_bodies(server)
        self.kept(server)
        # The file says nothing of Host, so its judge would be puzzled.
        server.call("GET", "/v1/operator/outlets/A1/qr", None, OPERATOR_TOKEN, {"Host": "a<b"})
        self.assertEqual(server.check(), [])
        self.assertEqual(unseen(server.tap, TAGS, READERS), [], "documented, but never seen")


if __name__ == "__main__":
    ops.main()
