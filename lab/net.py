# SPDX-License-Identifier: Apache-2.0
# The lab's network: one switch namespace with two bridges, a namespace for each host and for the client.
import json
import pathlib

from .command import run

SERVICE, MANAGEMENT = "eth0", "eth1"
BRIDGES = {SERVICE: "service", MANAGEMENT: "manage"}
NUMBERS = {"old": 10, "new": 20, "ctl": 30, "client": 100}
NICS = {"old": (SERVICE, MANAGEMENT), "new": (SERVICE, MANAGEMENT), "ctl": (SERVICE, MANAGEMENT), "client": (SERVICE,)}
NETNS = pathlib.Path("/run/netns")


def address(host, nic=MANAGEMENT):
    """The IPv4 address a host starts with on this interface."""
    return f"10.{77 if nic == SERVICE else 99}.0.{NUMBERS[host]}"


class Network:
    """All namespaces and links of one lab. Stateless: what exists in the kernel is the truth."""

    def __init__(self, name):
        self.name = name
        self.switch = f"{name}-switch"
        self._shapes = {}

    def ns(self, host):
        """The namespace's name of a host or of the client."""
        return f"{self.name}-{host}"

    def exists(self, host):
        return (NETNS / self.ns(host)).exists()

    def up(self):
        """Make the switch and the client's namespace, unless they are there."""
        if not (NETNS / self.switch).exists():
            self._make_switch()
        if not self.exists("client"):
            self.plug("client")
            self._client_addresses()

    def down(self):
        """Remove every namespace of this lab."""
        for host in NICS:
            self.unplug(host)
        if (NETNS / self.switch).exists():
            run(["ip", "netns", "del", self.switch])

    def reset(self):
        """End every cut, block and limit."""
        self.up()
        self._shapes.clear()
        self.nft("flush set bridge lab cut\nflush set bridge lab pairs")

    def forget_neighbours(self):
        """The client still knows who had the moved address before the hosts were made anew."""
        run(["ip", "-n", self.ns("client"), "neigh", "flush", "all"])

    def plug(self, host):
        """Give a host a namespace with its interfaces, down and without addresses, as a machine has at power on."""
        self.unplug(host)
        namespace = self.ns(host)
        run(["ip", "netns", "add", namespace])
        for nic in NICS[host]:
            port = self.port(host, nic)
            mac = f"02:77:{'00' if nic == SERVICE else '01'}:00:00:{NUMBERS[host]:02x}"
            run(["ip", "-n", self.switch, "link", "add", port, "type", "veth",
                 "peer", "name", nic, "address", mac, "netns", namespace])
            run(["ip", "-n", self.switch, "link", "set", port, "master", BRIDGES[nic], "up"])
            if (host, nic) in self._shapes:
                self.shape(host, *self._shapes[host, nic], nic=nic)

    def unplug(self, host):
        """Remove a host's namespace: its kernel no longer answers for its addresses."""
        for nic in NICS[host]:
            run(["ip", "-n", self.switch, "link", "del", self.port(host, nic)], check=False)
        if self.exists(host):
            run(["ip", "netns", "del", self.ns(host)])

    @staticmethod
    def port(host, nic):
        """The switch's end of a host's cable."""
        return f"{host}{nic[-1]}"

    def cut(self, host, nic=MANAGEMENT, how="drop"):
        """Cut a link: `drop` loses every packet silently, `down` takes the carrier away."""
        port = self.port(host, nic)
        if how == "down":
            run(["ip", "-n", self.switch, "link", "set", port, "down"])
            return
        self.nft(f"add element bridge lab cut {{ \"{port}\" }}")

    def restore(self, host, nic=MANAGEMENT):
        """End a cut of either kind."""
        port = self.port(host, nic)
        self.nft(f"delete element bridge lab cut {{ \"{port}\" }}", check=False)
        run(["ip", "-n", self.switch, "link", "set", port, "up"])

    def block(self, one, other, nic=MANAGEMENT):
        """Lose every packet between two hosts, in both directions."""
        self.nft("add element bridge lab pairs {{ {0} . {1}, {1} . {0} }}".format(
            *(f'"{self.port(host, nic)}"' for host in (one, other))))

    def unblock(self, one, other, nic=MANAGEMENT):
        """End a block."""
        self.nft("delete element bridge lab pairs {{ {0} . {1}, {1} . {0} }}".format(
            *(f'"{self.port(host, nic)}"' for host in (one, other))), check=False)

    def shape(self, host, rate, burst="32kbit", latency="400ms", nic=MANAGEMENT):
        """Limit a host's interface in both directions with tbf; rate as tc reads it (`20mbit`)."""
        self._shapes[host, nic] = (rate, burst, latency)
        for where, device in ((self.switch, self.port(host, nic)), (self.ns(host), nic)):
            run(["tc", "-n", where, "qdisc", "replace", "dev", device, "root",
                 "tbf", "rate", rate, "burst", burst, "latency", latency])

    def unshape(self, host, nic=MANAGEMENT):
        """End a limit."""
        self._shapes.pop((host, nic), None)
        for where, device in ((self.switch, self.port(host, nic)), (self.ns(host), nic)):
            run(["tc", "-n", where, "qdisc", "del", "dev", device, "root"], check=False)

    def nft(self, script, check=True):
        """Feed rules to the switch's own firewall (table `bridge lab`)."""
        run(["nsenter", f"--net={NETNS / self.switch}", "nft", "-f", "-"], input=script + "\n", check=check)

    def addresses(self, host, nic=SERVICE):
        """The addresses on a host's interface in the kernel's order, as CIDR text; link-local left out."""
        said = run(["ip", "-n", self.ns(host), "-j", "addr", "show", "dev", nic]).stdout
        found = json.loads(said)[0]["addr_info"]
        return [f"{a['local']}/{a['prefixlen']}" for a in found if a["scope"] != "link"]

    def _make_switch(self):
        run(["ip", "netns", "add", self.switch])
        for bridge, addresses in (("service", ("10.77.0.1/24", "fd77::1/64")), ("manage", ("10.99.0.1/24",))):
            run(["ip", "-n", self.switch, "link", "add", bridge, "type", "bridge",
                 "forward_delay", "0", "mcast_snooping", "0"])
            for cidr in addresses:
                run(["ip", "-n", self.switch, "addr", "add", cidr, "dev", bridge, *nodad(cidr)])
            run(["ip", "-n", self.switch, "link", "set", bridge, "up"])
        run(["ip", "-n", self.switch, "link", "set", "lo", "up"])
        self.nft("""table bridge lab {
            set cut { type ifname; }
            set pairs { type ifname . ifname; }
            chain forward { type filter hook forward priority 0;
                iifname @cut drop
                oifname @cut drop
                iifname . oifname @pairs drop
            }
            chain input { type filter hook input priority 0; iifname @cut drop; }
            chain output { type filter hook output priority 0; oifname @cut drop; }
        }""")

    def _client_addresses(self):
        namespace = self.ns("client")
        for cidr in ("10.77.0.100/24", "fd77::100/64"):
            run(["ip", "-n", namespace, "addr", "add", cidr, "dev", SERVICE, *nodad(cidr)])
        run(["ip", "-n", namespace, "link", "set", SERVICE, "up"])
        run(["ip", "-n", namespace, "link", "set", "lo", "up"])
        run(["ip", "-n", namespace, "route", "add", "default", "via", "10.77.0.1"])


def nodad(cidr):
    """IPv6 without the second of waiting for duplicates."""
    return ["nodad"] if ":" in cidr else []
