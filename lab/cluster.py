# SPDX-License-Identifier: Apache-2.0
# One lab: its servers, its network, its client; brought up, reset and taken down as a whole.
import concurrent.futures

from . import images, install, load, machine, net, observer, roots, settings, stores
from .host import Host


class Lab:
    """A lab by name. Several labs live side by side; the same name means the same lab, also from another process."""

    def __init__(self, name=None, scale=1, hosts=("old", "new"), say=print, databases=False,
                 store="files"):
        self.name = settings.check_name(name or settings.default_name())
        self.scale = scale
        self.store = stores.check_name(store)  # what the order service keeps its orders in
        self.databases = databases or store != "files"  # MariaDB, PostgreSQL and sqlite3 of each release are installed and run
        self.hosts = tuple(hosts)
        self.dir = settings.lab_dir(self.name)
        self.network = net.Network(self.name)
        self._say = say
        self.old, self.new, self.ctl = (self._host(role) for role in settings.HOSTS)

    def _host(self, role):
        return Host(role, self.name, self.network, lambda tree: self._fill(role, tree), self.store)

    def _fill(self, role, tree):
        images.unpack(role, tree, self.scale, self._say, self.databases)
        if role == "old":
            stores.choose(tree, self.store)

    def host(self, role):
        """The Host object of `old`, `new` or `ctl`."""
        if role not in settings.HOSTS:
            raise KeyError(f"no host {role!r} in a lab: {', '.join(settings.HOSTS)}")
        return getattr(self, role)

    def build(self):
        """Make the images this lab needs, unless the cache has them."""
        machine.check()
        images.image_all(self.hosts, self.scale, self._say, self.databases)

    def up(self):
        """Everything running: hosts that run stay as they are, a host without a disk gets a fresh one."""
        self.build()
        self.network.up()
        self._each(self._bring_up)
        return self

    def down(self):
        """Nothing left of this lab: no process, mount, namespace, cgroup or disk."""
        self._each(Host.destroy, settings.HOSTS)
        self.network.down()
        if self.dir.exists():
            roots.remove(self.dir)

    def reset(self, *which):
        """The named hosts (all of this lab's, without names) as delivered: fresh disk, booted, work running."""
        self.build()
        self.network.reset()
        self._each(self._renew, which or self.hosts)
        self.network.forget_neighbours()
        return self

    def __enter__(self):
        return self.up()

    def __exit__(self, *_):
        self.down()

    def client(self, rate=50, **more):
        """Load from the client's namespace, as a context manager: see load.ClientRun."""
        return load.ClientRun(self, rate=rate, **more)

    def observe(self, client_run, final, **more):
        """What a client saw and what the servers hold: see observer.Observation."""
        return observer.observe(self, client_run, final, **more)

    def install(self, build_dir, hosts=("new", "ctl")):
        """Install a built tree into those of the hosts that this lab has."""
        install.install(build_dir, [self.host(role) for role in hosts if self.host(role).exists()])

    def start_notes(self):
        """What deploy left running on old in a terminal; not a service, so nothing starts it again after a reboot."""
        self.old.run(["su", "-", "deploy", "-c", "tmux -S /tmp/deploy.tmux new-session -d /usr/local/bin/shop-notes"])

    def _bring_up(self, host):
        if host.running():
            host.wait_ready()
            return
        if not host.exists():
            host.unpack()
        self._start(host)

    def _renew(self, host):
        host.power_cut()
        host.unpack()
        self._start(host)

    def _start(self, host):
        host.start()
        if host.role == "old":
            self.start_notes()
            stores.create(host, self.store)

    def _each(self, action, roles=None):
        hosts = [self.host(role) for role in roles or self.hosts]
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for _ in pool.map(action, hosts):
                pass


def reset(name=None, **more):
    """Bring old and new of a lab back to the initial state; returns the Lab."""
    return Lab(name, **more).reset()
