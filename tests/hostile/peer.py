# SPDX-License-Identifier: Apache-2.0
"""The protocol (docs/PROTOCOL.md) spoken by hand, so that a test can say what no honest side would: frames, messages, records of a tree."""
import json
import os
import select
import struct
import subprocess
import time

HELLO, CALL, RESULT, ERROR, DATA, END, CREDIT, CANCEL, TICK, PING, PONG = range(1, 12)
FILE, DIR, LINK, FIFO, SOCKET, CHAR, BLOCK, GONE = range(1, 9)
HEAD, CONTENT, META, KEEP, RDATA, HOLE, FILE_END, DELETES, DELETE, ENTRY, REND = range(1, 12)
DELTA, LISTING, LIST = 1, 2, 4
MAGIC = b"rehome-tree 1\n"


def frame(kind, call=0, value=0, body=b"", length=None, flags=0, reserved=0):
    return struct.pack("<IBBHII", len(body) if length is None else length, kind, flags, reserved, call, value) + body


def message(kind, call, value):
    return frame(kind, call, 0, json.dumps(value).encode())


def record(kind, payload=b"", length=None):
    return struct.pack("<B3xI", kind, len(payload) if length is None else length) + payload


def xattrs(pairs):
    return b"".join(struct.pack("<B", len(n)) + n + struct.pack("<I", len(v)) + v for n, v in pairs)


def entry(kind, path, *, marks=0, mode=0o755, uid=0, gid=0, nlink=1, iflags=0, size=0, rdev=0, mtime=(0, 0),
          target=b"", first=None, attributes=b"", lengths=None):
    """An entry as its bytes; `lengths` lies about those of path, target, first name and attributes."""
    said = lengths or (len(path), len(target), 0 if first is None else len(first) + 1, len(attributes))
    return (struct.pack("<BBHIIIIQQQQQqIqI", kind, marks, mode, uid, gid, nlink, iflags, size, 0, 0, rdev, 0,
                        mtime[0], mtime[1], 0, 0)
            + bytes(48) + struct.pack("<IIII", *said)
            + path + b"\0" + target + b"\0" + (first or b"") + b"\0" + attributes)


def head(flags=0, files=0, size=0):
    return MAGIC + record(HEAD, struct.pack("<IQQ", flags, files, size))


def end(records):
    """`records`: how many came before, the head included."""
    return record(REND, struct.pack("<Q", records))


def stream(*records, flags=0):
    """A whole stream with a right head and a right end."""
    return head(flags) + b"".join(records) + end(len(records) + 1)


ROOT = record(CONTENT, entry(DIR, b""))


class Gone(Exception):
    """The agent closed the connection."""


class Agent:
    """A real agent, and this side as a controller that may lie."""

    def __init__(self, program, hello=None):
        self.log = open(os.memfd_create("agent-log"), "r+b", buffering=0)
        self.child = subprocess.Popen([*program, "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.log)
        self.got = b""
        self.peak = 0
        os.set_blocking(self.child.stdin.fileno(), False)
        self.calls = 0
        if hello is None:
            hello = message(HELLO, 0, {"magic": "rehome", "min": 1, "max": 1, "features": []})
        self.put(hello)

    def put(self, data, seconds=20):
        """Writes what the agent takes; what it says meanwhile is kept. Gone where it closed."""
        data = memoryview(data)
        until = time.monotonic() + seconds
        while data:
            r, w, _ = select.select([self.child.stdout], [self.child.stdin], [], max(0, until - time.monotonic()))
            self.measure()
            if r:
                self.take()
            if w:
                try:
                    data = data[os.write(self.child.stdin.fileno(), data[:1 << 16]):]
                except BrokenPipeError:
                    raise Gone from None
            if not r and not w:
                raise TimeoutError("the agent takes nothing and says nothing")

    def take(self):
        piece = os.read(self.child.stdout.fileno(), 1 << 20)
        if not piece:
            raise Gone
        self.got += piece

    def measure(self):
        """The agent's resident memory, and that of the processes it started: the most that was seen, in KiB."""
        self.peak = max(self.peak, sum(resident(p) for p in family(self.child.pid)))

    def frame(self, seconds=20):
        until = time.monotonic() + seconds
        while len(self.got) < 16 or len(self.got) < 16 + struct.unpack_from("<I", self.got)[0]:
            if not select.select([self.child.stdout], [], [], max(0, until - time.monotonic()))[0]:
                raise TimeoutError("no answer")
            self.take()
            self.measure()
        size, kind, _, _, call, value = struct.unpack_from("<IBBHII", self.got)
        body, self.got = self.got[16:16 + size], self.got[16 + size:]
        return kind, call, value, body

    def call(self, verb, args):
        self.calls += 1
        self.put(message(CALL, self.calls, {"verb": verb, "args": args}))
        return self.calls

    def answer(self, call, seconds=20):
        """(True, result) or (False, error), and the bytes that were streamed."""
        data = b""
        while True:
            kind, of, _, body = self.frame(seconds)
            if kind == DATA and of == call:
                data += body
                self.put(frame(CREDIT, call, len(body)))
            elif kind == PING:
                self.put(frame(PONG))
            elif kind in (RESULT, ERROR) and of == call:
                return kind == RESULT, json.loads(body), data

    def ask(self, verb, args, data=None, seconds=20):
        """A whole call; `data` is streamed in as credit allows."""
        call = self.call(verb, args)
        if data is not None:
            early = self.feed(call, data, seconds)
            if early is not None:
                return early
        return self.answer(call, seconds)

    def feed(self, call, data, seconds=20):
        """Streams `data` (bytes, or an iterator of bytes for endless ones) within credit; an answer that comes earlier is returned."""
        credit = 4 << 20
        pieces = iter([data] if isinstance(data, (bytes, bytearray)) else data)
        rest = memoryview(b"")
        while True:
            if not rest:
                piece = next((p for p in pieces if p), None)
                if piece is None:
                    self.put(frame(END, call))
                    return None
                rest = memoryview(piece)
            n = min(len(rest), 1 << 18, credit)
            if n:
                self.put(frame(DATA, call, 0, bytes(rest[:n])), seconds)
                rest, credit = rest[n:], credit - n
            while self.got or not n:
                if len(self.got) < 16 and n:
                    break
                kind, of, value, body = self.frame(seconds)
                n = n or 1
                if kind == CREDIT and of == call:
                    credit += value
                elif kind == PING:
                    self.put(frame(PONG))
                elif kind in (RESULT, ERROR) and of == call:
                    return kind == RESULT, json.loads(body), b""

    def close(self, seconds=20):
        """Its exit status and what it said on stderr."""
        try:
            self.child.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.child.wait(seconds)
        finally:
            if self.child.poll() is None:
                self.child.kill()
                self.child.wait()
            self.child.stdout.close()
        self.log.seek(0)
        said = self.log.read().decode(errors="replace")
        self.log.close()
        return self.child.returncode, said


def family(pid):
    out = [pid]
    for p in out:
        try:
            for task in os.listdir(f"/proc/{p}/task"):
                with open(f"/proc/{p}/task/{task}/children") as f:
                    out += [int(c) for c in f.read().split()]
        except OSError:
            pass
    return out


def resident(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            return next((int(line.split()[1]) for line in f if line.startswith("VmRSS:")), 0)
    except OSError:
        return 0
