#!/usr/bin/env python3
"""The operations server as a process: every call of a box and of the operator, and what strangers send.

usage: test_ops.py --meterbox-ops PATH [--seed N] [--keep] [unittest's arguments]
"""
import base64
import contextlib
import gzip
import json
import os
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import zlib
from pathlib import Path

sys.dont_write_bytecode = True
import box  # noqa: E402
import ops  # noqa: E402
from box import tariff, wait_for  # noqa: E402
from ops import OPERATOR_TOKEN, Box, Records, Refused, fling, progress, raw  # noqa: E402

IDLE_CONNECTIONS = 300
GARBAGE_REQUESTS = 200
LEDGERS = 3
STUCK_COMMANDS = 400  # more than the kernel keeps for one that does not read


class Start(ops.OpsTest):
    """Command line and configuration."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="meterbox-ops-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.token = self.folder / "token"
        self.token.write_text(OPERATOR_TOKEN + "\n", encoding="utf-8")
        self.token.chmod(0o600)

    def refused(self, code, said, *options, wrap=()):
        """A start that must fail; its first line must say why."""
        done = subprocess.run([*wrap, box.arguments.meterbox_ops, *options], capture_output=True, text=True,
                              timeout=box.PATIENCE_S)
        self.assertEqual(done.returncode, code, done)
        self.assertIn(said, done.stderr)

    def usual(self, *more):
        return ("--db", str(self.folder / "ops.db"), "--operator-token-file", str(self.token), "--insecure-commands",
                "--listen", "127.0.0.1:0", *more)

    def test_wrong_usage(self):
        self.refused(64, "--db must be given")
        self.refused(64, "--operator-token-file must be given", "--db", "x")
        self.refused(64, "--command-key or --insecure", "--db", "x", "--operator-token-file", "y")
        self.refused(64, "--command-key or --insecure", *self.usual("--command-key", "z"))
        self.refused(64, "--cert and --key", *self.usual("--cert", "x"))
        self.refused(64, "--behind-proxy", *self.usual("--cert", "x", "--key", "y", "--behind-proxy"))
        self.refused(64, "--command-seconds", *self.usual("--command-seconds", "0"))
        self.refused(64, "--max-connections", *self.usual("--max-connections", "1e9"))
        self.refused(64, "--max-per-address", *self.usual("--max-per-address", "-1"))
        self.refused(64, "--request-seconds", *self.usual("--request-seconds", "0"))
        self.refused(64, "--log-level", *self.usual("--log-level", "loud"))
        self.refused(64, "arguments", *self.usual("extra"))
        self.refused(64, "wrong usage", *self.usual("--what"))

    def test_help_and_version(self):
        for option, word in (("--help", "--operator-token-file"), ("--version", "meterbox-ops ")):
            done = subprocess.run([box.arguments.meterbox_ops, option], capture_output=True, text=True, check=True,
                                  timeout=box.PATIENCE_S)
            self.assertIn(word, done.stdout)

    def test_wrong_configuration(self):
        self.refused(78, "such as 127.0.0.1:8080", *self.usual("--listen", "localhost:80"))
        self.refused(78, "such as 127.0.0.1:8080", *self.usual("--listen", "127.0.0.1:99999"))
        self.refused(78, "--behind-proxy", *self.usual("--listen", "0.0.0.0:0"))
        self.refused(78, "--behind-proxy", *self.usual("--listen", "[::]:0"))
        self.refused(78, "No such file", *self.usual("--cert", "/nowhere", "--key", "/nowhere"))
        self.refused(78, "hard limit", *self.usual("--max-connections", "500"), wrap=("prlimit", "--nofile=200:200"))
        self.token.chmod(0o604)
        self.refused(78, "others may read", *self.usual())
        self.token.chmod(0o600)
        self.token.write_text("short\n", encoding="utf-8")
        self.refused(78, "must be the token", *self.usual())
        self.token.unlink()
        self.refused(78, "No such file", *self.usual())

    def test_not_a_database(self):
        (self.folder / "ops.db").write_bytes(b"not a database, " * 1000)
        self.refused(1, "store_failed", *self.usual())

    def test_proxy_and_files(self):
        """Any address behind a proxy; the soft limit of open files is raised to what is needed."""
        server = self.ops("--behind-proxy", "--listen", "0.0.0.0:0", "--max-connections", "500",
                          wrap=("prlimit", "--nofile=200:2000"))
        self.assertEqual(server.call("GET", "/v1/health").status, 200)
        self.assertIn("url=http://0.0.0.0:", server.lines("listening")[0])
        limits = Path(f"/proc/{server.process.pid}/limits").read_text(encoding="utf-8")
        soft = next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3]
        self.assertGreaterEqual(int(soft), 500)

    def test_command_key(self):
        """Made at the first start, for its owner only; the next start has the same."""
        server = self.ops()
        key, public = Path(server.key), Path(server.key + ".pub")
        self.assertEqual((key.stat().st_mode & 0o777, public.stat().st_mode & 0o777), (0o600, 0o644))
        before = key.read_bytes()
        self.assertEqual(server.stop(), 0)
        self.assertEqual(server.start().call("GET", "/v1/health").status, 200)
        self.assertEqual(key.read_bytes(), before)
        self.assertEqual(len(server.lines("command_key_made")), 1)
        self.assertEqual(server.stop(), 0)
        half = public.read_bytes()
        public.unlink()
        server.start().stop()
        self.assertEqual((public.read_bytes(), public.stat().st_mode & 0o777), (half, 0o644))
        key.chmod(0o644)
        self.refused(78, "others may read", *self.usual()[:4], "--listen", "127.0.0.1:0", "--command-key", server.key)

    def test_two_servers(self):
        """The second one on the same database ends; when the first has gone, it may have it."""
        server = self.ops()
        second = ("--db", server.path("ops.db"), *self.usual()[2:])
        self.refused(78, "another meterbox-ops", *second)
        server.kill()
        server.start()
        self.refused(78, "another meterbox-ops", *second)

    def test_tls(self):
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=ops",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True,
                       timeout=box.PATIENCE_S)
        server = self.ops("--listen", "0.0.0.0:0", tls=(str(cert), str(key)))
        played = self.box(server)
        with played.stream() as stream:
            server.send(type="unlock", outlet=1)
            self.assertEqual(stream.command()[1]["type"], "unlock")
        wait_for("the server sees that the box has gone", lambda: not server.status("box-1")["connected"])
        key.chmod(0o644)
        self.refused(78, "others may read", *self.usual("--cert", str(cert), "--key", str(key)))

    def test_systemd(self):
        path = str(self.folder / "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(path)
            listener.settimeout(box.PATIENCE_S)
            server = self.ops(wrap=("env", f"NOTIFY_SOCKET={path}"))
            self.assertIn(b"READY=1", listener.recv(1000))
            self.assertEqual(server.stop(), 0)
            self.assertIn(b"STOPPING=1", listener.recv(1000))


class Access(ops.OpsTest):
    """Who may ask what."""

    def test_operator(self):
        server = self.ops()
        token = server.provision("box-1")
        self.assertEqual(server.call("GET", "/v1/health").json()["ok"], True)
        for wrong in (None, "", "x", OPERATOR_TOKEN + "x", OPERATOR_TOKEN[:-1], token, "y" * 200):
            answer = server.call("GET", "/v1/operator/boxes", token=wrong)
            self.assert_refused(answer, 401, "unauthorized")
            self.assertEqual(answer.headers["WWW-Authenticate"], "Bearer")
        for scheme in ("Basic " + OPERATOR_TOKEN, OPERATOR_TOKEN, "Bearer", "Bearer  "):
            answer = server.call("GET", "/v1/operator/boxes", headers={"Authorization": scheme})
            self.assert_refused(answer, 401, "unauthorized")
        answer = server.call("GET", "/v1/operator/boxes", headers={"Authorization": "bearer " + OPERATOR_TOKEN})
        self.assertEqual(answer.status, 200)

    def test_box_tokens(self):
        server = self.ops()
        self.assertEqual(server.provision("box-1", "token-of-box-1-as-given"), "token-of-box-1-as-given")
        made = server.provision("box-2")
        self.assertGreaterEqual(len(made), 32)
        path = "/v1/boxes/box-1/commands"
        for wrong in (None, "token-of-box-1-as-givem", "token-of-box-1-as-given-", OPERATOR_TOKEN):
            self.assert_refused(server.call("GET", path, token=wrong), 401, "unauthorized")
        self.assert_refused(server.call("GET", "/v1/boxes/nobody/commands", token=OPERATOR_TOKEN), 401, "unauthorized")
        self.assert_refused(server.call("GET", path, token=made), 403, "forbidden")
        server.stream("box-1").close()
        for token in ("short", "x" * 129, 'with "quotes" in it', 7, None):
            answer = server.call("PUT", "/v1/operator/boxes/box-1", {"token": token}, OPERATOR_TOKEN)
            self.assert_refused(answer, 400, "bad_request")
        server.stream("box-1").close()

    def test_token_of_another(self):
        """Nothing is made of a box whose token is taken."""
        server = self.ops()
        for token in (server.provision("box-1"), OPERATOR_TOKEN):
            answer = server.call("PUT", "/v1/operator/boxes/box-2", {"token": token}, OPERATOR_TOKEN)
            self.assert_refused(answer, 409, "conflict")
        self.assertEqual([b["box"] for b in server.operator("GET", "boxes")["boxes"]], ["box-1"])

    def test_token_replaced(self):
        server = self.ops()
        played = self.box(server)
        with played.stream() as stream:
            new = server.provision("box-1")
            self.assertEqual(stream.ended(), [])
        self.assertNotEqual(new, played.token)
        self.assert_refused(played.post(), 401, "unauthorized")
        played.token = new
        self.assertEqual(played.post().status, 200)
        self.assertEqual(server.status("box-1")["accepted_through"], 3)

    def test_paths_and_methods(self):
        server = self.ops()
        for path in ("/no", "/v1", "/v1/", "/v1/boxes/box-1", "/v1/operator/boxes/", "/v1/operator/boxes/a/b",
                     "/v1/operator/boxes/a%00b", "/v1/operator/boxes/%", "/v1/operator/boxes/%zz",
                     "/v1/operator/boxes/" + "x" * 100, "/v1/operator/orders/a/b", "//v1/health"):
            self.assert_refused(server.call("GET", path, token=OPERATOR_TOKEN), 404, "not_found")
        for name in ("a:b", "a%20b", "x" * 33, "%C3%A9", "a%2Fb"):
            self.assert_refused(server.call("GET", "/v1/operator/boxes/" + name, token=OPERATOR_TOKEN), 400,
                                "bad_request")
        answer = server.call("DELETE", "/v1/operator/boxes/box-1", token=OPERATOR_TOKEN)
        self.assert_refused(answer, 405, "method_not_allowed")
        self.assertEqual(set(answer.headers["Allow"].split(", ")), {"GET", "PUT"})
        self.assert_refused(server.call("GET", "/v1/operator/boxes/nobody", token=OPERATOR_TOKEN), 404, "not_found")
        self.assert_refused(server.call("GET", "/v1/operator/boxes/nobody/records", token=OPERATOR_TOKEN), 404,
                            "not_found")

    def test_boxes(self):
        server = self.ops()
        self.assertEqual(server.operator("GET", "boxes"), {"boxes": []})
        for name in ("b", "a", "A.b_c-9"):
            server.provision(name)
        self.assertEqual([b["box"] for b in server.operator("GET", "boxes?what=ever")["boxes"]], ["A.b_c-9", "a", "b"])
        status = server.status("a")
        self.assertEqual(status, {"box": "a", "ledger": "", "accepted_through": 0, "queue": None, "commands": 0,
                                  "connected": False, "heard": None, "outlets": []})
        self.assertEqual(server.operator("GET", "boxes/a/records"), {"ledger": "", "records": [], "refused": []})
        self.assertEqual(server.operator("GET", "server")["boxes"], 3)


class Money(ops.OpsTest):
    """Accounts, orders, and what the operator may get wrong."""

    def refused(self, status, code, method, path, body=None):
        self.assert_refused(self.server.call(method, "/v1/operator/" + path, body, OPERATOR_TOKEN), status, code)

    def test_accounts(self):
        server = self.server = self.ops()
        self.assertEqual(server.account("ann"), {"account": "ann", "kind": "shared", "limit_micros": 0,
                                                 "balance_micros": 0, "spendable_micros": 0})
        self.assertEqual(server.account("bob", kind="bound", limit=5000000)["spendable_micros"], 5000000)
        for _ in range(2):  # the same call again is harmless
            server.operator("PUT", "accounts/bob", {"kind": "bound", "limit_micros": 5000000})
            answer = server.operator("POST", "accounts/ann/recharges", {"micros": 10 ** 15 - 1, "key": "pay-1"})
            self.assertEqual(answer["balance_micros"], 10 ** 15 - 1)
        self.refused(409, "conflict", "PUT", "accounts/bob", {"kind": "shared"})
        self.refused(409, "conflict", "POST", "accounts/ann/recharges", {"micros": 1, "key": "pay-1"})
        self.refused(404, "not_found", "GET", "accounts/nobody")
        self.refused(404, "not_found", "POST", "accounts/nobody/recharges", {"micros": 1, "key": "k"})
        self.refused(402, "insufficient_funds", "POST", "accounts/bob/refunds", {"micros": 1, "key": "k"})
        self.assertEqual(server.operator("POST", "accounts/ann/refunds", {"micros": 10 ** 15 - 2, "key": "r"})
                         ["balance_micros"], 1)
        for kind in ("rich", 7, None, ""):
            self.refused(400, "bad_request", "PUT", "accounts/new", {"kind": kind})
        for limit in (-1, 0.5, "7", 10 ** 16, 1e300, None):
            self.refused(400, "bad_request", "PUT", "accounts/new", {"kind": "bound", "limit_micros": limit})
        for body in ({}, {"micros": 1}, {"key": "k"}, {"micros": 0, "key": "k"}, {"micros": 1.5, "key": "k"},
                     {"micros": 1, "key": ""}, {"micros": 1, "key": 'a"b'}, {"micros": 1, "key": "x" * 200}):
            self.refused(400, "bad_request", "POST", "accounts/ann/recharges", body)
        server.account("name with spaces/and %", 7)
        self.assertEqual(server.balance("name with spaces/and %"), 7)
        self.assertEqual(server.check(), [])

    def test_a_check_of_many_books(self):
        """It looks at each once: the one thread has to serve boxes, too, and whoever may look may ask for it."""
        server = self.server = self.ops()
        server.stop()
        many = range(30000)
        store = sqlite3.connect(server.path("ops.db"))
        with store:
            store.executemany("INSERT INTO account VALUES(?, 'shared', 0)", ((f"c-{n}",) for n in many))
            store.executemany("INSERT INTO posting(key, from_book, to_book, micros, order_number)"
                              " VALUES(?, 'cash', ?, 5, '')", ((f"pay:{n:032x}", f"customer:c-{n}") for n in many))
            store.executemany("INSERT INTO payment VALUES(?, ?, 'k', 5, 'EUR', 'paid', 'r', 0, 0)",
                              ((f"{n:032x}", f"c-{n}") for n in many))
            store.executemany("INSERT INTO book VALUES(?, 5)", ((f"customer:c-{n}",) for n in many))
            store.execute("INSERT INTO book VALUES('cash', ?)", (-5 * len(many),))
        store.close()
        server.start()
        self.assertEqual(server.check(), [])

    def test_orders_refused(self):
        server = self.server = self.ops()
        server.account("ann", 3000000)
        server.account("bob", 3000000)
        server.provision("box-1")
        good = {"box": "box-1", "outlet": 1, "account": "ann", "mode": "local", "tariff": tariff(),
                "credit_micros": 1000000, "hold_ms": 600000}
        self.refused(409, "conflict", "PUT", "orders/o-1", good)  # the box has not reported
        played = self.box(server)
        for wrong in ({"box": "nobody"}, {"account": "nobody"}):
            self.refused(404, "not_found", "PUT", "orders/o-1", {**good, **wrong})
        for wrong in ({"outlet": 0}, {"outlet": 17}, {"outlet": None}, {"mode": "free"}, {"tariff": {}}, {"tariff": 7},
                      {"credit_micros": -1}, {"credit_micros": "1"}, {"credit_micros": 0}, {"hold_ms": 10 ** 15},
                      {"mode": "remote"}, {"limit_mwh": 1.5}, {"full_ma": 500}, {"full_ms": 600000},
                      {"full_ma": 1000001, "full_ms": 1}, {"full_ma": 1, "full_ms": 86400001}, {"full_ma": "1", "full_ms": 1},
                      {"box": "a\u0000b"}, {"box": "x" * 40}, {"account": ""}):
            self.refused(400, "bad_request", "PUT", "orders/o-1", {**good, **wrong})
        for missing in good:
            self.refused(400, "bad_request", "PUT", "orders/o-1", {k: v for k, v in good.items() if k != missing})
        self.refused(400, "bad_request", "PUT", "orders/" + "x" * 41, good)
        self.refused(402, "insufficient_funds", "PUT", "orders/o-1", {**good, "credit_micros": 3000001})
        self.refused(404, "not_found", "GET", "orders/o-1")
        played.records.add("reserved", 1, account="bob", hold_ms=60000)
        played.report()
        self.refused(409, "conflict", "PUT", "orders/o-1", good)
        server.order("o-1", account="bob")
        server.order("o-1", account="bob", status=200)
        self.refused(409, "conflict", "PUT", "orders/o-1", good)
        self.assertEqual(server.operator("GET", "server")["records_accepted"], 4)
        self.assertEqual(server.check(), [])

    def test_bodies(self):
        self.server = self.ops()
        for body in (b"[]", b"7", b"{", b"{} x", b"\xff", b"{\"token\":1,\"token\":2}", b"{" * 1000, b"\0", b"null",
                     b'{"a":' * 20 + b"1" + b"}" * 20):
            self.refused(400, "bad_request", "PUT", "boxes/box-1", body)
        self.refused(413, "too_large", "PUT", "boxes/box-1", b" " * 65537)
        self.refused(413, "too_large", "PUT", "boxes/box-1", b" " * (10 << 20))
        answer = self.server.call("PUT", "/v1/operator/boxes/box-1", b'{"\xff\x01":1,"\xff\x01":2}', OPERATOR_TOKEN)
        self.assertEqual(answer.json()["error"]["message"], 'the body: "??" stands twice')
        for headers in ({"Content-Type": "text/plain"}, {"Content-Type": "application/jsonx"},
                        {"Content-Encoding": "gzip"}, {"Content-Encoding": "br"}):
            answer = self.server.call("PUT", "/v1/operator/boxes/box-1", b"{}", OPERATOR_TOKEN, headers)
            self.assert_refused(answer, 415, "unsupported_media_type")
        for headers in ({"Content-Type": "application/json; charset=utf-8"}, {"Content-Encoding": "identity"}):
            answer = self.server.call("PUT", "/v1/operator/boxes/box-1", b"{}", OPERATOR_TOKEN, headers)
            self.assertEqual(answer.status, 200)
        self.assertEqual(self.server.call("PUT", "/v1/operator/boxes/box-1", None, OPERATOR_TOKEN).status, 200)

    def test_an_order(self):
        """From the order to the receipt, with a top-up that is asked for twice."""
        server = self.ops()
        server.account("ann", 5000000)
        played = self.box(server)
        with played.stream() as stream:
            self.assertEqual(server.order("o-1")["state"], "sent")
            authorize = stream.command()[1]
            self.assertEqual((authorize["type"], authorize["grant"]["order"]), ("authorize", "o-1"))
            played.records.authorized(authorize)
            played.records.started(1)
            played.report(progress(1, state="supplying", order="o-1", energy_mwh=1000))
            self.assertEqual(server.order_state("o-1")["state"], "open")
            for _ in range(2):
                order = server.operator("POST", "orders/o-1/credit", {"micros": 500000, "key": "more"})
                self.assertEqual(order["held_micros"], 1500000)
            played.records.credited(stream.command()[1])
            self.assertEqual(server.balance("ann"), 3500000)
            played.records.ended(1, 1200000)
            played.records.available(1, "o-1")
            played.report()
        order = server.order_state("o-1")
        self.assertEqual((order["state"], order["captured_micros"], order["price_differs"]), ("done", 1200000, False))
        self.assertEqual(order["receipt"], {"reason": "customer", "start_mwh": 0, "energy_mwh": 1200000,
                                            "amount_micros": 1200000, "energised_ms": 1000, "settled": True})
        self.assertEqual((server.balance("ann"), server.check()), (3800000, []))

    def test_time_of_use(self):
        """What the order's tariff says reaches the box whole, and the receipt comes back by rate."""
        server = self.ops()
        server.account("ann", 5000000)
        played = self.box(server)
        by_time = {"id": "tou", "version": 2, "currency": "CNY", "quantum_micros": 1, "rounding": "half_up",
                   "utc_offset_min": 480, "rates": [{"name": "peak", "price_micros": 900000},
                                                    {"name": "valley", "price_micros": 300000}],
                   "periods": [{"from_min": 0, "rate": 1}, {"from_min": 420, "rate": 0}]}
        with played.stream() as stream:
            server.order("o-1", tariff=by_time)
            authorize = stream.command()[1]
        self.assertEqual({**authorize["grant"]["tariff"], **by_time}, authorize["grant"]["tariff"])
        played.records.authorized(authorize)
        played.records.started(1, rate=0)  # 9:38 by its clock
        played.records.ended(1, 200000, rates_mwh=[200000], amount_micros=180000)
        played.report()
        order = server.order_state("o-1")
        self.assertEqual((order["captured_micros"], order["receipt"]["rates_mwh"]), (180000, [200000]))

    def test_what_an_operator_should_see(self):
        """The end of each order; what is wrong with it as a warning."""
        server = self.ops()
        server.account("ann", 5000000)
        played = self.box(server)
        for number, used, amount in (("o-1", 800000, 800000), ("o-2", 800000, 799999), ("o-3", 1200000, 1200000)):
            with played.stream() as stream:
                server.order(number)
                played.records.authorized(stream.command()[1])
            start = played.records.register[1]
            played.records.started(1)
            played.records.ended(1, start + used, amount_micros=amount)
            played.records.available(1, number)
            played.report()
        lines = server.lines("order_closed")
        self.assertEqual([("price_differs=yes" in line, "written_off_micros=200000" in line) for line in lines],
                         [(False, False), (True, False), (False, True)])
        self.assertEqual([server.order_state(n)["billed_micros"] for n in ("o-1", "o-2", "o-3")],
                         [800000, 799999, 1200000])

    def test_until_full(self):
        """What the session is to end at goes out with the authorization, and only where there is such a thing."""
        server = self.ops()
        server.account("ann", 3000000)
        played = self.box(server)
        full = {"full_ma": 500, "full_ms": 600000}
        with played.stream() as stream:
            server.order("o-1", **full)
            server.order("o-1", status=200, **full)
            server.order("o-1", status=409)
            grant = stream.command()[1]["grant"]
            self.assertEqual({name: grant[name] for name in full}, full)
            server.order("o-2", outlet=2, full_ma=0, full_ms=0)
            self.assertFalse(set(full) & set(stream.command()[1]["grant"]))

    def test_remote_mode(self):
        """Progress is priced; the commands that it makes go out over the stream at once."""
        server = self.ops()
        server.account("ann", 1500000)
        played = self.box(server)
        with played.stream() as stream:
            server.order("o-1", mode="remote", lease_ms=60000)
            played.records.authorized(stream.command()[1])
            played.records.started(1)
            played.report()
            played.report(progress(1, state="supplying", order="o-1", energy_mwh=600000))
            credit = stream.command()[1]
            self.assertEqual((credit["type"], credit["credit_micros"], credit["lease_ms"]), ("credit", 500000, 60000))
            played.report(progress(1, state="supplying", order="o-1", energy_mwh=1500000))
            self.assertEqual(stream.command()[1]["type"], "power_off")
        self.assertTrue(server.order_state("o-1")["power_off_sent"])
        outlet = server.status("box-1")["outlets"][0]
        self.assertEqual((outlet["outlet"], outlet["progress"]["energy_mwh"]), (1, 1500000))


