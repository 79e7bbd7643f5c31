# SPDX-License-Identifier: Apache-2.0
"""A live PostgreSQL database kept in step by logical replication: through a tunnel, without an account, from package
defaults by one restart that the plan allows. Nothing of it is left on either server. The checker is psql.

S1.4-5 and S2.26-27 partly.
"""
import json
import os
import time

import pytest

from story import PLAN, codes, phase_of, wait_for
from test_12_postgresql import psql, stop_writer, synced_move, unacknowledged

pytestmark = pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="the long version: a database lab more")

# What a move by replication may not leave behind, as the servers themselves tell it.
LEFT = """SELECT 'slot ' || slot_name FROM pg_replication_slots UNION ALL SELECT 'publication ' || pubname FROM pg_publication WHERE pubname <> 'own'
  UNION ALL SELECT 'subscription ' || subname FROM pg_subscription
  UNION ALL SELECT 'origin ' || roname FROM pg_replication_origin
  UNION ALL SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname LIKE 'rehome%'
  UNION ALL SELECT 'identity ' || relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
    WHERE relkind = 'r' AND relreplident <> 'd' AND nspname IN ('public', 'Odd Schema')
  UNION ALL SELECT 'setting ' || name FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf'
  UNION ALL SELECT 'account ' || rolname FROM pg_authid WHERE rolname LIKE 'rehome%';"""

LOOK_AT = "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY t::text)) FROM {} t;"


@pytest.fixture(scope="module")
def streaming(database_lab, build):
    """Somebody else's database is on the new server, which is not restarted for it: the way back is by rounds."""
    def before(old):
        psql(old, "SELECT lo_unlink(4711); DROP TABLE refused; CREATE PUBLICATION own FOR TABLE orders, kinds WITH (publish = 'insert')")
        psql(database_lab.new, "CREATE DATABASE others", "postgres")
    return synced_move(database_lab, build, more="    in-step: replicate\n    restart: allowed\n", before=before, end="back-every: 5s\n")


def left(move):
    return [line for host in (move.lab.old, move.lab.new) for line in psql(host, LEFT).split("\n") if line]


def listening(host):
    return host.sh("ss -Hltnp | grep -c rehome-agent || true").strip()


def test_the_servers_replicate_and_writes_arrive_without_a_round(streaming):
    old, new = streaming.lab.old, streaming.lab.new
    assert psql(old, "SELECT count(*) FROM pg_replication_slots WHERE active").strip() == "1"
    at = int(psql(old, "SELECT max(id) FROM orders"))
    wait_for(lambda: int(psql(new, "SELECT coalesce(max(id), 0) FROM orders")) >= at)
    psql(old, "DELETE FROM nokey WHERE a = 3; UPDATE nokey SET b = 'other' WHERE a = 4")
    wait_for(lambda: psql(new, "SELECT count(*), count(*) FILTER (WHERE b = 'other') FROM nokey").strip() == "4500|500")


def test_a_server_on_which_others_work_is_not_restarted_and_the_way_back_is_by_rounds(streaming):
    said = [r["data"]["result"] for r in streaming.records() if r["type"] == "outcome" and r.get("step") == "postgresql:crm#level"][-1]
    assert said["logical"] is False and "database others works there, too" in said["findings"][0], said
    assert psql(streaming.lab.new, "SHOW wal_level").strip() == "replica"


def test_the_users_own_publications_come_along(streaming):
    ask = ("SELECT p.pubname, pubinsert, pubupdate, tablename FROM pg_publication p JOIN pg_publication_tables USING (pubname)"
           " WHERE p.pubname NOT LIKE 'rehome%' ORDER BY tablename")
    assert psql(streaming.lab.new, ask).split() == ["own|t|f|kinds", "own|t|f|orders"] == psql(streaming.lab.old, ask).split()
    assert psql(streaming.lab.new, "SELECT count(*) FROM pg_publication").strip() == "1"


def test_status_says_how_far_it_is_behind(streaming):
    said = wait_for(lambda: [line for line in streaming.rehome("status", PLAN).split("\n") if line.startswith("in step: ")])
    assert len(said) == 1 and "postgresql:crm replicates, " in said[0] and " bytes behind" in said[0]


def test_only_the_server_itself_may_use_the_tunnel(streaming):
    new = streaming.lab.new
    port = psql(new, "SELECT substring(subconninfo from 'port=([0-9]+)') FROM pg_subscription").strip()
    assert new.sh("ss -Hltn | awk '{print $4}'").split().count(f"127.0.0.1:{port}") == 1
    said = new.sh(f"setpriv --reuid nobody --clear-groups psql -h 127.0.0.1 -p {port} -U postgres -d crm -c 'SELECT 1' 2>&1 || true")
    assert "closed the connection" in said, said


