# SPDX-License-Identifier: Apache-2.0
"""The controller's disk fails: full, with errors, cut from its power, or put back from a backup. README.md. S0.32, S0.35."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/scenario"), str(pathlib.Path(__file__).resolve().parent)]

import moves  # noqa: E402
import table  # noqa: E402
import victims  # noqa: E402
from lab import Lab  # noqa: E402
from story import PLAN, Move, codes, phase_of, start_cutover, wait_for, wait_phase  # noqa: E402

LONG = bool(os.environ.get("REHOME_LONG"))
STATE = "/var/lib/rehome/controller"


@pytest.fixture(scope="module")
def lab():
    it = Lab(os.environ.get("REHOME_LAB_NAME", "crash"))
    it.down()
    try:
        yield it.up()
    finally:
        it.down()


@pytest.fixture
def move(lab):
    lab.reset()
    lab.install(str(table.BUILD))
    it = Move(lab)
    it.write_plan(moves.often)
    return it


def kill_owner(move):
    """Dead, and not started again until it is asked for."""
    move.at.sh("systemctl mask --runtime --quiet rehome@shop.service; systemctl kill -s KILL rehome@shop.service || true")
    wait_for(lambda: not victims.count(move.at, "owner"))
    move.at.sh("systemctl unmask --runtime --quiet rehome@shop.service; systemctl reset-failed rehome@shop.service || true")


def put_back(move, copy):
    """The journal as it was in `copy`, a directory outside."""
    place = move.at.root / STATE.lstrip("/") / "shop"
    shutil.rmtree(place)
    shutil.copytree(copy, place, ignore=shutil.ignore_patterns("socket*"))


def take_copy(move, where):
    """A consistent copy, as a backup takes it: while nobody writes."""
    shutil.copytree(move.at.root / STATE.lstrip("/") / "shop", where, ignore=lambda top, names: [
        name for name in names if not (pathlib.Path(top, name).is_file() or pathlib.Path(top, name).is_dir())])


def test_a_journal_put_back_from_before_the_pivot_is_refused_and_changes_nothing(lab, move, tmp_path):
    """The old copy says that the source serves. Whoever believed it would thaw the source beside an open target."""
    move.sync()
    kill_owner(move)
    take_copy(move, tmp_path / "older")
    with lab.client(rate=50) as load:
        load.wait_acks(20)
        move.cutover()
        load.wait_acks(len(load.acks) + 20)
        kill_owner(move)
        put_back(move, tmp_path / "older")
        said = move.rehome("cutover", PLAN, "--no-input", "--confirm=shop-old", expect=None)
        said += move.rehome("abort", PLAN, "--no-input", expect=None)
        assert "RH-FENCE-HISTORY" in codes(said), said
        load.wait_acks(len(load.acks) + 50)
        load.stop()
    seen = lab.observe(load, "new")
    assert seen.lost == [] and seen.doubled == [] and not seen.interleaved
    assert lab.old.sh("systemctl is-active shop-orders nginx || true").split() == ["inactive"] * 2


def test_a_journal_put_back_in_the_middle_of_the_freeze_is_refused_and_changes_nothing(lab, move, tmp_path):
    """A copy of the last moment before the pivot, written on by whoever believed it."""
    move.sync()
    dropin = "/etc/systemd/system/shop-orders.service.d"
    move.at.sh(f"mkdir -p {dropin}; printf '[Service]\\nExecStartPre=/bin/sleep 4\\n' > {dropin}/slow.conf; "
               "systemctl daemon-reload")
    with lab.client(rate=50) as load:
        load.wait_acks(20)
        start_cutover(move)
        wait_phase(move, "starting")
        kill_owner(move)
        take_copy(move, tmp_path / "older")
        moves.drive_open(move)
        load.wait_acks(len(load.acks) + 20)
        kill_owner(move)
        put_back(move, tmp_path / "older")
        said = move.rehome("cutover", PLAN, "--no-input", "--confirm=shop-old", expect=None)
        said += move.rehome("abort", PLAN, "--no-input", expect=None)
        assert "RH-FENCE-HISTORY" in codes(said), said
        load.wait_acks(len(load.acks) + 50)
        load.stop()
    seen = lab.observe(load, "new")
    assert seen.lost == [] and seen.doubled == [] and not seen.interleaved
    assert lab.old.sh("systemctl is-active shop-orders nginx || true").split() == ["inactive"] * 2
