# SPDX-License-Identifier: Apache-2.0
"""All that a server is made of, as far as a move can leave traces there, by the server's own tools: `look` gives
kind -> name -> what it is, `changed` the names that are other in a second look. None of rehome's code."""
import re

TREES = ["/run", "/var/lib", "/etc", "/root", "/var/tmp", "/usr/local", "/tmp", "/home", "/srv", "/opt", "/var/spool"]

# What a server changes by itself from minute to minute; nothing of a move lies below these.
RESTLESS = ("/run/log", "/run/systemd/journal", "/run/systemd/propagate", "/run/systemd/inaccessible", "/run/udev",
            "/run/systemd/transient/session-", "/run/systemd/units/invocation:session-", "/run/systemd/sessions",
            "/run/systemd/users", "/run/user", "/run/utmp", "/var/lib/systemd/timers", "/var/lib/systemd/random-seed",
            "/run/systemd/units/log-", "/run/systemd/units/invocation:user", "/run/systemd/netif", "/run/crond", "/run/systemd/timesync", "/var/lib/apt", "/run/lock", "/run/sudo",
            "/run/systemd/inhibit", "/run/systemd/unit-root", "/run/systemd/private", "/run/nologin", "/run/systemd/ask-password",
            "/run/motd", "/etc/mtab", "/run/dbus", "/run/screen", "/run/sshd", "/run/network", "/var/lib/private")

def _pairs(text, sep="\t"):
    return dict((line.split(sep, 1) + [""])[:2] for line in text.split("\n") if line)


def _lines(text):
    return {line.strip(): "" for line in text.split("\n") if line.strip()}


# Empty groups and points of order, which systemd loads when another unit names them and keeps.
OWN_UNITS = re.compile(r"system-[^/]*\.slice$|network-online\.target$|nss-lookup\.target$")


def _calm(files):
    return {path: what for path, what in files.items() if not path.startswith(RESTLESS)}


def _files(host):
    """path -> type, mode, owner, group, target of a link, digest: names may hold anything, so all ends with a NUL."""
    found = host.run(["find", *TREES, "-xdev", "-printf", r"%p\0%y %m %U %G %l\0"], text=False, check=False, timeout=120)
    sums = host.run(["find", *TREES, "-xdev", "-type", "f", "-size", "-4096k", "-exec", "sha256sum", "-z", "{}", "+"],
                    text=False, check=False, timeout=120)
    rows = [row.decode(errors="surrogateescape") for row in found.stdout.split(b"\0")[:-1]]
    files = dict(zip(rows[0::2], rows[1::2]))
    for row in sums.stdout.split(b"\0")[:-1]:
        digest, path = row[:64].decode(), row[66:].decode(errors="surrogateescape")
        if path in files:
            files[path] += " " + digest
    return _calm(files)


def _processes(host):
    """Those of the server itself: a look's own stand in the lab's group, and a session's come and go."""
    text = host.sh("for p in /proc/[0-9]*; do [ -r $p/cgroup ] && ! grep -qE 'lab.exec|session-' $p/cgroup && "
                   "{ tr '\\0\\n' '  ' < $p/cmdline; echo; }; done 2>/dev/null || true")
    return {line.strip(): "" for line in text.split("\n") if line.strip() and not line.startswith(("sshd: ", "(sd-pam)"))}


def look(host):
    units = host.sh("systemctl list-units --all --plain --no-legend --no-pager | awk '{print $1\"\\t\"$2\" \"$3\" \"$4}'")
    known = host.sh("systemctl list-unit-files --plain --no-legend --no-pager | awk '{print $1\"\\t\"$2}'")

    def steady(found):
        return {name: what for name, what in found.items()
                if not name.startswith(("session-", "user-", "user@", "run-user", "sys-", "dev-")) and not name.endswith(".device")
                and not OWN_UNITS.match(name)}
    return {
        "process": _processes(host),
        "unit": steady(_pairs(units)),
        "unit file": steady(_pairs(known)),
        "file": _files(host),
        "mount": _pairs(host.sh("awk '{print $2\"\\t\"$1\" \"$3\" \"$4}' /proc/mounts | grep -v ^/run/user || true")),
        "address": _lines(host.sh("ip -o addr show | grep -v fe80 | sed 's/valid_lft.*//; s/ tentative//'")),
        "route": _lines(host.sh("ip route show table all | grep -v fe80; ip -6 route show | grep -v fe80 | sed 's/expires [^ ]*//'; "
                                "ip rule; ip -6 rule")),
        "firewall": _lines(host.sh("nft list ruleset 2>/dev/null | sed 's/counter packets.*bytes [0-9]*//' || true")),
        "account": _lines(host.sh("cat /etc/passwd /etc/group /etc/shadow /etc/gshadow")),
        "allowed key": _lines(host.sh("cat /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys 2>/dev/null || true")),
    }


def changed(before, after):
    """(kind, name, what it was or None, what it is or None) of all that differs."""
    return [(kind, name, before[kind].get(name), after[kind].get(name))
            for kind in before for name in sorted(before[kind].keys() | after[kind].keys())
            if before[kind].get(name) != after[kind].get(name)]
