# SPDX-License-Identifier: Apache-2.0
"""After an abort and a rollback nothing is left on either host but what the report names, and what moved (after an
acceptance: test_5_move.py). Judged by inventories: find, systemctl, ip, nft and the like (left.py, inventory.py).
S0.32, S0.39.
"""
import json

import pytest

import left
from story import PLAN


def fences(lab):
    return [json.loads(host.sh("cat /var/lib/rehome/shop-*/fence"))["released"] for host in (lab.old, lab.new)]


@pytest.fixture(scope="module")
def ends(lab, move):
    """An abort, and a rollback of the same move."""
    story = {}

    def note(name, purpose):
        facts = left.at_rest(move)
        story[name] = facts, left.unexplained(lab, before, left.look(lab), facts, purpose), fences(lab)
    before = left.look(lab)
    move.sync()
    move.rehome("abort", PLAN, "--no-input")
    note("abort", {"old": left.its_own_work, "new": left.nothing})
    move.sync()
    move.cutover()
    move.rehome("rollback", PLAN, "--no-input", "--confirm=shop-new")
    note("rollback", {"old": left.its_own_work, "new": left.moved})
    return story


@pytest.mark.parametrize("end", ["abort", "rollback"])
def test_nothing_is_left_but_what_the_report_names(ends, end):
    facts, rest, _ = ends[end]
    assert facts["aborted"] == (end == "abort") and (end == "abort" or facts["phase"] == "rolled-back")
    assert rest == []


@pytest.mark.parametrize("end", ["abort", "rollback"])
def test_what_the_report_names_is_not_the_whole_server(ends, end):
    """Else the story above would pass whatever is left: no name is a directory that others use."""
    for one in ends[end][0]["left"]:
        assert one["what"].split(": ")[0] not in ("/", "/etc", "/var", "/var/lib", "/run", "/root", "/home", "/srv", "/usr/local",
                                                  "/etc/systemd", "/etc/systemd/system", "/var/lib/rehome"), one


@pytest.mark.parametrize("end", ["abort", "rollback"])
def test_the_claims_are_given_back(ends, end):
    """Another migration may have the items; a tombstone refuses only older epochs of this one."""
    assert ends[end][2] == [True, True]
