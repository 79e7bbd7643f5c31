# SPDX-License-Identifier: Apache-2.0
"""An independent look at a tree of this machine: find, stat, sha256sum, getfattr, getfacl, getcap, lsattr and filefrag,
none of rehome's code. `differences` gives one line a difference.

The tools are run within each directory, on ./NAME, so that neither long paths nor odd names stand in their way.
"""
import os
import re
import subprocess

FORM = r"%P\0%y\0%m\0%U\0%G\0%s\0%T@\0%n\0%l\0%i\0"
KINDS = ("kind", "mode", "user", "group", "size", "mtime", "links", "target")


def _find(top):
    out = subprocess.run(["find", top, "-xdev", "-printf", FORM], check=True, capture_output=True).stdout
    fields = out.split(b"\0")[:-1]
    rows = {}
    for i in range(0, len(fields), 10):
        path, kind, mode, user, group, size, mtime, links, target, inode = fields[i:i + 10]
        rows[path] = {"kind": kind, "mode": mode, "user": user, "group": group,
                      "size": size if kind in b"fl" else b"", "mtime": mtime,
                      "links": links if kind != b"d" else b"", "target": target, "inode": inode}
    return rows


def _enter(top, path):
    """A descriptor of the directory at a relative path of any length."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    for name in path.split(b"/") if path else []:
        below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
        os.close(fd)
        fd = below
    return fd


def _tool(fd, argv, names):
    if not names:
        return b""
    return subprocess.run([*argv, *(b"./" + n for n in names)], check=False, capture_output=True,
                          cwd=f"/proc/self/fd/{fd}", pass_fds=(fd,)).stdout


def _plain(name):
    """A name as getfacl and getfattr quote it."""
    return re.sub(rb"\\([0-7]{3}|\\)", lambda m: b"\\" if m.group(1) == b"\\" else bytes([int(m.group(1), 8)]), name)


def _blocks(text):
    """Output in blocks headed by `# file: NAME`, as getfacl and getfattr print it."""
    found, name = {}, None
    for line in text.split(b"\n"):
        if line.startswith(b"# file: "):
            name = _plain(line[8:])[2:]
            found[name] = []
        elif line and name is not None:
            found[name].append(line)
    return {n: tuple(sorted(lines)) for n, lines in found.items()}


def _sums(fd, names):
    lines = _tool(fd, ["sha256sum", "-z"], names).split(b"\0")[:-1]
    return {line[68:]: line[:64] for line in lines}


def _lines(fd, argv, names):
    """name -> line, of tools that print a line a name and do not quote: odd names get a call of their own."""
    plain = [n for n in names if re.fullmatch(rb"[A-Za-z0-9._]+", n)]
    calls = [plain[i:i + 500] for i in range(0, len(plain), 500)] + [[n] for n in names if n not in set(plain)]
    found = {}
    for call in calls:
        out = _tool(fd, argv, call)
        if len(call) == 1:
            found[call[0]] = out
            continue
        for line in out.splitlines():
            for word in line.split():
                if word.startswith(b"./"):
                    found[word[2:]] = line
    return found


def _flags(fd, names):
    """Project id and the flags that matter."""
    found = {}
    for name, line in _lines(fd, ["lsattr", "-d", "-p"], names).items():
        words = line.split(None, 2)
        if len(words) == 3:
            found[name] = (int(words[0]), bytes(c for c in words[1] if c in b"iadP"))
    return found


def _capabilities(fd, names):
    return {name: line[len(name) + 2:].strip() for name, line in _lines(fd, ["getcap", "-n"], names).items() if line.strip()}


def _extents(fd, names):
    """The logical stretches that have blocks, written or not, joined; physical places are nobody's business."""
    found = {}
    for name in names:
        stretches = []
        for line in _tool(fd, ["filefrag", "-s", "-v", "-b4096"], [name]).decode("latin-1").splitlines():
            m = re.match(r"\s*\d+:\s*(\d+)\.\.\s*(\d+):\s*[\d.]+\s*[\d]+:\s*\d+:(.*)$", line)
            if not m:
                continue
            first, last, marks = int(m.group(1)), int(m.group(2)), "unwritten" in m.group(3)
            if stretches and stretches[-1][1] + 1 == first and stretches[-1][2] == marks:
                stretches[-1][1] = last
            else:
                stretches.append([first, last, marks])
        found[name] = tuple(map(tuple, stretches))
    return found


def look(top, extents=()):
    """All that is compared. `extents`: directories (relative, bytes) whose files' blocks are compared, too."""
    rows = _find(top)
    below = {}
    for path in rows:
        below.setdefault(os.path.dirname(path), []).append(os.path.basename(path) or b".")
    first = {}
    for path in sorted(rows):
        first.setdefault(rows[path]["inode"], path)
    for path, row in rows.items():
        row["first"] = first[row.pop("inode")]
    for where, names in below.items():
        fd = _enter(top, where)

        def note(what, found, where=where):
            for name, value in found.items():
                path = where + b"/" + name if where else name
                rows[b"" if path == b"." else path][what] = value

        kind = {n: rows[b"" if n == b"." and not where else (where + b"/" + n if where else n)]["kind"] for n in names}
        files = [n for n in names if kind[n] == b"f"]
        both = [n for n in names if kind[n] in b"fd"]
        note("content", _sums(fd, files))
        note("xattr", _blocks(_tool(fd, ["getfattr", "-h", "-d", "-m", r"^(user|trusted|security)\.", "-e", "hex",
                                         "--absolute-names"], names)))
        note("acl", _blocks(_tool(fd, ["getfacl", "-n", "-p", "-E"], [n for n in names if kind[n] != b"l"])))
        note("flags", _flags(fd, both))
        note("capability", _capabilities(fd, files))
        nodes = [n for n in names if kind[n] in b"bc"]
        note("device", {n: _tool(fd, ["stat", "-c", "%t:%T"], [n]) for n in nodes})
        if where in extents:
            note("extents", _extents(fd, files))
        os.close(fd)
    return rows


def differences(source, target, left_out=()):
    """Lines that say what differs between two looks; `left_out`: kinds that are not compared."""
    lines = []
    for path in sorted(set(source) | set(target)):
        here, there = source.get(path), target.get(path)
        if here is None or there is None:
            lines.append(f"{path[-80:]!r} is on the {'target' if here is None else 'source'} alone")
            continue
        for what in sorted(set(here) | set(there)):
            if what not in left_out and here.get(what) != there.get(what):
                lines.append(f"{what} of {path[-80:]!r}: {here.get(what)!r}, on the target {there.get(what)!r}")
    return lines
