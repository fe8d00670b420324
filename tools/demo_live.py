"""The demo for somebody who looks: the three processes, a first customer who plays by itself what the customer's page would
do, and then a box, both pages and a keyboard that are the visitor's, until Ctrl-C. Python's standard library only."""
import contextlib
import queue
import re
import secrets
import signal
import socket
import sys
import time
from pathlib import Path

import demo_parts
from demo_hands import Hands
from demo_keys import Keyboard
from demo_link import Link
from demo_news import BoxLog, Desk
from demo_parts import BOX, LOAD_W, Wrong, box, euro, ops, wh
from demo_phone import Follower, Phone

KEY_PATIENCE_S = 0.1
MESSAGES_EVERY_MS = 500
FULL_MS = 15000  # a demo has no ten minutes
WHO_WIDTH = 8

STAFF = "demo"
CUSTOMER = "ann@example.org"
RECHARGE_MICROS = 5000000
AMOUNT_MICROS = 1000000
THINK_MS = 1500
ENOUGH_MWH = 30000  # then the first customer stops

FLAT = {"currency": "EUR", "energy_price_micros": 420000, "service_price_micros": 80000, "quantum_micros": 100,
        "rounding": "half_up"}


def day_and_night():
    """A tariff with two rates, by this machine's clock."""
    return {"currency": "EUR", "quantum_micros": 100, "rounding": "half_up",
            "rates": [{"name": "night", "price_micros": 250000}, {"name": "day", "price_micros": 450000}],
            "periods": [{"from_min": 0, "rate": 0}, {"from_min": 420, "rate": 1}, {"from_min": 1320, "rate": 0}],
            "utc_offset_min": time.localtime().tm_gmtoff // 60}


def code_of(message):
    """The code that was sent to a customer."""
    return re.search("[0-9]{6}", message["text"]).group()


PLACES = {"A1": {"outlet": 1, "tariff": "flat", "label": "Bay 1, by the gate", "mode": "local"},
          "A2": {"outlet": 2, "tariff": "day-and-night", "label": "Bay 2, under the roof", "mode": "remote"}}


class Live(demo_parts.Parts):
    def __init__(self, port, tool):
        """port: the server's, 0 for any. tool: where meterboxctl is."""
        super().__init__("--sandbox-payments")
        self.server.port = port
        self.tool = tool and Path(tool).resolve()
        self.password = "-".join(secrets.token_hex(2) for _ in range(4))
        self.keyboard = Keyboard()
        self.queue = queue.Queue()
        self.link = None
        self.hands = None
        self.box_log = BoxLog(self.world.boxsim.log)
        self.desk = Desk()
        self.message = None  # the newest that was told
        self.messages_ms = 0
        self.session = None  # the first customer's order as its page would know it

    # --- telling ---

    def tell(self, who, text):
        print(f"{time.strftime('%H:%M:%S')}  {who:<{WHO_WIDTH}}  {text}", flush=True)

    def processes(self):
        mains = super().processes()
        return mains if self.hands is None or self.hands.powered else mains[:1]

    def pump(self):
        """Tells all that has happened since the last time."""
        self.check_processes()
        for who, text in self.box_log.news():
            self.tell(who, text)
        with contextlib.suppress(queue.Empty):
            while True:
                self.take(*self.queue.get_nowait())
        if box.now_ms() - self.messages_ms >= MESSAGES_EVERY_MS:
            self.messages_ms = box.now_ms()
            self.take_messages()

    def take(self, name, event, what):
        if name == "desk" and event is None:
            raise Wrong(f"the desk's stream of events has ended: {what}")
        if name == "desk":
            for who, text in self.desk.news(event, what, box.now_ms()):
                self.tell(who, text)
        elif event is not None:
            self.session = what

    def take_messages(self):
        """Codes that were sent to customers: whoever sits here is their phone."""
        messages = self.server.operator("GET", "messages")["messages"]
        new = messages[:messages.index(self.message)] if self.message in messages else messages
        for message in reversed(new):
            self.tell("message", f"the code for {message['contact']} is {code_of(message)}")
        self.message = messages[0] if messages else None

    def wait(self, what, condition):
        def look():
            if self.hands is not None:
                self.pump()
            return condition()
        return super().wait(what, look)

    # --- beginning and end ---

    def run(self):
        sys.stdout.reconfigure(errors="replace")  # whatever the terminal's own letters are
        self.open()
        FirstCustomer(self).play()
        signal.alarm(0)
        self.stay()

    def check_port(self):
        """That the server will be able to listen there, said before anything starts."""
        try:
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", self.server.port))
                probe.listen()
        except OSError as error:
            raise Wrong(f"port {self.server.port}: {error.strerror}; choose another with --port, or any without") from error

    def open(self):
        self.check_port()
        self.tell("demo", "starts an operations server, a simulated box and the box's controller")
        self.start_server()
        self.put_up_for_sale()
        self.link = Link(self.server.port)
        checked = self.write_config(self.link.port)
        self.start_box()
        self.hands = Hands(self.world, self.link)
        headers = {"Authorization": f"Bearer {ops.OPERATOR_TOKEN}"}
        Follower("desk", self.server.connect(), "/v1/operator/events", headers, self.queue).start()
        self.tell("box", "is there and has reported: outlet 1 with a DL/T 645 meter, outlet 2 with a Modbus one")
        self.rest_locks(checked)

    def put_up_for_sale(self):
        operator = self.server.operator
        operator("PUT", f"staff/{STAFF}", {"role": "manager", "password": self.password})
        for name, tariff in (("flat", FLAT), ("day-and-night", day_and_night())):
            operator("PUT", f"tariffs/{name}", {"replaces": 0, "tariff": tariff})
        for code, place in PLACES.items():
            operator("PUT", f"outlets/{code}", {**place, "box": BOX, "full_ms": FULL_MS})
        self.tell("operator", "makes the box known, two tariffs, and puts its outlets up for sale as "
                  + " and ".join(PLACES))

    def stay(self):
        self.doing = "the visitor's turn"
        self.desk.tells_supply = True
        self.keyboard.begin()
        print("\n".join(self.welcome()), flush=True)
        while True:
            for key in self.keyboard.read(KEY_PATIENCE_S):
                self.press(key)
            for text in self.hands.go_on():
                self.tell("you", text)
            self.pump()

    def press(self, key):
        if key == "?":
            print("\n".join(self.hands.legend()), flush=True)
            return
        said = self.hands.press(key)
        if said is not None:
            self.tell("you", said)
        elif key.isprintable() and not key.isspace():
            self.tell("demo", f"the key {key} means nothing; ? says which do")

    def welcome(self):
        url = self.server.url()
        said = ["", "Now it is your turn. Everything runs on this machine, until Ctrl-C.", "",
                f"  A customer's page   {url}/o/A1   and   {url}/o/A2",
                "                      sign in with any e-mail address or phone number: the code comes up here",
                f"  The operator's desk {url}/desk",
                f"                      sign in as {STAFF} with the password {self.password}"]
        if self.tool:
            said += [f"  A technician's view {self.tool} --socket {self.world.path('control')} watch"]
        if self.keyboard.listens:
            return said + ["", "Keys, each acts at once:"] + self.hands.legend() + [""]
        return said + ["", "Standard input is not a terminal of ours: there are no keys.", ""]

    def close(self):
        self.keyboard.end()
        if self.link is not None:
            self.link.close()
        return super().close()


class FirstCustomer:
    """A short session, by the calls of the customer's page."""

    def __init__(self, live):
        self.live = live
        self.phone = Phone(live.server)
        self.order = "c-" + secrets.token_hex(16)

    def tell(self, text):
        self.live.tell("customer", text)

    def think(self):
        """As long as a person takes for the next step, and whoever looks for reading."""
        end_ms = box.now_ms() + THINK_MS
        self.live.wait("the customer thinks", lambda: box.now_ms() >= end_ms)

    def await_session(self, what, condition):
        return self.live.wait(what, lambda: self.live.session and condition(self.live.session) and self.live.session)

    def do(self, act):
        return self.phone.call("POST", f"/v1/customer/orders/{self.order}/{act}")

    def play(self):
        self.sign_in()
        self.recharge()
        self.buy()
        self.plug_in()
        self.charge()
        self.leave()

    def sign_in(self):
        self.tell(f"scans the code of A1, and asks for a code as {CUSTOMER}")
        self.phone.call("POST", "/v1/customer/codes", {"contact": CUSTOMER})
        self.think()
        code = code_of(self.live.server.operator("GET", "messages")["messages"][0])
        self.phone.call("POST", "/v1/customer/session", {"contact": CUSTOMER, "code": code})
        self.tell("types it in, and is signed in")

    def recharge(self):
        self.think()
        payment = self.phone.call("POST", "/v1/customer/payments",
                                  {"micros": RECHARGE_MICROS, "key": secrets.token_hex(16)})
        self.phone.call("POST", f"/v1/sandbox/payments/{payment['payment']}", {"pay": True})
        me = self.phone.call("GET", "/v1/customer/session")
        self.tell(f"recharges at the sandbox's payment page, and has {euro(me['balance_micros'])}")

    def buy(self):
        self.think()
        offer = self.phone.call("GET", "/v1/customer/outlets/A1")
        self.tell(f"reads \"{offer['label']}\", {euro(offer['price_now_micros'])} per kWh, accepts the agreement "
                  f"(version {offer['agreement']['version']}), and orders for {euro(AMOUNT_MICROS)}")
        self.phone.call("PUT", f"/v1/customer/orders/{self.order}",
                        {"code": "A1", "agreement": offer["agreement"]["version"], "until": "amount",
                         "limit_micros": AMOUNT_MICROS})
        self.phone.follow("customer", f"/v1/customer/orders/{self.order}/events", self.live.queue)

    def plug_in(self):
        hands = self.live.hands
        self.think()
        self.live.wait("the lock of outlet 1 shall open", lambda: not hands.box("open 1"))
        hands.doors.add(1)
        hands.plug_in(1)
        self.tell(f"opens the door, and plugs {LOAD_W} W in")
        self.await_session("the page shall say that the door is open", lambda s: s["live"] and
                           "user_door" in s["live"]["missing"])
        self.tell("reads on the page: please close the door of the socket")
        self.think()
        hands.close_door(1)
        self.await_session("the page shall offer to start", lambda s: s["live"] and s["live"]["state"] == "ready")
        self.tell("closes the door: the page offers to start")

    def charge(self):
        self.think()
        self.tell("presses start")
        self.do("start")
        seen = 0
        while seen < ENOUGH_MWH:
            live = self.await_session("the register shall step", lambda s: s["live"] and
                                      s["live"]["energy_mwh"] > seen)["live"]
            seen = live["energy_mwh"]
            self.tell(f"sees {live['power_mw'] // 1000} W, {wh(seen)}, {euro(live['cost_micros'])} so far")
        self.tell("presses stop")
        self.do("stop")
        session = self.await_session("the receipt", lambda s: s["state"] == "done")
        receipt = session["receipt"]
        self.tell(f"reads the receipt: {wh(receipt['energy_mwh'])}, {euro(receipt['captured_micros'])}, meter "
                  f"{receipt['meter']} from {receipt['start_mwh'] / 1000000:.2f} to {receipt['end_mwh'] / 1000000:.2f} kWh; "
                  f"{euro(session['balance_micros'])} are left")

    def leave(self):
        hands = self.live.hands
        self.think()
        self.do("unlock")
        self.live.wait("the lock of outlet 1 shall open", lambda: not hands.box("open 1"))
        hands.doors.add(1)
        hands.unplug(1)
        hands.close_door(1)
        self.do("departed")
        self.live.await_state(1, "available")
        self.tell("takes the plug along, and goes")
