#!/usr/bin/env python3
"""The interface file and what holds traffic against it: first the judges themselves, then the real server and box.

usage: test_api.py --contract ops-api.yaml [--meterbox-ops PATH --meterboxd PATH --boxsim PATH] [--seed N]
       [unittest's arguments]

Without the programs only the judges are tested.
"""
import argparse
import base64
import copy
import gzip
import hashlib
import json
import random
import re
import select
import socket
import sqlite3
import sys
import tempfile
import threading
import unittest
import urllib.parse
import warnings
from pathlib import Path

sys.dont_write_bytecode = True
import api  # noqa: E402
import box  # noqa: E402
import ops  # noqa: E402
import yaml  # noqa: E402
from api import Contract, Malformed, Tap, answer, request  # noqa: E402
from box import wait_for  # noqa: E402
from jsonschema import Draft202012Validator, RefResolver  # noqa: E402
from tapped import TappedOps, read_contract, unseen  # noqa: E402

LEDGER = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
DATE = ("Date", "Sat, 21 Nov 2026 01:38:46 GMT")
JSON = ("Content-Type", "application/json")
TOKEN = ("Authorization", "Bearer 0123456789abcdef")
TIME = "2026-11-21T01:38:46.123Z"
PATIENCE_S = 60.0

arguments = argparse.Namespace()


# --- good values of everything ---

TARIFF = {"id": "flat", "version": 3, "currency": "CNY", "energy_price_micros": 800000, "service_price_micros": 100000,
          "start_fee_micros": 5000, "quantum_micros": 10000, "rounding": "half_up"}
BY_TIME = {"id": "day", "version": 1, "currency": "CNY", "rates": [{"name": "valley", "price_micros": 300000},
           {"name": "peak", "price_micros": 900000}], "periods": [{"from_min": 0, "rate": 0},
                                                                  {"from_min": 420, "rate": 1}],
           "utc_offset_min": 480, "quantum_micros": 10000, "rounding": "down"}
GRANT = {"order": "order-1", "account": "acct-1", "session_kind": "customer", "mode": "remote", "tariff": TARIFF,
         "credit_micros": 10000000, "lease_ms": 60000, "hold_ms": 600000, "limit_mwh": 0, "limit_micros": 0,
         "limit_ms": 0, "full_ma": 500, "full_ms": 600000}
SERVICE = {name: value for name, value in GRANT.items() if name not in ("account", "tariff")}
SERVICE.update(session_kind="service", mode="local", lease_ms=0)
RECEIPT = {"reason": "customer", "start_mwh": 1000, "energy_mwh": 220000, "rates_mwh": [200000, 20000],
           "amount_micros": 176000, "energised_ms": 113200,
           "settled": True}
SESSION = {"outlet": 1, "order": "order-1"}
DETAILS = {
    "boot": {"version": "1.0"},
    "meter": {"outlet": 1, "register_mwh": 0, "serial": "000000000001"},
    "reserved": {"outlet": 16, "account": "acct-1", "hold_ms": 600000},
    "released": {"outlet": 1},
    "authorized": {**SESSION, "grant": GRANT},
    "started": {**SESSION, "register_mwh": 1000, "rate": 0},
    "paused": {**SESSION, "register_mwh": 1000, "reason": "door", "energised_ms": 5},
    "resumed": {**SESSION, "register_mwh": 1000},
    "boundary": {**SESSION, "register_mwh": 1000, "rate": 1, "rate_from": TIME, "unknown_time": False},
    "mark": {**SESSION, "register_mwh": 1000, "energised_ms": 300000},
    "credit": {**SESSION, "credit_micros": 5, "lease_ms": 0},
    "stopping": {**SESSION, "register_mwh": 1000, "reason": "customer", "energised_ms": 5},
    "ended": {**SESSION, "register_mwh": 221000, "receipt": RECEIPT},
    "available": SESSION,
    "fault": {"outlet": 1, "fault": "welded"},
    "cleared": {"outlet": 1, "actor": "technician", "name": "tess"},
    "service_mode": {"outlet": 1, "out": True},
    "alarm": {"alarm": "tamper", "detail": "the metering box was opened"},
    "command": {"outlet": 1, "id": "c-7", "command_seq": 7, "type": "stop", "actor": "server", "name": "Wei",
                "outcome": "refused", "detail": "no such session on this outlet"},
}
ARGUMENTS = {
    "authorize": {"grant": GRANT},
    "start": {"order": "order-1"},
    "stop": {"order": "order-1"},
    "power_off": {"order": "order-1"},
    "credit": {"order": "order-1", "credit_micros": 5, "lease_ms": 0},
    "unlock": {"work_order": "w-1"},
    "reserve": {"account": "acct-1", "hold_ms": 60000},
    "release": {},
    "clear_fault": {},
    "out_of_service": {"out": False},
    "service": {"order": "service-1"},
    "departed": {"order": "order-1"},
}
PROGRESS = {"outlet": 1, "mono_ms": 934881, "time": TIME, "time_quality": "synchronised", "state": "supplying",
            "missing": 0,
            "order": "order-1", "has_register": True, "register_mwh": 1000, "reading_age_ms": 120, "power_mw": 7000000,
            "energy_mwh": 500, "rates_mwh": [500], "energised_ms": 7200000, "cost_micros": 400, "remaining_micros": 9999600, "remaining_ms": -1,
            "low_credit": False}
# What may be left out of a good value, by its name.
OPTIONAL = {"rate", "rates_mwh", "utc_offset_min", "version", "detail", "name", "service_price_micros",
            "start_fee_micros", "work_order", "newest", "full_ma", "full_ms"}


def record(kind, seq=12, **more):
    return {"schema": 1, "ledger": LEDGER, "prev": "a" * 64, "seq": seq, "boot": 2, "mono_ms": 934881, "time": TIME,
            "time_quality": "synchronised", "kind": kind, **copy.deepcopy(DETAILS[kind]), **more}


def command(kind, seq=7, **more):
    return {"box": "box-1", "ledger": LEDGER, "id": f"c-{seq}", "seq": seq, "not_after": TIME, "type": kind,
            "outlet": 1,
            "actor": "technician", "name": "tess", **copy.deepcopy(ARGUMENTS[kind]), **more}


def batch(records=(), progress=()):
    return {"ledger": LEDGER, "newest": len(records), "records": [json.dumps(r, separators=(",", ":")) for r in records],
            "progress": list(progress)}


def jws(payload, header=None, signature=bytes(64)):
    def part(data):
        return base64.urlsafe_b64encode(data).decode().rstrip("=")
    return ".".join([part(json.dumps(header or {"alg": "ES256"}).encode()), part(json.dumps(payload).encode()),
                     part(signature)])


def event(value, seq=None, data=None):
    return f"id: {seq or value['seq']}\nevent: command\ndata: {data or jws(value)}\n\n"


def planted(value, at=()):
    """Every small damage to a value: (what, the damaged value). Each must be found."""
    def damaged(change):
        whole = copy.deepcopy(value)
        inner = whole
        for step in at:
            inner = inner[step]
        change(inner)
        return whole
    inner = value
    for step in at:
        inner = inner[step]
    if isinstance(inner, dict):
        yield f"{at}: unknown field", damaged(lambda d: d.update(new_field=1))
    for key in list(inner) if isinstance(inner, dict) else range(len(inner)):
        where = (*at, key)
        child = inner[key]
        if isinstance(inner, dict) and key not in OPTIONAL:
            yield f"{where}: missing", damaged(lambda d, k=key: d.pop(k))
        damages = ([], None, "", "a\\b", "x" * 201, -2 ** 53, 2 ** 53)
        for wrong in {"records": ({}, None, 5), "progress": ({}, None, 5), "rates_mwh": ({}, None, 5),
                      "why": ([], None, 5, "x" * 160),
                      "message": ([], None, 5, "")}.get(key, damages):
            if type(wrong) is not type(child) or wrong != child:
                yield f"{where}: {wrong!r:.20}", damaged(lambda d, k=key, w=wrong: d.__setitem__(k, w))
        if isinstance(child, bool):
            yield f"{where}: 1", damaged(lambda d, k=key: d.__setitem__(k, 1))
        elif isinstance(child, (dict, list)):
            yield from planted(value, where)


def contract():
    """The file; no test changes it."""
    return read_contract(arguments.contract)


class JudgeTest(unittest.TestCase):
    def setUp(self):
        self.contract = contract()

    def assert_good(self, wrong):
        self.assertEqual(wrong, [])

    def assert_found(self, wrong, *words):
        self.assertNotEqual(wrong, [], "not found")
        text = "\n".join(wrong)
        for word in words:
            self.assertIn(word, text)


