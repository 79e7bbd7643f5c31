# SPDX-License-Identifier: Apache-2.0
"""A source that lies: a real agent takes its stream and must refuse it by name, in bounded memory, without a hang, and touch nothing beside the root."""
import os
import struct

import pytest
from conftest import LONG
from peer import (BLOCK, CONTENT, DELETE, DELETES, DELTA, DIR, ENTRY, FIFO, FILE, FILE_END, GONE, HEAD, HOLE, KEEP, LINK, LIST, LISTING,
                  MAGIC, META, RDATA, ROOT, SOCKET, end, entry, head, record, stream, xattrs)

#: What an agent may hold at most while it takes a lie, in KiB.
MEMORY = 96 << 10


def file(path, content=b"evil", size=None, sums=bytes(16), **rest):
    size = len(content) if size is None else size
    return (record(CONTENT, entry(FILE, path, size=size, **rest)) + record(RDATA, content)
            + record(FILE_END, struct.pack("<Q", len(content)) + sums))


def node(kind, path, **rest):
    return record(CONTENT, entry(kind, path, **rest))


def number(kind, n):
    return record(kind, struct.pack("<Q", n))


ACL = b"\x02\0\0\0"
PATHS = [b"../out/x", b"..", b".", b"/", b"/etc/passwd", b"a/../../out/x", b"a//b", b"a/", b"./a", b"a/./b", b"../out/secret", b".rehome-tmp/x",
         b".rehome-tmp", b"a" * 256, b"/".join([b"d"] * 40000), b"x\0y"]
