# SPDX-License-Identifier: Apache-2.0
"""A real old kernel: the oldest that the configured Debian mirror still has boots in an emulator, and a tree is sent, received and compared there. For ./check full."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("REHOME_BUILD", ROOT / "build"))
#: Oldest first; those that the mirror has moved to the archive are passed over.
SUITES = ["jessie", "stretch", "buster", "bullseye", "bookworm"]
TOOLS = ["bash", "cat", "chattr", "chmod", "chown", "cp", "cut", "diff", "dirname", "echo", "find", "getfattr", "head", "ln", "lsattr", "mkdir", "mkfifo", "mknod",
         "mount", "rm", "setfattr", "sha256sum", "sleep", "sort", "stat", "sync", "touch", "truncate", "uname"]
#: What ext4 on a RAM disk needs, in the order in which it is loaded.
MODULES = ["crc16", "crc32c_generic", "libcrc32c", "mbcache", "jbd2", "ext4", "brd"]

INIT = r"""#!/bin/bash
exec >/dev/console 2>&1 </dev/null
export PATH=/bin HOME=/ LC_ALL=C.UTF-8
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /t; mount -t tmpfs run /run
for m in /modules/*.ko; do /insmod "$m" $( [ "${m##*-}" = brd.ko ] && echo rd_nr=1 rd_size=65536 ); done
/mkfs /dev/ram0 && mount -t ext4 /dev/ram0 /d || echo "REHOME: no ext4"
look () { (cd "$1" && find . ! -type d -printf '%p %y %m %U %G %n %s %T@ %l\n' | sort; find . -type d -printf '%p %m %U %G %T@\n' | sort; find . -type f -exec sha256sum {} + | sort
           getfattr -R -h -d -m - . ; lsattr -R . 2>/dev/null | sort) 2>&1; }
make () {
  mkdir -p "$1/a/b"; cd "$1"
  for i in {1..200}; do echo "file $i" >"a/f$i"; done
  head -c 3000000 /dev/urandom >big; truncate -s 5000000 hole; echo end >>hole
  ln a/f1 a/b/hard; ln -s ../f2 a/b/link; mkfifo p; mknod n c 1 3; touch -d '1969-05-05 05:05:05.123456789' old
  chown 12:34 a/f3; chmod 4755 a/f4; setfattr -n trusted.x -v y a/f5; setfattr -n user.x -v y a/f6
  touch $'new\nline' $'\xff'; chattr +i a/f7; chattr +d a/f8; cd /; }
for d in /t /d; do
  make $d/src
  /rehome copy --no-input --state $d/state $d/src $d/dst && /rehome compare $d/src $d/dst
  echo "REHOME: $d copy and compare: $?"
  chattr -i $d/src/a/f7; echo changed >>$d/src/a/f9; rm $d/src/a/f10; mkdir $d/src/new; chattr +i $d/src/a/f7
  /rehome copy --no-input --state $d/state $d/src $d/dst && /rehome compare $d/src $d/dst
  echo "REHOME: $d second round: $?"
  look $d/src >/t/1; look $d/dst >/t/2
  diff /t/1 /t/2 && echo "REHOME: $d looks the same"
done

echo "REHOME: kernel $(uname -r)"
echo "REHOME: over"
sync; echo o >/proc/sysrq-trigger; sleep 60
"""


def tool(*argv, **more):
    return subprocess.run(argv, check=True, capture_output=True, text=True, **more).stdout


def fetch(suite, uri, at):
    """The package of that suite's kernel, unpacked, or None where the mirror does not have the suite."""
    for d in ("lists/partial", "cache/archives/partial", "tree"):
        (at / d).mkdir(parents=True)
    (at / "list").write_text(f"deb [check-valid-until=no] {uri} {suite} main\n")
    (at / "status").touch()
    apt = ["-o", f"Dir::Etc::SourceList={at}/list", "-o", "Dir::Etc::SourceParts=-", "-o", f"Dir::State::Lists={at}/lists", "-o", f"Dir::Cache={at}/cache",
           "-o", f"Dir::State::status={at}/status", "-o", "APT::Architecture=amd64", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Languages=none"]
    if subprocess.run(["apt-get", *apt, "update"], capture_output=True, check=False).returncode != 0:
        return None
    found = re.search(r"Depends: (linux-image-[0-9]\S*-amd64)", subprocess.run(["apt-cache", *apt, "depends", "linux-image-amd64"], capture_output=True,
                                                                               text=True, check=False).stdout)
    if not found:
        return None
    tool("apt-get", *apt, "download", found[1], cwd=at)
    tool("dpkg-deb", "-x", next(at.glob("linux-image-*.deb")), at / "tree")
    return at / "tree"


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    if shutil.which("qemu-system-x86_64") is None:
        pytest.fail("qemu-system-x86_64 is missing: debian/control names its package")
    uris = tool("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages").split()
    uri = next(u for u in uris if "security" not in u)
    for suite in SUITES:
        tree = fetch(suite, uri, tmp_path_factory.mktemp(suite))
        if tree is not None:
            return tree
    pytest.fail("the mirror has none of the suites")


class Archive:
    """A cpio archive as the kernel takes it (newc), made by hand."""

    def __init__(self):
        self.data = bytearray()
        self.names = set()

    def entry(self, name, mode, data=b"", rdev=(0, 0)):
        if name in self.names:
            return
        self.names.add(name)
        raw = name.encode() + b"\0"
        fields = [len(self.names), mode, 0, 0, 1, 0, len(data), 0, 0, *rdev, len(raw), 0]
        self.data += b"070701" + b"".join(b"%08X" % f for f in fields) + raw
        self.data += bytes(-len(self.data) % 4) + data
        self.data += bytes(-len(self.data) % 4)

    def folder(self, name):
        parts = pathlib.PurePath(name).parts
        for i in range(1, len(parts) + 1):
            self.entry("/".join(parts[:i]), 0o40755)

    def file(self, source, name):
        self.folder(os.path.dirname(name) or "bin")
        self.entry(name, 0o100755, pathlib.Path(source).read_bytes())

    def program(self, source, name):
        """With the libraries that it names."""
        self.file(source, name)
        said = subprocess.run(["ldd", source], capture_output=True, text=True, check=False).stdout
        for path in re.findall(r"(/\S+) \(0x", said):
            self.file(path, path.lstrip("/"))

    def end(self):
        self.entry("TRAILER!!!", 0)
        return bytes(self.data)


INSMOD = """
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
int main (int argc, char **argv)
{
  static char words[256];
  for (int i = 2; i < argc; i++)
    snprintf (words + __builtin_strlen (words), 100, "%s ", argv[i]);
  int fd = open (argv[1], O_RDONLY);
  return syscall (SYS_finit_module, fd, words, 0) == 0 ? 0 : 1;
}
"""


def module(tree, name):
    found = [p for p in tree.rglob(f"{name}.ko*")]
    return found[0] if found else None


def ramdisk(tree, at):
    a = Archive()
    for d in ("proc", "sys", "dev", "t", "d", "run", "etc", "var/lib", "tmp", "modules", "root"):
        a.folder(d)
    a.entry("dev/console", 0o20600, rdev=(5, 1))
    a.entry("etc/machine-id", 0o100644, b"0123456789abcdef0123456789abcdef\n")
    a.entry("etc/passwd", 0o100644, b"root:x:0:0:root:/root:/bin/bash\n")
    a.entry("init", 0o100755, INIT.encode())
    for name in TOOLS:
        path = shutil.which(name) or f"/usr/bin/{name}"
        a.program(path, f"bin/{name}")
    a.program(shutil.which("mkfs.ext4", path="/sbin:/usr/sbin"), "mkfs")
    if os.path.exists("/etc/mke2fs.conf"):
        a.file("/etc/mke2fs.conf", "etc/mke2fs.conf")
    a.program(BUILD / "rehome", "rehome")
    a.file(BUILD / "rehome-agent", "rehome-agent")
    (at / "insmod.c").write_text(INSMOD)
    tool("gcc", "-D_GNU_SOURCE", "-static", "-o", at / "insmod", at / "insmod.c")
    a.file(at / "insmod", "insmod")
    for i, name in enumerate(MODULES):
        path = module(tree, name)
        if path is not None and path.suffix == ".ko":
            a.file(path, f"modules/{i:02}-{name}.ko")
    return a.end()


@pytest.fixture(scope="module")
def said(kernel, tmp_path_factory):
    """What the machine printed on its console."""
    at = tmp_path_factory.mktemp("boot")
    (at / "initrd").write_bytes(ramdisk(kernel, at))
    image = next(kernel.glob("boot/vmlinuz-*"))
    done = subprocess.run(["qemu-system-x86_64", "-accel", "tcg", "-m", "768", "-nographic", "-no-reboot", "-nodefaults", "-serial", "stdio", "-kernel", image,
                           "-initrd", at / "initrd", "-append", "console=ttyS0 panic=-1 quiet"], stdin=subprocess.DEVNULL, capture_output=True, check=False,
                          timeout=600)
    text = done.stdout.decode(errors="replace").replace("\r", "")
    print(text[-4000:])
    return text


def test_it_boots_and_says_which_kernel_it_is(said):
    assert "REHOME: over" in said, said[-3000:]
    print(re.search(r"REHOME: kernel (\S+)", said)[1])


@pytest.mark.parametrize("where", ["/t", "/d"])
def test_a_tree_is_copied_compared_and_brought_up_to_date(said, where):
    """/t is in memory, /d is ext4."""
    assert f"REHOME: {where} copy and compare: 0" in said, said[-3000:]
    assert f"REHOME: {where} second round: 0" in said, said[-3000:]


@pytest.mark.parametrize("where", ["/t", "/d"])
def test_other_programs_see_no_difference(said, where):
    assert f"REHOME: {where} looks the same" in said, said[-3000:]
