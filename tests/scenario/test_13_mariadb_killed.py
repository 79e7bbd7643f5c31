# SPDX-License-Identifier: Apache-2.0
"""A MariaDB server is killed in the middle of the first copy and of a round, and the controller in
the middle of the last step of a rollback: each time the move goes on, and ends equal. The checker is the mariadb client.

S0.32, S0.35 partly.
"""
import json
import os
import pathlib
import signal
import sqlite3
import sys
import time

import pytest

import maria_state
from left import at_rest
from story import PLAN, phase_of, wait_for
from test_13_mariadb import SAYS, maria, planned_move, unacknowledged, wait_for_acks

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "crash")]

import victims  # noqa: E402

pytestmark = pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="the long version: another first copy")
JOURNAL = "var/lib/rehome/controller/shop/journal.db"
SUMS = "CHECKSUM TABLE kinds, parent, child, log, odd, parts, large, large_too EXTENDED"


def journal(lab):
    """(what, result) of each intent and outcome of the move so far, from outside."""
    path = lab.new.root / JOURNAL
    try:
        db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=1)
        try:
            records = [json.loads(line) for (line,) in db.execute("SELECT line FROM record ORDER BY seq")]
        finally:
            db.close()
    except sqlite3.Error:
        return []
    return [(f"{r['type']} {r['step']}", r["data"].get("result")) for r in records if r["type"] in ("intent", "outcome")]


def count(lab, what):
    """Of an outcome: of those that gave a result."""
    return sum(one == what and (what.startswith("intent") or result is not None) for one, result in journal(lab))


def server(host):
    """The pid of its mariadbd, as this machine numbers it."""
    pid, = [pid for pid in victims.pids(host, "server") if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "mariadbd"]
    return int(pid)


def results(lab):
    return [result for one, result in journal(lab) if one == "outcome mariadb:shop#round" and result is not None]


def answers(host):
    return host.run(["mariadb", "-e", "SELECT 1"], check=False).returncode == 0


def kill_within(lab, step, role, after=0.0):
    """Kills the server a moment after the next intent of that step, before it has ended."""
    def times(what):
        return count(lab, f"{what} {step}")
    seen, ended = times("intent"), times("outcome")
    pid = server(lab.host(role))
    wait_for(lambda: times("intent") > seen, seconds=120, every=0.005)
    time.sleep(after)
    os.kill(pid, signal.SIGKILL)
    assert times("outcome") == ended, f"{step} had ended before"


def answering(*hosts):
    for host in hosts:
        wait_for(lambda h=host: answers(h), seconds=60, every=0.2)


def syncing(move):
    """`rehome sync`, given again until it does not fail."""
    return move.at.popen(["/bin/sh", "-c", f"until rehome sync {PLAN} --no-input; do sleep 1; done"])


def end_owner(move):
    pid = json.loads(move.at.run(["rehome", "status", PLAN, "--json"]).stdout).get("owner_pid")
    if pid:
        move.at.sh(f"kill {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.1; done")


def equal(lab):
    assert maria(lab.old, SUMS) == maria(lab.new, SUMS)


@pytest.fixture(scope="module")
def move(database_lab, build):
    move = planned_move(database_lab, build)
    for host in (database_lab.old, database_lab.new):  # what was set by hand does not outlive a kill
        host.sh("systemctl restart mariadb")
    move.state = {"source": maria_state.look(database_lab.old), "target": maria_state.look(database_lab.new)}
    return move


def test_a_first_copy_is_whole_in_which_the_source_was_killed(move):
    lab = move.lab
    begun = syncing(move)
    kill_within(lab, "mariadb:shop#seed", "old")
    assert begun.wait(timeout=180) == 0
    equal(lab)
    wait_for_acks(lab.old, 20)


@pytest.mark.parametrize(("role", "sql", "anew"), [("old", "UPDATE large SET n = n + 1", False), ("new", "UPDATE large SET n = n + 1", False),
                                                   ("new", "ALTER TABLE parent ADD COLUMN more INT DEFAULT 3", True)])
def test_a_round_is_whole_in_which_a_server_was_killed(move, role, sql, anew):
    lab = move.lab
    maria(lab.old, sql)
    before = len(results(lab))
    end_owner(move)
    begun = syncing(move)
    kill_within(lab, "mariadb:shop#round", role, 0.3 if anew else 0)
    assert begun.wait(timeout=180) == 0

    def another():  # at once, not in its time
        answering(lab.old, lab.new)
        end_owner(move)
        return syncing(move).wait(timeout=180) == 0 and len(results(lab)) > before
    wait_for(another, seconds=180, every=1)
    assert any(one["whole"] for one in results(lab)[before:]) == anew
    equal(lab)


def test_a_rollback_whose_controller_was_killed_in_its_last_step_ends_with_both_servers_as_before(move):
    lab, release = move.lab, "mariadb:shop#back-release"
    wait_for_acks(lab.old, 20)
    move.cutover()
    wait_for_acks(lab.new, 50)
    begun = move.at.popen(["rehome", "rollback", PLAN, "--no-input", "--confirm=shop-new"])
    # The target's server stands still meanwhile, so that the step is not over before the kill.
    wait_for(lambda: count(lab, "outcome move#back-pivot"), seconds=120, every=0.002)
    stopped = server(lab.new)
    os.kill(stopped, signal.SIGSTOP)
    try:
        wait_for(lambda: count(lab, f"intent {release}"), seconds=60, every=0.01)
        time.sleep(0.5)
        assert count(lab, f"outcome {release}") == 0 and victims.kill(lab.new, "owner") == 1
    finally:
        os.kill(stopped, signal.SIGCONT)
    begun.wait(timeout=120)

    def resumed():  # by the next owner, which systemd starts, or the next command
        move.at.run(["rehome", "rollback", PLAN, "--no-input", "--confirm=shop-new"], check=False, timeout=180)
        return phase_of(move) == "rolled-back"
    wait_for(resumed, seconds=180, every=1)
    facts = at_rest(move)
    for side, host in (("source", lab.old), ("target", lab.new)):
        assert maria_state.unnamed(move.state[side], maria_state.look(host), maria_state.named(facts, side)) == {}, side
    assert maria_state.changed(move.state["source"], maria_state.look(lab.old)) == {}


def test_nothing_is_lost_or_doubled_after_all_of_it(move):
    lab = move.lab
    wait_for_acks(lab.old, 20)
    for host in (lab.old, lab.new):
        host.sh("systemctl stop maria-writer || true")
    lost, acked = unacknowledged(lab.old)
    assert acked > 200 and lost == []
    equal(lab)
    assert "langer" not in maria(lab.old, SAYS)
