# SPDX-License-Identifier: Apache-2.0
"""Public data sets, and what generators make, move to the next version and are proven; the checkers are the servers' own
clients and catalogs (tests/fidelity), and sqlite3.

The sets are nobody's to keep here: REHOME_DATASETS names a directory with sakila.mariadb.sql, chinook.mariadb.sql,
sakila.postgresql.sql, chinook.postgresql.sql and chinook.sqlite, as their authors give them away (a set's schema before its
data). sysbench is Debian's; PostgreSQL's pgbench and tables of the shape of TPC-H's are in test_14_fidelity.py.

S0.16-17, S1.4, S2.25 partly.
"""
import os
import pathlib
import re
import sqlite3
import subprocess

import pytest

from test_14_fidelity import copy, different, mariadb, move, postgresql

SETS = pathlib.Path(os.environ.get("REHOME_DATASETS", "/nonexistent"))
AS_POSTGRES = ["runuser", "-u", "postgres", "--"]
SYSBENCH = ["sysbench", "libluajit-5.1-2", "libluajit-5.1-common"]

pytestmark = pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="the long version: data sets of others")
given = pytest.mark.skipif(not SETS.is_dir(), reason="REHOME_DATASETS names no directory with the sets")


def same(of, lab, database, least):
    """Both servers hold the same rows, at least so many, and the same objects; how many rows."""
    old, new = (of.rows(host, database) for host in (lab.old, lab.new))
    assert sum(map(len, old.values())) >= least and different(old, new) == {}
    own = {"roles", "members"}
    old, new = ({k: v for k, v in of.structure(host, database).items() if k not in own} for host in (lab.old, lab.new))
    assert different(old, new) == {}


@given
@pytest.mark.parametrize("name, database, least", [("sakila", "sakila", 47000), ("chinook", "Chinook", 15600)])
def test_a_public_set_in_mariadb_moves_and_is_proven(move, name, database, least):
    move.lab.old.run(["mariadb", "--default-character-set=utf8mb4"], input=(SETS / f"{name}.mariadb.sql").read_text())
    # As the old server has it; else a literal in a view of sakila has another collation (PLAN.md, settings: carry).
    move.lab.new.run(["mariadb", "-e", "SET GLOBAL character_set_collations = ''"])
    said = copy(move, "mariadb", database)
    assert "equal: " in said, said
    same(mariadb, move.lab, database, least)


@given
@pytest.mark.parametrize("name, least", [("sakila", 46000), ("chinook", 15600)])
def test_a_public_set_in_postgresql_moves_and_is_proven(move, name, least):
    text = (SETS / f"{name}.postgresql.sql").read_text()
    if not re.search(rf"^CREATE DATABASE {name}", text, re.M):
        move.lab.old.run([*AS_POSTGRES, "createdb", name], cwd="/")
        text = f"\\connect {name}\n{text}"
    move.lab.old.run([*AS_POSTGRES, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"], input=text, cwd="/")
    said = copy(move, "postgresql", name)
    assert "equal: " in said, said
    same(postgresql, move.lab, name, least)


@given
def test_a_public_set_in_sqlite_moves_and_is_proven(move):
    lab = move.lab
    (lab.old.root / "root/chinook.sqlite").write_bytes((SETS / "chinook.sqlite").read_bytes())
    said = move.rehome("copy", "root@old:sqlite:/root/chinook.sqlite", "sqlite:/root/chinook.sqlite", expect=None)
    assert "equal: 1 database" in said, said
    dumps = [list(sqlite3.connect(host.root / "root/chinook.sqlite").iterdump()) for host in (lab.old, lab.new)]
    assert len(dumps[0]) > 15600 and dumps[0] == dumps[1]


@pytest.fixture(scope="module")
def sysbench(move, tmp_path_factory):
    """Debian's sysbench on the old server."""
    if "bookworm" not in pathlib.Path("/etc/os-release").read_text():
        pytest.skip("the old server is a Debian 12, whose sysbench this machine's apt does not have")
    here = tmp_path_factory.mktemp("sysbench")
    subprocess.run(["apt-get", "-q", "download", "-o", "APT::Sandbox::User=root", *SYSBENCH], cwd=here, check=True, capture_output=True)
    for path in here.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", path, move.lab.old.root / "opt/sysbench"], check=True)
    return ["env", "LD_LIBRARY_PATH=/opt/sysbench/usr/lib/x86_64-linux-gnu", "LUA_PATH=/opt/sysbench/usr/share/sysbench/?.lua",
            "/opt/sysbench/usr/bin/sysbench",
            "/opt/sysbench/usr/share/sysbench/oltp_read_write.lua", "--tables=4", "--table-size=20000", "--threads=2"]


@pytest.mark.parametrize("engine", ["mariadb", "postgresql"])
def test_what_sysbench_made_and_changed_moves_and_is_proven(move, sysbench, engine):
    old = move.lab.old
    if engine == "mariadb":
        old.run(["mariadb", "-e", "CREATE DATABASE sbtest"])
        log_in = ["--db-driver=mysql", "--mysql-socket=/run/mysqld/mysqld.sock", "--mysql-user=root"]
    else:
        old.run([*AS_POSTGRES, "createdb", "sbtest"], cwd="/")
        log_in = ["--db-driver=pgsql", "--pgsql-host=/run/postgresql", "--pgsql-user=postgres"]
        sysbench = [*AS_POSTGRES, *sysbench]
    old.run([*sysbench, *log_in, "prepare"], cwd="/", timeout=300)
    old.run([*sysbench, *log_in, "--events=300", "--time=0", "run"], cwd="/", timeout=300)
    said = copy(move, engine, "sbtest")
    assert "equal: " in said, said
    same({"mariadb": mariadb, "postgresql": postgresql}[engine], move.lab, "sbtest", 80000)
