#!/usr/bin/env python3
"""A customer's day on a simulated box, without anybody looking: an operations server, boxsim and meterboxd as real
processes on this machine (demo_parts.py). Everything is done as an operator and customers would do it: through the
server's operator interface, and at the box's door and socket. Without --headless: demo_live.py, for somebody who looks.

tools/demo builds the programs and runs this. What is here is the story and what must come of it.

usage: demo.py [--headless | --port N] --meterbox-ops PROGRAM --boxsim PROGRAM --meterboxd PROGRAM [--keep]"""
import argparse
import dataclasses
import json
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
import demo_live  # noqa: E402
import demo_parts  # noqa: E402
from demo_parts import BOX, LOAD_W, Stopped, Wrong, box, euro, wh  # noqa: E402

PATIENCE_S = 300  # for the whole story, which takes about a minute
UJ_PER_MWH = 3600000
ENERGY_MAX_MWH = 10 ** 9

REGISTER_STEP_MWH = 10000  # of both simulated meters

# Half a euro for a kilowatt-hour. The box's own price, to the hundredth of a cent; the server's, in full cents: so the
# last cent is used up while energy for it is left, and the server, which sees the register's steps and no more, is the
# one to end the session. With the finer tariff the box would predict the end of its lease and be first.
FINE = box.tariff(500000, id="fine", quantum_micros=100)
CENTS = box.tariff(500000, id="cents", quantum_micros=10000)

LOCAL_CREDIT = 20000  # 2 cents: 40 Wh, about 20 s of the load
REMOTE_MONEY = 30000  # 3 cents: all that the customer has, used up at 50 Wh, after about 26 s
REMOTE_LEASE = 10000  # 1 cent at a time
REMOTE_LEASE_MS = 60000


def affordable_mwh(tariff, micros):
    """The largest energy that costs no more than this, found here by trying: the programs are not their own judges."""
    low, high = 0, ENERGY_MAX_MWH
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if box.price(tariff, middle) <= micros else (low, middle - 1)
    return low


