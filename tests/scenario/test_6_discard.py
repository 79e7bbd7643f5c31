# SPDX-License-Identifier: Apache-2.0
"""`rehome abort --discard`: the copy goes from the target, with what was replaced back in its place, and what others made
there is named and stays. Judged by an inventory of the target before the first command (inventory.py, left.py).
S0.32 partly.
"""
import signal

import pytest

import left
from story import PLAN, codes, wait_for

FOREIGN = "/srv/shop/made by somebody else"
CHANGED = "/etc/shop/tls.crt"


def discard(move, expect, *more):
    return move.rehome("abort", PLAN, "--discard", "--no-input", *more, expect=expect)


def backups(kind, name):
    """What useradd and userdel leave of the files they change."""
    return kind == "file" and name.endswith("-") and bool(left.ACCOUNT_FILES.match(name))


def rest(move, before):
    return left.unexplained(move.lab, before, left.look(move.lab), left.at_rest(move), {"old": left.its_own_work, "new": backups})


@pytest.fixture(scope="module")
def discarded(move):
    """Counted, refused, done with a foreign file in the way, killed, and done again without it."""
    new = move.lab.new
    new.sh("echo 'ours before' > /etc/default/shop-orders")
    story = {"before": left.look(move.lab)}
    move.write_plan(lambda text: text.replace("ready: {http", "overwrite: true\n    ready: {http", 1))
    story["before"] = left.look(move.lab)
    move.sync()
    new.sh(f"echo mine > '{FOREIGN}'; cp -p {CHANGED} /tmp/changed; echo more >> {CHANGED}")
    story["asked"] = discard(move, None)
    story["still there"] = new.sh("ls /srv/shop | wc -l")
    story["dry"] = discard(move, 3, "--dry-run")
    story["first"] = discard(move, 3, "--confirm=shop-new")
    story["kept"] = new.sh(f"cat '{FOREIGN}'; tail -1 {CHANGED}; find /srv/shop /etc/shop -type f | wc -l")
    story["named"] = {one["what"] for one in move.facts()["left"]}
    new.sh(f"rm '{FOREIGN}'; mv /tmp/changed {CHANGED}")
    seals = len(seals_of(move))
    killed = new.popen(["rehome", "abort", PLAN, "--discard", "--no-input", "--confirm=shop-new"])
    wait_for(lambda: len(seals_of(move)) > seals, every=0.01)
    new.signal(killed, signal.SIGKILL)
    killed.wait()
    story["again"] = discard(move, 0, "--confirm=shop-new")
    story["sync"] = move.rehome("sync", PLAN, "--no-input", expect=None)
    return story


def seals_of(move):
    return [r for r in move.records() if r["type"] == "seal" and "discard" in r["data"]]


def test_it_counts_and_asks_for_the_targets_name_first(discarded):
    assert "RH-CLI-CONFIRM" in codes(discarded["asked"]), discarded["asked"]
    assert "goes: /srv/shop (" in discarded["asked"] and "comes back: /etc/nginx" in discarded["asked"], discarded["asked"]
    assert f"stays: {FOREIGN}: the move did not put it there" in discarded["dry"], discarded["dry"]
    assert int(discarded["still there"]) > 1


def test_what_others_made_or_changed_is_named_and_stays(discarded):
    assert f"kept {FOREIGN}: the move did not put it there" in discarded["first"], discarded["first"]
    assert f"kept {CHANGED}: it was changed since" in discarded["first"], discarded["first"]
    assert discarded["kept"].split("\n") == ["mine", "more", "2"]
    assert {FOREIGN, CHANGED} <= discarded["named"]


def test_the_target_is_as_it_was_and_the_source_untouched(move, discarded):
    """After a kill in the middle, too."""
    assert rest(move, discarded["before"]) == []
    assert move.at.sh("cat /etc/default/shop-orders") == "ours before"
    assert move.lab.old.sh("systemctl is-active shop-orders nginx").split() == ["active"] * 2


def test_it_is_in_the_journal_and_the_migration_is_over(move, discarded):
    done = [r["data"]["discard"]["done"] for r in seals_of(move) if "done" in r["data"]["discard"]]
    assert done[-1]["kept"] == [] and any(one["what"] == "/srv/shop" for one in done[0]["removed"])
    assert "RH-DISCARD-DONE" in codes(discarded["sync"]), discarded["sync"]
    move.rehome("verify", "/var/lib/rehome/controller/shop")
