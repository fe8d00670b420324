#!/usr/bin/env python3
"""Runs meterbox-sim and judges its last line.

usage: simtest.py PROGRAM run COUNT=N ... -- ARGUMENT ...   no violation, and each count (sessions, power_cuts, ...) >= N
       simtest.py PROGRAM same -- ARGUMENT ...              two runs end with the same hash, another seed with another
       simtest.py PROGRAM usage                             wrong usage is refused with a message, help and version print
"""
import json
import subprocess
import sys


def run(program, arguments):
    done = subprocess.run([program] + arguments, capture_output=True, text=True, check=False)
    sys.stderr.write(done.stderr)
    return done


def last_line(done):
    line = done.stdout.splitlines()[-1]
    print(line)
    return json.loads(line)


def test_run(program, wanted, arguments):
    done = run(program, arguments)
    end = last_line(done)
    short = [f"{name} is {end[name]}, not {least} or more"
             for name, least in (w.split("=") for w in wanted) if end[name] < int(least)]
    print("\n".join(short))
    return done.returncode != 0 or end["violations"] != 0 or bool(short)


def test_same(program, arguments):
    first, second = (last_line(run(program, arguments))["final_hash"] for _ in range(2))
    other = last_line(run(program, arguments + ["--seed", "987654321"]))["final_hash"]
    return first != second or first == other


def test_usage(program):
    wrong = [["--seeds", "5"], ["--seeds", "9..3"], ["--seeds", "1..99999999999999999999"], ["--seed", "-1"],
             ["--days", "0"], ["--days", "1x"], ["--faults", "power,thunder"], ["--faults", ""], ["--every", "0"],
             ["--no-such"], ["extra"], ["--seed"]]
    bad = [w for w in wrong if (d := run(program, w)).returncode != 2 or not d.stderr or d.stdout]
    for option in ("--help", "--version"):
        done = run(program, [option])
        if done.returncode != 0 or not done.stdout or done.stderr:
            bad.append([option])
    print(f"{len(bad)} wrong answers: {bad}")
    return bool(bad)


def main():
    program, what, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    at = rest.index("--") if "--" in rest else len(rest)
    if what == "run":
        return test_run(program, rest[:at], rest[at + 1:])
    if what == "same":
        return test_same(program, rest[at + 1:])
    return test_usage(program)


if __name__ == "__main__":
    sys.exit(main())
