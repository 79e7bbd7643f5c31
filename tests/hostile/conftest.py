# SPDX-License-Identifier: Apache-2.0
"""A root that a hostile peer is given, and a canary beside it that must stay as it is."""
import os
import pathlib
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))

from peer import Agent  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("REHOME_BUILD", ROOT / "build"))
AGENT = BUILD / "rehome-agent"
LONG = bool(os.environ.get("REHOME_LONG"))


def tool(*argv):
    return subprocess.run(argv, check=True, capture_output=True).stdout


def looks(path):
    """Everything that find, sha256sum and getfattr tell of a tree; access times apart."""
    listed = tool("find", path, "-printf", r"%P\0%y\0%m\0%U\0%G\0%n\0%s\0%T@\0%C@\0%l\0%i\n")
    files = tool("find", path, "-type", "f", "-exec", "sha256sum", "{}", "+")
    return sorted(listed.split(b"\n")), files, tool("getfattr", "-R", "-h", "-d", "-m", "-", "--absolute-names", path)


@pytest.fixture
def ground(tmp_path):
    """`root` for the peer; `out` beside it is the canary, compared when the test is over."""
    out = tmp_path / "out"
    (out / "dir").mkdir(parents=True)
    (out / "secret").write_text("CANARY-SECRET\n")
    (out / "dir" / "file").write_text("CANARY-FILE\n")
    os.mkfifo(out / "fifo")
    os.symlink("secret", out / "link")
    os.chmod(out / "secret", 0o600)
    os.setxattr(out / "secret", "user.canary", b"alive")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "canary").write_text("CANARY-STATE\n")
    before = looks(out)
    yield tmp_path
    after = looks(out)
    subprocess.run(["chattr", "-R", "-i", "-a", tmp_path], capture_output=True, check=False)  # links and fifos have none
    assert after == before
    assert (tmp_path / "state" / "canary").read_text() == "CANARY-STATE\n"
    beside = {p.name for p in tmp_path.iterdir()} - {"root", "out", "state"}
    assert not {p for p in beside if not p.startswith((".root.rehome", ".rehome"))}, beside


@pytest.fixture
def agent(ground):
    """A real agent whose /var/lib/rehome is `state` of the ground."""
    os.makedirs("/var/lib/rehome", exist_ok=True)
    script = 'mount --bind "$0" /var/lib/rehome && exec "$@"'
    started = []

    def start(hello=None):
        started.append(Agent(["unshare", "-m", "sh", "-c", script, ground / "state", AGENT], hello))
        return started[-1]

    yield start
    for a in started:
        if a.child.poll() is None:
            a.child.kill()
            a.child.wait()
