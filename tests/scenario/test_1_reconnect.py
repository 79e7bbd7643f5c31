# SPDX-License-Identifier: Apache-2.0
"""Whether rehome can connect again once its caller has gone: a key with a passphrase that only the caller's ssh agent
holds does not do, and a key of the migration's own, once approved, does, may start nothing but the agent, and goes.

Partly S0.31 (connectivity), S0.39 (what is left behind).
"""
import hashlib

import pytest

from story import PLAN, codes, wait_for

SOCKET = "/run/caller-agent.sock"
AGENT = {"SSH_AUTH_SOCK": SOCKET}
KEYS = "/root/.ssh/authorized_keys"
OWN = "ssh -i /var/lib/rehome/controller/shop/key/id -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes"


@pytest.fixture(scope="module")
def locked(move):
    """The controller's only key has a passphrase now; the caller's ssh agent holds it open."""
    move.at.sh(f"ssh-agent -a {SOCKET} >/run/caller-agent; SSH_AUTH_SOCK={SOCKET} ssh-add -q /root/.ssh/id_ed25519; "
               "ssh-keygen -q -p -N 'correct horse' -f /root/.ssh/id_ed25519")
    yield move
    leave(move)


def leave(move):
    """The caller goes, and the ssh agent of that login with it."""
    move.at.sh(f". /run/caller-agent >/dev/null; kill $SSH_AGENT_PID; rm -f {SOCKET} /run/caller-agent", check=False)


@pytest.fixture
def before(locked):
    """The keys that the source takes; each story leaves them as they were."""
    keys = keys_on(locked.lab.old)
    yield keys
    wait_for(lambda: keys_on(locked.lab.old) == keys, seconds=30)  # the owner lingers a little


def keys_on(host):
    return host.run(["cat", KEYS]).stdout


def approve(move):
    said = move.rehome("check", PLAN, "--own-key", expect=None, env=AGENT)
    assert "RH-OWNKEY-NEEDED" not in codes(said), said


def test_what_only_the_callers_agent_can_do_is_a_blocker(locked, before):
    said = locked.rehome("check", PLAN, expect=4, env=AGENT)
    assert "RH-OWNKEY-NEEDED" in codes(said) and "--own-key" in said, said


def test_an_owner_that_cannot_log_in_says_what_to_do(locked, before):
    said = locked.rehome("sync", PLAN, "--no-input", expect=4, env=AGENT)
    assert "RH-LINK-LOGIN" in codes(said) and "--own-key" in said, said
    approve(locked)  # as it says; what the owner had claimed on the target is given back by the abort
    locked.rehome("abort", PLAN, "--no-input", env=AGENT)


def test_a_key_of_its_own_starts_nothing_but_its_agent(locked, before):
    at = locked.at
    approve(locked)
    line = keys_on(locked.lab.old).removeprefix(before)
    assert line.startswith("restrict,command=") and line.count("\n") == 1, line
    assert "uid=0" not in at.sh(f"{OWN} old id </dev/null", check=False)
    program = b"\x7fELF another program"
    digest = hashlib.sha256(program).hexdigest()
    said = at.run(["/bin/sh", "-c", f"{OWN} old true"], input=f"{digest} {len(program)}\n".encode() + program,
                  text=False, check=False)
    assert f"REHOME-FAIL other {digest}".encode() in said.stdout, said
    forwarded = at.run(["/bin/sh", "-c", f"{OWN} -W 127.0.0.1:22 old </dev/null"], check=False)
    assert "SSH-2.0" not in forwarded.stdout and "prohibited" in forwarded.stderr, forwarded
    locked.rehome("abort", PLAN, "--no-input", env=AGENT)  # approved and not used: gone again


def test_a_key_of_its_own_is_gone_after_an_abort(locked, before):
    approve(locked)
    locked.sync()
    assert keys_on(locked.lab.old) != before
    locked.rehome("abort", PLAN, "--no-input")


def test_a_key_of_its_own_moves_the_work_and_is_gone_after_accept(locked, before):
    approve(locked)
    leave(locked)
    locked.sync()
    locked.cutover()
    report = locked.rehome("report", PLAN)
    assert f"{KEYS}: the line that ends in rehome:shop-" in report, report
    locked.rehome("accept", PLAN, "--no-input", "--confirm=shop-old")
    assert locked.at.sh("ls -A /var/lib/rehome/controller/shop | grep -c '^key$' || true") == "0"
    assert KEYS not in locked.rehome("report", PLAN)
    approvals = [r["data"]["own_key"].get("removed") for r in locked.records() if r["type"] == "approve"]
    assert approvals == 4 * [None, True]  # of each story here
