# SPDX-License-Identifier: Apache-2.0
"""A tree that holds every attribute a copy carries, made with the system's own tools and calls."""
import os
import socket
import stat
import subprocess

EXTENTS = (b"holes",)


def _run(*argv, cwd):
    subprocess.run(argv, check=True, capture_output=True, cwd=cwd)


def _put(path, text=b"x", mode=0o644):
    with open(path, "wb") as f:
        f.write(text)
    os.chmod(path, mode)


def _owners_and_modes(top):
    d = top / "owners"
    d.mkdir()
    for i, (user, group, mode) in enumerate([(1234, 4321, 0o640), (0, 77, 0o4755), (4294967294 - 1, 5, 0o6755),
                                             (65534, 65534, 0o000), (1001, 1002, 0o2750), (3, 3, 0o1777)]):
        _put(d / f"f{i}", b"mode %o" % mode)
        os.chown(d / f"f{i}", user, group)
        os.chmod(d / f"f{i}", mode)
        (d / f"d{i}").mkdir()
        os.chown(d / f"d{i}", user, group)
        os.chmod(d / f"d{i}", mode)
    _put(d / "empty", b"")
    (d / "nothing").mkdir(mode=0)


def _times(top):
    d = top / "times"
    d.mkdir()
    for name, sec, ns in [("old", -86400 * 365, 5), ("before", -1, 999999999), ("epoch", 0, 0), ("y2039", 2177452800, 7),
                          ("y2107", 4323542400, 123456789), ("now", 1700000000, 1)]:
        _put(d / name)
        os.symlink("somewhere", d / (name + "-link"))
        (d / (name + "-dir")).mkdir()
        for path in (d / name, d / (name + "-link"), d / (name + "-dir")):
            os.utime(path, ns=(1600000000 * 10**9, sec * 10**9 + ns), follow_symlinks=False)


def _links(top):
    for d in ("links", "links/a", "zlinks"):
        (top / d).mkdir()
    _put(top / "links/file", b"one inode")
    os.symlink("t" * 1000, top / "links/symlink")
    os.mkfifo(top / "links/fifo", 0o640)
    os.mknod(top / "links/null", 0o660 | stat.S_IFCHR, os.makedev(1, 3))
    for name in ("file", "symlink", "fifo", "null"):
        os.link(top / "links" / name, top / "links/a" / name, follow_symlinks=False)
        os.link(top / "links" / name, top / "zlinks" / name, follow_symlinks=False)
        os.utime(top / "links" / name, ns=(1, 1500000000123456789), follow_symlinks=False)


def _special(top):
    d = top / "special"
    d.mkdir()
    os.mkfifo(d / "fifo", 0o600)
    os.mknod(d / "block", 0o640 | stat.S_IFBLK, os.makedev(7, 99))
    os.mknod(d / "char", 0o666 | stat.S_IFCHR, os.makedev(240, 12345))
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(d / "socket"))
    os.chown(d / "fifo", 12, 34)
    os.chmod(d / "socket", 0o711)


def _holes(top):
    d = top / "holes"
    d.mkdir()
    with open(d / "sparse", "wb") as f:
        f.seek(5 << 20)
        f.write(b"middle" * 1000)
        f.truncate(40 << 20)
    with open(d / "hole-only", "wb") as f:
        f.truncate(100 << 20)
    _put(d / "allocated", b"z" * 5000)
    _run("fallocate", "-l", "8M", "unwritten", cwd=d)
    with open(d / "unwritten", "r+b") as f:
        f.seek(4 << 20)
        f.write(b"here" * 4096)
    _put(d / "beyond", b"b" * 8192)
    _run("fallocate", "-n", "-o", "0", "-l", "4M", "beyond", cwd=d)
    _put(d / "empty-beyond", b"")
    _run("fallocate", "-n", "-l", "1M", "empty-beyond", cwd=d)
    _put(d / "zeros", bytes(1 << 20))


