# SPDX-License-Identifier: Apache-2.0
# Where the lab keeps things and what its parts are called, so that several labs live side by side.
import os
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
GUEST = pathlib.Path(__file__).resolve().parent / "guest"
HOSTS = ("old", "new", "ctl")
SHORT_NAME = 8  # of a lab; interface and namespace names carry it


def default_name():
    """The lab's name: REHOME_LAB_NAME, else rhl."""
    return os.environ.get("REHOME_LAB_NAME", "rhl")


def check_name(name):
    """Names end up in paths, cgroups and namespaces."""
    if not name.isalnum() or not name.isascii() or len(name) > SHORT_NAME:
        raise ValueError(f"lab name {name!r}: at most {SHORT_NAME} ASCII letters and digits")
    return name


def cache_dir():
    """Roots, packages and keys, shared by all labs of this machine."""
    return pathlib.Path(os.environ.get("REHOME_LAB_CACHE", "/var/cache/rehome-lab"))


def lab_dir(name):
    """What one lab owns; it is gone after `down`."""
    base = pathlib.Path(os.environ.get("REHOME_LAB_DIR", "/var/lib/rehome-lab"))
    return base / name


def cgroup_base():
    """The mount of cgroup v2: a directory of its own beside v1, or the whole tree."""
    unified = pathlib.Path("/sys/fs/cgroup/unified")
    if (unified / "cgroup.procs").exists():
        return unified
    whole = pathlib.Path("/sys/fs/cgroup")
    if (whole / "cgroup.controllers").exists():
        return whole
    raise RuntimeError("no cgroup v2 is mounted on this machine: the lab cannot boot systemd")
