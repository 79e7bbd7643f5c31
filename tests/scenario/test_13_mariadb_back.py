# SPDX-License-Identifier: Apache-2.0
"""What a moved MariaDB database takes in the guard is laid up on the old server in rounds: a new server that is lost loses
what came after the last one, and no half transaction comes back. The checker is the mariadb client.

S0.10, S0.32-35 partly.
"""
import os

import pytest

from story import PLAN, wait_for
from test_13_mariadb import SAYS, maria, synced_move, wait_for_acks

pytestmark = pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="the long version: another first copy")
# Values that a file, a client or a column of another kind could alter.
ODD = r"""UPDATE kinds SET f = 16777218 WHERE id = 2; INSERT INTO `od``d 2` VALUES ('b', NULL);
DELETE FROM child WHERE id = 1; INSERT INTO log VALUES ('NULL'), ('\\N'), ('a\tb\nc\\d\0e'), (''); INSERT INTO parent VALUES (77);
SELECT NEXTVAL(numbers); INSERT INTO counted VALUES (); DELETE FROM counted ORDER BY id DESC LIMIT 1;"""


def laid(move):
    """Results of the reverse rounds of the database that have ended."""
    return [r["data"]["result"] for r in move.records() if r["type"] == "outcome" and r.get("step") == "mariadb:shop#back-round"
            and "result" in r["data"]]


def next_laid(move):
    """Waits for a reverse round that began after this."""
    before = len(laid(move))
    wait_for(lambda: len(laid(move)) >= before + 2, seconds=90)


@pytest.fixture(scope="module")
def lost(database_lab, build):
    """A move whose new server is given up in the guard, while its writer works; what was acknowledged before the last round."""
    move = synced_move(database_lab, build)
    old, new = database_lab.old, database_lab.new
    move.cutover()
    wait_for_acks(new, 50)
    maria(new, ODD)
    acked = new.sh("cat /srv/clerk/acks.log").split()
    next_laid(move)
    move.said = move.rehome("rollback", PLAN, "--dry-run", "--target-is-gone")
    move.files = old.sh("find /var/lib/rehome/shop-*/back -name 'mariadb*'").split()
    new.sh("ip addr del 10.77.0.10/24 dev eth0 || true")  # as if it were off
    move.rehome("rollback", PLAN, "--no-input", "--confirm=shop-new", "--target-is-gone")
    old.sh("systemctl stop maria-writer")
    new.sh("systemctl stop maria-writer")
    return move, acked


def test_it_is_said_since_when_changes_are_lost(lost):
    move, _ = lost
    assert "LOST: all changes since 20" in move.said and "of which no reverse rounds are made" not in move.said, move.said
    assert move.files != [], "or nothing was laid up"


def test_every_order_from_before_the_last_round_is_on_the_old_server_and_whole(lost):
    move, acked = lost
    seen, other = (maria(move.lab.old, f"SELECT {what}").split() for what in ("id FROM orders", "id FROM nokey"))
    assert len(seen) == len(set(seen)) and sorted(seen) == sorted(other), "doubled, or half a transaction"
    assert len(acked) > 100 and sorted(set(acked) - set(seen)) == []
    assert maria(move.lab.old, "SELECT DISTINCT host FROM orders ORDER BY 1").split() == ["shop-new", "shop-old"]


def test_every_value_is_as_the_new_server_had_it_by_the_servers_own_word(lost):
    move, _ = lost
    other = "GRANT SELECT ON `other`.* TO `reader`@`localhost`"
    a, b = (maria(host, SAYS) for host in (move.lab.old, move.lab.new))
    assert [line for line in a.splitlines() if line != other] == b.splitlines()


def test_nothing_that_was_laid_up_is_left(lost):
    move, _ = lost
    assert move.lab.old.sh("find /var/lib/rehome -name 'mariadb*'").strip() == ""
