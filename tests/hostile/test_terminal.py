# SPDX-License-Identifier: Apache-2.0
"""Names with control bytes, on a real terminal: what is drawn, said, listed and written into pages holds none of them."""
import json
import os
import pty
import re
import subprocess
import threading

import pytest
from conftest import AGENT, BUILD

NAMES = [b"\x1b[2J\x1b]0;owned\x07", b"new\nline\rback", b"\x7f\x08\x08\x08", b"\xff\xfe\x80", "\u009b31m".encode(), "\u202egnp.exe".encode(), "\u2066x\u2069".encode(),
         b"<script>alert(1)&quot;<b>", b"tab\there", b"%1B%0A", b"\\x1b"]
#: What rehome itself draws with.
OWN = re.compile(rb"\x1b\[1A|\x1b\[2K|\x1b\[3[12]m|\x1b\[2m|\x1b\[0m")
OBEYED = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\r(?!\n)|[\x80-\xff]*\xff")


def on_a_terminal(ground, *words):
    """Exit status, and what a terminal that is stdout and stderr got."""
    ours, theirs = pty.openpty()
    script = 'mount --bind "$0" /var/lib/rehome && exec "$@"'
    env = dict(os.environ, REHOME_AGENT=str(AGENT), LC_ALL="C.UTF-8", TERM="xterm")
    child = subprocess.Popen(["unshare", "-m", "sh", "-c", script, ground / "state", BUILD / "rehome", *words], stdin=theirs, stdout=theirs, stderr=theirs, env=env)
    os.close(theirs)
    got = []

    def listen():
        try:
            while piece := os.read(ours, 65536):
                got.append(piece)
        except OSError:  # its last process is gone
            pass

    ear = threading.Thread(target=listen)
    ear.start()
    status = child.wait(60)
    ear.join(60)
    os.close(ours)
    return status, b"".join(got)


@pytest.fixture
def trees(ground):
    source = os.fsencode(ground / "root" / "source")
    for name in NAMES:
        os.makedirs(os.path.join(source, b"d" + name))
        with open(os.path.join(source, b"d" + name, name), "wb") as f:
            f.write(name)
        os.symlink(name, os.path.join(source, b"l" + name))
    os.makedirs("/var/lib/rehome", exist_ok=True)
    return ground, str(ground / "root" / "source"), str(ground / "root" / "target")


def plain(text):
    rest = OWN.sub(b"", text)
    bad = OBEYED.search(rest)
    assert not bad, (bad[0], rest[max(0, bad.start() - 100):bad.end() + 100])
    return rest


def test_what_is_copied_and_what_differs_is_shown_escaped(trees):
    ground, source, target = trees
    state = str(ground / "state" / "mine")
    status, text = on_a_terminal(ground, "copy", "--state", state, source, target)
    assert status == 0, text
    plain(text)
    for name in NAMES:
        with open(os.path.join(os.fsencode(target), b"d" + name, name), "ab") as f:
            f.write(b"more")
    status, text = on_a_terminal(ground, "compare", source, target)
    assert status == 5
    said = plain(text)
    assert b"1B" in said or b"\\x1b" in said, said
    status, text = on_a_terminal(ground, "compare", "--json", source, target)
    assert status == 5 and json.loads(plain(text)) is not None


def test_what_a_dry_run_would_remove_is_listed_escaped(trees):
    ground, source, target = trees
    state = str(ground / "state" / "mine")
    assert on_a_terminal(ground, "copy", "--state", state, source, target)[0] == 0
    for name in NAMES[:5]:
        os.unlink(os.path.join(os.fsencode(source), b"l" + name))
    _, text = on_a_terminal(ground, "copy", "--dry-run", "--state", state, source, target)
    plain(text)


def test_words_of_the_command_line_come_back_escaped(trees):
    ground = trees[0]
    for words in ([b"\x1b[2J"], ["compare", b"/\x1b]0;x\x07", "/tmp"], ["explain", "RH-\u009bX"], ["status", b"\x1b[31m.yaml"], ["copy", b"-\x1b"]):
        status, text = on_a_terminal(ground, *words)
        assert status != 0
        plain(text)


def test_an_error_that_names_a_hostile_path_is_escaped(trees):
    ground, source, target = trees
    os.makedirs(target)
    with open(os.path.join(os.fsencode(target), NAMES[0]), "w", encoding="ascii"):
        pass
    status, text = on_a_terminal(ground, "copy", "--state", str(ground / "state" / "mine"), source, target)
    assert status != 0 and b"RH-TREE-INWAY" in plain(text)
