#!/usr/bin/env python3
"""Sessions go on and on at two outlets while meterboxd and boxsim are killed (SIGKILL) again and again, mostly just when a
record is being written; then everything is brought to rest, and ledger and box are compared.

usage: test_kills.py --meterboxd PATH --boxsim PATH [--seed N] [--kills N] [--box-kills N] [unittest's arguments]
"""
import collections
import json
import random
import sys
import time

sys.dont_write_bytecode = True
import box  # noqa: E402
from box import Gone, Ledger, authorize, now_ms, tariff, wait_for  # noqa: E402

LOADS_W = (60000, 40000)
RATED_W = (70000, 50000)
STEP_MWH = 10000
MOMENTS = ("authorize", "start", "stop", "resume", "departed", "ending", "supply", "paused", "boot", "idle")
NEXT = 6
SESSIONS_MIN = 10  # at each outlet
WEIGHTS = (10, 24, 12, 12, 4, 12, 14, 4, 6, 2)


class Killer:
    """Decides when who dies: a kill waits for its moment, in about the order of a seeded shuffle."""

    def __init__(self, chance, kills, box_kills):
        self.chance = chance
        self.plan = [("meterboxd", m) for m in chance.choices(MOMENTS, WEIGHTS, k=kills)]
        self.plan += [("boxsim", m) for m in chance.choices(MOMENTS, WEIGHTS, k=box_kills)]
        chance.shuffle(self.plan)
        self.done = []
        self.not_before_ms = 0

    def due(self, moment):
        """Whom to kill now, or None. Only the next few are looked at, so that no moment is left to the end."""
        if now_ms() < self.not_before_ms:
            return None
        for i, (whom, when) in enumerate(self.plan[:NEXT]):
            if when == moment:
                self.done.append(self.plan.pop(i))
                # Some are killed again before they have settled, others after a session or two.
                self.not_before_ms = now_ms() + self.chance.choice((0, 500, 2000, 5000))
                return whom
        return None


class Customer:
    """One outlet's people: what they do next follows from the outlet's state, and chance."""

    def __init__(self, driver, number):
        self.driver = driver
        self.chance = driver.chance
        self.number = number
        self.count = 0
        self.until_ms = 0  # what is under way goes on until then
        self.phase = None  # the state that until_ms was chosen for

    def order(self):
        return f"o{self.number}-{self.count}"

    def stay(self, state, low_ms, high_ms):
        """True once the time chosen for this stay in a state is over."""
        if self.phase != state:
            self.phase = state
            self.until_ms = now_ms() + self.chance.randint(low_ms, high_ms)
        return now_ms() >= self.until_ms

    def act(self, outlet):
        state = outlet["progress"]["state"]
        if state != self.phase:
            self.phase = None
        getattr(self, "when_" + state)(outlet)

    def tell(self, moment, **command):
        self.driver.tell(moment, outlet=self.number, **command)

    def when_available(self, outlet):
        if self.driver.finishing or not self.stay("available", 0, 200) or self.driver.kill_if_due("idle"):
            return
        self.count += 1
        credit = self.chance.choice((20000, 45000, 10 ** 8, 10 ** 8))
        self.driver.orders.append(self.order())
        self.tell("authorize", **{k: v for k, v in authorize(
            self.number, self.order(), credit, account=self.chance.choice(("shared", f"own-{self.number}")),
            of=tariff(self.chance.choice((1000000, 312345)), start_fee_micros=1234)).items() if k != "outlet"})
        if self.chance.random() < 0.2:
            self.phase = None

    def when_unlocked(self, outlet):
        self.close_door(outlet)
        if self.driver.finishing and self.stay("unlocked", 3000, 3000):
            self.tell("stop", type="stop", order=outlet["session"]["order"])

    def close_door(self, outlet):
        if outlet["door"] == "open":
            self.driver.box(f"close {self.number}")

    def when_ready(self, outlet):
        if not self.stay("ready", 0, 300):
            return
        self.driver.box(f"plug {self.number} {LOADS_W[self.number - 1]}")
        if self.driver.finishing or self.chance.random() < 0.06:
            self.tell("stop", type="stop", order=outlet["session"]["order"])
        else:
            self.tell("start", type="start", order=outlet["session"]["order"])
        self.phase = None

    def when_supplying(self, outlet):
        if self.driver.kill_if_due("supply", within_ms=600) or not self.stay("supplying", 200, 2600):
            return
        if self.number == 1 and self.chance.random() < 0.25 and not self.driver.finishing:
            self.driver.box("open 1 force")
        else:
            self.tell("stop", type=self.chance.choice(("stop", "power_off")), order=outlet["session"]["order"])
        self.phase = None

    def when_paused(self, outlet):
        self.close_door(outlet)
        if self.driver.kill_if_due("paused") or not self.stay("paused", 0, 800):
            return
        if self.driver.finishing or self.chance.random() < 0.3:
            self.tell("stop", type="stop", order=outlet["session"]["order"])
        else:
            self.driver.box(f"plug {self.number} {LOADS_W[self.number - 1]}")
            self.tell("resume", type="start", order=outlet["session"]["order"])
        self.phase = None

    def when_ending(self, outlet):
        whom = self.driver.killer.due("ending")
        if whom and self.chance.random() < 0.5:
            self.driver.kill_at(whom, "ending", self.number, "finishing")
        elif whom:
            self.driver.kill(whom, "ending", self.chance.uniform(0, 400))

    def when_finishing(self, outlet):
        self.tell("departed", type="departed", order=outlet["session"]["order"])

    def when_faulted(self, outlet):
        raise AssertionError(f"outlet {self.number} has a fault that nobody caused: {json.dumps(outlet)}")


