# SPDX-License-Identifier: Apache-2.0
"""Silent faults, planted one a run on a synced target: each stops the cutover before the pivot and is named.

S4.9 and S1.4 (data complete and correct before it is declared so), S0.24-25 partly, S2.41 partly.
"""
import pytest

from story import PLAN, changed, codes, shape

FILES = "/srv/shop/files"
KEEP = "/root/keep"


def some_file(host):
    return host.sh(f"find {FILES} -type f -size +1k -size -16k -path '{FILES}/*' ! -name '*[!a-zA-Z0-9._-]*' | sort | sed -n 100p")


def kept(new, path):
    """Keeps what lies there, with all it carries; the command that puts it back."""
    new.sh(f"rm -rf {KEEP}; cp -a {path} {KEEP}")
    return f"rm -rf {path}; cp -a {KEEP} {path}"


def changed_byte(new):
    """One byte in a file, with its times put back."""
    path = some_file(new)
    back = kept(new, path)
    new.sh(f"printf X | dd of={path} bs=1 seek=500 conv=notrunc status=none; touch -r {KEEP} {path}")
    return path, back


def stale_file(new):
    """An older version of a file: other content, other time."""
    path = some_file(new)
    back = kept(new, path)
    new.sh(f"echo old > {path}; touch -d 2020-01-01 {path}")
    return path, back


def missing_file(new):
    path = some_file(new)
    back = kept(new, path)
    new.sh(f"rm {path}")
    return path, back


def extra_file(new):
    new.sh(f"echo new > {FILES}/not-from-the-source")
    return "not-from-the-source", f"rm {FILES}/not-from-the-source"


def wrong_owner(new):
    path = some_file(new)
    back = kept(new, path)
    new.sh(f"chown daemon {path}")
    return path, back


def lost_acl(new):
    new.sh(f"getfacl -p /srv/shop/shared > {KEEP}.acl; setfacl -b /srv/shop/shared")
    return "/srv/shop/shared", f"setfacl --restore={KEEP}.acl"


def lost_default_acl(new):
    new.sh(f"getfacl -p /srv/shop/shared > {KEEP}.acl; setfacl -k /srv/shop/shared")
    return "/srv/shop/shared", f"setfacl --restore={KEEP}.acl"


def lost_capability(new):
    new.sh("setcap -r /srv/shop/bin/ping-like")
    return "/srv/shop/bin/ping-like", "setcap cap_net_raw+ep /srv/shop/bin/ping-like"


def missing_group(new):
    """A membership."""
    back = kept(new, "/etc/group") + f"; cp -a {KEEP}.g /etc/gshadow"
    new.sh(f"cp -a /etc/gshadow {KEEP}.g; gpasswd -d anna shopdata >/dev/null")
    return "anna", back


def wrong_password_hash(new):
    back = kept(new, "/etc/shadow")
    new.sh("echo 'deploy:other secret' | chpasswd")
    return "deploy", back


def missing_timer(new):
    path = "/etc/systemd/system/shop-report.timer"
    back = kept(new, path) + "; systemctl daemon-reload"
    new.sh(f"rm {path}; systemctl daemon-reload")
    return "shop-report.timer", back


def changed_unit(new):
    path = "/etc/systemd/system/shop-orders.service"
    back = kept(new, path) + "; systemctl daemon-reload"
    new.sh(f"echo '# changed' >> {path}; systemctl daemon-reload")
    return "shop-orders.service", back


FAULTS = [changed_byte, lost_acl, lost_default_acl, stale_file, wrong_owner, lost_capability, missing_file, extra_file,
          missing_group, wrong_password_hash, missing_timer, changed_unit]


@pytest.fixture(scope="module")
def synced(move):
    """A target that is in step and proven, and the two servers' shape then."""
    move.sync()
    return shape(move.lab.old)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_fault_stops_the_cutover_and_is_named(move, synced, fault):
    new = move.lab.new
    name, back = fault(new)
    try:
        said = move.cutover(expect=5)
        assert any(code.endswith("UNEQUAL") for code in codes(said)), said
        assert name.removeprefix("/srv/shop/") in said, said
        assert move.status().startswith("SERVING shop-old"), move.status()
        assert changed(synced, shape(move.lab.old)) == {}
    finally:
        new.sh(back)
        move.sync()  # the round after a failed proof makes equal again; the next fault is planted behind it


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
