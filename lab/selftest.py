# SPDX-License-Identifier: Apache-2.0
# Shows that the lab is what it says: `python3 -m lab.selftest` boots one of its own and takes it down again.
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest
import unittest.mock

from . import Lab, observer, settings, stores
from .command import run
from .load import read_log
from .net import NETNS

NAME = os.environ.get("REHOME_LAB_NAME", "rhlself")
GATE = "/etc/systemd/system/web.service.d/gate.conf"


class RealServers(unittest.TestCase):
    """Each test is a promise that moves rely on."""

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab(NAME, hosts=settings.HOSTS, say=lambda _: None).up()

    @classmethod
    def tearDownClass(cls):
        cls.lab.down()

    def fetch(self, url):
        """The HTTP status a client sees; 0 when nobody answers."""
        said = run(["nsenter", f"--net={NETNS / self.lab.network.ns('client')}", "/usr/bin/python3", "-c",
                    "import sys, urllib.request as u\n"
                    "try: print(u.urlopen(sys.argv[1], timeout=1).status)\nexcept OSError: print(0)", url])
        return int(said.stdout)

    def test_every_server_starts_without_a_failed_unit(self):
        for role in settings.HOSTS:
            self.assertEqual("running", self.lab.host(role).sh("systemctl is-system-running"))

    def test_new_and_ctl_reach_the_others_over_ssh_by_key(self):
        for host, peers in ((self.lab.new, ("root@shop-old", "admin@old", "plain@10.99.0.10", "noisy@old")),
                            (self.lab.ctl, ("root@old", "root@shop-new"))):
            for peer in peers:
                host.run(["ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", peer, "true"])

    def test_old_comes_back_from_a_reboot_with_its_addresses_in_order(self):
        old, before = self.lab.old, self.lab.old.sh("cat /proc/sys/kernel/random/boot_id")
        for again in (old.reboot, lambda: (old.power_cut(), old.start()), self.reboot_from_inside):
            again()
            self.assertEqual(["10.77.0.10/24", "10.77.0.11/24", "fd77::10/64"], self.lab.network.addresses("old"))
            self.assertEqual("active", old.sh("systemctl is-active shop-orders"))
            self.assertEqual(200, self.fetch("http://10.77.0.10/health"))
        self.assertNotEqual(before, old.sh("cat /proc/sys/kernel/random/boot_id"))
        self.assertIn("secondary", old.sh("ip addr show dev eth0 | grep 10.77.0.11"))

    def reboot_from_inside(self):
        self.lab.old.run(["systemctl", "reboot"], check=False)
        self.lab.old.wait_dead()
        self.lab.old.start()

    def test_without_its_primary_address_old_has_no_secondary_and_no_default_route(self):
        self.lab.old.sh("ip addr del 10.77.0.10/24 dev eth0")
        self.assertEqual(["fd77::10/64"], self.lab.network.addresses("old"))
        self.assertEqual("", self.lab.old.sh("ip route show default"))
        self.lab.reset("old")

    def test_a_unit_with_all_addresses_denied_opens_without_a_restart(self):
        new = self.lab.new
        new.sh(f"mkdir -p {os.path.dirname(GATE)}; "
               "printf '[Service]\nExecStart=/usr/bin/python3 -m http.server 8000\n' >/etc/systemd/system/web.service; "
               f"printf '[Service]\nIPAddressDeny=any\nIPAddressAllow=localhost\n' >{GATE}; "
               "systemctl daemon-reload; systemctl start web; "
               "until ss -Hltn 'sport = :8000' | grep -q .; do sleep 0.05; done")
        before = new.sh("systemctl show -p MainPID web")
        self.assertEqual(0, self.fetch("http://10.77.0.20:8000/"))
        new.sh(f"rm {GATE}; systemctl daemon-reload; "
               "systemctl set-property --runtime web.service IPAddressDeny= IPAddressAllow=")
        self.assertEqual(200, self.fetch("http://10.77.0.20:8000/"))
        self.assertEqual(before, new.sh("systemctl show -p MainPID web"))
        new.sh("nft 'add table inet t; add chain inet t i { type filter hook input priority 0; }; "
               "add rule inet t i tcp dport 8000 drop'")
        self.assertEqual(0, self.fetch("http://10.77.0.20:8000/"))
        new.sh("nft flush ruleset; systemctl stop web; rm -r /etc/systemd/system/web.service*")

    def test_a_tree_can_be_bound_read_only(self):
        said = self.lab.old.sh("mount --bind /srv/shop /srv/shop; mount -o remount,bind,ro /srv/shop; "
                               "touch /srv/shop/new 2>&1 || true; umount /srv/shop")
        self.assertIn("Read-only", said)

    def test_every_acknowledged_order_is_on_the_disk_and_an_outage_is_seen(self):
        with self.lab.client(rate=120) as run_:
            run_.wait_acks(200)
            self.lab.network.cut("old", "eth0")
            time.sleep(1)
            self.lab.network.restore("old", "eth0")
            seen = len(run_.acks)
            run_.wait_acks(seen + 200)
        seen = self.lab.observe(run_, "old")
        self.assertGreater(seen.acked, 400)
        self.assertEqual(([], []), (seen.lost, seen.doubled))
        self.assertTrue(0.9 < seen.downtime < 3, seen.downtime)
        self.assertEqual(["shop-old"], list(seen.intervals))

    def test_the_hard_names_kinds_and_times_are_there(self):
        odd = os.fsencode(self.lab.old.root) + b"/srv/shop/files/odd"
        self.assertIn(b"not-utf8-\xff\xfe\xe4", os.listdir(odd + b"/names"))
        self.assertLess(os.stat(odd + b"/sparse").st_blocks, 100)
        self.assertEqual(os.stat(odd + b"/one/twin").st_ino, os.stat(odd + b"/two/twin").st_ino)
        self.assertLess(os.stat(odd + b"/times/before-1970").st_mtime_ns, 0)
        self.assertEqual(1234567890123456789, os.stat(odd + b"/times/nanoseconds").st_mtime_ns)
        self.assertEqual(bytes(range(256)), os.getxattr(odd + b"/attributes", "user.binary"))
        self.assertIn("cap_net_raw", self.lab.old.sh("getcap /srv/shop/bin/ping-like"))
        self.assertIn("default:user:anna:rwx", self.lab.old.sh("getfacl -p /srv/shop/shared"))
        self.assertEqual("/bottom", self.lab.old.sh("cd /srv/shop/files/odd/deep-* && "
                                                     "find . -name bottom | tail -c 8"))

    def test_deploy_writes_from_a_terminal(self):
        before = self.lab.old.sh("wc -l </srv/shop/notes-deploy.txt")
        time.sleep(1.5)
        self.assertGreater(int(self.lab.old.sh("wc -l </srv/shop/notes-deploy.txt")), int(before))

    def test_a_program_started_inside_can_be_killed_from_outside(self):
        process = self.lab.new.popen(["sleep", "1000"])
        self.lab.new.sh("until pidof sleep >/dev/null; do sleep 0.05; done")
        self.lab.new.signal(process, signal.SIGKILL)
        process.wait(timeout=5)
        self.assertEqual("", self.lab.new.sh("pidof sleep || true"))

    def test_new_has_other_accounts_under_the_ids_of_old(self):
        self.assertEqual(["monitor", "backup1", "metrics"],
                         self.lab.new.sh("id -nu 1001; id -nu 1003; getent group 1500 | cut -d: -f1").split())