class Driver:
    def __init__(self, world, chance, killer):
        self.world = world
        self.chance = chance
        self.killer = killer
        self.customers = [Customer(self, 1), Customer(self, 2)]
        self.finishing = False
        self.orders = []  # every order that was asked for
        self.answers = {}  # by command id: "done", "refused" or None where the daemon died before it answered
        self.kills = collections.Counter()

    # --- acting ---

    def box(self, command):
        self.world.boxsim.do(command)

    def tell(self, moment, **command):
        """Says a command; the daemon may have to die while it carries it out."""
        identity = f"c-{len(self.answers) + 1}"
        self.answers[identity] = None
        self.world.control.ask("command", command={"id": identity, **command})
        whom = self.killer.due(moment)
        if whom and (moment not in ("start", "resume") or self.chance.random() < 0.3):
            self.kill(whom, moment, self.chance.choice((0, 0.5, 1, 2, 3, 5, 8, 15, 400)))
        answer = self.world.control.line()
        if whom:
            self.kill_at(whom, moment, command["outlet"], "supplying")
        if not answer["ok"] and answer["code"] != "refused":
            raise AssertionError(f"{command}: {answer}")
        self.answers[identity] = "done" if answer["ok"] else "refused"

    def kill_if_due(self, moment, within_ms=0):
        whom = self.killer.due(moment)
        if whom:
            self.kill(whom, moment, self.chance.uniform(0, within_ms))
        return bool(whom)

    def kill_at(self, whom, moment, number, state):
        """Kills within milliseconds of a change of state, while its record is on its way to the disk: there is no sleep
        between the looks."""
        patience_ms = now_ms() + 5000
        while self.world.state_of(number) != state and now_ms() < patience_ms:
            pass
        self.kill(whom, moment, self.chance.choice((0, 0, 0.3, 0.6, 1, 2, 3, 20)))

    def kill(self, whom, moment, after_ms):
        time.sleep(after_ms / 1000)  # the moment itself, not a wait for anything
        self.kills[f"{whom} {moment}"] += 1
        if whom == "meterboxd":
            self.world.daemon.kill()
        else:
            self.world.boxsim.kill()
            self.world.boxsim.start()
        raise Gone("killed")

    # --- running ---

    def look(self):
        for customer, outlet in zip(self.customers, self.world.status()["outlets"]):
            customer.act(outlet)

    def come_back(self):
        """A daemon was killed, or lost its box: the next one may be killed as soon as it decides."""
        for customer in self.customers:
            customer.phase = None
        self.world.disconnect()
        self.world.connect()
        self.kill_if_due("boot", within_ms=300)

    def turn(self):
        try:
            if self.world.control is None:
                self.come_back()
            self.look()
        except Gone:
            self.world.disconnect()

    def is_done(self):
        self.turn()
        return not self.killer.plan and all(customer.count >= SESSIONS_MIN for customer in self.customers)

    def run(self):
        wait_for(lambda: f"the kills that are still planned: {self.killer.plan}", self.is_done, patience=1200)

    def at_rest(self):
        self.turn()
        try:
            return self.world.control and all(o["progress"]["state"] == "available"
                                              for o in self.world.status()["outlets"])
        except Gone:
            return False

    def bring_to_rest(self):
        self.finishing = True
        wait_for("rest", self.at_rest)


