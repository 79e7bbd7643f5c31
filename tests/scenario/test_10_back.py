# SPDX-License-Identifier: Apache-2.0
"""The way back after the pivot, under load, judged from outside: every order that either server acknowledged is on the
old one afterwards, none twice, never two servers at a time.

S0.10, S0.32-35 partly.
"""
import os
import time

import pytest

import independent
from conftest import BUILD
from lab import Lab, accepted_after
from story import PLAN, Move, changed, codes, leftovers, phase_of, segments, shape, wait_for, wait_phase

LONG = bool(os.environ.get("REHOME_LONG"))
TREES = ["/srv/shop", "/etc/shop", "/home/deploy", "/home/anna"]


def often(text):
    return text + "back-every: 5s\n"


def rollback(move, *more, expect=0, confirm="shop-new"):
    return move.rehome("rollback", PLAN, "--no-input", f"--confirm={confirm}", *more, expect=expect)


def rounds_laid(move):
    return sum(r["type"] == "outcome" and r.get("step") == "files:/srv/shop#back-round" and "result" in r["data"]
               for r in move.records())


def in_guard(own_move):
    """A move that has just been opened; reverse rounds every five seconds."""
    own_move.write_plan(often)
    own_move.sync()
    own_move.cutover()
    wait_for(lambda: rounds_laid(own_move) >= 1)
    return own_move


def fail_once(story, lab):
    """A rollback whose service does not start on the old server."""
    dropin = "/run/systemd/system/shop-orders.service.d"
    lab.old.sh(f"mkdir -p {dropin}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' > {dropin}/no.conf; "
               "systemctl daemon-reload")
    before = [shape(lab.old), shape(lab.new)]
    story["failed"] = rollback(story["move"], expect=6)
    story["after the failure"] = story["move"].status()
    story["changed by the failure"] = [changed(shape_before, shape(host))
                                       for shape_before, host in zip(before, (lab.old, lab.new))]
    lab.old.sh(f"rm -r {dropin}; systemctl daemon-reload")


def logs_before(host):
    host.sh("mkdir -p /srv/shop/logs; seq 1 40000 > /srv/shop/logs/access.log; seq 1 9000 > /srv/shop/logs/app.log; "
            "chown -R shop: /srv/shop/logs")


def upgrade(host, version):
    """A package whose files lie in a moved tree and beside it."""
    host.sh(f"rm -rf /tmp/pkg; mkdir -p /tmp/pkg/DEBIAN /tmp/pkg/etc/shop /tmp/pkg/usr/share/shop-tools; "
            f"printf 'Package: shop-tools\\nVersion: {version}\\nArchitecture: all\\nMaintainer: Shop <shop@shop.test>\\n"
            "Description: tools of the shop\\n' > /tmp/pkg/DEBIAN/control; "
            f"echo 'level = {version}' > /tmp/pkg/etc/shop/tools.conf; echo {version} > /tmp/pkg/usr/share/shop-tools/version; "
            "echo /etc/shop/tools.conf > /tmp/pkg/DEBIAN/conffiles; "
            "dpkg-deb -b /tmp/pkg /tmp/shop-tools.deb >/dev/null; dpkg -i --force-confnew /tmp/shop-tools.deb >/dev/null; "
            "rm -rf /tmp/pkg /tmp/shop-tools.deb")


def a_week(host):
    """What a week of guard brings: logs that are rotated in both ways, packages, users, settings."""
    for day in range(1, 8):
        host.sh("cd /srv/shop/logs; for i in 6 5 4 3 2; do [ -e access.log.$i.gz ] && mv access.log.$i.gz access.log.$((i + 1)).gz; "
                "done; [ -e access.log.1 ] && gzip -c access.log.1 > access.log.2.gz; mv access.log access.log.1; "
                f"install -o shop -g shop -m 640 /dev/null access.log; seq {day}000 {day}900 >> access.log; "
                f"cp -p app.log app.log.1; : > app.log; seq {day} {day}99 >> app.log")
    upgrade(host, "1.0")
    upgrade(host, "1.1")


