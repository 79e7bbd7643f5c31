#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An agent that lies: passes everything to a real one (REAL_AGENT) but for the hello or the one verb that REHOME_LIE names as VERB=LIE."""
import json
import os
import struct
import subprocess
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from peer import (CALL, CONTENT, CREDIT, DATA, DIR, END, ENTRY, ERROR, FILE, HELLO, LIST, PING, PONG, RESULT, ROOT, TICK,  # noqa: E402
                  entry, frame, head, message, record, stream)

ESC = "\x1b[2J\x1b]0;owned\x07\x7f\u009b31m\u202e\r\n"
lock = threading.Lock()


def say(data):
    with lock:
        os.write(1, data) if len(data) < 4096 else write_all(data)


def write_all(data):
    data = memoryview(data)
    while data:
        data = data[os.write(1, data):]


def exactly(n):
    got = b""
    while len(got) < n:
        piece = os.read(0, n - len(got))
        if not piece:
            os._exit(0)
        got += piece
    return got


def flood(call):
    for i in range(20000):
        yield message(TICK, call, {"files": i, "bytes": "-1", "of_bytes": ESC, "at": ESC, "path": ESC, "ms": -5})
    yield message(RESULT, call, {})


def evil(path):
    return stream(ROOT, record(CONTENT, entry(FILE, path, size=4)))


#: What is said in place of an answer; the first entry of a tuple is the kind of lie.
LIES = {
    "escape": lambda c: [message(ERROR, c, {"code": "RH-TREE-NOSPACE", "class": "system", "message": ESC + "full", "safe": ESC, "todo": "do" + ESC})],
    "code": lambda c: [message(ERROR, c, {"code": "RH-" + ESC, "class": "system", "message": "m"})],
    "class": lambda c: [message(ERROR, c, {"code": "RH-X", "class": ESC, "message": "m"})],
    "error-of-nothing": lambda c: [message(ERROR, c, {})],
    "early": lambda c: [message(RESULT, c, {})],
    "types": lambda c: [message(RESULT, c, {"entries": "x", "files": [], "bytes": -5, "deleted": {}, "findings": {"a": 1}, "kept_aside": 7, "ms": ESC,
                                            "equal": "yes", "kinds": [], "examples": 5, "digest": ESC})],
    "findings": lambda c: [message(RESULT, c, {"entries": 1, "files": 1, "bytes": "5", "deleted": 0, "kept_aside": None, "ms": 1,
                                               "findings": [{"code": ESC, "path": ESC, "what": ESC}] * 20000})],
    "numbers": lambda c: [message(RESULT, c, {"entries": 1 << 62, "files": -1, "bytes": "9" * 400, "deleted": 1 << 62, "findings": [], "ms": -1,
                                              "dirty": -1, "vanished": 1 << 62})],
    "array": lambda c: [message(RESULT, c, [1, 2])],
    "text": lambda c: [frame(RESULT, c, 0, b"no JSON " + ESC.encode())],
    "deep": lambda c: [frame(RESULT, c, 0, b"{\"a\":" + b"[" * 100000)],
    "objects": lambda c: [frame(RESULT, c, 1, b"[" + b"{}," * 340000)] + [frame(RESULT, c, 1, b"{}," * 340000)] * 14 + [frame(RESULT, c, 0, b"{}]")],
    "endless-result": lambda c: (frame(RESULT, c, 1, b" " * (1 << 20)) for _ in range(64)),
    "credit": lambda c: [frame(CREDIT, c, 0xffffffff)] * 4 + [message(RESULT, c, {})],
    "ticks": flood,
    "big-tick": lambda c: [message(TICK, c, {"path": ESC * 40000})] * 3 + [message(RESULT, c, {})],
    "data": lambda c: [frame(DATA, c, 0, b"x" * 1000)] * 9 + [frame(END, c), message(RESULT, c, {})],
    "behind-end": lambda c: [frame(END, c), frame(DATA, c, 0, b"x")],
    "beyond-credit": lambda c: [frame(DATA, c, 0, b"x" * (1 << 20))] * 16 + [message(RESULT, c, {})],
    "tiny": lambda c: [frame(DATA, c, 0, b"x") * 1000] * 200 + [message(RESULT, c, {})],
    "empty": lambda c: [frame(DATA, c, 0, b"") * 1000] * 200 + [message(RESULT, c, {})],
    "call": lambda c: [message(CALL, c, {"verb": "run", "args": {"argv": ["true"]}})],
    "type": lambda c: [frame(99, c)],
    "length": lambda c: [frame(DATA, c, length=0xffffffff)],
    "flags": lambda c: [frame(DATA, c, 0, b"x", flags=1)],
    "hello-again": lambda c: [message(HELLO, 0, {"magic": "rehome", "min": 1, "max": 1})],
    "pongs": lambda c: [frame(PONG)] * 50000 + [message(RESULT, c, {})],
    "gone": lambda c: [None],
    "half": lambda c: [frame(RESULT, c, 0, b"{}", length=500), None],
    "up": lambda c: [frame(DATA, c, 0, evil(b"../out/x")), frame(END, c), message(RESULT, c, {"entries": 2, "files": 1, "bytes": "4", "deleted": 0})],
    "root": lambda c: [frame(DATA, c, 0, evil(b"/etc/x")), frame(END, c), message(RESULT, c, {})],
    "cut": lambda c: [frame(DATA, c, 0, head() + ROOT), frame(END, c), message(RESULT, c, {})],
    "unended": lambda c: [frame(DATA, c, 0, head() + ROOT), message(RESULT, c, {})],
    "list": lambda c: [frame(DATA, c, 0, head(LIST) + record(ENTRY, entry(DIR, b"")) + record(ENTRY, entry(FILE, ESC.encode()))), frame(END, c),
                       message(RESULT, c, {"entries": 2, "digest": "0" * 64})],
}
HELLOS = {
    "magic": {"magic": "other", "min": 1, "max": 1},
    "versions": {"magic": "rehome", "min": 7, "max": 2},
    "negative": {"magic": "rehome", "min": -1, "max": 1},
    "none": {},
    "text": "hello",
    "facts": {"magic": "rehome", "min": 1, "max": 1, "hostname": ESC, "machine_id": ESC, "kernel": ESC, "os": ESC * 5000, "uid": ESC, "arch": []},
}


def lie(name, call):
    for piece in LIES[name](call):
        if piece is None:
            os._exit(0)
        say(piece)


def upwards(child, skip_hello):
    """What the real agent says, frame by frame."""
    out = child.stdout
    while True:
        first = out.read(16)
        if len(first) < 16:
            os._exit(0)
        body = out.read(struct.unpack_from("<I", first)[0])
        if skip_hello and first[4] == HELLO:
            continue
        say(first + body)


def main():
    verb, _, name = os.environ["REHOME_LIE"].partition("=")
    child = subprocess.Popen([os.environ["REAL_AGENT"], "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    if verb == "hello":
        say(message(HELLO, 0, HELLOS[name]))
    threading.Thread(target=upwards, args=(child, verb == "hello"), daemon=True).start()
    mine = set()
    while True:
        first = exactly(16)
        size, kind, _, _, call, _ = struct.unpack("<IBBHII", first)
        body = exactly(size)
        if kind == CALL and json.loads(body)["verb"] == verb:
            mine.add(call)
            threading.Thread(target=lie, args=(name, call), daemon=True).start()
        elif kind == PING:
            say(frame(PONG))
        elif call not in mine:
            child.stdin.write(first + body)
            child.stdin.flush()


if __name__ == "__main__":
    main()