class Observing(unittest.TestCase):
    """The observer finds what goes wrong, on made-up runs."""

    def observe(self, attempts, lines, orders):
        with tempfile.TemporaryDirectory() as top:
            host = type("Disk", (), {"root": pathlib.Path(top), "name": "shop-new", "store": "files"})
            os.makedirs(f"{top}/srv/shop/orders/aa")
            with open(f"{top}/srv/shop/orders.log", "w", encoding="ascii") as log:
                log.writelines(f"{attempt} {order} shop-new 5000000000\n" for attempt, order in lines)
            for order in orders:
                with open(f"{top}/srv/shop/orders/aa/{order}.json", "w", encoding="ascii") as out:
                    out.write("{}\n")
            with open(f"{top}/client", "w", encoding="ascii") as log:
                for number, end, host_name in attempts:
                    log.write(json.dumps({"attempt": f"a{number}", "order": f"o{number}", "start": end, "end": end,
                                          "status": "acked" if host_name else "timeout", "host": host_name}) + "\n")
            return observer.observe(None, f"{top}/client", host), observer.accepted_after(host, 4.0)

    def test_lost_doubled_and_the_longest_gap_are_found(self):
        seen, late = self.observe([(1, 1.0, "shop-old"), (2, 2.0, None), (3, 4.0, "shop-new"), (4, 4.5, "shop-new")],
                                  [("a1", "o1"), ("a3", "o3"), ("a3", "o3")], ["o1", "o4"])
        self.assertEqual(["a4"], seen.lost_log)
        self.assertEqual(["o3"], seen.lost_files)
        self.assertEqual(["a3"], seen.doubled)
        self.assertEqual((3.0, False, {"timeout": 1}), (seen.downtime, seen.interleaved, seen.failed))
        self.assertEqual(["a1", "a3", "a3"], late)

    def test_answers_of_two_hosts_that_overlap_are_found(self):
        seen, _ = self.observe([(1, 1.0, "shop-old"), (2, 2.0, "shop-new"), (3, 3.0, "shop-old")], [], [])
        self.assertTrue(seen.interleaved)

    def test_an_attempt_of_which_a_row_is_missing_is_lost_and_one_with_two_is_doubled(self):
        held = stores.Books({"o1", "o2"}, [stores.Line("a1", "o1", "shop-new", 5.0), stores.Line("a2", "o2", "shop-new", 5.0)],
                            [["a1", "a2", "a2"], ["a2"]], ["7"])
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as log, unittest.mock.patch("lab.stores.books", lambda _: held):
            for number in (1, 2):
                log.write(json.dumps({"attempt": f"a{number}", "order": f"o{number}", "start": 1, "end": number,
                                      "status": "acked", "host": "shop-new"}) + "\n")
            log.flush()
            seen = observer.observe(None, log.name, None)
        self.assertEqual((["a1"], ["a2"], ["7"]), (seen.lost, seen.doubled, seen.unbalanced))

    def test_a_log_is_read_while_its_last_line_is_written(self):
        halves = "import os\nfor _ in range(160000):\n  os.write(1, b'{\"status\": ')\n  os.write(1, b'\"acked\"}\\n')"
        with tempfile.NamedTemporaryFile("ab") as log, subprocess.Popen(["/usr/bin/python3", "-c", halves], stdout=log) as writer:
            while writer.poll() is None:
                self.assertLessEqual({row["status"] for row in read_log(log.name)}, {"acked"})

    def test_the_order_service_keeps_its_orders_in_either_database(self):
        for store in ("mariadb", "postgresql"):
            with Lab(NAME[:7] + "d", store=store, hosts=("old",), say=lambda _: None) as lab:
                with lab.client(rate=75, writers=3) as run_:
                    run_.wait_acks(200)
                seen = lab.observe(run_, "old")
                self.assertEqual(([], [], []), (seen.lost, seen.doubled, seen.unbalanced))
                self.assertEqual(seen.final_orders - stores.HISTORY, seen.acked + sum(seen.failed.values()), store)


class TakingDown(unittest.TestCase):
    def test_nothing_is_left_of_a_lab(self):
        lab = Lab("rhlgone", say=lambda _: None).up()
        lab.down()
        self.assertFalse(lab.dir.exists())
        self.assertEqual([], [p.name for p in settings.cgroup_base().glob("rhlgone-*")])
        self.assertNotIn("rhlgone", run(["ip", "netns"]).stdout)
        with open("/proc/self/mounts", encoding="utf-8") as mounts:
            self.assertNotIn("rhlgone", mounts.read())
        said = subprocess.run(["ps", "-eo", "args"], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertNotIn("rhlgone", said)


if __name__ == "__main__":
    unittest.main()
