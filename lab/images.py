# SPDX-License-Identifier: Apache-2.0
# The disks that servers are unpacked from: a bare root plus the set-up of one role, kept in the cache.
import concurrent.futures
import hashlib
import shutil
import time

from . import files, roots, settings, shop
from .command import locked

ROLE_ROOT = {"old": "source", "new": "target", "ctl": "target"}
SETUP = ("shop.py", "files.py")
KEEP_SECONDS = 86400


def root_of(role, databases):
    """The root that a role's image is made of; the controller never has databases."""
    return ROLE_ROOT[role] + ("-db" if databases and role != "ctl" else "")


def key(role, scale, databases=False):
    """Changes whenever the root, the set-up code, a file that is copied in or a key does."""
    total = hashlib.sha256(f"{roots.key(root_of(role, databases))} {role} {scale if role == 'old' else 1}".encode())
    here = settings.GUEST.parent
    paths = [here / name for name in SETUP] + sorted(p for p in settings.GUEST.rglob("*") if p.is_file())
    for path in paths:
        total.update(str(path.relative_to(here)).encode() + b"\0" + path.read_bytes())
    for path in sorted(_keys().rglob("*.pub")):
        total.update(path.read_bytes())
    return total.hexdigest()[:16]


def image(role, scale=1, say=print, databases=False):
    """The path of the role's image, made first when the cache has none."""
    target = settings.cache_dir() / f"image-{role}-{key(role, scale, databases)}.tar.zst"
    if target.exists():
        return target
    base = roots.build(root_of(role, databases), say)
    with locked(settings.cache_dir() / f"image-{role}.lock"):
        if not target.exists():
            start = time.monotonic()
            _make(role, scale, base, _keys(), target)
            _forget(role)
            say(f"lab: image {role} made in {time.monotonic() - start:.0f} s")
    return target


def unpack(role, tree, scale=1, say=print, databases=False):
    """A fresh disk of this role."""
    roots.unpack(image(role, scale, say, databases), tree)
    if role == "old":
        files.deep(tree / "srv/shop")


def image_all(hosts, scale=1, say=print, databases=False):
    """The images of several roles at the same time."""
    with concurrent.futures.ThreadPoolExecutor() as pool:
        return dict(zip(hosts, pool.map(lambda role: image(role, scale, say, databases), hosts)))


def _make(role, scale, base, keys, target):
    top = roots.scratch(role)
    try:
        roots.unpack(base, top / "root")
        shop.prepare(role, top / "root", keys, scale)
        roots.pack(top / "root", target)
    finally:
        roots.remove(top)


def _forget(role):
    """Delete images of this role that were made more than a day ago, by recipes that have changed since."""
    for path in settings.cache_dir().glob(f"image-{role}-*.tar.zst"):
        if path.stat().st_mtime < time.time() - KEEP_SECONDS:
            path.unlink(missing_ok=True)


def _keys():
    """Keys of all servers of this machine's labs."""
    folder = settings.cache_dir() / "keys"
    with locked(settings.cache_dir() / "keys.lock"):
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            shop.make_keys(part)
            part.rename(folder)
    return folder
