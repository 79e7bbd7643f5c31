# SPDX-License-Identifier: Apache-2.0
"""Bad luck: reboots, kills, a destroyed target, a full disk, two controllers. Nothing is lost in any of them.

S0.32 (recovery procedures), S2.24 partly, S4.5-7.
"""
import re
import time

import pytest

from story import PLAN, changed, codes, run_the_text, shape, start_cutover, stay_in, wait_for, wait_phase

DROPIN = "/etc/systemd/system/shop-orders.service.d/slow.conf"


def slow_start(move, seconds):
    move.at.sh(f"mkdir -p $(dirname {DROPIN}); printf '[Service]\\nExecStartPre=/bin/sleep {seconds}\\n' > {DROPIN}; "
               "systemctl daemon-reload")


def owner_pid(move):
    return move.at.sh("systemctl show -p MainPID --value rehome@shop.service")


def kill_owner(move):
    move.at.sh("systemctl kill -s KILL rehome@shop.service")


def test_the_source_reboots_during_the_first_copy_and_the_copy_goes_on(own_move):
    move, old = own_move, own_move.lab.old
    move.lab.network.shape("old", "60mbit")
    running = move.at.popen(["rehome", "sync", PLAN, "--no-input"], stdout=-1, stderr=-2, text=True)
    wait_for(lambda: move.at.run(["test", "-d", "/srv/shop/files"], check=False).returncode == 0)
    time.sleep(1)
    old.power_cut()
    old.start()
    move.lab.network.unshape("old")
    said, _ = running.communicate(timeout=120)
    assert running.returncode in (0, 3) or "RH-LINK" in said, said
    move.sync()
    move.cutover()
    assert move.status().startswith("SERVING shop-new")


PHASES = ["seeding", "proving", "freezing", "final", "verifying", "starting", "smoke", "switching", "outside", "opening"]


def test_the_controller_killed_in_every_phase_goes_on_where_it_was(own_move):
    """One move under load; the owner is killed once in each phase in which it can be caught, by watching the journal."""
    move = own_move
    caught = []
    with move.lab.client(rate=50) as load:
        load.wait_acks(20)
        move.at.popen(["rehome", "sync", PLAN, "--no-input"], stdout=-3, stderr=-3)
        running = None
        seen, end = set(), time.monotonic() + 150
        while time.monotonic() < end:
            phase = wait_phase(move, "syncing", "guarded", "aborted", *PHASES)
            if phase == "guarded":
                break
            if phase in PHASES and phase not in seen:
                seen.add(phase)
                kill_owner(move)
                caught.append(phase)
                time.sleep(0.2)
            if phase in ("syncing", "aborted") and (running is None or running.poll() is not None):
                running = start_cutover(move)
            time.sleep(0.02)
        wait_phase(move, "guarded")
        time.sleep(2)
        load.stop()
    observed = move.lab.observe(load, "new")
    assert observed.lost == [] and observed.doubled == [] and not observed.interleaved
    assert len(caught) >= 4, caught
    move.rehome("verify", "/var/lib/rehome/controller/shop")


def test_two_controllers_at_once(own_move):
    """A second owner on the same host, and a controller with a journal of its own: both are refused by name."""
    move = own_move
    move.sync()
    said = move.rehome("owner", "shop", expect=None, timeout=20)
    assert "RH-JOURNAL-BUSY" in codes(said) or "RH-EXEC-BUSY" in codes(said), said
    pid = owner_pid(move)
    assert re.search(rf"\b{pid}\b", said), said
    other = move.rehome("sync", PLAN, "--no-input", "--state", "/root/other-state", expect=None, timeout=60)
    assert codes(other) & {"RH-FENCE-EPOCH", "RH-FENCE-OWNED"}, other


def test_the_source_reboots_while_frozen_and_stays_frozen(own_move):
    move, old = own_move, own_move.lab.old
    move.sync()
    slow_start(move, 12)
    before = shape(old)
    with move.lab.client(rate=50) as load:
        load.wait_acks(20)
        running = start_cutover(move)
        wait_phase(move, "starting")
        old.power_cut()
        old.start()
        assert old.sh("systemctl is-active shop-orders nginx shop-report.timer || true").split() == ["inactive"] * 3
        assert old.run(["touch", "/srv/shop/after-reboot"], check=False).returncode != 0, "read-only again"
        said, _ = running.communicate(timeout=120)
        time.sleep(2)
        load.stop()
    phase = wait_phase(move, "guarded", "aborted", "syncing")
    final = "new" if phase == "guarded" else "old"
    observed = move.lab.observe(load, final)
    assert observed.lost == [] and observed.doubled == [] and not observed.interleaved, said
    if final == "old":
        assert changed(before, shape(old)) == {}


def test_the_target_is_destroyed_and_the_text_on_the_source_brings_it_back(own_move):
    """A script does only what the text says."""
    move, old, lab = own_move, own_move.lab.old, own_move.lab
    move.sync()
    slow_start(move, 20)
    before = shape(old)
    with lab.client(rate=20) as load:
        load.wait_acks(20)
        start_cutover(move)
        wait_phase(move, "starting")
        lab.new.destroy()
        acked = [ack["attempt"] for ack in load.acks]
        begun = time.monotonic()
        run_the_text(old)
        load.wait_acks(len(acked) + 20, seconds=60)
        assert time.monotonic() - begun < 300
        load.stop()
    assert lab.observe(load, "old").lost == []
    assert changed(before, shape(old)) == {}


def test_thaw_on_the_source_brings_it_back_when_everything_else_is_gone(own_move):
    """Also while somebody stands in the files that were read-only."""
    move, old, lab = own_move, own_move.lab.old, own_move.lab
    move.sync()
    slow_start(move, 20)
    before = shape(old)
    with lab.client(rate=20) as load:
        load.wait_acks(20)
        start_cutover(move)
        wait_phase(move, "starting")
        lab.new.destroy()
        somebody = stay_in(old, "/srv/shop/orders")
        agent = old.sh("ls /var/lib/rehome/*/thaw 2>/dev/null | head -n 1")
        old.run([agent, "--confirm=target-is-off"] if agent else ["false"])
        load.wait_acks(len(load.acks) + 20, seconds=30)
        load.stop()
        assert not old.run(["touch", f"/proc/{somebody}/cwd/.seen"], check=False).returncode
        old.sh(f"rm /srv/shop/orders/.seen; kill {somebody}")
    assert lab.observe(load, "old").lost == []
    assert changed(before, shape(old)) == {}


def test_the_targets_disk_fills_in_the_middle(own_move):
    """Space that preflight saw is taken by someone else during the copy: stop, say so, go on when there is room."""
    move = own_move
    move.at.sh("mkdir -p /srv/shop; mount -t tmpfs -o size=400m none /srv/shop")
    move.lab.network.shape("old", "100mbit")
    running = move.at.popen(["rehome", "sync", PLAN, "--no-input"], stdout=-1, stderr=-2, text=True)
    wait_for(lambda: move.at.run(["test", "-d", "/srv/shop/files"], check=False).returncode == 0)
    move.at.sh("mount -o remount,size=30m /srv/shop")
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 1 and "RH-TREE-NOSPACE" in codes(said), said
    assert move.status().startswith("SERVING shop-old")
    move.lab.network.unshape("old")
    move.at.sh("mount -o remount,size=400m /srv/shop")
    move.sync()
    move.at.sh("[ $(find /srv/shop/files | wc -l) -gt 20000 ]")
