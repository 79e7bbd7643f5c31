# SPDX-License-Identifier: Apache-2.0
"""The stage of the tree benchmark: an old server behind an sshd of its own, a fresh target, and what a run costs.

Everything happens in a mount namespace of its own: the source is mounted at TREE where the sshd runs, the target at TREE
where the commands run, so that `rehome copy old:TREE TREE` is what a user types. When the process ends, the namespace
ends, and with it every mount and (autoclear) every loop device; the sshd and what it started are ended by pid.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BASE = pathlib.Path("/mnt")
TREE = BASE / "tree"
INSIDE = "REHOME_BENCH_INSIDE"
CIPHER = "aes128-gcm@openssh.com"


def enter_namespace():
    """Starts this program again in a mount namespace of its own."""
    if os.environ.get(INSIDE):
        return
    os.environ[INSIDE] = "1"
    os.execvp("unshare", ["unshare", "-m", "--propagation", "private", sys.executable, "-B", *sys.argv])


def run(*argv, **options):
    done = subprocess.run([str(word) for word in argv], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False, **options)
    if done.returncode:
        raise RuntimeError(f"{argv}: exit {done.returncode}: {done.stdout[-600:]} {done.stderr[-1200:]}")
    return done.stdout


def mount(*argv):
    run("mount", *argv)


class Disk:
    """A filesystem in a sparse file, mounted at `at`; `fresh` makes it anew."""

    def __init__(self, image, at, size, inodes=None):
        self.image, self.at, self.size, self.inodes = pathlib.Path(image), pathlib.Path(at), size, inodes
        self.mounted = False
        self.at.mkdir(parents=True, exist_ok=True)

    def make(self):
        self.image.unlink(missing_ok=True)
        with open(self.image, "wb") as file:
            file.truncate(self.size)
        more = ["-N", self.inodes] if self.inodes else []
        run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", *more, self.image)
        return self

    def mount(self):
        run("mount", "-o", "loop", self.image, self.at)
        self.mounted = True
        return self

    def umount(self):
        if self.mounted:
            run("umount", self.at)
            self.mounted = False

    def fresh(self):
        self.umount()
        return self.make().mount()

    def remove(self):
        self.umount()
        self.image.unlink(missing_ok=True)


class Group:
    """A cgroup that holds only the two ends; the first or the second version of cgroups."""

    def __init__(self):
        first = pathlib.Path("/sys/fs/cgroup/cpuacct")
        self.old = first.is_dir()
        self.dir = (first if self.old else pathlib.Path("/sys/fs/cgroup")) / f"rehome-bench-{os.getpid()}"
        self.dir.mkdir()

    def join(self):
        (self.dir / "cgroup.procs").write_text(str(os.getpid()))

    def pids(self):
        return [int(line) for line in (self.dir / "cgroup.procs").read_text().split()]

    def seconds(self):
        if self.old:
            return int((self.dir / "cpuacct.usage").read_text()) / 1e9
        for line in (self.dir / "cpu.stat").read_text().splitlines():
            if line.startswith("usage_usec"):
                return int(line.split()[1]) / 1e6
        return 0.0

    def close(self):
        for number in range(40):
            left = self.pids()
            if not left:
                break
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM if number < 10 else signal.SIGKILL)
            time.sleep(0.1)
        with contextlib.suppress(OSError):
            self.dir.rmdir()


def machine_busy():
    """CPU seconds of the whole machine since it started: all but idle and waiting for a disk."""
    with open("/proc/stat", encoding="ascii") as file:
        values = [int(word) for word in file.readline().split()[1:9]]
    return (sum(values) - values[3] - values[4]) / os.sysconf("SC_CLK_TCK")


class Stage:
    """Use as a context. `images` is where the disks lie; those whose name begins with "keep" stay."""

    def __init__(self, images, build):
        self.images = pathlib.Path(images)
        self.build = pathlib.Path(build)
        self.rehome = self.build / "rehome"
        self.sshd = None
        self.verbose = False
        self.ticks = {}
        self.disks = []
        self.work = None
        self.group = None

    def __enter__(self):
        self.images.mkdir(parents=True, exist_ok=True)
        mount("-t", "tmpfs", "none", BASE)
        TREE.mkdir()
        for name in ("old-state", "new-state", "ssh", "keys"):
            (BASE / name).mkdir(mode=0o700)
        pathlib.Path("/var/lib/rehome").mkdir(parents=True, exist_ok=True)
        pathlib.Path("/root/.ssh").mkdir(mode=0o700, exist_ok=True)
        mount("--bind", BASE / "new-state", "/var/lib/rehome")
        mount("-t", "tmpfs", "-o", "mode=755", "none", "/run")
        pathlib.Path("/run/sshd").mkdir()
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="rehome-bench-", dir="/run"))
        self.group = Group()
        self._keys()
        return self

    def __exit__(self, *_):
        self.close_old()
        for disk in self.disks:
            with contextlib.suppress(RuntimeError):
                disk.remove() if not disk.image.name.startswith("keep") else disk.umount()
        self.group.close()
        shutil.rmtree(self.work, ignore_errors=True)

    def _keys(self):
        keys = BASE / "keys"
        for name in ("host", "user"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", keys / name)
        port = 20000 + os.getpid() % 20000
        (keys / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{port}\nHostKey {keys}/host\nAuthorizedKeysFile {keys}/user.pub\n"
            f"PermitRootLogin yes\nPasswordAuthentication no\nUsePAM no\nStrictModes no\nMaxStartups 100\n"
            f"PidFile none\nCiphers {CIPHER}\nLogLevel ERROR\n")
        host = (keys / "host.pub").read_text().split()
        (BASE / "ssh/known_hosts").write_text(f"[127.0.0.1]:{port} {host[0]} {host[1]}\n")
        (BASE / "ssh/config").write_text(
            f"Host old\n  HostName 127.0.0.1\n  Port {port}\n  User root\n  IdentityFile {keys}/user\n"
            f"  IdentitiesOnly yes\n  Ciphers {CIPHER}\n")
        mount("--bind", BASE / "ssh", "/root/.ssh")

    def disk(self, name, at, size, inodes=None):
        disk = Disk(self.images / f"{name}.img", at, size, inodes)
        self.disks.append(disk)
        return disk

    def open_old(self, source):
        """Starts the sshd of the old server, where `source` (a directory) is TREE."""
        self.close_old()
        # What this machine's root runs at each login is no part of either tool's work.
        script = (f"if [ -f /root/.bashrc ]; then mount --bind /dev/null /root/.bashrc; fi && "
                  f"mount --bind {source} {TREE} && mount --bind {BASE}/old-state /var/lib/rehome && "
                  f"mount -t tmpfs -o mode=755 none /run && mkdir /run/sshd && "
                  f"exec /usr/sbin/sshd -D -e -f {BASE}/keys/sshd_config")
        self.sshd = subprocess.Popen(["unshare", "-m", "--propagation", "private", "sh", "-c", script],
                                     preexec_fn=self.group.join, stdin=subprocess.DEVNULL,
                                     stdout=subprocess.DEVNULL, stderr=open(self.work / "sshd", "wb"))
        for _ in range(100):
            if subprocess.run(["ssh", "old", "true"], stdin=subprocess.DEVNULL, capture_output=True,
                              check=False).returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError("the sshd does not answer: " + (self.work / "sshd").read_text())

    def close_old(self):
        if self.sshd is not None:
            self.sshd.terminate()
            self.sshd.wait()
            self.sshd = None

    def forget(self):
        """What rehome knows on both sides goes, as before a first copy."""
        for name in ("old-state", "new-state"):
            for entry in (BASE / name).iterdir():
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def at_tree(self, directory):
        """Makes `directory` what is at TREE on the target's side."""
        with contextlib.suppress(RuntimeError):
            run("umount", TREE)
        mount("--bind", directory, TREE)

    def measure(self, shell, watch=False, settle=True):
        """Runs a line of shell as the new server's administrator; what it cost.

        `wall` until the command has ended, `durable` until all is on the disk as well; `cpu` of the machine and `own` of
        the cgroup of both ends, both until then.
        """
        script = self.work / "script"
        script.write_text(f"set -e -o pipefail\n{shell}\n")
        os.sync()
        busy, own, begun = machine_busy(), self.group.seconds(), time.monotonic()
        with open(self.work / "out", "wb") as out:
            child = subprocess.Popen(["bash", script], preexec_fn=self.group.join, stdin=subprocess.DEVNULL,
                                     stdout=out, stderr=subprocess.STDOUT)
            peak = self._watch(child) if watch else {}
            status = child.wait()
        wall = time.monotonic() - begun
        if settle:
            run("sync", "-f", TREE)
        durable = time.monotonic() - begun
        result = {"wall": wall, "durable": durable, "cpu": machine_busy() - busy, "own": self.group.seconds() - own}
        if status:
            raise RuntimeError(f"{shell}: exit {status}: {(self.work / 'out').read_text(errors='replace')[-2000:]}")
        if watch:
            result["peak_kib"] = peak
        return result

    def _watch(self, child):
        """The greatest resident memory of each rehome process, in KiB, by pid and name."""
        peak, self.ticks = {}, {}
        while child.poll() is None:
            for pid in self.group.pids():
                with contextlib.suppress(OSError):
                    name = pathlib.Path(f"/proc/{pid}/comm").read_text().strip()
                    if self.verbose:
                        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
                        self.ticks[f"{name} {pid}"] = (int(fields[11]), int(fields[12]))
                    if not name.startswith("rehome"):
                        continue
                    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                        if line.startswith("VmHWM:"):
                            peak[f"{name} {pid}"] = int(line.split()[1])
            time.sleep(0.05)
        for name, (user, system) in self.ticks.items():
            print(f"      {name:24} user {user / 100:6.2f} system {system / 100:6.2f}")
        return peak


def drop_caches():
    os.sync()
    pathlib.Path("/proc/sys/vm/drop_caches").write_text("3")