@pytest.fixture(scope="module")
def returned(lab, move):
    """There, a time of writing on the new server, and back."""
    old, new = lab.old, lab.new
    logs_before(old)
    move.write_plan(often)
    story = {"move": move, "before": shape(old)}
    with lab.client(rate=50) as load:
        load.wait_acks(50)
        move.sync()
        move.cutover()
        story["opened"] = time.time()
        new.sh("echo 'deploy:another secret' | chpasswd; useradd -m newcomer")
        new.sh("su deploy -c 'crontab -l | { cat; echo \"# changed in the guard\"; } | crontab -'")
        new.sh("echo made in the guard > /home/deploy/new-file; setfacl -m u:anna:r /home/deploy/new-file; "
               "rm -f /home/anna/.bash_logout; chmod 600 /etc/shop/*.conf 2>/dev/null || true")
        a_week(new)
        time.sleep(60 if LONG else 15)
        story["guard"] = move.status()
        wait_for(lambda: rounds_laid(move) >= 2)
        wait_for(lambda: any(r["type"] == "outcome" and r.get("step") == "files:/srv/shop#audit" for r in move.records()))
        story["frozen meanwhile"] = old.sh("grep -c ' /srv/shop .*ro,' /proc/mounts; "
                                           "ls /home/deploy/new-file 2>/dev/null || true")
        story["dry"] = move.rehome("rollback", PLAN, "--dry-run")
        story["asked wrongly"] = move.rehome("rollback", PLAN, "--no-input", "--confirm=shop-old", expect=None)
        story["still"] = move.status()
        fail_once(story, lab)
        began = time.time()
        story["said"] = rollback(move)
        story["took"] = time.time() - began
        time.sleep(3)
        load.stop()
    story["seen"] = lab.observe(load, "old")
    story["order"] = segments(load)
    story["load"] = load
    story["facts"] = move.facts()
    return story


def test_every_order_that_either_acknowledged_is_on_the_old_server(lab, returned):
    assert returned["seen"].acked > 300
    assert returned["seen"].lost == []
    assert returned["seen"].doubled == []


def test_never_two_servers_answer(lab, returned):
    assert returned["order"] == ["shop-old", "shop-new", "shop-old"]
    frozen = max(r["time"] for r in returned["move"].records() if r["type"] == "phase"
                 and r["data"]["to"] == "back-final") / 1000
    assert accepted_after(lab.new, frozen) == []


def test_it_says_beforehand_what_it_costs_and_asks_for_the_right_name(returned):
    assert "Back from shop-new to shop-old" in returned["dry"]
    assert "Downtime forecast: " in returned["dry"] and "Lost: nothing" in returned["dry"]
    assert "back-final" in returned["dry"]
    assert "RH-CLI" in returned["asked wrongly"], returned["asked wrongly"]
    assert returned["still"].startswith("SERVING shop-new | shop-old closed | back: rollback, "), returned["still"]
    assert returned["guard"].endswith(f"next: rehome accept {PLAN}")


def test_the_source_stays_frozen_while_rounds_are_laid_up_and_is_audited(returned):
    mounts = returned["frozen meanwhile"].split("\n")
    assert mounts[0] == "1" and mounts[1:] in ([], [""]), "a reverse round wrote into the frozen files"
    audits = [r for r in returned["move"].records() if r["type"] == "outcome" and r.get("step", "").endswith("#audit")]
    assert len(audits) >= 9 and all(r["data"]["result"]["equal"] for r in audits)


def test_the_old_server_is_what_it_was_but_for_what_was_changed_in_the_guard(lab, returned):
    different = changed(returned["before"], shape(lab.old))
    assert set(different) <= {"accounts", "cron"}, different
    assert lab.old.sh("getent shadow deploy | cut -d: -f2") == lab.new.sh("getent shadow deploy | cut -d: -f2")
    assert "# changed in the guard" in lab.old.sh("cat /var/spool/cron/crontabs/deploy")
    assert lab.old.sh("stat -c '%U %G %a' /var/spool/cron/crontabs/deploy") == "deploy crontab 600"