def _attributes(top):
    d = top / "attributes"
    d.mkdir()
    _put(d / "file")
    (d / "dir").mkdir()
    os.symlink("nowhere", d / "link")
    os.mkfifo(d / "fifo")
    for name in ("file", "dir"):
        os.setxattr(d / name, "user.note", b"a\0b")
        os.setxattr(d / name, "user.empty", b"")
        os.setxattr(d / name, "user.long", b"v" * 1000)
        os.setxattr(d / name, "security.other", b"label\0")
    for name in ("file", "dir", "link", "fifo"):
        os.setxattr(d / name, "trusted.mark", b"t", follow_symlinks=False)
    for i in range(12):
        os.setxattr(d / "file", f"user.many{i:02}", b"%d" % i)


def _acls(top):
    d = top / "acls"
    d.mkdir()
    _put(d / "file")
    (d / "shared").mkdir()
    _run("setfacl", "-m", "u:1001:rw,u:2002:r,g:1002:rwx,m:rx", "file", cwd=d)
    _run("setfacl", "-m", "u:1001:rwx", "shared", cwd=d)
    _run("setfacl", "-d", "-m", "u:1003:rwx,g:1004:r", "shared", cwd=d)
    _put(d / "shared/inherits")
    _put(d / "shared/plain")
    _run("setfacl", "-b", "shared/plain", cwd=d)
    (d / "shared/below").mkdir()


def _capabilities(top):
    d = top / "capabilities"
    d.mkdir()
    for name, cap, mode in [("bind", "cap_net_bind_service=ep", 0o755), ("both", "cap_net_raw,cap_net_admin=eip", 0o755),
                            ("setid", "cap_sys_ptrace=ep", 0o6755)]:
        _put(d / name, b"#!")
        os.chown(d / name, 1001, 1002)
        os.chmod(d / name, mode)
        _run("setcap", cap, name, cwd=d)


def _names(top):
    d = top / "names"
    d.mkdir()
    for name in [b"new\nline", b"\xff\xfe not utf-8", b"n" * 255, "ü".encode() * 127, b"Case", b"case", b"CASE", b"-rf",
                 b"%41", b"%", b"a b", b" ", b"\x01\x1b[31m", b"back\\slash", b"*", b"...", b".hidden", b"quote'\""]:
        with open(os.path.join(bytes(d), name), "wb") as f:
            f.write(name)
    os.mkdir(os.path.join(bytes(d), b"dir\xc0\n"))
    os.symlink(b"to\n\xff", os.path.join(bytes(d), b"link\n\xfe"))


