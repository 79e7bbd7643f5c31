# SPDX-License-Identifier: Apache-2.0
"""What preflight finds: named with a code and what to do, exit 4, and both servers as they were.

Partly S0.12, S1.13 (long-lived writers are found), S2.9.
"""
import pytest

from story import PLAN, changed, codes, shape


@pytest.fixture(autouse=True)
def unchanged(move):
    before = {host.role: shape(host) for host in (move.lab.old, move.lab.new)}
    yield
    for host in (move.lab.old, move.lab.new):
        assert changed(before[host.role], shape(host)) == {}


def blocked(move, code, *words, plan=PLAN):
    said = move.rehome("check", plan, expect=4)
    assert code in codes(said), said
    for word in words:
        assert word in said, said
    return said


def test_the_plan_as_written_has_no_blocker(move):
    said = move.rehome("check", PLAN, expect=None)
    assert "blocker" not in said.lower() or "0 blockers" in said.lower(), said


def test_content_in_the_way_on_the_target_is_named(move):
    move.at.sh("mkdir -p /srv/shop; echo mine > /srv/shop/theirs.txt")
    try:
        blocked(move, "RH-TREE-INWAY", "theirs.txt")
    finally:
        assert move.at.sh("cat /srv/shop/theirs.txt; rm -r /srv/shop") == "mine"


def test_a_port_that_is_taken_on_the_target_is_named(move):
    server = move.at.popen(["/usr/bin/python3", "-m", "http.server", "8080", "--bind", "127.0.0.1"])
    try:
        move.at.sh("for i in $(seq 50); do ss -Hltn sport = 8080 | grep -q . && exit 0; sleep 0.1; done; exit 1")
        blocked(move, "RH-SERVICE-PORT", "8080", "python3")
    finally:
        move.at.signal(server)
        server.wait()


def test_a_package_that_is_missing_on_the_target_is_named(move):
    move.at.sh("dpkg-query -W -f '${Status}' nginx-light >/dev/null")
    move.at.sh("sed -i '/^Package: nginx-light$/,/^$/s/^Status: .*/Status: deinstall ok config-files/; "
               "/^Package: nginx$/,/^$/s/^Status: .*/Status: deinstall ok config-files/' /var/lib/dpkg/status")
    try:
        blocked(move, "RH-SERVICE-PACKAGE", "apt-get install")
    finally:
        move.at.sh("sed -i '/^Package: nginx-light$/,/^$/s/^Status: .*/Status: install ok installed/; "
                   "/^Package: nginx$/,/^$/s/^Status: .*/Status: install ok installed/' /var/lib/dpkg/status")


def test_a_target_disk_that_is_too_small_is_found_before_anything_is_copied(move):
    move.at.sh("mkdir -p /srv/shop; mount -t tmpfs -o size=20m none /srv/shop")
    try:
        blocked(move, "RH-FILES-NOSPACE", "/srv/shop")
    finally:
        move.at.sh("umount /srv/shop; rmdir /srv/shop")


def test_items_that_fit_one_by_one_and_not_together_are_found(move):
    """Two items on one small filesystem: the sum is named with both, and nothing was copied."""
    move.lab.old.sh("for d in a b; do mkdir -p /opt/$d; head -c 24M /dev/urandom > /opt/$d/file; done")
    move.at.sh("mkdir -p /mnt/small; mount -t tmpfs -o size=56m none /mnt/small")
    more = "  - files: /opt/a\n    to: /mnt/small/a\n  - files: /opt/b\n    to: /mnt/small/b\n"
    path = move.write_plan(lambda text: text.replace("  - service: shop-orders", more + "  - service: shop-orders", 1),
                           path="/root/two.yaml")
    try:
        blocked(move, "RH-FILES-NOSPACE", "together files:/opt/a, files:/opt/b", "/mnt/small", plan=path)
        assert move.at.sh("ls /mnt/small") == ""
    finally:
        move.at.sh("umount /mnt/small; rmdir /mnt/small")
        move.lab.old.sh("rm -r /opt/a /opt/b")


def test_what_a_killed_agent_left_is_removed_and_named(move):
    """A pushed agent that was ended by SIGKILL or with the power could not remove its file."""
    old = move.lab.old
    old.sh("mkdir -m 700 /var/tmp/rehome-0; touch -d '1 hour ago' /var/tmp/rehome-0/rehome-agent-00ff")
    said = move.rehome("check", PLAN, expect=3)
    assert "/var/tmp/rehome-0/rehome-agent-00ff lay on the source" in said, said
    assert old.run(["test", "-e", "/var/tmp/rehome-0"], check=False).returncode == 1


def test_an_unclaimed_writer_is_named(move):
    old = move.lab.old
    writer = old.popen(["/usr/bin/python3", "-c",
                        "import time; f = open('/opt/ledger', 'a'); f.write('x'); f.flush(); time.sleep(600)"])
    try:
        old.sh("for i in $(seq 50); do [ -s /opt/ledger ] && exit 0; sleep 0.1; done; exit 1")
        blocked(move, "RH-MOVE-UNCLAIMED", "/opt/ledger", "python3")
    finally:
        old.signal(writer)
        writer.wait()
        old.sh("rm /opt/ledger")


def test_an_unclaimed_listener_is_named(move):
    old = move.lab.old
    server = old.popen(["/usr/bin/python3", "-m", "http.server", "9099", "--bind", "10.77.0.10"])
    try:
        old.sh("for i in $(seq 50); do ss -Hltn sport = 9099 | grep -q . && exit 0; sleep 0.1; done; exit 1")
        blocked(move, "RH-MOVE-UNCLAIMED", "9099")
    finally:
        old.signal(server)
        server.wait()


def test_the_address_by_which_the_source_is_reached_cannot_move(move):
    path = move.write_plan(lambda text: text.replace("via: 10.99.0.10", "via: 10.77.0.10"), path="/root/nomgmt.yaml")
    blocked(move, "RH-ADDRESS-MANAGEMENT", "10.77.0.10", plan=path)
