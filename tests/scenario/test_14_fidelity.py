# SPDX-License-Identifier: Apache-2.0
"""Every type and odd value of each engine moves to its next version value for value, or is refused by name. The checkers
are the servers' own clients and catalogs, in tests/fidelity.

S1.4-5, S2.25 partly.
"""
import json
import os
import pathlib
import sys

import pytest

from story import Move, codes

FIDELITY = pathlib.Path(__file__).resolve().parents[1] / "fidelity"
sys.path.insert(0, str(FIDELITY))

import mariadb  # noqa: E402
import postgresql  # noqa: E402
import shapes  # noqa: E402

MARIADB = ["fid-odd", "fid_latin"]
REFUSED = {
    "fid_versioned": ("RH-MARIADB-VERSIONED", "hist"),
    "fid_memory": ("RH-MARIADB-ENGINE", "mem (MEMORY)"),
    "fid_name": ("RH-MARIADB-NAME", "back\\slash".encode().hex().upper()),
    "fid_broken": ("RH-MARIADB-VIEW", "broken view"),
}


@pytest.fixture(scope="module")
def move(database_lab, build):
    lab = database_lab
    lab.reset()
    lab.install(build)
    return Move(lab)


def copy(move, kind, name, expect=None):
    return move.rehome("copy", f"root@old:{kind}:{name}", f"{kind}:{name}", expect=expect)


@pytest.fixture(scope="module")
def maria(move):
    move.lab.old.run(["mariadb", "--binary-mode"], input=(FIDELITY / "mariadb.sql").read_text())
    return move


def different(a, b):
    """Of two {name: lines} what one of them lacks."""
    return {name: (sorted(set(a.get(name, [])) - set(b.get(name, [])))[:5], sorted(set(b.get(name, [])) - set(a.get(name, [])))[:5])
            for name in {**a, **b} if a.get(name) != b.get(name)}


@pytest.mark.parametrize("name", MARIADB)
def test_a_mariadb_database_is_value_for_value_the_same(maria, name):
    said = copy(maria, "mariadb", name)
    assert "equal: " in said, said
    old, new = (mariadb.rows(host, name) for host in (maria.lab.old, maria.lab.new))
    assert sum(map(len, old.values())) > 2
    assert different(old, new) == {}
    old, new = (mariadb.structure(host, name) for host in (maria.lab.old, maria.lab.new))
    assert different(old, new) == {}


@pytest.mark.parametrize("name", REFUSED)
def test_a_mariadb_database_that_cannot_move_is_refused_by_name(maria, name):
    said = copy(maria, "mariadb", name, expect=None)
    code, word = REFUSED[name]
    assert code in codes(said) and word in said, said
    there = mariadb.ask(maria.lab.new, f"SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = '{name}'")
    assert there == [], "nothing was made"


# ---- PostgreSQL ----


@pytest.fixture(scope="module")
def postgres(move):
    move.lab.old.sh("install -d -o postgres /srv/fid_away")
    move.lab.old.run(["runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"],
                     input=(FIDELITY / "postgresql.sql").read_text(), cwd="/")
    return move


@pytest.mark.parametrize("name", ["fid", "fid_latin"])
def test_a_postgresql_database_is_value_for_value_the_same(postgres, name):
    said = copy(postgres, "postgresql", name)
    assert "equal: " in said, said
    old, new = (postgresql.rows(host, name) for host in (postgres.lab.old, postgres.lab.new))
    assert sum(map(len, old.values())) >= 2
    assert different(old, new) == {}
    old, new = (postgresql.structure(host, name) for host in (postgres.lab.old, postgres.lab.new))
    if name == "fid_latin":  # needs none of the server's roles
        old, new = ({what: lines for what, lines in one.items() if what not in ("roles", "members")} for one in (old, new))
    assert different(old, new) == {}


@pytest.mark.parametrize("name,code,word", [("fid_trigger", "RH-POSTGRESQL-TRIGGER", "fid_trigger"),
                                            ("fid_space", "RH-POSTGRESQL-TABLESPACE", "fid_away")])
def test_a_postgresql_database_that_cannot_move_is_refused_by_name(postgres, name, code, word):
    said = copy(postgres, "postgresql", name)
    assert code in codes(said) and word in said, said
    assert postgresql.ask(postgres.lab.new, f"SELECT 1 FROM pg_database WHERE datname = '{name}'", "postgres") == []


# ---- SQLite ----


def test_sqlite_databases_of_every_shape_are_value_for_value_the_same(move):
    old, new = move.lab.old, move.lab.new
    script = (FIDELITY / "sqlite.py").read_text()
    for host in (old, new):
        host.run(["tee", "/root/fid.py"], input=script)
    old.sh("mkdir /srv/fid && python3 /root/fid.py make /srv/fid")
    said = move.rehome("copy", "root@old:sqlite:/srv/fid", "sqlite:/srv/fid", expect=None)
    assert "equal: 10 databases" in said, said
    seen = [json.loads(host.sh("python3 /root/fid.py look /srv/fid")) for host in (old, new)]
    assert len(seen[0]) == 10 and all("ok" in one["integrity_check"] for one in seen[0].values())
    for name, one in seen[0].items():
        assert {key for key in one if one[key] != seen[1].get(name, {}).get(key)} == set(), name


# ---- Shapes of well-known data sets ----

long = pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="the long version: larger data sets")


@long
@pytest.mark.parametrize("name", ["tpch", "rental"])
def test_a_mariadb_database_of_a_known_shape_moves_and_is_proven(move, name):
    move.lab.old.run(["mariadb"], input=f"CREATE DATABASE {name} CHARACTER SET utf8mb4; USE {name};\n"
                     + (shapes.tpch("mariadb") if name == "tpch" else shapes.RENTAL))
    said = copy(move, "mariadb", name)
    assert "equal: " in said, said
    old, new = (mariadb.rows(host, name) for host in (move.lab.old, move.lab.new))
    assert sum(map(len, old.values())) > 2000 and different(old, new) == {}
    old, new = (mariadb.structure(host, name) for host in (move.lab.old, move.lab.new))
    assert different(old, new) == {}


@long
@pytest.mark.parametrize("name", ["tpch", "pgbench"])
def test_a_postgresql_database_of_a_known_shape_moves_and_is_proven(move, name):
    old = move.lab.old
    as_postgres = ["runuser", "-u", "postgres", "--"]
    old.run([*as_postgres, "createdb", name], cwd="/")
    if name == "tpch":
        old.run([*as_postgres, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", name, "-f", "-"], input=shapes.tpch(name), cwd="/")
    else:
        old.run([*as_postgres, "/usr/lib/postgresql/15/bin/pgbench", "-i", "-q", "-s", "2", "--foreign-keys", name], cwd="/", timeout=300)
        old.run([*as_postgres, "/usr/lib/postgresql/15/bin/pgbench", "-t", "200", "-c", "2", name], cwd="/", timeout=300)
    said = copy(move, "postgresql", name)
    assert "equal: " in said, said
    a, b = (postgresql.rows(host, name) for host in (move.lab.old, move.lab.new))
    assert sum(map(len, a.values())) > 50000 and different(a, b) == {}
    a, b = ({what: lines for what, lines in postgresql.structure(host, name).items() if what not in ("roles", "members")}
            for host in (move.lab.old, move.lab.new))
    assert different(a, b) == {}
