# SPDX-License-Identifier: Apache-2.0
"""An undo that fails: the rest is undone, the freeze and the fence stay, people are told, and there are three ways out:
`rehome resume`, `rehome abort`, and the text on the source when rehome cannot.

S0.32 partly.
"""
import os
import socket
import threading

import pytest

from story import PLAN, changed, codes, phase_of, run_the_text, shape, wait_phase

LONG = bool(os.environ.get("REHOME_LONG"))
WAYS = ["resume", "abort", "text"]
BROKEN = "/run/systemd/system/shop-orders.service.d"


@pytest.fixture(scope="module")
def synced(move):
    move.sync()
    return shape(move.lab.old)


def _takes_one_request_and_ends(path):
    """An owner's socket at `path`: who connects and says nothing is left alone, the first request is taken, and that is all."""
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(path))
    door.listen()

    def serve():
        while True:
            caller, _ = door.accept()
            with caller, caller.makefile("rb") as lines:
                if lines.readline():
                    path.unlink()
                    door.close()
                    caller.sendall(b"{}\n")
                    return
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def test_an_owner_that_took_a_request_and_ended_at_once_is_followed_by_the_next(move, synced):
    move.at.run(["systemctl", "stop", "rehome@shop"])
    path = move.at.root / "var/lib/rehome/controller/shop/owner.sock"
    path.unlink(missing_ok=True)
    before = len(move.records())
    taken = _takes_one_request_and_ends(path)
    move.rehome("sync", PLAN, "--no-input")
    taken.join(timeout=10)
    assert not taken.is_alive()
    assert any(r["type"] == "request" for r in move.records()[before:])


def break_the_source(old):
    """The service goes on running, and would not start again."""
    old.sh(f"mkdir -p {BROKEN}; printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n' > {BROKEN}/no.conf; "
           "systemctl daemon-reload")


def mend_the_source(old):
    old.sh(f"rm -rf {BROKEN}; systemctl daemon-reload; systemctl reset-failed shop-orders.service || true")


@pytest.mark.parametrize("way", WAYS if LONG else ["resume"])
def test_an_undo_that_fails_leaves_a_way_out(move, synced, way):
    old, new = move.lab.old, move.lab.new
    move.write_plan(lambda text: text.replace("http://127.0.0.1/health", "http://127.0.0.1/no-such-page", 1))
    break_the_source(old)
    try:
        said = move.cutover(expect=None)
        wait_phase(move, "stuck", seconds=20)
        status = move.status()
        assert not status.startswith("SERVING"), status
        assert "RH-ENGINE-STUCK" in said and "RH-SERVICE-START" in codes(said), said
        assert "resume" in said and "REHOME-FROZEN.txt" in said, said
        # what does not depend on it is undone, what protects stays
        assert "10.77.0.10/24" in move.lab.network.addresses("old")
        assert old.run(["test", "-e", "/root/REHOME-FROZEN.txt"], check=False).returncode == 0
        assert new.sh("systemctl is-active shop-orders nginx || true").split() == ["inactive"] * 2
        assert "RH-" in move.rehome("cutover", PLAN, "--no-input", "--confirm=shop-old", expect=None)
        assert phase_of(move) == "stuck"
        mend_the_source(old)
        if way == "text":
            run_the_text(old)
            assert old.sh("systemctl is-active shop-orders nginx || true").split() == ["active"] * 2
        move.rehome("abort" if way == "abort" else "resume", PLAN, "--no-input", expect=None)
        wait_phase(move, "aborted", "syncing", seconds=60)
    finally:
        mend_the_source(old)
        move.write_plan()
    assert move.status().startswith("SERVING shop-old"), move.status()
    assert changed(synced, shape(old)) == {}
    with move.lab.client(rate=20) as load:
        load.wait_acks(20, seconds=10)
