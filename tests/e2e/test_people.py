#!/usr/bin/env python3
"""Who may come in, against the real server: cookies, origins, roles, codes, passwords, acts, messages; and the pages'
files with their headers.

usage: test_people.py --contract ops-api.yaml --meterbox-ops PATH [--seed N] [unittest's arguments]
"""
import gzip
import html.parser
import re
import socket
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
import box  # noqa: E402
import ops  # noqa: E402
from ops import OPERATOR_TOKEN, Person  # noqa: E402
from tapped import TappedTest, contract, unseen  # noqa: E402

JSON = {"Content-Type": "application/json"}
CONTACT = "+49 (170) 123-4567"
CANONICAL = "+491701234567"
PASSWORD = Person.PASSWORD
ROLES = ("viewer", "operator", "manager")
WAYS = ("/", "/o/AB-1", "/desk", "/sandbox/pay/0123", "/pages/customer.css", "/pages/customer.js", "/pages/desk.css",
        "/pages/desk.js", "/pages/sandbox.js")
TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8"}
CSP = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
       "form-action 'none'; base-uri 'none'; frame-ancestors 'none'")
CUSTOMER_PAGE_MAX = 50000  # bytes, with what it loads, unpacked: a small telephone on a slow link
BODY_MAX = 65536


class TheInterface(TappedTest):
    """All that the interface file has of people, in good ways and in bad; a tap judges."""

    def setUp(self):
        self.server = self.tapped()

    def good_ways(self):
        customer = Person(self.server).customer(CONTACT)
        self.assertEqual(customer.ask("GET", "/v1/customer/session")["contact"], CANONICAL)
        customer.ask("DELETE", "/v1/customer/session")
        Person(self.server).customer("Ann@Example.org")
        boss = Person(self.server).staff("boss", "manager")
        self.assertEqual(boss.ask("GET", "/v1/operator/session"), {"name": "boss", "role": "manager"})
        self.assertEqual(boss.ask("PUT", "/v1/operator/staff/a%20b", {"role": "viewer", "password": PASSWORD}),
                         {"name": "a b", "role": "viewer"})
        self.assertEqual(boss.ask("GET", "/v1/operator/staff"),
                         {"staff": [{"name": "a b", "role": "viewer"}, {"name": "boss", "role": "manager"}]})
        boss.ask("DELETE", "/v1/operator/staff/a%20b")
        boss.ask("DELETE", "/v1/operator/staff/a%20b", {}, 404)
        self.assertEqual(len(boss.ask("GET", "/v1/operator/messages")["messages"]), 2)
        self.assertGreater(len(boss.ask("GET", "/v1/operator/acts?before=1000")["acts"]), 3)
        self.assertEqual(self.server.operator("GET", "session"), {"name": "program", "role": "manager"})
        boss.ask("DELETE", "/v1/operator/session", {})
        boss.ask("GET", "/v1/operator/session", None, 401)
        for gone in (boss, customer):  # whoever is not in may go out
            for path in ("/v1/customer/session", "/v1/operator/session"):
                gone.ask("DELETE", path)

    def bodies(self):
        return (("POST", "/v1/customer/codes", {"contact": CONTACT}),
                ("POST", "/v1/customer/session", {"contact": CONTACT, "code": "000000"}),
                ("DELETE", "/v1/customer/session", {}),
                ("POST", "/v1/operator/session", {"name": "nobody", "password": ""}),
                ("DELETE", "/v1/operator/session", {}),
                ("PUT", "/v1/operator/staff/x", {"role": "viewer", "password": PASSWORD}),
                ("DELETE", "/v1/operator/staff/x", {}))

    def bad_bodies(self):
        visitor = Person(self.server)
        for method, path, body in self.bodies():
            token = {"Authorization": f"Bearer {OPERATOR_TOKEN}"} if "/staff/" in path else {}
            wrong = [{**body, "more": 1}] + [{**body, name: value} for name in body for value in (None, 5, [], {})]
            wrong += [{other: value for other, value in body.items() if other != name} for name in body]
            wrong += [b"{", b"[]", b'{"a":1,"a":2}', b"\xff"]
            for damaged in wrong:
                self.assert_refused(visitor.call(method, path, damaged, token), 400, "bad_request")
            self.assert_refused(visitor.call(method, path, b" " * (BODY_MAX + 1), token), 413, "too_large")
            for headers in ({"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}):
                self.assert_refused(visitor.call(method, path, body, {**token, **headers}), 415,
                                    "unsupported_media_type")
            self.assert_refused(visitor.call(method, path, body, {"Origin": "http://elsewhere.example"} |
                                             ({"Cookie": "meterbox_staff=" + self.boss} if token else {})),
                                403, "bad_origin")
            if token:
                self.assert_refused(visitor.call(method, path, body), 401, "unauthorized")
            for other in ("PATCH", "HEAD"):
                self.assertEqual(visitor.call(other, path, None, token).status, 405)

    def bad_contacts_and_names(self):
        visitor = Person(self.server)
        for contact in ("", " ", "0170 1234567", "+0170 1234567", "+49170", "+4917012345678901", "+49170x1234567", "ann",
                        "ann@", "@b.c", "a@b", "a@b.", "a@b@c.d", "a b@c.d", "a@b.c,d@e.f", "ä@b.c", "a@" + "b" * 61 + ".c"):
            self.assert_refused(visitor.call("POST", "/v1/customer/codes", {"contact": contact}), 400, "bad_request")
        self.assert_refused(visitor.call("POST", "/v1/customer/session", {"contact": "ann", "code": "123456"}), 400,
                            "bad_request")
        good = {"role": "viewer", "password": PASSWORD}
        for path, body in (("program", good), ("a%22b", good), ("a" * 41, good), ("x", {**good, "role": "boss"}),
                           ("x", {**good, "password": "x" * 9}), ("x", {**good, "password": "x" * 129})):
            self.server.operator("PUT", "staff/" + path, body, 400)
        self.server.operator("GET", "acts?before=0", None, 400)
        self.server.operator("GET", "acts?before=x", None, 400)
        self.server.operator("GET", "nothing", None, 404)

    def wrong_secrets(self):
        visitor = Person(self.server)
        code = visitor.code(CONTACT)
        answer = visitor.call("POST", "/v1/customer/session", {"contact": CONTACT, "code": "x" + code})
        self.assert_refused(answer, 401, "wrong_code")
        self.assertEqual(answer.headers["WWW-Authenticate"], "Cookie")
        self.assert_refused(visitor.call("POST", "/v1/customer/session", {"contact": "+8613812345678", "code": code}), 401,
                            "code_void")
        self.assert_refused(visitor.call("POST", "/v1/operator/session", {"name": "boss", "password": "x" * 10}), 401,
                            "wrong_password")

    def a_store_that_cannot_be_written(self):
        customer, staff = Person(self.server).customer(CONTACT), Person(self.server).staff("carl", "manager")
        other = sqlite3.connect(self.server.path("ops.db"), isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            for method, path, body in self.bodies():
                if path.endswith("/operator/session") and method == "POST":
                    body = {"name": "carl", "password": PASSWORD}
                answer = (staff if "operator" in path else customer).call(method, path, body)
                self.assert_refused(answer, 503, "unavailable")
        finally:
            other.close()
        staff.ask("GET", "/v1/operator/session")  # nothing was changed
        customer.ask("GET", "/v1/customer/session")

    def limits(self):
        """Where addresses tell something: of one address only so many."""
        limited = self.tapped("--max-per-address", "64")
        visitor = Person(limited)
        for path, body, times, code in (
                ("/v1/customer/session", {"contact": CONTACT, "code": "1"}, 30, "code_void"),
                ("/v1/operator/session", {"name": "x", "password": ""}, 5, "wrong_password")):
            for _ in range(times):
                self.assert_refused(visitor.call("POST", path, body), 401, code)
            answer = visitor.call("POST", path, body)
            self.assert_refused(answer, 429, "too_many")
            self.assertGreater(int(answer.headers["Retry-After"]), 0)
        for number in range(20):
            visitor.code(f"+1555000{number:04}")
        self.assert_refused(visitor.call("POST", "/v1/customer/codes", {"contact": "+15559999999"}), 429, "too_many")
        limited.tap.check()
        self.server.tap.seen.update(limited.tap.seen)

    def test_every_operation(self):
        self.good_ways()
        self.boss = Person(self.server).staff("boss", "manager").cookies["meterbox_staff"][0]
        self.bad_bodies()
        self.bad_contacts_and_names()
        self.wrong_secrets()
        viewer = Person(self.server).staff("vera", "viewer")
        for path in ("staff", "messages"):
            self.assert_refused(viewer.call("GET", "/v1/operator/" + path), 403, "forbidden")
        for path in ("session", "staff", "acts", "messages"):
            self.assert_refused(self.server.call("GET", "/v1/operator/" + path), 401, "unauthorized")
        self.assert_refused(self.server.call("GET", "/v1/customer/session"), 401, "unauthorized")
        self.a_store_that_cannot_be_written()
        self.limits()
        self.server.tap.check()
        self.assertEqual(self.server.tap.puzzles, [])
        readers = {o.id for o in contract().operations if o.method == "GET"}
        self.assertEqual(unseen(self.server.tap, ("people",), readers), [], "documented, but never seen")


class Roles(TappedTest):
    """Of every operation that the interface file has for the operator's side, whatever its subject."""

    def test_each_role_and_operation(self):
        server = self.ops()
        people = {role: Person(server).staff(role, role) for role in ROLES}
        operations = [o for o in contract().operations if any("staffCookie" in need for need in o.definition["security"])]
        self.assertGreaterEqual(len(operations), 20)
        for operation in operations:
            path = re.sub(r"\{\w+\}", "x-1", operation.path)
            body = None if operation.method == "GET" else {}
            with self.subTest(operation.id):
                self.assertIn(operation.role, ROLES)
                least = ROLES.index(operation.role)
                for role in ROLES[:least]:
                    self.assert_refused(people[role].call(operation.method, path, body), 403, "forbidden")
                if operation.method != "GET" or "events" not in path:  # a stream has no end
                    self.assertNotIn(people[ROLES[least]].call(operation.method, path, body).status, (401, 403))
                self.assert_refused(Person(server).call(operation.method, path, body), 401, "unauthorized")

    def test_customers_and_staff_are_apart(self):
        server = self.ops()
        customer, staff = Person(server).customer(), Person(server).staff("vera", "viewer")
        tokens = {name: value for person in (customer, staff) for name, (value, _) in person.cookies.items()}
        self.assertEqual(set(tokens), {"meterbox_customer", "meterbox_staff"})
        for path, name in (("/v1/customer/session", "meterbox_customer"), ("/v1/operator/session", "meterbox_staff")):
            for other, token in tokens.items():
                answer = server.call("GET", path, headers={"Cookie": f"{name}={token}"})
                self.assertEqual(answer.status, 200 if other == name else 401)
                answer = server.call("GET", path, headers={"Cookie": f"{other}={token}"})
                self.assertEqual(answer.status, 200 if other == name else 401)
            for value in ("", "x", "0" * 63, "0" * 64, "0" * 65, "x" * 4000, tokens[name].upper(), f'"{tokens[name]}x"',
                          tokens[name] + "0", tokens[name][:-1]):
                answer = server.call("GET", path, headers={"Cookie": f"{name}={value}"})
                self.assert_refused(answer, 401, "unauthorized")
        self.assert_refused(server.call("GET", "/v1/customer/session", token=OPERATOR_TOKEN), 401, "unauthorized")

    def test_a_token_counts_more_than_a_cookie(self):
        server = self.ops()
        viewer = Person(server).staff("vera", "viewer")
        self.assert_refused(viewer.call("GET", "/v1/operator/session", headers={"Authorization": "Bearer wrong-token"}),
                            401, "unauthorized")
        answer = viewer.call("PUT", "/v1/operator/boxes/b", {}, {"Authorization": f"Bearer {OPERATOR_TOKEN}"})
        self.assertEqual(answer.status, 200)


class Doors(TappedTest):
    def certificate(self):
        folder = Path(tempfile.mkdtemp(prefix="meterbox-tls-"))
        self.addCleanup(lambda: subprocess.run(["rm", "-r", str(folder)], check=True))
        cert, key = folder / "cert.pem", folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=ops",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        key.chmod(0o600)
        return str(cert), str(key)

    def test_cookies(self):
        for options, tls in (((), None), (("--behind-proxy",), None), ((), self.certificate())):
            with self.subTest(options=options, tls=tls is not None):
                server = self.ops(*options, tls=tls)
                secure = "; Secure" if options or tls else ""
                person = Person(server)
                answer = person.call("POST", "/v1/customer/session", {"contact": CONTACT, "code": person.code(CONTACT)})
                self.assertRegex(answer.headers["Set-Cookie"],
                                 "^meterbox_customer=[0-9a-f]{64}; Path=/v1/customer; Max-Age=2592000; HttpOnly; "
                                 f"SameSite=Strict{secure}$")
                self.assertEqual(answer.headers["Cache-Control"], "no-store")
                person.staff("boss", "manager")
                answer = person.call("POST", "/v1/operator/session", {"name": "boss", "password": PASSWORD})
                self.assertRegex(answer.headers["Set-Cookie"],
                                 "^meterbox_staff=[0-9a-f]{64}; Path=/v1/operator; Max-Age=43200; HttpOnly; "
                                 f"SameSite=Strict{secure}$")
                answer = person.call("DELETE", "/v1/operator/session")
                self.assertEqual(answer.headers["Set-Cookie"],
                                 f"meterbox_staff=; Path=/v1/operator; Max-Age=0; HttpOnly; SameSite=Strict{secure}")
                self.assertIsNone(person.call("GET", "/v1/customer/session").headers["Set-Cookie"])

    def test_only_from_its_own_pages(self):
        server = self.ops()
        boss = Person(server).staff("boss", "manager")
        own = server.origin()
        path, body = "/v1/operator/accounts/ann", {"kind": "shared"}
        for headers in ({"Origin": own}, {"Origin": own.upper()}, {"Sec-Fetch-Site": "none"},
                        {"Origin": own, "Sec-Fetch-Site": "same-origin"}):
            self.assertEqual(self.plain(boss, path, body, JSON | headers).status, 200, headers)
        self.assertEqual(self.plain(boss, path, body, JSON).status, 200)  # no browser; who has the cookie has it
        for headers in ({"Origin": "http://elsewhere.example"}, {"Origin": "null"}, {"Origin": ""},
                        {"Origin": own.replace("http", "https")}, {"Origin": own + "0"}, {"Origin": own + "/"},
                        {"Origin": "http://127.0.0.1"}, {"Origin": own, "Sec-Fetch-Site": "cross-site"},
                        {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": ""}):
            with self.subTest(headers):
                self.assert_refused(self.plain(boss, path, body, JSON | headers), 403, "bad_origin")
                answer = server.call("POST", "/v1/customer/codes", {"contact": CONTACT}, None, headers)
                self.assert_refused(answer, 403, "bad_origin")  # nor does a stranger's page sign anybody in
        answer = server.call("PUT", path, body, OPERATOR_TOKEN, {"Origin": "http://elsewhere.example"})
        self.assertEqual(answer.status, 200)  # a program has no page
        self.assertEqual(server.operator("GET", "messages"), {"messages": []})

    def test_only_json(self):
        """What a form of another page can send is refused, also without a body."""
        server = self.ops()
        boss = Person(server).staff("boss", "manager")
        for headers in ({}, {"Content-Type": "text/plain"}, {"Content-Type": "application/x-www-form-urlencoded"},
                        {"Content-Type": "multipart/form-data"}, {"Content-Type": "application/jsonx"}):
            for method, path in (("PUT", "/v1/operator/boxes/b"), ("DELETE", "/v1/operator/session")):
                answer = self.plain(boss, path, b"", headers, method)
                self.assert_refused(answer, 415, "unsupported_media_type")
        self.assertEqual(boss.ask("GET", "/v1/operator/session")["name"], "boss")

    def plain(self, person, path, body, headers, method="PUT"):
        """With the cookie, and no other headers than these."""
        token = person.cookies["meterbox_staff"][0]
        connection = person.ops.connect()
        try:
            connection.request(method, path, body if isinstance(body, bytes) else ops.json.dumps(body),
                               {"Cookie": f"a=b; meterbox_staff={token}; c=d", **headers})
            return ops.Answer(connection.getresponse())
        finally:
            connection.close()

    def test_behind_a_proxy(self):
        server = self.ops("--behind-proxy")
        boss = Person(server).staff("boss", "manager")
        host = {"Host": "ops.example.org"}
        for origin, status in (("https://ops.example.org", 200), ("http://ops.example.org", 403),
                               ("https://ops.example.org.evil.example", 403)):
            answer = self.plain(boss, "/v1/operator/accounts/ann", {"kind": "shared"}, {**JSON, **host, "Origin": origin})
            self.assertEqual(answer.status, status, answer)

    def test_addresses_behind_a_proxy(self):
        """Who tries doors too often shuts them for itself only: whom the proxy speaks for is counted, not who says so."""
        server = self.ops("--behind-proxy")
        boss, visitor = Person(server).staff("boss", "manager"), Person(server)
        wrong = {"name": "nobody", "password": "x"}
        def attempt(person, address, body=wrong):
            return person.call("POST", "/v1/operator/session", body, {"X-Forwarded-For": address})
        mine = ["203.0.113.7", "203.0.113.7:4711", "198.51.100.1, 203.0.113.7", "::ffff:203.0.113.7", "x,203.0.113.7 "]
        for address in mine:
            self.assert_refused(attempt(visitor, address), 401, "wrong_password")
        for address in mine:
            self.assert_refused(attempt(visitor, address), 429, "too_many")
        head = "".join(f"X-Forwarded-For: {address}\r\n" for address in ("198.51.100.2", "203.0.113.7"))
        got = ops.raw(server, (f"POST /v1/operator/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{head}"
                               "Content-Length: 32\r\nConnection: close\r\n\r\n"
                               '{"name":"nobody","password":"x"}').encode())
        self.assertIn(b" 429 ", got.split(b"\r\n")[0])
        network = ["2001:db8:1:2::1", "[2001:db8:1:2::2]", "[2001:db8:1:2::3]:80", "2001:db8:1:2::4", "2001:db8:1:2::5"]
        for address in network:
            self.assert_refused(attempt(visitor, address), 401, "wrong_password")
        self.assert_refused(attempt(visitor, "2001:db8:1:2:3::"), 429, "too_many")
        for address in ("", "unknown", "[", "]", ":", "1.2.3", "x" * 100, "[" + "0" * 60 + "]", ",", "2001:db8::1]"):
            self.assert_refused(attempt(visitor, address), 401, "wrong_password")  # it says nothing
        good = {"name": "boss", "password": PASSWORD}
        self.assertEqual(attempt(boss, "198.51.100.1", good).status, 200)
        for number in range(20):
            answer = visitor.call("POST", "/v1/customer/codes", {"contact": f"+1555000{number:04}"},
                                  {"X-Forwarded-For": "203.0.113.7"})
            self.assertEqual(answer.status, 202)
        for address, status in (("203.0.113.7", 429), ("198.51.100.1", 202)):
            answer = visitor.call("POST", "/v1/customer/codes", {"contact": "ann@example.org"}, {"X-Forwarded-For": address})
            self.assertEqual(answer.status, status)

    def test_strangers_do_not_keep_staff_out(self):
        """Who signs in from where that name has signed in before is not held up by what others try elsewhere."""
        server = self.ops("--behind-proxy")
        visitor = Person(server)
        server.operator("PUT", "staff/boss", {"role": "manager", "password": PASSWORD})
        def attempt(address, password):
            return visitor.call("POST", "/v1/operator/session", {"name": "boss", "password": password},
                                {"X-Forwarded-For": address}).status
        self.assertEqual(attempt("198.51.100.1", PASSWORD), 200)
        tried = [attempt(f"203.0.113.{number}", "wrong-password") for number in range(8)]
        self.assertEqual(tried[:5] + tried[-1:], [401] * 5 + [429])
        self.assertEqual([attempt("203.0.113.100", PASSWORD), attempt("198.51.100.1", PASSWORD)], [429, 200])

    def test_public_url(self):
        """Where a proxy changes Host, it says what the server's own address is."""
        server = self.ops("--behind-proxy", "--public-url", "https://power.example:8443/station")
        boss = Person(server).staff("boss", "manager")
        for origin, status in (("https://power.example:8443", 200), ("https://POWER.example:8443", 200),
                               ("https://power.example", 403), ("https://power.example:8443/station", 403),
                               ("https://power.example:844", 403), ("https:", 403), ("https:/", 403), ("https://", 403),
                               ("http://power.example:8443", 403), ("", 403)):
            answer = self.plain(boss, "/v1/operator/accounts/ann", {"kind": "shared"}, {**JSON, "Origin": origin})
            self.assertEqual(answer.status, status, f"{origin}: {answer}")

    def test_codes(self):
        server = self.ops()
        person = Person(server)
        old, code = person.code(CONTACT), person.code("0049 170 1234567")
        attempt = {"contact": CONTACT, "code": old}
        if old != code:  # once in a million times they are the same
            self.assert_refused(person.call("POST", "/v1/customer/session", attempt), 401, "wrong_code")
        me = person.ask("POST", "/v1/customer/session", {"contact": CANONICAL, "code": code})
        self.assertEqual((me["contact"], me["balance_micros"], me["spendable_micros"]), (CANONICAL, 0, 0))
        self.assert_refused(person.call("POST", "/v1/customer/session", {"contact": CONTACT, "code": code}), 401,
                            "code_void")  # good for once
        code = person.code(CONTACT)
        wrong = {"contact": CONTACT, "code": f"{(int(code) + 1) % 1000000:06}"}
        for _ in range(5):
            self.assert_refused(person.call("POST", "/v1/customer/session", wrong), 401, "wrong_code")
        self.assert_refused(person.call("POST", "/v1/customer/session", {"contact": CONTACT, "code": code}), 401,
                            "code_void")
        self.assertEqual(Person(server).customer(CONTACT).ask("GET", "/v1/customer/session")["account"], me["account"])
        person.code(CONTACT)
        answer = person.call("POST", "/v1/customer/codes", {"contact": CONTACT})
        self.assert_refused(answer, 429, "too_many")
        self.assertLessEqual(int(answer.headers["Retry-After"]), 720)
        Person(server).customer("ann@example.org")  # others are not held up
        server.operator("POST", f"accounts/{me['account']}/recharges", {"micros": 5000000, "key": "k"})
        self.assertEqual(person.ask("GET", "/v1/customer/session")["spendable_micros"], 5000000)

    def test_codes_of_all(self):
        """Whoever asks for the codes of all the world is stopped; refused ones do not count."""
        server = self.ops()
        person = Person(server)
        for _ in range(2):
            for number in range(100):
                person.call("POST", "/v1/customer/codes", {"contact": f"not-{number}"})
        answers = []
        while len(answers) < 300 and (not answers or answers[-1].status == 202):
            answers.append(person.call("POST", "/v1/customer/codes", {"contact": f"+1555000{len(answers):04}"}))
        self.assertGreaterEqual(len(answers), 61)
        self.assert_refused(answers[-1], 429, "too_many")
        messages = server.operator("GET", "messages")["messages"]
        self.assertEqual([m["contact"] for m in messages],
                         [f"+1555000{number:04}" for number in range(len(answers) - 2, len(answers) - 52, -1)])

    def test_signing_out(self):
        """The cookie is void at once, wherever it was copied to; other sessions go on."""
        server = self.ops()
        for person, path in ((Person(server).customer(), "/v1/customer/session"),
                             (Person(server).staff("vera", "viewer"), "/v1/operator/session")):
            copy = Person(server)
            copy.cookies = dict(person.cookies)
            if "customer" in path:
                other = Person(server).customer()
            else:
                other = Person(server)
                other.ask("POST", path, {"name": "vera", "password": PASSWORD})
            person.ask("DELETE", path)
            self.assertEqual(person.cookies, {})
            self.assert_refused(copy.call("GET", path), 401, "unauthorized")
            other.ask("GET", path)

    def test_staff(self):
        server = self.ops()
        vera, boss = Person(server).staff("vera", "viewer"), Person(server).staff("boss", "manager")
        refused = [vera.call("POST", "/v1/operator/session", {"name": name, "password": "wrong-password"})
                   for name in ("vera", "nobody")]
        for answer in refused:
            self.assert_refused(answer, 401, "wrong_password")
        self.assertEqual(refused[0].body, refused[1].body)  # who is of the staff is nobody's business
        boss.ask("PUT", "/v1/operator/staff/vera", {"role": "operator", "password": "another password"})
        self.assert_refused(vera.call("GET", "/v1/operator/session"), 401, "unauthorized")
        self.assert_refused(vera.call("POST", "/v1/operator/session", {"name": "vera", "password": PASSWORD}), 401,
                            "wrong_password")
        signed = vera.ask("POST", "/v1/operator/session", {"name": "vera", "password": "another password"})
        self.assertEqual(signed, {"name": "vera", "role": "operator"})
        boss.ask("DELETE", "/v1/operator/staff/vera")
        self.assert_refused(vera.call("GET", "/v1/operator/session"), 401, "unauthorized")

    def test_a_body_that_comes_after_the_session_has_ended(self):
        """Who is removed, or signs out, does nothing more by a request that had begun before."""
        server = self.ops()
        body = b'{"role":"manager","password":"a password of nobody"}'
        for ended_by in ("removed", "signed out"):
            boss = Person(server).staff("boss", "manager")
            token = boss.cookies["meterbox_staff"][0]
            with socket.create_connection(("127.0.0.1", server.port), timeout=box.PATIENCE_S) as peer:
                head = (f"PUT /v1/operator/staff/ghost HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                        f"Cookie: meterbox_staff={token}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
                        "Expect: 100-continue\r\n\r\n")
                peer.sendall(head.encode())
                self.assertIn(b" 100 ", peer.recv(100))  # the head was judged, and was good
                if ended_by == "removed":
                    server.operator("DELETE", "staff/boss", {})
                else:
                    boss.ask("DELETE", "/v1/operator/session")
                peer.sendall(body)
                with peer.makefile("rb") as answer:
                    self.assertIn(b" 401 ", answer.readline(), ended_by)
        self.assertNotIn("ghost", [one["name"] for one in server.operator("GET", "staff")["staff"]])

    def test_passwords_that_are_tried_too_often(self):
        server = self.ops()
        boss, visitor = Person(server).staff("boss", "manager"), Person(server)
        wrong, answers = {"name": "boss", "password": "wrong-password"}, []
        while len(answers) < 60 and (not answers or answers[-1].status == 401):
            answers.append(visitor.call("POST", "/v1/operator/session", wrong))
        self.assertGreaterEqual(len(answers), 6)
        self.assert_refused(answers[-1], 429, "too_many")
        self.assertLessEqual(int(answers[-1].headers["Retry-After"]), 60)
        boss.ask("GET", "/v1/operator/session")  # who is in stays in

    def test_a_restart(self):
        server = self.ops()
        customer, staff = Person(server).customer(), Person(server).staff("boss", "manager")
        server.stop()
        server.start()
        customer.ask("GET", "/v1/customer/session")
        staff.ask("GET", "/v1/operator/session")
        self.assertEqual(server.operator("GET", "messages"), {"messages": []})


class Records(TappedTest):
    """What is kept and written of people and what they do."""

    def acts(self, server, query=""):
        return server.operator("GET", "acts" + query)["acts"]

    def test_acts(self):
        server = self.ops()
        played = self.box(server)
        boss = Person(server).staff("boss", "manager")
        boss.ask("PUT", "/v1/operator/accounts/ann", {"kind": "shared"})
        boss.ask("POST", "/v1/operator/accounts/ann/recharges", {"micros": 5, "key": "k-1"})
        boss.ask("POST", "/v1/operator/accounts/ann/refunds", {"micros": 50, "key": "k-2"}, 402)
        boss.ask("GET", "/v1/operator/accounts/ann")
        with played.stream() as stream:
            boss.ask("POST", "/v1/operator/boxes/box-1/commands",
                     {"type": "unlock", "outlet": 1, "actor": "customer", "name": "somebody else"}, 202)
            command = stream.command()[1]
        self.assertEqual((command["actor"], command["name"]), ("operator", "boss"))
        boss.ask("DELETE", "/v1/operator/session")
        acts = self.acts(server)
        self.assertEqual([(a["who"], a["what"], a["subject"], a["detail"]) for a in reversed(acts)], [
            ("program", "box", "box-1", ""), ("program", "staff", "boss", "manager"), ("boss", "sign_in", "", ""),
            ("boss", "account", "ann", "shared limit_micros=0"), ("boss", "recharge", "ann", "micros=5 key=k-1"),
            ("boss", "command", "box-1", f"unlock outlet=1 by=boss seq={command['seq']}"), ("boss", "sign_out", "", "")])
        self.assertEqual(self.acts(server, f"?before={acts[2]['number']}"), acts[3:])
        for _ in range(100):
            server.operator("PUT", "accounts/ann", {"kind": "shared"})
        newest = self.acts(server)
        self.assertEqual(len(newest), 100)
        self.assertEqual(self.acts(server, f"?before={newest[-1]['number']}"), acts)

    def test_secrets_stay_secret(self):
        """Neither the log, which shows all, nor the database has them; but the embedded provider's line has the code."""
        server = self.ops("--log-level", "debug")
        person = Person(server)
        code = person.code(CONTACT)
        wrong = f"{(int(code) + 1) % 1000000:06}"
        person.call("POST", "/v1/customer/session", {"contact": CONTACT, "code": wrong})
        person.ask("POST", "/v1/customer/session", {"contact": CONTACT, "code": code})
        person.staff("boss", "manager")
        person.call("POST", "/v1/operator/session", {"name": "boss", "password": "wrong " + PASSWORD})
        person.call("POST", "/v1/operator/session", {"name": PASSWORD, "password": "mistaken"})
        tokens = [value for value, _ in person.cookies.values()]
        self.assertEqual(len(tokens), 2)
        person.ask("GET", "/v1/customer/session")
        person.ask("DELETE", "/v1/operator/session")
        messages = server.lines("message")
        self.assertEqual([line.count(code) for line in messages], [2])  # English and Chinese
        log = "\n".join(line for line in server.text().splitlines() if line not in messages)
        for secret in (*tokens, PASSWORD, "mistaken", OPERATOR_TOKEN):
            self.assertNotIn(secret, server.text())
        for secret in (code, wrong):
            self.assertIsNone(re.search(rf"\b{secret}\b", log))
        server.stop()
        kept = b"".join(path.read_bytes() for path in Path(server.folder).glob("ops.db*"))
        for secret in (*tokens, PASSWORD):
            self.assertNotIn(secret.encode(), kept)


class Reader(html.parser.HTMLParser):
    """What a page loads, and what its policy would not let run."""

    def __init__(self, text):
        super().__init__()
        self.loads, self.forbidden, self.titles, self.inside = [], [], 0, None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.inside = tag
        self.titles += tag == "title"
        self.forbidden += [f"{tag} {name}" for name in attrs if name.startswith("on") or name == "style"]
        if tag == "script" and "src" in attrs:
            self.loads.append(attrs["src"])
        elif tag == "link" and attrs.get("rel") == "stylesheet":
            self.loads.append(attrs["href"])
        elif tag in ("script", "style", "base", "iframe", "object", "embed"):
            self.forbidden.append(tag)

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, data):
        if self.inside in ("script", "style") and data.strip():
            self.forbidden.append(f"text in {self.inside}")


class Pages(TappedTest):
    def setUp(self):
        self.server = self.ops()

    def get(self, path, method="GET", **headers):
        return self.server.call(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def test_headers(self):
        for path in WAYS:
            with self.subTest(path):
                answer = self.get(path)
                self.assertEqual(answer.status, 200)
                self.assertEqual(answer.headers["Content-Type"], TYPES.get(path.rpartition(".")[2],
                                                                           "text/html; charset=utf-8"))
                self.assertEqual(answer.headers["Content-Security-Policy"], CSP)
                for name, value in (("X-Content-Type-Options", "nosniff"), ("Referrer-Policy", "no-referrer"),
                                    ("Cache-Control", "no-cache"), ("Vary", "Accept-Encoding")):
                    self.assertEqual(answer.headers[name], value)
                self.assertIsNone(answer.headers["Set-Cookie"])
                head = self.get(path, "HEAD")
                self.assertEqual((head.status, head.body), (200, b""))
                self.assertEqual({name: value for name, value in head.headers.items() if name != "Date"},
                                 {name: value for name, value in answer.headers.items() if name != "Date"})
                self.assertEqual(int(head.headers["Content-Length"]), len(answer.body))

    def test_packed(self):
        for path in WAYS:
            plain, packed = self.get(path), self.get(path, Accept_Encoding="br, gzip;q=0.8")
            self.assertEqual(packed.headers["Content-Encoding"], "gzip")
            self.assertEqual(gzip.decompress(packed.body), plain.body)
            self.assertNotEqual(packed.headers["ETag"], plain.headers["ETag"])
        for wish in ("", "br", "gzip;q=0", "gzip; q=0.0, deflate", "xgzip", "gzipx", "identity"):
            answer = self.get("/", Accept_Encoding=wish)
            self.assertIsNone(answer.headers["Content-Encoding"], wish)
        for wish in ("gzip", "GZIP", "br,gzip", "deflate , gzip ; q=1"):
            self.assertEqual(self.get("/", Accept_Encoding=wish).headers["Content-Encoding"], "gzip", wish)

    def test_not_modified(self):
        for wish in ("", "gzip"):
            answer = self.get("/desk", Accept_Encoding=wish)
            tag = answer.headers["ETag"]
            self.assertRegex(tag, '^"[^"]+"$')
            for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
                again = self.get("/desk", Accept_Encoding=wish, If_None_Match=known)
                self.assertEqual((again.status, again.body, again.headers["ETag"]), (304, b"", tag), known)
                self.assertEqual(again.headers["Content-Security-Policy"], CSP)
                self.assertEqual(self.get("/desk", "HEAD", Accept_Encoding=wish, If_None_Match=known).status, 304)
            for other in ('"x"', tag.strip('"'), ""):
                self.assertEqual(self.get("/desk", Accept_Encoding=wish, If_None_Match=other).status, 200, other)

    def test_nothing_else(self):
        for path in ("/pages", "/pages/", "/pages/customer.html", "/pages/desk.html", "/pages/sandbox.html",
                     "/pages/embed.py", "/pages/meson.build", "/pages/customer.js/", "/pages/CUSTOMER.js",
                     "/pages/..%2Fops.db", "/pages/../ops.db", "/pages/%2e%2e/ops.db", "/pages/customer.js%00",
                     "/pages//customer.js", "/customer.js", "/index.html", "/o", "/o/", "/o/a/b", "/desk/", "/sandbox",
                     "/sandbox/pay/", "/favicon.ico", "//"):
            self.assert_refused(self.get(path), 404, "not_found")
        for path in WAYS:
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                answer = self.get(path, method)
                self.assert_refused(answer, 405, "method_not_allowed")
                self.assertEqual(answer.headers["Allow"], "GET, HEAD")

    def test_what_pages_load(self):
        """All of it is there, nothing that their own policy forbids."""
        for path in ("/", "/desk", "/sandbox/pay/0123"):
            reader = Reader(self.get(path).body.decode())
            self.assertEqual((reader.forbidden, reader.titles), ([], 1), path)
            for load in reader.loads:
                self.assertIn(load, WAYS)

    def test_the_customers_page_is_small(self):
        page = self.get("/").body
        self.assertEqual(page, self.get("/o/AB-1").body)
        total = len(page) + sum(len(self.get(f"/pages/customer.{kind}").body) for kind in ("css", "js"))
        self.assertLess(total, CUSTOMER_PAGE_MAX)


if __name__ == "__main__":
    parser = ops.argparse.ArgumentParser(add_help=False)
    parser.add_argument("--contract", required=True)
    sys.argv[1:] = parser.parse_known_args(namespace=box.arguments)[1]
    ops.main()
