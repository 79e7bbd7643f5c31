# SPDX-License-Identifier: Apache-2.0
"""The controller's disk fails: full, with errors, cut from its power, or put back from a backup. README.md. S0.32, S0.35."""
import datetime
import os
import pathlib
import shutil
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/scenario"), str(pathlib.Path(__file__).resolve().parent)]

import moves  # noqa: E402
import table  # noqa: E402
from breaker import Breaker, begins  # noqa: E402
from disk import STATE, Image, Inject, kill_owner  # noqa: E402
from lab import Lab  # noqa: E402
from story import PLAN, Move, codes, start_cutover, wait_phase  # noqa: E402

LONG = bool(os.environ.get("REHOME_LONG"))
ERRORS = {"full": ("pwrite64", "ENOSPC"), "error": ("fdatasync,fsync", "EIO")}
TODAY = datetime.date.today().toordinal()
EVERY = ["seeding", "syncing", "proving", "holding", "freezing", "final", "verifying", "starting", "smoke", "switching",
         "outside", "opening", "guarded", "accepting"]


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


def put_back(move, copy):
    """The journal as it was in `copy`, a directory outside."""
    place = move.at.root / STATE.lstrip("/") / "shop"
    shutil.rmtree(place)
    shutil.copytree(copy, place, ignore=shutil.ignore_patterns("socket*"))


def take_copy(move, where):
    """A consistent copy, as a backup takes it: while nobody writes."""
    shutil.copytree(move.at.root / STATE.lstrip("/") / "shop", where, ignore=lambda top, names: [
        name for name in names if not (pathlib.Path(top, name).is_file() or pathlib.Path(top, name).is_dir())])


@pytest.mark.skipif(not LONG, reason="./check full")
def test_a_journal_put_back_from_before_the_pivot_is_refused_and_changes_nothing(lab, move, tmp_path):
    """The old copy says that the source serves. Whoever believed it would thaw the source beside an open target."""
    move.sync()
    kill_owner(move.at)
    take_copy(move, tmp_path / "older")
    with lab.client(rate=50) as load:
        load.wait_acks(20)
        move.cutover()
        load.wait_acks(len(load.acks) + 20)
        kill_owner(move.at)
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
        kill_owner(move.at)
        take_copy(move, tmp_path / "older")
        moves.drive_open(move)
        load.wait_acks(len(load.acks) + 20)
        kill_owner(move.at)
        put_back(move, tmp_path / "older")
        said = move.rehome("cutover", PLAN, "--no-input", "--confirm=shop-old", expect=None)
        said += move.rehome("abort", PLAN, "--no-input", expect=None)
        assert "RH-FENCE-HISTORY" in codes(said), said
        load.wait_acks(len(load.acks) + 50)
        load.stop()
    seen = lab.observe(load, "new")
    assert seen.lost == [] and seen.doubled == [] and not seen.interleaved
    assert lab.old.sh("systemctl is-active shop-orders nginx || true").split() == ["inactive"] * 2


def moved(lab, move, breaker):
    """A move up to its acceptance in which the breaker strikes, judged. What was hit."""
    with lab.client(rate=50) as load:
        load.wait_acks(20)
        breaker.start()
        try:
            moves.drive_open(move)
            breaker.settle()
            load.wait_acks(len(load.acks) + 20)
        finally:
            load.stop()
        ended = moves.judge_open(lab, move, load)
    moves.drive_accept(move)
    breaker.end()
    for phase, seq in breaker.hit:
        table.add("journal.md", breaker.name, phase, seq, ended)
    move.rehome("verify", "/var/lib/rehome/controller/shop")
    return breaker.hit


@pytest.fixture(scope="module", autouse=True)
def journal_table():
    table.begin("journal.md", "what", "when it began", "record", "the move")


@pytest.mark.parametrize("part", range(3) if LONG else [1])
@pytest.mark.parametrize("error", list(ERRORS) if LONG else [list(ERRORS)[TODAY % 2]])
def test_a_disk_that_fails_under_the_journal_loses_nothing(lab, move, error, part):
    """The owner's writes find no room, its syncs an error, for two seconds from the beginning of every third phase."""
    fault = Inject(*ERRORS[error])
    breaker = Breaker(lab, move.at, fault, EVERY[part::3])
    breaker.name = f"disk {error}"
    assert moved(lab, move, breaker)
    assert fault.injected > 0


@pytest.mark.parametrize("part", range(3) if LONG else [2])
def test_a_power_cut_of_the_controllers_disk_loses_no_record(lab, move, tmp_path, part):
    """Everything stands still, the image is copied as it is, the owner dies and goes on from the copy."""
    with Image(move.at, tmp_path) as image:
        known = []

        def cut(_lab):
            image.power_cut()
            known.append(move.records())

        breaker = Breaker(lab, move.at, cut, EVERY[part::3])
        breaker.name = "power cut by image copy"
        assert moved(lab, move, breaker)
        records = move.records()
        for (phase, seq), after in zip(breaker.hit, known):
            assert any(r["seq"] == seq and begins(r) == phase for r in after), "a record that was seen is gone"
        assert all(after == records[:len(after)] for after in known)
