# SPDX-License-Identifier: Apache-2.0
"""Every provider through the contract on the lab's two servers: each step interrupted after each call to a host.

The program prints TAP, one line a step; each becomes the report of this test when it fails.
"""
import os
import pathlib
import re
import shutil
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from lab import Lab  # noqa: E402

BUILD = pathlib.Path(os.environ.get("REHOME_BUILD", ROOT / "build"))


def test_every_step_of_every_provider_survives_a_lost_connection_at_each_call():
    with Lab("contract") as lab:
        lab.reset()
        lab.install(BUILD)
        shutil.copy(BUILD / "tests/contract/contract", lab.new.root / "root/contract")
        shutil.copy(ROOT / "tests/scenario/plans/shop.yaml", lab.new.root / "root/shop.yaml")
        done = lab.new.run(["/root/contract", "/root/shop.yaml", "/usr/libexec/rehome/rehome-agent"],
                           check=False, timeout=900)
    steps = re.findall(r"^(?:not )?ok .*$", done.stdout, re.M)
    wrong = [line for line in steps if line.startswith("not ok")]
    assert len(steps) > 60, done.stdout[-2000:] + done.stderr[-2000:]
    assert wrong == [] and done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
