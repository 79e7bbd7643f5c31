# SPDX-License-Identifier: Apache-2.0
"""A live MariaDB database is kept in step by its source's binary log: rounds play it, what it cannot tell is compared, and
nothing of the move is left on either server. The checker is the mariadb client.

S0.16-17, S1.4-5, S2.25-27 and S2.41 partly.
"""
import json
import os
import time

import pytest

from story import PLAN, codes, wait_for
from test_13_mariadb import SAYS, maria, put, synced_move, unacknowledged, wait_for_acks

pytestmark = pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="the long version: another first copy")
LOG = "[mariadbd]\nlog_bin = /var/lib/mysql/shop-bin\nbinlog_format = ROW\nserver_id = 7\n"
OFF = "/etc/mysql/mariadb.conf.d/90-log.cnf"
# Whatever a replica, or an account or a rule for one, would show.
TRACES = """SHOW ALL SLAVES STATUS; SELECT User, Host FROM mysql.global_priv WHERE User LIKE '%rehome%' OR User LIKE '%repl%';
SELECT COUNT(*) FROM mysql.gtid_slave_pos;
SELECT VARIABLE_NAME, VARIABLE_VALUE FROM information_schema.GLOBAL_VARIABLES WHERE VARIABLE_NAME IN ('server_id', 'read_only',
  'slave_exec_mode', 'gtid_slave_pos', 'userstat', 'local_infile', 'rpl_semi_sync_master_enabled') OR VARIABLE_NAME LIKE 'replicate%';
SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%' OR COMMAND LIKE 'Slave%';
"""


def innodb(host):
    host.sh("systemctl restart mariadb")
    for table in maria(host, "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'shop' AND TABLE_TYPE = "
                             "'BASE TABLE' AND ENGINE <> 'InnoDB'").split("\n"):
        if table:
            maria(host, f"ALTER TABLE `{table.replace('`', '``')}` ENGINE = InnoDB")


def rounds(move):
    """The results of the rounds, in order."""
    return [r["data"].get("result") or {} for r in move.records()
            if r["type"] == "outcome" and r["step"] in ("mariadb:shop#seed", "mariadb:shop#round", "mariadb:shop#final")]


def seq(gtid):
    return int(gtid.strip().rsplit("-", 1)[1])


def next_round(move):
    """Not in its time, a minute later, but at once: that of the next owner."""
    pid = json.loads(move.at.run(["rehome", "status", PLAN, "--json"]).stdout).get("owner_pid")
    if pid:
        move.at.sh(f"kill {pid}; while kill -0 {pid} 2>/dev/null; do sleep 0.1; done")
    move.sync()


def synced_behind(move, sql):
    """The rounds from before `sql` on the source until one that has seen it."""
    old, before = move.lab.old, len(rounds(move))
    maria(old, sql)
    want = seq(maria(old, "SELECT @@gtid_binlog_pos"))
    next_round(move)
    wait_for(lambda: seq(rounds(move)[-1]["gtid"]) >= want, seconds=150, every=1)
    return rounds(move)[before:]


def prepared(old):
    put(old, OFF, LOG, 644)
    innodb(old)


@pytest.fixture(scope="module")
def synced(database_lab, build):
    traces = {}

    def before(old):
        prepared(old)
        traces["old"], traces["new"] = maria(old, TRACES, None), maria(database_lab.new, TRACES, None)

    move = synced_move(database_lab, build, before, lambda text: text.replace("mariadb: shop", "mariadb: shop\n    in-step: replicate", 1))
    move.traces = traces
    return move


def test_a_round_plays_what_the_source_took_and_tells_how_far_behind_it_is(synced):
    old, new = synced.lab.old, synced.lab.new
    synced.sync()
    last = synced_behind(synced, "FLUSH BINARY LOGS; UPDATE kinds SET f = 16777216 WHERE id = 2; SELECT NEXTVAL(numbers);"
                                 "DELETE FROM child WHERE id = 1; UPDATE parent SET id = 5 WHERE id = 1")[-1]
    assert last["played"] > 0 and last["tables"] == [] and last["lag_ms"] >= 0 and last["lag_bytes"] >= 0, last
    assert "in step: mariadb:shop replicates, " in synced.rehome("status", PLAN)
    odd = "SET time_zone = '+00:00'; " + next(one for one in SAYS.split(";\n") if "FROM odd" in one)
    assert maria(old, odd) == maria(new, odd)
    for table in ("kinds", "child", "parent"):
        sums = {maria(host, f"CHECKSUM TABLE {table} EXTENDED") for host in (old, new)}
        assert len(sums) == 1, table
    assert maria(new, "SELECT @@GLOBAL.slave_exec_mode").strip() == "STRICT"


