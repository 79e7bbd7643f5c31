# SPDX-License-Identifier: Apache-2.0
"""One whole move under load, judged from outside: nothing lost, nothing doubled, equal trees, then accepted.

S0.32 partly, S2.36-39, S4.5-7 and S4.9; S1.4 by an independent second method.
"""
import json
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

import independent
import left
from lab import accepted_after
from story import PLAN, codes, leftovers, wait_for

ROOT = pathlib.Path(__file__).resolve().parents[2]
TREES = ["/srv/shop", "/etc/shop", "/home/deploy", "/home/anna"]


@pytest.fixture(scope="module")
def moved(lab, move):
    """The move, with everything that may come in its way and must not matter."""
    old, new = lab.old, lab.new
    old.sh("nft -f /etc/nftables.conf")  # as the restarter below will
    story = {"move": move, "inventory": left.look(lab)}
    with lab.client(rate=50) as load:
        load.wait_acks(50)
        story["sync"] = move.sync()
        story["check"] = move.rehome("check", PLAN, expect=None)
        watch = move.at.popen(["rehome", "watch", PLAN], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wait_for(lambda: move.at.sh("grep -lz watch /proc/[0-9]*/cmdline 2>/dev/null | wc -l") != "0")
        time.sleep(0.3)
        move.at.signal(watch, signal.SIGUSR1)
        # A restarter, as monit or a configuration manager is one: it starts the service every 0.3 s, all the time.
        restarter = old.popen(["/bin/sh", "-c", "while :; do systemctl start shop-orders nginx shop-report.timer; "
                                                "nft -f /etc/nftables.conf; sleep 0.02; done"])
        story["cutover"] = move.cutover()
        story["served"] = time.time()
        story["watch"] = watch.communicate(timeout=60)[0]
        time.sleep(3)
        story["frozen while restarted"] = old.sh("systemctl is-active shop-orders nginx shop-report.timer || true")
        old.signal(restarter)
        restarter.wait()
        load.stop()
    story["seen"] = lab.observe(load, "new")
    story["pivot"] = next(r["time"] for r in move.records()
                          if r["type"] == "outcome" and r.get("step") == "move#pivot") / 1000
    return story


def test_no_acknowledged_order_is_lost(moved):
    assert moved["seen"].acked > 200
    assert moved["seen"].lost == []


def test_no_order_is_doubled_and_never_two_servers_answer(lab, moved):
    assert moved["seen"].doubled == []
    assert not moved["seen"].interleaved
    frozen = next(r["time"] for r in moved["move"].records() if r["type"] == "phase"
                  and r["data"]["to"] == "final") / 1000
    assert accepted_after(lab.old, frozen) == []


def test_a_restarter_and_a_firewall_reload_do_not_thaw_the_source(moved):
    assert moved["frozen while restarted"].split() == ["inactive"] * 3


def test_trees_are_equal_by_an_independent_look(lab, moved):
    """find, stat, getfacl, getcap, getfattr, sha256sum; owners by name."""
    for tree in TREES:
        source, target = independent.look(lab.old, tree), independent.look(lab.new, tree)
        assert len(source["entry"]) > 0
        assert independent.differences(source, target, written_after=moved["pivot"] - 1) == [], tree


def test_services_timers_and_jobs_run_on_the_target(lab, moved):
    new = lab.new
    assert new.sh("systemctl is-active shop-orders nginx shop-report.timer").split() == ["active"] * 3
    assert new.sh("systemctl is-enabled shop-orders nginx shop-report.timer").split() == ["enabled"] * 3
    assert "cron-user.log" in new.sh("cat /var/spool/cron/crontabs/deploy")
    assert new.sh("stat -c '%U %G %a' /var/spool/cron/crontabs/deploy") == "deploy crontab 600"
    assert new.run(["test", "-f", "/etc/cron.d/shop"], check=False).returncode == 0


def test_accounts_work_on_the_target(lab, moved):
    new, old = lab.new, lab.old
    for name in ("shop", "deploy", "anna"):
        assert new.sh(f"id -nG {name} | tr ' ' '\\n' | sort") == old.sh(f"id -nG {name} | tr ' ' '\\n' | sort")
        assert new.sh(f"getent shadow {name} | cut -d: -f2") == old.sh(f"getent shadow {name} | cut -d: -f2")
    assert new.sh("getent passwd 1001 | cut -d: -f1") == "monitor"
    assert new.sh("visudo -cf /etc/sudoers.d/deploy >/dev/null && cat /etc/sudoers.d/deploy") == \
        old.sh("cat /etc/sudoers.d/deploy")


def test_the_address_is_on_the_target_only_and_returns_nowhere_by_itself(lab, moved):
    assert "10.77.0.10/24" in lab.network.addresses("new")
    assert lab.network.addresses("old") == ["10.77.0.11/24"] or "10.77.0.10/24" not in lab.network.addresses("old")
    assert lab.old.run(["ip", "route", "show", "default"]).stdout.startswith("default via 10.77.0.1")


def test_the_report_says_what_it_covers(moved):
    move = moved["move"]
    text = move.rehome("report", PLAN)
    assert "0 lost" in text.splitlines()[0] or "0 lost" in "\n".join(text.splitlines()[:6])
    facts = move.facts()
    assert facts["phase"] == "guarded"
    assert facts["forecast"]["lower_ms"] <= facts["forecast"]["upper_ms"] <= 3 * facts["forecast"]["lower_ms"]
    assert 0 < facts["downtime_ms"] < 60000
    html = move.at.sh(f"rehome report {PLAN} --html /root/report.html >/dev/null; cat /root/report.html")
    assert "<html" in html and "shop-old" in html and "<script" not in html


def test_the_journal_verifies_and_a_changed_byte_does_not(moved):
    move = moved["move"]
    move.rehome("verify", "/var/lib/rehome/controller/shop")
    move.at.sh(f"rehome events {PLAN} --json > /root/journal.jsonl")
    move.rehome("verify", "/root/journal.jsonl")
    move.at.sh("sed '5s/outcome/outcomf/;5s/intent/intenu/;5s/phase/phasf/' /root/journal.jsonl > /root/bent.jsonl; "
               "! cmp -s /root/journal.jsonl /root/bent.jsonl")
    said = move.rehome("verify", "/root/bent.jsonl", expect=5)
    assert "RH-JOURNAL" in said


def test_both_hosts_have_signed_and_a_stranger_can_check_the_bundle(lab, moved):
    """S0.34 and S0.35: by a machine that has no rehome, with its own ssh-keygen and sha256sum."""
    move = moved["move"]
    wait_for(lambda: sum(r["type"] == "witness" and r["data"]["phase"] == "guarded" for r in move.records()) == 2)
    made = json.loads(move.rehome("report", PLAN, "--bundle", "/root/evidence.tar", "--json"))
    keys = [lab.host(role).sh("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").split()[1] for role in ("old", "new")]
    assert set(keys) < set(made["signers"])
    for name in ("evidence.tar", "VERIFY.sh"):
        source = ROOT / "src/report/VERIFY.sh" if name == "VERIFY.sh" else lab.new.root / "root" / name
        shutil.copy(source, lab.old.root / "root" / name)
    check = ["sh", "/root/VERIFY.sh", "/root/evidence.tar", made["sha256"], *made["signers"]]
    said = lab.old.run(check)
    assert said.stdout.startswith("WHOLE: ") and "4 signatures of hosts" in said.stdout
    assert lab.old.run(check[:-1], check=False).returncode == 1
    moved_on = bytearray((lab.old.root / "root/evidence.tar").read_bytes())
    moved_on[len(moved_on) // 2] ^= 1
    (lab.old.root / "root/evidence.tar").write_bytes(moved_on)
    assert lab.old.run(check, check=False).returncode == 1
    verify = ["verify", "/root/evidence.tar", "--digest", made["sha256"], "--signers"]
    move.rehome(*verify, ",".join(made["signers"]))
    move.rehome(*verify, made["signers"][0], expect=5)
    for path in ("old/root/evidence.tar", "old/root/VERIFY.sh", "new/root/evidence.tar"):
        role, _, rest = path.partition("/")
        (lab.host(role).root / rest).unlink()


def test_a_signal_asks_who_watches_for_a_line_of_status(moved):
    before, _, rest = moved["watch"].partition("SERVING shop-old | shop-new closed | back: ")
    assert rest and "phase freezing" not in before, moved["watch"]


def test_no_personal_value_is_in_the_journal(lab, moved):
    """The names of people and what else stands beside them in passwd: not in any byte that the controller keeps."""
    names = lab.old.sh("getent passwd shop deploy anna | cut -d: -f5").split("\n")
    assert names == ["Shop of the shop", "Deploy of the shop", "Anna of the shop"]
    for name in names:
        kept = moved["move"].at.run(["grep", "-raF", name, "/var/lib/rehome/controller"], check=False)
        assert kept.returncode == 1, kept.stdout


def test_no_secret_is_in_the_journal(lab, moved):
    text = "\n".join(map(str, moved["move"].records()))
    secret = lab.old.sh("getent shadow deploy | cut -d: -f2")
    assert secret.startswith("$6$") and secret not in text


def test_abort_is_refused_after_the_pivot(moved):
    said = moved["move"].rehome("abort", PLAN, "--no-input", expect=None)
    assert "RH-ENGINE-PASTPIVOT" in codes(said), said


def test_what_is_left_after_acceptance_is_what_the_report_names(lab, moved):
    move = moved["move"]
    move.rehome("accept", PLAN, "--no-input", "--confirm=shop-old")
    assert move.facts()["phase"] == "accepted"
    named = move.rehome("report", PLAN)
    for host in (lab.old, lab.new):
        assert host.sh("ls -d /var/lib/rehome/*/index /var/lib/rehome/*/stage /var/lib/rehome/*/results 2>/dev/null || true") == ""
        for line in leftovers(host):
            if line and "/var/lib/rehome/controller" not in line and not line.endswith("/var/lib/rehome"):
                assert any(line.startswith(part) or part.startswith(line) for part in named.split()
                           if part.startswith("/")), f"{host.name}: {line} is not named by the report"


def test_nothing_is_left_after_acceptance_but_what_the_report_names(lab, moved):
    """By inventories of both servers, before the first command and now."""
    facts = left.at_rest(moved["move"])
    rest = left.unexplained(lab, moved["inventory"], left.look(lab), facts, {"old": left.moved, "new": left.moved})
    own = ["/root/report.html", "/root/journal.jsonl", "/root/bent.jsonl"]  # these tests'
    assert [change for change in rest if change[2] not in own] == []


def test_after_acceptance_another_migration_may_have_the_items(lab, moved):
    """The claims are given back once the owner has ended; a tombstone refuses only this migration's older epochs."""
    def released(host):
        return '"released":true' in host.sh("cat /var/lib/rehome/shop-*/fence").replace(" ", "")
    wait_for(lambda: released(lab.old) and released(lab.new), seconds=30)


def test_the_source_stays_closed_when_it_reboots_after_acceptance(lab, moved):
    lab.old.reboot()
    assert lab.old.sh("systemctl is-active shop-orders nginx shop-report.timer || true").split() == ["inactive"] * 3
    assert "10.77.0.10/24" not in lab.network.addresses("old")
    assert lab.old.sh("ls /var/spool/cron/crontabs /etc/cron.d | grep -E 'deploy|^shop$' || true") == ""
