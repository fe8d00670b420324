"""tests/vm/guest_gpio.py: the pins on the kernel's simulated GPIO lines and LEDs.

Runs as root in the virtual machine of tests/vm/run, with gpio_probe beside it; prints a line for each check.
"""
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import threading
import time
from pathlib import Path

PROBE = "/tmp/gpio_probe"  # where every user may run it
WAIT_SECONDS = 20  # how long a condition may take before it counts as failed
NOBODY = 65534
LABEL = "meterbox-sim"
NAMES = ("K1", "K2", "K3", "C1", "C2", "D1", "MD", "TWIN", "TWIN", "SPARE")
K1, K2, K3, C1, C2, D1, MD = range(7)
FIFO = 16  # edges that the kernel queues for a line
BOX = (f"metering-door={LABEL}/MD",
       "outlet", f"breaker={LABEL}/K1", f"contact={LABEL}/C1", f"door={LABEL}/D1",
       "outlet", f"breaker={LABEL}/K2,low", f"contact={LABEL}/C2,low",
       "outlet", f"breaker={LABEL}/K3,latching")
TRACING = Path("/sys/kernel/tracing")
LEDS = Path("/sys/class/leds")


def check(what, good, detail=""):
    print(f"ok {what}" if good else f"FAILED {what}: {detail}")


def equal(what, found, wanted):
    check(what, found == wanted, f"{found!r}, not {wanted!r}")


def wait_for(condition):
    """Whether the condition came true in time."""
    end = time.monotonic() + WAIT_SECONDS
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


class Chip:
    """A gpio-sim chip."""

    def __init__(self, name, label, names):
        self.folder, self.label = Path("/sys/kernel/config/gpio-sim", name), label
        bank = self.folder / "bank0"
        bank.mkdir(parents=True)
        (bank / "label").write_text(label)
        (bank / "num_lines").write_text(str(len(names)))
        for offset, line in enumerate(names):
            (bank / f"line{offset}").mkdir()
            (bank / f"line{offset}/name").write_text(line)
        self.start()

    def start(self):
        bank = self.folder / "bank0"
        (self.folder / "live").write_text("1")
        self.name = (bank / "chip_name").read_text().strip()
        self.lines = Path("/sys/devices/platform", (self.folder / "dev_name").read_text().strip(), self.name)
        labels = {path.read_text().strip(): path.parent for path in Path("/sys/class/gpio").glob("gpiochip*/label")}
        self.base = int((labels[self.label] / "base").read_text())

    def stop(self):
        (self.folder / "live").write_text("0")

    def pull(self, offset, up):
        (self.lines / f"sim_gpio{offset}/pull").write_text("pull-up" if up else "pull-down")

    def value(self, offset):
        return int((self.lines / f"sim_gpio{offset}/value").read_text())

    def values(self, *offsets):
        return [self.value(offset) for offset in offsets]


