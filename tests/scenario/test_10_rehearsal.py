# SPDX-License-Identifier: Apache-2.0
"""Where a service's version differs between the hosts the way back counts as none until a rehearsal wrote on the
target, went back, started the old version and passed. nginx differs in the lab (1.22 and 1.26).

S0.32, S2.48.
"""
import os
import pty
import select
import time

import pytest

from story import PLAN, codes, shape

LONG = bool(os.environ.get("REHOME_LONG"))
long_only = pytest.mark.skipif(not LONG, reason="./check full")
REASON = "    back-why: it keeps no data of its own\n"
WRITER = """
import json, sys, urllib.request
body = json.dumps({"order": "rehearsed", "attempt": "rehearsed-1"}).encode()
said = urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:8080/orders", body), timeout=20).read()
sys.exit(0 if b"rehearsed-1" in said else 1)
"""
WRITES = ("rehearsal:\n  write: [/usr/bin/python3, /root/order.py]\n"
          "  check: [/usr/bin/grep, -q, rehearsed-1, /srv/shop/orders.log]\n")


def unreasoned(text):
    return text.replace(REASON, "")


def writing(text):
    return unreasoned(text) + WRITES


def rehearse(move, expect=0):
    return move.rehome("test", PLAN, "--no-input", expect=expect, timeout=400)


def mode(move):
    facts = move.facts()
    return facts["back_mode"], facts["back_none_why"]


def serving(host):
    """What must not change: the processes of the services, and what listens."""
    return host.sh("systemctl show -p MainPID --value shop-orders nginx; ss -Hltn | awk '{print $4}' | sort")


def typing(move, *lines):
    """`rehome cutover` at a terminal, each question answered by the next line; its exit status and what it showed."""
    mine, its = pty.openpty()
    process = move.at.popen(["rehome", "cutover", PLAN], stdin=its, stdout=its, stderr=its)
    os.close(its)
    shown, left, end = b"", list(lines), time.monotonic() + 60
    while time.monotonic() < end:
        if select.select([mine], [], [], 0.2)[0]:
            try:
                shown += os.read(mine, 65536)
            except OSError:
                break
        elif process.poll() is not None:
            break
        if left and shown.count(b"keeps all as it is: ") > len(lines) - len(left):
            os.write(mine, left.pop(0).encode() + b"\n")
    os.close(mine)
    return process.wait(), shown.decode(errors="replace")


def rooms(host):
    """Traces of a room: directories, units, mounts, network namespaces, processes."""
    return host.sh("set +e; ls -d /var/lib/rehome/*/rehearsal 2>/dev/null; ls /run/systemd/system | grep rehearsal; "
                   "systemctl list-units --all --plain --no-legend 'rehome-rehearsal-*'; grep rehearsal /proc/mounts; "
                   "ip netns list; ls /var/lib/rehome/*/index/rehearsal-* 2>/dev/null; true")


def orders(host):
    return host.sh("find /srv/shop/orders -name 'rehearsed*'; grep -c rehearsed /srv/shop/orders.log || true")


@pytest.fixture(scope="module")
def rehearsed(lab, move):
    """In step; refused without a rehearsal; rehearsed."""
    move.write_plan(writing)
    lab.new.run(["tee", "/root/order.py"], input=WRITER)
    move.sync()
    story = {"move": move, "mode before": mode(move),
             "asked": move.rehome("cutover", PLAN, "--no-input", "--confirm=shop-old", expect=None)}
    story["typed"] = [typing(move, "shop-old"), typing(move, "no way back", "shop-new")]
    before = [(serving(h), shape(h)) for h in (lab.old, lab.new)]
    story["said"] = rehearse(move)
    after = [(serving(h), shape(h)) for h in (lab.old, lab.new)]
    story["serving"] = [b[0] == a[0] for b, a in zip(before, after)]
    story["shape"] = [b[1] == a[1] for b, a in zip(before, after)]
    story["rooms"] = [rooms(h) for h in (lab.old, lab.new)]
    story["mode"] = mode(move)
    return story


def test_opening_without_a_way_back_asks_in_words_of_its_own(rehearsed):
    assert rehearsed["mode before"][0] == "none"
    assert "nginx is 1.22.1 on the source and 1.26.3 on the target" in rehearsed["mode before"][1]
    assert codes(rehearsed["asked"]) >= {"RH-CLI-ONEWAY"}, rehearsed["asked"]
    assert "--no-way-back" in rehearsed["asked"]


def test_at_a_terminal_the_words_have_to_be_typed_and_then_the_hosts_name(rehearsed):
    (first, said), (second, asked) = rehearsed["typed"]
    assert first != 0 and "RH-CLI-ONEWAY" in codes(said) and "loses service" not in said, said
    assert second != 0 and "loses service" in asked and "RH-CLI-CONFIRM" in codes(asked), asked
    assert "phase" not in said + asked


def test_a_rehearsal_that_passed_raises_the_mode(rehearsed):
    assert "wrote (" in rehearsed["said"], rehearsed["said"]
    assert rehearsed["mode"] == ("delta", [])


def test_its_record_is_bound_to_the_plan_and_both_versions(rehearsed):
    last = [r for r in rehearsed["move"].records() if r["type"] == "outcome" and r.get("step") == "move#rehearse"][-1]
    result = last["data"]["result"]
    assert result["plan"] == rehearsed["move"].facts()["plan_hash"]
    assert "nginx is 1.22.1 on the source and 1.26.3 on the target" in result["versions"]["service:nginx.service"]
    assert result["started"] == ["shop-orders.service", "nginx.service"] and result["written"] >= 2