def test_trees_are_equal_by_an_independent_look(lab, returned):
    """find, stat, getfacl, getcap, getfattr, sha256sum; the new server's trees are frozen as they were."""
    back = next(r["time"] for r in returned["move"].records()
                if r["type"] == "outcome" and r.get("step") == "move#back-pivot") / 1000
    for tree in TREES:
        source, target = independent.look(lab.new, tree), independent.look(lab.old, tree)
        assert independent.differences(source, target, written_after=back - 2) == [], tree
    assert lab.old.sh("getfacl -p /home/deploy/new-file | grep anna") == "user:anna:r--"


def test_a_week_of_rotated_logs_and_upgrades_is_on_the_old_server_too(lab, returned):
    logs = lab.old.sh("cd /srv/shop/logs; ls; cat access.log | wc -l; cat app.log; stat -c '%U %a' access.log").split("\n")
    assert {"access.log", "access.log.1", "access.log.7.gz", "app.log", "app.log.1"} <= set(logs), logs
    assert lab.old.sh("tail -1 /srv/shop/logs/access.log; zcat /srv/shop/logs/access.log.7.gz | tail -1") == "7900\n40000"
    assert lab.old.sh("stat -c '%U %a' /srv/shop/logs/access.log") == "shop 640"
    assert lab.old.sh("cat /etc/shop/tools.conf") == "level = 1.1"


def test_a_package_is_not_brought_back_and_named_beforehand(lab, returned):
    assert lab.old.sh("dpkg-query -W shop-tools 2>/dev/null || true") == ""
    assert "Not brought back: packages of shop-new since the opening, shop-tools:all (none, now 1.1)" in returned["dry"], returned["dry"]


def test_the_report_shows_both_cutovers(returned):
    facts = returned["facts"]
    text = returned["move"].rehome("report", PLAN)
    seen = returned["seen"]
    print(f"{seen.acked} orders acknowledged, {len(seen.lost)} lost, {len(seen.doubled)} doubled; "
          f"downtime there {facts['downtime_ms']} ms, back {facts['back_downtime_ms']} ms, forecast "
          f"{facts['forecast_back']['lower_ms']} to {facts['forecast_back']['upper_ms']} ms; as the client saw it at most "
          f"{returned['seen'].downtime * 1000:.0f} ms; the command took {returned['took']:.1f} s")
    assert facts["phase"] == "rolled-back" and facts["writer"] == "source"
    assert 0 < facts["back_downtime_ms"] < 30000 and 0 < facts["downtime_ms"] < 30000
    assert "Downtime of the way back" in text, text
    assert "password of deploy" in text and "user newcomer" in text and "user monitor" not in text, text


def test_what_is_left_is_what_the_report_names(lab, returned):
    named = returned["move"].rehome("report", PLAN).split()
    for host in (lab.old, lab.new):
        for line in leftovers(host):
            if line and "/var/lib/rehome/controller" not in line and not line.endswith("/var/lib/rehome"):
                assert any(line.startswith(part) for part in named if part.startswith("/")), f"{host.name}: {line}"


def test_the_new_server_stays_closed_when_it_reboots(lab, returned):
    lab.new.reboot()
    assert lab.new.sh("systemctl is-active shop-orders nginx shop-report.timer || true").split() == ["inactive"] * 3
    assert "10.77.0.10/24" not in lab.network.addresses("new")
    lab.old.reboot()
    wait_for(lambda: lab.old.sh("systemctl is-active shop-orders nginx shop-report.timer || true").split() == ["active"] * 3)
    assert "10.77.0.10/24" in lab.network.addresses("old")
    assert lab.new.sh("systemctl is-active shop-orders nginx shop-report.timer || true").split() == ["inactive"] * 3


def test_a_rollback_that_fails_midway_leaves_the_new_server_serving(returned):
    """The service did not start on the old one."""
    assert "RH-SERVICE-START" in codes(returned["failed"]), returned["failed"]
    assert returned["after the failure"].startswith("SERVING shop-new"), returned["after the failure"]
    assert returned["changed by the failure"] == [{}, {}]


long_only = pytest.mark.skipif(not LONG, reason="./check full")


