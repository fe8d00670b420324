"""What has happened, in words: from boxsim's log what the box does, from the desk's stream of events what the server knows.
Each line is (who, what). Python's standard library only."""
import json

from demo_parts import euro, wh

SUPPLY_EVERY_MS = 15000  # between two lines on one outlet's energy


def outlet_at(event):
    return "the metering box" if event.get("outlet") in (None, 0) else f"outlet {event['outlet']}"


class BoxLog:
    """boxsim's log, line by line, as it grows."""

    def __init__(self, path):
        self.path = path
        self.offset = 0

    def news(self):
        """What the box itself has done; what people do to it is told by whoever does it."""
        try:
            with open(self.path, "rb") as log:
                log.seek(self.offset)
                text = log.read()
        except FileNotFoundError:
            return []
        text = text[:text.rfind(b"\n") + 1]
        self.offset += len(text)
        said = [self.say(json.loads(line)) for line in text.splitlines()]
        return [("box", text) for text in said if text]

    def say(self, event):
        if event["event"] == "pulse":
            return f"the lock of {outlet_at(event)} opens"
        if event["event"] == "energised":
            return (f"the breaker of {outlet_at(event)} is " +
                    ("closed: there is power at the socket" if event["value"] else "open: no power at the socket"))
        return None


class Desk:
    """What the desk's stream says, each thing once."""

    def __init__(self):
        self.boxes = {}
        self.outlets = {}
        self.orders = {}
        self.supply_ms = {}
        self.tells_supply = False  # while the first customer does

    def news(self, event, what, now_ms):
        said = {"box": self.box, "order": self.order, "alarm": self.alarm}[event](what, now_ms)
        return [("server", text) for text in said]

    def box(self, box, now_ms):
        said = []
        before = self.boxes.get(box["box"])
        if before is not None and before != box["connected"]:
            said.append(f"{box['box']} is " + ("connected again" if box["connected"] else "not connected any more"))
        self.boxes[box["box"]] = box["connected"]
        for outlet in box["outlets"]:
            said += self.outlet(box["box"], outlet, now_ms)
        return said

    def outlet(self, box, outlet, now_ms):
        said, key, progress = [], (box, outlet["outlet"]), outlet["progress"]
        if progress is None:
            return said
        now = {"state": progress["state"], "fault": outlet["fault"], "energy": progress["energy_mwh"]}
        before = self.outlets.get(key, now)
        self.outlets[key] = now
        if now["state"] != before["state"]:
            said.append(f"outlet {outlet['outlet']}: {before['state']} → {now['state']}")
        if now["fault"] != before["fault"]:
            said.append(f"outlet {outlet['outlet']}: " + ("the fault is cleared" if now["fault"] == "none" else
                        f"fault {now['fault']}, until somebody clears it"))
        if (self.tells_supply and now["state"] == "supplying" and now["energy"] != before["energy"] and
                now_ms - self.supply_ms.get(key, 0) >= SUPPLY_EVERY_MS):
            self.supply_ms[key] = now_ms
            said.append(f"outlet {outlet['outlet']}: {progress['power_mw'] / 1000:.0f} W, {wh(now['energy'])} so far, "
                        f"{euro(progress['cost_micros'])}")
        return said

    def order(self, order, _):
        if self.orders.get(order["order"]) == order["state"]:
            return []
        self.orders[order["order"]] = order["state"]
        name = f"order {order['order'][:10]}… of outlet {order['outlet']}"
        if order["state"] == "done" and order["receipt"]:
            receipt = order["receipt"]
            return [f"{name} is done: it ended for {receipt['reason']}, {wh(receipt['energy_mwh'])}, "
                    f"{euro(order['captured_micros'])} paid"]
        return [f"{name} is {order['state']}"]

    def alarm(self, alarm, _):
        where = f" at outlet {alarm['outlet']}" if alarm.get("outlet") else ""
        detail = f" ({alarm['detail']})" if alarm.get("detail") else ""
        return [f"{alarm['kind']}: {alarm['word']}{where}{detail}"]
