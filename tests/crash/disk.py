# SPDX-License-Identifier: Apache-2.0
"""Faults of the disk under the controller's journal: errors of its system calls, and a power cut by image copy."""
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time

import victims
from lab.command import run
from story import wait_for

STATE = "/var/lib/rehome/controller"
UNIT = "rehome@shop.service"


class Inject:
    """The owner's calls fail with an error for a while, by strace; those of its agents and of others do not."""

    def __init__(self, calls, error, seconds=2):
        self.words = ["-e", f"trace={calls}", "-e", f"inject={calls}:error={error}"]
        self.seconds = seconds
        self.injected = 0  # calls that failed so far

    def __call__(self, lab):
        owners = victims.pids(lab.new, "owner")
        if not owners:
            return
        with tempfile.NamedTemporaryFile(mode="r", encoding="utf-8", errors="replace") as trace:
            tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", trace.name, *self.words,
                                       *(word for pid in owners for word in ("-p", pid))],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(self.seconds)
            tracer.send_signal(signal.SIGINT)
            tracer.wait(timeout=20)
            self.injected += sum("(INJECTED)" in line for line in trace)


def kill_owner(host):
    """Dead, and not started again until it is asked for."""
    host.sh(f"systemctl mask --runtime --quiet {UNIT}; systemctl kill -s KILL {UNIT} || true")
    wait_for(lambda: not victims.pids(host, "owner"))
    allow_owner(host)


def allow_owner(host):
    host.sh(f"systemctl unmask --runtime --quiet {UNIT}; systemctl reset-failed {UNIT} || true")


class Image:
    """The controller's state on a filesystem of its own, in an image; `with Image(host, folder)`, before a move."""

    def __init__(self, host, folder, megabytes=64):
        self.host, self.folder, self.megabytes = host, pathlib.Path(folder), megabytes
        self.number, self.device = 0, None

    @property
    def file(self):
        return self.folder / f"disk{self.number}"

    def _attach(self):
        self.device = run(["losetup", "-f", "--show", self.file]).stdout.strip()
        number = self.device.removeprefix("/dev/loop")
        self.host.sh(f"[ -b {self.device} ] || mknod {self.device} b 7 {number}; mkdir -p {STATE}; "
                     f"mount -t ext4 {self.device} {STATE}")
        run(["mount", "-t", "ext4", self.device, self.host.root / STATE.lstrip("/")])  # the same, for who looks from outside

    def _detach(self):
        run(["umount", "-l", self.host.root / STATE.lstrip("/")])
        self.host.sh(f"umount {STATE} || {{ sleep 1; umount -l {STATE}; }}")
        run(["losetup", "-d", self.device])

    def __enter__(self):
        run(["truncate", "-s", f"{self.megabytes}M", self.file])
        run(["mkfs.ext4", "-q", self.file])
        self._attach()
        return self

    def __exit__(self, *_):
        kill_owner(self.host)
        self._detach()

    def power_cut(self, _lab=None):
        """Everything stands still; what the disk has now is copied; the owner dies; it goes on from the copy."""
        self.host.sh(f"systemctl mask --runtime --quiet {UNIT}")
        freezer = self.host.cgroup / "cgroup.freeze"
        freezer.write_text("1")
        try:
            wait_for(lambda: "frozen 1" in (self.host.cgroup / "cgroup.events").read_text(), every=0.005)
            shutil.copyfile(self.file, self.folder / f"disk{self.number + 1}")
            victims.kill(self.host, "owner")
        finally:
            freezer.write_text("0")
        wait_for(lambda: not victims.pids(self.host, "owner"))
        self._detach()
        self.file.unlink()
        self.number += 1
        self._attach()
        allow_owner(self.host)