LIES = {
    "path " + repr(p[:20]): stream(ROOT, file(p)) for p in PATHS
} | {
    "directory " + repr(p[:20]): stream(ROOT, node(DIR, p)) for p in PATHS
} | {
    "link with " + repr(p[:20]): stream(ROOT, node(LINK, p, target=b"/etc")) for p in PATHS
} | {
    "through a link to the outside": stream(ROOT, node(LINK, b"a", target=b"../out"), file(b"a/x")),
    "directory below a link": stream(ROOT, node(LINK, b"a", target=b"../out"), node(DIR, b"a/dir", mode=0o777)),
    "metadata below a link": stream(ROOT, node(LINK, b"a", target=b"../out"), record(META, entry(FILE, b"a/secret", mode=0o777, size=14))),
    "link below a link": stream(ROOT, node(LINK, b"a", target=b"../out"), node(LINK, b"a/b", target=b"x")),
    "file below a file": stream(ROOT, node(FIFO, b"a"), node(FIFO, b"a/x")),
    "hard link to the outside": stream(ROOT, node(FILE, b"x", first=b"../out/secret")),
    "hard link to an absolute path": stream(ROOT, node(FILE, b"x", first=b"/etc/passwd")),
    "hard link through a link": stream(ROOT, node(LINK, b"a", target=b"../out"), node(FILE, b"x", first=b"a/secret")),
    "hard link to a later name": stream(ROOT, node(FILE, b"x", first=b"y")),
    "hard link to itself": stream(ROOT, node(FILE, b"x", first=b"x")),
    "hard link to a directory": stream(ROOT, node(DIR, b"a"), node(FILE, b"x", first=b"a")),
    "hard link of a directory": stream(ROOT, node(DIR, b"a", first=b"")),
    "hard link to what is not there": stream(ROOT, node(FILE, b"x", first=b"w")),
    "twice": stream(ROOT, node(FIFO, b"a"), node(FIFO, b"a")),
    "out of order": stream(ROOT, node(FIFO, b"b"), node(FIFO, b"a")),
    "out of order by the slash": stream(ROOT, node(DIR, b"a"), node(FIFO, b"a.b"), node(FIFO, b"a/c")),
    "the root twice": stream(ROOT, ROOT),
    "a child of nothing": stream(ROOT, node(FIFO, b"nowhere/a")),
    "metadata of a link": stream(ROOT, record(META, entry(LINK, b"a", target=b"x"))),
    "metadata of what is not there": stream(ROOT, record(META, entry(FILE, b"a"))),
    "type 0": stream(ROOT, node(0, b"a")),
    "type 9": stream(ROOT, node(9, b"a")),
    "type 255": stream(ROOT, node(255, b"a")),
    "gone": stream(ROOT, node(GONE, b"a")),
    "mode of 16 bits": stream(ROOT, node(FIFO, b"a", mode=0xffff)),
    "unknown marks": stream(ROOT, node(FIFO, b"a", marks=0x80)),
    "nanoseconds": stream(ROOT, node(FIFO, b"a", mtime=(0, 10**9))),
    "link without target": stream(ROOT, node(LINK, b"a")),
    "target of a file": stream(ROOT, node(FILE, b"a", target=b"x")),
    "target longer than PATH_MAX": stream(ROOT, node(LINK, b"a", target=b"t" * 65000)),
    "size above 2^63": stream(ROOT, node(FILE, b"a", size=1 << 63)),
    "more than was said": stream(ROOT, file(b"a", b"evil", size=3)),
    "less than was said": stream(ROOT, node(FILE, b"a", size=9), record(RDATA, b"evil"), record(FILE_END, struct.pack("<Q", 9) + bytes(16))),
    "wrong digest": stream(ROOT, file(b"a", b"evil", sums=b"\xaa" * 16)),
    "short end of a file": stream(ROOT, node(FILE, b"a"), record(FILE_END, b"123")),
    "data without a file": stream(ROOT, record(RDATA, b"evil")),
    "end without a file": stream(ROOT, record(FILE_END, bytes(24))),
    "hole without a file": stream(ROOT, number(HOLE, 1)),
    "hole of nothing": stream(ROOT, node(FILE, b"a"), number(HOLE, 0)),
    "hole of 2^64": stream(ROOT, node(FILE, b"a", size=9), number(HOLE, (1 << 64) - 1)),
    "holes that add up to 2^64": stream(ROOT, node(FILE, b"a", size=(1 << 63) - 1), *[number(HOLE, (1 << 63) - 1)] * 3),
    "entry in a file": stream(ROOT, node(FILE, b"a"), node(FIFO, b"b")),
    "file without end": stream(ROOT, node(FILE, b"a")),
    "lengths beyond the record": stream(ROOT, record(CONTENT, entry(FILE, b"a", lengths=(70000, 0, 0, 0)))),
    "length of attributes": stream(ROOT, record(CONTENT, entry(FILE, b"a", lengths=(1, 0, 0, 0xffffffff)))),
    "all lengths": stream(ROOT, record(CONTENT, entry(FILE, b"a", lengths=(0xffffffff,) * 4))),
    "path with a zero byte in its length": stream(ROOT, record(CONTENT, entry(FILE, b"a\0b", lengths=(3, 0, 0, 0)))),
    "bytes behind an entry": stream(ROOT, record(CONTENT, entry(FIFO, b"a") + b"more")),
    "half an entry": stream(ROOT, record(CONTENT, entry(FIFO, b"a")[:50])),
    "empty entry": stream(ROOT, record(CONTENT)),
    "record of 4 GiB": head() + ROOT + record(CONTENT, b"x", length=0xffffffff),
    "record above the limit": head() + ROOT + record(CONTENT, b"x", length=1245441),
    "record of type 0": head() + ROOT + record(0),
    "record of type 200": head() + ROOT + record(200),
    "record with reserved bytes": head() + ROOT + b"\x02\xff\0\0\0\0\0\0",
    "list": stream(ROOT, flags=LIST),
    "entry of a list": stream(ROOT, record(ENTRY, entry(FIFO, b"a"))),
    "unknown flags": stream(ROOT, flags=0x80000000),
    "second head": stream(ROOT, record(HEAD, bytes(20))),
    "another magic": b"rehome-tree 2\n" + stream(ROOT)[14:],
    "no magic": b"\0" * 64,
    "nothing": b"",
    "magic alone": MAGIC,
    "no end": head() + ROOT,
    "wrong count at the end": head() + ROOT + end(77),
    "more behind the end": stream(ROOT) + b"x",
    "blocks without a patch": stream(ROOT, record(14, struct.pack("<Q", 0) + b"evil")),
    "patch of what is not there": stream(ROOT, record(13, struct.pack("<QqI", 4, 0, 0) + entry(FILE, b"a", size=4))),
    "patch cut": stream(ROOT, record(13, b"123")),
    "rest of what is not there": stream(ROOT, record(15, struct.pack("<Q", 1 << 40) + entry(FILE, b"a", size=1 << 41))),
    "rest outside": stream(ROOT, record(15, struct.pack("<Q", 1) + entry(FILE, b"../out/secret", size=14))),
    "allocation without a file": stream(ROOT, record(12, struct.pack("<QQ", 0, 1 << 62))),
    "allocation of 2^62": stream(ROOT, node(FILE, b"a"), record(12, struct.pack("<QQ", 1 << 62, 1 << 62))),
    "keep in a first copy": stream(ROOT, record(KEEP, b"a")),
    "deletions in a first copy": stream(ROOT, number(DELETES, 1), record(DELETE, b"a")),
    "attribute of the kernel": stream(node(DIR, b"", attributes=xattrs([(b"system.nope", b"x")]))),
    "attribute of another kind": stream(node(DIR, b"", attributes=xattrs([(b"security.evm", b"x")]))),
    "attribute without a kind": stream(node(DIR, b"", attributes=xattrs([(b"x", b"x")]))),
    "attributes out of order": stream(node(DIR, b"", attributes=xattrs([(b"user.b", b""), (b"user.a", b"")]))),
    "attribute twice": stream(node(DIR, b"", attributes=xattrs([(b"user.a", b""), (b"user.a", b"")]))),
    "attribute cut": stream(node(DIR, b"", attributes=xattrs([(b"user.a", b"x")])[:-1])),
    "attribute with a giant length": stream(node(DIR, b"", attributes=b"\x06user.a\xff\xff\xff\xff")),
    "attribute name with a zero": stream(node(DIR, b"", attributes=xattrs([(b"user.a\0b", b"x")]))),
    "attribute of 70,000 bytes": stream(node(DIR, b"", attributes=xattrs([(b"user.a", b"x" * 70000)]))),
    "ACL of half an entry": stream(node(DIR, b"", attributes=xattrs([(b"system.posix_acl_access", ACL + b"123")]))),
    "ACL of another version": stream(node(DIR, b"", attributes=xattrs([(b"system.posix_acl_access", b"\x09\0\0\0" + bytes(8))]))),
    "ACL with unknown tags": stream(node(DIR, b"", attributes=xattrs([(b"system.posix_acl_access", ACL + b"\xff" * 8)]))),
    "ACL of 8,000 entries": stream(node(DIR, b"", attributes=xattrs([(b"system.posix_acl_access", ACL + b"\x02\0\x07\0\x01\0\0\0" * 8000)]))),
    "a million attributes": stream(node(DIR, b"", attributes=xattrs([(b"user.%06d" % i, b"") for i in range(70000)]))),
}

