# SPDX-License-Identifier: Apache-2.0
"""Somebody swaps directories for links, and links for directories, all the time while verbs run below them. The canary is never read and never written."""
import base64
import ctypes
import hashlib
import os
import threading
import time

from conftest import LONG
from peer import CONTENT, DELTA, DIR, FIFO, LINK, LISTING, ROOT, entry, record, stream

#: Seconds for each of the four stories.
SECONDS = 60 if LONG else 1.5
SECRET = hashlib.sha256(b"CANARY-SECRET\n").hexdigest()
FILE_SHA = hashlib.sha256(b"CANARY-FILE\n").hexdigest()
LIBC = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, EXCHANGE = -100, 2


#: A stream that makes what the swapper swaps, again and again. Fifos need no digest; modes and owners would hit what a link leads to.
MINE = {"mode": 0o777, "uid": 12345}
WHOLE = [ROOT]
for _name in (b"a", b"b"):
    WHOLE += [record(CONTENT, e) for e in (
        entry(DIR, _name, **MINE), entry(DIR, _name + b"/dir", **MINE), entry(FIFO, _name + b"/dir/file", **MINE),
        entry(LINK, _name + b"/dir.link", target=b"../../out/dir"), entry(FIFO, _name + b"/secret", **MINE),
        entry(LINK, _name + b"/secret.link", target=b"../../out/secret"), entry(LINK, _name + b".link", target=b"../out"))]


class Swapper:
    """Makes NAME and NAME.link change places below `root`, without a moment in which one is missing, until it is told to stop. It follows no link itself."""

    def __init__(self, root):
        self.root = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        self.swaps = 0
        self.stop = False
        self.thread = threading.Thread(target=self.run)

    def swap(self, at, name):
        if LIBC.renameat2(at, name.encode(), at, f"{name}.link".encode(), EXCHANGE) == 0:
            self.swaps += 1

    def run(self):
        while not self.stop:
            for name in ("a", "b"):
                try:
                    below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=self.root)
                except OSError:
                    below = None
                self.swap(self.root, name)
                if below is not None:
                    self.swap(below, "dir")
                    self.swap(below, "secret")
                    os.close(below)
            time.sleep(0)  # the other side of this test needs the interpreter, too

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.thread.join()
        assert self.swaps > 100, self.swaps


def until_over():
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        yield


def tree(root):
    """Directories and files, and beside each a link to the canary of the same shape, to swap it with."""
    root.mkdir(exist_ok=True)
    for name in ("a", "b"):
        d = root / name
        (d / "dir").mkdir(parents=True, exist_ok=True)
        (d / "secret").write_text("inside\n")
        (d / "dir" / "file").write_text("inside\n")
        os.symlink("../out", root / f"{name}.link")
        os.symlink("../../out/dir", d / "dir.link")
        os.symlink("../../out/secret", d / "secret.link")
    return root


def test_a_tree_that_is_sent_or_listed_never_holds_the_canary(agent, ground):
    a = agent()
    a.frame()
    root = ground / "root"
    runs = 0
    with Swapper(tree(root)):
        for _ in until_over():
            for verb, more in (("tree.send", {"migration": "hostile", "index": "i", "round": 1}), ("tree.list", {}), ("tree.usage", {})):
                good, said, data = a.ask(verb, {"root": str(root), **more})
                assert b"CANARY" not in data and "CANARY" not in str(said)
                runs += good
    assert runs > 10 and a.close()[0] == 0


def test_a_tree_that_is_received_never_touches_the_canary(agent, ground):
    """Delta rounds onto names that are swapped for links to the canary: removing, making, changing, and metadata."""
    a = agent()
    a.frame()
    root = ground / "root"
    args = {"root": str(root), "migration": "hostile", "index": "i", "delete_limit": 1000}
    good, said, _ = a.ask("tree.receive", {**args, "seed": True}, stream(ROOT))
    assert good, said
    tree(root)
    reached = {}
    with Swapper(root):
        for _ in until_over():
            good, said, _ = a.ask("tree.receive", args, stream(*WHOLE, flags=DELTA | LISTING))
            reached[good or said["code"]] = reached.get(good or said["code"], 0) + 1
    assert sum(reached.values()) > 10, reached
    assert a.close()[0] == 0


def test_file_verbs_never_follow_a_link_that_another_user_made(agent, ground):
    """Below a directory of somebody else; root's own links on the way would be followed."""
    a = agent()
    a.frame()
    root = ground / "root"
    tree(root)
    for path, _, names in os.walk(root):
        for name in [*names, *[d for d in os.listdir(path) if os.path.islink(os.path.join(path, d))]]:
            os.lchown(os.path.join(path, name), 1000, 1000)
        os.chown(path, 1000, 1000)
    seen = 0
    with Swapper(root):
        for i in until_over():
            good, said, _ = a.ask("file.read", {"path": str(root / "a" / "secret")})
            if good and said["exists"]:
                assert b"CANARY" not in base64.b64decode(said["content"])
                seen += 1
            a.ask("file.write", {"path": str(root / "a" / "secret"), "content": base64.b64encode(b"inside\n").decode(), "uid": 1000, "gid": 1000})
            a.ask("file.write", {"path": str(root / "b" / "dir" / "file"), "content": base64.b64encode(b"inside\n").decode()})
            a.ask("file.remove", {"path": str(root / "b" / "dir" / "file")})
            a.ask("file.mkdir", {"path": str(root / "b" / "dir" / "sub")})
            a.ask("file.remove", {"path": str(root / "b" / "dir" / "sub")})
            a.ask("file.rename", {"from": str(root / "b" / "secret"), "to": str(root / "b" / "dir" / "moved"), "replace": True})
            a.ask("file.rename", {"from": str(root / "b" / "dir" / "moved"), "to": str(root / "b" / "secret"), "replace": True})
    assert seen > 5 and a.close()[0] == 0


def test_a_comparison_never_reads_the_canary(agent, ground):
    a = agent()
    a.frame()
    root = ground / "root"
    tree(root)
    good, _, listed = a.ask("tree.list", {"root": str(root)})
    assert good
    runs = 0
    with Swapper(root):
        for _ in until_over():
            good, said, _ = a.ask("tree.compare", {"root": str(root), "limit": 100}, listed)
            runs += good
            # CANARY-FILE and CANARY-SECRET by their SHA-256
            assert SECRET not in str(said) and FILE_SHA not in str(said)
    assert runs > 10 and a.close()[0] == 0