@long_only
def test_the_source_reboots_in_the_guard_and_stays_closed_and_takes_rounds(lab, own_move):
    move = in_guard(own_move)
    lab.old.reboot()
    assert lab.old.sh("systemctl is-active shop-orders nginx shop-report.timer || true").split() == ["inactive"] * 3
    laid = rounds_laid(move)
    wait_for(lambda: rounds_laid(move) > laid, seconds=90)
    rollback(move)
    assert move.status().startswith("SERVING shop-old"), move.status()


PHASES = ["returning", "back-holding", "back-freezing", "back-final", "back-verifying", "back-starting", "back-smoke",
          "back-switching", "back-outside", "back-opening"]


@pytest.mark.parametrize("phase", PHASES if LONG else ["back-switching"])
def test_the_controller_is_killed_in_the_rollback(lab, own_move, phase):
    move = in_guard(own_move)
    with lab.client(rate=50) as load:
        load.wait_acks(50)
        asked = move.at.popen(["rehome", "rollback", PLAN, "--no-input", "--confirm=shop-new"])
        wait_phase(move, *PHASES[PHASES.index(phase):], "rolled-back", seconds=60)
        move.at.sh("systemctl kill -s KILL rehome@shop.service || true")
        asked.wait()
        wait_for(lambda: phase_of(move) in ("rolled-back", "guarded"), seconds=120, every=0.5)
        if phase_of(move) == "guarded":
            rollback(move)
        load.wait_acks(50)
        load.stop()
    seen = lab.observe(load, "old")
    assert seen.lost == [] and seen.doubled == []
    assert segments(load) == ["shop-new", "shop-old"]


@long_only
def test_accept_after_reverse_rounds_removes_them(lab, own_move):
    move = in_guard(own_move)
    assert lab.old.sh("ls /var/lib/rehome/shop-*/back").count("files-srv-shop") >= 1
    move.rehome("accept", PLAN, "--no-input", "--confirm=shop-old")
    assert lab.old.sh("ls -d /var/lib/rehome/*/back 2>/dev/null || true") == ""
    said = move.rehome("rollback", PLAN, "--no-input", "--confirm=shop-new", expect=None)
    assert "RH-ENGINE-ACCEPTED" in codes(said), said


@pytest.fixture
def third(lab):
    """The controller on a host of its own, which outlives the target."""
    three = Lab(os.environ.get("REHOME_LAB_NAME", "back")[:7] + "4", hosts=("old", "new", "ctl"))
    three.down()
    try:
        three.up()
        three.install(BUILD, hosts=("ctl",))
        yield three
    finally:
        three.down()


@long_only
def test_the_new_server_is_lost_in_the_guard(third):
    """What is lost is named, and the old one serves again only when told so; what was laid up is in it."""
    outside = '  - {http: "http://10.77.0.10/health", status: 200}\n'
    move = Move(third, third.ctl)
    move.write_plan(lambda text: often(text).replace("{host: local,", "{host: root@new, via: 10.99.0.20,").replace(outside, ""))
    with third.client(rate=20) as load:
        load.wait_acks(20)
        move.sync()
        move.cutover()
        load.wait_acks(100)
        laid = rounds_laid(move)
        wait_for(lambda: rounds_laid(move) >= laid + 2)
        began = max(r["time"] for r in move.records() if r["type"] == "intent"
                    and r.get("step") == "files:/srv/shop#back-round") / 1000 - 6
        load.stop()
    third.new.power_cut()
    rollback(move, expect=None)
    assert move.status().startswith("SERVING shop-new"), "it goes back without the target only when told"
    said = move.rehome("rollback", PLAN, "--dry-run", "--target-is-gone")
    assert "LOST: all changes since 20" in said and "must be off" in said, said
    rollback(move, "--target-is-gone")
    assert move.status().startswith("SERVING shop-old | shop-new closed | back: done, without the target"), move.status()
    files = set(third.old.sh("find /srv/shop/orders -name '*.json' -printf '%f\n'").replace(".json", "").split())
    acked = [a for a in load.attempts() if a["status"] == "acked"]
    assert [a["order"] for a in acked if a["end"] < began and a["order"] not in files] == []
    assert sum(a["host"] == "shop-new" and a["order"] in files for a in acked) > 0
    with third.client(rate=20) as load:
        load.wait_acks(20)
        load.stop()
