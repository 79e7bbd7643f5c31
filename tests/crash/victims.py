# SPDX-License-Identifier: Apache-2.0
"""Finding and killing rehome's processes on a lab's servers, the engines' clients that it starts there, and the database
servers themselves; from outside, by what the kernel says of them."""
import os
import signal

CLIENTS = {"mariadb", "mariadb-dump", "psql", "pg_dump", "pg_restore"}  # the lab's order service uses none of them


def _processes(host):
    """Pids (as this machine numbers them) of everything that runs on a lab's server; units come and go meanwhile."""
    for path, _, _ in os.walk(host.cgroup):
        try:
            with open(os.path.join(path, "cgroup.procs"), encoding="ascii") as listing:
                yield from listing.read().split()
        except OSError:
            continue


def _command(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read().decode(errors="replace").split("\0")[:-1]
    except OSError:
        return []


def _is(kind, argv):
    name = os.path.basename(argv[0]) if argv else ""
    if kind == "owner":
        return name == "rehome" and "owner" in argv
    if kind == "client":
        return name in CLIENTS
    if kind == "server":
        return name == "mariadbd" or (name == "postgres" and "-D" in argv)
    if kind == "keeper":  # its program has no name of its own
        return "--keeper" in argv[1:2]
    return name.startswith("rehome-agent") and "--keeper" not in argv[1:2]


def pids(host, kind):
    """The processes of that kind on the server."""
    return sorted(pid for pid in set(_processes(host)) if _is(kind, _command(pid)))


def kill(host, kind):
    """SIGKILL to every process of that kind on the server; how many there were."""
    hit = 0
    for pid in pids(host, kind):
        try:
            os.kill(int(pid), signal.SIGKILL)
            hit += 1
        except ProcessLookupError:
            pass
    return hit


def kill_one(host, kind, chance):
    """SIGKILL to one process of that kind, if there is any, by a random generator; was there one?"""
    living = pids(host, kind)
    try:
        if living:
            os.kill(int(chance.choice(living)), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return bool(living)
