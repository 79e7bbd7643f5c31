# SPDX-License-Identifier: Apache-2.0
"""What is left of a move on two servers, by an inventory before its first command and one after its end: what changed,
but for what the report names (facts "left") and what the move was for."""
import re

import inventory
from story import wait_for

# What the plan moves, and what the moved services make for themselves.
PATHS = ["/srv/shop", "/etc/shop", "/etc/nginx", "/home/shop", "/home/deploy", "/home/anna", "/usr/local/bin/shop-orders",
         "/usr/local/bin/shop-report", "/usr/local/bin/shop-notes", "/etc/default/shop-orders", "/etc/cron.d/shop",
         "/var/spool/cron/crontabs/deploy", "/etc/sudoers.d/deploy", "/run/nginx.pid", "/var/lib/nginx"]
UNITS = ["shop-orders.service", "nginx.service", "shop-report.timer", "shop-report.service"]
PEOPLE = {"shop", "deploy", "anna", "shopdata"}
ACCOUNT_FILES = re.compile(r"/etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$")
ENABLED = re.compile(r"/etc/(systemd/system/[^/]*\.wants/(shop-orders|shop-report|nginx)\.[a-z]*|rc[0-6]\.d/[SK]..nginx"
                     r"|systemd/system/(shop-orders|shop-report|nginx)\.[a-z]+(\.d(/limits\.conf)?)?)$")
ADDRESS = re.compile(r"\b10\.77\.0\.1[01]\b")


def is_below(path, top):
    return path == top or path.startswith(top + "/")


def owner_of(line):
    return {line.split(":")[0]}


def named(facts, role):
    """What the report says is left on a host; the controller is the new server."""
    hosts = {"old": ["source"], "new": ["target", "controller"]}[role]
    return [one["what"].split(": ")[0] for one in facts["left"] if one["host"] in hosts]


def read_only(host, what):
    """Paths that a unit named as left keeps read-only, and the units that systemd makes of such mounts."""
    texts = [host.sh(f"cat {path}") for path in what if path.startswith("/etc/systemd/system/rehome-freeze-") and path.count("/") == 4]
    paths = re.findall(r'mount" "--bind" "([^"]+)"|"--bind" "([^"]+)"', "\n".join(texts))
    mounts = {a or b for a, b in paths}
    units = {host.sh(f"systemd-escape -p --suffix=mount '{path}'") for path in mounts}
    return mounts, units


def by_the_report(host, what):
    """A test of kind and name: is this change one that the report names?"""
    people = {one.split(" ", 1)[1] for one in what if one.startswith(("user ", "group "))}
    paths = [one for one in what if one.startswith("/")]
    mounts, units = read_only(host, what)

    def test(kind, name):
        if kind == "file":
            return any(is_below(name, path) or is_below(path, name) for path in paths) or people and ACCOUNT_FILES.match(name)
        if kind == "account":
            return owner_of(name) <= people
        if kind in ("unit", "unit file"):
            return name in units or any(path.endswith("/" + name) or f"/{name}.d/" in path for path in paths)
        return kind == "mount" and name in mounts
    return test


def moved(kind, name):
    """Is this change the plan's own purpose?"""
    if kind == "file":
        return (any(is_below(name, path) for path in PATHS) or bool(ACCOUNT_FILES.match(name)) or bool(ENABLED.match(name))
                or name in [f"/run/systemd/units/invocation:{unit}" for unit in UNITS] or name == "/etc/network/interfaces")
    if kind == "account":
        return owner_of(name) <= PEOPLE
    if kind in ("unit", "unit file"):
        return name in UNITS
    if kind == "process":
        return "shop-orders" in name or name.startswith("nginx: ")
    return kind in ("address", "route") and bool(ADDRESS.search(name))


def its_own_work(kind, name):
    """What a server that serves (again) does by itself: units that were started anew, orders and notes."""
    return kind == "file" and (name == "/run/nginx.pid" or name in [f"/run/systemd/units/invocation:{unit}" for unit in UNITS]
                               or is_below(name, "/srv/shop"))


def look(lab):
    for host in (lab.old, lab.new):  # an address has its route once nobody else was found to have it
        wait_for(lambda: host.sh("ip -6 -o addr show tentative") == "", seconds=20)
        # A timer's job that runs just now is no difference.
        wait_for(lambda: host.sh("systemctl list-units --state=activating --plain --no-legend") == "", seconds=30)
    return {host.role: inventory.look(host) for host in (lab.old, lab.new)}


def unexplained(lab, before, after, facts, purpose):
    """What changed and is neither named nor the purpose (by role: a test of kind and name)."""
    rest = []
    for host in (lab.old, lab.new):
        is_named = by_the_report(host, named(facts, host.role))
        rest += [(host.role, *change) for change in inventory.changed(before[host.role], after[host.role])
                 if not is_named(*change[:2]) and not purpose[host.role](*change[:2])]
    return rest


def at_rest(move):
    """The report once the owner of the migration has ended."""
    wait_for(lambda: move.at.sh("systemctl is-active rehome@shop || true") == "inactive", seconds=30)
    return move.facts()


def nothing(*_):
    return False
