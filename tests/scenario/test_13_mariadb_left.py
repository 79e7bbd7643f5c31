# SPDX-License-Identifier: Apache-2.0
"""After each end of a move both MariaDB servers have the settings, accounts and files that they had before it, but for what
the report names. The checker is the mariadb client (maria_state.py); after a rollback test_13_mariadb.py looks the same way.

S0.32, S0.39, S2.41 partly.
"""
import json
import os

import pytest

import maria_state
from left import at_rest
from story import PLAN, wait_for
from test_13_mariadb import maria, synced_move

pytestmark = pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="the long version: three first copies more")
AGAIN = "/root/again.yaml"


def states(lab):
    return {"source": maria_state.look(lab.old), "target": maria_state.look(lab.new)}


@pytest.fixture(scope="module")
def ends(database_lab, build):
    """A move that is aborted in its cutover, discarded, made again and accepted; both servers and the report at each end."""
    story = {}

    def before(old):
        # One that both servers have, and that a move has to leave as open as it was.
        for host in (old, database_lab.new):
            maria(host, "CREATE DATABASE IF NOT EXISTS shop; CREATE USER known@localhost IDENTIFIED VIA unix_socket", None)
        maria(database_lab.new, "DROP DATABASE shop", None)
        maria(old, "GRANT SELECT ON shop.* TO known@localhost", None)
        story["before"] = states(database_lab)

    check = "smoke:\n  - {command: [/bin/false], from: target}\n"
    move = synced_move(database_lab, build, before, lambda text: text.replace("cutover:\n", check + "cutover:\n", 1))

    def note(name):
        story[name] = at_rest(move), states(database_lab)

    move.cutover(expect=None)
    move.rehome("abort", PLAN, "--no-input", expect=None)
    note("abort")
    move.rehome("abort", PLAN, "--discard", "--no-input", "--confirm=shop-new", expect=None)
    note("discard")
    move.at.sh("rm -rf /srv/clerk; groupdel clerk || true")  # the service had written there
    move.write_plan(lambda text: text.replace("name: shop", "name: again", 1), path=AGAIN, template="maria.yaml")
    move.rehome("sync", AGAIN, "--no-input")
    move.rehome("cutover", AGAIN, "--no-input", "--confirm=shop-old")
    move.rehome("accept", AGAIN, "--no-input", "--confirm=shop-old")
    wait_for(lambda: move.at.sh("systemctl is-active rehome@again || true") == "inactive", seconds=30)
    story["accept"] = json.loads(move.at.run(["rehome", "report", AGAIN, "--json"], check=False).stdout), states(database_lab)
    return story


def rest(ends, end, side):
    facts, after = ends[end]
    return maria_state.unnamed(ends["before"][side], after[side], maria_state.named(facts, side))


def test_the_abort_was_one_behind_the_freeze(ends):
    facts, _ = ends["abort"]
    assert facts["aborted"] and facts.get("downtime_ms", 1) != 0, facts["phase"]


@pytest.mark.parametrize("end", ["abort", "discard"])
def test_nothing_but_the_copy_is_left_where_the_source_serves(ends, end):
    assert rest(ends, end, "source") == {}
    assert rest(ends, end, "target") == {}
    assert maria_state.changed(ends["before"]["source"], ends[end][1]["source"]) == {}


def test_a_discard_leaves_nothing_at_all(ends):
    assert maria_state.changed(ends["before"]["target"], ends["discard"][1]["target"]) == {}


def test_after_an_acceptance_the_source_stays_closed_and_that_is_named(ends):
    facts, after = ends["accept"]
    assert rest(ends, "accept", "source") == {}
    new = maria_state.changed(ends["before"]["source"], after["source"])
    assert any(one.endswith("-settings.cnf") for one in maria_state.named(facts, "target")), "the target keeps the source's settings"
    assert new["setting", "read_only"] == ("OFF", "ON") and ("setting", "userstat") not in new
    # What moved is the target's own now.
    assert {key[0] for key in rest(ends, "accept", "target")} <= {"account", "database", "event", "setting"}
    carried = {"sql_mode", "div_precision_increment", "collation_server", "character_set_collations"}  # as the plan says
    assert carried <= {name for kind, name in rest(ends, "accept", "target") if kind == "setting"} <= carried | {"event_scheduler"}
