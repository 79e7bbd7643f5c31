# SPDX-License-Identifier: Apache-2.0
# Makes the bare Debian roots (source and target release, each also with databases) and keeps them as compressed tars.
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
import time

from . import settings
from .command import locked, run

SUITES = {"source": "bookworm", "target": "trixie", "source-db": "bookworm", "target-db": "trixie"}
# Of each release its own version; the drivers are the order service's.
DATABASES = ["mariadb-server", "postgresql", "sqlite3", "python3-mysqldb", "python3-psycopg2"]
PACKAGES = {
    "source": """systemd-sysv libpam-systemd dbus udev openssh-server cron rsyslog sudo nginx-light acl attr
        libcap2-bin e2fsprogs iproute2 ifupdown nftables tmux procps python3 openssl""".split(),
    "target": """systemd-sysv libpam-systemd dbus udev openssh-server openssh-client cron sudo nginx-light acl attr
        libcap2-bin e2fsprogs iproute2 nftables procps python3 openssl libjansson4 libsqlite3-0 libyaml-0-2
        libnettle8t64 libxxhash0 libzstd1 libmicrohttpd12t64 libarchive13t64""".split(),
}
PACKAGES |= {f"{role}-db": packages + DATABASES for role, packages in PACKAGES.items()}
OPTIONS = [
    "--variant=minbase", "--format=directory",
    "--aptopt=Acquire::Languages \"none\"", "--aptopt=APT::Install-Recommends \"false\"",
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/info/*",
]
# Reading a tar back must give the same owners, times, holes, ACLs and capabilities.
TAR = ["tar", "--format=posix", "--numeric-owner", "--acls", "--xattrs", "--xattrs-include=*", "--sparse"]


def mirror():
    """The Debian archive this machine's own apt is configured with."""
    listing = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)"]).stdout
    for line in sorted(set(listing.splitlines())):
        uri, _, codename = line.partition(" ")
        if codename in ("bullseye", "bookworm", "trixie"):
            return uri
    raise RuntimeError("apt of this machine knows no Debian archive to make roots from")


def key(role):
    """Changes whenever the recipe of this root does."""
    recipe = json.dumps([SUITES[role], PACKAGES[role], OPTIONS])
    return hashlib.sha256(recipe.encode()).hexdigest()[:16]


def tar_path(role):
    return settings.cache_dir() / f"base-{role}-{key(role)}.tar.zst"


def pack(tree, target):
    """Write a tree as a compressed tar, under its name only once it is whole."""
    part = pathlib.Path(f"{target}.part")
    run(TAR + ["-I", "zstd -2 -T0 -q", "-cf", part, "-C", tree, "."], timeout=600,
        env=dict(os.environ, LC_ALL="C"))
    part.rename(target)


def unpack(source, tree):
    """Unpack a tar made by pack; tree must not exist yet, and does only once it is whole."""
    tree.parent.mkdir(parents=True, exist_ok=True)
    # ext4 is slow in reusing inodes that were deleted within minutes, as those of the tree this one replaces:
    # with T on the parent each new name below it starts in another part of the disk (5 s become 0.3 s).
    run(["chattr", "+T", tree.parent], check=False)
    part = pathlib.Path(tempfile.mkdtemp(prefix=f"{tree.name}-", dir=tree.parent))
    run(TAR + ["--warning=no-timestamp", "-I", "zstd -q", "-xpf", source, "-C", part], timeout=600,
        env=dict(os.environ, LC_ALL="C"))
    part.rename(tree)


def remove(tree):
    """Delete a tree, also one with paths that are too long for a path-based walk."""
    if tree.exists():
        run(["rm", "-rf", "--one-file-system", tree], timeout=600)


def scratch(label):
    """A directory beside the cache for a tree under construction."""
    settings.cache_dir().mkdir(parents=True, exist_ok=True)
    return pathlib.Path(tempfile.mkdtemp(prefix=f"making-{label}-", dir=settings.cache_dir()))


def build(role, say=print):
    """Make the root of one role unless the cache has it; returns the tar's path."""
    target = tar_path(role)
    with locked(settings.cache_dir() / f"base-{role}.lock"):
        if target.exists():
            return target
        start = time.monotonic()
        top = scratch(role)
        try:
            _debootstrap(role, top / "root")
            pack(top / "root", target)
        finally:
            shutil.rmtree(top, ignore_errors=True)
        say(f"lab: root {role} ({SUITES[role]}) made in {time.monotonic() - start:.0f} s")
    return target


def _debootstrap(role, tree):
    debs = settings.cache_dir() / "debs" / SUITES[role]
    debs.mkdir(parents=True, exist_ok=True)
    keep = [
        "--skip=download/empty", "--skip=essential/unlink", "--skip=cleanup/apt",
        "--setup-hook=mkdir -p \"$1\"/var/cache/apt/archives",
        f"--setup-hook=sync-in {debs} /var/cache/apt/archives",
        f"--customize-hook=sync-out /var/cache/apt/archives {debs}",
        "--customize-hook=rm -rf \"$1\"/var/cache/apt/* \"$1\"/var/lib/apt/lists/* \"$1\"/var/log/apt",
    ]
    run(["mmdebstrap", "--mode=root", "--quiet"] + OPTIONS + keep
        + ["--include=" + ",".join(PACKAGES[role]), SUITES[role], tree, mirror()], timeout=1800)
    (debs / "lock").unlink(missing_ok=True)
    shutil.rmtree(debs / "partial", ignore_errors=True)