@dataclasses.dataclass
class Session:
    """What is known of a session that is over. Times are ms of CLOCK_MONOTONIC, which boxsim's log shares."""
    outlet: int
    number: str  # of the order
    tariff: dict
    credit_micros: int  # all that the customer could use
    end_reason: str  # that it must have ended for
    bound_mwh: int  # how far beyond the credit it may have gone: meterboxd --check-config
    order: dict = None  # as the server knows it
    balance_micros: int = 0  # of the account afterwards, ...
    paid_in_micros: int = 0  # ... and what was paid in before
    registers_mwh: tuple = (0, 0)  # of the meter, before and after
    # The plant's truth, which neither box nor server can see:
    scan_ms: int = 0
    pulse_ms: int = 0  # the lock's coil
    start_ms: int = 0  # the customer presses start
    closed_ms: int = 0  # the breaker, with power at the socket
    opened_ms: int = 0
    flowed_uj: int = 0  # through the meter (1 uJ = 1 mW for 1 ms)

    def paid_mwh(self):
        return affordable_mwh(self.tariff, self.credit_micros)

    def overdraft_uj(self):
        """What flowed beyond what the credit pays for, by the plant and not by the register."""
        return max(0, self.flowed_uj - self.paid_mwh() * UJ_PER_MWH)

    def trip_ms(self):
        """From the moment at which the true energy passed what the credit pays for to the moment at which the breaker
        was open; 0 when it was open before. The load is constant, so that moment is known exactly; that it was constant
        is checked in faults()."""
        return max(0, self.opened_ms - self.closed_ms - self.paid_mwh() * UJ_PER_MWH // (LOAD_W * 1000))

    def faults(self):
        """Everything that is not as it must be, in words."""
        order, receipt = self.order, self.order["receipt"]
        energy = self.registers_mwh[1] - self.registers_mwh[0]
        price = box.price(self.tariff, energy)
        captured = min(price, order["held_micros"])
        wrong = []

        def must(holds, words):
            if not holds:
                wrong.append(f"order {self.number}: {words}")

        must(order["state"] == "done" and receipt["settled"], f"it is {order['state']}, not done and settled")
        must(receipt["reason"] == self.end_reason, f"it ended for {receipt['reason']}, not for {self.end_reason}")
        must(receipt["energy_mwh"] == energy,
             f"the receipt says {receipt['energy_mwh']} mWh, the meter's register moved by {energy}")
        must(receipt["amount_micros"] == price == order["billed_micros"] and not order["price_differs"],
             f"{energy} mWh cost {price} micros, the box says {receipt['amount_micros']}, "
             f"the server {order['billed_micros']}")
        must(order["captured_micros"] == captured and order["written_off_micros"] == price - captured,
             f"{captured} of {price} micros were the customer's to pay, {order['captured_micros']} were captured and "
             f"{order['written_off_micros']} written off")
        must(self.balance_micros == self.paid_in_micros - captured,
             f"{self.paid_in_micros} micros were paid in and {captured} captured, but {self.balance_micros} are on the "
             "account: something is still held")
        must(self.flowed_uj == LOAD_W * 1000 * (self.opened_ms - self.closed_ms),
             f"{self.flowed_uj} uJ in {self.opened_ms - self.closed_ms} ms are not {LOAD_W} W all the time: the plant's "
             "times cannot be trusted")
        must(self.overdraft_uj() <= self.bound_mwh * UJ_PER_MWH,
             f"{self.overdraft_uj() / UJ_PER_MWH:.0f} mWh flowed beyond the credit, the bound is {self.bound_mwh}")
        # By the tariff's rounding the last unit of money may be due before the last energy that it pays for.
        due = min(self.paid_mwh(), affordable_mwh(self.tariff, self.credit_micros - self.tariff["quantum_micros"]) + 1)
        must(energy > due - REGISTER_STEP_MWH,
             f"it was cut off in credit: {energy} mWh for what pays for {due}, more than one step of the register less")
        must(self.scan_ms <= self.pulse_ms <= self.start_ms <= self.closed_ms <= self.opened_ms,
             f"scan, unlock, start, power, end came in another order: {self.scan_ms}, {self.pulse_ms}, "
             f"{self.start_ms}, {self.closed_ms}, {self.opened_ms}")
        return wrong

    def last_line(self):
        receipt = self.order["receipt"]
        return {"ok": True, "end_reason": receipt["reason"], "energy_wh": receipt["energy_mwh"] / 1000,
                "amount_micros": receipt["amount_micros"], "overdraft_wh": round(self.overdraft_uj() / UJ_PER_MWH / 1000, 6),
                "scan_to_unlock_ms": self.pulse_ms - self.scan_ms, "start_to_power_ms": self.closed_ms - self.start_ms,
                "trip_ms": self.trip_ms()}


class Story(demo_parts.Parts):
    """What is told of the processes, and must come of it."""

    def __init__(self):
        self.begun_ms = box.now_ms()
        super().__init__()
        self.bounds_mwh = []

    def tell(self, text, at_ms=None):
        at_ms = box.now_ms() if at_ms is None else at_ms
        print(f"{(at_ms - self.begun_ms) / 1000:7.2f} s  {text}", flush=True)

    def start(self):
        self.start_server()
        self.tell(f"the operations server listens at {self.server.url()}")
        checked = self.write_config()
        self.bounds_mwh = [outlet["overdraft_bound_mwh"] for outlet in checked["outlets"]]
        self.tell(f"the operator makes {BOX} known; its configuration is sound, its overdraft bound "
                  + " and ".join(map(wh, self.bounds_mwh)))
        self.start_box()
        self.tell("the box is there: outlet 1 with a DL/T 645 meter, outlet 2 with a Modbus one")
        self.rest_locks(checked)
        self.tell("the coils of its locks have rested: it can unlock at once")

    # --- the story's scenes ---

    def account(self, name, micros):
        self.server.account(name, micros)
        self.tell(f"{name} opens an account and pays in {euro(micros)}")

    def scan(self, session, account, **order):
        """The customer scans the code: an order, and the lock of the user box."""
        session.scan_ms = box.now_ms()
        self.server.order(session.number, BOX, session.outlet, account, tariff=session.tariff, **order)
        session.pulse_ms = self.await_event(session.outlet, "pulse", session.scan_ms)
        self.tell(f"{account} scans the code of outlet {session.outlet}: order {session.number}", session.scan_ms)
        self.tell(f"the lock is pulsed, {session.pulse_ms - session.scan_ms} ms after the scan", session.pulse_ms)

    def plug_in(self, session):
        outlet = session.outlet
        self.world.boxsim.do(f"open {outlet}")
        self.await_state(outlet, "unlocked")
        self.world.boxsim.do(f"plug {outlet} {LOAD_W}")
        self.world.boxsim.do(f"close {outlet}")
        self.await_state(outlet, "ready")
        self.tell(f"door opened, {LOAD_W} W plugged in, door closed: outlet {outlet} is ready")

    def press_start(self, session):
        before = self.world.boxsim.outlet(session.outlet)
        session.start_ms = box.now_ms()
        self.server.send(BOX, type="start", outlet=session.outlet, order=session.number, actor="customer")
        session.closed_ms = self.await_event(session.outlet, "energised", session.start_ms, 1)
        self.tell("the customer presses start", session.start_ms)
        self.tell(f"the breaker is closed, {session.closed_ms - session.start_ms} ms after the start", session.closed_ms)
        return before

    def supply(self, session):
        """Until the order is done; each step of the register is told as the server learns of it."""
        seen = {}
        def look():
            order, told = self.server.order_state(session.number), self.told(session.outlet)
            if order["state"] != "done" and told["order"] == session.number and seen != (
                    now := {"energy_mwh": told["energy_mwh"], "held_micros": order["held_micros"]}):
                seen.update(now)
                self.tell(f"{wh(told['energy_mwh'])} used, {euro(told['cost_micros'])} of {euro(order['held_micros'])}")
            return order if order["state"] == "done" else None
        session.order = self.wait(f"order {session.number} shall be done", look)

    def end(self, session, account, before):
        after = self.world.boxsim.outlet(session.outlet)
        session.opened_ms = self.await_event(session.outlet, "energised", session.closed_ms, 0)
        session.flowed_uj = after["true_uj"] - before["true_uj"]
        session.registers_mwh = (before["register_mwh"], after["register_mwh"])
        session.balance_micros = self.server.balance(account)
        receipt = session.order["receipt"]
        self.tell("the breaker is open", session.opened_ms)
        self.tell(f"the bill: {receipt['reason']}, {wh(receipt['energy_mwh'])}, {euro(receipt['amount_micros'])}; "
                  f"{session.overdraft_uj() / UJ_PER_MWH / 1000:.3f} Wh flowed beyond the credit")

    def depart(self, session):
        """The customer asks for the door, unplugs and goes: the outlet is free again."""
        outlet, asked_ms = session.outlet, box.now_ms()
        self.await_state(outlet, "finishing")
        self.server.send(BOX, type="unlock", outlet=outlet, actor="customer")
        self.await_event(outlet, "pulse", asked_ms)
        self.world.boxsim.do(f"open {outlet}")
        self.world.boxsim.do(f"unplug {outlet}")
        self.world.boxsim.do(f"close {outlet}")
        self.server.send(BOX, type="departed", outlet=outlet, order=session.number, actor="customer")
        self.await_state(outlet, "available")
        self.tell(f"the customer unplugs and goes: outlet {outlet} is available")

    def play(self, session, account, **order):
        self.doing = f"order {session.number}"
        self.account(account, session.paid_in_micros)
        self.scan(session, account, **order)
        self.plug_in(session)
        before = self.press_start(session)
        self.supply(session)
        self.end(session, account, before)
        self.depart(session)
        self.judge(session)

    def judge(self, session):
        wrong = session.faults() + [f"the books do not balance: {why}" for why in self.server.check()]
        if wrong:
            raise Wrong("; ".join(wrong))

    def run(self):
        """The whole of it; the session whose figures are the last line's."""
        self.start()
        self.tell("--- a session that the box prices: its credit ends")
        local = Session(1, "order-1", FINE, LOCAL_CREDIT, "credit_exhausted", self.bounds_mwh[0], paid_in_micros=50000)
        self.play(local, "ann", credit=LOCAL_CREDIT)
        self.tell("--- a session that the server prices: the lease grows until the money is used up")
        remote = Session(2, "order-2", CENTS, REMOTE_MONEY, "server", self.bounds_mwh[1], paid_in_micros=REMOTE_MONEY)
        self.play(remote, "bob", mode="remote", credit=REMOTE_LEASE, lease_ms=REMOTE_LEASE_MS)
        if not remote.order["power_off_sent"]:
            raise Wrong("order order-2: it ended for the server, which says that it sent no power_off")
        if remote.order["held_micros"] != REMOTE_MONEY:
            raise Wrong(f"order order-2: the lease grew to {remote.order['held_micros']} micros, not to {REMOTE_MONEY}")
        self.tell("every figure is as it must be, the books balance, nothing is held")
        return local


# --- from beginning to end ---

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM)


