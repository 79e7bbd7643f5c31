# SPDX-License-Identifier: Apache-2.0
"""Before the pivot everything goes back: by itself when a check fails or the limit is reached, or on request.

After each story the source is as it was (units, unit files, addresses, routes, crontabs, accounts), and serves.
S0.10, S0.32, S2.8 partly: rollback criteria and steps before the pivot.
"""
import time

import pytest

from story import PLAN, changed, codes, phase_of, shape, start_cutover, stay_in, wait_for, wait_phase

DROPIN = "/etc/systemd/system/shop-orders.service.d/slow.conf"


@pytest.fixture(scope="module")
def before(move):
    move.sync()
    return shape(move.lab.old)


@pytest.fixture(autouse=True)
def source_as_it_was(move, before):
    yield
    wait_phase(move, "aborted", "syncing", "planned", seconds=60)
    assert changed(before, shape(move.lab.old)) == {}
    assert move.status().startswith("SERVING shop-old"), move.status()
    with move.lab.client(rate=20) as load:
        load.wait_acks(20, seconds=10)
    assert set(load.attempts()[-1].items()) >= {("host", "shop-old")}
    assert move.at.sh("systemctl is-active shop-orders nginx shop-report.timer || true").split() == ["inactive"] * 3
    assert "10.77.0.10/24" not in move.lab.network.addresses("new")


def on_target(move, text, path=DROPIN):
    move.at.sh(f"mkdir -p $(dirname {path}); cat > {path}; systemctl daemon-reload", input=text)


def off_target(move, path=DROPIN):
    move.at.sh(f"rm -f {path}; systemctl daemon-reload")


def test_a_job_that_still_runs_means_that_the_cutover_does_not_begin(move, before):
    old = move.lab.old
    move.write_plan(lambda text: text.replace("cutover:\n", "cutover:\n  jobs-wait: 2s\n", 1))
    cron = old.sh("systemctl show -p ControlGroup --value cron")
    job = old.popen(["/bin/sh", "-c", f"for d in /sys/fs/cgroup /sys/fs/cgroup/unified; do "
                     f"[ -e $d{cron}/cgroup.procs ] && echo $$ > $d{cron}/cgroup.procs; done; exec sleep 300"])
    try:
        time.sleep(0.5)
        said = move.cutover(expect=None)
        assert "RH-CRON-JOB" in codes(said) and "sleep 300" in said, said
    finally:
        old.signal(job)
        job.wait()
        move.write_plan()


def test_a_window_that_is_not_open_holds_the_cutover_back(move, before):
    """S1.2: the maintenance window is enforced, and told in the plan's zone."""
    today = int(move.at.sh("date -u +%w"))
    day = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"][(today + 3) % 7]
    window = f'  window: {{days: [{day}], from: "01:00", to: "05:00", zone: UTC}}\n'
    move.write_plan(lambda text: text.replace("cutover:\n", "cutover:\n" + window, 1))
    try:
        said = move.cutover(expect=4)
        assert "RH-MOVE-WINDOW" in codes(said) and f"opens next on {day} 01:00 (UTC)" in said, said
        assert move.lab.old.run(["test", "-e", "/root/REHOME-FROZEN.txt"], check=False).returncode == 1
    finally:
        move.write_plan()


def test_a_unit_that_does_not_start_on_the_target(move, before):
    on_target(move, "[Service]\nExecStartPre=/bin/false\n")
    try:
        said = move.cutover(expect=6)
        assert "RH-SERVICE-START" in codes(said) and "shop-orders" in said, said
    finally:
        off_target(move)


def test_a_smoke_check_that_fails_inside(move, before):
    move.write_plan(lambda text: text.replace("http://127.0.0.1/health", "http://127.0.0.1/no-such-page", 1))
    try:
        said = move.cutover(expect=6)
        assert "RH-MOVE-SMOKE" in codes(said) and "no-such-page" in said, said
    finally:
        move.write_plan()


def test_a_smoke_check_that_fails_from_outside(move, before):
    move.write_plan(lambda text: text.replace("http://10.77.0.10/health", "http://10.77.0.10/not-outside", 1))
    try:
        said = move.cutover(expect=6)
        assert "RH-MOVE-SMOKE" in codes(said) and "not-outside" in said, said
    finally:
        move.write_plan()


def test_the_downtime_limit_goes_back_by_itself(move, before):
    on_target(move, "[Service]\nExecStartPre=/bin/sleep 30\n")
    move.write_plan(lambda text: text.replace("downtime-limit: 30s", "downtime-limit: 4s", 1))
    try:
        with move.lab.client(rate=20) as load:
            load.wait_acks(10)
            said = move.cutover(expect=6)
            load.wait_acks(len(load.acks) + 20)
        assert "downtime-limit" in said or "downtime limit" in said, said
        assert {ack["host"] for ack in load.acks} == {"shop-old"}
        assert move.lab.observe(load, "old").lost == []
    finally:
        off_target(move)
        move.write_plan()


def test_abort_on_request_in_the_middle(move, before):
    on_target(move, "[Service]\nExecStartPre=/bin/sleep 8\n")
    try:
        running = start_cutover(move)
        wait_phase(move, "starting")
        somebody = stay_in(move.lab.old, "/srv/shop")
        move.rehome("abort", PLAN, "--no-input", expect=None)
        said, _ = running.communicate(timeout=60)
        assert running.returncode == 6, said
        move.lab.old.sh(f"kill {somebody}")
        assert move.at.run(["test", "-d", "/srv/shop/files"], check=False).returncode == 0, "the copy is kept"
    finally:
        off_target(move)


def test_the_controller_killed_while_frozen_and_the_same_command_again(move, before):
    """Killed in the middle of the freeze, and aborted by the next owner on request."""
    on_target(move, "[Service]\nExecStartPre=/bin/sleep 6\n")
    try:
        running = start_cutover(move)
        wait_phase(move, "starting")
        move.at.sh("systemctl kill -s KILL rehome@shop.service")
        move.rehome("abort", PLAN, "--no-input")
        assert phase_of(move) == "aborted"
        running.communicate(timeout=60)
    finally:
        off_target(move)


def test_the_text_is_on_the_source_only_while_it_is_frozen(move, before):
    on_target(move, "[Service]\nExecStartPre=/bin/sleep 5\n")
    try:
        running = start_cutover(move)
        wait_phase(move, "starting")
        text = move.lab.old.sh("cat /root/REHOME-FROZEN.txt")
        assert "systemctl start" in text and "10.77.0.10" in text
        move.rehome("abort", PLAN, "--no-input", expect=None)
        running.communicate(timeout=60)
        wait_for(lambda: move.lab.old.run(["test", "-e", "/root/REHOME-FROZEN.txt"], check=False).returncode, 20)
    finally:
        off_target(move)
