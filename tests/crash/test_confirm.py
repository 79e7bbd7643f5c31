# SPDX-License-Identifier: Apache-2.0
"""A target that is rebooted in its guard asks its source before the moved work starts: README.md. S0.32, S4.7."""
import os
import pathlib
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests/scenario"), str(pathlib.Path(__file__).resolve().parent)]

import moves  # noqa: E402
import table  # noqa: E402
from lab import Lab, accepted_after  # noqa: E402
from story import Move, wait_for  # noqa: E402

LONG = pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="./check full")
UNITS = "shop-orders.service nginx.service"
ADDRESS = "10.77.0.10/24"


@pytest.fixture(scope="module")
def lab():
    it = Lab(os.environ.get("REHOME_LAB_NAME", "crash"))
    it.down()
    try:
        yield it.up()
    finally:
        it.down()


@pytest.fixture
def guarded(lab):
    lab.reset()
    lab.install(str(table.BUILD))
    move = Move(lab)
    move.write_plan(moves.often)
    move.sync()
    move.cutover()
    return move


def active(host):
    return host.sh(f"systemctl is-active {UNITS} || true").split()


def said(host):
    return host.sh("journalctl -b -u 'rehome-confirm@shop.service' -o cat --no-pager")


def thaw(old):
    old.sh("$(ls /var/lib/rehome/*/thaw) --confirm=target-is-off")


def test_a_target_whose_source_was_thawed_stays_closed_after_a_reboot(guarded):
    lab, old, new = guarded.lab, guarded.lab.old, guarded.lab.new
    new.power_cut()
    thaw(old)
    wait_for(lambda: active(old) == ["active"] * 2)
    back = time.time()
    new.start()
    wait_for(lambda: "stays closed" in said(new))
    assert active(new) == ["inactive"] * 2, said(new)
    assert ADDRESS not in lab.network.addresses("new")
    assert "stays closed" in said(new) and "not frozen any more" in said(new)
    assert new.sh("find /etc/systemd/network -name 'rehome-*'") == "", "nothing brings the address later"
    with lab.client(rate=20) as load:
        load.wait_acks(20)
        load.stop()
    assert accepted_after(new, back) == []


@LONG
def test_it_stays_closed_after_another_reboot_until_an_operator_answers_for_the_source(guarded):
    lab, old, new = guarded.lab, guarded.lab.old, guarded.lab.new
    new.power_cut()
    thaw(old)
    new.start()
    old.power_cut()
    new.power_cut()
    new.start()
    assert active(new) == ["inactive"] * 2, said(new)
    assert ADDRESS not in lab.network.addresses("new")
    new.run(["rehome", "confirm", "shop", "--confirm=source-is-off"])
    new.power_cut()
    new.start()
    assert active(new) == ["active"] * 2, said(new)
    assert ADDRESS in lab.network.addresses("new")


@LONG
def test_a_target_whose_source_is_still_frozen_serves_again_after_a_reboot(guarded):
    lab, new = guarded.lab, guarded.lab.new
    new.power_cut()
    new.start()
    assert active(new) == ["active"] * 2, said(new)
    assert "still frozen" in said(new)
    with lab.client(rate=20) as load:
        load.wait_acks(20)
        load.stop()
    moves.drive_accept(guarded)
    assert new.sh("find /etc/systemd/system -name '90-rehome-*'") == ""


@LONG
def test_a_target_whose_source_is_silent_serves_all_the_same(guarded):
    lab, old, new = guarded.lab, guarded.lab.old, guarded.lab.new
    new.power_cut()
    old.power_cut()
    new.start()
    assert active(new) == ["active"] * 2, said(new)
    assert "did not answer" in said(new)
    with lab.client(rate=20) as load:
        load.wait_acks(20)
        load.stop()


@LONG
def test_a_restart_without_a_reboot_asks_nobody(guarded):
    new = guarded.lab.new
    guarded.lab.network.block("new", "old")
    new.sh("systemctl restart shop-orders.service")
    assert active(new) == ["active"] * 2
    assert "Nothing to ask" in said(new)
    guarded.lab.network.unblock("new", "old")


@LONG
def test_nothing_of_it_is_left_on_the_target_after_the_way_back(guarded):
    moves.drive_back(guarded)
    assert guarded.lab.new.sh("find /etc/systemd/system -name 90-rehome-confirm.conf") == ""
