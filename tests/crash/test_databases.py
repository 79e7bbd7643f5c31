# SPDX-License-Identifier: Apache-2.0
"""Moves of a shop with a database in which processes die at random: rehome's, the engines' clients that it starts, and
the database servers on both sides, which systemd starts again. README.md has the rules. S0.32, S0.35, S2.25."""
import contextlib
import os
import pathlib
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/scenario"), str(pathlib.Path(__file__).resolve().parent)]

import moves  # noqa: E402
import orders  # noqa: E402
import table  # noqa: E402
from lab import Lab, stores  # noqa: E402
from reaper import Reaper  # noqa: E402
from story import Move, wait_for  # noqa: E402

LONG = bool(os.environ.get("REHOME_LONG"))
SEED = int(os.environ.get("REHOME_SEED", time.time()))
MOVES, KILLS = (5, 8) if LONG else (1, 4)  # for each engine and story; kills in a move, at most
ENGINES = ["mariadb", "postgresql"] if LONG else [["mariadb", "postgresql"][SEED // 86400 % 2]]  # another one each day
# Debian's unit leaves a postgres that was killed where it is.
RESTARTS = "[Service]\nRestart=on-failure\nRestartSec=1\n[Unit]\nStartLimitIntervalSec=0\n"
ALL = []


@pytest.fixture(scope="module", params=ENGINES)
def lab(request):
    it = Lab(os.environ.get("REHOME_LAB_NAME", "crash")[:7] + "d", store=request.param)
    it.down()
    try:
        yield it
    finally:
        it.down()


@pytest.fixture(scope="module", autouse=True)
def kill_table():
    table.begin("databases.md", "engine", "seed", "killed", "last record before", "the move")
    yield
    table.say("databases.md", f"{len(ALL)} kills. Seed of the run: {SEED} (REHOME_SEED={SEED} chooses the same).")


def prepared(lab):
    lab.reset()
    lab.install(str(table.BUILD))
    for host in (lab.old, lab.new):
        for unit in ("postgresql@", "mariadb"):
            host.sh(f"mkdir -p /etc/systemd/system/{unit}.service.d; "
                    f"printf '{RESTARTS}' >/etc/systemd/system/{unit}.service.d/killed.conf".replace("\n", "\\n"))
        host.sh("systemctl daemon-reload")
    move = Move(lab)
    # What is shown is not how long it takes: a busy machine is no reason to go back again and again.
    move.write_plan(lambda text: moves.often(orders.plan(lab.store)(text)).replace("downtime-limit: 30s", "downtime-limit: 300s"))
    return move


def serving(lab):
    """Until both database servers answer: one that was killed last has its own recovery before it."""
    def answers(host):
        try:
            return stores.ask(host, "SELECT 1").strip() == "1"
        except RuntimeError:
            return False
    for host in (lab.old, lab.new):
        wait_for(lambda h=host: answers(h), seconds=90, every=0.5)


@contextlib.contextmanager
def killing(lab, move, reaper):
    """Kills until the end; where the move does not go as it has to, what the hosts say of it outlives the lab."""
    reaper.start()
    try:
        yield
    except BaseException:
        reaper.enough.set()
        where = table.path_of(f"databases-{lab.store}-{reaper.seed}.txt")
        argv = ["/bin/sh", "-c", "rehome status /root/shop.yaml; rehome events /root/shop.yaml --json; journalctl -b --no-pager | tail -n 400"]
        where.write_text("\n".join([*map(str, reaper.kills), move.at.run(argv, check=False).stdout,
                                    lab.old.sh("journalctl -b --no-pager | tail -n 400", check=False)]), encoding="utf-8")
        print(f"see {where}")
        raise
    finally:
        reaper.end()


def note(lab, seed, reaper, ended):
    ALL.extend(reaper.kills)
    for name, point in reaper.kills:
        table.add("databases.md", lab.store, seed, name, point, ended)


def whole(lab, load, final):
    """What was acknowledged is on the host that serves, once, with all its parts."""
    seen = lab.observe(load, final)
    ended = f"{seen.acked} acknowledged, {len(seen.lost)} lost, {len(seen.doubled)} doubled"
    assert seen.acked > 20 and (seen.lost, seen.doubled, seen.unbalanced) == ([], [], []), ended
    return ended


def move_there(lab, move, reaper):
    with lab.client(rate=75, writers=3) as load:
        load.wait_acks(20)
        moves.drive_open(move, seconds=600)
        reaper.paused.set()
        time.sleep(1)
        load.stop()
    serving(lab)
    moves.judge_open(lab, move, load)
    whole(lab, load, "new")
    assert orders.not_carried(lab.old, lab.new) == {}
    return load


@pytest.mark.parametrize("number", range(MOVES))
def test_killed_at_random_a_database_is_on_the_target_whole(lab, number):
    seed = SEED + 2 * number
    print(f"seed {seed}")
    move, reaper = prepared(lab), Reaper(lab, seed, KILLS)
    with killing(lab, move, reaper):
        load = move_there(lab, move, reaper)
        if LONG:
            reaper.paused.clear()
            moves.drive_accept(move)
    serving(lab)
    note(lab, seed, reaper, whole(lab, load, "new"))
    if LONG:
        moves.judge_end(lab, move)


@pytest.mark.skipif(not LONG, reason="./check full")
@pytest.mark.parametrize("number", range(MOVES))
def test_killed_at_random_a_database_comes_back_whole(lab, number):
    seed = SEED + 2 * number + 1
    print(f"seed {seed}")
    move, reaper = prepared(lab), Reaper(lab, seed, KILLS)
    with killing(lab, move, reaper):
        first = move_there(lab, move, reaper)
        with lab.client(rate=75, writers=3) as load:
            load.wait_acks(20)
            reaper.left = reaper.early = KILLS
            reaper.paused.clear()
            time.sleep(3)
            moves.drive_back(move, seconds=600)
            reaper.paused.set()
            time.sleep(1)
            load.stop()
    serving(lab)
    moves.judge_back(lab, move, load)
    whole(lab, first, "old")
    assert orders.not_carried(lab.new, lab.old) == {}
    note(lab, seed, reaper, whole(lab, load, "old"))
    moves.judge_end(lab, move)