class TheFile(JudgeTest):
    """What a sound file is."""

    def broken(self, change):
        document = copy.deepcopy(self.contract.document)
        change(document)
        return api.Soundness(document).look()

    def test_it_is_sound(self):
        self.assertEqual(self.broken(lambda d: None), [])
        self.assertGreaterEqual(len(self.contract.operations), 29)

    def test_what_is_broken_is_found(self):
        def schemas(document):
            return document["components"]["schemas"]
        post = ("paths", "/v1/boxes/{box}/records", "post")
        def at(document, *steps):
            for step in steps:
                document = document[step]
            return document
        for word, change in (
                ("points to nothing",
                 lambda d: schemas(d)["Batch"]["properties"]["ledger"].update({"$ref": "#/components/schemas/No"})),
                ("nothing refers to it", lambda d: schemas(d).update(Lonely={"type": "string"})),
                ("not a keyword", lambda d: schemas(d)["Batch"].update(requred=["ledger"])),
                ("not a schema", lambda d: schemas(d)["Batch"].update(type="objekt")),
                ("not a schema", lambda d: schemas(d)["Micros"].update(minimum="0")),
                ("says nothing of unknown fields", lambda d: schemas(d)["Batch"].pop("additionalProperties")),
                ("begins anywhere", lambda d: schemas(d)["Hash"].update(pattern="[0-9a-f]{64}$")),
                ("does not say that its kind is",
                 lambda d: schemas(d)["RecordBoot"]["properties"]["kind"].update(const="boat")),
                ("not the list of oneOf", lambda d: schemas(d)["Record"]["oneOf"].pop()),
                ("an example does not keep to it", lambda d: schemas(d)["BatchAnswer"]["examples"][0].pop("refused")),
                ("operations have this id", lambda d: at(d, *post).update(operationId="getBox")),
                ("responses is missing", lambda d: at(d, *post).pop("responses")),
                ("is not a status", lambda d: at(d, *post,
                                                 "responses").update({200: at(d, *post, "responses").pop("200")})),
                ("no security scheme", lambda d: at(d, *post).update(security=[{"card": []}])),
                ("not those declared", lambda d: at(d, "paths", "/v1/boxes/{box}/records").update(parameters=[])),
                ("is not known here", lambda d: at(d, *post).update(sumary="x")),
                ("takes a contentMediaType", lambda d: at(schemas(d), "Batch", "properties", "records",
                                                          "items").pop("contentMediaType")),
                ("must be 3.1.x", lambda d: d.update(openapi="3.0.3"))):
            with self.subTest(word):
                self.assert_found(self.broken(change), word)

    def test_a_key_that_stands_twice(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write("openapi: 3.1.0\ninfo: {}\ninfo: {}\n")
            file.flush()
            with self.assertRaisesRegex(Malformed, "info stands twice"):
                Contract(file.name)


class TheTables(JudgeTest):
    """The file against the tables of the C sources, so that a new word or field is not forgotten here."""
    SOURCES = Path(__file__).resolve().parents[2] / "src"
    LISTS = {"end_reason": "EndReason", "outlet_state": "OutletState", "fee_mode": "FeeMode",
             "outlet_fault": "OutletFault", "actor": "Actor", "time_quality": "TimeQuality",
             "command_type": "CommandType",
             "rounding": "Tariff.rounding", "session_kind": "Grant.session_kind", "alarm": "RecordAlarm.alarm",
             "command_outcome": "RecordCommand.outcome"}
    TABLES = {"grant": ["Grant"], "receipt": ["Receipt"], "progress": ["Progress"], "command": ["Command"],
              "tariff": ["Tariff", "FlatPrice", "PriceByTime"], "batch": ["Batch"], "answer": ["BatchAnswer"],
              "refusal": ["Refusal"], "record": ["Record"], "link": ["Record"], "schema": ["Record"]}
    # What batch.c writes without a table, and what the other tables of a record have.
    BESIDE = {"Batch": {"records", "progress"}, "BatchAnswer": {"refused"}, "Refusal": {"why"}}
    MOMENT = {"mono_ms", "time", "time_quality"}

    def source(self, *path):
        return self.SOURCES.joinpath(*path).read_text(encoding="utf-8")

    def schemas(self):
        return self.contract.document["components"]["schemas"]

    def names(self, *schemas):
        """Of the fields, as the file has them."""
        return {name for schema in schemas for name in self.schemas()[schema].get("properties", {})}

    def test_words(self):
        text = self.source("model", "words.c") + self.source("model", "record.c")
        lists = dict(re.findall(r"(\w+)_names\[\w*\] = \{(.*?)\};", text, re.S))
        for name, place in self.LISTS.items():
            with self.subTest(name):
                schema, _, field = place.partition(".")
                known = self.schemas()[schema]["properties"][field] if field else self.schemas()[schema]
                self.assertEqual(set(re.findall(r'"(\w+)"', lists[name])), set(known["enum"]))
        self.assertEqual(set(re.findall(r'"(\w+)"', lists["record_kind"])), set(DETAILS))
        missing = len(re.findall(r"MISSING_\w+ = 1 << \d+", self.source("model", "words.h")))
        self.assertEqual(self.schemas()["Progress"]["properties"]["missing"]["maximum"], 2 ** missing - 1)

    def test_fields(self):
        text = self.source("wire", "wire.c") + self.source("wire", "batch.c")
        tables = re.findall(r"struct field (\w+)_fields\[\] = \{(.*?)\n\};", text, re.S)
        found = {}
        for table, body in tables:
            for schema in self.TABLES.get(table, [])[:1]:
                found.setdefault(schema, set()).update(re.findall(r'\{\s*"(\w+)",\s*FIELD_', body))
                found[schema] |= self.MOMENT if "MOMENT_FIELDS" in body else set()
        self.assertEqual(set(found), {schemas[0] for schemas in self.TABLES.values()})
        found["Record"].add("register_mwh")
        for schemas in self.TABLES.values():
            with self.subTest(schemas[0]):
                self.assertEqual(found[schemas[0]] | self.BESIDE.get(schemas[0], set()), self.names(*schemas))

    def test_details(self):
        text = self.source("wire", "wire.c")
        for macro, base, word in (("DETAIL", "Record", "kind"), ("ARGUMENT", "Command", "type")):
            entries = re.findall(rf"\[{base.upper()}_(\w+)\] = \{{(.*?{macro}.*?)\}},?\n", text, re.S)
            table = {kind.lower(): set(re.findall(rf'{macro}\("(\w+)"', body)) for kind, body in entries}
            self.assertGreater(len(table), 5)
            for name, reference in self.schemas()[base]["discriminator"]["mapping"].items():
                with self.subTest(f"{base} {name}"):
                    fields = self.names(reference.rsplit("/", 1)[1]) - {word, "outlet", "actor"}
                    self.assertEqual(table.get(name, set()) - {"actor"}, fields)


class Values(JudgeTest):
    """Records, commands and the rest: good ones pass, each planted damage is found, and the stock validator agrees."""

    def setUp(self):
        super().setUp()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.stock = Draft202012Validator(
                {}, resolver=RefResolver("", self.contract.document))

    def check(self, name, value):
        self.assert_good(self.contract.judge(value, name))
        stock = self.stock.evolve(schema=self.contract.schema(name))
        self.assertTrue(stock.is_valid(value))
        count = 0
        for what, damaged in planted(value):
            with self.subTest(what, value=name):
                self.assert_found(self.contract.judge(damaged, name))
                self.assertFalse(stock.is_valid(damaged), "the stock validator finds nothing")
            count += 1
        self.assertGreater(count, 10)

    def test_records(self):
        self.assertEqual(set(DETAILS),
                         set(self.contract.document["components"]["schemas"]["Record"]["discriminator"]["mapping"]))
        for kind in DETAILS:
            value = record(kind)
            optional = {"paused", "stopping", "ended"}  # there the register may be unknown
            with self.subTest(kind):
                if kind in optional:
                    without = {key: item for key, item in value.items() if key != "register_mwh"}
                    self.assert_good(self.contract.judge(without, "Record"))
                    value = without
                if kind == "command":
                    without = {key: item for key, item in value.items() if key != "outlet"}
                    self.assert_good(self.contract.judge(without, "Record"))
                    value = without
                self.check("Record", value)

    def test_commands(self):
        self.assertEqual(set(ARGUMENTS), set(self.contract.document["components"]["schemas"]["CommandType"]["enum"]))
        for kind in ARGUMENTS:
            with self.subTest(kind):
                value = command(kind)
                if kind == "unlock":
                    value.pop("outlet")
                    OPTIONAL.discard("work_order")
                OPTIONAL.discard("name")
                try:
                    self.check("Command", value)
                finally:
                    OPTIONAL.update(("work_order", "name"))

    def test_others(self):
        for name, value in (("Tariff", TARIFF), ("Tariff", BY_TIME), ("Grant", GRANT), ("Grant", SERVICE),
                            ("Receipt", RECEIPT), ("Batch", batch([], [PROGRESS])),
                            ("Refusal", {"seq": 1, "code": "differs", "why": "another record"}),
                            ("Error", {"error": {"code": "conflict", "message": "it is there already"}}),
                            ("Movement", {"micros": 1, "key": "k"})):
            with self.subTest(name):
                OPTIONAL.update(("order", "energised_ms"))  # of progress; where they must be, others of these tests say so
                try:
                    self.check(name, value)
                finally:
                    OPTIONAL.difference_update(("order", "energised_ms"))

    def test_what_depends_on_another_field(self):
        for name, value in (
                ("Record", record("boot", outlet=1)), ("Record", record("alarm", register_mwh=5)),
                ("Record", record("fault", fault="none")), ("Record", {**record("started"), "grant": GRANT}),
                ("Record", record("ended", receipt={**RECEIPT, "settled": 1})),
                ("Record", {**record("boot"), "kind": "boat"}),
                ("Grant", {**GRANT, "lease_ms": 0}), ("Grant",
                                                      {**GRANT, "tariff": {**TARIFF, "periods": BY_TIME["periods"]}}),
                ("Grant", {**GRANT, "tariff": {**BY_TIME, "energy_price_micros": 5}}),
                ("Command", command("stop", actor="operator", name="")),
                ("Command", command("service", actor="operator")),
                ("Command", {**command("authorize"), "grant": {**GRANT, "session_kind": "service"}}),
                ("Command", {key: value for key, value in command("unlock",
                                                                  actor="operator").items() if key != "outlet"}),
                ("Check", {"ok": False}), ("Check", {"ok": True, "why": "x"}),
                ("OrderRequest", {"box": "b", "outlet": 1, "account": "a", "mode": "remote", "tariff": TARIFF,
                                  "credit_micros": 1, "hold_ms": 1})):
            with self.subTest(f"{name} {value}"):
                self.assert_found(self.contract.judge(value, name))
                self.assertFalse(self.stock.evolve(schema=self.contract.schema(name)).is_valid(value))

    def test_numbers_and_texts(self):
        for value in ("1.0", "1e3", "9007199254740992", "-9007199254740992", "NaN", "9" * 5000):
            with self.subTest(value):
                with self.assertRaises(Malformed):
                    api.parse_json(f'{{"a":{value}}}')
        for value in ('{"a":1,"a":2}', '{"a":"\\u0000"}', '{"a":1', '[1]x', "\ufeff{}", "[" * 100000):
            with self.subTest(value[:20]):
                with self.assertRaises(Malformed):
                    api.parse_json(value)
        self.assertEqual(api.parse_json('{"a":"\\\\u0000","b":9007199254740991}'), {"a": "\\u0000", "b": 2 ** 53 - 1})
        self.assert_found(self.contract.judge("order-1\n", "OrderNumber"))
        self.assert_found(self.contract.judge(True, "Seq"))
        self.assert_found(self.contract.judge("2026-02-21T23:59:60.000Z", "Time"))


class Requests(JudgeTest):
    TARGET = "/v1/boxes/box-1/records"

    def post(self, value, *headers, target=TARGET):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.contract.check_request(request("POST", target, [TOKEN, *(headers or [JSON])], body))

    def test_good_ones(self):
        self.assert_good(self.post(batch([record(kind) for kind in DETAILS], [PROGRESS])))
        packed = gzip.compress(json.dumps(batch([record("boot")])).encode())
        self.assert_good(self.post(packed, JSON, ("Content-Encoding", "gzip")))
        stream = "/v1/boxes/box-1/commands"
        self.assert_good(self.contract.check_request(request("GET", stream, [TOKEN])))
        self.assert_good(self.contract.check_request(request("GET", stream + "?heartbeat_s=240", [
            TOKEN, ("Last-Event-ID", "17"), ("Accept", "text/event-stream")])))
        self.assert_good(self.contract.check_request(request("GET", "/v1/health")))
        self.assert_good(self.contract.check_request(request("GET", "/v1/operator/orders/a%20b", [TOKEN])))
        for path, cookie in (("customer", "meterbox_customer"), ("operator", "meterbox_staff")):
            self.assert_good(self.contract.check_request(request("GET", f"/v1/{path}/session", [
                ("Cookie", f"a=1; {cookie}={'0f' * 32}")])))

    def test_a_bad_record_within_the_string(self):
        for word, text in (("beyond 2^53", json.dumps(record("boot", boot=2 ** 53))),
                           ("kind is 'boat'", json.dumps({**record("boot"), "kind": "boat"})),
                           ("unknown fields: colour", json.dumps(record("boot", colour="red"))),
                           ("not JSON", '{"schema":1'),
                           ("not written as an integer",
                            json.dumps(record("boot")).replace('"boot": 2', '"boot": 2.0')),
                           ("stands twice", json.dumps(record("boot")).replace('"boot": 2', '"boot": 2, "boot": 2'))):
            with self.subTest(word):
                self.assert_found(self.post({"ledger": LEDGER, "records": [text], "progress": []}), word)

    def test_bad_ones(self):
        good = batch([record("boot")])
        packed = gzip.compress(json.dumps(good).encode())
        coded = (JSON, ("Content-Encoding", "gzip"))
        for word, wrong in (
                ("Content-Type", self.post(good, ("Content-Type", "text/plain"))),
                ("Content-Type", self.contract.check_request(request("POST", self.TARGET, [TOKEN], b"{}"))),
                ("not gzip", self.post(json.dumps(good).encode(), *coded)),
                ("cut short", self.post(packed[:-4], *coded)),
                ("follows the gzip", self.post(packed + b"x", *coded)),
                ("Content-Encoding", self.post(good, JSON, ("Content-Encoding", "br"))),
                ("not UTF-8", self.post(b'{"ledger":"\xff"}')),
                ("no Authorization", self.contract.check_request(request("POST", self.TARGET, [JSON],
                                                                         json.dumps(good).encode()))),
                ("not Bearer", self.contract.check_request(request("GET", "/v1/operator/check",
                                                                   [("Authorization", "Basic eDp5")]))),
                ("no cookie", self.contract.check_request(request("GET", "/v1/customer/session", [
                    TOKEN, ("Cookie", "meterbox_staff=" + "0f" * 32)]))),
                ("no Authorization", self.contract.check_request(request("GET", "/v1/operator/check", [
                    ("Cookie", "meterbox_staff=0f")]))),
                ("path parameter box", self.post(good, target="/v1/boxes/box%201/records")),
                ("unknown query parameter", self.post(good, target=self.TARGET + "?a=1")),
                ("unknown path", self.post(good, target="/v1/boxes/box-1/record")),
                ("unknown method", self.contract.check_request(request("DELETE", self.TARGET, [TOKEN]))),
                ("maxItems is 500", self.post({"ledger": LEDGER, "records": ["{}"] * 501, "progress": []})),
                ("a body where none", self.contract.check_request(request("GET", "/v1/health", [], b"{}"))),
                ("stands twice", self.contract.check_request(request("GET", "/v1/health", [DATE, DATE]))),
                ("no Host", self.contract.check_request(api.Message(("GET", "/v1/health", "HTTP/1.1"), [])))):
            with self.subTest(word):
                self.assert_found(wrong, word)

    def test_parameters(self):
        for target in ("heartbeat_s=0", "heartbeat_s=3601", "heartbeat_s=1.5", "heartbeat_s=",
                       "heartbeat_s=60&heartbeat_s=60", "heartbeat=60"):
            with self.subTest(target):
                self.assert_found(self.contract.check_request(request("GET", "/v1/boxes/b/commands?" + target,
                                                                      [TOKEN])), "query parameter")
        for name, value in (("Last-Event-ID", "-1"), ("Last-Event-ID", "x"), ("Last-Event-ID", str(2 ** 53)),
                            ("Accept", "application/json")):
            with self.subTest(f"{name}: {value}"):
                self.assert_found(self.contract.check_request(request("GET", "/v1/boxes/b/commands",
                                                                      [TOKEN, (name, value)])), name)


class Answers(JudgeTest):
    def judge(self, method, target, status, value, *headers):
        body = value if isinstance(value, bytes) else json.dumps(value).encode()
        return self.contract.check_answer(self.contract.find(method, target),
                                          answer(status, headers or [DATE, JSON], body), method)

    def error(self, code):
        return {"error": {"code": code, "message": "because"}}

    def test_good_ones(self):
        self.assert_good(self.judge("POST", "/v1/boxes/b/records", 200, {"accepted_through": 12, "refused": []}))
        self.assert_good(self.judge("POST", "/v1/boxes/b/records", 409, self.error("old_ledger")))
        self.assert_good(self.judge("GET", "/v1/boxes/b/commands", 429, self.error("too_many_streams"), DATE, JSON,
                                    ("Retry-After", "30")))
        self.assert_good(self.judge("GET", "/v1/operator/check", 200, {"ok": False, "why": "books"}))
        self.assert_good(self.judge("GET", "/v1/operator/check", 401, self.error("unauthorized"), DATE, JSON,
                                    ("WWW-Authenticate", "Bearer")))
        self.assert_good(self.judge("GET", "/v1/operator/nothing", 404, self.error("not_found")))
        self.assert_good(self.judge("POST", "/v1/operator/boxes/b", 405, self.error("method_not_allowed"), DATE, JSON,
                                    ("Allow", "GET, PUT")))

    def test_bad_ones(self):
        target = "/v1/boxes/b/records"
        good = {"accepted_through": 12, "refused": []}
        for word, wrong in (
                ("not documented", self.judge("POST", target, 418, good)),
                ("not documented", self.judge("POST", target, 202, good)),
                ("not documented", self.judge("POST", target, 405, good)),
                ("not documented", self.judge("GET", "/nothing", 200, good)),
                ("Content-Type", self.judge("POST", target, 200, good, DATE, ("Content-Type", "text/html"))),
                ("no Date", self.judge("POST", target, 200, good, JSON)),
                ("Date", self.judge("POST", target, 200, good, JSON, ("Date", "today"))),
                ("no Retry-After", self.judge("POST", target, 503, self.error("unavailable"))),
                ("Retry-After", self.judge("POST", target, 503, self.error("unavailable"), DATE, JSON,
                                           ("Retry-After", "soon"))),
                ("no WWW-Authenticate", self.judge("POST", target, 401, self.error("unauthorized"))),
                ("old_ledger", self.judge("POST", target, 409, self.error("conflict"))),
                ("error", self.judge("POST", target, 400, {"code": "bad_request"})),
                ("message", self.judge("POST", target, 400, {"error": {"code": "bad_request"}})),
                ("refused", self.judge("POST", target, 200, {"accepted_through": 12})),
                ("beyond 2^53", self.judge("POST", target, 200, b'{"accepted_through":9007199254740992,"refused":[]}')),
                ("may not", self.judge("GET", "/v1/operator/check", 200, {"ok": True, "why": "x"})),
                ("Allow does not name PUT", self.judge("POST", "/v1/operator/boxes/b", 405,
                                                       self.error("method_not_allowed"), DATE, JSON, ("Allow", "GET"))),
                ("Cache-Control", self.judge("GET", "/v1/boxes/b/commands", 200, b"", DATE,
                                             ("Content-Type", "text/event-stream")))):
            with self.subTest(word):
                self.assert_found(wrong, word)


class Events(JudgeTest):
    def reader(self, after=0):
        schema = self.contract.stream_schema(self.contract.find("GET", "/v1/boxes/box-1/commands"),
                                             answer(200, [("Content-Type", "text/event-stream")]))
        return api.EventReader(self.contract, schema, "box-1", after)

    def read(self, text, after=0):
        reader = self.reader(after)
        return [wrong for byte in text.encode() for wrong in reader.feed(bytes([byte]))]

    def test_good_ones(self):
        text = ": open\n\n" + event(command("stop", 3)) + event(command("start", 8)) + ": heartbeat\n\n" + \
            event(command("departed", 9), data=json.dumps(command("departed", 9)))
        self.assert_good(self.read(text, after=5))
        reader = self.reader()
        self.assert_good(reader.feed((": open\n\n" + "".join(event(command(kind, i)) for i,
                                                             kind in enumerate(ARGUMENTS, 1))).encode()))
        self.assertEqual([e["type"] for e in reader.events], list(ARGUMENTS))
        self.assert_good(self.read(": open\n\nid: 7\neve"))  # cut in the middle

    def test_bad_ones(self):
        good = command("start", 8)
        for word, text in (
                ("begins with", event(good)), ("unknown field", ": open\n\nretry: 5\n\n"),
                ("twice", ": open\n\nid: 8\n" + event(good)),
                ("event: ", ": open\n\n" + event(good).replace("event: command", "event: order")),
                ("'id' is a required", ": open\n\n" + event(good).replace("id: 8\n", "")),
                ("not the command's seq", ": open\n\n" + event(good, 9)),
                ("stream of box-1", ": open\n\n" + event({**good, "box": "box-2"})),
                ("three parts", ": open\n\n" + event(good, data="a.b")),
                ("64 bytes", ": open\n\n" + event(good, data=jws(good, signature=bytes(63)))),
                ("ES256", ": open\n\n" + event(good, data=jws(good, {"alg": "none"}))),
                ("base64url", ": open\n\n" + event(good, data=jws(good) + "=")),
                ("type is 'dance'", ": open\n\n" + event({**good, "type": "dance"})),
                ("'order' is a required", ": open\n\n" + event({k: v for k, v in good.items() if k != "order"})),
                ("unknown fields", ": open\n\n" + event({**good, "speed": 1})),
                ("carriage return", ": open\n\n" + event(good).replace("\n", "\r\n")),
                ("ends nothing", ": open\n\n\n" + event(good)), ("after 5", ": open\n\n" + event(command("start", 4))),
                ("after 8", ": open\n\n" + event(good) * 2), ("not UTF-8", None)):
            with self.subTest(word):
                reader = self.reader(5)
                wrong = reader.feed(b": open\n\n\xff\n\n" if text is None else text.encode())
                self.assert_found(wrong, word)


# --- the tap ---


class Peers:
    """A tap between two sockets that the test holds itself."""

    def __init__(self, test, strict=True):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(PATIENCE_S)
        self.tap = Tap(test.contract, self.listener.getsockname()[1], strict)
        test.addCleanup(self.listener.close)
        test.addCleanup(self.tap.close)
        self.test = test

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.tap.port), PATIENCE_S)
        server = self.listener.accept()[0]
        server.settimeout(PATIENCE_S)
        for one in (client, server):
            self.test.addCleanup(one.close)
        return client, server


