# SPDX-License-Identifier: Apache-2.0
# One server of the lab: a Debian root booted with systemd as PID 1 in namespaces of its own.
import os
import pathlib
import signal
import subprocess
import time
import uuid

from . import roots, settings
from .command import CommandFailed, run
from .net import NETNS

BOOT = pathlib.Path(__file__).resolve().parent / "boot.sh"
GUEST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
READY_SECONDS = 60


class Host:
    """A server. What runs and what is mounted is read from the kernel, so any process may use it."""

    def __init__(self, role, lab_name, network, unpack, store="files"):
        self.role = role
        self.store = store  # of its order service, while it serves: see stores.py
        self.name = f"shop-{role}" if role != "ctl" else "ctl"
        self.network = network
        self._unpack = unpack  # fills a directory with this host's fresh disk
        self._own = settings.lab_dir(lab_name) / role
        self.root = self._own / "root"
        self.cgroup = settings.cgroup_base() / f"{lab_name}-{role}"

    # What it is

    def init_pid(self):
        """The pid, seen from outside, of this host's init; None when it does not run."""
        for listing in (self.cgroup / "init.scope" / "cgroup.procs", self.cgroup / "cgroup.procs"):
            try:
                pids = listing.read_text().split()
            except OSError:
                continue
            for pid in pids:
                if _is_init(pid):
                    return int(pid)
        return None

    def running(self):
        return self.init_pid() is not None

    def exists(self):
        """Has it a disk?"""
        return self.root.exists()

    # Life and death

    def unpack(self):
        """A fresh disk, as the server was delivered."""
        if self.running():
            raise RuntimeError(f"{self.name} runs: stop it before its disk is replaced")
        self.discard()
        self._unpack(self.root)

    def start(self, wait=True):
        """Power on from the disk as it is."""
        if self.running():
            raise RuntimeError(f"{self.name} runs already")
        self._clear()
        self.network.plug(self.role)
        (self._own / "boot_id").write_text(f"{uuid.uuid4()}\n")
        (self.cgroup / "lab.exec").mkdir(parents=True, exist_ok=True)
        with open(self._own / "console.log", "ab") as console:
            subprocess.run(["/bin/sh", "-c", 'echo $$ >"$0/cgroup.procs"; exec setsid --fork "$@"', self.cgroup,
                            "nsenter", f"--net={NETNS / self.network.ns(self.role)}",
                            "unshare", "-m", "-p", "-u", "-i", "-C", "--fork", "--kill-child=SIGKILL",
                            "--propagation", "private", "--",
                            BOOT, self.root, self.name, self._own / "boot_id"],
                           stdin=subprocess.DEVNULL, stdout=console, stderr=console, check=True)
        self._park_launcher()
        if wait:
            self.wait_ready()

    def _park_launcher(self, seconds=10):
        """Move the process that waits for init outside out of the host's topmost cgroup.

        systemd cannot give its units controllers while that cgroup holds a process. Only once init lives in its
        own namespaces: the cgroup it was in then is what it takes for the root.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end and _populated(self.cgroup):
            depths = {pid: len(_ns_pids(pid)) for pid in (self.cgroup / "cgroup.procs").read_text().split()}
            if self.running() or 2 in depths.values():
                for pid in (pid for pid, depth in depths.items() if depth == 1):
                    (self.cgroup / "lab.exec" / "cgroup.procs").write_text(pid)
                return
            time.sleep(0.01)

    def wait_ready(self, seconds=READY_SECONDS):
        """Until systemd has finished starting and sshd answers on the management address."""
        end = time.monotonic() + seconds
        state = "not started"
        while time.monotonic() < end:
            state = self._state()
            if state in ("running", "degraded") and self._ssh_answers():
                return state
            if not _populated(self.cgroup):
                break
            time.sleep(0.1)
        raise RuntimeError(f"{self.name} did not become ready ({state}):\n{self.console()[-2000:]}")

    def stop(self, seconds=30):
        """An orderly shutdown, as `systemctl poweroff` does it."""
        if self.running():
            self.run(["systemctl", "--no-block", "poweroff"], check=False)
            self.wait_dead(seconds)
        self._clear()

    def power_cut(self):
        """Everything that runs is gone at once; what lies on the disk stays."""
        self._clear()

    def wait_dead(self, seconds=30):
        """Until its init is gone, as after a poweroff or a reboot that was asked from inside."""
        end = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > end:
                raise RuntimeError(f"{self.name} still runs after {seconds} s")
            time.sleep(0.05)
        self._clear()

    def reboot(self, wait=True):
        """Orderly down and up again, with a new boot id."""
        self.stop()
        self.start(wait=wait)

    def destroy(self):
        """Power cut, and the disk is gone too."""
        self._clear()
        self.discard()

    def discard(self):
        """Delete the disk of a host that does not run."""
        for path in self._own.glob(f"{self.root.name}*"):  # with what a broken unpack left
            roots.remove(path)

    # Doing things on it

    def argv(self, argv, cwd="/root", env=None):
        """The command line, for the outside, that runs argv inside as root."""
        pid = self.init_pid()
        if pid is None:
            raise RuntimeError(f"{self.name} does not run")
        values = {"PATH": GUEST_PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb", **(env or {})}
        inside = ["env", "-i", "-C", cwd, *(f"{k}={v}" for k, v in values.items()), *map(str, argv)]
        return ["/bin/sh", "-c", 'echo $$ >"$0/lab.exec/cgroup.procs"; exec "$@"', str(self.cgroup),
                "nsenter", f"--target={pid}", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup",
                "--root", "--wd", "--", *inside]

    def run(self, argv, check=True, input=None, timeout=60, cwd="/root", env=None, text=True):
        """Run argv inside as root and collect its output (a subprocess.CompletedProcess)."""
        return run(self.argv(argv, cwd, env), check=check, input=input, timeout=timeout, text=text)

    def sh(self, script, **more):
        """Run a shell script inside; its standard output, stripped."""
        return self.run(["/bin/sh", "-ec", script], **more).stdout.strip()

    def popen(self, argv, cwd="/root", env=None, **more):
        """Start argv inside; a subprocess.Popen, whose own process stands outside: send signals with `signal`."""
        return subprocess.Popen(self.argv(argv, cwd, env), **more)

    @staticmethod
    def signal(process, number=signal.SIGTERM):
        """Send a signal to the program that popen started inside."""
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for pid in children:
            os.kill(int(pid), number)

    def console(self):
        """What the boot said, for reports of failures."""
        path = self._own / "console.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _state(self):
        try:
            return self.run(["systemctl", "is-system-running"], check=False, timeout=20).stdout.strip()
        except (RuntimeError, CommandFailed, subprocess.TimeoutExpired):
            return "not running"

    def _ssh_answers(self):
        """A listener is enough: a connection that never logs in counts as an attack to newer sshds."""
        return bool(self.sh("ss -Hltn 'sport = :22'", check=False))

    def _clear(self):
        """Kill what runs, take the network away, remove the cgroups."""
        if self.cgroup.exists():
            (self.cgroup / "cgroup.kill").write_text("1")
            _wait_empty(self.cgroup)
            for path, _, _ in os.walk(self.cgroup, topdown=False):
                os.rmdir(path)
        self.network.unplug(self.role)


def _ns_pids(pid):
    """A process's numbers in each process namespace from ours to its own; [] when it is gone."""
    try:
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("NSpid:"):
                return line.split()[1:]
    except OSError:
        pass
    return []


def _is_init(pid):
    """Is this process the first of a process namespace below ours?"""
    numbers = _ns_pids(pid)
    return len(numbers) > 1 and numbers[-1] == "1"


def _populated(cgroup):
    return "populated 1" in (cgroup / "cgroup.events").read_text()


def _wait_empty(cgroup, seconds=20):
    end = time.monotonic() + seconds
    while _populated(cgroup):
        if time.monotonic() > end:
            raise RuntimeError(f"processes remain in {cgroup}")
        time.sleep(0.01)
