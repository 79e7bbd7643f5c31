# SPDX-License-Identifier: Apache-2.0
"""What the stories share: running rehome on a host of the lab, reading where a move stands, and what a server is."""
import json
import pathlib
import re
import subprocess
import time

HERE = pathlib.Path(__file__).resolve().parent
PLAN = "/root/shop.yaml"


class Move:
    """A move of the lab's shop, driven from one host (by default the target)."""

    def __init__(self, lab, controller=None):
        self.lab = lab
        self.at = controller or lab.new

    def write_plan(self, change=None, path=PLAN, template="shop.yaml"):
        """Put a plan on the controller; `change` edits its text."""
        text = (HERE / "plans" / template).read_text()
        text = change(text) if change else text
        self.at.run(["tee", path], input=text)
        return path

    def rehome(self, *argv, expect=0, timeout=180, env=None):
        """Run the command; its exit status must be `expect` (None: any). Gives stdout and stderr together."""
        done = self.at.run(["rehome", *argv], check=False, timeout=timeout, env=env)
        said = done.stdout + done.stderr
        assert expect is None or done.returncode == expect, \
            f"rehome {' '.join(argv)}: exit {done.returncode}, not {expect}\n{said}"
        return said

    def status(self):
        """The first line of `rehome status`."""
        return self.rehome("status", PLAN, expect=None).splitlines()[0]

    def facts(self):
        """The report as JSON."""
        done = self.at.run(["rehome", "report", PLAN, "--json"], check=False)
        return json.loads(done.stdout)

    def records(self):
        """The journal's records, in order."""
        out = self.at.run(["rehome", "events", PLAN, "--json"]).stdout
        return [json.loads(line) for line in out.splitlines()]

    def sync(self):
        return self.rehome("sync", PLAN, "--no-input")

    def cutover(self, expect=0, timeout=180):
        return self.rehome("cutover", PLAN, "--no-input", "--confirm=shop-old", expect=expect, timeout=timeout)


def run_the_text(host):
    """What a stranger would do who has only the text on the frozen source: the indented lines, one after the other."""
    text = host.sh("cat /root/REHOME-FROZEN.txt")
    commands = re.findall(r"^    (.+)$", text, re.M)
    assert commands, text
    for command in commands:
        host.run(["/bin/sh", "-c", command], check=False)


def codes(said):
    """The stable error codes in an output."""
    return set(re.findall(r"RH-[A-Z0-9]+(?:-[A-Z0-9]+)*", said))


def shape(host):
    """What an abort has to bring back on a server, as text: units and their enablement, unit files, addresses and
    routes in their order, crontabs with times, accounts, rehome's own traces."""
    parts = {
        "units": host.sh("systemctl list-units --all --plain --no-legend --type=service,timer,socket "
                         "'shop-*' 'nginx*' 'cron*' | awk '{print $1,$3}' | grep -v shop-report.service || true"),
        "enabled": host.sh("systemctl list-unit-files --no-legend | grep -v 'scope *transient' | grep -v ^rehome-keeper- | awk '{print $1,$2}' | sort"),
        "unit files": host.sh("cd /etc/systemd/system && find . -type f -o -type l | sort | xargs -r sha256sum || true"),
        "addresses": host.sh("ip -o addr show | awk '{$1=\"\"; print}' | sed 's/valid_lft.*//; s/ tentative//'"),
        "routes": host.sh("ip route show; ip -6 route show | grep -v fe80 | sed 's/expires [^ ]*//'"),
        "network": host.sh("find /etc/network /etc/systemd/network -type f -printf '%p %m %u %g %T@\\n' | sort; "
                           "find /etc/network /etc/systemd/network -type f -exec sha256sum {} + | sort"),
        "cron": host.sh("find /var/spool/cron /etc/cron.d -printf '%p %m %u %g %y\\n' | sort; "
                        "find /var/spool/cron /etc/cron.d -type f -printf '%p %T@\\n' -exec sha256sum {} + | sort"),
        "accounts": host.sh("sha256sum /etc/passwd /etc/shadow /etc/group /etc/gshadow; "
                            "find /etc/sudoers.d -type f -exec sha256sum {} + | sort"),
        "mounts": host.sh("grep -E ' /(srv|etc|home|opt|usr)' /proc/mounts || true"),
        "frozen text": host.sh("ls /root/REHOME-FROZEN.txt 2>/dev/null || true"),
    }
    return parts


def changed(before, after):
    """The parts of two shapes that differ."""
    return {name: sorted(set(before[name].split("\n")) ^ set(after[name].split("\n"))) or "another order"
            for name in before if before[name] != after[name]}


def leftovers(host):
    """Traces of rehome on a host: state, agents, units, mounts."""
    return host.sh("set +e; find /var/lib/rehome /run/rehome /var/tmp -maxdepth 2 -iname '*rehome*' 2>/dev/null; "
                   "find /var/lib/rehome -mindepth 1 2>/dev/null; "
                   "find /etc/systemd /run/systemd -iname '*rehome*' 2>/dev/null; ls /root/REHOME* 2>/dev/null; "
                   "pgrep -a rehome-agent; grep rehome /proc/mounts || true").split("\n")


def wait_for(what, seconds=60, every=0.05):
    """Calls `what` until it gives something true; that is returned."""
    end = time.monotonic() + seconds
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(every)


def stay_in(host, folder):
    """Somebody stands in a folder there and does nothing; the pid, as the host counts."""
    return host.sh(f"cd {folder} && {{ setsid sleep 300 </dev/null >/dev/null 2>&1 & echo $!; }}")


def start_cutover(move, *more):
    """Begins a cutover that goes on by itself; a Popen of the command that watches it."""
    return move.at.popen(["rehome", "cutover", PLAN, "--no-input", "--confirm=shop-old", *more],
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def phase_of(move):
    done = move.at.run(["rehome", "status", PLAN, "--json"], check=False)
    return json.loads(done.stdout)["phase"] if done.returncode == 0 and done.stdout else None


def wait_phase(move, *phases, seconds=60):
    """Until the move is in one of these phases; which."""
    return wait_for(lambda: (lambda p: p if p in phases else None)(phase_of(move)), seconds)


def segments(load):
    """Which host acknowledged, in the order of the answers: one letter for each change."""
    acks = sorted((a for a in load.attempts() if a["status"] == "acked"), key=lambda a: a["end"])
    order = []
    for ack in acks:
        if not order or order[-1] != ack["host"]:
            order.append(ack["host"])
    return order
