#!/usr/bin/env python3
"""SIGKILL of meterboxd and of boxsim at random moments of a busy box; then the whole ledger and all that boxsim saw are
judged: one end record a session, energy = register difference, every unit of each register somebody's, no breaker
closed outside of a started, durable session."""
import json
import random
import time

from harness import BoxTest, grant, main, wait_for

CLOSING = {"started", "resumed"}
OPENING = {"paused", "stopping", "ended"}
# States in which a kill may strike, the interesting ones more often.
MOMENTS = ("available", "ready", "ready", "supplying", "supplying", "supplying", "ending", "ending", "paused", "finishing")


class Kills(BoxTest):
    def control(self):
        """A signed-on connection to whichever daemon lives now."""
        def attempt():
            if self.box.daemon.poll() is not None:
                self.box.start_daemon()
            try:
                return self.box.connect("li.wei")
            except (OSError, ConnectionError):
                return None
        return wait_for("a connection", attempt)

    def drive(self, outlet):
        """One step of a customer's life at an outlet, whatever state it is in."""
        try:
            self.step(outlet)
        except (OSError, ConnectionError):
            pass  # the daemon has just died

    def step(self, outlet):
        control = self.control()
        try:
            o = control.ask("status")["outlets"][outlet - 1]
            if "progress" not in o:
                return
            state, order = o["progress"]["state"], o["progress"].get("order")
            self.seen[outlet] = state
            if state == "available":
                self.orders += 1
                control.command("authorize", outlet, grant=grant(f"o{self.orders}", self.chance.randint(4, 25) * 1000,
                                                                 account=f"a{outlet}"))
            elif state in ("ready", "paused"):
                control.command("start", outlet, order=order)
            elif state == "supplying" and self.chance.random() < 0.01:
                control.command("stop", outlet, order=order)
            elif state == "finishing":
                control.command("departed", outlet, order=order)
            elif state == "faulted":
                self.faults.append(o["fault"])
                control.command("clear_fault", outlet)
        finally:
            control.close()

    def live_until(self, outlet, state):
        """People go on with their sessions until the outlet is there, or for a while."""
        until = time.monotonic() + 6
        while time.monotonic() < until:
            self.drive(1)
            self.drive(2)
            if self.seen.get(outlet) == state:
                break
            time.sleep(0.03)

    def kill_daemon(self):
        self.box.kill(self.box.daemon)
        self.box.start_daemon(wait=False)

    def kill_sim(self):
        self.box.kill(self.box.sim)
        # Its pins are gone: the daemon ends by itself, and is started again as systemd would.
        self.assertEqual(self.box.daemon.wait(60), 1)
        self.box.start_sim()
        self.plug()
        self.box.start_daemon(wait=False)

    def plug(self):
        for outlet in (1, 2):
            self.box.tell(f"plug {outlet} 7000")

    def come_to_rest(self):
        def at_rest():
            for outlet in (1, 2):
                control = self.control()
                o = control.ask("status")["outlets"][outlet - 1]
                state, order = o.get("progress", {}).get("state"), o.get("progress", {}).get("order")
                if state in ("unlocked", "ready", "supplying", "paused"):
                    control.command("stop", outlet, order=order)
                elif state == "finishing":
                    control.command("departed", outlet, order=order)
                elif state == "faulted":
                    control.command("clear_fault", outlet)
                control.close()
                if state != "available":
                    return False
            return True
        wait_for("both outlets to be at rest", at_rest)

    def test_kills(self):
        self.chance = random.Random(self.programs.seed)
        self.orders, self.faults, self.seen = 0, [], {}
        kills = ["daemon"] * self.programs.daemon_kills + ["sim"] * self.programs.boxsim_kills
        self.chance.shuffle(kills)
        self.plug()
        for kill in kills:
            self.live_until(self.chance.choice((1, 2)), self.chance.choice(MOMENTS))
            time.sleep(self.chance.choice((0, self.chance.uniform(0, 1))))  # any moment of that state
            self.kill_daemon() if kill == "daemon" else self.kill_sim()
            if self.chance.random() < 0.8:
                self.box.wait_ready()
        self.come_to_rest()
        self.judge()

    # --- judging ---

    def judge(self):
        records, images = self.box.ledger()
        truth = self.box.state()
        ended = self.judge_sessions(records)
        self.judge_registers(records, images, truth)
        self.judge_breakers(records)
        reasons = {}
        for record in ended:
            reasons[record["reason"]] = reasons.get(record["reason"], 0) + 1
        self.assertGreater(len(ended), 5)
        self.assertGreater(sum(1 for r in ended if r["energy_mwh"] > 0), 3)
        print(json.dumps({"seed": self.programs.seed, "daemon_kills": self.programs.daemon_kills,
                          "boxsim_kills": self.programs.boxsim_kills, "boots": records[-1]["boot"],
                          "sessions": len(ended), "records": len(records), "reasons": reasons,
                          "faults": self.faults}))

    def judge_sessions(self, records):
        authorized = [r["order"] for r in records if r["kind"] == "authorized"]
        ended = [{**r, **r["receipt"]} for r in records if r["kind"] == "ended"]
        self.assertEqual(len(authorized), len(set(authorized)))
        self.assertEqual(sorted(authorized), sorted(r["order"] for r in ended))
        for record in ended:
            if "register_mwh" in record and record["energy_mwh"] > 0:
                self.assertEqual(record["energy_mwh"], record["register_mwh"] - record["start_mwh"], record)
        return ended

    def judge_registers(self, records, images, truth):
        for i in (0, 1):
            image = images[i]
            shown = truth["outlets"][i]["register_mwh"]
            self.assertEqual(image["billed_mwh"] + image["service_mwh"] + image["outside_mwh"], image["register_mwh"])
            billed = sum(r["receipt"]["energy_mwh"] for r in records
                         if r["kind"] == "ended" and r["outlet"] == i + 1)
            self.assertEqual(billed, image["billed_mwh"])
            # The image's register is the last one in a record; the meter may have moved by a step since.
            self.assertLessEqual(abs(shown - image["register_mwh"]), 10000)
            # Nothing flows outside of a session: what is not billed is at most a step for each of the sessions that
            # were cut between two readings.
            self.assertLessEqual(image["outside_mwh"] % 10000, 0)

    def judge_breakers(self, records):
        """Each moment at which a coil was driven lies within a supply of the ledger."""
        for outlet in (1, 2):
            spans, since = [], None
            for r in records:
                if r["kind"] == "boot" or (r.get("outlet") == outlet and r["kind"] in OPENING):
                    if since is not None:
                        spans.append((since, r["mono_ms"]))
                    since = None
                elif r.get("outlet") == outlet and r["kind"] in CLOSING:
                    since = r["mono_ms"]
            closings = 0
            for event in self.box.log():
                if event["event"] == "driven" and event.get("outlet") == outlet and event["value"]:
                    closings += 1
                    at = event["mono_ms"]
                    self.assertTrue(any(begin <= at <= end + 20 for begin, end in spans),
                                    f"outlet {outlet} was closed at {at}, outside of {spans[-5:]}")
            self.assertGreater(closings, 0, self.box.log()[-40:])


if __name__ == "__main__":
    main("__main__")
