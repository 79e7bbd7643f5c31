#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Moves in a row on the lab: lost, doubled, the client's longest gap and the forecast, printed; asserts no time.

    sudo python3 tests/bench/moves.py [--moves 20] [--scale 1] [--scaled-moves 5] [--json FILE]

Every move starts from freshly unpacked servers. The figures of docs/BENCHMARKS.md come from here.
"""
import argparse
import json
import os
import pathlib
import statistics
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/scenario")]

from lab import Lab  # noqa: E402
from story import PLAN, Move  # noqa: E402


def behind_the_freeze(facts):
    """Milliseconds of each step from the last round to the last proof."""
    return {step["id"]: step["ms"] for step in facts.get("steps", [])
            if step.get("stage") in ("final", "verify") and step.get("ms") is not None}


def one_move(lab, build):
    """A whole move under load; its figures."""
    lab.reset()
    lab.install(build)
    move = Move(lab)
    move.write_plan()
    begun = time.monotonic()
    with lab.client(rate=50) as load:
        time.sleep(1)
        move.sync()
        synced = time.monotonic()
        said = move.cutover(expect=None, timeout=900)
        time.sleep(2)
        load.stop()
    seen = lab.observe(load, "new")
    facts = move.facts()
    forecast = facts.get("forecast") or {}
    return {"acked": seen.acked, "lost": len(seen.lost), "doubled": len(seen.doubled),
            "both": seen.interleaved, "gap_ms": round(seen.downtime * 1000),
            "lower_ms": forecast.get("lower_ms"), "upper_ms": forecast.get("upper_ms"),
            "steps": behind_the_freeze(facts), "controller_ms": facts.get("downtime_ms"), "sync_s": round(synced - begun, 1),
            "phase": facts.get("phase"), "said": said if facts.get("phase") != "guarded" else ""}


def show(rows, title):
    gaps = sorted(row["gap_ms"] for row in rows)
    held = sum(1 for row in rows if row["lower_ms"] is not None and
               row["lower_ms"] <= row["gap_ms"] <= row["upper_ms"])
    widest = max((row["upper_ms"] / max(row["lower_ms"], 1) for row in rows if row["lower_ms"] is not None), default=0)
    print(f"\n{title}: {len(rows)} moves, {sum(row['phase'] == 'guarded' for row in rows)} done")
    print(f"  acknowledged {sum(r['acked'] for r in rows)}, lost {sum(r['lost'] for r in rows)}, "
          f"doubled {sum(r['doubled'] for r in rows)}, both answering in {sum(r['both'] for r in rows)} moves")
    print(f"  gap between acknowledgements: median {statistics.median(gaps):.0f} ms, "
          f"p95 {gaps[max(0, round(0.95 * len(gaps)) - 1)]} ms, longest {gaps[-1]} ms")
    longest = {step: statistics.median(r["steps"].get(step, 0) for r in rows) for r in rows for step in r["steps"]}
    for step, ms in sorted(longest.items(), key=lambda item: -item[1])[:6]:
        print(f"  {step}: median {ms:.0f} ms")
    print(f"  forecast held {held} of {len(rows)}; widest range {widest:.2f} to one")
    return statistics.median(gaps)


def series(count, scale, build):
    lab = Lab(os.environ.get("REHOME_LAB_NAME", "bench"), scale=scale)
    rows = []
    try:
        for number in range(count):
            rows.append(one_move(lab, build))
            row = rows[-1]
            print(f"  {number + 1:2}: gap {row['gap_ms']} ms, forecast {row['lower_ms']}..{row['upper_ms']} ms, "
                  f"acked {row['acked']}, lost {row['lost']}, doubled {row['doubled']} {row['said'][-600:]}", flush=True)
    finally:
        lab.down()
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--scale", type=int, default=10)
    parser.add_argument("--scaled-moves", type=int, default=5)
    parser.add_argument("--json")
    options = parser.parse_args()
    build = os.environ.get("REHOME_BUILD", str(ROOT / "build"))
    rows = series(options.moves, 1, build)
    plain = show(rows, "20,000 files")
    scaled = []
    if options.scaled_moves:
        scaled = series(options.scaled_moves, options.scale, build)
        more = show(scaled, f"{options.scale * 20000:,} files")
        print(f"\n  {options.scale} times the files: the median gap grows by {100 * (more / plain - 1):.0f} %")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"plain": rows, "scaled": scaled}, indent=1))
    sound = all(r["phase"] == "guarded" and not (r["lost"] or r["doubled"] or r["both"]) for r in rows + scaled)
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
