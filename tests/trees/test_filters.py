# SPDX-License-Identifier: Apache-2.0
"""Include and exclude rules choose what rsync chooses: random rules on a small tree of telling names."""
import os
import random
import subprocess

import pytest
from conftest import BUILD

LEAVES = ["a", "b", "ab", "abc", "a.o", "b.o", "core", "x", "a*", "a?", "[a]", "a\\", "-", " ", "A", "é"]
DIRS = ["d", "d/d", "d/e", "d/e/d", "e", "e/a", "foo", "foo/bar", "foo/bar/baz", "d/foo", "d/foo/bar", "b.d", "b.d/d"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    top = tmp_path_factory.mktemp("names")
    for i, where in enumerate([".", *DIRS]):
        (top / where).mkdir(exist_ok=True)
        for leaf in LEAVES[i % 3::2]:
            if not (top / where / leaf).exists():
                (top / where / leaf).write_text("")
    return top


def _component(dice):
    return dice.choice(["*", "**", "***", "?", "a", "b", "d", "e", "foo", "bar", "*.o", "a*", "[ab]", "[!a]", "[a-e]*", "**a",
                        "d**", "f*o", "[[:upper:]]", "a\\*", "a\\", "\\a", "core", "[a", "[]a]", "*a*", "?*", "b.d", "[^d]",
                        "foo/bar", "e/d", "**/", "/**/d", "é", " ", "-", "x"])


def _rule(dice):
    pattern = "/".join(_component(dice) for _ in range(dice.choice([1, 1, 1, 2, 2, 3])))
    pattern = dice.choice(["", "", "", "/"]) + pattern + dice.choice(["", "", "", "/", "/***", "/**", "/*"])
    return dice.choice(["- ", "- ", "", "+ "]) + pattern


def _rsync(top, rules):
    """What rsync would send."""
    argv = ["rsync", "-rlD", "-n", "--out-format=%n", "--8-bit-output", *(f"--exclude={r}" for r in rules), f"{top}/",
            "/nowhere-at-all"]
    done = subprocess.run(argv, check=False, capture_output=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    assert done.returncode == 0, done.stderr
    lines = [n for n in done.stdout.split(b"\n")[:-1]]
    return {n for n in lines if n not in (b"./", b"created directory /nowhere-at-all")}


def _ours(top, rules):
    done = subprocess.run([BUILD / "tests/trees/tree-names", top, *rules], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split(b"\0")[:-1])


def test_random_rules_choose_what_rsync_chooses(tree):
    trials = 5000 if os.environ.get("REHOME_LONG") else 120
    chosen = 0
    for seed in range(trials):
        dice = random.Random(seed)
        rules = [r for r in (_rule(dice) for _ in range(dice.choice([1, 1, 2, 3, 5]))) if r.strip("/+- ")]
        theirs = _rsync(tree, rules)
        ours = _ours(tree, rules)
        assert {n.replace(b"\\#134", b"\\") for n in theirs} == ours, f"seed {seed}: {rules}"
        chosen += 0 < len(ours) < 100
    assert chosen > trials // 4, "the rules hardly ever choose: the test would show nothing"
