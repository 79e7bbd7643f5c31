# SPDX-License-Identifier: Apache-2.0
"""The keeper on the source: rounds follow what it saw; killed, rebooted or cut off, they go on; nothing of it stays."""
import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

from story import PLAN, leftovers, wait_for

BUILD = pathlib.Path(os.environ.get("REHOME_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))
TREE, COPY = "/srv/shop", "/srv/copy"


def digest(host, top):
    """Content, types and modes, by tools of the host."""
    return host.sh(f"cd {top} && (find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum; "
                   "find . -printf '%p %y %m %l\\n' | LC_ALL=C sort) | sha256sum")


def unit(host):
    return host.sh("systemctl list-units --all --plain --no-legend 'rehome-keeper-*' | awk '{print $1,$3}'").split()


def traces(host):
    return [line for line in leftovers(host) if "/run/" in line or "agent" in line]


class Rounds:
    """Connections from new to old that stay open, and rounds over them."""

    def __init__(self, lab):
        self.lab = lab
        shutil.copy(BUILD / "tests/bench/bench-rounds", pathlib.Path(lab.new.root) / "root/bench-rounds")
        self.open()

    def open(self):
        self.process = self.lab.new.popen(["/root/bench-rounds", "root@shop-old", TREE, COPY,
                                           "/usr/libexec/rehome/rehome-agent"],
                                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        said = json.loads(self.process.stdout.readline() or '{"error": "ended"}')
        assert "error" not in said, said
        return said

    def cut(self):
        self.lab.new.signal(self.process, signal.SIGKILL)
        self.process.wait()

    def close(self):
        self.process.stdin.close()
        self.process.wait()

    def equal(self):
        return digest(self.lab.old, TREE) == digest(self.lab.new, COPY)


@pytest.fixture(scope="module")
def rounds(move):
    move.lab.old.sh("systemctl stop shop-orders shop-report.timer nginx cron; pkill -u deploy || true")
    it = Rounds(move.lab)
    it.ask("seed")
    yield it
    if it.process.poll() is None:
        it.close()


def test_a_round_visits_what_the_keeper_saw(rounds):
    old = rounds.lab.old
    assert unit(old)[1:] == ["active"]
    old.sh(f"cd {TREE} && echo changed > files/k1 && mkdir -p files/kd/e && echo x > files/kd/e/f && chmod 0604 files/k1")
    done = rounds.ask("round")
    assert done["hinted"] and done["walked"] < 50, done
    assert rounds.equal()


def test_a_keeper_that_was_killed_means_one_walk(rounds):
    old = rounds.lab.old
    old.sh("systemctl kill -s KILL 'rehome-keeper-*'")
    old.sh(f"cd {TREE} && mv files/kd files/km && rm files/k1")
    done = rounds.ask("round")
    assert not done["hinted"] and done["why_full"] == "keeper", done
    assert rounds.equal()
    assert rounds.ask("round")["hinted"] and unit(old)[1:] == ["active"]


def test_a_connection_that_was_cut_changes_nothing_for_the_keeper(rounds):
    old = rounds.lab.old
    rounds.cut()
    old.sh(f"cd {TREE} && echo more > files/km/e/f")
    rounds.open()
    done = rounds.ask("round")
    assert done["hinted"], done
    assert rounds.equal()


def test_a_reboot_means_one_walk(rounds):
    old = rounds.lab.old
    rounds.cut()
    old.power_cut()
    old.start()
    old.sh("systemctl stop shop-orders shop-report.timer nginx cron")
    old.sh(f"cd {TREE} && rm -r files/km && echo again > files/k2")
    rounds.open()
    done = rounds.ask("round")
    assert not done["hinted"] and done["why_full"] == "keeper", done
    assert rounds.ask("round")["hinted"]
    assert rounds.equal()


def test_nothing_of_it_stays_when_the_claim_ends(rounds):
    rounds.close()
    for host in (rounds.lab.old, rounds.lab.new):
        assert unit(host) == [] and traces(host) == [], host.name


def test_an_abort_ends_it(move, rounds):
    old = move.lab.old
    move.sync()
    assert unit(old)[1:] == ["active"]
    move.rehome("abort", PLAN, "--no-input", expect=None)
    wait_for(lambda: unit(old) == [] and traces(old) == [], seconds=30)
