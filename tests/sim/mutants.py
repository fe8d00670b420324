#!/usr/bin/env python3
"""The checker's own test: for each rule a heart is broken on purpose, and the simulator must say that this rule is violated.

usage: mutants.py SOURCE_ROOT BUILD_ROOT

Each mutant is one replaced piece of a source file, compiled with the build's own flags and linked in place of the
original; nothing in the sources knows about it. A piece that is not found exactly once is a failure: the list is stale.
"""
import json
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

# rule that must be named, file, piece, its replacement, what the simulator runs
MUTANTS = [
    (1, "src/box/supply.c", "else if (box->durable_seq >= o->close_after_seq)", "else",
     "--seeds 1..5 --faults none"),
    (1, "src/box/outlet.c", "else if (outlet_missing(box, o) != 0)\n\t\to->start_wanted = false;",
     "else if (outlet_missing(box, o) != 0)\n\t\to->start_wanted = true;", "--seeds 1..20 --faults door"),
    (2, "src/box/outlet.c", "\tsupply_open(box, o);\n\to->start_wanted = false;\n\to->boot_pending = false;",
     "\to->start_wanted = false;\n\to->boot_pending = false;", "--seeds 1..5 --faults none"),
    (3, "src/ledger/ledger.c", "touched[record->outlet] = true;",
     "touched[record->outlet] = record->kind != RECORD_ENDED;", "--seeds 1..20 --faults power"),
    (4, "src/model/image.c", "\t\to->outside_mwh += moved;", "\t\to->outside_mwh += 0;",
     "--seeds 1..20 --faults breaker"),
    (4, "src/box/supply.c", "\t\tsplit_at_change(box, o, reading);", "\t\t(void)split_at_change;",
     "--seeds 1..20 --faults none"),
    # What was used before a boot is unknown although the rate has not changed.
    (4, "src/box/supply.c", "if (!known && register_mwh > ", "if (known && register_mwh > ",
     "--seeds 1..4 --faults power,crash"),
    (5, "src/ledger/ledger.c", "memcpy(link.prev, l->next_tip, sizeof link.prev);",
     "memcpy(link.prev, l->tip, sizeof link.prev);", "--seeds 1..5 --faults none"),
    (5, "tools/ops/core/books.c", "order->captured_micros = order->billed_micros < balance ? order->billed_micros : balance;", 
     "order->captured_micros = 0;", "--seeds 1..5 --faults none"),
    (6, "src/box/command_run.c", "if (c->seq <= box->image.command_seq)", "if (c->seq == 0)",
     "--seeds 1..40 --faults link"),
    (7, "src/box/supply.c", "target = paid_mwh;", "target = paid_mwh + 5 * supply_bound_mwh(box, o);",
     "--seeds 1..20 --faults none"),
    (8, "src/box/supply.c", "if (fee_predictor_estimate_mwh(&o->predictor, now) >= target)",
     "if (fee_predictor_estimate_mwh(&o->predictor, now) + 20 * supply_bound_mwh(box, o) >= target)",
     "--seeds 1..20 --faults none"),
    # Until full, although it was never charged.
    (8, "src/box/until_full.c", "return f->armed && !f->drawing ?", "return !f->drawing ?", "--seeds 1..20 --faults none"),
    # Charged before a pause is not charged now.
    (8, "src/box/supply.c", "\tuntil_full_begin(&o->until_full);\n", "", "--seeds 1..20 --faults door,crash"),
    (9, "hal/core/lock.c", "return l->pulse_ms;", "return 2 * l->pulse_ms;", "--seeds 1..5 --faults none"),
]


def fail(message):
    print(message)
    return 1


def compile_command(build, source):
    for entry in json.loads((build / "compile_commands.json").read_text()):
        if (build / entry["file"]).resolve() == source:
            return shlex.split(entry["command"])
    raise SystemExit(f"{source}: not in compile_commands.json")


def link_command(build):
    """The simulator's own link command, as ninja would run it."""
    commands = subprocess.run(["ninja", "-C", str(build), "-t", "commands", "tests/sim/meterbox-sim"], check=True,
                              capture_output=True, text=True).stdout.splitlines()
    return shlex.split([c for c in commands if re.search(r"-o tests/sim/meterbox-sim( |$)", c)][-1])


def build_mutant(build, source, text, folder):
    mutated = folder / source.name
    mutated.write_text(text)
    command = compile_command(build, source)
    command[command.index("-o") + 1] = str(folder / "mutant.o")
    command[command.index("-c") + 1] = str(mutated)
    command = [c for i, c in enumerate(command) if c not in ("-MD", "-Werror") and c not in ("-MQ", "-MF")
               and command[i - 1] not in ("-MQ", "-MF")]
    # The mutant lies elsewhere; the folder of the original is on its path by the room's own meson.build, or here.
    subprocess.run(command + ["-I", str(source.parent)], cwd=build, check=True)
    link = link_command(build)
    at = link.index("-o")
    link[at + 1] = str(folder / "meterbox-sim")
    # The mutant comes first, so that the archive's member of the same symbols is not taken.
    subprocess.run(link[:at + 2] + [str(folder / "mutant.o")] + link[at + 2:], cwd=build, check=True)
    return folder / "meterbox-sim"


def try_mutant(root, build, rule, file, old, new, arguments):
    source = (root / file).resolve()
    text = source.read_text()
    if text.count(old) != 1:
        return fail(f"rule {rule}: {file}: the piece to replace stands there {text.count(old)} times, not once")
    with tempfile.TemporaryDirectory() as folder:
        program = build_mutant(build, source, text.replace(old, new), Path(folder))
        run = subprocess.run([str(program)] + arguments.split(), capture_output=True, text=True, check=False,
                             timeout=300)
    named = [int(r) for r in re.findall(r"rule (\d+):", run.stderr)]
    if run.returncode != 1 or rule not in named:
        return fail(f"rule {rule}: {file}: the mutant lives (exit {run.returncode}, rules {sorted(set(named))})\n"
                    f"{run.stderr[-600:]}")
    print(f"rule {rule}: {file}: caught ({run.stderr.splitlines()[0][:140]})", flush=True)
    return 0


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    root, build = Path(sys.argv[1]), Path(sys.argv[2])
    failures = sum(try_mutant(root, build, *mutant) for mutant in MUTANTS)
    print(f"{len(MUTANTS) - failures} of {len(MUTANTS)} mutants caught")
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
