# SPDX-License-Identifier: Apache-2.0
"""The controller on a third host: both servers are reached over ssh, the stream is joined in between, and the checks
from outside are asked by it, as a client: over https, tcp and by a command.

Partly S2.39 (smoke tests).
"""
import os
import time

import pytest

from lab import Lab
from conftest import BUILD
from story import PLAN, Move, codes, leftovers, wait_for

CLIENT = "10.77.0.30"
OUTSIDE = '  - {http: "http://10.77.0.10/health", status: 200}\n'


@pytest.fixture(scope="module")
def third():
    lab = Lab(os.environ.get("REHOME_LAB_NAME", "third")[:7] + "3", hosts=("old", "new", "ctl"))
    lab.down()
    try:
        lab.up()
        lab.install(BUILD, hosts=("ctl",))
        lab.ctl.sh(f"ip link set eth0 up; ip addr add {CLIENT}/24 dev eth0")
        yield lab
    finally:
        lab.down()


@pytest.fixture(scope="module")
def certificate(third):
    """The shop's certificate, and its fingerprint as openssl prints it."""
    text = third.old.run(["cat", "/etc/shop/tls.crt"]).stdout
    third.ctl.run(["tee", "/root/shop.crt"], input=text)
    shown = third.old.sh("openssl x509 -in /etc/shop/tls.crt -noout -fingerprint -sha256")
    return shown.split("=")[1]


def plan(move, *checks):
    lines = "".join(f"  - {check}\n" for check in checks)
    return move.write_plan(lambda text: text.replace("host: local", "host: root@new", 1).replace(OUTSIDE, lines)
                           .replace("fence: closed", "fence: poweroff"))


def test_a_check_whose_host_lacks_what_it_takes_is_found_before(third):
    move = Move(third, controller=third.ctl)
    plan(move, '{http: "https://10.77.0.10/health", ca: /root/absent.pem}')
    assert "RH-CHECK-CA" in codes(move.rehome("check", PLAN, expect=4))
    third.ctl.sh("mv /usr/bin/openssl /usr/bin/openssl.away")
    try:
        assert "RH-CHECK-OPENSSL" in codes(move.rehome("check", PLAN, expect=4))
    finally:
        third.ctl.sh("mv /usr/bin/openssl.away /usr/bin/openssl")


def test_a_certificate_that_nobody_trusts_takes_the_move_back(third):
    move = Move(third, controller=third.ctl)
    plan(move, '{http: "https://10.77.0.10/health", name: shop.example}')
    move.sync()
    said = move.cutover(expect=6)
    assert "RH-MOVE-SMOKE" in codes(said) and "certificate" in said, said


def test_a_move_that_is_driven_from_a_third_host(third, certificate):
    move = Move(third, controller=third.ctl)
    plan(move, '{http: "https://10.77.0.10/health", name: shop.example, ca: /root/shop.crt}',
         f'{{http: "https://10.77.0.10/health", fingerprint: "{certificate}"}}',
         '{tcp: "10.77.0.10:443"}',
         '{command: [/usr/bin/python3, -c, "import socket, sys; sys.exit(socket.gethostname() != \'ctl\')"], from: controller}',
         '{command: [/usr/bin/test, -d, /srv/shop/orders]}')
    with third.client(rate=50) as load:
        load.wait_acks(20)
        move.sync()
        move.cutover()
        time.sleep(2)
        load.stop()
    seen = third.observe(load, "new")
    assert seen.lost == [] and seen.doubled == [] and not seen.interleaved
    assert move.status().startswith("SERVING shop-new")
    asked = {step["id"]: step["result"]["passed"] for step in move.facts()["steps"] if step["id"].startswith("move#smoke-")}
    assert len(asked["move#smoke-outside"]) == 4 and len(asked["move#smoke-inside"]) == 2
    came_from = third.new.sh(f"grep -c '^{CLIENT} ' /var/log/nginx/access.log")
    assert int(came_from) >= 2  # the controller asked, not the source
    move.rehome("accept", PLAN, "--no-input", "--confirm=shop-old")
    wait_for(lambda: not [line for host in (third.old, third.new) for line in leftovers(host) if "rehome-agent" in line],
             seconds=25)  # before the source is off
    assert "powers off half a minute after the acceptance" in move.rehome("report", PLAN)


def test_a_source_that_was_powered_off_stays_closed_when_it_is_powered_on(third):
    """`fence: poweroff`, after the acceptance of the story above."""
    third.old.wait_dead(seconds=90)
    third.old.start()
    assert third.old.sh("systemctl is-active shop-orders nginx shop-report.timer || true").split() == ["inactive"] * 3