#: These are no lies against the format: what the filesystem does not take is a finding or an error of this file, and the canary is what counts.
MAY_SUCCEED = {"target longer than PATH_MAX", "ACL of another version", "ACL with unknown tags", "ACL of 8,000 entries", "a million attributes",
               "attribute of 70,000 bytes", "ACL of half an entry"}


def receive(a, ground, data, **more):
    args = {"root": str(ground / "root"), "migration": "hostile", "index": "i", "seed": True, **more}
    return a.ask("tree.receive", args, data)


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_in_the_stream_is_refused_by_name(agent, ground, lie):
    a = agent()
    a.frame()
    good, said, _ = receive(a, ground, LIES[lie])
    if not good:
        assert said["code"].startswith("RH-TREE-") or said["code"] in ("RH-PATH-SYMLINK", "RH-WIRE-SHORT"), said
    else:
        assert lie in MAY_SUCCEED, said
    # The agent goes on: nothing of the lie is left in it.
    good, said, _ = a.ask("tree.usage", {"root": str(ground / "out")})
    assert good and said["files"] >= 2, said
    assert a.close()[0] == 0
    assert a.peak < MEMORY


def delta(*records, listing=True):
    return stream(*records, flags=DELTA | (LISTING if listing else 0))


DELTA_LIES = {
    "deletion of the root": delta(ROOT, number(DELETES, 1), record(DELETE, b"")),
    "deletion outside": delta(ROOT, number(DELETES, 1), record(DELETE, b"../out/secret")),
    "deletion of an absolute path": delta(ROOT, number(DELETES, 1), record(DELETE, b"/etc/passwd")),
    "deletion through a link": delta(ROOT, number(DELETES, 1), record(DELETE, b"link/secret")),
    "more deletions than counted": delta(ROOT, number(DELETES, 1), record(DELETE, b"b"), record(DELETE, b"a")),
    "fewer deletions than counted": delta(ROOT, number(DELETES, 2), record(DELETE, b"a")),
    "deletions out of order": delta(ROOT, number(DELETES, 2), record(DELETE, b"a"), record(DELETE, b"b")),
    "2^64 deletions": delta(ROOT, number(DELETES, (1 << 64) - 1)),
    "two counts of deletions": delta(ROOT, number(DELETES, 1), number(DELETES, 1)),
    "deletion without a count": delta(ROOT, record(DELETE, b"a")),
    "entry after the deletions": delta(ROOT, number(DELETES, 0), node(FIFO, b"z")),
    "content through a link that is there": delta(ROOT, record(KEEP, b"link"), file(b"link/secret")),
    "patch outside": delta(ROOT, record(13, struct.pack("<QqI", 14, 0, 0) + entry(FILE, b"../out/secret", size=14)), record(14, bytes(8) + b"evil")),
    "patch through a link": delta(ROOT, record(13, struct.pack("<QqI", 14, 0, 0) + entry(FILE, b"link/secret", size=14)), record(14, bytes(8) + b"evil")),
    "patch of a link": delta(ROOT, record(13, struct.pack("<QqI", 6, 0, 0) + entry(FILE, b"link", size=6)), record(14, bytes(8) + b"evil")),
    "keep outside": delta(ROOT, record(KEEP, b"../out")),
    "keep with a zero": delta(ROOT, record(KEEP, b"a\0b")),
    "an empty listing": delta(number(DELETES, 0), listing=True),
}


