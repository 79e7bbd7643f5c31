# SPDX-License-Identifier: Apache-2.0
"""Trees on filesystems of their own, copied by the real program and compared by tools that are not ours."""
import os
import pathlib
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
BUILD = pathlib.Path(os.environ.get("REHOME_BUILD", HERE.parents[1] / "build"))


class Rehome:
    """The program, with a state of its own."""

    def __init__(self, state):
        self.state = state

    def popen(self, command, *args, **kw):
        return subprocess.Popen([BUILD / "rehome", command, "--state", self.state, *args], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **kw)

    def __call__(self, command, *args, status=(0,), **kw):
        done = subprocess.run([BUILD / "rehome", command, "--state", self.state, *args], check=False,
                              capture_output=True, **kw)
        done.text = (done.stdout + done.stderr).decode(errors="replace")
        assert done.returncode in status, f"exit status {done.returncode}: {done.text}"
        return done


@pytest.fixture
def rehome(tmp_path):
    yield Rehome(tmp_path / "state")
    # What a copy knows of its trees lies in /var/lib/rehome, whatever --state says of the controller.
    for place in (tmp_path / "state/copies/controller").glob("copy-*"):
        for left in pathlib.Path("/var/lib/rehome").glob(place.name + "-*"):
            subprocess.run(["rm", "-rf", left], check=True)
