# SPDX-License-Identifier: Apache-2.0
"""An independent look at a tree of a host: find, stat, getfacl, getcap, getfattr and sha256sum, none of rehome's code.

Owners are compared by name, so the id map of a move does not show; by number where asked. `differences` gives one line a difference.
"""
import collections

Entry = collections.namedtuple("Entry", "kind mode owner group size mtime links target changed")


def _find(host, top, numeric):
    """path (bytes) -> Entry, for everything below and including top."""
    form = r"%y\t%m\t%u\t%g\t%s\t%T@\t%n\t%C@\t%l\0%p\0"
    form = form.replace("%u", "%U").replace("%g", "%G") if numeric else form
    out = host.run(["find", top, "-xdev", "-printf", form], text=False, timeout=300).stdout.split(b"\0")[:-1]
    entries = {}
    for fields, path in zip(out[0::2], out[1::2]):
        kind, mode, owner, group, size, mtime, links, changed, target = fields.split(b"\t", 8)
        entries[path] = Entry(kind.decode(), mode.decode(), owner.decode(), group.decode(),
                              size if kind in (b"f", b"l") else b"", mtime.decode(), int(links) if kind != b"d" else 0,
                              target, float(changed))
    return entries


DEEP = "*/deep-*/deep-*"  # paths longer than PATH_MAX: their files are read from within their directory


def _sums(host, top):
    near = host.run(["find", top, "-xdev", "-type", "f", "!", "-path", DEEP, "-exec", "sha256sum", "-z", "{}", "+"],
                    text=False, timeout=600).stdout.split(b"\0")[:-1]
    sums = {line[66:]: line[:64].decode() for line in near}
    deep = host.run(["find", top, "-xdev", "-type", "f", "-path", DEEP, "-printf", r"%p\0",
                     "-execdir", "sha256sum", "-z", "{}", ";"], text=False, timeout=600).stdout.split(b"\0")[:-1]
    sums.update({path: line[:64].decode() for path, line in zip(deep[0::2], deep[1::2])})
    return sums


def _blocks(host, argv):
    """Output that comes as blocks headed by `# file: NAME`, as getfacl and getfattr print it."""
    found, name = {}, None
    for line in host.run(argv, text=False, timeout=300, check=False).stdout.splitlines():
        if line.startswith(b"# file: "):
            name = line[8:]
            found[name] = []
        elif line and name is not None:
            found[name].append(line)
    return {path: tuple(sorted(lines)) for path, lines in found.items() if lines}


def _capabilities(host, top):
    out = host.run(["getcap", "-r", top], text=False, timeout=300, check=False).stdout
    return {line.rsplit(b" ", 1)[0]: line.rsplit(b" ", 1)[1] for line in out.splitlines() if b" " in line}


def _allocated(host, top):
    """Files with holes: path -> whether fewer blocks are allocated than the size needs."""
    out = host.run(["find", top, "-xdev", "-type", "f", "-size", "+1024k", "-printf", r"%b\t%s\t%p\0"],
                   text=False, timeout=300).stdout.split(b"\0")[:-1]
    rows = (row.split(b"\t", 2) for row in out)
    return {path: int(blocks) * 512 < int(size) // 2 for blocks, size, path in rows}


def look(host, top, numeric=False):
    """All that is compared, of one tree on one host; of what is written meanwhile, the times are those afterwards."""
    found = {
        "entry": _find(host, top, numeric),
        "content": _sums(host, top),
        "acl": _blocks(host, ["getfacl", "-R", "-P", "-p", "-s", *(["-n"] if numeric else []), top]),
        "xattr": _blocks(host, ["getfattr", "-R", "-P", "-h", "-d", "-m", r"^(user|trusted)\.", "--absolute-names",
                                "-e", "hex", top]),
        "capability": _capabilities(host, top),
        "holes": _allocated(host, top),
    }
    after = _find(host, top, numeric)
    found["entry"] = {path: after.get(path, entry) for path, entry in found["entry"].items()}
    return found


def differences(source, target, written_after=None):
    """Lines that say what differs between two looks.

    `written_after` (seconds since 1970): entries that the target itself changed or made after that moment, and
    directories that hold such entries, are left out: they are the new server's own work. What they held of the
    source's is checked by the caller (orders are counted one by one).
    """
    own = set()
    if written_after is not None:
        own = {path for path, entry in target["entry"].items()
               if entry.changed > written_after and float(entry.mtime) > written_after}
        # Made while it was looked at: find had passed already.
        own |= {path for what in target for path in target[what] if path not in target["entry"]}
    lines = []
    for what in source:
        names = set(source[what]) | set(target[what])
        for path in sorted(names - own):
            here, there = source[what].get(path), target[what].get(path)
            if what == "entry" and here is not None and there is not None:
                here, there = here._replace(changed=0), there._replace(changed=0)
            if here != there:
                lines.append(f"{what} of {path!r}: {here!r} on the source, {there!r} on the target")
    return lines
