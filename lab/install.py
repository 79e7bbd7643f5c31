# SPDX-License-Identifier: Apache-2.0
# Installs a built tree into servers of the lab, as a package would lay it there.
import os
import pathlib
import shutil
import tempfile

from .command import run


def install(build_dir, hosts):
    """`meson install` into a staging folder, copied into each host's disk; refuses when a library is missing there."""
    with tempfile.TemporaryDirectory(prefix="rehome-stage-") as stage:
        run(["meson", "install", "-C", pathlib.Path(build_dir).resolve(), "--no-rebuild", "--quiet"],
            env=dict(os.environ, DESTDIR=stage), timeout=300)
        for host in hosts:
            run(["cp", "-a", "--no-preserve=ownership", "--remove-destination", f"{stage}/.", host.root])
            _check_libraries(host, pathlib.Path(stage))
            if host.running():
                host.run(["systemctl", "daemon-reload"])


def _check_libraries(host, stage):
    """Every program of the stage must find its libraries on that host."""
    for path in sorted(stage.rglob("*")):
        if path.is_symlink() or not path.is_file() or not os.access(path, os.X_OK):
            continue
        with open(path, "rb") as program:
            if program.read(4) != b"\x7fELF":
                continue
        said = run(["chroot", host.root, "ldd", "/" + str(path.relative_to(stage))], check=False).stdout
        missing = [line.strip() for line in said.splitlines() if "not found" in line]
        if missing:
            raise RuntimeError(f"{path.name} cannot run on {host.name}: {'; '.join(missing)}")


def remove(host, names=("rehome", "rehome-agent")):
    """Take the installed programs off a host again."""
    for name in names:
        for folder in ("usr/bin", "usr/libexec", "usr/lib/rehome"):
            path = host.root / folder / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
