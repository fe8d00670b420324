"""What both demos are made of: an operations server, boxsim and meterboxd as real processes on this machine, joined by
plain HTTP on loopback, commands signed with the server's key; how they begin, end, and are waited for.

How a process is started and stopped is in tests/e2e (box.py and ops.py), shared with the tests. Python's standard library
only."""
import json
import secrets
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "e2e"))
import box  # noqa: E402
import ops  # noqa: E402

STEP_PATIENCE_S = 60  # for the next thing to happen
LOG_LINES = 20  # of each process, shown when it ends badly

BOX = "box-1"
LOAD_W = 7000


class Wrong(Exception):
    """Something is not as it must be; the reason in words."""


class Stopped(BaseException):
    """A signal, or the end of the patience."""


def wh(mwh):
    return f"{mwh / 1000:g} Wh"


def euro(micros):
    return f"{micros / 1000000:.4f} EUR"


class Parts:
    """The three processes. Both meters begin on a step of their registers: what flows beyond a credit is then seen in
    full."""

    def __init__(self, *options):
        """options: the server's."""
        self.doing = "starting"
        ops.OPERATOR_TOKEN = secrets.token_hex(32)  # others on this machine reach the server, too
        self.token = secrets.token_hex(32)  # the box's
        self.server = ops.Ops(*options)
        self.world = box.World(meters=("dlt645:000000000001,baud=9600,turnaround=20,serial=210045000123,register=1234.56",
                                       "sdm120:2,baud=9600,serial=84410027"),
                               rated_w=(LOAD_W, LOAD_W), door=(True, True), restart=False,
                               box={"id": BOX, "local_sessions": "no", "trust_system_clock": "yes"})

    # --- waiting ---

    def processes(self):
        """[(name, process)] of those that shall run."""
        return [("meterbox-ops", self.server.process), ("boxsim", self.world.boxsim.process),
                ("meterboxd", self.world.daemon.process)]

    def check_processes(self):
        for name, process in self.processes():
            if process is not None and process.poll() is not None:
                raise Wrong(f"{name} has ended with {process.returncode}, waiting for this: {self.doing}")

    def wait(self, what, condition):
        """For something to happen. A process that has ended is said at once."""
        self.doing = what
        def look():
            self.check_processes()
            return condition()
        return box.wait_for(lambda: what + self.refusals(), look, STEP_PATIENCE_S)

    def refusals(self):
        """Commands that did nothing are the likeliest reason why something does not happen."""
        refused = [record for record in map(json.loads, self.server.records(BOX))
                   if record["kind"] == "command" and record["outcome"] != "done"] if self.server.port else []
        return "".join(f" (the box says of {r['type']}: {r['outcome']} {r.get('detail', '')})" for r in refused)

    # --- beginning and end ---

    def start_server(self):
        self.doing = "the server shall listen"
        self.server.start()
        self.server.provision(BOX, self.token)

    def write_config(self, port=None):
        """port: where the box shall look for its server, when that is not the server's own. What --check-config says."""
        self.world.write_config(more=self.server_section(port or self.server.port))
        return self.world.check_config()

    def server_section(self, port):
        """Of the box's configuration: where its server is, its token, the key that signs commands."""
        token = Path(self.world.path("token"))
        token.write_text(self.token + "\n", encoding="utf-8")
        token.chmod(0o600)
        return (f"[server]\nurl = http://127.0.0.1:{port}\ntoken_file = {token}\n"
                f"command_key_file = {self.server.key}.pub\nheartbeat_s = 10\nprogress_ms = 500\n"
                "backoff_min_ms = 200\nbackoff_max_ms = 2000\n")

    def start_box(self):
        """Until it has reported and its command stream is open."""
        self.doing = "the box shall start"
        self.world.boxsim.start()
        self.world.daemon.start()
        self.wait("the box shall report both meters", lambda: all(
            (told := self.told(outlet)) and told["has_register"] for outlet in (1, 2)))
        self.wait("the box's command stream shall be open", lambda: self.server.status(BOX)["connected"])

    def rest_locks(self, checked):
        """checked: what write_config() gave."""
        # A box that has just started does not know when its locks were last pulsed: the first customers would wait.
        rested_ms = box.now_ms() + max(outlet["lock"]["rest_ms"] for outlet in checked["outlets"])
        self.wait("the locks' coils shall have rested since the start", lambda: box.now_ms() > rested_ms)

    def close(self):
        """Ends the processes; what they complained of."""
        problems = []
        for end in (self.world.close, self.server.close):
            try:
                problems += end()
            except Exception as error:  # it was stopped while it started: the caller ends what is left
                problems.append(f"{type(error).__name__}: {error}")
        return problems

    def logs(self):
        return [box.tail(path, LOG_LINES) for path in (self.server.log, self.world.daemon.log, self.world.boxsim.log,
                                                       self.world.boxsim.errors) if path.exists()]

    # --- what can be seen ---

    def told(self, outlet):
        """The outlet's latest progress as the server has it."""
        for known in self.server.status(BOX)["outlets"]:
            if known["outlet"] == outlet:
                return known["progress"]
        return None

    def await_state(self, outlet, state):
        self.wait(f"outlet {outlet} shall be {state}", lambda: self.told(outlet)["state"] == state)

    def await_event(self, outlet, event, since_ms, value=None):
        """When it happened, by boxsim's log; the first since then."""
        def find():
            return [e["mono_ms"] for e in self.world.boxsim.events(event, outlet)
                    if e["mono_ms"] >= since_ms and value in (None, e["value"])]
        return self.wait(f"outlet {outlet} of the box: {event}", find)[0]
