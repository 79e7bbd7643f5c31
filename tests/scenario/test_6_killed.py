# SPDX-License-Identifier: Apache-2.0
"""`rehome abort --discard` and `rehome purge` killed again and again, each time a little later, by the number of writes
that the command had made (each call to a host and each record is one): given again they go on, and the end is that of
a run which nobody disturbed. S0.32 partly.
"""
import os
import pathlib
import signal
import time

import pytest

import left
from story import PLAN

pytestmark = pytest.mark.skipif(not os.environ.get("REHOME_LONG"), reason="./check full")


def inside(process):
    """The command itself, below those that brought it into the host."""
    pid = process.pid
    while True:
        try:
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        except OSError:
            return pid
        if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "rehome" or not children:
            return pid
        pid = int(children[0])


def writes(process):
    """How many writes it has made; None once it has ended."""
    try:
        pid = inside(process)
        if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() != "rehome":
            return 0
        return int(pathlib.Path(f"/proc/{pid}/io").read_text().split("syscw: ")[1].split()[0])
    except (OSError, IndexError):
        return None


def killed_later_and_later(host, argv):
    """Gives the command until it ends by itself; how often it was killed, and its last exit status."""
    kills, limit = 0, 1
    while True:
        process = host.popen(argv)
        while process.poll() is None:
            if (writes(process) or 0) >= limit:
                host.signal(process, signal.SIGKILL)
                break
            time.sleep(0.0005)
        status = process.wait()
        if status >= 0 and status not in (137, 128 + 9):
            return kills, status
        kills += 1
        limit += max(1, limit // 6)


def backups(kind, name):
    """What useradd and userdel leave of the files they change."""
    return kind == "file" and name.endswith("-") and bool(left.ACCOUNT_FILES.match(name))


def test_a_discard_that_is_killed_at_each_point_ends_as_one_that_was_not(lab, own_move):
    move = own_move
    move.write_plan()
    before = left.look(lab)
    move.sync()
    kills, status = killed_later_and_later(lab.new, ["rehome", "abort", PLAN, "--discard", "--no-input", "--confirm=shop-new"])
    print(f"{kills} kills")
    assert kills >= 10 and status == 0
    assert left.unexplained(lab, before, left.look(lab), left.at_rest(move), {"old": left.its_own_work, "new": backups}) == []
    assert lab.old.sh("systemctl is-active shop-orders nginx").split() == ["active"] * 2
    move.rehome("verify", "/var/lib/rehome/controller/shop")


def test_a_purge_that_is_killed_at_each_point_ends_as_one_that_was_not(lab, own_move):
    move = own_move
    move.write_plan(lambda text: text + "kept: {owner: Otto, for: 0s}\n")
    move.sync()
    move.cutover()
    move.rehome("accept", PLAN, "--no-input", "--confirm=shop-old")
    left.at_rest(move)
    aside = lab.new.sh("ls -d /var/lib/rehome/shop-*/aside/*").split("\n")
    served = lab.new.sh("find /etc/nginx /etc/shop -type f -print0 | sort -z | xargs -0 sha256sum")
    kills, status = killed_later_and_later(lab.new, ["rehome", "purge", PLAN])
    print(f"{kills} kills")
    assert kills >= 5 and status == 0
    assert lab.new.sh("ls /var/lib/rehome/shop-*/aside 2>/dev/null || true") == ""
    assert lab.new.sh("find /etc/nginx /etc/shop -type f -print0 | sort -z | xargs -0 sha256sum") == served
    begun = [r["data"]["purge"]["begins"] for r in move.records() if r["type"] == "seal" and "begins" in r["data"].get("purge", {})]
    ended = [r["data"]["purge"] for r in move.records() if r["type"] == "seal" and "left" in r["data"].get("purge", {})]
    assert {one["path"] for one in begun[0]} == set(aside), "each thing stands in the record before it goes"
    assert ended and ended[-1]["left"] == []
    move.rehome("verify", "/var/lib/rehome/controller/shop")
