# SPDX-License-Identifier: Apache-2.0
"""Moves that something happens to: what an operator does in them, and the judgement that holds for all."""
import json
import subprocess
import time

import independent
from lab import accepted_after
from story import PLAN, leftovers, segments, wait_for

TREES = ["/srv/shop", "/etc/shop", "/home/deploy", "/home/anna"]


def often(text):
    """The plan with reverse rounds every five seconds, so that a short guard has some."""
    return text + "back-every: 5s\n"


def _try(move, argv, seconds):
    """Gives the command; a controller that is off just now says nothing."""
    try:
        return move.at.run(["rehome", *argv], check=False, timeout=seconds)
    except (RuntimeError, subprocess.TimeoutExpired, OSError):
        return None


def phase(move):
    done = _try(move, ["status", PLAN, "--json"], 30)
    try:
        return json.loads(done.stdout)["phase"]
    except (ValueError, KeyError, AttributeError):
        return None


def _drive(move, goal, command, seconds):
    """What an operator does: the same commands again, whatever they said, until it is there. How often."""
    end, said, known = time.monotonic() + seconds, [], False
    while (at := phase(move)) != goal:
        assert time.monotonic() < end, f"not {goal} but {at} within {seconds} s; last:\n" + "\n".join(said[-2:])
        known = known or at is not None
        done = _try(move, command(at), seconds) if at is not None or not known else None
        if done is not None:
            said.append(done.stdout + done.stderr)
        time.sleep(0.1)
    return len(said)


def drive_open(move, seconds=300):
    """Until the target is open. A cutover asks for the name that the source calls itself."""
    sync, cutover = ["sync", PLAN, "--no-input"], ["cutover", PLAN, "--no-input", "--confirm=shop-old"]
    return _drive(move, "guarded", lambda at: sync if at in (None, "planned", "seeding") else cutover, seconds)


def drive_back(move, seconds=240):
    """From the guard until the source serves again."""
    return _drive(move, "rolled-back", lambda at: ["rollback", PLAN, "--no-input", "--confirm=shop-new"], seconds)


def drive_accept(move, seconds=120):
    return _drive(move, "accepted", lambda at: ["accept", PLAN, "--no-input", "--confirm=shop-old"], seconds)


def rounds_laid(move):
    return sum(r["type"] == "outcome" and r.get("step") == "files:/srv/shop#back-round" and "result" in r["data"]
               for r in move.records())


def _look(frm, to, since):
    found = [independent.differences(independent.look(frm, tree), independent.look(to, tree), written_after=since)
             for tree in TREES]
    return [lines for lines in found if lines]


def _time(records, what):
    return [r["time"] for r in records if what(r)][-1] / 1000


def judge_open(lab, move, load):
    """After the pivot: nothing lost or doubled, one server at a time, equal trees. Its line for a table."""
    records = move.records()
    pivot = _time(records, lambda r: r["type"] == "outcome" and r.get("step") == "move#pivot")
    frozen = _time(records, lambda r: r["type"] == "phase" and r["data"]["to"] == "final")
    seen = lab.observe(load, "new")
    ended = f"{seen.acked} acknowledged, {len(seen.lost)} lost, {len(seen.doubled)} doubled"
    look = _look(lab.old, lab.new, pivot - 1)
    assert seen.acked > 20 and seen.lost == [] and seen.doubled == [] and not seen.interleaved, ended
    assert accepted_after(lab.old, frozen) == []
    assert look == []
    return ended


def judge_back(lab, move, load):
    """The same when the source serves again: what either acknowledged is on it."""
    records = move.records()
    back = _time(records, lambda r: r["type"] == "outcome" and r.get("step") == "move#back-pivot")
    frozen = _time(records, lambda r: r["type"] == "phase" and r["data"]["to"] == "back-final")
    seen = lab.observe(load, "old")
    ended = f"{seen.acked} acknowledged, {len(seen.lost)} lost, {len(seen.doubled)} doubled"
    assert seen.acked > 20 and seen.lost == [] and seen.doubled == [], ended
    assert segments(load) == ["shop-new", "shop-old"]
    assert accepted_after(lab.new, frozen) == []
    assert _look(lab.new, lab.old, back - 2) == []
    return ended


def judge_end(lab, move):
    """The journal is whole, and no process of rehome's is left."""
    move.rehome("verify", "/var/lib/rehome/controller/shop")
    for host in (lab.old, lab.new):  # a connection that was cut is noticed by its other end within a minute
        wait_for(lambda h=host: not [line for line in leftovers(h) if "rehome-agent" in line or "keeper" in line], seconds=90)
