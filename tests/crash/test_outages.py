# SPDX-License-Identifier: Apache-2.0
"""Hosts that lose power and links that are cut in every phase of a move and of its way back: README.md. S0.32, S0.35."""
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
from breaker import LONG, SHORT, Breaker, cut, reboot  # noqa: E402
from lab import Lab, accepted_after  # noqa: E402
from story import Move, start_cutover, wait_for, wait_phase  # noqa: E402

ALL = bool(os.environ.get("REHOME_LONG"))
TODAY = datetime.date.today().toordinal()
NAME = os.environ.get("REHOME_LAB_NAME", "crash")
THERE = ["seeding", "syncing", "proving", "holding", "freezing", "final", "verifying", "starting", "smoke", "switching",
         "outside", "opening", "guarded", "accepting"]
BACK = ["returning", "back-holding", "back-freezing", "back-final", "back-verifying", "back-starting", "back-smoke",
        "back-switching", "back-outside", "back-opening"]
HALVES = 3  # one move has a fault in every third phase
FAULTS = {  # name: (from a third host, what happens)
    "source reboots": (False, reboot("old")),
    "target reboots": (False, reboot("new")),
    "source to target cut, short": (False, cut("new", "old", SHORT)),
    "source to target cut, long": (False, cut("new", "old", LONG)),
    "controller to source cut, long": (True, cut("ctl", "old", LONG)),
    "controller to target cut, long": (True, cut("ctl", "new", LONG)),
    "controller to source cut, short": (True, cut("ctl", "old", SHORT)),
    "controller to target cut, short": (True, cut("ctl", "new", SHORT)),
}
MATRIX = [(fault, story, part) for fault in FAULTS for story in ("there", "back") for part in range(HALVES)]
# Another one each day, of the quick ones on two hosts.
QUICK = [m for m in MATRIX if not FAULTS[m[0]][0] and "long" not in m[0]]
CHOSEN = MATRIX if ALL else [QUICK[TODAY * 7 % len(QUICK)]]


def _lab(name, hosts):
    it = Lab(name, hosts=hosts)
    it.down()
    try:
        yield it.up()
    finally:
        it.down()


@pytest.fixture(scope="module")
def two():
    yield from _lab(NAME, ("old", "new"))


@pytest.fixture(scope="module")
def three():
    yield from _lab(NAME[:7] + "3", ("old", "new", "ctl"))


@pytest.fixture(scope="module", autouse=True)
def outage_table():
    table.begin("outages.md", "what", "story", "when it began", "record", "the move")


def prepared(lab):
    third = lab.ctl.running()
    lab.reset()
    lab.install(str(table.BUILD), hosts=("ctl",) if third else ("new",))
    move = Move(lab, controller=lab.ctl if third else None)
    outside = '  - {http: "http://10.77.0.10/health", status: 200}\n'  # the third host has no way there

    def change(text):
        text = moves.often(text)
        return text.replace("host: local", "host: root@new, via: 10.99.0.20", 1).replace(outside, "") if third else text
    move.write_plan(change)
    return move


def there(lab, move, breaker):
    with lab.client(rate=50) as load:
        load.wait_acks(20)
        breaker.start()
        moves.drive_open(move)
        breaker.settle()
        wait_for(lambda: moves.rounds_laid(move) >= 1)
        before = len(load.acks)
        load.wait_acks(before + 20)
        load.stop()
    ended = moves.judge_open(lab, move, load)
    moves.drive_accept(move)
    breaker.settle()
    return ended


def back(lab, move, breaker):
    move.sync()
    move.cutover()
    with lab.client(rate=50) as load:
        load.wait_acks(20)
        wait_for(lambda: moves.rounds_laid(move) >= 1)
        breaker.start()
        moves.drive_back(move)
        breaker.settle()
        before = len(load.acks)
        load.wait_acks(before + 20)
        load.stop()
    return moves.judge_back(lab, move, load)


@pytest.mark.parametrize("fault,story,part", CHOSEN, ids=["-".join(map(str, m)).replace(" ", "-") for m in CHOSEN])
def test_an_outage_in_every_phase_loses_nothing(request, fault, story, part):
    third, what = FAULTS[fault]
    lab = request.getfixturevalue("three" if third else "two")
    move = prepared(lab)
    breaker = Breaker(lab, move.at, what, (THERE if story == "there" else BACK)[part::HALVES])
    try:
        ended = (there if story == "there" else back)(lab, move, breaker)
    finally:
        breaker.end()
    for phase, seq in breaker.hit:
        table.add("outages.md", fault, story, phase, seq, ended)
    assert breaker.hit
    moves.judge_end(lab, move)


@pytest.mark.skipif(not ALL, reason="./check full")
def test_a_target_that_reboots_behind_its_gate_stays_closed_while_it_cannot_reach_the_source(two):
    move = prepared(two)
    move.sync()
    dropin = "/etc/systemd/system/shop-orders.service.d"
    move.at.sh(f"mkdir -p {dropin}; printf '[Service]\\nExecStartPre=/bin/sleep 5\\n' > {dropin}/slow.conf; "
               "systemctl daemon-reload")
    with two.client(rate=50) as load:
        load.wait_acks(20)
        start_cutover(move)
        wait_phase(move, "starting")
        two.network.block("new", "old")
        two.new.power_cut()
        two.new.start()
        time.sleep(15)
        assert accepted_after(two.new, 0) == []
        assert "10.77.0.10/24" not in two.network.addresses("new")
        two.network.unblock("new", "old")
        final = {"guarded": "new"}.get(wait_phase(move, "guarded", "aborted", "syncing", seconds=120), "old")
        load.wait_acks(len(load.acks) + 50, seconds=60)
        load.stop()
    seen = two.observe(load, final)
    assert seen.lost == [] and seen.doubled == [] and not seen.interleaved