class Streams(ops.OpsTest):
    """Commands on their way."""

    def test_signature(self):
        """As the public tool sees it."""
        server = self.ops()
        played = self.box(server)
        with played.stream() as stream:
            sent = server.send(type="unlock", outlet=2, name="olga")
            _, seq, token = stream.item()
        self.assertEqual(seq, sent["seq"])
        signed, _, signature = token.rpartition(".")
        both = base64.urlsafe_b64decode(signature + "==")
        numbers = b"".join(b"\x02" + bytes([len(n)]) + n for n in (
            int.from_bytes(half, "big").to_bytes(33, "big").lstrip(b"\0") for half in (both[:32], both[32:])) for n in
            [n if n[0] < 0x80 else b"\0" + n])
        for data, code in ((signed, 0), (signed[:-1] + ("A" if signed[-1] != "A" else "B"), 1)):
            Path(server.path("signature")).write_bytes(b"\x30" + bytes([len(numbers)]) + numbers)
            Path(server.path("signed")).write_text(data, encoding="ascii")
            done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", server.key + ".pub", "-signature",
                                   server.path("signature"), server.path("signed")], capture_output=True,
                                  timeout=box.PATIENCE_S)
            self.assertEqual(done.returncode, code, done)
        command = ops.payload(token)
        names = ("box", "ledger", "id", "seq", "type", "outlet", "actor", "name")
        self.assertEqual({name: command[name] for name in names},
                         {"box": "box-1", "ledger": played.records.ledger, "id": sent["id"], "seq": seq,
                          "type": "unlock", "outlet": 2, "actor": "operator", "name": "olga"})

    def test_unsigned(self):
        server = self.ops(signed=False)
        self.assertEqual(len(server.lines("insecure_commands")), 1)
        with self.box(server).stream() as stream:
            sent = server.send(type="reserve", outlet=1, account="ann", hold_ms=1000)
            item = stream.item()
        self.assertEqual((json.loads(item[2])["id"], json.loads(item[2])["account"]), (sent["id"], "ann"))

    def test_commands_refused(self):
        server = self.ops()
        server.provision("box-1")
        path = "/v1/operator/boxes/box-1/commands"
        unlock = {"type": "unlock", "outlet": 1}
        self.assert_refused(server.call("POST", path, unlock, OPERATOR_TOKEN), 409, "conflict")
        self.box(server)
        for wrong in ({}, {"type": "explode"}, {"type": "unlock"}, {"type": "unlock", "outlet": 0},
                      {**unlock, "actor": "technician", "name": "tess"}, {**unlock, "actor": "nobody"},
                      {"type": "service", "outlet": 1, "actor": "technician", "name": "t", "order": "s"},
                      {"type": "stop", "outlet": 1}, {"type": "reserve", "outlet": 1, "account": "a"},
                      {"type": "credit", "outlet": 1, "order": "o", "credit_micros": 1, "lease_ms": 0},
                      {**unlock, "name": "a\nb"}, {**unlock, "name": "x" * 41}):
            self.assert_refused(server.call("POST", path, wrong, OPERATOR_TOKEN), 400, "bad_request")
        answer = server.call("POST", path.replace("box-1", "nobody"), unlock, OPERATOR_TOKEN)
        self.assert_refused(answer, 404, "not_found")
        # What the core fills in is its own.
        for ours in ({"box": "box-9"}, {"id": "mine"}, {"seq": 99}, {"ledger": "0" * 32}, {"not_after": "x"}):
            self.assert_refused(server.call("POST", path, {**unlock, **ours}, OPERATOR_TOKEN), 400, "bad_request")

    def test_misspelt_fields(self):
        """A limit that nobody reads would be no limit."""
        server = self.ops()
        self.box(server)
        server.account("ann", 10 ** 6)
        order = {"box": "box-1", "outlet": 1, "account": "ann", "mode": "local", "tariff": tariff(),
                 "credit_micros": 1000, "hold_ms": 1000}
        for method, path, body in (("PUT", "boxes/box-2", {"tokken": "a-token-of-our-own"}),
                                   ("PUT", "accounts/bob", {"kind": "bound", "limit": 5}),
                                   ("POST", "accounts/ann/recharges", {"micros": 1, "key": "k", "note": ""}),
                                   ("PUT", "orders/o", {**order, "limit_mikros": 5}),
                                   ("PUT", "orders/o", {**order, "tariff": tariff(start_fee=5)}),
                                   ("POST", "boxes/box-1/commands", {"type": "unlock", "outlet": 1, "who": "olga"})):
            answer = server.call(method, "/v1/operator/" + path, body, OPERATOR_TOKEN)
            self.assert_refused(answer, 400, "bad_request")
            self.assertIn("is not a field", answer.json()["error"]["message"])
        self.assertEqual(server.balance("ann"), 10 ** 6)
        server.operator("PUT", "orders/o", order, 201)

    def test_all_types(self):
        server = self.ops()
        calls = [{"type": "unlock"}, {"type": "reserve", "account": "ann", "hold_ms": 1}, {"type": "release"},
                 {"type": "start", "order": "o"}, {"type": "stop", "order": "o"}, {"type": "power_off", "order": "o"},
                 {"type": "clear_fault"}, {"type": "out_of_service", "out": True}, {"type": "departed", "order": "o"}]
        with self.box(server).stream() as stream:
            for number, call in enumerate(calls, 1):
                self.assertEqual(server.send(outlet=1, actor="customer", **call)["seq"], number)
            got = [stream.command() for _ in calls]
        self.assertEqual([seq for seq, _ in got], list(range(1, len(calls) + 1)))
        for call, (_, command) in zip(calls, got):
            self.assertEqual({**command, **call, "actor": "customer"}, command)

    def test_resume(self):
        server = self.ops()
        played = self.box(server)
        for _ in range(5):
            server.send(type="unlock", outlet=1)
        def seen(last, count):
            with played.stream(last=last) as stream:
                return [stream.command()[0] for _ in range(count)]
        self.assertEqual(seen(None, 5), [1, 2, 3, 4, 5])
        self.assertEqual(seen(0, 5), [1, 2, 3, 4, 5])
        self.assertEqual(seen(3, 2), [4, 5])
        with played.stream() as stream:
            third = [stream.command() for _ in range(3)][2][1]
        played.records.command(third)
        played.report()
        server.send(type="release", outlet=1)
        self.assertEqual(seen(None, 3), [4, 5, 6])
        self.assertEqual(seen(5, 1), [6])

    def test_results_that_do_not_count(self):
        """A badly signed copy that somebody sent the box settles nothing: the command is sent again until it is done."""
        server = self.ops()
        server.account("ann", 5000000)
        played = self.box(server)

        def rejected(outcome, command):
            played.records.add("command", 1, id=command["id"], command_seq=0, type=command["type"],
                               actor=command["actor"], outcome=outcome)
            played.report()
            with played.stream(last=command["seq"] - 1) as again:
                self.assertEqual(again.command()[1], command)
        server.order("o-1")
        with played.stream() as stream:
            authorize = stream.command()[1]
        rejected("unverified", authorize)
        rejected("foreign", authorize)
        self.assertEqual(server.order_state("o-1")["state"], "sent")
        played.records.authorized(authorize)
        played.records.started(1)
        played.report()
        server.operator("POST", "orders/o-1/credit", {"micros": 2000000, "key": "k"})
        with played.stream(last=1) as stream:
            credit = stream.command()[1]
        rejected("out_of_order", credit)
        self.assertEqual(server.order_state("o-1")["held_micros"], 3000000)

        def credit_state(key="k", micros=2000000):
            return server.operator("POST", "orders/o-1/credit", {"micros": micros, "key": key})["credit_state"]
        self.assertEqual(credit_state(), "queued")
        played.records.credited(credit)
        played.report()
        self.assertEqual((credit_state(), credit_state("late", 5)), ("done", "queued"))
        server.send(type="power_off", outlet=1, order="o-1", actor="server")
        with played.stream(last=3) as stream:
            power_off = stream.command()[1]
        rejected("unverified", power_off)
        played.records.ended(1, 2500000)
        played.records.command(power_off)
        played.records.available(1, "o-1")
        played.report()
        order = server.order_state("o-1")
        self.assertEqual((order["billed_micros"], order["written_off_micros"]), (2500000, 0))
        self.assertEqual(server.balance("ann"), 2500000)
        self.assertEqual((credit_state(), credit_state("late", 5)), ("done", "given_back"))
        self.assertEqual(server.check(), [])

    def test_restored_copy(self):
        """The box's records come again, and what is ordered now reaches it under numbers that it has not had."""
        server = self.ops()
        server.account("ann", 5000000)
        played = self.box(server)

        def unlock(stream):
            server.send(type="unlock", outlet=2)
            played.records.command(stream.command()[1])
            played.report()
        with played.stream() as stream:
            unlock(stream)
        self.assertEqual(server.stop(), 0)
        shutil.copy(server.path("ops.db"), server.path("copy"))
        server.start()
        with played.stream(last=1) as stream:
            for _ in range(5):
                unlock(stream)
        self.assertEqual(server.stop(), 0)
        shutil.copy(server.path("copy"), server.path("ops.db"))
        server.start()
        server.order("o-1")
        self.assertLess(server.status("box-1")["accepted_through"], played.accepted)
        with played.stream(last=6) as stream:
            played.accepted = server.status("box-1")["accepted_through"]
            played.report()
            seq, authorize = stream.command()
            self.assertGreater(seq, 6)
            self.assertEqual((authorize["seq"], authorize["grant"]["order"]), (seq, "o-1"))
            played.records.authorized(authorize)
            played.report()
            self.assertEqual(server.order_state("o-1")["state"], "open")
            server.send(type="unlock", outlet=2)
            self.assertGreater(stream.command()[0], seq)

    def test_stops_act_late(self):
        """Sent again whatever the box has seen, until it has decided them."""
        server = self.ops()
        server.account("ann", 3000000)
        played = self.box(server)
        with played.stream() as stream:
            server.order("o-1")
            played.records.authorized(stream.command()[1])
            played.records.started(1)
            played.report()
            server.send(type="stop", outlet=1, order="o-1")
            server.send(type="unlock", outlet=2)
            server.send(type="power_off", outlet=1, order="o-1", actor="server")
            stops = [stream.command()[1] for _ in range(3)][::2]
        self.assertEqual([stop["seq"] for stop in stops], [2, 4])
        with played.stream(last=4) as stream:
            server.send(type="release", outlet=2)
            self.assertEqual([stream.command()[0] for _ in range(3)], [2, 4, 5])
        played.records.ended(1)
        for stop in stops:
            played.records.command(stop)
        played.report()
        with played.stream(last=5) as stream:
            server.send(type="release", outlet=2)
            self.assertEqual(stream.command()[0], 6)

    def test_one_stream_of_a_box(self):
        server = self.ops()
        played = self.box(server)
        with played.stream() as first, played.stream() as second:
            self.assertEqual(first.ended(), [])
            self.assertTrue(server.status("box-1")["connected"])
            server.send(type="unlock", outlet=1)
            self.assertEqual(second.command()[0], 1)
            wait_for("one stream", lambda: server.operator("GET", "server")["streams"] == 1)
        wait_for("the server sees that the box has gone", lambda: not server.status("box-1")["connected"])

    def test_heartbeat(self):
        server = self.ops()
        with self.box(server).stream(heartbeat_s=1) as stream:
            self.assertEqual([stream.item() for _ in range(2)], [("comment", "heartbeat")] * 2)
            server.send(type="unlock", outlet=1)
            self.assertEqual(stream.command()[0], 1)
            self.assertEqual(stream.item(), ("comment", "heartbeat"))

    def test_wrong_values(self):
        server = self.ops()
        played = self.box(server)
        for value in ("0", "3601", "-1", "1.5", "", "x", "1e3", "%31", "99999999999999999999999"):
            answer = server.call("GET", f"/v1/boxes/box-1/commands?heartbeat_s={value}", token=played.token)
            self.assert_refused(answer, 400, "bad_request")
        for value in ("-1", "x", "1.0", "99999999999999999", str(2 ** 53 - 1)):
            answer = server.call("GET", "/v1/boxes/box-1/commands", token=played.token,
                                 headers={"Last-Event-ID": value})
            self.assert_refused(answer, 400, "bad_request")
        self.assert_refused(server.call("GET", "/v1/operator/boxes/box-1/records?from=x", token=OPERATOR_TOKEN), 400,
                            "bad_request")

    def test_too_many(self):
        """Some connections are kept for everything else; a box that has a stream may always open another."""
        server = self.ops("--max-connections", "16")
        boxes = [Box(server, f"box-{i}") for i in range(9)]
        with contextlib.ExitStack() as streams:
            for played in boxes[:8]:
                streams.enter_context(played.stream())
            with self.assertRaises(Refused) as refused:
                boxes[8].stream()
            self.assert_refused(refused.exception.args[0], 429, "too_many_streams")
            self.assertGreater(int(refused.exception.args[0].headers["Retry-After"]), 0)
            streams.enter_context(boxes[0].stream())
            boxes[8].report()
        wait_for("room again", lambda: server.operator("GET", "server")["streams"] == 0)
        boxes[8].stream().close()

    def test_a_reader_that_stops_reading(self):
        """Its stream fills up; others go on, and so does the server's end."""
        server = self.ops("--command-seconds", "3600")
        played, other = self.box(server), self.box(server, "box-2")
        with played.stream(buffer=8192) as stuck, other.stream() as stream:
            for _ in range(STUCK_COMMANDS):
                server.send(type="unlock", outlet=1)
            server.send("box-2", type="unlock", outlet=1)
            self.assertEqual(stream.command()[0], 1)
            self.assertLess(len(server.lines("command_sent")), STUCK_COMMANDS)
            self.assertEqual([stuck.command()[0] for _ in range(STUCK_COMMANDS)], list(range(1, STUCK_COMMANDS + 1)))


