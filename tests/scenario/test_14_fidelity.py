# SPDX-License-Identifier: Apache-2.0
"""Every type and odd value of each engine moves to its next version value for value, or is refused by name. The checkers
are the servers' own clients and catalogs, in tests/fidelity.

S1.4-5, S2.25 partly.
"""
import pathlib
import sys

import pytest

from story import Move, codes

FIDELITY = pathlib.Path(__file__).resolve().parents[1] / "fidelity"
sys.path.insert(0, str(FIDELITY))

import mariadb  # noqa: E402

# How versions word the same thing; whatever else differs is a difference.
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