@pytest.mark.parametrize("sql", ["SET SESSION binlog_format = STATEMENT; UPDATE kinds SET kind = 5 WHERE id = 1",
                                 "TRUNCATE TABLE log; INSERT INTO log VALUES ('new')"])
def test_what_the_log_cannot_tell_is_compared_and_named(synced, sql):
    old, new = synced.lab.old, synced.lab.new
    these = synced_behind(synced, sql)
    assert any("could not be played" in one.get("findings", [""])[0] for one in these), these
    for table in ("kinds", "log"):
        assert len({maria(host, f"CHECKSUM TABLE {table} EXTENDED") for host in (old, new)}) == 1
    assert "played" in synced_behind(synced, "INSERT INTO log VALUES ('more')")[-1]


def test_ddl_makes_the_copy_anew(synced):
    these = synced_behind(synced, "ALTER TABLE parent ADD COLUMN more INT DEFAULT 3")
    assert any(one["whole"] for one in these) and maria(synced.lab.new, "SELECT SUM(more) FROM parent").strip() == \
        maria(synced.lab.old, "SELECT SUM(more) FROM parent").strip()


def test_every_order_is_there_once_and_the_position_is_that_of_the_freeze(synced):
    old, new = synced.lab.old, synced.lab.new
    synced.sync()
    synced.cutover()
    wait_for_acks(new, 50)
    new.sh("systemctl stop maria-writer")
    lost, acked = unacknowledged(new)
    assert acked > 100 and lost == []
    final = rounds(synced)[-1]
    assert "played" in final and final["gtid"] == maria(old, "SELECT @@gtid_binlog_pos").strip()
    other = "GRANT SELECT ON `other`.* TO `reader`@`localhost`"
    a, b = (maria(host, SAYS) for host in (old, new))
    assert [line for line in a.splitlines() if line != other] == b.splitlines()


def test_nothing_of_the_move_is_left_after_a_rollback(synced):
    old, new = synced.lab.old, synced.lab.new
    new.sh("systemctl start maria-writer")
    wait_for_acks(new, 30)
    synced.rehome("rollback", PLAN, "--no-input", "--confirm=shop-new")
    wait_for_acks(old, 20)
    old.sh("systemctl stop maria-writer")
    lost, _ = unacknowledged(old)
    assert lost == []
    time.sleep(1)
    assert maria(old, TRACES, None) == synced.traces["old"]


OTHER = "/root/other.yaml"


def alone(more):
    """The database alone, of a move of its own."""
    def change(text):
        text = text.replace("name: shop", "name: other", 1).replace("mariadb: shop", "mariadb: shop\n    in-step: replicate" + more, 1)
        head, rest = text.split("  - accounts", 1)
        item = rest[rest.index("  - mariadb"):rest.index("  - service")]
        return head + item + "\nleave:\n  - {user: clerk, why: it stays}" + rest.split("leave:", 1)[1]
    return change


@pytest.fixture
def without_a_log(synced):
    old, new = synced.lab.old, synced.lab.new
    old.sh(f"rm -f {OFF}; systemctl restart mariadb")
    maria(new, "DROP DATABASE IF EXISTS shop; DROP USER IF EXISTS shop@'%', shop@localhost, reader@localhost, gone@localhost, "
               "watch@localhost; DROP ROLE IF EXISTS clerks", None)
    return synced


def test_a_log_that_is_off_is_refused_with_the_way_to_turn_it_on(without_a_log):
    without_a_log.write_plan(alone(""), path=OTHER, template="maria.yaml")
    said = without_a_log.rehome("check", OTHER, expect=None)
    assert "RH-MARIADB-BINLOG" in codes(said) and "restart: allowed" in said, said


def test_with_one_restart_allowed_the_log_is_on_until_the_abort(without_a_log):
    old, move = without_a_log.lab.old, without_a_log
    move.write_plan(alone("\n    restart: allowed"), path=OTHER, template="maria.yaml")
    move.rehome("sync", OTHER, "--no-input")
    assert maria(old, "SELECT @@log_bin").strip() == "1"
    assert "rehome" in old.sh("ls /etc/mysql/mariadb.conf.d")
    move.rehome("abort", OTHER, "--no-input", "--confirm=shop-old")
    assert "rehome" not in old.sh("ls /etc/mysql/mariadb.conf.d")
    assert len(maria(old, "SHOW BINARY LOGS").splitlines()) == 1 and int(maria(old, "SHOW BINARY LOGS").split()[1]) < 1000
    old.sh("systemctl restart mariadb")
    assert maria(old, "SELECT @@log_bin").strip() == "0"