class Batches(ops.OpsTest):
    """Records on their way."""

    def test_plain_packed_repeated(self):
        server = self.ops()
        played = self.box(server)
        for number in range(1200):
            played.records.add("alarm", alarm="tamper", detail=f"door {number}")
        first = played.post(packed=True)
        self.assertEqual(first.json(), {"accepted_through": 503, "refused": []})
        self.assertEqual(played.post().json(), first.json())
        played.report()
        self.assertEqual(server.records(), played.records.texts)
        self.assertEqual(server.status("box-1")["accepted_through"], 1203)
        self.assertEqual(server.operator("GET", "server")["records_accepted"], 1203)
        self.assertEqual(len(server.operator("GET", "boxes/box-1/records")["records"]), 500)
        self.assertEqual(server.operator("GET", "boxes/box-1/records?from=1203")["records"], played.records.texts[-1:])

    def test_damaged_records_are_parked(self):
        server = self.ops()
        played = self.box(server)
        texts = played.records
        texts.append("not JSON \u0001 \u00e9")
        texts.boot()
        texts.add("reserved", 1)  # without its account
        texts.add("alarm", alarm="tamper")
        said = played.report(refused=[4, 6])
        self.assertEqual([r["code"] for r in said["refused"]], ["unreadable", "unreadable"])
        self.assertEqual(played.post(played.batch(0)).json(), said)
        self.assertEqual(server.records(), texts.texts)
        other = json.dumps(texts.texts[4])[1:-1].replace("test", "text")
        answer = played.post({**played.batch(4), "records": [json.loads(f'"{other}"')]})
        self.assertEqual([r["code"] for r in answer.json()["refused"]], ["differs"])
        strange = Records(texts.ledger, boot=False)
        strange.texts = [""] * len(texts.texts)
        strange.boots = texts.boots
        strange.add("alarm", alarm="tamper")
        answer = played.post({**played.batch(), "records": strange.texts[-1:]})
        self.assertEqual([r["code"] for r in answer.json()["refused"]], ["not_linked"])
        self.assertEqual(len(server.lines("record_parked")), 2 + 2 + 1 + 1)

    def test_refusals_are_listed_up_to_a_limit(self):
        played = self.box(self.ops())
        for _ in range(40):
            played.records.append("{}")
        answer = played.post().json()
        self.assertEqual((answer["accepted_through"], len(answer["refused"])), (43, 16))

    def test_ledgers(self):
        """A new ledger closes the old one, which is not taken any more."""
        server = self.ops()
        server.account("ann", 3000000)
        played = self.box(server)
        old = played.records
        with played.stream() as stream:
            server.order("o-1")
            played.records.authorized(stream.command()[1])
            played.report()
        for _ in range(LEDGERS):
            played.records, played.accepted = Records(), 0
            played.report()
        self.assertEqual(server.status("box-1")["ledger"], played.records.ledger)
        answer = played.post({"ledger": old.ledger, "records": old.texts, "progress": []})
        self.assert_refused(answer, 409, "old_ledger")
        order = server.order_state("o-1")
        self.assertEqual((order["state"], order["ledger_lost"], server.balance("ann")), ("done", True, 3000000))

    def test_not_a_batch(self):
        server = self.ops()
        played = self.box(server)
        good = played.batch()
        for wrong in (b"", b"{}", b"[]", b"\xff\xfe", {**good, "ledger": "x"}, {**good, "records": [1]},
                      {**good, "records": "x"}, {**good, "records": ["x" * 9000]}, {**good, "records": [""] * 501},
                      {**good, "progress": {}}, {**good, "progress": [{}] * 17}, b"{" * 100000, b"[" * 100000,
                      b'{"a":"' + b"x" * 1000000):
            body = wrong if isinstance(wrong, bytes) else json.dumps(wrong).encode()
            answer = server.call("POST", "/v1/boxes/box-1/records", body, played.token)
            self.assert_refused(answer, 400, "bad_request")
        self.assertEqual(played.post(good).json()["accepted_through"], 3)

    def test_parked_records_are_shown(self):
        """With the reason, also of a ledger that is not the newest any more."""
        server = self.ops()
        played = self.box(server)
        old = played.records.ledger
        played.records.append("damaged")
        played.report(refused=[4])
        shown = server.operator("GET", "boxes/box-1/records?from=3")
        self.assertEqual([(r["seq"], r["code"]) for r in shown["refused"]], [(4, "unreadable")])
        self.assertTrue(shown["refused"][0]["why"])
        self.assertEqual(shown["records"][1], "damaged")
        Box(server, records=Records()).report()
        self.assertEqual(server.operator("GET", "boxes/box-1/records")["refused"], [])
        self.assertEqual(server.operator("GET", f"boxes/box-1/records?from=3&ledger={old}"), shown)
        server.operator("GET", f"boxes/box-1/records?ledger={'0' * 32}", status=404)

    def test_wrong_progress_is_skipped(self):
        """Telemetry that cannot be read, or used, holds up neither the records nor the other reports."""
        server = self.ops()
        played = self.box(server)
        played.records.boot()
        played.report(progress(2), progress(1, state="charging"), progress(1, energy_mwh=2 * 10 ** 15))
        self.assertEqual([o["outlet"] for o in server.status("box-1")["outlets"]], [2])
        self.assertEqual(len(server.lines("progress_skipped")), 1)
        played.records.boot()
        played.report(progress(1, state="supplying", order="o", energy_mwh=2 * 10 ** 15), progress(2), progress(2))
        self.assertEqual(len(server.lines("progress_skipped")), 2)

    def test_encodings(self):
        server = self.ops()
        played = self.box(server)
        body = json.dumps(played.batch()).encode()
        packed = gzip.compress(body)
        def post(data, encoding):
            return server.call("POST", "/v1/boxes/box-1/records", data, played.token, {"Content-Encoding": encoding})
        self.assertEqual(post(packed, "gzip").status, 200)
        self.assertEqual(post(packed, "GZIP").status, 200)
        for encoding in ("deflate", "br", "gzip, gzip", "zstd"):
            self.assert_refused(post(packed, encoding), 415, "unsupported_media_type")
        for damaged in (packed[:-5], packed + b"x", packed[:10] + b"\xff" + packed[11:], body, b"", b"\x1f\x8b",
                        packed + packed, zlib.compress(body)):
            self.assert_refused(post(damaged, "gzip"), 400, "bad_request")
        bomb = gzip.compress(b" " * (200 << 20), 9)
        self.assertLess(len(bomb), 1 << 20)
        before = server.rss_kib()
        self.assert_refused(post(bomb, "gzip"), 413, "too_large")
        self.assertLess(server.rss_kib() - before, 100 << 10)

    def test_oversized(self):
        server = self.ops()
        played = self.box(server)
        path = "/v1/boxes/box-1/records"
        for size in ((2 << 20) + 1, 5 << 20):
            self.assert_refused(server.call("POST", path, b" " * size, played.token), 413, "too_large")
        chunked = b"".join(b"100000\r\n" + b" " * (1 << 20) + b"\r\n" for _ in range(3)) + b"0\r\n\r\n"
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {played.token}\r\n"
        got = raw(server, f"{head}Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunked)
        self.assertTrue(got.startswith(b"HTTP/1.1 413 "), got[:200])
        got = raw(server, f"{head}Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n".encode())
        self.assertTrue(got.startswith(b"HTTP/1.1 413 "), got[:200])
        got = raw(server, f"{head}Content-Length: 99999999999999999999999\r\n\r\n".encode())
        self.assertRegex(got.split(b"\r\n")[0], rb"^HTTP/1.1 4\d\d ")
        # Who may not ask at all is told so before anything is sent.
        got = raw(server, f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
                          "Expect: 100-continue\r\n\r\n".encode())
        self.assertTrue(got.startswith(b"HTTP/1.1 401 "), got[:200])
        self.assertEqual(played.post(packed=True).status, 200)


class Strangers(ops.OpsTest):
    """Whatever comes over the socket, the others go on."""

    def setUp(self):
        self.server = self.ops("--log-level", "debug")
        self.played = self.box(self.server)
        self.chance = random.Random(box.arguments.seed)

    def tearDown(self):
        with self.played.stream() as stream:
            self.server.send(type="unlock", outlet=1)
            stream.command()
        self.assertEqual((self.played.post().status, self.server.check()), (200, []))

    def garbage(self):
        """Random bytes, or a good request with some of its bytes changed, cut somewhere."""
        c = self.chance
        if c.random() < 0.3:
            return c.randbytes(c.randrange(1, 3000))
        good = bytearray((f"{c.choice(('GET', 'POST', 'PUT', 'HEAD', 'OPTIONS', 'TRACE', 'X' * 50))} "
                          f"{c.choice(('/v1/boxes/box-1/records', '/v1/operator/boxes', '/v1/health', '*', '/%00'))} "
                          f"HTTP/1.{c.randrange(3)}\r\nHost: x\r\n"
                          f"Authorization: Bearer {c.choice((OPERATOR_TOKEN, self.played.token))}\r\n"
                          f"Content-Length: {c.choice(('2', '-1', '7', 'x'))}\r\n"
                          f"{c.choice(('', 'Transfer-Encoding: chunked' + chr(13) + chr(10)))}\r\n"
                          "{}").encode())
        for _ in range(c.randrange(6)):
            good[c.randrange(len(good))] = c.randrange(256)
        return bytes(good[:c.randrange(len(good) + 1)] if c.random() < 0.3 else good)

    def test_garbage(self):
        peers = [fling(self.server, self.garbage()) for _ in range(GARBAGE_REQUESTS)]
        self.assertEqual(self.played.post().status, 200)
        for peer in peers:
            peer.close()
        self.assertEqual(self.played.post().status, 200)
        log = self.server.log.read_bytes()
        self.assertTrue(all(byte == 10 or 32 <= byte < 127 for byte in log), "the log has other bytes than text")

    def test_headers(self):
        got = raw(self.server, b"GET /v1/health HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100000 + b"\r\n\r\n")
        self.assertRegex(got.split(b"\r\n")[0] or b"HTTP/1.1 431 ", rb"^HTTP/1.1 4\d\d ")
        got = raw(self.server, b"GET /" + b"y" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertRegex(got.split(b"\r\n")[0] or b"HTTP/1.1 414 ", rb"^HTTP/1.1 4\d\d ")
        got = raw(self.server, b"POST /v1/health HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                               b"Transfer-Encoding: chunked\r\n\r\n{}")
        self.assertRegex(got.split(b"\r\n")[0], rb"^(HTTP/1.1 4\d\d .*)?$")
        got = raw(self.server, b"GET /v1/health HTTP/1.0\r\n\r\n")
        self.assertIn(b'"ok":true', got)
        got = raw(self.server, b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        self.assertEqual(got.count(b'"ok":true'), 3)

    def test_names_in_the_log(self):
        self.server.call("GET", "/v1/operator/orders/a%0Aevent=forged%1b%22", token=OPERATOR_TOKEN)
        self.assertIn('name="a\\nevent=forged\\x1b\\""', self.server.text())

    def test_half_requests(self):
        """Cut in the middle: hung up, or left hanging while others work."""
        whole = (f"POST /v1/boxes/box-1/records HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.played.token}\r\n"
                 "Content-Length: 100\r\n\r\n{\"ledger\":").encode()
        for length in range(1, len(whole), 7):
            fling(self.server, whole[:length]).close()
        for length in range(1, len(whole), 11):
            peer = socket.create_connection(("127.0.0.1", self.server.port))
            self.addCleanup(peer.close)
            peer.sendall(whole[:length])
        self.assertEqual(self.played.post().status, 200)

    def test_idle_connections(self):
        peers = [socket.create_connection(("127.0.0.1", self.server.port)) for _ in range(IDLE_CONNECTIONS)]
        for peer in peers:
            self.addCleanup(peer.close)
        with self.played.stream() as stream:
            self.server.send(type="unlock", outlet=1)
            stream.command()
        self.assertEqual(self.played.post().status, 200)
        self.assertEqual(self.server.threads(), 1)

    def test_slow(self):
        """One byte now and then does not hold a connection for ever; a stream may be as quiet as it likes."""
        server = self.ops("--request-seconds", "1", "--log-level", "debug")
        with self.box(server).stream() as stream, socket.create_connection(("127.0.0.1", server.port)) as peer:
            def cut():
                with contextlib.suppress(BlockingIOError):
                    try:
                        return peer.send(b"G", socket.MSG_DONTWAIT) and peer.recv(1, socket.MSG_DONTWAIT) == b""
                    except ConnectionError:
                        return True
                return False
            wait_for("the server has had enough", cut)
            wait_for("it says so", lambda: server.lines("too_slow"))
            server.send(type="unlock", outlet=1)
            stream.command()

    def test_silent(self):
        """Who says nothing does not have the time of a long request."""
        server = self.ops("--request-seconds", "3600", "--log-level", "debug")
        with socket.create_connection(("127.0.0.1", server.port), timeout=box.PATIENCE_S) as peer:
            self.assertEqual(peer.recv(1), b"")
        self.assertEqual(len(server.lines("too_slow")), 1)

    def test_one_address(self):
        """It has no more connections than it may have; when one goes, there is room again."""
        server = self.ops("--max-per-address", "3")
        with contextlib.ExitStack() as peers:
            for _ in range(3):
                peer = peers.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=box.PATIENCE_S))
                peer.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
                self.assertTrue(peer.recv(1))
            self.assertEqual(raw(server, b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n"), b"")
        wait_for("room again", lambda: raw(server, b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n") != b"")

    def test_full(self):
        """More connections than allowed wait for their turn, and get it."""
        server = self.ops("--max-connections", "16")
        for number in range(60):
            # Full, and with room again, within one turn of the server's loop: it is held meanwhile.
            if number % 2 == 0:
                server.process.send_signal(signal.SIGSTOP)
            peers = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(number % 40)]
            for peer in peers:
                peer.close()
            if number % 2 == 0:
                server.process.send_signal(signal.SIGCONT)
            self.assertEqual(server.call("GET", "/v1/health").status, 200)

    def test_reset_streams(self):
        """Boxes that vanish without a word."""
        for number in range(50):
            stream = self.played.stream(heartbeat_s=1)
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            stream.close()
            if number % 5 == 0:
                self.server.send(type="unlock", outlet=1)
        wait_for("no stream", lambda: self.server.operator("GET", "server")["streams"] == 0)


class End(ops.OpsTest):
    """Stopped, killed, and started again."""

    def test_graceful(self):
        server = self.ops()
        played = [Box(server, f"box-{i}") for i in range(20)]
        with contextlib.ExitStack() as all_streams:
            streams = [all_streams.enter_context(p.stream()) for p in played]
            idle = socket.create_connection(("127.0.0.1", server.port))
            self.addCleanup(idle.close)
            self.assertEqual(server.stop(signal.SIGINT), 0)
            self.assertEqual([s.ended() for s in streams], [[]] * 20)

    def test_running_request(self):
        """What has begun may finish; nothing new begins."""
        server = self.ops()
        played = self.box(server)
        played.records.boot()
        body = json.dumps(played.batch()).encode()
        head = (f"POST /v1/boxes/box-1/records HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {played.token}\r\n"
                f"Content-Length: {len(body)}\r\nExpect: 100-continue\r\n\r\n").encode()
        with socket.create_connection(("127.0.0.1", server.port), timeout=box.PATIENCE_S) as peer:
            peer.sendall(head)
            self.assertIn(b"100 Continue", peer.recv(1000))
            server.process.send_signal(signal.SIGTERM)
            wait_for("stopping", lambda: server.lines("stopping"))
            with self.assertRaises(ConnectionError):
                server.call("GET", "/v1/health")
            peer.sendall(body)
            got = b""
            while part := peer.recv(4096):
                got += part
        self.assertIn(b'"accepted_through":4', got)
        self.assertEqual(server.wait(), 0)

    def test_request_that_never_ends(self):
        server = self.ops()
        token = server.provision("box-1")
        with socket.create_connection(("127.0.0.1", server.port), timeout=box.PATIENCE_S) as peer:
            peer.sendall(f"POST /v1/boxes/box-1/records HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
                         "Content-Length: 10\r\nExpect: 100-continue\r\n\r\n".encode())
            self.assertIn(b"100 Continue", peer.recv(1000))
            self.assertEqual(server.stop(), 0)

    @staticmethod
    def limit_files(server, size):
        subprocess.run(["prlimit", "--pid", str(server.process.pid), f"--fsize={size}:"], check=True)

    def test_disk_full(self):
        """What cannot be stored is not accepted; once there is room, everything goes on."""
        server = self.ops("--log-level", "error", wrap=("prlimit", "--fsize=400000:"))
        server.account("ann", 3000000)
        played = self.box(server)
        for number in range(5000):
            played.records.add("alarm", alarm="tamper", detail=f"door {number}")
        with played.stream() as stream:
            while (answer := played.post()).status == 200:
                played.accepted = answer.json()["accepted_through"]
                self.assertLess(played.accepted, len(played.records.texts))
            self.assert_refused(answer, 503, "unavailable")
            self.assertGreater(int(answer.headers["Retry-After"]), 0)
            self.limit_files(server, 1000)  # not even an order fits
            self.assertEqual(server.operator("PUT", "orders/o-1", {
                "box": "box-1", "outlet": 1, "account": "ann", "mode": "local", "tariff": tariff(),
                "credit_micros": 1000000, "hold_ms": 600000}, 503)["error"]["code"], "unavailable")
            self.assertEqual((server.balance("ann"), server.check()), (3000000, []))
            self.assertEqual(server.status("box-1")["accepted_through"], played.accepted)
            self.limit_files(server, "unlimited")
            played.report()
            server.order("o-1")
            self.assertEqual(stream.command()[1]["type"], "authorize")
        self.assertEqual(server.records(), played.records.texts)

    def test_killed(self):
        """Whatever was answered is there afterwards, and nothing twice."""
        server = self.ops()
        server.account("ann")
        played = self.box(server)
        answered = []
        def work():
            with contextlib.suppress(OSError, AssertionError, box.Gone):
                for number in range(100000):
                    server.operator("POST", "accounts/ann/recharges", {"micros": 1 + number, "key": f"k-{number}"})
                    answered.append(1 + number)
        for _ in range(3):
            before = len(answered)
            answered.clear()
            worker = threading.Thread(target=work)
            worker.start()
            wait_for("some work", lambda: len(answered) > before + 20)
            server.kill()
            worker.join()
            server.start()
        balance, done = server.balance("ann"), len(answered)
        self.assertIn(balance, (sum(answered), sum(answered) + done + 1))  # the last may be done without an answer
        with played.stream() as stream:
            server.order("o-1", credit=1)
            authorize = stream.command()[1]
            server.kill()
            self.assertEqual(stream.ended(), [])
        server.start()
        self.assertEqual((server.order_state("o-1")["state"], server.balance("ann")), ("sent", balance - 1))
        with played.stream(last=0) as stream:
            self.assertEqual(stream.command()[1], authorize)
            played.records.authorized(authorize)
            played.report()
        server.kill()
        server.start()
        self.assertEqual(server.order_state("o-1")["state"], "open")
        self.assertEqual(server.records(), played.records.texts)
        self.assertEqual(server.check(), [])


if __name__ == "__main__":
    ops.main()