def receive(connection, count):
    data = b""
    while len(data) < count:
        got = connection.recv(count - len(data))
        if not got:
            raise AssertionError(f"the connection ended after {len(data)} of {count} bytes")
        data += got
    return data


def ended(connection):
    """Whether the other side has hung up; waits until it does or sends something."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def post_text(value, *headers, chance=None):
    body = json.dumps(value).encode()
    lines = ["POST /v1/boxes/box-1/records HTTP/1.1", "Host: localhost", f"{TOKEN[0]}: {TOKEN[1]}",
             "Content-Type: application/json"]
    lines += headers
    if chance is None:
        return "\r\n".join(lines + [f"Content-Length: {len(body)}", "", ""]).encode() + body
    text = "\r\n".join(lines + ["Transfer-Encoding: chunked", "", ""]).encode()
    while body:
        size = chance.randint(1, len(body))
        text += b"%x\r\n" % size + body[:size] + b"\r\n"
        body = body[size:]
    return text + b"0\r\n\r\n"


def answer_text(status, value, *headers):
    body = json.dumps(value).encode()
    lines = [f"HTTP/1.1 {status} Reason", "Date: " + DATE[1], "Content-Type: application/json",
             f"Content-Length: {len(body)}"]
    return "\r\n".join(lines + list(headers) + ["", ""]).encode() + body


STREAM_HEAD = ("HTTP/1.1 200 OK\r\nDate: " + DATE[1] + "\r\nContent-Type: text/event-stream\r\n"
               "Cache-Control: no-store\r\nTransfer-Encoding: chunked\r\n\r\n").encode()
STREAM_REQUEST = b"GET /v1/boxes/box-1/commands HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\n\r\n"


def chunk(text):
    return b"%x\r\n" % len(text) + text.encode() + b"\r\n"


class Taps(JudgeTest):
    def setUp(self):
        super().setUp()
        self.chance = random.Random(arguments.seed)

    def test_bytes_unchanged(self):
        """Random bytes in random pieces, both ways at once. That they are no HTTP is a violation and stops nothing."""
        peers = Peers(self)
        client, server = peers.connect()
        data = [self.chance.randbytes(300000), self.chance.randbytes(300000)]
        pieces = [[self.chance.randint(1, 5000) for _ in range(1000)] for _ in data]
        def send(connection, what, sizes):
            at = 0
            for size in sizes:
                connection.sendall(what[at:at + size])
                at += size
            connection.sendall(what[at:])
            connection.shutdown(socket.SHUT_WR)
        got = [None, None]
        def take(connection, slot):
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
            got[slot] = b"".join(parts)
        threads = [threading.Thread(target=send, args=(client, data[0], pieces[0])),
                   threading.Thread(target=send, args=(server, data[1], pieces[1])),
                   threading.Thread(target=take, args=(server, 0)), threading.Thread(target=take, args=(client, 1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([hashlib.sha256(d).hexdigest() for d in got], [hashlib.sha256(d).hexdigest() for d in data])
        with self.assertRaisesRegex(AssertionError, "not HTTP|does not end"):
            peers.tap.check()

    def test_exchanges_in_any_pieces(self):
        """Requests one after the other on one connection, counted and chunked, cut into random pieces."""
        peers = Peers(self)
        client, server = peers.connect()
        for number in range(30):
            sent = post_text(batch([record("boot", number + 1)], [PROGRESS]),
                             chance=self.chance if number % 2 else None)
            back = b"HTTP/1.1 100 Continue\r\n\r\n" * (number % 3) + answer_text(200,
                                                                                 {"accepted_through": number + 1,
                                                                                  "refused": []})
            for source, sink, text in ((client, server, sent), (server, client, back)):
                at = 0
                while at < len(text):
                    size = self.chance.randint(1, len(text) - at)
                    source.sendall(text[at:at + size])
                    self.assertEqual(receive(sink, size), text[at:at + size])
                    at += size
        peers.tap.check()
        self.assertEqual(peers.tap.seen, {("postRecords", 200): 30})
        self.assertEqual(peers.tap.exchanges[-1].answer_json(), {"accepted_through": 30, "refused": []})
        self.assertEqual(peers.tap.exchanges[-1].json()["ledger"], LEDGER)

    def test_a_stream_is_not_buffered(self):
        """Each piece arrives before the next one is sent."""
        peers = Peers(self)
        client, server = peers.connect()
        client.sendall(STREAM_REQUEST)
        receive(server, len(STREAM_REQUEST))
        pieces = [STREAM_HEAD, chunk(": open\n\n")]
        for number, kind in enumerate(ARGUMENTS, 1):
            text = event(command(kind, number))
            pieces += [chunk(text[:25]), chunk(text[25:]), chunk(": heartbeat\n\n")]
        for piece in pieces:
            server.sendall(piece)
            self.assertEqual(receive(client, len(piece)), piece)
        peers.tap.check()
        self.assertEqual(peers.tap.seen, {("streamCommands", 200): 1})
        self.assertEqual(len(peers.tap.exchanges[0].reader.events), len(ARGUMENTS))
        server.sendall(chunk(event({**command("start", 99), "colour": "red"})))
        wait_for("the violation", lambda: peers.tap.settled().violation_count)
        with self.assertRaisesRegex(AssertionError, "unknown fields: colour"):
            peers.tap.check()

    def exchange(self, peers, sent, back):
        client, server = peers.connect()
        client.sendall(sent)
        receive(server, len(sent))
        server.sendall(back)
        receive(client, len(back))
        client.close()
        self.assertTrue(ended(server))
        server.close()
        wait_for("the link's end", lambda: not peers.tap.links)
        return peers.tap.settled()

    def test_a_wrong_request_or_answer(self):
        ok = answer_text(200, {"accepted_through": 1, "refused": []})
        no = answer_text(400, {"error": {"code": "bad_request", "message": "no"}})
        wrong = post_text({"ledger": LEDGER})
        self.assertIn("request: 'records' is a required", self.exchange(Peers(self), wrong, no).violations[0])
        self.assertEqual(self.exchange(Peers(self, strict=False), wrong, no).violations, [])
        self.assertIn("answered 200 although", self.exchange(Peers(self, strict=False), wrong, ok).violations[0])
        tap = self.exchange(Peers(self, strict=False), post_text(batch()), no)
        self.assertEqual((tap.violations, [p[0] for p in tap.puzzles]), ([], ["postRecords"]))
        self.assertIn("status 418", self.exchange(Peers(self), post_text(batch()), answer_text(418, {})).violations[0])
        self.assertIn("nobody asked for", self.exchange(Peers(self), b"", ok).violations[0])
        self.assertIn("not HTTP", self.exchange(Peers(self), post_text(batch()),
                                                b"<html>no</html>\r\n\r\n").violations[0])

    def test_an_answer_that_ends_with_its_connection(self):
        back = answer_text(200, {"accepted_through": 1, "refused": []})
        endless = b"\r\n".join(line for line in back.split(b"\r\n") if not line.startswith(b"Content-Length"))
        peers = Peers(self)
        client, server = peers.connect()
        client.sendall(post_text(batch()))
        receive(server, len(post_text(batch())))
        server.sendall(endless)
        server.shutdown(socket.SHUT_WR)
        receive(client, len(endless))
        self.assertTrue(ended(client))
        wait_for("the answer", lambda: peers.tap.settled().seen or peers.tap.violations)
        peers.tap.check()

    def test_a_cut_is_no_violation(self):
        sent, back = post_text(batch([record("boot")])), answer_text(200, {"accepted_through": 1, "refused": []})
        for requested, answered in ((10, 0), (len(sent) - 5, 0), (len(sent), 0), (len(sent), 20),
                                    (len(sent), len(back) - 1)):
            for by in ("tap", "client", "server"):
                with self.subTest(f"{requested} {answered} {by}"):
                    peers = Peers(self)
                    client, server = peers.connect()
                    client.sendall(sent[:requested])
                    receive(server, requested)
                    server.sendall(back[:answered])
                    receive(client, answered)
                    if by == "tap":
                        peers.tap.cut()
                    else:
                        api.reset(client if by == "client" else server)
                    for one in ([client] if by != "client" else []) + ([server] if by != "server" else []):
                        self.assertTrue(ended(one))
                        one.close()
                    wait_for("the link's end", lambda: not peers.tap.links)
                    peers.tap.check()
                    self.assertEqual(peers.tap.seen, {})

    def test_refuse(self):
        peers = Peers(self)
        client, server = peers.connect()
        peers.tap.refuse(True)
        peers.tap.refuse(True)
        with self.assertRaises(ConnectionError):
            socket.create_connection(("127.0.0.1", peers.tap.port), PATIENCE_S)
        client.sendall(b"GET")  # what is open goes on
        self.assertEqual(receive(server, 3), b"GET")
        peers.tap.refuse(False)
        later, other = peers.connect()
        later.sendall(b"GET")
        self.assertEqual(receive(other, 3), b"GET")

    def test_stall(self):
        peers = Peers(self)
        client, server = peers.connect()
        client.sendall(b"GE")
        self.assertEqual(receive(server, 2), b"GE")
        peers.tap.stall(True)
        client.sendall(b"T")
        server.sendall(b"H")
        wait_for("the tap to hold both", lambda: peers.tap.held == 2)
        self.assertEqual(select.select([client, server], [], [], 0)[0], [])
        peers.tap.stall(False)
        self.assertEqual((receive(server, 1), receive(client, 1)), (b"T", b"H"))
        peers.tap.stall(True)
        client.sendall(b"x")
        peers.tap.cut()
        self.assertTrue(ended(client) and ended(server))

    def test_close_ends_all_threads(self):
        before = set(threading.enumerate())
        peers = Peers(self)
        for _ in range(5):
            peers.connect()
        peers.tap.stall(True)
        peers.tap.close()
        wait_for("the threads' end", lambda: not [t for t in threading.enumerate() if t not in before])
        with self.assertRaises(ConnectionError):
            socket.create_connection(("127.0.0.1", peers.tap.port), PATIENCE_S)

    def test_a_server_that_is_not_there(self):
        peers = Peers(self)
        peers.listener.close()
        client = socket.create_connection(("127.0.0.1", peers.tap.port), PATIENCE_S)
        self.assertTrue(ended(client))
        client.close()
        peers.tap.check()


# --- the real server ---


# What no request brings about: failures of the machine. 503 is seen where something is to be stored, and cannot be.
READERS = {"streamCommands", "getHealth", "listBoxes", "getBox", "listRecords", "getAccount", "getOrder", "checkBooks",
           "getServer"}
RECORDS_MAX_BYTES = 2 * 1024 * 1024
OPERATOR_MAX_BYTES = 65536


@unittest.skipUnless("--meterbox-ops" in sys.argv, "without the programs")
class Server(ops.OpsTest):
    """The real server, asked for everything of boxes and of the operator's programs that the file has, in good ways and
    in bad. What the file has of other subjects, the tests of those ask."""
    TAGS = ("box", "operator")

    def setUp(self):
        self.server = self.ops_behind_tap("--max-connections", "16")
        self.tap = self.server.tap

    def ops_behind_tap(self, *options, **more):
        server = TappedOps(contract(), *options, **more)
        self.servers.append(server)
        self.addCleanup(lambda: self.assertEqual(server.close(), [], "what the server said or how it ended"))
        return server.start()

    def operator(self, method, path, body=None, status=200, headers=None):
        answer = self.server.call(method, "/v1/operator/" + path, body, ops.OPERATOR_TOKEN, headers)
        self.assertEqual(answer.status, status, f"{method} {path} {body}: {answer}")
        return answer.json()

    # -- good --

    def played(self, name):
        played = ops.Box(self.server, name)
        played.records.meter(1, "m-1")
        played.records.meter(2, "m-2")
        played.report()
        return played

    def before_it_has_reported(self):
        self.assertEqual(self.operator("GET", "boxes"), {"boxes": []})
        self.operator("PUT", "boxes/box-1", {})
        self.operator("PUT", "boxes/box-1")  # without a body
        token = self.operator("PUT", "boxes/box-1", {"token": "a-token-of-our-own"})["token"]
        self.server.tokens["box-1"] = token
        self.assertEqual(self.operator("GET", "boxes/box-1")["ledger"], "")
        self.assertEqual(self.operator("GET", "boxes/box-1/records")["records"], [])
        self.server.account("ann", 10 ** 9)
        self.server.account("bob", kind="bound", limit=5000000)
        self.operator("POST", "accounts/ann/refunds", {"micros": 5, "key": "back-1"})
        self.operator("PUT", "orders/early", self.order(), 409)
        self.operator("POST", "boxes/box-1/commands", {"type": "unlock", "outlet": 1}, 409)

    @staticmethod
    def order(account="ann", **more):
        return {"box": "box-1", "outlet": 1, "account": account, "mode": "local", "tariff": TARIFF,
                "credit_micros": 1000000,
                "hold_ms": 600000, **more}

    def a_session(self, played, stream, number):
        """From the order to its end, with a top-up. The number needs quoting in a path."""
        path = "orders/" + urllib.parse.quote(number, "")
        self.operator("PUT", path, self.order(), 201)
        self.operator("PUT", path, self.order())
        played.records.authorized(stream.command()[1])
        played.report(PROGRESS | {"order": number})
        self.assertEqual(self.operator("GET", path)["state"], "open")
        for _ in range(2):
            self.operator("POST", path + "/credit", {"micros": 500000, "key": "more"})
        played.records.credited(stream.command()[1])
        played.records.started()
        played.records.mark(register=played.records.register[1] + 10000)
        self.end(played, number)

    def end(self, played, number):
        played.records.ended(register=played.records.register[1] + 10000)
        played.records.available(1, number)
        played.report()
        order = self.operator("GET", "orders/" + urllib.parse.quote(number, ""))
        self.assertEqual((order["state"], order["price_differs"]), ("done", False))
        self.assertGreater(order["billed_micros"], 0)

    def every_command(self, played, stream):
        for kind in ("start", "unlock", "reserve", "release", "out_of_service", "clear_fault", "power_off", "stop",
                     "departed"):
            actor = {"start": {"actor": "customer"}, "stop": {"actor": "server"}}.get(kind, {})
            sent = self.operator("POST", "boxes/box-1/commands",
                                 {"type": kind, "outlet": 1, "name": "Wei", **ARGUMENTS[kind], **actor}, 202)
            seq, command = stream.command()
            self.assertEqual((seq, command["id"], command["type"]), (sent["seq"], sent["id"], kind))
            played.records.command(command, "refused", "not now")
        played.report()

    def a_refused_record(self, played):
        text = played.records.add("available", 2, "nobody")
        played.report(refused=[len(played.records.texts)])
        self.assertIn(text, self.operator("GET", "boxes/box-1/records?from=0")["records"])
        self.assertEqual(played.post(played.batch(0), packed=True).status, 200)

    def a_remote_session(self, played, stream):
        """The server prices it by the progress, sends credit, and then power_off."""
        self.server.account("poor", 1500000)
        self.operator("PUT", "orders/remote", self.order("poor", mode="remote", lease_ms=60000), 201)
        played.records.authorized(stream.command()[1])
        played.records.started()
        played.report()
        for mwh, kind in ((700000, "credit"), (10000000, "power_off")):
            played.report(PROGRESS | {"order": "remote", "energy_mwh": mwh, "rates_mwh": [mwh]})
            command = stream.command()[1]
            self.assertEqual(command["type"], kind)
            if kind == "credit":
                played.records.credited(command)
            else:
                played.records.command(command)
        self.end(played, "remote")

    def a_resumed_stream(self, played, stream):
        """Stops of a session that is open come again, whatever their number."""
        self.operator("PUT", "orders/late", self.order(), 201)
        played.records.authorized(stream.command()[1])
        played.records.started()
        played.report()
        stop = self.operator("POST", "boxes/box-1/commands", {"type": "stop", "outlet": 1, "order": "late"}, 202)
        with played.stream(last=stop["seq"], heartbeat_s=1) as again:
            self.assertEqual(stream.ended()[-1][1], stop["seq"])  # a new stream ends the one before
            self.assertEqual(again.command()[0], stop["seq"])
            self.assertEqual(again.item(), ("comment", "heartbeat"))
        self.end(played, "late")

    def good_ways(self):
        self.assertTrue(self.server.call("GET", "/v1/health").json()["ok"])
        self.before_it_has_reported()
        played = self.played("box-1")
        with played.stream() as stream:
            self.every_command(played, stream)
            self.a_session(played, stream, "order 1/2")
            self.operator("PUT", "orders/by-time", self.order(tariff=BY_TIME, outlet=2), 201)
            played.records.command(stream.command()[1], "refused", "no clock")
            played.report()
            self.assertEqual(self.operator("GET", "orders/by-time")["state"], "cancelled")
            self.a_remote_session(played, stream)
            self.a_refused_record(played)
            self.assertTrue(self.operator("GET", "boxes/box-1")["connected"])
            self.a_resumed_stream(played, stream)
        self.assertEqual(len(self.operator("GET", "boxes")["boxes"]), 1)
        self.assertEqual(self.operator("GET", "check"), {"ok": True})
        self.assertEqual(self.operator("GET", "server")["boxes"], 1)

    # -- bad --

    def wrong_bodies(self):
        """Each planted damage to each body: never accepted, which the tap sees to."""
        bodies = (("POST", "/v1/boxes/box-1/records", {"ledger": "0" * 32, "newest": 1, "records": [],
                                                         "progress": [PROGRESS]}),
                  ("PUT", "/v1/operator/boxes/box-9", {"token": "a-token-of-our-own"}),
                  ("PUT", "/v1/operator/accounts/cat", {"kind": "bound", "limit_micros": 5}),
                  ("POST", "/v1/operator/accounts/ann/recharges", {"micros": 5, "key": "k"}),
                  ("POST", "/v1/operator/accounts/ann/refunds", {"micros": 5, "key": "k"}),
                  ("POST", "/v1/operator/orders/late/credit", {"micros": 5, "key": "k"}),
                  ("PUT", "/v1/operator/orders/odd", self.order(lease_ms=0, limit_mwh=0, limit_micros=0, limit_ms=0)),
                  ("PUT", "/v1/operator/orders/odd", self.order(tariff=BY_TIME)),
                  *(("POST", "/v1/operator/boxes/box-1/commands",
                     {"type": kind, "outlet": 1, "actor": "operator", **ARGUMENTS[kind]})
                    for kind in ("stop", "reserve", "out_of_service", "unlock")))
        for method, path, body in bodies:
            token = self.token(path)
            for what, damaged in planted(body):
                if "unknown field" not in what:  # which a reader passes over
                    self.server.call(method, path, damaged, token)
            for bad in (b"", b"{", b"[]", b"nonsense", b"{}x", b'{"a":1,"a":2}', b"\xff"):
                self.server.call(method, path, bad, token)

    def token(self, path):
        return self.server.tokens["box-1"] if path.startswith("/v1/boxes") else ops.OPERATOR_TOKEN

    def target(self, operation):
        """A path that is there."""
        return operation.path.format(box="box-1", account="ann", order="late")

    def every_operation_badly(self):
        for operation in contract().operations:
            if not set(operation.tags) & set(self.TAGS):
                continue
            path, token = self.target(operation), self.token(operation.path)
            body = b"{}" if "requestBody" in operation.definition else None
            for wrong in (None, "wrong-token-wrong-token", 'a"b', "x" * 200):
                if operation.definition["security"]:
                    self.assert_refused(self.server.call(operation.method, path, body, wrong), 401, "unauthorized")
            if body is not None:
                limit = RECORDS_MAX_BYTES if "boxes/{box}/records" in operation.path else OPERATOR_MAX_BYTES
                self.assert_refused(self.server.call(operation.method, path, b" " * (limit + 1), token), 413,
                                    "too_large")
                for headers in ({"Content-Type": "text/plain"}, {"Content-Encoding": "br"}):
                    self.assert_refused(self.server.call(operation.method, path, body, token, headers), 415,
                                        "unsupported_media_type")
            for method in ("DELETE", "PATCH", "HEAD"):
                answer = self.server.call(method, path, None, token)
                self.assertEqual(answer.status, 405)
        for path in ("/v1", "/v1/boxes/box-1", "/v1/boxes/box-1/records/", "/v1/operator/nothing", "/v1//health",
                     "/v2/health"):
            self.assert_refused(self.server.call("GET", path, None, ops.OPERATOR_TOKEN), 404, "not_found")

    def what_is_not_there(self):
        for method, path, body in (("GET", "boxes/no", None), ("GET", "boxes/no/records", None),
                                   ("GET", "accounts/no", None),
                                   ("GET", "orders/no", None),
                                   ("POST", "boxes/no/commands", {"type": "unlock", "outlet": 1}),
                                   ("POST", "accounts/no/recharges", {"micros": 1, "key": "a"}),
                                   ("POST", "accounts/no/refunds", {"micros": 1, "key": "b"}),
                                   ("POST", "orders/no/credit", {"micros": 1, "key": "c"}),
                                   ("PUT", "orders/no", self.order("nobody")),
                                   ("PUT", "orders/no", self.order(box="no"))):
            self.operator(method, path, body, 404)

    def bad_names_and_parameters(self):
        for path in ("boxes/box%201", "boxes/" + "b" * 33, "boxes/box%201/records", "boxes/box-1/records?from=x",
                     "boxes/box-1/records?from=9007199254740992",
                     "accounts/a%22b", "orders/a%5Cb", "accounts/" + "a" * 41, "orders/" + "a" * 41):
            self.operator("GET", path, None, 400)
        self.operator("PUT", "boxes/box%201", {}, 400)
        for query, last in (("?heartbeat_s=0", None), ("?heartbeat_s=x", None), ("?heartbeat_s=3601", None), ("", "x"),
                            ("", "-1")):
            answer = self.server.call("GET", "/v1/boxes/box-1/commands" + query, None, self.server.tokens["box-1"],
                                      {} if last is None else {"Last-Event-ID": last})
            self.assert_refused(answer, 400, "bad_request")

    def a_role_that_is_too_low(self):
        viewer = ops.Person(self.server).staff("vera", "viewer")
        for operation in contract().operations:
            if set(operation.tags) & set(self.TAGS) and operation.role:
                answer = viewer.call(operation.method, self.target(operation), {} if operation.method != "GET" else None)
                if operation.role == "viewer":
                    self.assertNotIn(answer.status, (401, 403), f"{operation.id}: {answer}")
                else:
                    self.assert_refused(answer, 403, "forbidden")

    def conflicts(self):
        self.operator("PUT", "accounts/ann", {"kind": "bound"}, 409)
        self.operator("POST", "accounts/ann/recharges", {"micros": 7, "key": "first-ann"}, 409)
        self.operator("POST", "accounts/ann/refunds", {"micros": 7, "key": "back-1"}, 409)
        self.operator("POST", "accounts/ann/refunds", {"micros": 10 ** 15, "key": "back-2"}, 402)
        self.operator("PUT", "orders/late", self.order(outlet=2), 409)
        self.operator("PUT", "orders/dear", self.order(credit_micros=10 ** 15), 402)
        self.operator("POST", "orders/late/credit", {"micros": 5, "key": "over"}, 409)
        self.operator("PUT", "orders/open", self.order(), 201)
        self.operator("POST", "orders/open/credit", {"micros": 10 ** 15, "key": "much"}, 402)

    def foreign_tokens_and_old_ledgers(self):
        other = self.played("box-2")
        for method, path, body in (("POST", "/v1/boxes/box-1/records", b"{}"), ("GET", "/v1/boxes/box-1/commands", None)):
            self.assert_refused(self.server.call(method, path, body, other.token), 403, "forbidden")
        self.operator("PUT", "boxes/box-1", {"token": other.token}, 409)
        before = other.batch(0)
        other.records, other.accepted = ops.Records(), 0
        other.report()
        self.assert_refused(other.post(before), 409, "old_ledger")

    def too_many_streams(self):
        """Sixteen connections, half of them kept free."""
        streams = []
        try:
            for number in range(8):
                self.server.provision(f"many-{number}")
                streams.append(self.server.stream(f"many-{number}"))
            with self.assertRaises(ops.Refused) as refused:
                self.server.stream("box-1")
            self.assert_refused(refused.exception.args[0], 429, "too_many_streams")
        finally:
            for stream in streams:
                stream.close()

    def a_store_that_cannot_be_written(self):
        """Somebody else holds the lock. Nothing was changed: the same again is taken in."""
        played = self.played("box-4")
        played.records.meter(3, "m-3", 5)
        token = {"Authorization": f"Bearer {played.token}"}
        batch, command = played.batch(), {"type": "unlock", "outlet": 1}
        calls = (("POST", "/v1/boxes/box-4/records", batch), ("PUT", "/v1/operator/boxes/box-5", {}),
                 ("POST", "/v1/operator/boxes/box-4/commands", command),
                 ("PUT", "/v1/operator/accounts/eve", {"kind": "shared"}),
                 ("POST", "/v1/operator/accounts/ann/recharges", {"micros": 9, "key": "late"}),
                 ("POST", "/v1/operator/accounts/ann/refunds", {"micros": 9, "key": "late"}),
                 ("PUT", "/v1/operator/orders/shut", self.order(box="box-4", outlet=2)),
                 ("POST", "/v1/operator/orders/open/credit", {"micros": 9, "key": "late"}))
        other = sqlite3.connect(self.server.path("ops.db"), isolation_level=None)
        try:
            other.execute("BEGIN IMMEDIATE")
            for method, path, body in calls:
                self.assert_refused(self.server.call(method, path, body, ops.OPERATOR_TOKEN,
                                                     token if body is batch else {}), 503, "unavailable")
        finally:
            other.close()
        for method, path, body in calls:
            answer = self.server.call(method, path, body, ops.OPERATOR_TOKEN, token if body is batch else {})
            self.assertLess(answer.status, 300, f"{method} {path}: {answer}")

    def test_every_operation(self):
        self.good_ways()
        self.wrong_bodies()
        self.every_operation_badly()
        self.a_role_that_is_too_low()
        self.what_is_not_there()
        self.bad_names_and_parameters()
        self.conflicts()
        self.foreign_tokens_and_old_ledgers()
        self.a_store_that_cannot_be_written()
        self.too_many_streams()
        self.assertEqual(self.operator("GET", "check"), {"ok": True})
        self.tap.check()
        for name, body, refused in self.tap.puzzles:
            print(f"puzzle: {name} keeps to the file, but: {refused.body.decode()} {body[:300]}", file=sys.stderr)
        self.assertEqual(self.tap.puzzles, [])
        self.assertEqual(unseen(self.tap, self.TAGS, READERS), [], "documented, but never seen")

    def test_what_a_record_is(self):
        """The server's reader and the file agree on each damage to each kind."""
        server = self.ops()  # without a tap: it takes such batches in and refuses their records, as the file says
        played = ops.Box(server, "box-1")
        played.report()
        where = ("('seq',)", "('ledger',)", "('prev',)")  # what says where a record stands is not its own matter
        for kind in DETAILS:
            cases = [("good", record(kind))] + [(what, value) for what, value in planted(record(kind))
                                                if "unknown field" not in what and not what.startswith(where)]
            for at in range(0, len(cases), 16):  # as many as one answer lists
                self.post_cases(played, kind, cases[at:at + 16])

    def post_cases(self, played, kind, cases):
        first = len(played.records.texts)
        for number, (_, value) in enumerate(cases, first + 1):
            value.update(seq=number, ledger=played.records.ledger, prev="0" * 64)
            played.records.append(json.dumps(value))
        answer = played.post(played.batch(first)).json()
        self.assertEqual([r["seq"] for r in answer["refused"]], list(range(first + 1, first + 1 + len(cases))))
        for (what, value), refused in zip(cases, answer["refused"]):
            wrong = contract().judge(value, "Record")
            with self.subTest(f"{kind} {what}"):
                self.assertEqual(refused["code"], "unreadable" if wrong else "not_linked", (wrong, refused))

    def test_unsigned_commands(self):
        server = self.ops_behind_tap(signed=False)
        played = ops.Box(server, "box-1")
        played.report()
        with played.stream() as stream:
            server.send(type="unlock", outlet=1)
            self.assertEqual(stream.command()[1]["type"], "unlock")
        server.tap.check()
        self.assertEqual(server.tap.seen[("streamCommands", 200)], 1)


