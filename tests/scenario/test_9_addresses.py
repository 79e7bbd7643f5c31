# SPDX-License-Identifier: Apache-2.0
"""Several addresses of one interface move in one cutover, and come back in the order in which they were.

The lab's source has a primary address, a secondary in the same network and one of IPv6 on eth0: all of them move.
"""
import pytest

from story import PLAN, changed, codes, shape, start_cutover, wait_for, wait_phase

ONE = "    - address: {move: 10.77.0.10/24, interface: eth0}\n"
ALL = ONE + "    - address: {move: 10.77.0.11/24, interface: eth0}\n    - address: {move: \"fd77::10/64\", interface: eth0}\n"
OUTSIDE = "  - {http: \"http://10.77.0.10/health\", status: 200}\n"
MOVED = {"10.77.0.10/24", "10.77.0.11/24", "fd77::10/64"}
NETWORK = ("addresses", "routes", "network")


def all_addresses(outside):
    """Edits the plan: all addresses move; `outside` is what the client asks for."""
    def change(text):
        assert ONE in text and OUTSIDE in text
        return text.replace(ONE, ALL, 1).replace(OUTSIDE, outside, 1)
    return change


def as_before(move, before):
    assert changed(before, shape(move.lab.old)) == {}
    assert move.status().startswith("SERVING shop-old"), move.status()
    assert not MOVED & set(move.lab.network.addresses("new"))


@pytest.fixture
def third(move):
    """One more address on the source, which stays there: a client's."""
    move.lab.old.sh("ip addr add 10.77.0.12/24 dev eth0")
    yield
    move.lab.old.sh("ip addr del 10.77.0.12/24 dev eth0")


def test_a_check_that_nobody_could_ask_is_found_before_anything_is_done(move):
    move.write_plan(all_addresses(OUTSIDE))
    said = move.rehome("check", PLAN, expect=4)
    assert "RH-MOVE-CLIENT" in codes(said) and "http://10.77.0.10/health" in said, said


def test_a_check_from_outside_fails_after_all_addresses_went(move, third):
    """What stays has a part in it: the source keeps a third address of the network."""
    move.write_plan(all_addresses(OUTSIDE.replace("/health", "/not-outside")))
    before = shape(move.lab.old)
    move.sync()
    said = move.cutover(expect=6)
    assert "RH-MOVE-SMOKE" in codes(said) and "not-outside" in said, said
    wait_phase(move, "aborted", "syncing")
    as_before(move, before)


def test_the_last_take_fails_after_the_others(move):
    """Something on the source gives itself the third address again and again."""
    move.write_plan(all_addresses(""))
    before = shape(move.lab.old)
    move.sync()
    stubborn = move.lab.old.popen(["/bin/sh", "-c", "while :; do ip addr add fd77::10/64 dev eth0 nodad 2>/dev/null; done"])
    try:
        said = move.cutover(expect=6)
        assert "RH-ADDRESS-STAYS" in codes(said) and "fd77::10" in said, said
    finally:
        move.lab.old.signal(stubborn)
        stubborn.wait()
    wait_phase(move, "aborted", "syncing")
    as_before(move, before)


def test_the_controller_killed_while_addresses_go(move, third):
    """The check that fails holds the move for some seconds, so that no kill comes too late."""
    move.write_plan(all_addresses(OUTSIDE.replace("/health", "/not-outside")))
    before = shape(move.lab.old)
    move.sync()
    running = start_cutover(move)
    wait_for(lambda: "10.77.0.10/24" not in move.lab.network.addresses("old"), every=0.002)
    move.at.sh("systemctl kill -s KILL rehome@shop.service")
    move.rehome("abort", PLAN, "--no-input", expect=None)
    wait_phase(move, "aborted", "syncing")
    running.communicate(timeout=60)
    as_before(move, before)


def test_all_addresses_move_and_the_way_back_on_the_source_brings_them(move):
    old, new = move.lab.old, move.lab.new
    move.write_plan(all_addresses(""))
    before = shape(old)
    move.sync()
    with move.lab.client(rate=20) as load:
        load.wait_acks(10)
        move.cutover()
        load.wait_acks(len(load.acks) + 10)
    assert load.acks[-1]["host"] == "shop-new"
    assert not MOVED & set(move.lab.network.addresses("old"))
    assert MOVED <= set(move.lab.network.addresses("new"))
    assert not any(address in old.sh("cat /etc/network/interfaces") for address in ("10.77.0.10", "10.77.0.11", "fd77::10"))

    # The target is lost: the commands of REHOME-FROZEN.txt.
    new.sh("for a in " + " ".join(sorted(MOVED)) + "; do ip addr del $a dev eth0; done")
    text = old.sh("cat /root/REHOME-FROZEN.txt")
    assert text.count("ip addr add 10.77.0.10/24") == 1, text
    old.sh("sh /var/lib/rehome/*/thaw --confirm=target-is-off")
    assert not {part: what for part, what in changed(before, shape(old)).items() if part in NETWORK}
