#!/usr/bin/env python3
"""One busy afternoon: customers with accounts of all kinds at a box of four outlets, sold to by the server, while the
server, meterboxd and boxsim are killed (SIGKILL) again and again at random moments and at chosen ones; then everything is
brought to rest, and the server's books, the box's ledger and boxsim's truth are compared.

usage: test_afternoon.py --meterboxd PATH --boxsim PATH --meterbox-ops PATH [--seed N] [--kills N] [unittest's arguments]
"""
import collections
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

sys.dont_write_bytecode = True
import box  # noqa: E402
import ops  # noqa: E402
from box import Gone, Ledger, now_ms, wait_for  # noqa: E402
from online import TOKEN, OnlineTest, server_section  # noqa: E402

METERS = ("dlt645:000000000001,baud=9600,turnaround=20", "sdm120:2,baud=9600",
          "dlt645:000000000003,baud=9600,turnaround=20,bus=2", "sdm120:4,baud=9600,bus=2")
OUTLETS = len(METERS)
LOADS_W = (60000, 30000, 40000, 50000)
RATED_W = (70000, 40000, 50000, 60000)
DOORS = (True, False, True, False)
LIMITS = {"boot_wait_ms": 2000, "resume_window_ms": 8000, "mark_ms": 10000}

# Whom to kill, and when. "call" and "answer" are the operator's calls: while one is under way, and once it is answered;
# "box_writes" and "server_writes": as the database of the box or of the server changes, that is while a batch is made up,
# sent, taken in and answered; "down": while another one is still down; "boot": as the same one has come back.
SHARES = (("meterboxd", 45), ("meterbox-ops", 30), ("boxsim", 25))
MOMENTS = {
    "meterboxd": {"random": 10, "start": 8, "supplying": 6, "stop": 6, "ending": 5, "paused": 3, "order": 5, "credit": 3,
                  "box_writes": 8, "server_writes": 6, "down": 6, "boot": 5},
    "meterbox-ops": {"random": 8, "call": 12, "answer": 10, "start": 3, "stop": 3, "supplying": 4, "credit": 3,
                     "box_writes": 6, "server_writes": 8, "down": 5, "boot": 5},
    "boxsim": {"random": 10, "start": 8, "supplying": 10, "stop": 6, "ending": 8, "paused": 3, "down": 5, "boot": 3},
}
KILL_CHANCE = 0.1  # in each turn, that of the moments which nobody brings about
NEXT = 8  # of the planned kills may come in another order than planned
OVERDUE_MS = 6000  # from then on the next one is killed at any moment
DOWN_MAX_MS = 2500  # how long the server or boxsim stays away
SESSIONS_MIN = 5  # at each outlet
AGAIN_MS = 2500  # after which a customer presses again when nothing has happened
ACCOUNTS = {  # name: kind, how far below 0
    "ann": ("shared", 0), "bob": ("bound", 50000), "cleo": ("shared", 0), "dan": ("bound", 0), "eve": ("shared", 0),
    "firm": ("bound", 200000)}
RECHARGE_MICROS = 150000
RATES = (("morning", 310007), ("noon", 1250003), ("evening", 720001))
QUARTER_MIN = 15
FIRST_CHANGE_MIN = 600


class Away(Exception):
    """The server is not there, or went away in the middle of a call: nobody knows whether it had its effect."""


# --- tariffs ---

def flat_tariff(chance):
    return {"id": "flat", "version": 1, "currency": "EUR",
            "energy_price_micros": chance.choice((1000000, 312345, 2000003)), **lines_of(chance)}


def lines_of(chance):
    return {"service_price_micros": chance.choice((0, 98765)), "start_fee_micros": chance.choice((0, 1234)),
            "quantum_micros": chance.choice((1, 1, 100)), "rounding": chance.choice(("down", "half_up", "up"))}


