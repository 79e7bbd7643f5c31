# SPDX-License-Identifier: Apache-2.0
"""The controller on a third host: both servers are reached over ssh, and the stream is joined in between."""
import os
import time

import pytest

from lab import Lab
from conftest import BUILD
from story import PLAN, Move, leftovers, wait_for


@pytest.fixture
def third():
    lab = Lab(os.environ.get("REHOME_LAB_NAME", "third")[:7] + "3", hosts=("old", "new", "ctl"))
    lab.down()
    try:
        lab.up()
        lab.install(BUILD, hosts=("ctl",))
        yield lab
    finally:
        lab.down()


def test_a_move_that_is_driven_from_a_third_host(third):
    move = Move(third, controller=third.ctl)
    move.write_plan(lambda text: text.replace("host: local", "host: root@new", 1))
    with third.client(rate=50) as load:
        load.wait_acks(20)
        move.sync()
        move.cutover()
        time.sleep(2)
        load.stop()
    seen = third.observe(load, "new")
    assert seen.lost == [] and seen.doubled == [] and not seen.interleaved
    assert move.status().startswith("SERVING shop-new")
    move.rehome("accept", PLAN, "--no-input", "--confirm=shop-old")
    wait_for(lambda: not [line for host in (third.old, third.new) for line in leftovers(host) if "rehome-agent" in line],
             seconds=40)  # the owner lingers for ten seconds
