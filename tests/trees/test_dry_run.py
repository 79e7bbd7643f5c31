# SPDX-License-Identifier: Apache-2.0
"""--dry-run lists what rsync -n -i lists, and does nothing."""
import os
import random
import subprocess

import checker
import pytest


def _change(top, dice):
    """A few random changes of every kind that rsync itemises."""
    paths = [p for p in sorted(top.rglob("*")) if p.exists() or p.is_symlink()]
    for i, path in enumerate(dice.sample(paths, min(len(paths), 9))):
        if not path.exists() and not path.is_symlink():
            continue
        what = dice.randrange(9)
        if path.is_symlink():
            path.unlink()
            if what < 6:
                path.symlink_to(f"elsewhere{i}")
        elif what == 0:
            subprocess.run(["rm", "-rf", path], check=True)
        elif what == 1 and path.is_file():
            path.write_bytes(b"y" * dice.randrange(2000))
        elif what == 2:
            path.chmod(0o711)
        elif what == 3:
            os.chown(path, 5, -1)
        elif what == 4:
            os.chown(path, -1, 6)
        elif what == 5:
            os.utime(path, ns=(0, dice.randrange(10**18)))
        elif what == 6:
            os.setxattr(path, "user.x", b"1")
        elif what == 7:
            subprocess.run(["setfacl", "-m", "u:9:rwx", path], check=True)
        elif path.is_dir():
            (path / f"new{i}").write_text("new")
            (path / f"newdir{i}").mkdir()
            os.mkfifo(path / f"newdir{i}/fifo")
            (path / f"newdir{i}/link").symlink_to("to")


def _tree(top):
    for d in ("a", "a/b", "c", "c/d/e"):
        (top / d).mkdir(parents=True)
        for n in range(3):
            (top / d / f"f{n}").write_bytes(b"x" * 100 * n)
        (top / d / "link").symlink_to("f0")
    for path in [*top.rglob("*"), top]:
        os.utime(path, ns=(0, 1500000000 * 10**9), follow_symlinks=False)


@pytest.mark.parametrize("seed", range(100 if os.environ.get("REHOME_LONG") else 5))
def test_the_list_is_rsyncs_and_nothing_is_done(tmp_path, rehome, seed):
    tree, copy = tmp_path / "tree", tmp_path / "copy"
    _tree(tree)
    if seed % 5:
        rehome("copy", "--no-proof", tree, copy)
        _change(tree, random.Random(seed))
        (copy / "extra").mkdir()
        (copy / "extra/file").write_text("of the target")
        os.utime(copy, ns=(0, 1500000000 * 10**9))  # rsync sees no difference within one second
    else:
        copy.mkdir()
        os.chmod(copy, 0o700)
    theirs = subprocess.run(["rsync", "-aHAXin", "--delete", "--omit-link-times", f"{tree}/", f"{copy}/"], check=True,
                            capture_output=True, text=True).stdout.splitlines()
    before = checker.look(tmp_path / "tree"), checker.look(tmp_path / "copy")
    ours = rehome("copy", "--dry-run", "--delete", tree, copy).stdout.decode().splitlines()
    assert set(ours) ^ {_plain(line) for line in theirs} == set()
    assert not checker.differences(before[0], checker.look(tree)) and not checker.differences(before[1], checker.look(copy))


def _plain(line):
    """rsync names what a link points to, too."""
    return line.split(" -> ")[0]


def test_without_delete_only_what_a_copy_put_there_is_listed_as_removed(tmp_path, rehome):
    tree, copy = tmp_path / "tree", tmp_path / "copy"
    _tree(tree)
    rehome("copy", tree, copy)
    (copy / "mine").write_text("of the target")
    (tree / "a/f1").unlink()
    lines = rehome("copy", "--dry-run", tree, copy).stdout.decode().splitlines()
    assert [line for line in lines if line.startswith("*")] == ["*deleting   a/f1"]


def test_a_first_copy_lists_all_and_makes_nothing(tmp_path, rehome):
    tree, copy = tmp_path / "tree", tmp_path / "copy"
    _tree(tree)
    lines = rehome("copy", "--dry-run", tree, copy).stdout.decode().splitlines()
    assert "cd+++++++++ ./" in lines and ">f+++++++++ c/d/e/f2" in lines
    assert not copy.exists() and not (tmp_path / "state").exists()
