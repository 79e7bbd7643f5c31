#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Moves in a row of a shop whose orders are in a database, under three writers; prints figures and asserts no time.

    sudo python3 tests/bench/dbmoves.py [--engine mariadb,postgresql] [--moves 20] [--line 'KEY: VALUE'] [--json FILE]

Every move starts from freshly unpacked servers with the engines' package defaults. An order is three transactions;
--rate counts orders. --line is put into the database's item of the plan (a way other than the default). The figures of
docs/BENCHMARKS.md come from here.
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

import orders  # noqa: E402
from lab import Lab  # noqa: E402

TRANSACTIONS = 3  # of an order
BEHIND = ("freeze", "final", "verify", "start", "switch")


def from_freeze_to_open(records):
    """Milliseconds from the first step of the freeze to the opening, by the journal."""
    began = [r["time"] for r in records if r["type"] == "phase" and r["data"]["to"] == "freezing"]
    opened = [r["time"] for r in records if r["type"] == "outcome" and r.get("step") == "move#pivot"]
    return opened[-1] - began[-1] if began and opened else None


def rate_before(load, records):
    """Acknowledged transactions a second from the first acknowledgement to the freeze."""
    began = [r["time"] / 1000 for r in records if r["type"] == "phase" and r["data"]["to"] == "freezing"]
    ends = [a["end"] for a in load.acks if not began or a["end"] < began[-1]]
    return round(TRANSACTIONS * len(ends) / max(max(ends) - min(ends), 1)) if ends else 0


def one_move(lab, build, line, rate):
    """A whole move under load; its figures."""
    move = orders.fresh(lab, build, "".join(f"    {text}\n" for text in line))
    said, begun = "", time.monotonic()
    with lab.client(rate=rate, writers=3) as load:
        load.wait_acks(100)
        said += move.rehome("sync", "/root/shop.yaml", "--no-input", expect=None, timeout=600)
        synced = time.monotonic()
        said += move.cutover(expect=None, timeout=600)
        time.sleep(2)
        load.stop()
    facts, records = move.facts(), move.records()
    done = facts.get("phase") == "guarded"
    seen = lab.observe(load, "new" if done else "old")
    forecast = facts.get("forecast") or {}
    return {"engine": lab.store, "acked": seen.acked, "lost": len(seen.lost), "doubled": len(seen.doubled),
            "both": seen.interleaved, "unbalanced": len(seen.unbalanced), "failed": seen.failed,
            "not_carried": orders.not_carried(lab.old, lab.new) if done else {"phase": facts.get("phase")},
            "gap_ms": round(seen.downtime * 1000), "open_ms": from_freeze_to_open(records),
            "rate": rate_before(load, records), "sync_s": round(synced - begun, 1),
            "lower_ms": forecast.get("lower_ms"), "upper_ms": forecast.get("upper_ms"),
            "steps": {step["id"]: step["ms"] for step in facts.get("steps", [])
                      if step.get("stage") in BEHIND and step.get("ms") is not None},
            "phase": facts.get("phase"), "said": "" if done else said}


def sound(row):
    return row["phase"] == "guarded" and not any(row[what] for what in ("lost", "doubled", "both", "unbalanced", "not_carried"))


def spread(values):
    ordered = sorted(value for value in values if value is not None) or [0]
    return (f"median {statistics.median(ordered):.0f} ms, p95 {ordered[max(0, round(0.95 * len(ordered)) - 1)]} ms, "
            f"longest {ordered[-1]} ms")


def show(rows, title):
    held = sum(row["lower_ms"] is not None and row["open_ms"] is not None and
               row["lower_ms"] <= row["open_ms"] <= row["upper_ms"] for row in rows)
    print(f"\n{title}: {len(rows)} moves, {sum(map(sound, rows))} done with nothing lost, doubled or different")
    print(f"  {TRANSACTIONS * sum(r['acked'] for r in rows)} acknowledged transactions at {min(r['rate'] for r in rows)} to "
          f"{max(r['rate'] for r in rows)} a second, lost {sum(r['lost'] for r in rows)}, doubled "
          f"{sum(r['doubled'] for r in rows)}, both answering in {sum(r['both'] for r in rows)} moves")
    print(f"  from freeze to open: {spread(r['open_ms'] for r in rows)}")
    print(f"  gap between acknowledgements: {spread(r['gap_ms'] for r in rows)}")
    print(f"  forecast held {held} of {len(rows)}; first copy and round: median {statistics.median(r['sync_s'] for r in rows):.1f} s")
    medians = {step: statistics.median(r["steps"].get(step, 0) for r in rows) for r in rows for step in r["steps"]}
    for step, ms in sorted(medians.items(), key=lambda item: -item[1])[:8]:
        print(f"  {step}: median {ms:.0f} ms", flush=True)


def series(engines, options, build):
    """Moves with one engine after the other in turn, so that what else the machine does meets all of them; the rows."""
    name, rows = os.environ.get("REHOME_LAB_NAME", "bench"), []
    labs = [Lab(name, store=engine, say=lambda _: None) for engine in engines]
    try:
        labs[0].down()
        for number in range(options.moves):
            for lab in labs:
                row = one_move(lab, build, options.line, options.rate)
                rows.append(row)
                print(f"  {number + 1:2} {row['engine']}: freeze to open {row['open_ms']} ms, gap {row['gap_ms']} ms, forecast "
                      f"{row['lower_ms']}..{row['upper_ms']} ms, {row['rate']} a second, acked {row['acked']}, lost {row['lost']}, "
                      f"doubled {row['doubled']}, {'sound' if sound(row) else row['not_carried']} {row['said'][-1500:]}", flush=True)
                if options.json:
                    pathlib.Path(options.json).write_text(json.dumps(rows, indent=1))
    finally:
        labs[0].down()
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", default="mariadb,postgresql")
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--rate", type=float, default=75)
    parser.add_argument("--line", action="append", default=[])
    parser.add_argument("--json")
    options = parser.parse_args()
    build = os.environ.get("REHOME_BUILD", str(ROOT / "build"))
    rows = series(options.engine.split(","), options, build)
    for engine in options.engine.split(","):
        show([row for row in rows if row["engine"] == engine], " ".join([engine, *options.line]))
    return 0 if all(map(sound, rows)) else 1


if __name__ == "__main__":
    sys.exit(main())
