# SPDX-License-Identifier: Apache-2.0
"""The way back of a live PostgreSQL database by a standing stream from the new server to the frozen old one: rehearsed
before the opening, watched in the guard, nothing lost by a rollback, and nothing of it left. The checker is psql.

S1.4-5 and S2.26-27 partly.
"""
import json
import os
import time

import pytest

from story import PLAN, codes, phase_of, run_the_text, wait_for
from test_12_postgresql import psql, stop_writer, synced_move, unacknowledged
from test_12_postgresql_stream import LEFT, LOOK_AT, left

pytestmark = pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="the long version: three moves more")

TABLES = ("kinds", "nokey", "many", "parts", '"Odd Schema"."select ""x"""')


def streamed_move(database_lab, build):
    return synced_move(database_lab, build, more="    in-step: replicate\n    restart: allowed\n",
                       before=lambda old: psql(old, "SELECT lo_unlink(4711); DROP TABLE refused"), end="back-every: 5s\n")


@pytest.fixture(scope="module")
def moved(database_lab, build):
    move = streamed_move(database_lab, build)
    move.cutover()
    return move


def rounds(move):
    """What the looks of the guard said of the database, in order."""
    return [r["data"]["result"] for r in move.records() if r["type"] == "outcome"
            and r.get("step") == "postgresql:crm#back-round" and "result" in r["data"]]


def last_order(host):
    return int(psql(host, "SELECT coalesce(max(id), 0) FROM orders"))


def equal(move):
    return [t for t in TABLES if psql(move.lab.old, LOOK_AT.format(t)) != psql(move.lab.new, LOOK_AT.format(t))]


def test_what_the_new_server_takes_arrives_in_the_frozen_database(moved):
    old, new = moved.lab.old, moved.lab.new
    result = [r["data"]["result"] for r in moved.records() if r["type"] == "outcome"
              and r.get("step") == "postgresql:crm#home"][-1]
    assert result == {"reverse": "replicate", "rehearsed": True}
    wait_for(lambda: phase_of(moved) == "guarded")
    wait_for(lambda: psql(new, "SELECT count(*) FROM pg_replication_slots WHERE active").strip() == "1")
    assert psql(new, "SELECT count(*) FROM pg_subscription").strip() == "0", "the stream there has ended"
    assert psql(old, "SELECT count(*) FROM pg_replication_slots").strip() == "0"
    at = wait_for(lambda: last_order(new))
    wait_for(lambda: last_order(old) >= at)
    psql(new, "DELETE FROM nokey WHERE a = 3; UPDATE nokey SET b = 'other' WHERE a = 4")
    wait_for(lambda: psql(old, "SELECT count(*), count(*) FILTER (WHERE b = 'other') FROM nokey").strip() == "4500|500")


def test_the_frozen_database_takes_nobody_elses_writes(moved):
    said = moved.lab.old.sh("PGPASSWORD=geheim psql -h 127.0.0.1 -U crm crm -c 'SELECT 1' 2>&1 || true")
    assert "too many connections" in said, said
    said = moved.lab.old.sh("cd /; runuser -u postgres -- psql -d crm -c 'DELETE FROM kinds' 2>&1 || true")
    assert "read-only transaction" in said, said


def test_each_look_says_how_far_it_is_behind_and_brings_the_sequences(moved):
    new, old = moved.lab.new, moved.lab.old
    before = len(rounds(moved))
    wait_for(lambda: len(rounds(moved)) > before + 1)
    last = rounds(moved)[-1]
    assert last["reverse"] == "replicate" and last["lag_bytes"] >= 0 and last["tables"] == [], last
    value = "SELECT last_value FROM orders_id_seq"
    at = int(psql(new, value))
    wait_for(lambda: int(psql(old, value)) >= at)


def test_what_the_new_server_took_comes_back_and_nothing_of_the_stream_is_left(moved):
    new, old = moved.lab.new, moved.lab.old
    time.sleep(1)
    moved.rehome("rollback", PLAN, "--no-input", "--confirm=shop-new")
    time.sleep(1)
    stop_writer(old)
    lost, acked = unacknowledged(old)
    assert acked > 200 and lost == []
    assert left(moved) == [] and equal(moved) == []




@pytest.fixture(scope="module")
def again(database_lab, build):
    move = streamed_move(database_lab, build)
    move.cutover()
    wait_for(lambda: psql(move.lab.new, "SELECT count(*) FROM pg_replication_slots WHERE active").strip() == "1")
    return move


def test_the_stream_goes_on_when_the_owner_or_a_server_was_killed(again):
    old, new = again.lab.old, again.lab.new
    owner = json.loads(again.rehome("status", PLAN, "--json"))["owner_pid"]
    new.sh(f"kill -9 {owner}")
    again.rehome("resume", PLAN, "--no-input")
    for host, unit in ((old, "postgresql@15-main"), (new, "postgresql@17-main")):
        host.sh(f"systemctl kill -s KILL {unit}; sleep 1; systemctl reset-failed {unit}; systemctl restart {unit}")
    new.sh("systemctl restart crm-writer")
    at = wait_for(lambda: last_order(new))
    wait_for(lambda: last_order(old) > at)
    before = len(rounds(again))
    wait_for(lambda: len(rounds(again)) > before)
    assert rounds(again)[-1]["reverse"] == "replicate", rounds(again)[-1]


