"""What people and misfortune do to the box of the demo: each act is one key of the keyboard and says what it did. Python's
standard library only."""
from demo_parts import LOAD_W, box

FADE_EVERY_MS = 2000
FADE_TO = 0.6  # of the power before
FULL_W = 60  # below this a fading load stays as it is
POWER_OFF = "the power is off: p brings it back"


class Hands:
    """What they did and a power cut does not undo is remembered here."""

    def __init__(self, world, link):
        self.world = world
        self.link = link
        self.powered = True
        self.loads = {}  # watts by outlet
        self.fading = {}  # by outlet: when it fades next
        self.doors = set()  # outlets whose door is open
        self.faults = set()  # of the meter of outlet 1
        self.keys = {
            "1": (lambda: self.plug(1), f"plug {LOAD_W // 1000} kW into outlet 1; again: unplug"),
            "2": (lambda: self.plug(2), "the same at outlet 2"),
            "3": (lambda: self.door(1), "open the door of outlet 1, once it is unlocked; again: close"),
            "4": (lambda: self.door(2), "the same at outlet 2"),
            "5": (lambda: self.fade(1), "the load of outlet 1 fades, like a battery that becomes full"),
            "6": (lambda: self.fade(2), "the same at outlet 2"),
            "m": (lambda: self.meter("silent", "answers nothing"), "the meter of outlet 1 falls silent; again: mended"),
            "i": (lambda: self.meter("zero", "shows an implausible register"),
                  "the meter of outlet 1 shows nonsense; again: mended"),
            "l": (self.cut_link, "cut the link between box and server; again: mend"),
            "p": (self.cut_power, "cut the power of the whole box; again: it returns"),
        }

    def legend(self):
        return [f"  {key}  {what}" for key, (_, what) in self.keys.items()] + ["  ?  these keys;  Ctrl-C ends the demo"]

    def press(self, key):
        """What came of it; None when the key means nothing."""
        if key not in self.keys:
            return None
        if not self.powered and key not in "lp":
            return POWER_OFF
        return self.keys[key][0]()

    def box(self, command):
        """None, or the box's own words why not."""
        try:
            self.world.boxsim.do(command)
        except AssertionError as error:
            if self.world.boxsim.process.poll() is not None:
                raise
            return str(error)
        return None

    # --- at the outlets ---

    def open_door(self, outlet):
        if self.box(f"open {outlet}"):
            return f"the door of outlet {outlet} is locked: a customer unlocks it on the page, the operator at the desk"
        self.doors.add(outlet)
        return f"the door of outlet {outlet} is open"

    def close_door(self, outlet):
        self.box(f"close {outlet}")
        self.doors.discard(outlet)
        return f"the door of outlet {outlet} is closed"

    def door(self, outlet):
        return self.close_door(outlet) if outlet in self.doors else self.open_door(outlet)

    def plug_in(self, outlet, watts=LOAD_W):
        self.box(f"plug {outlet} {watts}")
        self.loads[outlet] = watts
        return f"{watts} W are plugged in at outlet {outlet}"

    def unplug(self, outlet):
        self.box(f"unplug {outlet}")
        self.loads.pop(outlet)
        self.fading.pop(outlet, None)
        return f"the plug of outlet {outlet} is out"

    def plug(self, outlet):
        if outlet not in self.doors:
            return f"the door of outlet {outlet} is closed: nobody gets at the socket ({'34'[outlet - 1]} opens it)"
        return self.unplug(outlet) if outlet in self.loads else self.plug_in(outlet)

    def fade(self, outlet):
        if outlet not in self.loads:
            return f"nothing is plugged in at outlet {outlet}"
        if outlet in self.fading or self.loads[outlet] <= FULL_W:
            return f"the load of outlet {outlet} fades already"
        self.fading[outlet] = box.now_ms()
        return f"the load of outlet {outlet} begins to fade"

    def go_on(self):
        """What changes by itself; what is to be said of it."""
        said = []
        for outlet, at_ms in list(self.fading.items()):
            if not self.powered or box.now_ms() < at_ms:
                continue
            watts = max(FULL_W, round(self.loads[outlet] * FADE_TO))
            self.plug_in(outlet, watts)
            self.fading[outlet] = at_ms + FADE_EVERY_MS
            if watts == FULL_W:
                del self.fading[outlet]
                said.append(f"the load of outlet {outlet} takes {watts} W only: its battery is full")
        return said

    # --- misfortune ---

    def meter(self, fault, words):
        on = fault not in self.faults
        self.box(f"fault 1 {fault} {'on' if on else 'off'}")
        self.faults ^= {fault}
        return f"the meter of outlet 1 {words}" if on else "the meter of outlet 1 is mended"

    def cut_link(self):
        if self.link.is_cut:
            self.link.mend()
            return "the link is mended: the box tries again by itself"
        self.link.cut()
        return "the link between box and server is cut"

    def cut_power(self):
        if self.powered:
            self.powered = False
            self.world.daemon.kill()
            self.world.boxsim.kill()
            self.world.daemon.wait()
            return "the power is cut: boxsim and meterboxd are killed where they stand"
        self.world.boxsim.start()
        for outlet in self.doors:
            self.box(f"open {outlet} force")
        for outlet, watts in self.loads.items():
            self.box(f"plug {outlet} {watts}")
        for fault in self.faults:
            self.box(f"fault 1 {fault} on")
        self.world.daemon.start()
        self.powered = True
        return "the power is back: the box starts, and remembers"
