# SPDX-License-Identifier: Apache-2.0
"""The lab for the stories: one for the whole run, reset where a story needs servers as delivered."""
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(pathlib.Path(__file__).resolve().parent)]

from lab import Lab  # noqa: E402
from story import Move  # noqa: E402

BUILD = os.environ.get("REHOME_BUILD", str(ROOT / "build"))


@pytest.fixture(scope="session")
def lab():
    it = Lab(os.environ.get("REHOME_LAB_NAME", "story"))
    it.down()
    try:
        yield it.up()
    finally:
        it.down()


@pytest.fixture(scope="session")
def build():
    """What is installed into the servers."""
    return BUILD


@pytest.fixture(scope="session")
def database_lab():
    """Servers that have databases, beside the others."""
    it = Lab(os.environ.get("REHOME_LAB_NAME", "story")[:7] + "d", databases=True)
    it.down()
    try:
        yield it.up()
    finally:
        it.down()


def _fresh(lab):
    lab.reset()
    lab.install(BUILD)
    move = Move(lab)
    move.write_plan()
    return move


@pytest.fixture(scope="module")
def move(lab):
    """Servers as delivered and a plan, shared by the stories of one file."""
    return _fresh(lab)


@pytest.fixture
def own_move(lab):
    """Servers as delivered and a plan, for this story alone."""
    return _fresh(lab)
