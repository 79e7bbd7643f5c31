# SPDX-License-Identifier: Apache-2.0
"""rehome copy and compare between hosts: from one, to one, and from one to another with this host between them."""
import os

import pytest

import independent
from lab import Lab
from conftest import BUILD
from story import Move

ODD = "/srv/shop/files/odd"


@pytest.fixture(scope="module")
def three():
    lab = Lab(os.environ.get("REHOME_LAB_NAME", "copies")[:7] + "c", hosts=("old", "new", "ctl"))
    lab.down()
    try:
        lab.up()
        for host in ("new", "ctl"):
            lab.install(BUILD, hosts=(host,))
        yield lab
    finally:
        lab.down()


def _equal(a, b, top):
    found = independent.differences(independent.look(a, top, numeric=True), independent.look(b, top, numeric=True))
    assert not found, "\n".join(found[:10])


def _copy(at, *argv):
    """Copies; findings are no failure."""
    done = at.run(["rehome", "copy", *argv], check=False, timeout=180)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    return done.stdout


def test_from_a_host_to_this_one_and_again_as_a_delta(three):
    three.new.run(["mkdir", "-p", "/srv/shop/files"])
    assert "equal:" in _copy(three.new, f"root@old:{ODD}", ODD)
    _equal(three.old, three.new, ODD)
    three.old.sh(f"echo more >> {ODD}/later; chown 1500 {ODD}/later")
    assert "copied: 1 files" in _copy(three.new, f"root@old:{ODD}", ODD)
    _equal(three.old, three.new, ODD)


def test_from_this_host_to_another_and_to_another_path(three):
    three.new.run(["mv", ODD, ODD + "-3"])
    _copy(three.new, ODD + "-3", f"root@old:{ODD}-3")
    _equal(three.new, three.old, ODD + "-3")
    Move(three).rehome("compare", f"root@old:{ODD}", f"{ODD}-3")


def test_from_one_host_to_another_by_a_third(three):
    _copy(three.ctl, f"root@old:{ODD}", f"root@new:{ODD}")
    _equal(three.old, three.new, ODD)
    at_ctl = Move(three, controller=three.ctl)
    at_ctl.rehome("compare", f"root@old:{ODD}", f"root@new:{ODD}")
    three.new.sh(f"touch {ODD}")
    assert "mtime" in at_ctl.rehome("compare", f"root@old:{ODD}", f"root@new:{ODD}", expect=5)


def test_a_host_reached_by_ssh_that_is_this_one_overlaps_all_the_same(three):
    three.ctl.run(["mkdir", "-p", "/srv/x"])
    said = Move(three, controller=three.ctl).rehome("copy", f"root@new:{ODD}", f"root@10.99.0.20:{ODD}/below", expect=4)
    assert "RH-FILES-OVERLAP" in said


def test_a_copy_leaves_nothing_running_and_no_agent(three):
    for host in (three.old, three.new, three.ctl):
        assert host.run(["pgrep", "-f", "rehome-agent"], check=False).stdout == ""
