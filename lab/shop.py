# SPDX-License-Identifier: Apache-2.0
# Sets up each server's disk: the shop's work on old, a blank new that has other accounts, a controller.
import os
import pathlib
import shutil

from . import files, settings
from .command import run

IDS = {"shop": 1001, "deploy": 1002, "anna": 1003, "shopdata": 1500, "admin": 1100, "plain": 1101, "noisy": 1102}
MACHINE_IDS = {"old": "01d" + "5" * 29, "new": "0ee" + "6" * 29, "ctl": "0c7" + "7" * 29}
MASKED = ["console-getty.service", "getty@tty1.service", "apt-daily.timer", "apt-daily-upgrade.timer",
          "e2scrub_all.timer", "e2scrub_reap.service", "systemd-networkd-wait-online.service",
          "systemd-udevd.service", "ifupdown-pre.service", "sys-kernel-debug.mount", "sys-kernel-tracing.mount",
          "dev-hugepages.mount", "systemd-binfmt.service", "proc-sys-fs-binfmt_misc.automount"]
# The names and addresses by which each server's host key is known.
KNOWN = {"old": "old,shop-old,10.99.0.10,10.77.0.10,10.77.0.11", "new": "new,shop-new,10.99.0.20,10.77.0.20",
         "ctl": "ctl,10.99.0.30"}


def make_keys(folder):
    """Host keys, user keys and a certificate; made once, so that servers are recognised after a reset."""
    for host in settings.HOSTS:
        own = folder / host
        own.mkdir(parents=True)
        for kind in ("ed25519", "ecdsa", "rsa"):
            bits = ["-b", "2048"] if kind == "rsa" else []
            run(["ssh-keygen", "-q", "-N", "", "-t", kind, *bits, "-C", f"root@{host}",
                 "-f", own / f"ssh_host_{kind}_key"])
        run(["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-C", f"root@{host}", "-f", own / "id_ed25519"])
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-days", "3650", "-subj", "/CN=shop.example", "-addext", "subjectAltName=DNS:shop.example,IP:10.77.0.10",
         "-keyout", folder / "tls.key", "-out", folder / "tls.crt"])


def prepare(role, root, keys, scale):
    """Turn a bare root into the server `role`."""
    _common(role, root, keys)
    {"old": _old, "new": _new, "ctl": _controller}[role](root, keys, scale)


def _common(role, root, keys):
    (root / "etc/machine-id").write_text(MACHINE_IDS[role] + "\n")
    (root / "etc/hostname").write_text((f"shop-{role}" if role != "ctl" else role) + "\n")
    _copy(settings.GUEST / "common", root)
    _copy(settings.GUEST / role, root)
    for path in keys.joinpath(role).glob("ssh_host_*"):
        _install(path, root / "etc/ssh" / path.name, 0o644 if path.suffix == ".pub" else 0o600)
    for unit in MASKED:
        _link("/dev/null", root / "etc/systemd/system" / unit)
    (root / "etc/nginx/sites-enabled/default").unlink(missing_ok=True)
    (root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)


def _old(root, keys, scale):
    _accounts(root)
    ssh_keys = _public(keys, "new") + _public(keys, "ctl")
    for home, owner in (("root", 0), ("home/admin", IDS["admin"]), ("home/plain", IDS["plain"]),
                        ("home/noisy", IDS["noisy"])):
        _authorize(root / home, owner, ssh_keys)
    noise = root / "home/noisy/.bashrc"
    noise.write_text("echo 'Welcome to shop-old!'\necho 'You have mail.' >&2\n")
    os.chown(noise, IDS["noisy"], IDS["noisy"])
    for path in root.joinpath("etc/sudoers.d").iterdir():
        path.chmod(0o440)
    crontab = root / "var/spool/cron/crontabs/deploy"
    os.chown(crontab, IDS["deploy"], _group(root, "crontab"))
    crontab.chmod(0o600)
    (root / "etc/shop").mkdir()
    _install(keys / "tls.key", root / "etc/shop/tls.key", 0o640, group=IDS["shop"])
    _install(keys / "tls.crt", root / "etc/shop/tls.crt", 0o644)
    _link("/etc/nginx/sites-available/shop", root / "etc/nginx/sites-enabled/shop")
    syslog = root / "etc/rsyslog.conf"  # the kernel's messages are the machine's, not this server's
    syslog.write_text("".join(line for line in syslog.read_text().splitlines(True) if "imklog" not in line))
    _units(root, enable=["shop-orders.service", "nginx.service", "shop-report.timer", "cron.service", "ssh.service",
                         "rsyslog.service", "networking.service"])
    _data(root / "srv/shop", scale)


