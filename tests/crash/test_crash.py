# SPDX-License-Identifier: Apache-2.0
"""Every process of a move killed behind every record of its journal: README.md beside this file. S0.32, S0.35."""
import datetime
import os
import pathlib
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/scenario"), str(pathlib.Path(__file__).resolve().parent)]

import moves  # noqa: E402
import table  # noqa: E402
from breaker import begins  # noqa: E402
from killer import STRIDE, VICTIMS, Killer, point_of  # noqa: E402
from lab import Lab  # noqa: E402
from story import Move, wait_for  # noqa: E402

LONG = bool(os.environ.get("REHOME_LONG"))
TODAY = datetime.date.today().toordinal()
RESUMED = []
PASSED = {"there": set(), "back": set()}


def together(offset):
    """All victims in one move, each with a tenth of the points of its own; ten offsets are all points of all victims."""
    return {name: (offset + 2 * at) % STRIDE for at, name in enumerate(VICTIMS)}


OFFSETS = list(range(STRIDE)) if LONG else [TODAY % STRIDE]


@pytest.fixture(scope="module")
def lab():
    it = Lab(os.environ.get("REHOME_LAB_NAME", "crash"))
    it.down()
    try:
        yield it.up()
    finally:
        it.down()


@pytest.fixture(scope="module", autouse=True)
def crash_table():
    table.begin("crash.md", "killed", "behind record", "which", "in phase", "the move")
    yield
    for story, points in PASSED.items():
        table.say("crash.md", f"Points passed in the moves of the story '{story}': {len(points)}.")
    table.say("crash.md", table.resume_line(RESUMED))


def describe(records, seq):
    """The record behind which something died, and the phase it was in."""
    at = next(r for r in records if r["seq"] == seq)
    phases = [begins(r) for r in records if r["seq"] <= seq and begins(r)]
    return point_of(at), phases[-1] if phases else "planned"


def note(story, killer, records, ended):
    """One line for each kill."""
    PASSED[story] |= killer.points
    for seq, name in sorted(killer.kills.values()):
        table.add("crash.md", name, seq, *describe(records, seq), ended)
    RESUMED.extend(table.resumes(records))


def prepared(lab):
    lab.reset()
    lab.install(str(table.BUILD))
    move = Move(lab)
    move.write_plan(moves.often)
    return move


@pytest.mark.parametrize("offset", OFFSETS)
def test_killed_behind_every_point_of_a_move_nothing_is_lost(lab, offset):
    move = prepared(lab)
    killer = Killer(lab, together(offset))
    with lab.client(rate=50) as load:
        load.wait_acks(20)
        killer.start()
        moves.drive_open(move)
        wait_for(lambda: moves.rounds_laid(move) >= 2)
        time.sleep(1)
        load.stop()
    ended = moves.judge_open(lab, move, load)
    moves.drive_accept(move)
    killer.end()
    note("there", killer, move.records(), ended)
    assert {name for _, name in killer.kills.values()} >= {"owner", "source agent", "target agent", "source keeper"}
    moves.judge_end(lab, move)


@pytest.mark.parametrize("offset", OFFSETS)
def test_killed_behind_every_point_of_the_way_back_nothing_is_lost(lab, offset):
    move = prepared(lab)
    move.sync()
    move.cutover()
    killer = Killer(lab, together(offset), since=move.records()[-1]["seq"])
    with lab.client(rate=50) as load:
        load.wait_acks(20)
        killer.start()
        wait_for(lambda: moves.rounds_laid(move) >= 2)
        moves.drive_back(move)
        time.sleep(1)
        load.stop()
    killer.end()
    ended = moves.judge_back(lab, move, load)
    note("back", killer, move.records(), ended)
    assert {name for _, name in killer.kills.values()} >= {"owner", "source agent", "target agent"}
    moves.judge_end(lab, move)
