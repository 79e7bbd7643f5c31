# SPDX-License-Identifier: Apache-2.0
"""What a target's filesystem cannot hold is said before the copy, with a count and examples; what is mounted below and
what the kernel swaps to is left out, and said."""
import json
import os
import subprocess

import disks
import pytest


def _findings(done):
    return {f["code"]: f for f in json.loads(done.stdout)["findings"]}


def _messages(done):
    return [f.get("message", "") for f in json.loads(done.stdout)["findings"]]


@pytest.fixture
def tree(tmp_path):
    """Three files whose times and ACLs tell."""
    top = tmp_path / "tree"
    top.mkdir()
    for name in ("one", "two", "three"):
        (top / name).write_text(name)
        os.utime(top / name, ns=(0, 1600000000 * 10**9))
    os.utime(top, ns=(0, 1600000000 * 10**9))
    return top


def test_times_that_small_inodes_cannot_hold_are_said_before_the_copy(tmp_path, rehome, tree):
    os.utime(tree / "one", ns=(0, 2177452800 * 10**9))
    os.utime(tree / "two", ns=(0, 1600000000 * 10**9 + 5))
    with disks.disk(tmp_path, "small", "ext4", make=["-I", "128"]) as target:
        done = rehome("copy", "--json", "--no-proof", tree, target / "copy", status=(3,))
        said = [m for m in _messages(done) if "cannot hold" in m]
        assert any("1 entries have times after 2038 (one)" in m for m in said), said
        assert any("1 entries have times with parts of a second (two)" in m for m in said), said
        assert not any("ACL" in m or "owners" in m for m in said), "what it can hold is not complained about"
        assert (target / "copy/three").read_text() == "three"
        assert rehome("copy", tree, target / "copy", status=(5,)), "the proof does not call it equal"


def test_acls_that_the_target_cannot_hold_are_said_before_and_after(tmp_path, rehome, tree):
    subprocess.run(["setfacl", "-m", "u:1001:r", tree / "one", tree / "two"], check=True)
    with disks.disk(tmp_path, "plain", "ramfs") as target:
        done = rehome("copy", "--json", "--no-proof", tree, target / "copy", status=(3,))
        assert any("2 entries have ACLs (one, two)" in m for m in _messages(done)), _messages(done)
        after = _findings(done).get("RH-TREE-XATTR")
        assert after and after["count"] == 2, "and after the copy, by what was lost"


def test_a_filesystem_that_can_hold_all_gives_no_finding(tmp_path, rehome, tree):
    with disks.disk(tmp_path, "whole", "ext4") as target:
        assert json.loads(rehome("copy", "--json", tree, target / "copy").stdout)["findings"] == []
        assert sorted(os.listdir(target)) == ["copy", "lost+found"], "the probe leaves nothing"


def test_another_filesystem_below_blocks_and_is_left_out_when_told(tmp_path, rehome, tree):
    (tree / "below").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", tree / "below"], check=True)
    try:
        (tree / "below/inside").write_text("not of this filesystem")
        done = rehome("copy", tree, tmp_path / "copy", status=(4,))
        assert "RH-FILES-MOUNT" in done.text and str(tree / "below") in done.text
        assert not (tmp_path / "copy").exists()
        done = rehome("copy", "--json", "--one-file-system", tree, tmp_path / "copy", status=(3,))
        assert "tmpfs" in _findings(done)["RH-FILES-MOUNT"]["message"]
        assert os.listdir(tmp_path / "copy/below") == [], "the mount point is there, its content is not"
    finally:
        subprocess.run(["umount", tree / "below"], check=True)


def test_a_pseudo_filesystem_below_is_a_finding_and_never_entered(tmp_path, rehome, tree):
    (tree / "proc").mkdir()
    subprocess.run(["mount", "-t", "proc", "proc", tree / "proc"], check=True)
    try:
        done = rehome("copy", "--json", tree, tmp_path / "copy", status=(3,))
        assert "(proc)" in _findings(done)["RH-FILES-MOUNT"]["message"]
        assert os.listdir(tmp_path / "copy/proc") == []
    finally:
        subprocess.run(["umount", tree / "proc"], check=True)


def test_a_swap_file_is_left_out_with_a_finding(tmp_path, rehome):
    with disks.disk(tmp_path, "swapping", "ext4") as source:
        (source / "tree").mkdir()
        (source / "tree/data").write_text("kept")
        swap = source / "tree/swap file"
        subprocess.run(["dd", "if=/dev/zero", f"of={swap}", "bs=64k", "count=16"], check=True, capture_output=True)
        swap.chmod(0o600)
        subprocess.run(["mkswap", swap], check=True, capture_output=True)
        if subprocess.run(["swapon", "-p", "0", swap], check=False, capture_output=True).returncode != 0:
            pytest.skip("this kernel does not swap")
        try:
            done = rehome("copy", "--json", source / "tree", tmp_path / "copy", status=(3,))
            assert "swap file" in _findings(done)["RH-FILES-SWAP"]["message"]
            assert os.listdir(tmp_path / "copy") == ["data"]
            rehome("compare", source / "tree", tmp_path / "copy")
        finally:
            subprocess.run(["swapoff", swap], check=True)