def test_the_stream_goes_on_when_the_owner_was_killed_and_when_the_server_was_restarted(streaming):
    old, new = streaming.lab.old, streaming.lab.new
    port = "SELECT substring(subconninfo from 'port=([0-9]+)') FROM pg_subscription"
    before = psql(new, port)
    owner = json.loads(streaming.rehome("status", PLAN, "--json"))["owner_pid"]
    assert isinstance(owner, int)
    new.sh(f"kill -9 {owner}")
    wait_for(lambda: psql(old, "SELECT count(*) FROM pg_replication_slots WHERE active").strip() == "0")
    streaming.sync()
    old.sh("systemctl restart postgresql@15-main")
    at = wait_for(lambda: int(psql(old, "SELECT max(id) FROM orders")))
    wait_for(lambda: int(psql(new, "SELECT max(id) FROM orders")) >= at)
    assert psql(new, port) == before


def test_a_row_lost_on_the_target_stops_the_cutover_and_nothing_is_left(streaming):
    psql(streaming.lab.new, "SET session_replication_role = replica; DELETE FROM kinds WHERE id = 2")
    said = streaming.rehome("cutover", PLAN, "--no-input", "--confirm=shop-old", expect=None)
    assert "RH-POSTGRESQL-UNEQUAL" in codes(said) and "public.kinds" in said, said
    wait_for(lambda: phase_of(streaming) == "aborted")
    assert left(streaming) == []
    streaming.sync()
    assert psql(streaming.lab.new, "SELECT count(*) FROM kinds").strip() == "5"


def test_the_source_lets_go_by_itself_and_the_stream_is_made_anew(streaming):
    """As at a shutdown, a full disk or half a day without a controller: the keeper drops the slot."""
    old = streaming.lab.old
    old.sh("systemctl stop 'rehome-keeper-*'")
    assert psql(old, "SELECT count(*) FROM pg_replication_slots").strip() == "0"
    said = streaming.rehome("cutover", PLAN, "--no-input", "--confirm=shop-old", expect=None)
    assert "RH-POSTGRESQL-STREAM" in codes(said), said
    streaming.rehome("abort", PLAN, "--no-input", expect=None)
    wait_for(lambda: phase_of(streaming) == "aborted")
    assert left(streaming) == []
    streaming.sync()


def test_a_changed_schema_is_noticed_and_an_abort_leaves_nothing(streaming):
    psql(streaming.lab.old, "ALTER TABLE nokey ADD COLUMN late int")
    said = streaming.rehome("cutover", PLAN, "--no-input", "--confirm=shop-old", expect=None)
    assert "RH-POSTGRESQL-DDL" in codes(said), said
    streaming.rehome("abort", PLAN, "--no-input", expect=None)
    wait_for(lambda: phase_of(streaming) == "aborted")
    assert left(streaming) == []
    psql(streaming.lab.old, "ALTER TABLE nokey DROP COLUMN late")
    streaming.sync()


def test_every_committed_order_is_there_once_and_nothing_of_the_stream_is_left(streaming):
    streaming.cutover()
    time.sleep(1)
    stop_writer(streaming.lab.new)
    lost, acked = unacknowledged(streaming.lab.new)
    assert acked > 500 and lost == []
    assert left(streaming) == []
    for table in ("kinds", "nokey", "many", "parts", '"Odd Schema"."select ""x"""'):
        assert psql(streaming.lab.old, LOOK_AT.format(table)) == psql(streaming.lab.new, LOOK_AT.format(table)), table


def laid(move):
    """The reverse rounds of the database that have ended."""
    return [r for r in move.records() if r["type"] == "outcome" and r.get("step") == "postgresql:crm#back-round"
            and "result" in r["data"]]


def test_a_lost_new_server_loses_what_came_after_the_last_reverse_round(streaming):
    """By rounds.  Given up while it runs: only its address is taken, as if it were off."""
    new, old = streaming.lab.new, streaming.lab.old
    new.sh("systemctl start crm-writer")
    time.sleep(2)
    stop_writer(new)
    psql(new, "DELETE FROM nokey WHERE a = 5; UPDATE kinds SET x = E'back\\\\slash\\tand tab' WHERE id = 3;"
              "INSERT INTO \"Odd Schema\".\"select \"\"x\"\"\" (\"from\", \"order\") VALUES (99, '\\.')")
    before = len(laid(streaming))
    wait_for(lambda: len(laid(streaming)) >= before + 2)
    said = streaming.rehome("rollback", PLAN, "--dry-run", "--target-is-gone")
    assert "LOST: all changes since 20" in said and "of which no reverse rounds are made" not in said, said
    new.sh("ip addr del 10.77.0.10/24 dev eth0 || true")
    streaming.rehome("rollback", PLAN, "--no-input", "--confirm=shop-new", "--target-is-gone")
    stop_writer(old)
    acked = [int(line) for line in new.sh("cat /srv/shop/crm-acks.log").split()]
    there = {int(line) for line in psql(old, "SELECT id FROM orders").split()}
    assert len(acked) > 600 and [order for order in acked if order not in there] == []
    for table in ("kinds", "nokey", "many", '"Odd Schema"."select ""x"""'):
        assert psql(old, LOOK_AT.format(table)) == psql(new, LOOK_AT.format(table)), table
    assert left(streaming) == []
    assert old.sh("ls /var/lib/postgresql | grep rehome || true").strip() == ""