def test_what_serves_and_what_was_synced_is_not_touched(lab, rehearsed):
    assert rehearsed["serving"] == [True, True] and rehearsed["shape"] == [True, True]
    assert [orders(host) for host in (lab.old, lab.new)] == ["0", "0"]


def test_nothing_of_it_is_left(rehearsed):
    assert rehearsed["rooms"] == ["", ""]


def test_a_package_that_is_changed_afterwards_makes_it_none_again(lab, rehearsed):
    """Found before the freeze; nothing was down."""
    move = rehearsed["move"]
    status = "/var/lib/dpkg/status"
    lab.new.sh(f"cp -p {status} /root/status; sed -i '/^Package: nginx$/,/^$/s/^Version: .*/Version: 1.28.0-1/' {status}")
    before = serving(lab.old)
    said = move.cutover(expect=None)
    lab.new.sh(f"mv /root/status {status}")
    assert "RH-SERVICE-VERSION" in codes(said) and "1.28.0" in said, said
    assert serving(lab.old) == before and move.status().startswith("SERVING shop-old")
    assert mode(move)[0] == "none"


def test_a_plan_that_is_changed_afterwards_makes_it_none_again(rehearsed):
    move = rehearsed["move"]
    move.write_plan(lambda text: writing(text) + "# another byte\n")
    move.sync()
    assert mode(move)[0] == "none"
    said = move.rehome("cutover", PLAN, "--no-input", "--confirm=shop-old", expect=None)
    assert "RH-CLI-ONEWAY" in codes(said), said


def test_what_nobody_was_told_stops_before_the_freeze_and_what_was_confirmed_is_in_the_record_and_the_report(lab, own_move):
    """Before anybody has looked at the hosts no mode is known, so nobody can be asked."""
    own_move.write_plan(unreasoned)
    before = serving(lab.old)
    said = own_move.rehome("cutover", PLAN, "--no-input", "--confirm=old", expect=None, timeout=300)
    assert "RH-REHEARSE-ONEWAY" in codes(said) and "1.26.3" in said, said
    assert serving(lab.old) == before and own_move.status().startswith("SERVING shop-old")
    assert not [r for r in own_move.records() if r["type"] == "intent" and r["step"] == "move#flag"]
    own_move.rehome("cutover", PLAN, "--no-input", "--confirm=shop-old", "--no-way-back", timeout=300)
    asked = [r for r in own_move.records() if r["type"] == "request" and r["data"]["request"] == "cutover"][-1]
    given = asked["data"]["no_way_back"]
    assert given["how"] == "option" and given["plan"] == own_move.facts()["plan_hash"]
    assert "nginx is 1.22.1 on the source and 1.26.3 on the target" in given["why"]
    assert asked["actor"].startswith("operator:#")
    report = own_move.rehome("report", PLAN)
    assert "cutover; confirmed (option) that there is no proven way back: nginx is 1.22.1" in report, report


@long_only
def test_a_rehearsal_in_which_nothing_was_written_does_not_count(lab, own_move):
    own_move.write_plan(unreasoned)
    own_move.sync()
    said = rehearse(own_move, expect=None)
    assert "RH-REHEARSE-NOTHING" in codes(said), said
    assert mode(own_move)[0] == "none" and [rooms(h) for h in (lab.old, lab.new)] == ["", ""]


@long_only
def test_an_older_version_that_cannot_read_it_is_found_and_the_mode_stays_none(lab, own_move):
    """A setting that nginx knows from 1.25.1 on, written while the new server has it."""
    lab.new.run(["tee", "/root/set.py"],
                input="open('/etc/nginx/conf.d/new.conf', 'w').write('server { listen 127.0.0.1:8099; http2 on; }\\n')\n")
    own_move.write_plan(lambda text: unreasoned(text) + "rehearsal: {write: [/usr/bin/python3, /root/set.py]}\n")
    own_move.sync()
    before = serving(lab.old)
    said = rehearse(own_move, expect=None)
    assert "RH-REHEARSE-OLD" in codes(said) and "http2" in said, said
    assert mode(own_move)[0] == "none" and serving(lab.old) == before
    assert lab.new.sh("ls /etc/nginx/conf.d") == lab.old.sh("ls /etc/nginx/conf.d")
    assert [rooms(h) for h in (lab.old, lab.new)] == ["", ""]


@long_only
def test_a_controller_killed_in_a_rehearsal_goes_on_and_leaves_nothing(lab, own_move):
    own_move.write_plan(writing)
    lab.new.run(["tee", "/root/order.py"], input=WRITER)
    own_move.sync()
    before = serving(lab.old)
    asked = own_move.at.popen(["rehome", "test", PLAN, "--no-input"])
    lab.new.sh("until ls /run/systemd/system | grep -q rehearsal; do sleep 0.1; done")
    own_move.at.sh("systemctl kill -s KILL rehome@shop.service")
    asked.wait()
    assert mode(own_move)[0] == "delta" and serving(lab.old) == before
    assert [rooms(h) for h in (lab.old, lab.new)] == ["", ""]


@long_only
def test_one_that_was_killed_and_is_then_aborted_leaves_nothing(lab, own_move):
    own_move.write_plan(writing)
    lab.new.run(["tee", "/root/order.py"], input=WRITER)
    own_move.sync()
    asked = own_move.at.popen(["rehome", "test", PLAN, "--no-input"])
    lab.old.sh("until ls /run/systemd/system | grep -q rehearsal; do sleep 0.1; done")
    own_move.at.sh("systemctl stop rehome@shop.service || true; systemctl kill -s KILL rehome@shop.service || true")
    asked.kill()
    asked.wait()
    own_move.rehome("abort", PLAN, "--no-input")
    assert [rooms(h) for h in (lab.old, lab.new)] == ["", ""]
    assert own_move.status().startswith("SERVING shop-old")
