# SPDX-License-Identifier: Apache-2.0
"""Servers that let nobody in for being root or postgres: a move of both databases logs in by files of root's, there and back,
and their passwords are nowhere else. The checkers are the engines' own clients, find, grep and /proc.

S0.16-17, S2.41 partly.
"""
import re

import pytest

from story import PLAN, Move, phase_of

MARIA, PSQL = "/root/rehome.cnf", "/etc/rehome-pg.conf"
SECRET = "S3cret-of-root"
ROWS = "SELECT COUNT(*) FROM t"


def put(host, path, text, mode):
    host.run(["/bin/sh", "-c", f"umask 077; cat > {path}; chmod {mode} {path}"], input=text)


def maria(host, sql):
    return host.run(["mariadb", f"--defaults-extra-file={MARIA}", "-N", "-B"], input=sql).stdout.strip()


def psql(host, sql, database="crm"):
    return host.run(["env", "PGSERVICE=rehome", f"PGSERVICEFILE={PSQL}", "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                     "-d", database], input=sql).stdout.strip()


def close_doors(host):
    """From here on both servers want a password of their superusers."""
    host.run(["mariadb"], input=f"ALTER USER root@localhost IDENTIFIED VIA mysql_native_password USING PASSWORD('{SECRET}-m');")
    host.run(["runuser", "-u", "postgres", "--", "psql", "-q"], input=f"ALTER ROLE postgres PASSWORD '{SECRET}-p'", cwd="/")
    host.sh("sed -i -E 's/^(local +all +postgres +)peer/\\1scram-sha-256/' /etc/postgresql/*/main/pg_hba.conf; "
            "for v in /etc/postgresql/*; do pg_ctlcluster ${v##*/} main reload; done")
    put(host, MARIA, f"[client]\nuser=root\npassword={SECRET}-m\n", 600)
    put(host, PSQL, f"[rehome]\nuser=postgres\npassword={SECRET}-p\n", 600)


def plan(text, maria_says=f"    credentials: {MARIA}\n", psql_says=f"    credentials: {{source: {PSQL}, target: {PSQL}}}\n"):
    items = f"items:\n  - mariadb: shop\n{maria_says}  - postgresql: crm\n{psql_says}\nleave:\n"
    text = re.sub(r"^items:.*?^leave:\n", items, text, flags=re.S | re.M)
    return re.sub(r".*postgresql@15-main.*\n", "", text)


def said_by_check(move, *words):
    path = move.write_plan(lambda text: plan(text, *words), "/root/refused.yaml", "maria.yaml")
    return move.rehome("check", path, expect=None)


@pytest.fixture(scope="module")
def closed(database_lab, build):
    lab = database_lab
    lab.reset()
    lab.install(build)
    for host in (lab.old, lab.new):
        close_doors(host)
    maria(lab.old, "CREATE DATABASE shop; USE shop; CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9));"
                   "INSERT INTO t SELECT seq, 'x' FROM seq_1_to_2000; CREATE TRIGGER tr BEFORE INSERT ON t FOR EACH ROW SET NEW.v = 'y';"
                   "CREATE USER clerk@localhost IDENTIFIED BY 'other'; GRANT ALL ON shop.* TO clerk@localhost;")
    psql(lab.old, "CREATE ROLE clerk LOGIN PASSWORD 'other'", "postgres")
    psql(lab.old, "CREATE DATABASE crm OWNER clerk", "postgres")
    psql(lab.old, "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, 'x' FROM generate_series(1, 2000) n;")
    return Move(lab)


def test_without_a_file_the_servers_let_nobody_in(closed):
    said = said_by_check(closed, "", "")
    assert "RH-MARIADB-SERVER" in said and "RH-POSTGRESQL-SERVER" in said, said


@pytest.mark.parametrize("spoil, mend, why", (
    ("chmod 640", "chmod 600", "others than its owner"), ("chown www-data", "chown root", "root does not own it"),
    ("f=$1; mv $f $f.away; true", "f=$1; mv $f.away $f; true", "not there")))
def test_a_file_that_is_not_roots_alone_is_not_read(closed, spoil, mend, why):
    def both(what):
        for host, path in ((closed.lab.old, MARIA), (closed.lab.new, PSQL)):
            host.run(["/bin/sh", "-c", f"{what} {path}" if "$1" not in what else what, "sh", path])
    both(spoil)
    said = said_by_check(closed)
    both(mend)
    assert said.count("RH-CREDENTIALS-FILE") >= 2 and why in said, said


def test_an_account_that_the_move_cannot_use_is_refused_by_name(closed):
    for host in (closed.lab.old, closed.lab.new):
        put(host, "/root/clerk.cnf", "[client]\nuser=clerk\npassword=other\n", 600)
        put(host, "/root/clerk.conf", "[rehome]\nuser=clerk\npassword=other\nhost=127.0.0.1\n", 600)
    maria(closed.lab.new, "CREATE USER clerk@localhost IDENTIFIED BY 'other'")
    psql(closed.lab.new, "CREATE ROLE clerk LOGIN PASSWORD 'other'", "postgres")
    for host in (closed.lab.old, closed.lab.new):
        host.sh("sed -i -E 's/^(local +all +all +)peer/\\1scram-sha-256/' /etc/postgresql/*/main/pg_hba.conf; "
                "for v in /etc/postgresql/*; do pg_ctlcluster ${v##*/} main reload; done")
    said = said_by_check(closed, "    credentials: /root/clerk.cnf\n", "    credentials: /root/clerk.conf\n")
    maria(closed.lab.new, "DROP USER clerk@localhost")
    psql(closed.lab.new, "DROP ROLE clerk", "postgres")
    assert said.count("RH-CREDENTIALS-ACCOUNT") >= 2 and "clerk" in said, said


def test_both_move_and_come_back_and_no_password_is_anywhere_else(closed):
    old, new = closed.lab.old, closed.lab.new
    watch = ("until [ -e /tmp/enough ]; do cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null; sleep 0.03; done "
             "| grep -a -o -E '[S]3cret-of-root|[k]nown-to-be-seen' | sort -u > /tmp/seen")
    watchers = [host.popen(["/bin/sh", "-c", watch]) for host in (old, new)]
    closed.write_plan(plan, template="maria.yaml")
    closed.sync()
    closed.cutover()
    assert (maria(new, "USE shop; " + ROWS), psql(new, ROWS)) == ("2000", "2000")
    text = old.sh("cat /root/REHOME-FROZEN.txt")
    assert f"--defaults-extra-file={MARIA}" in text and f"PGSERVICEFILE={PSQL}" in text
    maria(new, "USE shop; INSERT INTO t VALUES (5000, 'new')")
    psql(new, "INSERT INTO t VALUES (5000, 'new')")
    closed.rehome("rollback", PLAN, "--no-input", "--confirm=shop-new")
    assert (maria(old, "USE shop; " + ROWS), psql(old, ROWS)) == ("2001", "2001")
    assert phase_of(closed) == "rolled-back"
    for host, watcher in zip((old, new), watchers):
        host.sh("sh -c 'sleep 0.5; true' known-to-be-seen; touch /tmp/enough")
        watcher.wait()
        assert host.sh("cat /tmp/seen") == "known-to-be-seen"
        found = host.sh(f"grep -rlF {SECRET} /var/lib/rehome /run/rehome /root /etc /var/log /run/log 2>/dev/null || true").split()
        assert sorted(found) == sorted([MARIA, PSQL]), found
