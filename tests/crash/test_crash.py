# SPDX-License-Identifier: Apache-2.0
"""Every process of a move killed behind every record of its journal: README.md beside this file. S0.32, S0.35."""
import datetime
import json
import os
import pathlib
import sqlite3
import sys
import threading
import time
import zlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/scenario"), str(pathlib.Path(__file__).resolve().parent)]

import independent  # noqa: E402
import victims  # noqa: E402
from lab import Lab, accepted_after  # noqa: E402
from story import PLAN, Move, leftovers, wait_for  # noqa: E402

BUILD = pathlib.Path(os.environ.get("REHOME_BUILD", ROOT / "build"))
LONG = bool(os.environ.get("REHOME_LONG"))
STRIDE = 10
TREES = ["/srv/shop", "/etc/shop", "/home/deploy", "/home/anna"]
VICTIMS = {  # name: (which server, what)
    "owner": ("new", "owner"),
    "source agent": ("old", "agent"),
    "target agent": ("new", "agent"),
}
TODAY = datetime.date.today().toordinal()


def offsets(name):
    """All of them in the long version, else another one each day and for each process."""
    return list(range(STRIDE)) if LONG else [(TODAY + 3 * list(VICTIMS).index(name)) % STRIDE]


POINTS = [(name, offset) for name in VICTIMS for offset in offsets(name)]


def point_of(record):
    """What a record is, whichever number it has: a move that is begun again passes the same points."""
    data = record["data"]
    return " ".join(str(word) for word in (record["type"], record.get("step") or data.get("to") or data.get("request") or "",
                                           "undo" if data.get("undo") else "") if word)


class Killer(threading.Thread):
    """Watches the journal from outside and kills once behind each point whose checksum leaves `offset`."""

    def __init__(self, lab, name, offset):
        super().__init__(daemon=True)
        role, self.kind = VICTIMS[name]
        self.host, self.offset = lab.host(role), offset
        self.journal = lab.new.root / "var/lib/rehome/controller/shop/journal.db"
        self.points = set()  # that were passed, hit or not
        self.kills = {}  # point: the record's number
        self.enough = threading.Event()

    def _take(self, seq, line):
        point = point_of(json.loads(line))
        self.points.add(point)
        if point in self.kills or zlib.crc32(point.encode()) % STRIDE != self.offset:
            return
        if victims.kill(self.host, self.kind):
            self.kills[point] = seq

    def _watch(self, db):
        seen = 0
        while not self.enough.is_set():
            rows = db.execute("SELECT seq, line FROM record WHERE seq > ? ORDER BY seq", (seen,)).fetchall()
            for seq, line in rows:
                self._take(seq, line)
                seen = seq
            time.sleep(0.001)

    def run(self):
        while not self.enough.is_set():
            try:
                db = sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True, timeout=1)
                try:
                    self._watch(db)
                finally:
                    db.close()
            except sqlite3.Error:
                time.sleep(0.01)


@pytest.fixture(scope="module")
def lab():
    it = Lab(os.environ.get("REHOME_LAB_NAME", "crash"))
    it.down()
    try:
        yield it.up()
    finally:
        it.down()


def phase(move):
    done = move.at.run(["rehome", "status", PLAN, "--json"], check=False, timeout=30)
    try:
        return json.loads(done.stdout)["phase"]
    except (ValueError, KeyError):
        return None


def drive(move, seconds=150):
    """What an operator does: the same commands again, whatever they said, until the target is open. How often each."""
    end, said = time.monotonic() + seconds, []
    while (at := phase(move)) != "guarded":
        assert time.monotonic() < end, f"not open within {seconds} s; last:\n" + "\n".join(said[-2:])
        first = at in (None, "planned", "seeding")  # a cutover asks for the name that the source calls itself
        command = ["sync", PLAN, "--no-input"] if first else ["cutover", PLAN, "--no-input", "--confirm=shop-old"]
        said.append(move.rehome(*command, expect=None, timeout=seconds))
        time.sleep(0.1)
    return len(said)


def accept(move, seconds=60):
    end = time.monotonic() + seconds
    while phase(move) != "accepted":
        assert time.monotonic() < end, "not accepted in time"
        move.rehome("accept", PLAN, "--no-input", "--confirm=shop-old", expect=None, timeout=seconds)
        time.sleep(0.1)


def describe(records, seq):
    """The record behind which something died, and the phase it was in."""
    at = next(r for r in records if r["seq"] == seq)
    phases = [r["data"]["to"] for r in records if r["seq"] <= seq and r["type"] == "phase"]
    return point_of(at), phases[-1] if phases else "planned"


def note(name, kills, records, ended):
    """One line for each kill, in a file that outlives the run."""
    path = BUILD / "results" / "crash.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with open(path, "a", encoding="utf-8") as out:
        if fresh:
            out.write("| killed | behind record | which | in phase | the move |\n|---|---|---|---|---|\n")
        for seq in sorted(kills.values()):
            what, where = describe(records, seq)
            out.write(f"| {name} | {seq} | {what} | {where} | {ended} |\n")


@pytest.fixture(scope="module", autouse=True)
def fresh_table():
    (BUILD / "results" / "crash.md").unlink(missing_ok=True)


@pytest.mark.parametrize("name,offset", POINTS, ids=[f"{n} {o}".replace(" ", "-") for n, o in POINTS])
def test_killed_behind_every_tenth_point_nothing_is_lost(lab, name, offset):
    lab.reset()
    lab.install(str(BUILD))
    move = Move(lab)
    move.write_plan()
    killer = Killer(lab, name, offset)
    with lab.client(rate=50) as load:
        load.wait_acks(20)
        killer.start()
        drive(move)
        time.sleep(1)
        load.stop()
    pivot = next(r["time"] for r in move.records() if r["type"] == "outcome" and r.get("step") == "move#pivot") / 1000
    seen = lab.observe(load, "new")
    look = [independent.differences(independent.look(lab.old, tree), independent.look(lab.new, tree),
                                    written_after=pivot - 1) for tree in TREES]
    accept(move)
    killer.enough.set()
    killer.join()
    records = move.records()
    ended = f"{seen.acked} acknowledged, {len(seen.lost)} lost, {len(seen.doubled)} doubled"
    note(name, killer.kills, records, ended)
    assert killer.kills, f"no {name} was ever hit"
    assert seen.acked > 20 and seen.lost == [] and seen.doubled == [] and not seen.interleaved
    frozen = [r["time"] for r in records if r["type"] == "phase" and r["data"]["to"] == "final"][-1] / 1000
    assert accepted_after(lab.old, frozen) == []
    assert [d for d in look if d] == []
    move.rehome("verify", "/var/lib/rehome/controller/shop")
    for host in (lab.old, lab.new):
        wait_for(lambda h=host: not [line for line in leftovers(h) if "rehome-agent" in line or "keeper" in line])
