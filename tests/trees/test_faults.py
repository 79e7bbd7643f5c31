# SPDX-License-Identifier: Apache-2.0
"""Trees that change while they are read, disks that are full, out of inodes or broken: the error is named, and nothing that
was there is lost."""
import os
import random
import subprocess
import sys
import threading

import checker
import disks

BUSY = """
import os, random, sys
top, seed = sys.argv[1], int(sys.argv[2])
dice = random.Random(seed)
def path(): return os.path.join(top, f"d{dice.randrange(8)}", f"f{dice.randrange(20)}")
while True:
    p, q = path(), path()
    try:
        what = dice.randrange(10)
        if what < 3:
            with open(p, "r+b" if os.path.exists(p) and what else "wb") as f:
                f.seek(dice.randrange(200000)); f.write(os.urandom(dice.randrange(1, 60000)))
        elif what == 3: os.unlink(p)
        elif what == 4: os.rename(p, q)
        elif what == 5: os.truncate(p, dice.randrange(100000))
        elif what == 6: os.chmod(p, dice.randrange(0o1000))
        elif what == 7: os.link(p, q)
        elif what == 8: os.symlink("x" * dice.randrange(1, 50), q)
        else: os.utime(p, ns=(0, dice.randrange(10**18)))
    except OSError:
        pass
"""


def _same(source, target):
    found = checker.differences(checker.look(source), checker.look(target))
    assert not found, "\n".join(found[:20])


def test_a_tree_that_changes_all_the_time_is_equal_once_it_stands_still(tmp_path, rehome):
    tree, copy = tmp_path / "tree", tmp_path / "copy"
    for i in range(8):
        (tree / f"d{i}").mkdir(parents=True)
        for k in range(20):
            (tree / f"d{i}/f{k}").write_bytes(os.urandom(20000))
    rounds = 40 if os.environ.get("REHOME_LONG") else 4
    busy = [subprocess.Popen([sys.executable, "-c", BUSY, tree, str(seed)]) for seed in (1, 2)]
    try:
        for _ in range(rounds):
            rehome("copy", tree, copy, status=(0, 3, 5))
    finally:
        for process in busy:
            process.kill()
            process.wait()
    rehome("copy", tree, copy)
    _same(tree, copy)
    assert not [n for n in os.listdir(copy) if n.startswith(".rehome")]


def _tiny_files(top, count):
    """On a filesystem that holds them in their inodes: they take no room there, and do elsewhere."""
    top.mkdir()
    for i in range(count):
        (top / f"f{i:05}").write_bytes(b"s" * 100)


def test_a_full_disk_is_named_and_what_was_there_stays(tmp_path, rehome):
    inline = ["-O", "inline_data,^has_journal", "-N", "2000"]
    clusters = ["-O", "bigalloc", "-C", "65536", "-N", "4096"]
    with disks.disk(tmp_path, "from", "ext4", size=64 << 20, make=inline) as source, \
            disks.disk(tmp_path, "to", "ext4", size=96 << 20, make=clusters) as target:
        tree, copy = source / "tree", target / "copy"
        _tiny_files(tree, 20)
        (target / "others").write_bytes(os.urandom(50 << 20))
        others = (target / "others").read_bytes()
        rehome("copy", tree, copy)
        before = checker.look(copy)
        for i in range(20, 700):
            (tree / f"f{i:05}").write_bytes(b"s" * 100)
        done = rehome("copy", tree, copy, status=(1, 4))
        assert "RH-TREE-NOSPACE" in done.text, done.text
        assert (target / "others").read_bytes() == others
        after = checker.look(copy)
        for path in before:
            if path:
                assert before[path]["content"] == after[path]["content"], path
        (target / "others").unlink()
        rehome("copy", tree, copy)
        _same(tree, copy)


def test_preflight_says_how_many_inodes_are_missing(tmp_path, rehome):
    with disks.disk(tmp_path, "to", "ext4", size=64 << 20, make=["-N", "64"]) as target:
        _tiny_files(tmp_path / "tree", 200)
        done = rehome("copy", tmp_path / "tree", target / "copy", status=(4,))
        assert "RH-FILES-NOSPACE" in done.text and "inodes" in done.text
        assert not (target / "copy").exists()


def test_inodes_that_run_out_on_the_way_are_named_and_nothing_is_lost(tmp_path, rehome):
    with disks.disk(tmp_path, "to", "ext4", size=64 << 20, make=["-N", "96"]) as target:
        copy = target / "copy"
        copy.mkdir()
        for i in range(60):
            (copy / f"mine{i}").write_text(str(i))
        _tiny_files(tmp_path / "tree", 70)
        done = rehome("copy", "--merge", tmp_path / "tree", copy, status=(1, 4))
        assert "NOSPACE" in done.text, done.text
        assert [(copy / f"mine{i}").read_text() for i in range(60)] == [str(i) for i in range(60)]


def test_a_source_disk_that_cannot_be_read_is_named_and_the_copy_stays(tmp_path, rehome):
    image = tmp_path / "from.img"
    with disks.disk(tmp_path, "from", "ext4", size=200 << 20) as source:
        tree, copy = source / "tree", tmp_path / "copy"
        tree.mkdir()
        (tree / "small").write_text("fine")
        (tree / "big").write_bytes(random.Random(1).randbytes(60 << 20))
        rehome("copy", tree, copy)
        before = checker.look(copy)
        os.utime(tree / "big")
        subprocess.run(["sync", "-f", tree], check=True)
        where = subprocess.run(["filefrag", "-v", "-b4096", tree / "big"], check=True, capture_output=True, text=True).stdout
        last = max(int(line.split()[4].rstrip(":.")) for line in where.splitlines() if line.strip()[:1].isdigit() and ".." in line)
        os.truncate(image, (last - 100) * 4096)
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("1\n")
        done = rehome("copy", tree, copy, status=(1,))
        assert "Input/output error" in done.text and "big" in done.text, done.text
        assert checker.look(copy)[b"big"]["content"] == before[b"big"]["content"]
        assert (copy / "small").read_text() == "fine"
        done = rehome("compare", tree, copy, status=(1,))
        assert "RH-TREE-UNREADABLE" in done.text


def test_a_target_disk_that_cannot_write_is_no_success(tmp_path, rehome):
    """The disk's own file lies where there is no room: the kernel fails to write behind everybody's back."""
    with disks.disk(tmp_path, "store", "tmpfs", options=["size=40m"]) as store:
        with disks.disk(store, "to", "ext4", size=300 << 20, make=["-O", "^has_journal", "-E", "lazy_itable_init=1"]) as target:
            tree = tmp_path / "tree"
            tree.mkdir()
            (tree / "big").write_bytes(random.Random(2).randbytes(80 << 20))
            done = rehome("copy", tree, target / "copy", status=(1, 4))
            assert "RH-TREE-WRITE" in done.text or "RH-TREE-NOSPACE" in done.text, done.text


def test_a_file_replaced_between_looks_arrives_in_the_next_round(tmp_path, rehome):
    tree, copy = tmp_path / "tree", tmp_path / "copy"
    tree.mkdir()
    stop = threading.Event()

    def replace():
        i = 0
        while not stop.is_set():
            i += 1
            (tree / "new").write_bytes(b"%d" % i * 50000)
            os.rename(tree / "new", tree / "file")

    (tree / "file").write_bytes(b"0")
    thread = threading.Thread(target=replace)
    thread.start()
    try:
        for _ in range(5):
            rehome("copy", tree, copy, status=(0, 3, 5))
    finally:
        stop.set()
        thread.join()
    rehome("copy", tree, copy)
    _same(tree, copy)
