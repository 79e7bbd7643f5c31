# SPDX-License-Identifier: Apache-2.0
"""Reaching the source: each way in which it can go wrong has its own code, its advice, and changes nothing.

Partly S1.14 (a preflight that names each finding), S0.31 (connectivity).
"""
import shutil
import subprocess

import pytest

from story import PLAN, changed, codes, leftovers, shape


@pytest.fixture(scope="module")
def before(move):
    """The source as it was before any of these stories."""
    return shape(move.lab.old)


@pytest.fixture(autouse=True)
def unchanged(move, before):
    """No story of this file may leave anything on the source."""
    yield
    assert changed(before, shape(move.lab.old)) == {}
    assert [line for line in leftovers(move.lab.old) if line] == []


def draft(move, source, expect):
    move.at.run(["rm", "-f", "/root/draft.yaml"])
    return move.rehome("plan", source, "--output", "/root/draft.yaml", "--no-input", expect=expect)


def advised(said, code):
    """The code is there, with what to do."""
    assert code in codes(said), said
    explained = said[said.index(code):]
    assert len(explained.split()) > 10, f"{code} comes without advice:\n{said}"


def test_a_name_that_does_not_resolve(move):
    advised(draft(move, "root@no-such-host.invalid", 1), "RH-LINK-UNKNOWN")


def test_an_address_where_nothing_answers(move):
    advised(draft(move, "root@10.99.0.77", 1), "RH-LINK-UNREACHABLE")


def test_a_login_that_is_refused(move):
    advised(draft(move, "nobody@old", 1), "RH-LINK-LOGIN")


def test_a_login_without_sudo_names_the_exact_line(move):
    said = draft(move, "plain@old", 1)
    advised(said, "RH-LINK-SUDO")
    assert "plain ALL=(root) NOPASSWD:" in said


def test_a_login_that_prints_noise_does_not_confuse_the_stream(move):
    """noisy may not use sudo: it is that which is named, in spite of the noise before it."""
    advised(draft(move, "noisy@old", 1), "RH-LINK-SUDO")


def test_a_login_with_sudo_works(move):
    draft(move, "admin@old", 0)
    text = move.at.run(["cat", "/root/draft.yaml"]).stdout
    assert '- service: shop-orders.service\n    ready: {http: "http://127.0.0.1:8080/health", status: 200}\n' in text


def test_source_equal_to_target(move):
    move.at.sh("ssh-keyscan -q 10.99.0.20 >> /root/.ssh/known_hosts; "
               "cat /root/.ssh/id_ed25519.pub >> /root/.ssh/authorized_keys")
    advised(draft(move, "root@10.99.0.20", 4), "RH-MOVE-SAMEHOST")


def test_a_changed_host_key(move):
    known = move.at.run(["cat", "/root/.ssh/known_hosts"]).stdout
    other = move.at.sh("rm -f /tmp/k /tmp/k.pub; ssh-keygen -q -t ed25519 -N '' -f /tmp/k; cut -d' ' -f1,2 /tmp/k.pub")
    try:
        move.at.run(["tee", "/root/.ssh/known_hosts"], input=f"old,10.99.0.10 {other}\n")
        advised(draft(move, "root@old", 1), "RH-LINK-HOSTKEY")
    finally:
        move.at.run(["tee", "/root/.ssh/known_hosts"], input=known)


def test_another_host_behind_the_name(move):
    """The plan pins the machine-id: a host that answers in the source's place is refused."""
    move.write_plan(lambda text: text.replace("machine-id: 01d", "machine-id: 02d"), path="/root/other.yaml")
    advised(move.rehome("check", "/root/other.yaml", expect=1), "RH-LINK-IDENTITY")


def test_a_plan_that_pins_another_host_key(move):
    move.write_plan(lambda text: text.replace("via: 10.99.0.10", "via: 10.99.0.10, host-key: \"SHA256:" + "A" * 43 + "\""),
                    path="/root/other.yaml")
    advised(move.rehome("check", "/root/other.yaml", expect=1), "RH-LINK-HOSTKEY")


def test_no_directory_from_which_the_agent_may_run(move):
    old = move.lab.old
    places = ["/run/rehome", "/var/tmp", "/root"]
    old.sh("mkdir -p /run/rehome")
    try:
        for place in places:
            old.run(["mount", "-t", "tmpfs", "-o", "noexec", "none", place])
        old.sh("mkdir -p /root/.ssh; chmod 700 /root /root/.ssh")
        old.run(["tee", "/root/.ssh/authorized_keys"], input=move.at.run(["cat", "/root/.ssh/id_ed25519.pub"]).stdout)
        old.sh("for m in /run/user/0; do [ ! -d $m ] || mount -o remount,noexec $m; done")
        said = draft(move, "root@old", 1)
        advised(said, "RH-LINK-NOEXEC")
        assert "/var/tmp" in said
    finally:
        for place in reversed(places):
            old.run(["umount", place], check=False)
        old.sh("rmdir /run/rehome; for m in /run/user/0; do [ ! -d $m ] || mount -o remount,exec $m; done")


def test_the_first_place_does_not_run_programs_and_the_next_does(move):
    old = move.lab.old
    old.sh("mkdir -p /run/rehome")
    old.run(["mount", "-t", "tmpfs", "-o", "noexec", "none", "/run/rehome"])
    try:
        draft(move, "root@old", 0)
    finally:
        old.run(["umount", "/run/rehome"])
        old.sh("rmdir /run/rehome")


OTHER_AGENT = r"""
#include <stdint.h>
#include <string.h>
#include <unistd.h>
int main (void)
{
  const char *hello = "{\"magic\":\"rehome\",\"min\":7,\"max\":9,\"features\":[]}";
  unsigned char head[16] = { (unsigned char)strlen (hello), 0, 0, 0, 1 };
  if (write (1, head, 16) != 16 || write (1, hello, strlen (hello)) < 0)
    return 1;
  char byte;
  while (read (0, &byte, 1) > 0)
    ;
  return 0;
}
"""


def test_an_agent_of_another_version(move, tmp_path):
    """An agent that speaks no common version is refused with both ranges."""
    (tmp_path / "agent.c").write_text(OTHER_AGENT)
    subprocess.run(["gcc", "-static", "-o", tmp_path / "agent", tmp_path / "agent.c"], check=True)
    agent = "/usr/libexec/rehome/rehome-agent"
    move.at.sh(f"cp -p {agent} {agent}.kept")
    shutil.copy(tmp_path / "agent", move.at.root / agent[1:])
    try:
        said = move.rehome("check", PLAN, expect=1)
        assert "RH-LINK-VERSION" in codes(said) and "7" in said and "9" in said, said
    finally:
        move.at.sh(f"mv {agent}.kept {agent}")