class Judge:
    """Compares what the ledger says with what boxsim saw."""

    def __init__(self, test, driver, ledger):
        self.test = test
        self.driver = driver
        self.ledger = ledger
        self.boxsim = driver.world.boxsim

    def check(self):
        self.test.assertEqual(self.ledger.check(), [])
        self.check_sessions()
        self.check_answers()
        self.check_registers()
        self.check_breakers()

    def check_sessions(self):
        """Every session that was authorized, and only such, has one end."""
        authorized = collections.Counter(r["order"] for r in self.ledger.of(kind="authorized"))
        ended = collections.Counter(r["order"] for r in self.ledger.of(kind="ended"))
        self.test.assertEqual(authorized, ended)
        self.test.assertEqual({count for count in authorized.values()}, {1})
        self.test.assertLessEqual(set(authorized), set(self.driver.orders))

    def check_answers(self):
        """What was answered is durable; no command acts twice."""
        records = collections.defaultdict(list)
        for record in self.ledger.commands():
            records[record["id"]].append(record["outcome"])
        for identity, answer in self.driver.answers.items():
            found = records.pop(identity, [])
            if answer is None:
                self.test.assertLessEqual(len(found), 1, identity)
            else:
                self.test.assertEqual(found, [answer], identity)
        self.test.assertEqual(dict(records), {}, "results of commands that nobody gave")

    def check_registers(self):
        for number in (1, 2):
            image, truth = self.ledger.outlets[number - 1], self.boxsim.outlet(number)
            self.test.assertEqual(image["billed_mwh"] + image["service_mwh"] + image["outside_mwh"],
                                  image["register_mwh"])
            self.test.assertEqual(image["register_mwh"], truth["register_mwh"], f"outlet {number}")
            self.test.assertEqual(image["outside_mwh"], 0, f"outlet {number}: energy that nobody pays for")
            self.test.assertEqual(image["serial"], truth["serial"].lstrip("0"))
            self.test.assertGreater(image["billed_mwh"], 2 * STEP_MWH)

    def check_breakers(self):
        for number in (1, 2):
            self.test.assertEqual(self.ledger.wrong_spans(self.boxsim, number, least=6), [])


class Kills(box.E2eTest):
    def test_kills(self):
        chance = random.Random(box.arguments.seed)
        killer = Killer(chance, box.arguments.kills, box.arguments.box_kills)
        world = self.world(rated_w=RATED_W)
        driver = Driver(world, chance, killer)
        begin = now_ms()
        driver.run()
        driver.bring_to_rest()
        ledger = world.ledger()
        Judge(self, driver, ledger).check()
        self.assertEqual(len(killer.done), box.arguments.kills + box.arguments.box_kills)
        self.assertEqual(world.daemon.kills, box.arguments.kills)
        identity = world.status()["ledger"]["id"]
        world.disconnect()
        self.assertEqual(world.daemon.stop(), 0)
        left = Ledger.of_file(world.path("state", "ledger.db"))
        self.assertEqual((left.id, left.check()), (identity, []))
        self.assertEqual(left.bodies[:len(ledger.bodies)], ledger.bodies)
        print(json.dumps({
            "seed": box.arguments.seed, "seconds": (now_ms() - begin) // 1000, "kills": dict(driver.kills),
            "sessions": len(ledger.of(kind="authorized")), "records": len(ledger.records),
            "boots": len(ledger.of(kind="boot")), "resumed": len(ledger.of(kind="resumed")),
            "unanswered": sum(answer is None for answer in driver.answers.values()),
            "reasons": collections.Counter(r["receipt"]["reason"] for r in ledger.of(kind="ended")),
            "alarms": collections.Counter(r["alarm"] for r in ledger.of(kind="alarm")),
            "billed_mwh": [ledger.outlets[i]["billed_mwh"] for i in (0, 1)]}))


if __name__ == "__main__":
    box.main([("--kills", {"type": int, "default": 50}), ("--box-kills", {"type": int, "default": 20})])
