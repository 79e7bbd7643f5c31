# SPDX-License-Identifier: Apache-2.0
"""A tree that a program changes all the time while rounds run: the round after it stopped makes both equal.

4 rounds, 60 in `./check full`; REHOME_SEED repeats the choices.
"""
import os
import random
import threading

import checker

ROUNDS = 60 if os.environ.get("REHOME_LONG") else 4
SEED = int(os.environ.get("REHOME_SEED", "0")) or random.randrange(1, 1 << 30)


def _change(dice, top):
    """One change to whatever is there: content, names, metadata, and what is a file becoming a directory."""
    name = top / f"d{dice.randrange(5)}" / f"n{dice.randrange(40)}"
    what = dice.randrange(11)
    if what <= 1:
        name.write_bytes(dice.randbytes(dice.randrange(30000)))
    elif what == 2:
        with open(name, "ab") as file:
            file.write(dice.randbytes(dice.randrange(9000)))
    elif what == 3:
        with open(top / "big", "r+b") as file:
            file.seek(dice.randrange(5 << 20))
            file.write(dice.randbytes(dice.randrange(1, 9000)))
    elif what == 4:
        os.truncate(top / "big" if dice.random() < 0.3 else name, dice.randrange(5 << 20))
    elif what == 5:
        name.unlink()
    elif what == 6:
        name.rename(top / f"d{dice.randrange(5)}" / f"n{dice.randrange(40)}")
    elif what == 7:
        os.link(name, top / f"d{dice.randrange(5)}" / f"n{dice.randrange(40)}")
    elif what == 8:
        name.chmod(dice.choice([0o600, 0o640, 0o4755]))
    elif what == 9:
        name.symlink_to("elsewhere")
    elif name.is_dir():
        name.rmdir()
    else:
        name.mkdir()


def _stress(dice, top, stop, counts):
    while not stop.is_set():
        try:
            _change(dice, top)
            counts["done"] += 1
        except OSError:  # it is another kind of thing, or not there
            counts["not"] += 1


def test_a_tree_that_changes_all_the_time_is_equal_after_the_round_behind_the_last_change(tmp_path, rehome):
    print(f"REHOME_SEED={SEED}")
    top, target = tmp_path / "tree", tmp_path / "copy"
    for i in range(5):
        (top / f"d{i}").mkdir(parents=True)
    (top / "big").write_bytes(random.Random(SEED).randbytes(5 << 20))
    stop, counts = threading.Event(), {"done": 0, "not": 0}
    stress = threading.Thread(target=_stress, args=(random.Random(SEED), top, stop, counts))
    stress.start()
    try:
        for _ in range(ROUNDS):  # dirty files are findings, not failures
            before = counts["done"]
            rehome("copy", "--no-proof", top, target, status=(0, 3))
            assert counts["done"] > before
    finally:
        stop.set()
        stress.join()
    rehome("copy", top, target)
    found = checker.differences(checker.look(top), checker.look(target))
    assert not found, f"REHOME_SEED={SEED}: " + "\n".join(found)
