# SPDX-License-Identifier: Apache-2.0
"""A directory with very many entries: a million in `./check full`."""
import os
import subprocess

import disks

COUNT = 1_000_000 if os.environ.get("REHOME_LONG") else 100_000


def _names(top):
    """What find sees, sorted: type, mode, owner, time and name."""
    seen = subprocess.run(["find", top, "-type", "f", "-printf", r"f %m %U %s %T@ %n %P\n", "-o", "-printf",
                           r"%y %m %U %T@ %P\n"], check=True, capture_output=True).stdout
    return sorted(seen.splitlines())


def test_a_directory_with_very_many_entries_arrives_whole(tmp_path, rehome):
    with disks.disk(tmp_path, "many", "ext4", size=2 << 30, make=["-N", str(COUNT * 2 + 1000)]) as at:
        tree = at / "tree"
        tree.mkdir()
        fd = os.open(tree, os.O_RDONLY)
        for i in range(COUNT):
            os.mknod(f"{i * 7919 % COUNT:08x}", 0o640, dir_fd=fd)
        os.close(fd)
        rehome("copy", tree, at / "copy")
        assert _names(tree) == _names(at / "copy")
        os.unlink(tree / "00000007")
        (tree / "00000009").write_text("changed")
        rehome("copy", "--no-proof", tree, at / "copy")
        assert _names(tree) == _names(at / "copy")
