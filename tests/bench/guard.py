#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a guard costs in which nothing happens: CPU of every process of rehome on all hosts of the lab, by process;
asserts no time.

    sudo python3 tests/bench/guard.py [--seconds 180] [--back-every 300]

Nobody orders and nothing writes but the shop's own timers. Reverse rounds come every --back-every seconds, as the plan
says (300 without a word of it); what one costs is printed apart, from two spans with and without rounds.
"""
import argparse
import os
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/scenario")]

from lab import Lab  # noqa: E402
from story import Move  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
OURS = ("rehome", "rehome-agent", "exe")


def processes():
    """CPU seconds of each process of rehome with its children that have ended, and of the ssh that carries it."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            stat = (path / "stat").read_text()
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        name, rest = stat[stat.index("(") + 1:stat.rindex(")")], stat[stat.rindex(")") + 2:].split()
        line = b" ".join(words).decode(errors="replace")
        if name.startswith(OURS) or (name == "ssh" and "rehome" in line):
            found[path.name, name, line[:60]] = sum(int(x) for x in rest[11:15]) / TICK
    return found


def span(seconds):
    before = processes()
    time.sleep(seconds)
    after = processes()
    return {key: after[key] - before.get(key, 0) for key in after}


def show(title, cost, seconds):
    total = sum(cost.values())
    print(f"{title}: {total:.2f} s of CPU in {seconds} s, {100 * total / seconds:.3f} % of one core")
    for (pid, name, line), used in sorted(cost.items(), key=lambda item: -item[1]):
        print(f"  {used:6.2f} s  {name} {pid}  {line}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--back-every", type=int, default=300)
    options = parser.parse_args()
    lab = Lab(os.environ.get("REHOME_LAB_NAME", "bench"))
    try:
        lab.up()
        lab.install(os.environ.get("REHOME_BUILD", str(ROOT / "build")))
        move = Move(lab)
        move.write_plan(lambda text: text + f"back-every: {options.back_every}s\n")
        move.sync()
        move.cutover(timeout=900)
        time.sleep(30)  # the audit and the first round
        show(f"guard, 20,000 files, a reverse round every {options.back_every} s", span(options.seconds), options.seconds)
    finally:
        lab.down()


if __name__ == "__main__":
    main()