def quarters_tariff(chance, change_ms):
    """Another rate each quarter of an hour of its clock, which is set so that one of the changes comes at change_ms."""
    at = FIRST_CHANGE_MIN + QUARTER_MIN * chance.randrange(1, 20)
    periods = [{"from_min": 0, "rate": 0}]
    periods += [{"from_min": FIRST_CHANGE_MIN + QUARTER_MIN * i, "rate": (i + 1) % len(RATES)} for i in range(23)]
    offset = (at - change_ms // 60000) % 1440
    return {"id": "quarters", "version": 1, "currency": "EUR",
            "rates": [{"name": name, "price_micros": micros} for name, micros in RATES], "periods": periods,
            "utc_offset_min": offset - 1440 if offset > 720 else offset, **lines_of(chance)}


# --- the places ---

class Street(box.World):
    """A box whose third and fourth outlet have a serial line of their own."""

    def __init__(self):
        super().__init__(outlets=OUTLETS, meters=METERS, rated_w=RATED_W, door=DOORS, limits=LIMITS,
                         box={"local_sessions": "no", "trust_system_clock": "yes"})
        self.boxsim.options += ["--bus", self.path("bus2")]

    def config_text(self, **changes):
        text = super().config_text(**changes) + f"[bus b]\ndevice = {self.path('bus2')}\n"
        for number in (3, 4):
            text = text.replace(f"[meter m{number}]\nbus = a\n", f"[meter m{number}]\nbus = b\n")
        return text


class Server(ops.Ops):
    """On a port that no outgoing connection of this machine is given by chance while the server is away."""

    def __init__(self):
        super().__init__()
        self.port = quiet_port()

    def spawn(self):
        """Starts it, and does not wait for it."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self):
        """Also one that is only just starting."""
        self.kills += 1
        self.process.kill()
        self.codes.append(self.process.wait())


def quiet_port():
    low = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    ports = list(range(max(1024, low - 12000), low))
    random.SystemRandom().shuffle(ports)
    for port in ports:
        with socket.socket() as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise AssertionError(f"no port below {low} is free")


def await_change(path, patience_ms):
    """Until the file is written to: there is no sleep between the looks."""
    def look():
        try:
            state = os.stat(path)
        except OSError:
            return None
        return state.st_mtime_ns, state.st_size
    before, end = look(), now_ms() + patience_ms
    while look() == before and now_ms() < end:
        pass


class Killer:
    """Decides when who dies: a kill waits for its moment, in about the order of a seeded shuffle."""

    def __init__(self, chance, kills):
        self.chance = chance
        self.plan = []
        for whom, share in SHARES:
            count = kills - len(self.plan) if whom == SHARES[-1][0] else kills * share // 100
            moments = MOMENTS[whom]
            self.plan += [(whom, m) for m in chance.choices(list(moments), list(moments.values()), k=count)]
        chance.shuffle(self.plan)
        self.not_before_ms = 0
        self.at_rest = False  # the next one waits until everything is as it must be
        self.done = collections.Counter()

    def due(self, *moments, but=()):
        """Whom to kill now, and at which of these moments; or None. Only the next few are looked at, so that no moment
        is left to the end."""
        if now_ms() < self.not_before_ms or self.at_rest or not self.plan:
            return None
        if now_ms() > self.not_before_ms + OVERDUE_MS:
            self.plan[0] = (self.plan[0][0], "random")  # its moment does not come any more
            self.not_before_ms = now_ms()
        for i, (whom, when) in enumerate(self.plan[:NEXT]):
            if when in moments and whom not in but:
                self.plan.pop(i)
                return whom, when
        return None

    def noted(self, whom, moment):
        self.done[f"{whom} {moment}"] += 1
        self.at_rest = self.chance.random() < 0.4
        self.not_before_ms = now_ms() + self.chance.choice((0, 0, 300, 1000, 2500))


# --- the people ---

class Customer:
    """One outlet's people: what they do next follows from the outlet's state, and chance. What they ask of the server
    they ask again until it answers; money moves once all the same."""

    def __init__(self, driver, number):
        self.driver = driver
        self.chance = driver.chance
        self.number = number
        self.count = 0
        self.order = None  # the last one that was asked for
        self.asking = None  # a call that has no answer yet: (method, path, body, what to do with the answer)
        self.phase = None
        self.until_ms = 0
        self.done = set()  # what was done in this phase
        self.plan = None

    def act(self, outlet):
        phase = (outlet["progress"]["state"], outlet["progress"].get("order"))
        if phase != self.phase:
            self.phase, self.until_ms, self.done = phase, None, set()
        if self.asking:
            self.ask()
        else:
            getattr(self, "when_" + phase[0])(outlet)

    def stay(self, low_ms, high_ms):
        """True once the time chosen for this phase is over."""
        if self.until_ms is None:
            self.until_ms = now_ms() + self.chance.randint(low_ms, high_ms)
        return now_ms() >= self.until_ms

    def once(self, what, of=1.0):
        """True once in a phase, or never, by chance."""
        if what in self.done:
            return False
        self.done.add(what)
        return self.chance.random() < of

    def again(self, after_ms=AGAIN_MS):
        """What was asked for may have got lost, or refused: it is asked for again then."""
        self.until_ms = now_ms() + after_ms

    def ask(self, *call):
        """Asks the server for something that has its effect once, as often as it takes."""
        self.asking = call or self.asking
        method, path, body, then = self.asking
        answer = self.driver.call(method, path, body)
        if answer.status in (200, 201) and self.chance.random() < 0.15:
            again = self.driver.call(method, path, body)
            if again.status != 200:
                raise AssertionError(f"{method} {path} {body} again: {again}")
        self.asking = None
        then(answer)

    def tell(self, moment, **command):
        """Sends a command; nobody knows whether it arrives. It may be somebody's last moment."""
        self.again()
        try:
            self.driver.send(outlet=self.number, **command)
        finally:
            self.driver.watch(moment, self.number)

    # --- ordering ---

    def when_available(self, outlet):
        if self.driver.finishing or not self.stay(0, 200):
            return
        if self.order and self.driver.order_state(self.order) in ("sent", "open"):
            self.again(200)  # it is on its way
            return
        if self.once("reserve", 0.12):
            self.tell("order", type="reserve", account=self.chance.choice(list(ACCOUNTS)), hold_ms=4000)
            self.again(600)
            return
        self.place_order(self.choose())

    def when_reserved(self, outlet):
        if self.driver.finishing:
            if self.stay(0, 0):
                self.tell("order", type="release")
        elif self.stay(0, 300):
            if self.order and self.driver.order_state(self.order) in ("sent", "open"):
                self.again(200)
            elif self.once("order", 0.8):
                theirs = outlet["reserved_for"] if self.chance.random() < 0.7 else self.chance.choice(list(ACCOUNTS))
                self.place_order({**self.choose(), "account": theirs})

    def choose(self):
        """What is bought, and how the session is to end."""
        change_ms = (time.time_ns() // 1000000 // 60000 + 1) * 60000
        ahead_ms = change_ms - time.time_ns() // 1000000
        by_time = self.chance.random() < (0.6 if 4000 < ahead_ms < 22000 else 0.15)
        end = self.chance.choice(("credit", "credit", "stop", "stop", "power_off", "limit", "door", "wait"))
        remote = self.chance.random() < 0.4
        self.plan = {"end": end, "stay_ms": ahead_ms + 3000 if by_time and ahead_ms < 22000 else 0}
        grant = {"account": self.chance.choice(list(ACCOUNTS)), "mode": "remote" if remote else "local",
                 "tariff": quarters_tariff(self.chance, change_ms) if by_time else flat_tariff(self.chance),
                 "credit_micros": self.chance.choice((8000, 20000, 45000) if end == "credit" else (60000, 200000)),
                 "lease_ms": self.chance.choice((8000, 30000)) if remote else 0, "hold_ms": 20000}
        if end == "limit":
            grant.update(self.chance.choice(({"limit_mwh": 33333}, {"limit_micros": 20000}, {"limit_ms": 2500})))
        if self.chance.random() < 0.05:
            grant["hold_ms"] = 1500
            self.plan["end"] = "never"
        return grant

    def place_order(self, grant):
        self.count += 1
        number = f"o{self.number}-{self.count}"
        body = {"box": "box-1", "outlet": self.number, **grant}

        def ordered(answer):
            if answer.status in (200, 201):
                self.order = number
                self.driver.orders[number] = {"body": body, "credits": {}}
                self.again()
                self.driver.watch("order", self.number)
            elif answer.status == 402:
                self.recharge(grant["account"])
            elif answer.status == 409 and answer.code() == "conflict":
                self.again(300)
            else:
                raise AssertionError(f"order {number}: {answer}")
        self.ask("PUT", f"orders/{number}", body, ordered)

    def recharge(self, account):
        key = f"recharge-{self.number}-{self.driver.next_key()}"
        micros = self.chance.choice((RECHARGE_MICROS, 2 * RECHARGE_MICROS))

        def recharged(answer):
            if answer.status != 200:
                raise AssertionError(f"recharge {key}: {answer}")
            self.driver.recharged[account] += micros
        self.ask("POST", f"accounts/{account}/recharges", {"micros": micros, "key": key}, recharged)

    def top_up(self, order):
        key = f"credit-{order}-{self.driver.next_key()}"
        micros = self.chance.choice((10000, 30000))

        def credited(answer):
            if answer.status == 200:
                self.driver.orders[order]["credits"][key] = micros
                self.driver.watch("credit", self.number)
            elif answer.status == 402:
                self.recharge(self.driver.orders[order]["body"]["account"])
            elif answer.status != 409:
                raise AssertionError(f"credit {key}: {answer}")
        self.ask("POST", f"orders/{order}/credit", {"micros": micros, "key": key}, credited)

    # --- at the outlet ---

    def when_unlocked(self, outlet):
        self.shut(outlet)
        if self.driver.finishing and self.stay(3000, 3000):
            self.tell("stop", type="stop", order=self.phase[1])

    def shut(self, outlet):
        if outlet["door"] == "open":
            self.driver.box(f"close {self.number}")

    def load(self):
        return LOADS_W[self.number - 1] * self.chance.choice((100, 100, 60, 30)) // 100

    def when_ready(self, outlet):
        if not self.stay(0, 300) or (self.plan and self.plan["end"] == "never" and not self.driver.finishing):
            return
        self.driver.box(f"plug {self.number} {self.load()}")
        if self.driver.finishing or self.chance.random() < 0.05:
            self.tell("stop", type="stop", order=self.phase[1], actor="customer")
        else:
            self.tell("start", type="start", order=self.phase[1], actor="customer")

    def when_supplying(self, outlet):
        self.driver.watch("supplying", self.number)
        plan = self.plan or {"end": "stop", "stay_ms": 0}
        if self.until_ms is None:
            self.until_ms = now_ms() + max(self.chance.randint(1000, 5000), plan["stay_ms"])
            plan["stay_ms"] = 0  # not again after a pause
        if self.driver.finishing or now_ms() >= self.until_ms:
            self.finish(plan["end"])
        elif self.once("top up", 0.25):
            self.top_up(self.phase[1])
        elif self.once("other load", 0.25):
            self.driver.box(f"plug {self.number} {self.load()}")
        elif self.once("unplug", 0.05):
            self.driver.box(f"unplug {self.number}")

    def finish(self, end):
        if end == "door" and DOORS[self.number - 1] and self.once("door") and not self.driver.finishing:
            self.driver.box(f"open {self.number} force")
            self.again()
        elif end == "power_off":
            self.tell("stop", type="power_off", order=self.phase[1], actor="server")
        elif end in ("credit", "limit", "wait") and not self.driver.finishing and self.once("wait"):
            self.again(8000)
        else:
            self.tell("stop", type="stop", order=self.phase[1],
                      actor=self.chance.choice(("customer", "operator")))

    def when_paused(self, outlet):
        self.shut(outlet)
        self.driver.watch("paused", self.number)
        if not self.stay(0, 800):
            return
        if self.driver.finishing:
            self.tell("stop", type="stop", order=self.phase[1])
        elif not self.once("leave", 0.12) and "left" not in self.done:
            self.driver.box(f"plug {self.number} {self.load()}")
            self.tell("start", type="start", order=self.phase[1], actor="customer")
        else:
            self.done.add("left")  # its time to go on runs out

    def when_ending(self, outlet):
        self.driver.watch("ending", self.number)

    def when_finishing(self, outlet):
        if self.stay(0, 200):
            self.tell("order", type="departed", order=self.phase[1], actor="customer")

    def when_faulted(self, outlet):
        raise AssertionError(f"outlet {self.number} has a fault that nobody caused: {json.dumps(outlet)}")

    when_out_of_service = when_faulted


class Driver:
    """Makes the customers act, lets those die whose moment has come, and brings them back."""

    def __init__(self, world, server, chance, killer):
        self.world = world
        self.server = server
        self.chance = chance
        self.killer = killer
        self.customers = [Customer(self, number) for number in range(1, OUTLETS + 1)]
        self.finishing = False
        self.orders = {}  # all that the server took: number: its body and the credit that was added
        self.recharged = collections.Counter()  # by account
        self.commands = {}  # id that the server gave: its type
        self.keys = 0
        self.back_ms = {}  # who is down, and when it is started again
        self.kills = collections.Counter()
        self.last_status = None

    def next_key(self):
        self.keys += 1
        return self.keys

    # --- the world ---

    def box(self, command):
        if "boxsim" not in self.back_ms:
            self.world.boxsim.do(command)

    def call(self, method, path, body=None):
        """An operator's call. The server may have to die during it, or once it has answered."""
        if "meterbox-ops" in self.back_ms:
            raise Away("down")
        due = self.killer.due("call")
        killer = None
        if due:
            killer = threading.Timer(self.chance.uniform(0, 0.008), self.server.process.kill)
            killer.start()
        try:
            answer = self.server.call(method, "/v1/operator/" + path, body, ops.OPERATOR_TOKEN)
        except (OSError, http.client.HTTPException) as error:
            if not due:
                raise AssertionError(f"{method} {path}: the server went away by itself: {error!r}") from error
            raise Away(str(error)) from error
        finally:
            if due:
                killer.join()
                self.kill(*due)
        if method != "GET" and (due := self.killer.due("answer")):
            self.kill(*due, self.chance.choice((0, 0, 1, 5)))
        return answer

    def send(self, **command):
        answer = self.call("POST", "boxes/box-1/commands", command)
        if answer.status != 202:
            raise AssertionError(f"{command}: {answer}")
        self.commands[answer.json()["id"]] = command["type"]

    def order_state(self, number):
        answer = self.call("GET", f"orders/{number}")
        if answer.status != 200:
            raise AssertionError(f"order {number}, which the server took: {answer}")
        return answer.json()["state"]

    # --- killing ---

    def watch(self, moment, number):
        """What was asked for or has come is a moment for some."""
        due = self.killer.due(moment, but=tuple(self.back_ms))
        if not due:
            return
        if moment in ("start", "stop") and self.chance.random() < 0.5:
            states = ("supplying",) if moment == "start" else ("ending", "finishing")
            self.await_state(number, states)
            self.kill(*due, self.chance.choice((0, 0, 0.3, 1, 3, 20)))
        elif moment == "ending" and self.chance.random() < 0.5:
            self.await_state(number, ("finishing",))
            self.kill(*due, self.chance.choice((0, 0, 0.3, 1, 3, 20)))
        else:
            self.kill(*due, self.chance.uniform(0, 600 if moment == "supplying" else 80))

    def await_state(self, number, states):
        """Without a sleep between the looks: the record of the change is on its way to the disk then."""
        end = now_ms() + 2500
        try:
            while self.world.control and self.world.state_of(number) not in states and now_ms() < end:
                pass
        except Gone:
            pass

    def kill(self, whom, moment, after_ms=0):
        time.sleep(after_ms / 1000)  # the moment itself, not a wait for anything
        if whom == "meterbox-ops":
            self.server.kill()
            self.back_ms[whom] = self.time_down()
        elif whom == "boxsim":
            self.world.boxsim.kill()
            self.back_ms[whom] = self.time_down()
        else:
            self.kill_daemon()
        self.kills[whom] += 1
        self.killer.noted(whom, moment)
        if whom != "meterbox-ops":
            raise Gone("killed")

    def kill_daemon(self):
        """It is started again by itself; where it has just ended by itself, for boxsim is down, the next one is meant."""
        daemon, killed = self.world.daemon, False
        while not killed:
            wait_for("a daemon that can be killed", lambda: daemon.process.poll() is None)
            ended = len(daemon.codes)
            daemon.kill()
            wait_for("the daemon's end", lambda: len(daemon.codes) > ended)
            killed = -signal.SIGKILL in daemon.codes[ended:]

    def time_down(self):
        return now_ms() + self.chance.choice((0, 0, self.chance.randint(0, DOWN_MAX_MS)))

    def bring_back(self):
        """Those whose time has come; one may be killed again as it starts."""
        for whom in [w for w, ms in self.back_ms.items() if now_ms() >= ms]:
            due = self.killer.due("boot", but=[w for w in self.back_ms if w != whom])
            starting = due and due[0] == whom == "meterbox-ops"
            if starting:
                self.server.spawn()
            else:
                (self.world.boxsim if whom == "boxsim" else self.server).start()
                del self.back_ms[whom]
            if due:
                self.kill(*due, self.chance.uniform(0, 60 if starting else 300))

    def chance_kills(self):
        """The moments that nobody brings about."""
        if self.chance.random() >= KILL_CHANCE:
            return
        down = tuple(self.back_ms)
        if due := self.killer.due("random", but=down):
            self.kill(*due, self.chance.uniform(0, 500))
            down = tuple(self.back_ms)
        if down and (due := self.killer.due("down", but=down)):
            self.kill(*due, self.chance.uniform(0, 200))
        for moment, path in (("box_writes", self.world.path("state", "ledger.db-wal")),
                             ("server_writes", self.server.path("ops.db-wal"))):
            if due := self.killer.due(moment, but=down):
                await_change(path, 1000)
                self.kill(*due, self.chance.choice((0, 0, 0.2, 0.5, 1, 2, 4, 8)))

    # --- running ---

    def turn(self):
        """A look at everything, and a step by everybody."""
        try:
            self.bring_back()
            self.chance_kills()
            if "boxsim" in self.back_ms:
                return False
            if self.world.control is None:
                self.come_back()
            self.look()
            return True
        except Gone:
            self.world.disconnect()
            return False

    def come_back(self):
        """A daemon was killed, or lost its box: the next one may be killed as soon as it decides."""
        self.world.connect()
        if (due := self.killer.due("boot", but=("meterbox-ops", "boxsim"))):
            self.kill(*due, self.chance.uniform(0, 400))

    def look(self):
        self.last_status = self.world.status()
        if self.killer.at_rest and self.is_whole():
            self.killer.at_rest = False
            self.killer.not_before_ms = max(self.killer.not_before_ms, now_ms())
        for customer, outlet in zip(self.customers, self.last_status["outlets"]):
            try:
                customer.act(outlet)
            except Away:
                pass  # the customer asks again

    def is_whole(self):
        """All three are there, the meters answer, the link is up, and the server has what the box has."""
        status = self.last_status
        return not self.back_ms and status["server"]["state"] == "connected" and status["server"]["stream"] and \
            status["ledger"]["accepted_seq"] == status["ledger"]["durable_seq"] and \
            all(o["progress"]["has_register"] for o in status["outlets"])

    def is_done(self):
        self.turn()
        return not self.killer.plan and all(customer.count >= SESSIONS_MIN for customer in self.customers)

    def run(self):
        wait_for(lambda: f"the kills that are still planned: {self.killer.plan}", self.is_done, patience=800)

    def at_rest(self):
        return self.turn() and not any(customer.asking for customer in self.customers) and self.is_whole() and \
            all(o["progress"]["state"] == "available" for o in self.last_status["outlets"]) and not self.unsettled()

    def unsettled(self):
        return [number for number in self.orders if self.order_state(number) in ("sent", "open")]

    def bring_to_rest(self):
        self.finishing = True
        self.killer.at_rest = False
        wait_for(lambda: f"rest; {self.unsettled()} {json.dumps(self.last_status)}", self.at_rest, patience=120)


# --- the judge ---

class Judge:
    """Compares the server's orders and books, the box's ledger and what boxsim saw."""

    def __init__(self, test, driver, ledger, truths):
        self.test = test
        self.driver = driver
        self.ledger = ledger
        self.truths = truths  # boxsim's, of each outlet
        self.server = driver.server
        self.orders = {number: self.server.order_state(number) for number in driver.orders}
        self.meters = [box.Account(number) for number in range(1, OUTLETS + 1)]

    def check(self):
        self.test.assertEqual(self.ledger.check_chain(), [])
        self.check_registers()
        self.check_records()
        self.check_sessions()
        self.check_orders()
        self.check_money()
        self.check_commands()
        self.check_breakers()

    def check_registers(self):
        """Billed, service and outside are the register, the register is the meter's, and each receipt is right."""
        for meter, image, truth in zip(self.meters, self.ledger.outlets, self.truths):
            for record in self.ledger.records:
                if record.get("outlet") == meter.number:
                    meter.take(record)
            self.test.assertEqual(meter.wrong, [])
            self.test.assertIsNone(meter.session)
            self.test.assertEqual(
                (image["register_mwh"], image["billed_mwh"], image["service_mwh"], image["outside_mwh"]),
                (truth["register_mwh"], meter.billed, 0, meter.outside), f"outlet {meter.number}")
            self.test.assertEqual(meter.billed + meter.outside, meter.register)
            self.test.assertEqual(image["outside_mwh"], 0, f"outlet {meter.number}: energy that nobody pays for")
            self.test.assertGreater(meter.billed, 0)

    def check_records(self):
        """The server has each record of the box once, letter by letter."""
        theirs = self.server.records()
        self.test.assertEqual(len(theirs), len(self.ledger.bodies))
        self.test.assertEqual(theirs, self.ledger.bodies)
        self.test.assertEqual(self.server.status("box-1")["accepted_through"], len(theirs))
        self.test.assertEqual([r for r in self.ledger.of(kind="alarm") if r["alarm"] == "record_refused"], [])
        self.test.assertEqual(self.server.operator("GET", "boxes/box-1/records")["ledger"], self.ledger.id)

    def check_sessions(self):
        """What was authorized was ordered, has one end, and one bill at the server; what was not has none."""
        authorized = collections.Counter(r["order"] for r in self.ledger.of(kind="authorized"))
        ended = collections.Counter(r["order"] for r in self.ledger.of(kind="ended"))
        self.test.assertEqual(authorized, ended)
        self.test.assertEqual(set(authorized.values()), {1})
        self.test.assertLessEqual(set(authorized), set(self.orders))
        self.test.assertEqual({number for number, order in self.orders.items() if order["state"] == "done"},
                              set(authorized))
        self.test.assertEqual({number for number, order in self.orders.items() if order["state"] == "cancelled"},
                              set(self.orders) - set(authorized))

    def check_orders(self):
        bounds = [o["overdraft_bound_mwh"] for o in self.driver.world.check_config()["outlets"]]
        bills = {number: due for meter in self.meters for number, due in meter.bills.items()}
        for number, order in self.orders.items():
            body = self.driver.orders[number]["body"]
            self.test.assertEqual({k: order[k] for k in ("box", "outlet", "account", "mode")},
                                  {k: body[k] for k in ("box", "outlet", "account", "mode")})
            self.test.assertFalse(order["price_differs"] or order["ledger_lost"], order)
            self.test.assertEqual(order["billed_micros"], bills.get(number, 0), order)
            self.test.assertEqual(order["captured_micros"] + order["written_off_micros"], order["billed_micros"], order)
            if number not in bills:
                self.test.assertIsNone(order["receipt"])
                continue
            record = self.ledger.only(number, "ended")
            self.test.assertEqual({k: record["receipt"][k] for k in order["receipt"]}, order["receipt"])
            self.test.assertEqual(self.ledger.only(number, "authorized")["outlet"], order["outlet"])
            # Nobody can use more than was granted by more than the bounds of all outlets.
            prices = box.prices_of(body["tariff"])
            most = box.price({**body["tariff"], "rounding": "up"}, sum(bounds),
                             [sum(bounds) if p == max(prices) else 0 for p in prices])
            self.test.assertLessEqual(order["written_off_micros"], most, order)

    def check_money(self):
        self.test.assertEqual(self.server.check(), [])
        captured = collections.Counter()
        for order in self.orders.values():
            captured[order["account"]] += order["captured_micros"]
        for account in ACCOUNTS:
            self.test.assertEqual(self.driver.recharged[account],
                                  self.server.balance(account) + captured[account], account)
        for number, order in self.orders.items():
            self.check_credit(number, order)

    def check_credit(self, number, order):
        """What was added was added at most once, at both ends."""
        asked, body = self.driver.orders[number]["credits"], self.driver.orders[number]["body"]
        added = [r["credit_micros"] for r in self.ledger.of(number, "credit")]
        if body["mode"] == "local":
            self.test.assertFalse(collections.Counter(added) - collections.Counter(asked.values()), order)
        if order["state"] == "done":
            self.test.assertGreaterEqual(order["held_micros"], body["credit_micros"] + sum(added), order)

    def check_commands(self):
        """No command acts twice."""
        done = collections.Counter(r["id"] for r in self.ledger.commands() if r["outcome"] == "done")
        twice = {identity: count for identity, count in done.items() if count > 1}
        self.test.assertEqual({i: n for i, n in twice.items() if self.type_of(i) not in ("stop", "power_off")}, {})

    def type_of(self, identity):
        return next(r["type"] for r in self.ledger.commands() if r["id"] == identity)

    def check_breakers(self):
        for number in range(1, OUTLETS + 1):
            self.test.assertEqual(self.ledger.wrong_spans(self.driver.world.boxsim, number, least=3), [])


class Afternoon(OnlineTest):
    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            for server in self.servers:
                print("\n".join(server.tails), file=sys.stderr)
        return result

    def places(self):
        """The server and its box, linked."""
        server = Server()
        self.servers.append(server)
        self.addCleanup(lambda: self.assertEqual(server.close(), [], "what the server said or how it ended"))
        server.start()
        server.provision("box-1", TOKEN)
        world = Street()
        self.worlds.append(world)
        self.addCleanup(lambda: self.assertEqual(world.close(), [], "what the processes said or how they ended"))
        world.write_config(more=server_section(server, world.folder))
        world.start()
        self.await_link(server, world)
        return server, world

    def open_accounts(self, server, driver):
        for account, (kind, limit) in ACCOUNTS.items():
            server.account(account, RECHARGE_MICROS, kind, limit)
            driver.recharged[account] += RECHARGE_MICROS

    def test_afternoon(self):
        chance = random.Random(box.arguments.seed)
        server, world = self.places()
        driver = Driver(world, server, chance, Killer(chance, box.arguments.kills))
        self.open_accounts(server, driver)
        begin = now_ms()
        try:
            driver.run()
            driver.bring_to_rest()
        finally:
            print(f"killed so far: {dict(driver.kills)}", file=sys.stderr)
        self.assertEqual(sum(driver.kills.values()), box.arguments.kills)
        truths = [world.boxsim.outlet(number) for number in range(1, OUTLETS + 1)]
        identity = world.status()["ledger"]["id"]
        world.disconnect()
        self.assertEqual(world.daemon.stop(), 0)
        ledger = Ledger.of_file(world.path("state", "ledger.db"))
        self.assertEqual(ledger.id, identity)
        Judge(self, driver, ledger, truths).check()
        self.report(driver, ledger, (now_ms() - begin) // 1000)

    def report(self, driver, ledger, seconds):
        print(json.dumps({
            "seed": box.arguments.seed, "seconds": seconds, "kills": dict(driver.kills),
            "moments": dict(driver.killer.done), "orders": len(driver.orders),
            "sessions": len(ledger.of(kind="authorized")), "records": len(ledger.records),
            "boots": len(ledger.of(kind="boot")), "resumed": len(ledger.of(kind="resumed")),
            "boundaries": collections.Counter("unknown" if r["unknown_time"] else "known"
                                              for r in ledger.of(kind="boundary")),
            "credits": len(ledger.of(kind="credit")), "reserved": len(ledger.of(kind="reserved")),
            "commands": collections.Counter(r["type"] + " " + r["outcome"] for r in ledger.commands()),
            "reasons": collections.Counter(r["receipt"]["reason"] for r in ledger.of(kind="ended")),
            "alarms": collections.Counter(r["alarm"] for r in ledger.of(kind="alarm")),
            "recharged_micros": sum(driver.recharged.values())}))


if __name__ == "__main__":
    box.main([("--meterbox-ops", {"required": True}), ("--kills", {"type": int, "default": 100})])