def _data(top, scale):
    """What lies in /srv/shop."""
    top.mkdir()
    os.chown(top, IDS["shop"], IDS["shopdata"])
    top.chmod(0o2775)
    for name in ["orders", "reports"] + [f"orders/{number:02x}" for number in range(256)]:
        (top / name).mkdir()
        os.chown(top / name, IDS["shop"], IDS["shop"])
    for name, owner in (("orders.log", "shop"), ("cron-d.log", "shop"), ("cron-user.log", "deploy"),
                        ("notes-deploy.txt", "deploy")):
        (top / name).touch()
        os.chown(top / name, IDS[owner], IDS["shopdata"])
    (top / "bin").mkdir()
    shutil.copy(top.parent.parent / "usr/bin/true", top / "bin/ping-like")
    run(["setcap", "cap_net_raw+ep", top / "bin/ping-like"])
    files.shared(top)
    files.fill(top, scale)


def _accounts(root):
    hash_of = run(["openssl", "passwd", "-6", "-salt", "rehomelab", "correct horse"]).stdout.strip()
    _chroot(root, "groupadd", "-g", IDS["shopdata"], "shopdata")
    for name in ("shop", "deploy", "anna", "admin", "plain", "noisy"):
        _chroot(root, "groupadd", "-g", IDS[name], name)
        groups = ["-G", "shopdata"] if name in ("shop", "deploy", "anna") else []
        secret = ["-p", hash_of] if name in ("deploy", "anna", "admin") else []
        _chroot(root, "useradd", "-m", "-u", IDS[name], "-g", name, "-s", "/bin/bash",
                "-c", f"{name.capitalize()} of the shop", *groups, *secret, name)


def _new(root, keys, _scale):
    _chroot(root, "groupadd", "-g", IDS["shopdata"], "metrics")
    for name, number in (("monitor", IDS["shop"]), ("backup1", IDS["anna"])):
        _chroot(root, "groupadd", "-g", number, name)
        _chroot(root, "useradd", "-m", "-u", number, "-g", name, "-s", "/bin/bash", name)
    _authorize(root / "root", 0, _public(keys, "ctl"))
    _identity(root, keys, "new")
    _units(root, enable=["systemd-networkd.service", "ssh.service", "cron.service"], disable=["nginx.service"])


def _controller(root, keys, _scale):
    _identity(root, keys, "ctl")
    _units(root, enable=["systemd-networkd.service", "ssh.service"], disable=["nginx.service", "cron.service"])


def _identity(root, keys, role):
    """The key with which this server's root reaches others, and the keys by which it knows them."""
    home = root / "root/.ssh"
    home.mkdir(mode=0o700, exist_ok=True)
    _install(keys / role / "id_ed25519", home / "id_ed25519", 0o600)
    _install(keys / role / "id_ed25519.pub", home / "id_ed25519.pub", 0o644)
    lines = []
    for host, names in KNOWN.items():
        for path in sorted(keys.joinpath(host).glob("ssh_host_*.pub")):
            lines.append(f"{names} {' '.join(path.read_text().split()[:2])}\n")
    (home / "known_hosts").write_text("".join(lines))


def _authorize(home, owner, text):
    folder = home / ".ssh"
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "authorized_keys").write_text(text)
    (folder / "authorized_keys").chmod(0o600)
    for path in (folder, folder / "authorized_keys"):
        os.chown(path, owner, owner)


def _public(keys, role):
    return (keys / role / "id_ed25519.pub").read_text()


def _group(root, name):
    for line in (root / "etc/group").read_text().splitlines():
        fields = line.split(":")
        if fields[0] == name:
            return int(fields[2])
    raise KeyError(name)


def _units(root, enable, disable=()):
    run(["systemctl", f"--root={root}", "enable", "--quiet", *enable])
    if disable:
        run(["systemctl", f"--root={root}", "disable", "--quiet", *disable])


def _chroot(root, *argv):
    run(["chroot", root, *argv])


def _install(source, target, mode, group=0):
    shutil.copyfile(source, target)
    os.chown(target, 0, group)
    target.chmod(mode)


def _link(target, path):
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def _copy(source, root):
    """Lay a folder of this package over a root: owned by root, directories as they are there."""
    for path in sorted(source.rglob("*")):
        target = root / path.relative_to(source)
        if path.is_dir():
            target.mkdir(exist_ok=True)
        else:
            target.unlink(missing_ok=True)
            _install(path, target, 0o755 if path.stat().st_mode & 0o100 else 0o644)
