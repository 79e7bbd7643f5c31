# SPDX-License-Identifier: Apache-2.0
"""A real controller between agents one of which lies: it ends with a named error, in bounded memory, and no byte of the lie reaches the terminal as it is."""
import os
import pathlib
import re
import subprocess
import time

import pytest
from conftest import AGENT, BUILD, LONG
from liar import HELLOS, LIES

LIAR = pathlib.Path(__file__).with_name("liar.py")
#: KiB. A message may be 16 MiB of text, and what it becomes is counted.
MEMORY = 384 << 10
#: What an honest agent could say, too, or what comes out as "nothing was there to be sent".
HARMLESS = {"pongs", "big-tick", "numbers", "findings"}
SOURCE = ["escape", "code", "types", "numbers", "text", "objects", "endless-result", "beyond-credit", "behind-end", "tiny", "empty", "up", "root", "cut",
          "unended", "ticks", "gone", "half", "length", "early"]
TARGET = ["escape", "class", "error-of-nothing", "early", "types", "findings", "array", "deep", "credit", "ticks", "big-tick", "data", "call", "type", "flags",
          "hello-again", "pongs", "gone"]
#: What ./check takes of them; ./check full takes all.
QUICK = {"facts", "early", "unended", "objects", "up", "credit", "tree.compare=early", "tree.compare=escape"}
OBEYED = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\xa8-\xae]|\xe2\x81[\xa6-\xa9]")


def rehome(ground, lie, *words, seconds=12):
    """Exit status, output and the most memory of `rehome`, whose agents lie, in a mount namespace with a state of its own."""
    script = 'mount --bind "$0" /var/lib/rehome && exec "$@"'
    env = dict(os.environ, REHOME_LIE=lie, REAL_AGENT=str(AGENT), REHOME_AGENT=str(LIAR), LC_ALL="C.UTF-8")
    said = ground / "state" / "said"
    with open(said, "wb") as out:
        child = subprocess.Popen(["unshare", "-m", "sh", "-c", script, ground / "state", BUILD / "rehome", *words], stdin=subprocess.DEVNULL,
                                 stdout=out, stderr=out, env=env)
        until = time.monotonic() + seconds
        while True:
            pid, status, used = os.wait4(child.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > until:
                child.kill()
                child.wait()
                pytest.fail(f"{lie}: it hangs; it said {said.read_bytes()!r}", pytrace=False)
            time.sleep(0.02)
    child.returncode = os.waitstatus_to_exitcode(status)
    text = said.read_bytes()
    said.unlink()
    assert not OBEYED.search(text), text
    assert child.returncode >= 0, (child.returncode, text)
    assert used.ru_maxrss < MEMORY, used.ru_maxrss
    return child.returncode, text.decode()


def some(lies):
    return [lie for lie in lies if LONG or lie in QUICK]


@pytest.fixture
def trees(ground):
    """Two roots below `root`: the source, with something in it, and the target."""
    source = ground / "root" / "source"
    source.mkdir(parents=True)
    for i in range(20):
        (source / f"file{i}").write_bytes(os.urandom(5000))
    os.makedirs("/var/lib/rehome", exist_ok=True)
    return ground, str(source), str(ground / "root" / "target")


def refused(status, text, name):
    if name in HARMLESS and status == 0:
        return
    assert status != 0 and re.search(r"RH-[A-Z]+-[A-Z]+|RH-LIMIT", text), (status, text)


def copy(trees, lie):
    ground, source, target = trees
    return rehome(ground, lie, "copy", "--no-input", "--state", str(ground / "state" / "mine"), source, target)


@pytest.mark.parametrize("name", some(HELLOS))
def test_a_hello_that_lies(trees, name):
    if name == "facts":  # none of them counts for a copy between local paths
        status, _ = copy(trees, "hello=facts")
        assert status >= 0
    else:
        refused(*copy(trees, f"hello={name}"), name)


@pytest.mark.parametrize("name", some(SOURCE))
def test_a_source_that_lies(trees, name):
    refused(*copy(trees, f"tree.send={name}"), name)


@pytest.mark.parametrize("name", some(TARGET))
def test_a_target_that_lies(trees, name):
    refused(*copy(trees, f"tree.receive={name}"), name)


@pytest.mark.parametrize("lie", some(["tree.list=list", "tree.list=up", "tree.list=cut", "tree.list=types", "tree.compare=types", "tree.compare=escape",
                                 "tree.compare=early", "tree.compare=objects", "tree.usage=types", "tree.usage=escape", "space=types", "space=numbers",
                                 "fence.claim=escape", "tree.commit=types"]))
def test_any_other_verb_that_lies(trees, lie):
    ground, source, target = trees
    copy(trees, lie)
    os.makedirs(target, exist_ok=True)
    status, text = rehome(ground, lie, "compare", "--no-input", source, target)
    assert status >= 0 and text


def test_every_lie_is_told():
    """No lie of liar.py is forgotten."""
    told = set(SOURCE) | set(TARGET) | {"list"}
    assert told == set(LIES), set(LIES) ^ told