def stop_once(number, _):
    """The first signal ends the story; those behind it do not disturb the clearing up."""
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Stopped(number)


def end_stragglers():
    """A signal may have come between a process's start and our knowing of it."""
    for task in Path("/proc/self/task").iterdir():
        try:
            children = (task / "children").read_text(encoding="ascii").split()
        except OSError:  # a thread that has ended meanwhile
            continue
        for child in children:
            os.kill(int(child), signal.SIGKILL)
            os.waitpid(int(child), 0)


def say(text, out):
    """To whoever is still there: a terminal may have hung up, a reader gone away."""
    try:
        print(text, file=out, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())  # what is left in the buffer has to go somewhere


def tell_story(make):
    """Makes what is to be played, and plays it: (what run() gave, the reason why it did not come to its end or None, exit
    code). All that was started has ended then."""
    story, result, reason, code = None, None, None, 1
    try:
        story = make()
        result = story.run()
    except Stopped as stop:
        number = stop.args[0]
        doing = story.doing if story else "starting"
        if number == signal.SIGALRM:
            reason = f"not done within {PATIENCE_S} s; last: {doing}"
        else:
            reason, code = f"stopped by {signal.Signals(number).name}; last: {doing}", 128 + number
    except (Wrong, AssertionError) as error:
        reason = str(error)
    except Exception as error:  # whatever else went wrong has its line, too
        reason = f"{type(error).__name__}: {error}"
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    complaints = story.close() if story else []
    if reason is None and complaints:
        reason = "; ".join(complaints)
    if reason is None:
        return result, None, 0
    if code == 1 and story:
        say("\n".join(story.logs()), sys.stderr)
    return result, reason, code


