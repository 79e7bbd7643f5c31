# SPDX-License-Identifier: Apache-2.0
"""A source whose queries become slow holds the copy of its database back, on MariaDB and on PostgreSQL; the copy ends equal.
The checkers are the engines' own clients.

S0.16-17, S2.41 partly.
"""
import os
import re
import subprocess
import time

import pytest

from story import PLAN, Move, phase_of, wait_for

FILL = {"mariadb": "CREATE DATABASE shop; USE shop; CREATE TABLE knob (k INT); INSERT INTO knob VALUES (1);"
                   "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(1200)); INSERT INTO t SELECT seq, REPEAT(MD5(seq), 32) FROM seq_1_to_12000;",
        "postgresql": "CREATE TABLE knob (k int); INSERT INTO knob VALUES (1); CREATE TABLE t (id int PRIMARY KEY, v text);"
                      "INSERT INTO t SELECT n, repeat(md5(n::text), 32) FROM generate_series(1, 12000) n;"}
ASKS = {"mariadb": "SELECT k FROM knob WHERE k = 0 OR SLEEP(0.4) = 0", "postgresql": "SELECT pg_sleep(0.4 * k) FROM knob"}
SUM = {"mariadb": "CHECKSUM TABLE t EXTENDED", "postgresql": "SELECT count(*), md5(string_agg(v, '' ORDER BY id)) FROM t"}


def ask(engine, host, sql, database="shop"):
    argv = ["mariadb", "-N", "-B", *([database] if database else [])] if engine == "mariadb" else \
        ["runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database or "postgres"]
    return host.run(argv, input=sql, cwd="/").stdout.strip()


def plan(engine):
    other = {"mariadb": "postgresql@15-main", "postgresql": "mariadb"}[engine]
    items = (f"items:\n  - {engine}: shop\n    latency-limit: 100ms\n    queries:\n      - {{name: knob, sql: \"{ASKS[engine]}\"}}\n"
             f"\nleave:\n  - {{unit: {other}.service, why: it has another owner}}\n")
    return lambda text: re.sub(r".*it has another owner}\n(?=  - {process)", "", re.sub(
        r"^items:.*?^leave:\n", items, text, flags=re.S | re.M))


@pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="the long version: a minute; tests/unit has the brake itself")
@pytest.mark.parametrize("engine", ["mariadb", "postgresql"])
def test_slow_queries_on_the_source_hold_the_copy_back_and_it_ends_equal(database_lab, build, engine):
    lab = database_lab
    lab.reset()
    lab.install(build)
    old, new = lab.old, lab.new
    if engine == "postgresql":
        ask(engine, old, "CREATE DATABASE shop", None)
    ask(engine, old, FILL[engine], "shop" if engine == "postgresql" else None)
    move = Move(lab)
    move.write_plan(plan(engine), template="maria.yaml")
    syncing = move.at.popen(["rehome", "sync", PLAN, "--no-input"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(lambda: phase_of(move) == "seeding")
    time.sleep(4)
    assert syncing.poll() is None, "12 MB, which take half a second, and far more at the lowest rate"
    ask(engine, old, "UPDATE knob SET k = 0")
    assert syncing.wait(60) == 0, syncing.stdout.read()
    assert ask(engine, new, SUM[engine]) == ask(engine, old, SUM[engine]) != ""
    seed = next(r["data"]["result"] for r in move.records() if r["type"] == "outcome" and r.get("step") == f"{engine}:shop#seed")
    assert seed["held_back_ms"] > 1000 and seed["latency_worst_ms"] >= 400 and seed["latency_limit_ms"] == 100
    assert any("the copy was held back for" in f for f in seed["findings"])
