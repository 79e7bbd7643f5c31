# SPDX-License-Identifier: Apache-2.0
"""Every attribute arrives, on three filesystems, in a first copy and in a delta: the judges are find, stat, sha256sum,
getfattr, getfacl, getcap, lsattr and filefrag."""
import checker
import disks
import full
import pytest


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_a_copy_and_its_deltas_carry_everything(kind, tmp_path, rehome):
    with disks.disk(tmp_path, "from", kind) as source, disks.disk(tmp_path, "to", kind) as target:
        tree, copy = source / "tree", target / "copy"
        tree.mkdir()
        full.build(tree)
        try:
            for what in ("the first copy", "a copy of what is the same", "a delta"):
                if what == "a delta":
                    full.change(tree)
                rehome("copy", tree, copy)
                found = checker.differences(checker.look(tree, full.EXTENTS), checker.look(copy, full.EXTENTS))
                assert not found, f"after {what}: " + "\n".join(found)
                rehome("compare", tree, copy)
        finally:
            full.unlock(tree)
            full.unlock(copy)