class Probe:
    """A running gpio_probe."""

    def __init__(self, *words, user=None):
        self.process = subprocess.Popen([PROBE, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, user=user,
                                        group=user, extra_groups=None if user is None else [])
        self.pid, self.unread, self.ended = self.process.pid, "", False

    def line(self):
        """The next line that it says; empty at its end, None when none came in time."""
        end = time.monotonic() + WAIT_SECONDS
        out = self.process.stdout.fileno()
        while "\n" not in self.unread and not self.ended:
            if not select.select([out], [], [], max(0, end - time.monotonic()))[0]:
                return None
            data = os.read(out, 4096)
            self.unread += data.decode()
            self.ended = not data
        line, _, self.unread = self.unread.partition("\n")
        return line

    def lines(self, count):
        return [self.line() for _ in range(count)]

    def tell(self, command):
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()

    def ask(self, command):
        """Its answer to the command."""
        self.tell(command)
        return self.line()

    def end(self):
        """Closes it; its exit code."""
        self.process.stdin.close()
        while self.line():
            pass
        return self.process.wait()

    def kill(self):
        self.process.kill()
        self.process.wait()


def refused(what, *words, wanted, user=None):
    """A probe that cannot open says why."""
    probe = Probe(*words, user=user)
    said = probe.line()
    equal(what, (said, probe.end()), (f"error {wanted}", 1))


class Trace:
    """What a process does to lines, as the kernel's own trace points tell it."""

    def __init__(self):
        for event in ("gpio_value", "gpio_direction"):
            (TRACING / f"events/gpio/{event}/enable").write_text("1")

    def clear(self):
        (TRACING / "trace").write_text("")

    def of(self, pid, gpio):
        """The outputs in their order: 0 and 1 written, "out" and "in"."""
        found = []
        for line in (TRACING / "trace").read_text().splitlines():
            if match := re.search(rf"-{pid} .* gpio_value: {gpio} set (\d)", line):
                found.append(int(match[1]))
            elif match := re.search(rf"-{pid} .* gpio_direction: {gpio} *(in|out)", line):
                found.append(match[1])
        return found


class Led:
    """An LED whose light is a process's: each change of its brightness is read and noted."""

    def __init__(self, name):
        self.name, self.changes = name, []
        self.folder = LEDS / name
        self.device = os.open("/dev/uleds", os.O_RDWR)
        os.write(self.device, struct.pack("64si", name.encode(), 255))
        os.read(self.device, 4)  # what it begins with
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # a late reader would see only the last change
        while True:
            brightness = struct.unpack("i", os.read(self.device, 4))[0]
            self.changes.append(brightness)
            print(f"note LED {self.name}: brightness {brightness} at {time.monotonic():.3f} s")

    def get(self, attribute):
        return (self.folder / attribute).read_text().strip()

    def saw(self, *changes):
        return wait_for(lambda: self.changes == list(changes))


def test_open(chip, trace):
    for offset, up in ((K1, True), (K2, False), (K3, True), (C1, True), (C2, True), (D1, False), (MD, True)):
        chip.pull(offset, up)
    before = chip.values(K1, K2, K3)
    trace.clear()
    probe = Probe(*BOX)
    equal("opening says that it is open", probe.line(), "open")
    equal("the lines stood closed before", before, [1, 0, 1])
    equal("a monostable breaker is driven open", chip.value(K1), 0)
    equal("an active-low one, too", chip.value(K2), 1)
    equal("a latching breaker is left as it is", (chip.value(K3), trace.of(probe.pid, chip.base + K3)), (1, []))
    equal("each input's level comes first", sorted(probe.lines(4), key=str),
          ["contact 1 1", "contact 2 0", "door 0 1", "door 1 0"])
    return probe


def test_breakers(probe, chip, trace):
    equal("closing is taken", probe.ask("breaker 1 1"), "ok")
    equal("closing drives the line", chip.value(K1), 1)
    equal("closing an active-low one", (probe.ask("breaker 2 1"), chip.value(K2)), ("ok", 0))
    equal("opening drives it back", (probe.ask("breaker 1 0"), chip.value(K1)), ("ok", 0))
    equal("until now nothing drove the latching one", trace.of(probe.pid, chip.base + K3), [])
    equal("its first command makes it an output", (probe.ask("breaker 3 0"), chip.value(K3)), ("ok", 0))
    equal("its second drives it", (probe.ask("breaker 3 1"), chip.value(K3)), ("ok", 1))
    equal("it was never driven otherwise", trace.of(probe.pid, chip.base + K3), [0, "out", 1])
    equal("a breaker that is not fitted", probe.ask("breaker 4 1"), "failed ENODEV")
    equal("a lock that is not fitted", probe.ask("pulse 1 100"), "failed ENODEV")


def test_inputs(probe, chip):
    for what, offset, up, wanted in (("a contact opens", C1, False, "contact 1 0"),
                                     ("a contact closes", C1, True, "contact 1 1"),
                                     ("an active-low contact closes", C2, False, "contact 2 1"),
                                     ("a user door closes", D1, True, "door 1 1"),
                                     ("the metering box's door opens", MD, False, "door 0 0")):
        chip.pull(offset, up)
        equal(what, probe.line(), wanted)
    os.kill(probe.pid, signal.SIGSTOP)
    for turn in range(3 * FIFO + 1):
        chip.pull(C1, turn % 2 == 1)
    os.kill(probe.pid, signal.SIGCONT)
    equal("more edges than the kernel queues: the last level is told", probe.line(), "contact 1 0")
    chip.pull(C1, True)
    equal("and the next change, too", probe.line(), "contact 1 1")


def test_refusals(chip):
    def line(what, name, of=LABEL):
        return f"outlet 1 {what}: line '{name}' of chip '{of}'"

    busy = ": busy: another program holds it (as 'meterboxd'); stop that program or give another line"
    no_chip = ": no such chip; give a label, name or number that gpiodetect shows"
    no_line = ": no such line; give a name or offset that gpioinfo shows"
    past = len(NAMES)
    refused("a second program is told who holds the line", *BOX, wanted=f"EBUSY {line('breaker', 'K1')}{busy}")
    refused("a busy input, too", "outlet", f"contact={LABEL}/C1", wanted=f"EBUSY {line('contact', 'C1')}{busy}")
    refused("a chip that does not exist", "outlet", "breaker=attic/K1",
            wanted=f"ENOENT outlet 1 breaker: chip 'attic'{no_chip}")
    refused("another device is no chip", "outlet", "breaker=null/K1",
            wanted=f"ENOENT outlet 1 breaker: chip 'null'{no_chip}")
    refused("a line that does not exist", "outlet", f"door={LABEL}/K9", wanted=f"ENOENT {line('door', 'K9')}{no_line}")
    refused("an offset past the last line", "outlet", f"breaker={LABEL}/{past}",
            wanted=f"ENOENT {line('breaker', past)}{no_line}")
    refused("a name that two lines have", "outlet", f"breaker={LABEL}/TWIN",
            wanted=f"ENOTUNIQ {line('breaker', 'TWIN')}: 2 lines have this name; give the offset instead")
    refused("a line named twice", "outlet", f"breaker={LABEL}/SPARE", f"contact={chip.name}/9",
            wanted=f"EINVAL {line('contact', 9, chip.name)} is named twice in the configuration; give each its own")
    refused("a user without access", "outlet", f"breaker={LABEL}/SPARE", user=NOBODY,
            wanted=f"EACCES outlet 1 breaker: chip '{LABEL}': permission denied; give this user read and write access "
            "to /dev/gpiochip*")


def test_lookup(chip):
    number = chip.name.removeprefix("gpiochip")
    check("the simulated chip is not the first", number != "0", chip.name)
    for how, pin in (("name", f"{chip.name}/9"), ("number", f"{number}/SPARE")):
        probe = Probe("outlet", f"breaker={pin}")
        equal(f"a chip by its {how}", (probe.line(), probe.ask("breaker 1 1"), chip.value(9), probe.end()),
              ("open", "ok", 1, 0))


def test_close(probe, chip, trace):
    equal("before closing", [probe.ask("breaker 1 1"), *chip.values(K1, K2, K3)], ["ok", 1, 0, 1])
    for offset, up in ((K1, False), (K2, True), (K3, False)):
        chip.pull(offset, up)
    trace.clear()
    equal("closing ends well", (probe.end(), probe.process.returncode), (0, 0))
    equal("every driven breaker was written open before its release",
          [trace.of(probe.pid, chip.base + offset) for offset in (K1, K2, K3)], [[0], [1], [0]])
    equal("and is open after it", chip.values(K1, K2, K3), [0, 1, 0])
    probe = Probe("outlet", f"breaker={LABEL}/K3,latching")
    chip.pull(K3, True)
    equal("a latching breaker without a command is not touched by closing",
          (probe.line(), probe.end(), trace.of(probe.pid, chip.base + K3), chip.value(K3)), ("open", 0, [], 1))


def test_kill(chip, trace):
    for up in (False, True):
        probe = Probe("outlet", f"breaker={LABEL}/K1")
        equal("a closed breaker", (probe.line(), probe.ask("breaker 1 1")), ("open", "ok"))
        chip.pull(K1, up)
        trace.clear()
        probe.kill()
        equal("nothing is written for a killed process", trace.of(probe.pid, chip.base + K1), [])
        print(f"note killed with the breaker closed: gpio-sim puts the line back to its pull "
              f"({'up' if up else 'down'}): {chip.value(K1)}")
        probe = Probe("outlet", f"breaker={LABEL}/K1")
        equal("its line can be had again, and is driven open", (probe.line(), chip.value(K1), probe.end()),
              ("open", 0, 0))


def test_lock_refusals(led):
    refused("an LED that does not exist", "outlet", "lock=attic",
            wanted="ENOENT outlet 1 lock: /sys/class/leds/attic: no such LED; give a name of /sys/class/leds or "
            "an LED's directory")
    refused("a directory that is no LED", "outlet", "metering-lock=/etc",
            wanted="ENOENT metering box lock: /etc: no such LED; give a name of /sys/class/leds or an LED's directory")
    refused("a path that is not from the root", "outlet", "lock=leds/lock1",
            wanted="EINVAL outlet 1 lock: LED 'leds/lock1': give a name of /sys/class/leds without '/', or a path from "
            "the root")
    refused("a user without access to the LED", "outlet", f"lock={led.name}", user=NOBODY,
            wanted=f"EACCES outlet 1 lock: {LEDS}/{led.name}: permission denied; give this user write access "
            "to its files")


def test_pulses(led):
    probe = Probe("outlet", f"lock={led.name}")
    equal("opening selects the trigger", (probe.line(), "[transient]" in led.get("trigger")), ("open", True))
    equal("and lights nothing", (led.get("brightness"), led.changes), ("0", []))
    for wrong in ("pulse 1 0", "pulse 1 60001", "pulse 1 -5"):
        equal(f"{wrong} is refused", probe.ask(wrong), "failed EINVAL")
    equal("a pulse of 200 ms is taken", probe.ask("pulse 1 200"), "ok")
    probe.kill()
    check("the process is killed right after it; the coil goes on, and off by itself", led.saw(255, 0), led.changes)

    led.changes.clear()
    probe = Probe("outlet", f"metering-door={LABEL}/MD", f"metering-lock={led.folder}")
    equal("an LED by its directory", (probe.lines(2)[0], probe.ask("pulse 0 3000")), ("open", "ok"))
    equal("no second pulse within the first", probe.ask("pulse 0 3000"), "failed EBUSY")
    probe.kill()
    equal("killed within a pulse: still on", (led.get("activate"), led.saw(255)), ("1", True))
    check("and off by itself", led.saw(255, 0), led.changes)
    equal("nothing is on", (led.get("activate"), led.get("brightness")), ("0", "0"))


def test_lock_taken_over(led):
    led.changes.clear()
    (led.folder / "duration").write_text("60000")
    (led.folder / "activate").write_text("1")
    check("somebody else's long pulse", led.saw(255), led.changes)
    probe = Probe("outlet", f"lock={led.name}")
    equal("is ended by opening", (probe.line(), led.saw(255, 0), led.get("activate")), ("open", True, "0"))
    probe.end()
    (led.folder / "trigger").write_text("none")
    (led.folder / "brightness").write_text("255")
    check("an LED left on", led.saw(255, 0, 255), led.changes)
    probe = Probe("outlet", f"lock={led.name}")
    equal("is switched off by opening", (probe.line(), led.saw(255, 0, 255, 0)), ("open", True))
    equal("and can be pulsed", (probe.ask("pulse 1 200"), led.saw(255, 0, 255, 0, 255, 0)), ("ok", True))
    probe.end()


def test_lock_of_a_user(led):
    led.changes.clear()
    for name in ("activate", "duration", "state"):
        os.chown(led.folder / name, NOBODY, NOBODY)
    (led.folder / "duration").write_text("60000")
    (led.folder / "activate").write_text("1")
    check("somebody else's long pulse", led.saw(255), led.changes)
    probe = Probe("outlet", f"lock={led.name}", user=NOBODY)
    equal("an ordinary user who was given the trigger's files keeps them",
          (probe.line(), probe.ask("pulse 1 200"), os.stat(led.folder / "activate").st_uid), ("open", "ok", NOBODY))
    check("ends the long pulse, and pulses", led.saw(255, 0, 255, 0), led.changes)
    probe.end()


def test_no_trigger(led):
    done = subprocess.run(["busybox", "rmmod", "ledtrig_transient"], capture_output=True, text=True, check=False)
    equal("the trigger's module goes", (done.returncode, done.stderr), (0, ""))
    refused("a kernel without the trigger", "outlet", f"lock={led.name}",
            wanted=f"EOPNOTSUPP outlet 1 lock: {LEDS}/{led.name}: the kernel has no trigger 'transient'; load the "
            "module ledtrig-transient")


def test_lost(chip):
    words = "outlet", f"breaker={LABEL}/K1", f"contact={LABEL}/C1"
    probe = Probe(*words)
    equal("before the chip goes", probe.lines(2), ["open", "contact 1 1"])
    os.kill(probe.pid, signal.SIGSTOP)
    chip.pull(C1, False)
    chip.stop()
    os.kill(probe.pid, signal.SIGCONT)
    equal("an edge that waits when the chip goes: the lines are lost", probe.line(), "lost ENODEV")
    equal("and closing comes to its end", (probe.line(), probe.end()), ("closed", 1))

    chip.start()
    chip.pull(C1, True)
    probe = Probe(*words)
    equal("the chip is back", probe.lines(2), ["open", "contact 1 1"])
    chip.stop()
    # Linux 6.1 wakes nobody who waits for edges of a chip that goes; later ones do, then "lost" may be said first.
    said = probe.ask("breaker 1 1")
    check("a chip that goes away: a command fails", said in ("failed ENODEV", "lost ENODEV"), said)
    print(f"note a chip that goes away: {said}")
    check("and closing comes to its end", probe.end() in (0, 1), probe.process.returncode)


def main():
    shutil.copy("gpio_probe", PROBE)
    os.chmod(PROBE, 0o755)
    Chip("first", "another", ("K1",))  # so that the box's chip is found by more than luck
    chip, trace = Chip("meterbox", LABEL, NAMES), Trace()
    led = Led("lock1")
    probe = test_open(chip, trace)
    test_breakers(probe, chip, trace)
    test_inputs(probe, chip)
    test_refusals(chip)
    test_lookup(chip)
    test_close(probe, chip, trace)
    test_kill(chip, trace)
    test_lock_refusals(led)
    test_pulses(led)
    test_lock_taken_over(led)
    test_lock_of_a_user(led)
    test_no_trigger(led)
    test_lost(chip)
    print("end")


if __name__ == "__main__":
    main()
