# SPDX-License-Identifier: Apache-2.0
# Installs a built tree into servers of the lab, as a package would lay it there.
import os
import pathlib
import tempfile

from .command import run


def install(build_dir, hosts):
    """`meson install` into a staging folder, laid over each host's disk; refuses when a library is missing there."""
    with tempfile.TemporaryDirectory(prefix="rehome-stage-") as top:
        stage, packed = pathlib.Path(top) / "root", pathlib.Path(top) / "root.tar"
        run(["meson", "install", "-C", pathlib.Path(build_dir).resolve(), "--no-rebuild", "--quiet"],
            env=dict(os.environ, DESTDIR=str(stage)), timeout=300)
        run(["tar", "-cf", packed, "-C", stage, "."])
        for host in hosts:
            # /lib and the like are links into /usr on a server, and its directories keep their owners and modes.
            run(["tar", "-xf", packed, "-C", host.root, "--no-same-owner", "--no-overwrite-dir",
                 "--keep-directory-symlink"])
            _check_libraries(host, stage)
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