def play_headless():
    """(what the last line says, exit code)"""
    local, reason, code = tell_story(Story)
    if reason is not None:
        say(f"demo: {reason}", sys.stderr)
    return (local.last_line() if reason is None else {"ok": False, "reason": reason}), code


def play_live(port, tool):
    """(nothing, exit code). Ctrl-C is how it ends."""
    _, reason, code = tell_story(lambda: demo_live.Live(port, tool))
    if code == 128 + signal.SIGINT:
        say("\nThe demo has ended, and all that it started.", sys.stdout)
        return None, 0
    say("", sys.stdout)
    say(f"demo: {reason}", sys.stderr)
    return None, code


def read_options():
    parser = argparse.ArgumentParser(description="Plays on a simulated box; see tools/demo --help.")
    parser.add_argument("--headless", action="store_true", help="a customer's day, with nobody looking")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="of the pages; any that is free without it")
    parser.add_argument("--keep", action="store_true", help="leaves the folder with configuration, ledger and logs")
    parser.add_argument("--meterboxctl", default="", metavar="PROGRAM", help="named on the terminal only")
    for program in ("meterbox-ops", "boxsim", "meterboxd"):
        parser.add_argument("--" + program, required=True, metavar="PROGRAM")
    options = parser.parse_args()
    if not 0 <= options.port <= 65535 or (options.headless and options.port):
        parser.error("--port takes 1 to 65535, and goes without --headless")
    return options


def main():
    options = read_options()
    for each in SIGNALS:
        signal.signal(each, stop_once)
    signal.alarm(PATIENCE_S)
    # The helpers of tests/e2e find their programs here. Their folders lie in ours, which is removed below, as a whole.
    vars(box.arguments).update(vars(options), keep=True)
    folder = tempfile.mkdtemp(prefix="meterbox-demo-")
    tempfile.tempdir = folder
    try:
        said, code = play_headless() if options.headless else play_live(options.port, options.meterboxctl)
    finally:
        end_stragglers()
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if options.keep:
        print(f"kept: {folder}")
    if said is not None:
        print(json.dumps(said, separators=(",", ":")))
    return code


if __name__ == "__main__":
    sys.exit(main())
