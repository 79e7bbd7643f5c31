# SPDX-License-Identifier: Apache-2.0
"""rehome sync --dry-run lists what the next round of each item of files does, and does nothing."""
import independent
from story import PLAN

TREE = "/srv/rounds"


def _with_a_tree_of_its_own(text):
    return text.replace("  - files: /etc/shop\n", f"  - files: /etc/shop\n  - files: {TREE}\n")


def _listed(move):
    """The lines of a dry run below the item's headline."""
    said = move.at.run(["rehome", "sync", PLAN, "--dry-run"]).stdout
    return set(said.split(f"files:{TREE}\n")[1].split("\n\n")[0].splitlines())


def test_a_dry_run_of_sync_lists_what_the_next_round_does_and_does_nothing(lab, own_move):
    move, old, new = own_move, lab.old, lab.new
    move.write_plan(_with_a_tree_of_its_own)
    old.sh(f"mkdir -p {TREE}/d && cd {TREE} && echo a >a && echo b >b && echo c >d/c")
    assert _listed(move) == {"cd+++++++++ ./", ">f+++++++++ a", ">f+++++++++ b", "cd+++++++++ d/", ">f+++++++++ d/c"}
    assert new.run(["test", "-e", TREE], check=False).returncode == 1
    move.sync()
    move.rehome("pause", PLAN)
    assert _listed(move) == {"nothing to do"}
    old.sh(f"cd {TREE} && rm a && echo more >>b && chmod 600 d/c && echo n >d/new")
    before = independent.look(new, TREE)
    assert {line for line in _listed(move) if not line.startswith(".d")} \
        == {"*deleting   a", ">f.st...... b", ".f...p..... d/c", ">f+++++++++ d/new"}
    assert not independent.differences(before, independent.look(new, TREE))
