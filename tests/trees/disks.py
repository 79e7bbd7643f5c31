# SPDX-License-Identifier: Apache-2.0
"""Filesystems of their own, in files: made, mounted, unmounted and removed."""
import contextlib
import pathlib
import subprocess

MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-F", "-O", "project,quota", "-I", "256", "-b", "4096"],
    "xfs": ["mkfs.xfs", "-q", "-f"],
    "btrfs": ["mkfs.btrfs", "-q", "-f"],
}
SIZE = {"ext4": 320 << 20, "xfs": 320 << 20, "btrfs": 320 << 20}


def run(argv, **kw):
    return subprocess.run(argv, check=True, capture_output=True, **kw)


def _make(image, kind, make, mount):
    """Makes and mounts; a kernel without quotas mounts no ext4 with project ids, and small inodes hold none."""
    variants = [[], ["-O", "^project,^quota"]] if kind == "ext4" else [[]]
    for extra in variants:
        made = subprocess.run([*MAKE[kind], *extra, *make, image], check=False, capture_output=True)
        if made.returncode == 0:
            made = subprocess.run(mount, check=False, capture_output=True)
        if made.returncode == 0:
            return
    raise OSError(made.stderr.decode())


@contextlib.contextmanager
def disk(where, name, kind, size=None, make=(), options=()):
    """A fresh filesystem of `kind`, mounted at where/name."""
    image, point = pathlib.Path(where, name + ".img"), pathlib.Path(where, name)
    point.mkdir()
    if kind in ("tmpfs", "ramfs"):
        run(["mount", "-t", kind, *(["-o", ",".join(options)] if options else []), kind, point])
    else:
        with image.open("wb") as f:
            f.truncate(size or SIZE[kind])
        _make(image, kind, make, ["mount", "-o", ",".join(["loop", *options]), image, point])
    try:
        yield point
    finally:
        subprocess.run(["umount", point], check=False, capture_output=True)
        if subprocess.run(["mountpoint", "-q", point], check=False).returncode == 0:
            run(["umount", "-l", point])
        image.unlink(missing_ok=True)
        point.rmdir()
