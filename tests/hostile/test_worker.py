# SPDX-License-Identifier: Apache-2.0
"""Who takes the other host's stream: a process of its own, which has given up what it does not need before it applies a record."""
import os
import signal
import time

import pytest
from peer import CONTENT, DATA, FILE, RDATA, ROOT, entry, family, frame, head, record


def status(pid):
    with open(f"/proc/{pid}/status") as f:
        return dict((line.split(":", 1)[0], line.split(":", 1)[1].strip()) for line in f if ":" in line)


@pytest.fixture
def half_way(agent, ground):
    """A receive that waits for the rest of a file, and its worker."""
    a = agent()
    a.frame()
    call = a.call("tree.receive", {"root": str(ground / "root"), "migration": "hostile", "index": "i", "seed": True})
    a.put(frame(DATA, call, 0, head() + ROOT + record(CONTENT, entry(FILE, b"big", size=1 << 30)) + record(RDATA, b"x" * 100000)))
    until = time.monotonic() + 20
    while not (ground / "root/big").exists():
        assert time.monotonic() < until
        time.sleep(0.01)
    return a, call, family(a.child.pid)[1]


def test_the_worker_has_no_new_privileges_a_filter_and_few_capabilities(half_way):
    a, _, worker = half_way
    said, own = status(worker), status(a.child.pid)
    assert own["Seccomp"] == "0" and int(own["CapPrm"], 16) > int(said["CapPrm"], 16)
    assert (said["NoNewPrivs"], said["Seccomp"]) == ("1", "2")
    kept = int(said["CapPrm"], 16)
    # chown, dac_override, dac_read_search, fowner, fsetid, linux_immutable, sys_admin (trusted.*), sys_resource, mknod, setfcap, mac_admin
    assert kept & ~sum(1 << c for c in (0, 1, 2, 3, 4, 9, 21, 24, 27, 31, 33)) == 0 and kept & 1


def test_the_worker_holds_no_descriptor_of_the_connection(half_way):
    """Its stream, its call, the tree, the marks, stderr, and /dev/null."""
    _, _, worker = half_way
    held = {os.readlink(f"/proc/{worker}/fd/{n}") for n in os.listdir(f"/proc/{worker}/fd")}
    assert len([h for h in held if h.startswith("pipe:")]) == 1, held
    assert len([h for h in held if h.startswith("socket:")]) == 1, held


def test_a_worker_that_is_killed_is_a_named_error_and_the_agent_goes_on(half_way, ground):
    a, call, worker = half_way
    os.kill(worker, signal.SIGKILL)
    good, said, _ = a.answer(call)
    assert not good and said["code"] == "RH-AGENT-WORKER", said
    good, said, _ = a.ask("tree.usage", {"root": str(ground / "out")})
    assert good, said
    assert a.close()[0] == 0


def test_a_worker_ends_with_its_agent(half_way):
    a, _, worker = half_way
    a.child.kill()
    a.child.wait()
    until = time.monotonic() + 20
    while os.path.exists(f"/proc/{worker}") and status(worker)["State"][0] != "Z":
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_worker_ends_when_its_call_is_cancelled(half_way):
    from peer import CANCEL
    a, call, worker = half_way
    a.put(frame(CANCEL, call))
    good, said, _ = a.answer(call)
    assert not good and said["code"] == "RH-AGENT-CANCELLED", said
    assert not os.path.exists(f"/proc/{worker}")
    assert a.close()[0] == 0