def _deep(top):
    """Paths of more than 4,096 bytes."""
    fd = os.open(top, os.O_RDONLY)
    for i in range(30):
        name = f"{i:02}" + "d" * 190
        os.mkdir(name, dir_fd=fd)
        below = os.open(name, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    with os.fdopen(os.open("file", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=fd), "wb") as f:
        f.write(b"far down")
    os.setxattr(fd, "user.deep", b"dir")
    os.close(fd)


def projects(top):
    """Whether the filesystem keeps project ids."""
    _put(top / ".projects")
    done = subprocess.run(["chattr", "-p", "9", ".projects"], cwd=top, check=False, capture_output=True)
    os.unlink(top / ".projects")
    return done.returncode == 0


def _flags(top):
    d = top / "flags"
    d.mkdir()
    for name, flags in [("immutable", "+i"), ("append", "+a"), ("nodump", "+d"), ("all", "+aid")]:
        _put(d / name, name.encode())
        (d / (name + "-dir")).mkdir()
        _put(d / (name + "-dir") / "inside", name.encode())
        _run("chattr", flags, name, name + "-dir", cwd=d)
    if not projects(top):
        return
    (d / "project").mkdir()
    _put(d / "project/file")
    (d / "project/below").mkdir()
    _run("chattr", "-p", "4242", "project", "project/file", "project/below", cwd=d)
    _run("chattr", "+P", "project", cwd=d)
    _put(d / "project/inherits")
    _put(d / "other")
    _run("chattr", "-p", "7", "other", cwd=d)


def build(top):
    """Fills the empty directory `top`."""
    for part in (_owners_and_modes, _times, _links, _special, _holes, _attributes, _acls, _capabilities, _names, _deep):
        part(top)
    _flags(top)
    os.chmod(top, 0o2751)
    os.chown(top, 42, 43)
    os.utime(top, ns=(5, 1234567890987654321))


def unlock(top):
    """Takes away what would keep `rm` from removing the tree."""
    subprocess.run(["chattr", "-R", "-f", "-ia", top], check=False, capture_output=True)


def change(top):
    """A day's work on the tree, also below what is immutable."""
    flags = top / "flags"
    _run("chattr", "-i", "immutable-dir", "immutable", cwd=flags)
    _put(flags / "immutable-dir/later", b"new below an immutable directory")
    _put(flags / "immutable-dir/inside", b"changed")
    _put(flags / "immutable", b"changed, too")
    _run("chattr", "+i", "immutable-dir", "immutable", cwd=flags)
    _run("chattr", "-d", "nodump", cwd=flags)
    _run("chattr", "+d", "nodump-dir/inside", cwd=flags)
    with open(flags / "append", "ab") as f:
        f.write(b" and more")
    _run("setfacl", "-x", "u:1001", "acls/file", cwd=top)
    _run("setfacl", "-k", "acls/shared", cwd=top)
    _run("setcap", "-r", "capabilities/bind", cwd=top)
    os.chown(top / "capabilities/both", 7, 8)
    _run("setcap", "cap_net_raw=ep", "capabilities/both", cwd=top)
    os.removexattr(top / "attributes/file", "user.long")
    os.setxattr(top / "attributes/link", "trusted.mark", b"other", follow_symlinks=False)
    os.unlink(top / "links/file")
    os.unlink(top / "special/block")
    os.utime(top / "times/old-link", ns=(1, 7), follow_symlinks=False)
    with open(top / "holes/sparse", "r+b") as f:
        f.seek(20 << 20)
        f.write(b"more")
    _run("fallocate", "-p", "-o", "0", "-l", "65536", "zeros", cwd=top / "holes")
    os.rename(bytes(top) + b"/names/new\nline", bytes(top) + b"/names/other\nline")
    if (flags / "project").exists():
        _run("chattr", "-p", "99", "project/file", cwd=flags)


def build_small(top):
    """One file for each kind of difference."""
    top.mkdir()
    for name in ("content", "mode", "owner", "group", "mtime", "acl", "xattr", "capability", "flags", "missing", "size", "type",
                 "link", "same"):
        _put(top / name, name.encode())
    os.link(top / "link", top / "link2")
    os.symlink("here", top / "symlink")
    for name in os.listdir(top):
        os.utime(top / name, ns=(1, 1600000000 * 10**9), follow_symlinks=False)
    os.utime(top, ns=(1, 1600000000 * 10**9))


def spoil(top):
    """Changes one thing of each file; path -> the kinds of difference that this makes."""
    def back(name):
        os.utime(top / name, ns=(1, 1600000000 * 10**9), follow_symlinks=False)
    _put(top / "content", b"CONTENT")
    back("content")
    os.chmod(top / "mode", 0o600)
    os.chown(top / "owner", 77, -1)
    os.chown(top / "group", -1, 78)
    os.utime(top / "mtime", ns=(1, 1600000000 * 10**9 + 1))
    _run("setfacl", "-m", "u:5:r,m:r", "acl", cwd=top)
    os.setxattr(top / "xattr", "user.x", b"1")
    _run("setcap", "cap_net_raw=ep", "capability", cwd=top)
    _run("chattr", "+d", "flags", cwd=top)
    os.unlink(top / "missing")
    _put(top / "size", b"longer than it was")
    back("size")
    os.unlink(top / "type")
    os.mkfifo(top / "type")
    os.unlink(top / "link2")
    _put(top / "link2", b"link")
    os.unlink(top / "symlink")
    os.symlink("there", top / "symlink")
    _put(top / "extra")
    for name in ("type", "link2", "symlink"):
        back(name)
    os.utime(top, ns=(1, 1600000000 * 10**9))
    expected = {name: {name} for name in ("content", "mode", "owner", "group", "mtime", "acl", "xattr", "capability", "flags",
                                          "missing", "extra", "type")}
    expected.update({"size": {"size", "content"}, "link2": {"link"}, "symlink": {"link"}})
    return expected