def test_a_lost_new_server_loses_no_more_than_the_lag(again):
    """Given up while it runs: only its address is taken, as if it were off."""
    old, new = again.lab.old, again.lab.new
    psql(new, "DELETE FROM nokey WHERE a = 5; UPDATE kinds SET x = E'back\\\\slash\\tand tab' WHERE id = 3;")
    stop_writer(new)
    at = last_order(new)
    wait_for(lambda: last_order(old) == at)
    said = again.rehome("rollback", PLAN, "--dry-run", "--target-is-gone")
    assert "Of postgresql:crm only what had not arrived yet" in said, said
    new.sh("ip addr del 10.77.0.10/24 dev eth0 || true")
    again.rehome("rollback", PLAN, "--no-input", "--confirm=shop-new", "--target-is-gone")
    stop_writer(old)
    acked = [int(line) for line in new.sh("cat /srv/shop/crm-acks.log").split()]
    there = {int(line) for line in psql(old, "SELECT id FROM orders").split()}
    assert len(acked) > 200 and [order for order in acked if order not in there] == []
    assert max(there) > at, "the writer goes on, with ids of its own"
    assert [line for line in psql(old, LEFT).split("\n") if line] == [] and equal(again) == []


@pytest.fixture(scope="module")
def stopped(database_lab, build):
    """A row that the new server will make, too, is planted in the frozen database."""
    move = streamed_move(database_lab, build)
    move.cutover()
    wait_for(lambda: rounds(move) and rounds(move)[-1]["reverse"] == "replicate")
    psql(move.lab.old, "SET default_transaction_read_only = off; INSERT INTO many VALUES (3000000, 3000000, 'planted')")
    psql(move.lab.new, "INSERT INTO many VALUES (3000000, 3000000, 'mine'); DELETE FROM nokey WHERE a = 7")
    return move


def test_an_applier_that_stops_lowers_the_mode_and_is_named(stopped):
    wait_for(lambda: rounds(stopped)[-1]["reverse"] == "delta")
    last = rounds(stopped)[-1]
    assert "duplicate key" in last["why"] and "public.many" in last["why"], last
    assert stopped.facts()["back_mode"] == "delta"
    said = stopped.rehome("status", PLAN)
    assert "way back: postgresql:crm comes back by rounds: " in said and "duplicate key" in said, said
    assert left(stopped) == ["setting wal_level"], "a slot that nobody reads would fill the disk"
    wait_for(lambda: "public.many" in rounds(stopped)[-1]["tables"] and "public.orders" in rounds(stopped)[-1]["tables"])


def test_what_is_changed_in_the_schema_is_named_as_a_limit(stopped):
    psql(stopped.lab.new, "ALTER TABLE nokey ADD COLUMN late int")
    wait_for(lambda: rounds(stopped)[-1]["reverse"] == "none")
    assert "public.nokey.late" in rounds(stopped)[-1]["why"]
    assert "postgresql:crm does not come back" in stopped.rehome("status", PLAN)
    psql(stopped.lab.new, "ALTER TABLE nokey DROP COLUMN late")
    wait_for(lambda: rounds(stopped)[-1]["reverse"] == "delta")


def test_the_rounds_bring_it_all_back_all_the_same(stopped):
    new, old = stopped.lab.new, stopped.lab.old
    stopped.rehome("rollback", PLAN, "--no-input", "--confirm=shop-new")
    time.sleep(1)
    stop_writer(old)
    lost, acked = unacknowledged(old)
    assert acked > 200 and lost == []
    assert psql(old, "SELECT x FROM many WHERE id = 3000000").strip() == "mine"
    assert left(stopped) == [] and equal(stopped) == []


@pytest.fixture(scope="module")
def refused(database_lab, build):
    """The move fails by its last check, when the services already write on the new server, behind the gate."""
    move = streamed_move(database_lab, build)
    text = move.lab.new.sh(f"cat {PLAN}")
    move.lab.new.sh(f"sed -i s,10.77.0.10/health,10.77.0.10/not-outside, {PLAN}")
    move.said = move.cutover(expect=None)
    wait_for(lambda: phase_of(move) == "aborted")
    move.lab.new.run(["tee", PLAN], input=text)
    return move


def test_an_abort_finds_the_old_database_as_it_was_frozen_and_nothing_is_left(refused):
    old, new = refused.lab.old, refused.lab.new
    assert "RH-MOVE-SMOKE" in codes(refused.said), refused.said
    ask = "SELECT id || ' ' || amount FROM orders"
    theirs = dict(line.split() for line in psql(new, ask).split("\n") if line)
    first = max(int(i) for i in theirs)
    wait_for(lambda: last_order(old) > first)
    ours = dict(line.split() for line in psql(old, ask).split("\n") if line)
    same = [int(i) for i in theirs if ours.get(i) == theirs[i]]
    other = [int(i) for i in theirs if ours.get(i, theirs[i]) != theirs[i]]
    assert other and max(same) < min(other), "what the new server took behind the gate is not in the old database"
    assert left(refused) == []


def test_an_acceptance_leaves_nothing_of_it_on_either_server(refused):
    refused.sync()
    refused.cutover()
    wait_for(lambda: rounds(refused) and rounds(refused)[-1]["reverse"] == "replicate")
    refused.rehome("accept", PLAN, "--no-input", "--confirm=shop-old")
    assert phase_of(refused) == "accepted"
    assert left(refused) == []


def test_the_text_on_the_frozen_source_brings_back_what_had_arrived(database_lab, build):
    move = streamed_move(database_lab, build)
    old, new = move.lab.old, move.lab.new
    move.cutover()
    wait_for(lambda: rounds(move) and rounds(move)[-1]["reverse"] == "replicate")
    time.sleep(1)
    stop_writer(new)
    at = wait_for(lambda: last_order(new))
    wait_for(lambda: last_order(old) == at)
    new.sh("systemctl stop rehome@shop postgresql@17-main; ip addr del 10.77.0.10/24 dev eth0 || true")
    run_the_text(old)
    wait_for(lambda: last_order(old) > at)
    assert [line for line in psql(old, LEFT).split("\n") if line] == []
