# SPDX-License-Identifier: Apache-2.0
# Fills the shop's file tree: many small files, and everything that is hard to copy.
import os
import random
import struct

FILES, FOLDERS = 20_000, 400
SHOP, SHOPDATA, ANNA = 1001, 1500, 1003
HOSTILE = [
    b"new\nline", b"not-utf8-\xff\xfe\xe4", b"n" * 255, b"control-\x01\x02\x1b[31m", b"-leading-dash", b"--delete",
    b"trailing space ", b" leading space", b"Case", b"case", b"CASE", b"quote'\"`$(id)`", b"back\\slash", b"*?[x]",
    b"tab\there", b"carriage\rreturn", b"...", b"~", b"#hash", b"a;b|c&d", b"%s%n", b"\xc3\xa4-composed",
    b"a\xcc\x88-composed", b"colon:name", b"=equals", b"@at",
]


def fill(top, scale=1):
    """Make the tree under top (the server's /srv/shop, seen from outside, bytes or str)."""
    base = os.path.join(os.fsencode(top), b"files")
    os.mkdir(base)
    _many(base, FILES * scale, FOLDERS * scale)
    odd = os.path.join(base, b"odd")
    os.mkdir(odd)
    _hostile(odd)
    _kinds(odd)
    _times(odd)
    _attributes(odd)


def _write(path, data):
    with open(path, "wb", buffering=0) as out:
        out.write(data)


def _many(base, files, folders):
    """Small files, mean 5 KB, of sizes and contents that a seed repeats."""
    chance = random.Random(20260101)
    block = chance.randbytes(1 << 16)
    where = []
    for number in range(folders):
        folder = b"%s/d%03d/s%02d" % (base, number // 20, number % 20)
        os.makedirs(folder)
        where.append(folder)
    for number in range(files):
        size = int(chance.expovariate(1 / 5000)) % 60000
        start = chance.randrange(len(block) - size) if size < len(block) else 0
        path = b"%s/f%06d.dat" % (where[number % folders], number)
        _write(path, b"%08d" % number + block[start:start + max(size - 8, 0)])
        if number % 40 == 0:
            os.chown(path, SHOP, SHOPDATA)
    for folder in where:
        os.chown(folder, SHOP, SHOPDATA)
    for number in range(0, 200):
        os.link(b"%s/f%06d.dat" % (where[number], number), b"%s/linked-%03d" % (where[(number + 7) % folders], number))


def _hostile(odd):
    folder = odd + b"/names"
    os.mkdir(folder)
    for name in HOSTILE:
        _write(folder + b"/" + name, b"this is " + name)
    os.mkdir(folder + b"/dir\nwith newline")
    _write(folder + b"/dir\nwith newline/file", b"inside")


def _kinds(odd):
    """Symlinks, a fifo, holes, an empty directory, special permission bits, hard links."""
    os.symlink(b"names/Case", odd + b"/link")
    os.symlink(b"nowhere/to be found", odd + b"/dangling")
    os.symlink(b"/etc/shop", odd + b"/absolute")
    os.symlink(b"names/not-utf8-\xff\xfe\xe4", odd + b"/link-\xff")
    os.mkfifo(odd + b"/fifo", 0o640)
    with open(odd + b"/sparse", "wb") as out:
        out.truncate(100 << 20)
        for offset in (0, 33 << 20, (100 << 20) - 4096):
            out.seek(offset)
            out.write(b"data" * 1024)
    _write(odd + b"/empty", b"")
    os.mkdir(odd + b"/empty-folder")
    os.mkdir(odd + b"/setgid")
    os.chown(odd + b"/setgid", SHOP, SHOPDATA)
    os.chmod(odd + b"/setgid", 0o2775)
    os.mkdir(odd + b"/sticky")
    os.chmod(odd + b"/sticky", 0o1777)
    for mode in (0o000, 0o444, 0o4755, 0o2755, 0o600):
        path = odd + b"/mode-%04o" % mode
        _write(path, b"#!/bin/sh\n")
        os.chown(path, SHOP, SHOPDATA)
        os.chmod(path, mode)
    for folder in (b"one", b"two"):
        os.mkdir(odd + b"/" + folder)
    _write(odd + b"/one/twin", b"the same file\n")
    os.link(odd + b"/one/twin", odd + b"/two/twin")
    os.symlink(b"names", odd + b"/one/link")
    os.link(odd + b"/one/link", odd + b"/two/link", follow_symlinks=False)


def _times(odd):
    """Before 1970, nanoseconds, far in the future; set last, the writes are over."""
    folder = odd + b"/times"
    os.mkdir(folder)
    for name, when in ((b"before-1970", -86400 * 365 * 10 * 10**9 + 123456789), (b"nanoseconds", 1234567890123456789),
                       (b"year-2200", 7258118400 * 10**9 + 1), (b"zero", 0)):
        _write(folder + b"/" + name, name)
        os.utime(folder + b"/" + name, ns=(when, when))
    os.utime(folder, ns=(10**18 + 1, 10**18 + 1))


def deep(top):
    """A path longer than PATH_MAX, which only a walk by descriptors reaches; tar cannot unpack one."""
    odd = os.path.join(os.fsencode(top), b"files/odd")
    name = b"deep-" + b"x" * 195
    here = os.open(odd, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(24):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    leaf = os.open(b"bottom", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=here)
    os.write(leaf, b"at the end of a path of 4,800 bytes\n")
    os.close(leaf)
    os.close(here)


def _acl(*entries):
    """An access control list as the kernel stores it; entries are (tag, permissions, id or None)."""
    nobody = 0xFFFFFFFF
    return struct.pack("<I", 2) + b"".join(
        struct.pack("<HHI", tag, permissions, nobody if who is None else who) for tag, permissions, who in entries)


def _attributes(odd):
    """User attributes of awkward names and values, on files and on a directory."""
    path = odd + b"/attributes"
    _write(path, b"has attributes\n")
    os.setxattr(path, b"user.comment", b"kept")
    os.setxattr(path, b"user.binary", bytes(range(256)))
    os.setxattr(path, b"user.empty", b"")
    os.setxattr(odd + b"/empty-folder", b"user.on-folder", b"1")


def shared(top):
    """/srv/shop/shared: lists and default lists that name shopdata and anna."""
    folder = os.path.join(os.fsencode(top), b"shared")
    os.mkdir(folder)
    os.chown(folder, SHOP, SHOPDATA)
    os.chmod(folder, 0o2770)
    inner = folder + b"/anna"
    os.mkdir(inner)
    os.chown(inner, SHOP, SHOPDATA)
    _write(folder + b"/prices.txt", b"apple 1\npear 2\n")
    user_obj, user, group_obj, group, mask, other = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
    open_list = _acl((user_obj, 7, None), (user, 7, ANNA), (group_obj, 5, None), (group, 7, SHOPDATA),
                     (mask, 7, None), (other, 0, None))
    for path in (folder, inner):
        os.setxattr(path, "system.posix_acl_access", open_list)
        os.setxattr(path, "system.posix_acl_default", open_list)
    os.setxattr(folder + b"/prices.txt", "system.posix_acl_access", _acl(
        (user_obj, 6, None), (user, 6, ANNA), (group_obj, 4, None), (group, 6, SHOPDATA), (mask, 6, None),
        (other, 0, None)))