# --- the real box ---


@unittest.skipUnless({"--meterbox-ops", "--meterboxd", "--boxsim"} <= set(sys.argv), "without the programs")
class RealBox(box.E2eTest):
    """The real box and the real server, a tap between them: neither may say anything that the file does not have."""
    LOAD_W = 7000

    def setUp(self):
        self.server = ops.Ops()
        self.addCleanup(lambda: self.assertEqual(self.server.close(), [], "what the server said or how it ended"))
        self.server.start()
        self.tap = Tap(contract(), self.server.port)
        self.addCleanup(self.tap.close)
        self.addCleanup(self.tap.check)  # with what is said at the very end
        self.server.account("ann", 10 ** 9)
        self.box = self.world(start=False, box={"local_sessions": "no", "trust_system_clock": "yes"})
        token = Path(self.box.folder, "token")
        token.write_text(self.server.provision("box-1") + "\n", encoding="utf-8")
        token.chmod(0o600)
        keys = {"url": f"http://127.0.0.1:{self.tap.port}", "token_file": token,
                "command_key_file": self.server.key + ".pub",
                "heartbeat_s": 10, "backoff_min_ms": 100, "backoff_max_ms": 1000, "progress_ms": 500}
        self.box.write_config(more="\n".join(["[server]"] + [f"{key} = {value}" for key, value in keys.items()]) + "\n")
        self.box.start()
        self.box.boxsim.do(f"plug 1 {self.LOAD_W}")
        wait_for("the box's stream and its first records", lambda: (
            status := self.server.status("box-1")) and status["connected"] and status["accepted_through"] > 0 and
            all(self.progress(outlet) for outlet in (1, 2)))

    def progress(self, outlet):
        found = [o for o in self.server.status("box-1")["outlets"] if o["outlet"] == outlet]
        return found[0]["progress"] if found else None

    def await_state(self, number, *states):
        last = {}
        def look():
            last.update(self.server.order_state(number))
            return last if last["state"] in states else None
        return wait_for(lambda: f"order {number} shall be {' or '.join(states)}, but is {last}", look)

    def result(self, sent):
        """The outcome of a command, as the box has reported it."""
        def look():
            records = [json.loads(text) for text in self.server.records()]
            return [r for r in records if r["kind"] == "command" and r["id"] == sent["id"]]
        return wait_for(f"the result of {sent}", look)[0]

    def do(self, kind, outcome="done", **more):
        sent = self.server.operator("POST", "boxes/box-1/commands", {"type": kind, "outlet": 1, **more}, 202)
        result = self.result(sent)
        self.assertEqual((result["type"], result["outcome"]), (kind, outcome), result)

    def session(self, number, between, **order):
        """From the order to its end, all by the server's commands."""
        self.server.order(number, **{"credit": 10 ** 7, "tariff": TARIFF, **order})
        self.await_state(number, "open")
        self.box.await_state(1, "ready")
        self.do("start", order=number, actor="customer", name="Ann")
        self.box.await_supply(1)
        self.box.await_outlet(1, "shall count", lambda o: o["progress"]["energy_mwh"] > 0)
        between()
        self.do("stop", order=number, name="Wei")
        order = self.await_state(number, "done")
        self.assertEqual((order["receipt"]["reason"], order["price_differs"]), ("operator", False))
        self.assertGreater(order["billed_micros"], 0)
        self.do("unlock")
        self.do("departed", order=number, actor="customer")

    def await_credit(self, number):
        wait_for("the credit's record", lambda: any(
            r["kind"] == "credit" and r["order"] == number for r in map(json.loads, self.server.records())))

    def more_credit(self):
        self.server.operator("POST", "orders/order-1/credit", {"micros": 5, "key": "more"})
        self.await_credit("order-1")

    def server_prices(self):
        """Of the progress, which comes as the register steps; half of what is held is used, so it holds more."""
        wait_for("progress with energy", lambda: self.progress(1)["energy_mwh"] > 0)
        self.await_credit("order-3")

    def trouble(self):
        """The link is cut, then refused while the box goes on, then there again."""
        self.tap.cut()
        self.tap.refuse(True)
        self.box.boxsim.do("open 1 force")
        self.box.await_state(1, "paused")
        self.box.boxsim.do("close 1")
        self.box.await_outlet(1, "shall miss nothing", lambda o: o["progress"]["missing"] == 0)
        self.tap.refuse(False)
        self.do("start", order="order-2", actor="customer")
        self.box.await_supply(1)

    def kills(self):
        """Of either end; what was cut short is no violation, and afterwards all goes on."""
        self.server.kill()
        self.server.start()
        self.do("unlock")
        self.box.daemon.kill()
        self.box.disconnect()
        self.box.connect()
        self.do("unlock")

    def a_welded_breaker(self):
        """A fault, seen by the operator and cleared by a technician at the box, whose commands are records, too."""
        self.server.order("order-5")
        self.await_state("order-5", "open")
        self.box.await_state(1, "ready")
        self.do("start", order="order-5")
        self.box.await_supply(1)
        self.box.boxsim.do("fault 1 welded on")
        self.do("stop", order="order-5")
        wait_for("the fault", lambda: self.server.status("box-1")["outlets"][0]["fault"] == "welded")
        self.do("clear_fault", "refused")
        self.box.boxsim.do("fault 1 welded off")
        def clear():  # not before the box has seen that the cause is gone
            return self.box.control.command(type="clear_fault", outlet=1)["ok"]
        wait_for("a technician's clearing", clear)
        wait_for("the fault's end", lambda: self.server.status("box-1")["outlets"][0]["fault"] == "none")

    def test_a_season_of_commands(self):
        self.do("reserve", account="ann", hold_ms=600000)
        self.do("release")
        self.do("out_of_service", out=True)
        self.do("start", "refused", order="nobody")
        self.do("out_of_service", out=False)
        self.do("clear_fault", "refused")
        self.session("order-1", self.more_credit)
        self.session("order-2", self.trouble, tariff={**BY_TIME, "quantum_micros": 1})
        self.session("order-3", self.server_prices, mode="remote", lease_ms=60000, credit=40000)
        self.server.order("order-4", outlet=2)
        self.await_state("order-4", "open")
        self.do("power_off", order="order-4", outlet=2)
        self.await_state("order-4", "done")
        self.kills()
        self.a_welded_breaker()
        self.assertEqual(self.server.check(), [])
        self.tap.check()
        self.look_at_what_was_seen()

    def look_at_what_was_seen(self):
        self.assertLessEqual({("postRecords", 200), ("streamCommands", 200)}, set(self.tap.seen))
        self.assertEqual([seen for seen in list(self.tap.seen) if seen[1] != 200], [])
        streams = [e for e in list(self.tap.exchanges) if e.reader]
        sent = {command["type"] for e in streams for command in e.reader.events}
        self.assertEqual(sent, set(ARGUMENTS) - {"service"})
        self.assertIsNotNone(streams[-1].request.header("last-event-id"))
        posts = [e.json() for e in list(self.tap.exchanges) if e.found.name == "postRecords" and e.request.whole]
        kinds = {json.loads(text)["kind"] for post in posts for text in post["records"]}
        print("records seen:", ", ".join(sorted(kinds)), file=sys.stderr)
        self.assertLessEqual({"boot", "meter", "authorized", "started", "paused", "resumed", "credit", "stopping",
                              "ended",
                              "available", "command", "reserved", "released", "service_mode", "fault",
                              "cleared"}, kinds)
        self.assertTrue(any(post["progress"] for post in posts))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--contract", required=True)
    parser.add_argument("--meterbox-ops")
    parser.add_argument("--meterboxd")
    parser.add_argument("--boxsim")
    parser.add_argument("--keep", action="store_true", help="leaves the processes' folders behind")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    rest = parser.parse_known_args(namespace=arguments)[1]
    vars(box.arguments).update(vars(arguments))
    print(f"seed {arguments.seed}", file=sys.stderr)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
