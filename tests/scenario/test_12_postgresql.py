# SPDX-License-Identifier: Apache-2.0
"""A live PostgreSQL database moves from Debian 12's server to Debian 13's, and comes back; what is planted on the
target stops the cutover and is named. The checker is psql.

S0.16-17, S1.4-5, S2.25-27 and S2.41 partly.
"""
import json
import os
import pathlib
import subprocess
import time

import pytest

from story import PLAN, Move, codes, phase_of, wait_for

PLANS = pathlib.Path(__file__).with_name("plans")
UNIT = """[Unit]
After=postgresql.service
[Service]
User=shop
Environment=PGPASSWORD=geheim
ExecStart=/usr/local/bin/crm-writer
Restart=on-failure
RestartSec=1
[Install]
WantedBy=multi-user.target
"""
SCHEMA = (PLANS / "crm.sql").read_text()
LOOK = (PLANS / "crm-look.sql").read_text()


def psql(host, sql, database="crm"):
    return host.run(["runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                     "-v", "VERBOSITY=terse", "-d", database], input=f"SET extra_float_digits = 3;\n{sql}", cwd="/").stdout


def put(host, path, text, mode):
    host.run(["/bin/sh", "-c", f"cat > {path}; chmod {mode} {path}"], input=text)


def unacknowledged(host):
    """Ids that the writer noted as committed and that are not there exactly once; how many it noted."""
    put(host, "/tmp/acks", host.sh("cat /srv/shop/crm-acks.log"), 644)
    lost = psql(host, "CREATE TEMP TABLE acks (id bigint);\n\\copy acks from /tmp/acks\n"
                      "SELECT id FROM acks LEFT JOIN orders USING (id) GROUP BY id HAVING count(orders.id) <> 1;"
                      "SELECT count(*) FROM acks;").split()
    return lost[:-1], int(lost[-1])


def stop_writer(host):
    host.sh("systemctl stop crm-writer")


def ready_move(lab, build, more="", before=lambda old: None, end=""):
    """Servers as delivered, the database with its writer on the old one, and a plan; `more` lines of the item."""
    lab.reset()
    lab.install(build)
    old = lab.old
    put(old, "/etc/postgresql/15/main/conf.d/own.conf", "intervalstyle = 'iso_8601'\ntemp_file_limit = '77MB'\n", 644)
    psql(old, "SELECT pg_reload_conf()", "postgres")
    psql(old, SCHEMA, "postgres")
    before(old)
    put(old, "/usr/local/bin/crm-writer", (PLANS / "crm-writer").read_text(), 755)
    put(old, "/etc/systemd/system/crm-writer.service", UNIT, 644)
    old.sh("systemctl daemon-reload; systemctl enable --now crm-writer")
    move = Move(lab)
    move.write_plan(lambda text: text.replace(
        "  - service: nginx.service\n",
        "  - postgresql: crm\n" + more +
        "  - files: /usr/local/bin/crm-writer\n"
        "  - service: crm-writer.service\n"
        "    ready: {none: true}\n"
        "    after: [\"postgresql:crm\"]\n"
        "  - service: nginx.service\n", 1).replace(
        "leave:\n", "leave:\n  - {unit: mariadb.service, why: it has another owner}\n", 1) + end)
    return move


def synced_move(*args, **more):
    """And a first copy."""
    move = ready_move(*args, **more)
    move.sync()
    return move


QUERIES = '''    queries:
      - {name: refs, sql: "SELECT count(*) FROM refs WHERE $$;$$ <> $$\\\\ ''$$ -- counted"}
      - {name: slow there, sql: "SELECT pg_sleep(CASE WHEN current_setting('server_version_num')::int > 160000 THEN 0.1 ELSE 0 END);"}
'''


@pytest.fixture(scope="module")
def synced(database_lab, build):
    return synced_move(database_lab, build, QUERIES)


def test_a_check_says_what_the_database_holds(synced):
    seen = psql(synced.lab.old, "SELECT count(*) FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')"
                " AND table_type = 'BASE TABLE'; SELECT count(*) FROM pg_views WHERE schemaname NOT IN ('pg_catalog', 'information_schema');"
                "SELECT count(*) FROM information_schema.sequences; SELECT count(*) FROM pg_extension").split()
    holds = json.loads(synced.rehome("check", PLAN, "--json", expect=None))["holds"]["postgresql:crm"]
    assert [str(holds[what]) for what in ("tables", "views", "sequences", "extensions")] == seen


FAULTS = {
    "changed row": ("UPDATE kinds SET n = 0.11 WHERE id = 3", "public.kinds"),
    "float one unit off": ("UPDATE kinds SET f = 16777218 WHERE id = 1", "public.kinds"),
    "missing row of a table without key": ("DELETE FROM nokey WHERE ctid = '(0,1)'", "public.nokey"),
    "wrong sequence": ("SELECT setval('orders_id_seq', 7)", "orders_id_seq"),
    "lost grant": ("REVOKE SELECT ON nokey FROM reader", "public.nokey reader"),
    "dropped trigger": ("DROP TRIGGER stamped ON orders", "public.orders stamped"),
    "dropped index": ("ALTER TABLE orders DROP CONSTRAINT orders_pkey CASCADE", "orders_pkey"),
    "collation of another version": ("UPDATE pg_collation SET collversion = '1.0' WHERE collname = 'german'", "public.german"),
    "another password": ("ALTER ROLE crm PASSWORD 'other'", "role crm"),
}


def findings(move, step):
    return [f for r in move.records() if r["type"] == "outcome" and "result" in r["data"] and r.get("step") == step
            for f in r["data"]["result"].get("findings", [])]


def results(move):
    return {r["step"]: r["data"]["result"] for r in move.records() if r["type"] == "outcome" and "result" in r["data"]}


def test_settings_that_differ_are_named_and_those_of_the_language_are_carried(synced):
    new = synced.lab.new
    said = findings(synced, "postgresql:crm#look")
    assert any("IntervalStyle" in f and "is given the source's" in f for f in said), said
    assert any("temp_file_limit is '78848'kB" in f for f in said), said
    assert psql(new, "SHOW intervalstyle").strip() == "iso_8601"
    assert psql(new, "SHOW intervalstyle", "postgres").strip() == "postgres"


@pytest.mark.parametrize("sql", ("WITH t AS (DELETE FROM kinds RETURNING 1) SELECT * FROM t", "SELECT 1; SELECT 2",
                                 "SELECT 1; COMMIT; DELETE FROM kinds", "SELECT nextval('orders_id_seq')"))
def test_a_query_that_is_more_than_one_statement_or_writes_blocks_by_name(synced, sql):
    text = synced.at.sh(f"cat {PLAN}").replace("SELECT count(*) FROM refs WHERE $$;$$ <> $$\\\\ ''$$ -- counted", sql)
    assert sql in text
    put(synced.at, "/root/refused.yaml", text, 644)
    ask = "SELECT count(*) FROM kinds"
    counted = psql(synced.lab.old, ask)
    said = synced.rehome("check", "/root/refused.yaml", expect=None)
    assert "RH-QUERY-REFUSED" in said and "refs" in said, said
    assert psql(synced.lab.old, ask) == counted


SHORT = ("collation of another version", "float one unit off", "missing row of a table without key", "lost grant")


@pytest.mark.parametrize("fault", FAULTS if os.environ.get("REHOME_LONG") else SHORT)
def test_a_planted_fault_stops_the_cutover_and_is_named(synced, fault):
    sql, name = FAULTS[fault]
    psql(synced.lab.new, sql)
    said = synced.rehome("cutover", PLAN, "--no-input", "--confirm=shop-old", expect=None)
    assert codes(said) & {"RH-POSTGRESQL-TOUCHED", "RH-POSTGRESQL-UNEQUAL"} and name in said, said
    assert phase_of(synced) == "syncing", "found before anything was frozen"
    psql(synced.lab.new, "DROP DATABASE crm WITH (FORCE)", "postgres")
    hashed = psql(synced.lab.old, "SELECT rolpassword FROM pg_authid WHERE rolname = 'crm'").strip()
    psql(synced.lab.new, f"ALTER ROLE crm PASSWORD '{hashed}'", "postgres")
    synced.sync()


@pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="the long version: a cutover more")
def test_a_superuser_who_writes_in_the_freeze_stops_the_cutover(synced):
    """No setting of the database binds him; he is noticed by what the server counts."""
    ask = "runuser -u postgres -- psql -X -A -t -d"
    writer = synced.lab.old.popen(["/bin/sh", "-c", f"cd /; until {ask} postgres -c 'SELECT datconnlimit FROM pg_database WHERE "
                                   f"datname = $$crm$$' | grep -qx 0; do :; done; for i in $(seq 100); do {ask} crm -c "
                                   "'SET default_transaction_read_only = off' -c 'INSERT INTO refs VALUES (NULL)'; done"])
    said = synced.cutover(expect=None)
    synced.lab.old.signal(writer)
    writer.wait()
    assert codes(said) & {"RH-POSTGRESQL-WRITTEN", "RH-POSTGRESQL-SESSION"}, said
    assert psql(synced.lab.old, "SELECT datconnlimit FROM pg_database WHERE datname = 'crm'").strip() == "-1"
    wait_for(lambda: phase_of(synced) in ("ready", "syncing", "aborted"))
    if phase_of(synced) != "syncing":
        synced.sync()


@pytest.fixture(scope="module")
def moved(synced):
    # A value that is unique goes from one part to another, a key is far off, others are below zero.
    psql(synced.lab.old, "BEGIN; DELETE FROM many WHERE id IN (-19999, 30000); UPDATE many SET u = 30000 WHERE id = 5;"
                         "INSERT INTO many VALUES (2000000, -19999, 'far'); COMMIT;")
    synced.cutover()
    time.sleep(1)
    return synced


def test_every_committed_order_is_there_once_after_the_move(moved):
    new = moved.lab.new
    stop_writer(new)
    lost, acked = unacknowledged(new)
    assert acked > 500 and lost == []
    old, new = psql(moved.lab.old, LOOK).split("\n"), psql(new, LOOK).split("\n")
    frozen = "default_transaction_read_only=on"
    carried = ",IntervalStyle=iso_8601"
    assert sorted(line.replace("," + frozen, "") for line in old) == sorted(line.replace(carried, "") for line in new)
    assert any(carried in line for line in new)
    assert any(frozen in line for line in old)


def test_a_collation_of_another_version_is_named_with_what_is_partitioned_by_it(moved):
    """ICU of Debian 12 and 13 are of different versions."""
    ask = "SELECT collversion, pg_collation_actual_version(oid) FROM pg_collation WHERE collname = 'german'"
    was, now = (psql(host, ask).strip().split("|") for host in (moved.lab.old, moved.lab.new))
    assert was[0] == was[1] != now[0] == now[1]
    said = findings(moved, "postgresql:crm#prove")
    assert any("public.german" in f and was[1] in f and now[1] in f for f in said), said
    assert any("table public.names is partitioned by ranges" in f for f in said), said


def test_of_a_large_table_the_parts_that_changed_were_copied_and_no_more(moved):
    """What they hold is compared above; orders, which is written all the time, has a part or two that changed."""
    rounds = [r["data"]["result"] for r in moved.records() if r["type"] == "outcome" and "result" in r["data"]
              and r.get("step") in ("postgresql:crm#round", "postgresql:crm#final")]
    with_many = [r for r in rounds if "public.many" in r["tables"]]
    assert len(with_many) == 1 and not with_many[0]["whole"]
    assert 4 <= with_many[0]["parts"] <= 8, with_many


def test_the_proof_has_sample_records_side_by_side(moved):
    samples = [r["data"]["result"] for r in moved.records() if r["type"] == "outcome" and "result" in r["data"]
               and r.get("step") == "postgresql:crm#verify"][-1]["samples"]
    assert any("orders" in name and len(samples[name]) == 5 for name in samples), samples.keys()
    assert all(one["source"] == one["target"] for name in samples for one in samples[name])


def test_declared_queries_are_timed_before_and_after_and_a_slower_one_is_a_finding(moved):
    wait_for(lambda: len([q for q in moved.facts().get("queries", []) if "after_us" in q]) == 2)
    times = {q["name"]: q for q in moved.facts()["queries"]}
    assert times["slow there"]["after_us"] > 100000 > times["slow there"]["before_us"] and times["slow there"]["rows_after"] == 1
    said = moved.rehome("report", PLAN)
    assert "postgresql:crm, slow there: " in said and said.count("the query 'slow there' takes") == 1
    assert "the query 'refs' takes" not in said


def test_the_proof_has_rows_that_lead_nowhere_and_gaps_in_time_as_they_were_before(moved):
    found = results(moved)["postgresql:crm#verify"]["relations"]
    assert found["keys"] == {'public."the child".leads': "1", "public.refs.refs_o_fkey": "0"}
    assert found["hours"]["public.hourly.at"] == "3 3 2024-01-01 00:00:00 2024-01-01 05:00:00 1 3"
    assert found["hours"]["public.hourly.day"] == "3 2 2024-01-01 2024-01-03 1 1" and "public.hourly_1.day" not in found["hours"]


def test_tables_took_a_write_and_gave_it_up(moved):
    proved = results(moved)["postgresql:crm#prove"]
    assert {'public."the child"', "public.hourly_1", "public.hourly_2", "public.kinds", "public.many"} <= set(proved["tried"])
    assert "public.orders" not in proved["tried"], "it has a trigger"
    assert any("public.refused: " in f and "more" in f for f in proved["findings"]), proved


def test_the_frozen_database_takes_nobody(moved):
    said = moved.lab.old.sh("PGPASSWORD=geheim psql -h 127.0.0.1 -U crm crm -c 'SELECT 1' 2>&1 || true")
    assert "too many connections" in said, said


def test_a_rollback_without_the_target_says_what_the_database_loses(moved):
    said = moved.rehome("rollback", PLAN, "--dry-run", "--target-is-gone")
    assert "LOST: all changes since 20" in said and "of which no reverse rounds are made" not in said, said


def test_what_the_new_server_took_comes_back(moved):
    new, old = moved.lab.new, moved.lab.old
    new.sh("systemctl start crm-writer")
    time.sleep(2)
    moved.rehome("rollback", PLAN, "--no-input", "--confirm=shop-new")
    time.sleep(1)
    stop_writer(old)
    lost, acked = unacknowledged(old)
    assert acked > 800 and lost == []
    assert psql(old, "SELECT datconnlimit, (SELECT count(*) FROM pg_db_role_setting WHERE setconfig::text LIKE "
                     "'%read_only%') FROM pg_database WHERE datname = 'crm'").strip() == "-1|0"


# An index that takes the target's server ten seconds.
SLOW = """CREATE FUNCTION slow(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$BEGIN
    IF current_setting('server_version_num')::int >= 170000 THEN PERFORM pg_sleep(0.05); END IF; RETURN i; END$$;
  CREATE TABLE slowly (i int); INSERT INTO slowly SELECT generate_series(1, 200); CREATE INDEX ON slowly (slow(i));"""


def archives(host):
    return host.sh("ls -d /var/lib/postgresql/rehome-*/* 2>/dev/null || true").split()


@pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="the long version: a lab more")
@pytest.mark.parametrize("how", ["asked", "killed"])
def test_an_abort_amid_the_first_copy_leaves_no_archive(database_lab, build, how):
    move = ready_move(database_lab, build, before=lambda old: psql(old, SLOW))
    new = move.lab.new
    sync = move.at.popen(["rehome", "sync", PLAN, "--no-input"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: any(path.endswith(".rest") for path in archives(new)))
    if how == "killed":
        new.sh(f"kill -9 {json.loads(move.rehome('status', PLAN, '--json'))['owner_pid']}")
    move.rehome("abort", PLAN, "--no-input", expect=None)
    wait_for(lambda: phase_of(move) == "aborted")
    sync.wait()
    assert archives(new) == [] and new.sh("ls /var/lib/postgresql | grep rehome || true") == ""


@pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="the long version: a move more")
def test_an_acceptance_with_the_source_off_says_what_is_laid_up_there(database_lab, build):
    move = synced_move(database_lab, build, end="back-every: 5s\n")
    move.cutover()
    wait_for(lambda: [r for r in move.records() if r["type"] == "outcome" and r.get("step") == "postgresql:crm#back-round"])
    move.lab.old.power_cut()
    move.rehome("accept", PLAN, "--no-input", "--confirm=shop-old", expect=None)
    wait_for(lambda: move.facts()["phase"] == "accepted")
    assert any("the source was not reached" in f and "/var/lib/postgresql/rehome-" in f for f in findings(move, "postgresql:crm#sweep"))


@pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="the long version: a first copy more")
def test_a_discard_drops_the_copy_and_the_roles_that_the_move_made(database_lab, build):
    move = synced_move(database_lab, build)
    discard = ["abort", PLAN, "--discard", "--no-input", "--confirm=shop-new"]
    there = "SELECT datname FROM pg_database WHERE datname = 'crm' UNION SELECT rolname FROM pg_authid WHERE oid >= 16384;"
    psql(move.lab.new, "INSERT INTO nokey VALUES (1, 'mine')")
    said = move.rehome(*discard, expect=3)
    assert "database crm" in said and "somebody else wrote" in said
    assert psql(move.lab.new, there, "postgres").split() == ["anna", "crm", "reader"]
    psql(move.lab.new, "DELETE FROM nokey WHERE b = 'mine'")
    move.rehome(*discard)
    assert psql(move.lab.new, there, "postgres").split() == []
