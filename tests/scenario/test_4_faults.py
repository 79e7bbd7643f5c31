# SPDX-License-Identifier: Apache-2.0
"""Silent faults, planted one a run on a synced target: each stops the cutover before the pivot and is named.

S4.9 and S1.4 (data complete and correct before it is declared so), S0.24-25 partly, S2.41 partly.
"""
import pytest

from story import PLAN, changed, codes, shape

FILE = "/srv/shop/files"


def first_file(host):
    return host.sh(f"find {FILE} -type f -size +1k -size -16k | sort | sed -n 100p")


def changed_byte(move):
    """One byte in a file on the target, with its times put back."""
    path = first_file(move.lab.new)
    move.lab.new.sh(f"touch -r {path} /root/times; printf X | dd of={path} bs=1 seek=500 conv=notrunc status=none; "
                    f"touch -r /root/times {path}")
    return path


def lost_acl(move):
    move.lab.new.sh("setfacl -b /srv/shop/shared")
    return "/srv/shop/shared"


def lost_default_acl(move):
    move.lab.new.sh("setfacl -k /srv/shop/shared")
    return "/srv/shop/shared"


def stale_file(move):
    """An older version of a file: other content, other time."""
    path = first_file(move.lab.new)
    move.lab.new.sh(f"echo old > {path}; touch -d 2020-01-01 {path}")
    return path


def wrong_owner(move):
    path = first_file(move.lab.new)
    move.lab.new.sh(f"chown daemon {path}")
    return path


def lost_capability(move):
    move.lab.new.sh("setcap -r /srv/shop/bin/ping-like")
    return "/srv/shop/bin/ping-like"


def missing_file(move):
    path = first_file(move.lab.new)
    move.lab.new.sh(f"rm {path}")
    return path


def extra_file(move):
    move.lab.new.sh(f"echo new > {FILE}/not-from-the-source")
    return "not-from-the-source"


def missing_group(move):
    """A membership."""
    move.lab.new.sh("gpasswd -d anna shopdata >/dev/null")
    return "anna"


def wrong_password_hash(move):
    move.lab.new.sh("echo 'deploy:other secret' | chpasswd")
    return "deploy"


def missing_timer(move):
    move.lab.new.sh("rm /etc/systemd/system/shop-report.timer; systemctl daemon-reload")
    return "shop-report.timer"


def changed_unit(move):
    move.lab.new.sh("echo '# changed' >> /etc/systemd/system/shop-orders.service; systemctl daemon-reload")
    return "shop-orders.service"


FAULTS = [changed_byte, lost_acl, lost_default_acl, stale_file, wrong_owner, lost_capability, missing_file, extra_file,
          missing_group, wrong_password_hash, missing_timer, changed_unit]


@pytest.fixture(scope="module")
def synced(move):
    """A target that is in step and proven, and the two servers' shape then."""
    move.sync()
    return shape(move.lab.old)


@pytest.fixture
def whole(move, synced):
    """Puts the target right again after the story: saved before, restored after."""
    new = move.lab.new
    new.sh("rm -rf /root/keep; mkdir /root/keep; cp -a /srv/shop/bin /srv/shop/shared /root/keep/; "
           "cp -a /etc/passwd /etc/shadow /etc/group /etc/gshadow /root/keep/; cp -a /etc/systemd/system /root/keep/units; "
           f"cp -a {FILE} /root/keep/files")
    yield
    new.sh("cp -a /root/keep/passwd /root/keep/shadow /root/keep/group /root/keep/gshadow /etc/; "
           "rm -rf /etc/systemd/system; cp -a /root/keep/units /etc/systemd/system; systemctl daemon-reload; "
           f"rm -rf /srv/shop/bin /srv/shop/shared {FILE}; cp -a /root/keep/bin /root/keep/shared /srv/shop/; "
           f"cp -a /root/keep/files {FILE}; rm -rf /root/keep")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_fault_stops_the_cutover_and_is_named(move, synced, whole, fault):
    name = fault(move)
    said = move.cutover(expect=5)
    assert any(code.endswith("UNEQUAL") for code in codes(said)), said
    assert name in said, said
    assert move.status().startswith("SERVING shop-old"), move.status()
    assert changed(synced, shape(move.lab.old)) == {}


def test_a_second_writer_stops_the_cutover_and_is_named(move, synced):
    """A process of nobody's plan that keeps a file of the shop open for writing."""
    old = move.lab.old
    writer = old.popen(["/usr/bin/python3", "-c",
                        "import time; f = open('/srv/shop/files/second-writer', 'a'); time.sleep(600)"])
    try:
        old.sh("for i in $(seq 50); do [ -e /srv/shop/files/second-writer ] && exit 0; sleep 0.1; done; exit 1")
        said = move.cutover(expect=4)
        assert "second-writer" in said, said
        assert move.status().startswith("SERVING shop-old"), move.status()
    finally:
        old.signal(writer)
        writer.wait()
        old.sh("rm /srv/shop/files/second-writer")


def test_after_all_of_these_an_unspoilt_target_still_passes(move, synced):
    """The faults above were stopped because of the faults: without one the same cutover goes through."""
    move.rehome("sync", PLAN, "--no-input")
    move.cutover(expect=0)
    assert move.status().startswith("SERVING shop-new"), move.status()
