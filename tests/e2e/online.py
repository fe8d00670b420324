"""A box with its server: boxsim, meterboxd and meterbox-ops as real processes, joined by plain HTTP on loopback, commands
signed, each message between them held against etc/ops-api.yaml. Used by the tests of this folder."""
import functools
import time
from pathlib import Path

import api
import box
import ops

CONTRACT = Path(__file__).resolve().parents[2] / "etc" / "ops-api.yaml"

TOKEN = "token-of-box-1-in-the-tests"


def server_section(server, folder, port=None, **keys):
    """The [server] section for a box of this server; writes its token beside the configuration."""
    token = Path(folder, "token")
    token.write_text(TOKEN + "\n", encoding="utf-8")
    token.chmod(0o600)
    keys = {"url": f"http://127.0.0.1:{port or server.port}", "token_file": token,
            "command_key_file": server.key + ".pub", "heartbeat_s": 10, "backoff_min_ms": 100, "backoff_max_ms": 1000,
            "progress_ms": 500, **keys}
    return "[server]\n" + "".join(f"{name} = {value}\n" for name, value in keys.items())


@functools.cache
def contract():
    return api.Contract(CONTRACT)


def noon_tariff(prices, in_ms):
    """Morning, noon, evening: the first change is the first full minute that is at least so far away; the second comes an
    hour later. Its moment in Unix ms is the second result."""
    minute = int((time.time() * 1000 + in_ms + 59999) // 60000)
    names = ("morning", "noon", "evening")
    return {"id": "noon", "version": 1, "currency": "EUR", "quantum_micros": 1, "rounding": "half_up",
            "rates": [{"name": n, "price_micros": p} for n, p in zip(names, prices)],
            "periods": [{"from_min": 0, "rate": 0}, {"from_min": 720, "rate": 1}, {"from_min": 780, "rate": 2}],
            "utc_offset_min": 720 - minute % 1440}, minute * 60000


class OnlineTest(ops.OpsTest, box.E2eTest):
    """A server and its one box, joined; both are looked at when they close."""

    def run(self, result=None):
        self.servers = []
        return box.E2eTest.run(self, result)

    def join(self, server, keys=None, start=True, tapped=True, **options):
        """tapped: what passes between the two is judged (which takes its time with very much of it)."""
        server.provision("box-1", TOKEN)
        port = server.port
        if tapped:
            tap = api.Tap(contract(), server.port)
            port = tap.port
            self.addCleanup(tap.close)
            self.addCleanup(tap.check)  # when both ends are closed, and before the tap is
        options["box"] = {"local_sessions": "no", "trust_system_clock": "yes", **options.get("box", {})}
        world = self.world(start=False, **options)
        world.write_config(more=server_section(server, world.folder, port, **(keys or {})))
        if start:
            world.start()
            self.await_link(server, world)
        return world

    def await_link(self, server, world):
        """The box has reported, all of it, and its stream is open."""
        def look():
            status = server.status("box-1")
            durable = world.status()["ledger"]["durable_seq"]
            return status["connected"] and status["accepted_through"] >= durable
        box.wait_for("the box shall have reported", look)

    def await_order(self, server, number, *states):
        last = {}
        def look():
            last.update(server.order_state(number))
            return dict(last) if last["state"] in states else None
        return box.wait_for(lambda: f"order {number} shall be {' or '.join(states)}, but it is {last}", look)

    def sell(self, server, world, number, outlet=1, load_w=0, **more):
        """From the order to a breaker that is closed, the customer's start included."""
        server.order(number, outlet=outlet, **more)
        self.await_order(server, number, "open")
        world.await_state(outlet, "ready")
        if load_w:
            world.boxsim.do(f"plug {outlet} {load_w}")
        server.send(type="start", outlet=outlet, order=number, actor="customer")
        world.await_supply(outlet)

    def assert_bill(self, order, ledger, of=None):
        """The server's bill is the box's receipt, the register's difference, and the price computed here."""
        number = order["order"]
        record = ledger.only(number, "ended")
        started = ledger.only(number, "started")
        for name in ("reason", "start_mwh", "energy_mwh", "amount_micros"):
            self.assertEqual(order["receipt"][name], record["receipt"][name], (number, name))
        self.assertEqual(order["receipt"]["energy_mwh"], record["register_mwh"] - started["register_mwh"])
        self.assertEqual(order["billed_micros"], order["receipt"]["amount_micros"])
        self.assertFalse(order["price_differs"])
        if of is not None:
            self.assertEqual(order["billed_micros"], of(record["receipt"]))
