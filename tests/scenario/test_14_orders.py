# SPDX-License-Identifier: Apache-2.0
"""The order service on a database, three writers at more than 200 transactions a second: it moves, takes orders on the
new server for a minute, and comes back with all of them. The checker is the engine's own client.

S1.4, S2.25 partly.
"""
import os

import pytest

import orders
from lab import Lab, accepted_after
from story import segments

pytestmark = pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="./check full")
MINUTE = 60


# Both ways that package defaults allow.
ROUNDS, REPLICATE = "", "    in-step: replicate\n    restart: allowed\n"
WAYS = {f"{store}, {how}": (store, line) for store in ("mariadb", "postgresql")
        for how, line in (("rounds", ROUNDS), ("replicate", REPLICATE))}


@pytest.fixture(scope="module", params=WAYS)
def way(request):
    return WAYS[request.param]


@pytest.fixture(scope="module")
def lab(way):
    it = Lab(os.environ.get("REHOME_LAB_NAME", "story")[:7] + "o", store=way[0])
    it.down()
    try:
        yield it
    finally:
        it.down()


@pytest.fixture(scope="module")
def there_and_back(lab, build, way):
    """The move, what the new server took in a minute, and the way back, all under one load."""
    move = orders.fresh(lab, build, way[1])
    with lab.client(rate=75, writers=3) as load:
        load.wait_acks(100)
        move.sync()
        move.cutover()
        at_opening = len(load.acks)
        load.wait_acks(at_opening + MINUTE * 70, 2 * MINUTE)
        move.rehome("rollback", "/root/shop.yaml", "--no-input", "--confirm=shop-new")
        load.wait_acks(len(load.acks) + 200)
        load.stop()
    return move, load


def test_nothing_that_either_server_acknowledged_is_lost_doubled_or_half(lab, there_and_back):
    _, load = there_and_back
    seen = lab.observe(load, "old")
    assert 3 * seen.acked > 200 * MINUTE and segments(load) == ["shop-old", "shop-new", "shop-old"]
    assert (seen.lost, seen.doubled, seen.unbalanced) == ([], [], [])


def test_each_row_of_the_new_server_is_the_same_on_the_old_one(lab, there_and_back):
    assert orders.not_carried(lab.new, lab.old) == {}


def test_the_new_server_took_nothing_once_it_was_frozen(lab, there_and_back):
    move, _ = there_and_back
    frozen = [r["time"] for r in move.records() if r["type"] == "phase" and r["data"]["to"] == "back-final"][-1] / 1000
    assert accepted_after(lab.new, frozen) == []
