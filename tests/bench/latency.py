#!/usr/bin/env python3
"""Measures on a simulated box, with real processes: the overdraft at 7 kW against the printed bound, the time from the
meter's answer to the breaker's command where a reading ends the credit, the time from a stop command to it, and the
daemon's memory and processor time.

usage: latency.py --meterboxd PATH --boxsim PATH [--sessions N]    prints one line of JSON"""
import argparse
import json
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
import box  # noqa: E402

STEP_MWH = 10000
# Off for most of the time, so that the power read says little and the register's step comes as a surprise: then a reading
# opens the breaker, not the timer of the prediction. Watts, inrush, milliseconds on and off.
SURPRISING = "20000 1000 0 250 900"
READING_MS = 20  # an opening this soon behind an answer was that answer's


def memory(pid):
    values = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {"rss_kb": int(values["VmRSS"].split()[0]), "peak_kb": int(values["VmHWM"].split()[0])}


def processor_ms(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 10


def use_up(world, order, credit_mwh, load):
    """One credit used up; the overdraft in mWh."""
    world.boxsim.do(f"plug 1 {load}")
    before = world.boxsim.outlet(1)["true_mwh"]
    world.supply(1, order, credit_mwh)
    world.await_state(1, "finishing")
    used = world.boxsim.outlet(1)["true_mwh"] - before
    world.control.do(type="departed", outlet=1, order=order)
    world.await_state(1, "available")
    return used - credit_mwh


def stop(world, order):
    """Milliseconds from the command to the breaker's line."""
    world.supply(1, order)
    asked = box.now_ms()
    world.control.do(type="stop", outlet=1, order=order)
    opened = world.boxsim.spans("driven", 1)[-1][1]
    world.await_state(1, "finishing")
    world.control.do(type="departed", outlet=1, order=order)
    world.await_state(1, "available")
    return opened - asked


def by_readings(events):
    """Milliseconds from an answer to the opening that it caused."""
    found, replied = [], None
    for event in events:
        if event["event"] == "reply":
            replied = event["mono_ms"]
        elif event["event"] == "driven" and not event["value"] and replied is not None:
            if event["mono_ms"] - replied <= READING_MS:
                found.append(event["mono_ms"] - replied)
    return found


def spread(values):
    values = sorted(values)
    return {"count": len(values), "least": values[0], "median": values[len(values) // 2], "most": values[-1]} if values else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meterboxd", required=True)
    parser.add_argument("--boxsim", required=True)
    parser.add_argument("--sessions", type=int, default=10)
    parser.set_defaults(seed=0, keep=False)
    parser.parse_args(namespace=box.arguments)
    count = box.arguments.sessions
    world = box.World(options=["--log-bus"], rated_w=(7000, 7000)).start()
    try:
        pid = world.daemon.process.pid
        bound = world.check_config()["outlets"][0]["overdraft_bound_mwh"]
        begun, used = time.monotonic(), processor_ms(pid)
        steady = [use_up(world, f"steady-{i}", 15000 + 1370 * i, "7000") for i in range(count)]
        load = (processor_ms(pid) - used) / (time.monotonic() - begun) / 10
        for i in range(count):
            use_up(world, f"surprising-{i}", 15000 + 1370 * i, SURPRISING)
        readings = by_readings(world.boxsim.events())
        stops = [stop(world, f"stopped-{i}") for i in range(count)]
        print(json.dumps({"bound_mwh": bound, "overdraft_at_7_kw_mwh": spread(steady), "reading_to_breaker_ms": spread(readings),
                          "stop_to_breaker_ms": spread(stops), "processor_percent": round(load, 2), **memory(pid)}))
    finally:
        world.close()


if __name__ == "__main__":
    main()
