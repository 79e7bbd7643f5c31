# SPDX-License-Identifier: Apache-2.0
"""A pause in the middle of a big first copy: traffic ends within a second, and `resume` goes on where it was."""
import subprocess
import time

import independent
from story import PLAN, phase_of, wait_for

BIG = "/srv/shop/files/big"


def _sent(lab):
    return int(lab.old.sh("cat /sys/class/net/*/statistics/tx_bytes | sort -n | tail -1"))


def _there(lab):
    return int(lab.new.sh(f"stat -c %s {BIG} 2>/dev/null || echo 0"))


def test_a_pause_stops_a_first_copy_and_resume_goes_on_inside_the_file(lab, move):
    lab.old.sh(f"head -c 120M /dev/urandom > {BIG}")
    move.write_plan(lambda text: text.replace("files: /srv/shop\n", "files: /srv/shop\n    limit: 10M\n", 1))
    assert "limit: 10M" in lab.new.sh(f"cat {PLAN}")
    sync = move.at.popen(["rehome", "sync", PLAN, "--no-input"], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: _there(lab) > 20 << 20)
    move.rehome("pause", PLAN, expect=None)
    time.sleep(1)
    before, had = _sent(lab), _there(lab)
    time.sleep(3)
    assert _sent(lab) - before < 200_000
    assert _there(lab) == had < 110 << 20
    assert phase_of(move) == "seeding"
    said = sync.communicate(timeout=20)[1]
    assert "stopped, as asked: first copy of /srv/shop" in said and "CANCELLED" not in said, said
    move.rehome("resume", PLAN, timeout=120)
    wait_for(lambda: phase_of(move) != "seeding")
    found = independent.differences(independent.look(lab.old, BIG), independent.look(lab.new, BIG))
    assert not found, found
    seeded = [r["data"]["result"] for r in move.records()
              if r["type"] == "outcome" and r.get("step") == "files:/srv/shop#seed" and r["data"].get("result")]
    all_of_it = int(lab.old.sh("find /srv/shop -type f -printf '%s\\n' | awk '{n += $1} END {print n}'"))
    assert int(seeded[-1]["bytes"]) < all_of_it - had / 2, "what was copied before the pause was sent again"