@pytest.mark.parametrize("lie", DELTA_LIES)
def test_a_lie_in_a_later_round_changes_nothing_outside(agent, ground, lie):
    a = agent()
    a.frame()
    honest = stream(ROOT, node(FIFO, b"a"), node(FIFO, b"b"), node(LINK, b"link", target=b"../out"))
    good, said, _ = receive(a, ground, honest)
    assert good, said
    good, said, _ = receive(a, ground, DELTA_LIES[lie], seed=False, delete_limit=1)
    assert not good and said["code"].startswith("RH-TREE-"), said
    assert a.close()[0] == 0
    assert a.peak < MEMORY


def test_an_empty_source_deletes_nothing_above_the_limit(agent, ground):
    a = agent()
    a.frame()
    names = [b"%04d" % i for i in range(50)]
    good, said, _ = receive(a, ground, stream(ROOT, *[node(FIFO, n) for n in names]))
    assert good, said
    for lie in (delta(ROOT, number(DELETES, 0)), delta(ROOT, number(DELETES, 50), *[record(DELETE, n) for n in reversed(names)])):
        good, said, _ = receive(a, ground, lie, seed=False, delete_limit=10)
        assert not good and said["code"] == "RH-TREE-DELETES", said
        assert len(os.listdir(ground / "root")) == 50


def test_a_flood_of_tiny_records_is_taken_in_bounded_memory(agent, ground):
    """Ten thousand entries (100,000 in ./check full) of a few bytes, then 18 MB of what is no record."""
    a = agent()
    a.frame()

    def flood():
        yield head() + ROOT
        for i in range(500):
            yield b"".join(node(LINK, b"%06d" % (200 * i + k), target=b"x") for k in range(200 if LONG else 20))
        for _ in range(2000):
            yield b"\x0b" * 9000

    good, said, _ = receive(a, ground, flood())
    assert not good and said["code"] == "RH-TREE-STREAM", said
    assert a.close()[0] == 0 and a.peak < MEMORY


def test_devices_and_set_id_files_are_made_below_the_root_alone(agent, ground):
    """No lie: a source may hold them. They come as they are, and nowhere else."""
    a = agent()
    a.frame()
    good, said, _ = receive(a, ground, stream(ROOT, node(BLOCK, b"b", rdev=(7 << 8) | 0), node(SOCKET, b"s")))
    assert good, said
    assert {p.name for p in (ground / "root").iterdir()} == {"b", "s"}
    assert a.close()[0] == 0


LIST_LIES = {
    "path outside": head(LIST) + record(ENTRY, entry(DIR, b"")) + record(ENTRY, entry(FILE, b"../out/secret")) + end(3),
    "out of order": head(LIST) + record(ENTRY, entry(DIR, b"")) + record(ENTRY, entry(FILE, b"b")) + record(ENTRY, entry(FILE, b"a")) + end(4),
    "content in a list": head(LIST) + ROOT + end(2),
    "no list": stream(ROOT),
    "cut": head(LIST) + record(ENTRY, entry(DIR, b"")),
    "attributes": head(LIST) + record(ENTRY, entry(DIR, b"", attributes=b"\xff" * 40)) + end(2),
}


@pytest.mark.parametrize("lie", LIST_LIES)
def test_a_lie_in_a_list_is_refused(agent, ground, lie):
    (ground / "root").mkdir()
    a = agent()
    a.frame()
    good, said, _ = a.ask("tree.compare", {"root": str(ground / "root")}, LIST_LIES[lie])
    assert not good and said["code"].startswith("RH-TREE-"), said
    assert a.close()[0] == 0 and a.peak < MEMORY


def test_a_list_of_names_with_control_bytes_is_reported_encoded(agent, ground):
    (ground / "root").mkdir()
    a = agent()
    a.frame()
    evil = b"\x1b]0;owned\x07\x1b[2J\r\n\xff\xe2\x80\xae"
    data = head(LIST) + record(ENTRY, entry(DIR, b"")) + record(ENTRY, entry(FIFO, evil)) + end(3)
    good, said, _ = a.ask("tree.compare", {"root": str(ground / "root")}, data)
    assert good and not said["equal"], said
    assert all(31 < ord(c) < 127 for c in said["examples"][-1]["path"]), said
