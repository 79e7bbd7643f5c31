#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""First copies of databases from server to server against what users have today, in interleaved pairs; asserts no time.

    sudo python3 tests/bench/databases.py [--pairs 5] [--scale 1] [--engine mariadb|postgresql] [--tools NAME,...]
                                          [--json FILE] [--keep] [--list]

The lab's two servers: MariaDB 10.11 and PostgreSQL 15 of Debian 12 on old, 11.8 and 17 of Debian 13 on new, with their
packages' settings; each command runs on new, and every tool goes through ssh with one cipher. The data is made by this
script: it has the shape of sysbench's, pgbench's and TPC-H's tables, and is neither. Each trial begins with no such
database on new. `target` and `source` are CPU seconds of all processes of that server until the command has ended; what
a server still writes afterwards is not waited for, with any tool. --scale 1 is about 1.2 GB in each engine.
"""
import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from lab import Lab, settings  # noqa: E402

CIPHER = "aes128-gcm@openssh.com"
# What Debian 13 has no package of comes from Debian 12.
PACKAGES = {"trixie": ["pgcopydb", "libgc1"], "bookworm": ["mydumper", "libpcre3", "libglib2.0-0"]}

MARIADB = """
CREATE DATABASE bench CHARACTER SET utf8mb4;
USE bench;
SET unique_checks = 0;
CREATE TABLE sbtest1 (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, k INT NOT NULL DEFAULT 0, c CHAR(120) NOT NULL DEFAULT '',
  pad CHAR(60) NOT NULL DEFAULT '', KEY k_1 (k));
INSERT INTO sbtest1 SELECT seq, (seq * 7919) % 1000003, CONCAT(SHA2(seq, 224), '-', SHA2(seq + 1, 224)), SHA2(-seq, 224) FROM seq_1_to_{sb};
CREATE TABLE sbtest2 LIKE sbtest1;
INSERT INTO sbtest2 SELECT * FROM sbtest1;
CREATE TABLE orders (id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY, customer INT, status CHAR(1) NOT NULL, total DECIMAL(15,2), placed DATETIME(6) NOT NULL,
  clerk VARCHAR(15), priority INT, ratio DOUBLE, weight FLOAT, comment VARCHAR(79), KEY (customer), KEY (placed), KEY (clerk, status));
INSERT INTO orders SELECT seq, (seq * 104729) % 150000, ELT(1 + seq % 3, 'O', 'F', 'P'), seq % 100000 / 7, '1992-01-01' + INTERVAL seq * 61 SECOND,
  CONCAT('Clerk#', LPAD(seq % 1000, 9, '0')), seq % 5, SQRT(seq), seq / 3, CONCAT('comment ', MD5(seq)) FROM seq_1_to_{orders};
CREATE TABLE documents (id INT PRIMARY KEY, title VARCHAR(99), body MEDIUMTEXT, tags JSON);
INSERT INTO documents SELECT seq, MD5(seq), REPEAT(CONCAT(SHA2(seq, 512), '\\n'), 30), JSON_ARRAY(seq, 'a') FROM seq_1_to_{docs};
ANALYZE TABLE sbtest1, sbtest2, orders, documents;
"""
POSTGRESQL = """
CREATE DATABASE bench;
\\connect bench
CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));
INSERT INTO accounts SELECT i, i / 100000 + 1, 0, '' FROM generate_series(1, {sb}) i;
CREATE TABLE history (aid int, delta int, mtime timestamp, note text);
INSERT INTO history SELECT i % 100000, i, timestamp '2020-01-01' + i * interval '1 s', md5(i::text) FROM generate_series(1, {sb}) i;
CREATE TABLE orders (id bigint PRIMARY KEY, customer int, status char(1) NOT NULL, total numeric(15,2), placed timestamptz NOT NULL, clerk varchar(15),
  priority int, ratio double precision, comment varchar(79));
INSERT INTO orders SELECT i, (i::bigint * 104729) % 150000, substr('OFP', 1 + i % 3, 1), i % 100000 / 7.0, timestamptz '1992-01-01 00:00+00' + i * interval '61 s',
  'Clerk#' || lpad((i % 1000)::text, 9, '0'), i % 5, sqrt(i), 'comment ' || md5(i::text) FROM generate_series(1, {orders}) i;
CREATE INDEX ON orders (customer); CREATE INDEX ON orders (placed); CREATE INDEX ON orders (clerk, status);
CREATE TABLE documents (id int PRIMARY KEY, title text, body text, tags jsonb);
ALTER TABLE documents ALTER body SET STORAGE EXTERNAL;
INSERT INTO documents SELECT i, md5(i::text), repeat(encode(sha512(i::text::bytea), 'hex') || E'\\n', 30), jsonb_build_array(i, 'a') FROM generate_series(1, {docs}) i;
VACUUM ANALYZE; CHECKPOINT;
CREATE ROLE bench LOGIN SUPERUSER PASSWORD 'bench';
"""
PSQL = ["runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
TUNNEL = "ssh -f -N -o ExitOnForwardFailure=yes -o ControlMaster=yes -o ControlPath=/run/bench-ssh -L {local}:{remote} root@old"
CLOSE = "ssh -o ControlPath=/run/bench-ssh -O exit root@old 2>/dev/null"


class MariaDb:
    name = "mariadb"
    tools = {
        "rehome": "rehome copy --no-input --no-proof root@old:mariadb:bench mariadb:bench || test $? = 3",
        "rehome proven": "rehome copy --no-input root@old:mariadb:bench mariadb:bench || test $? = 3",
        "mydumper": "rm -rf /var/tmp/bench; " + TUNNEL.format(local="/run/bench.sock", remote="/run/mysqld/mysqld.sock")
                    + "; mydumper -S /run/bench.sock -u root -B bench -t 2 -o /var/tmp/bench && "
                      "myloader -S /run/mysqld/mysqld.sock -u root -B bench -t 2 -d /var/tmp/bench; " + CLOSE,
        "mariadb-dump": "mariadb -e 'CREATE DATABASE bench'; ssh root@old mariadb-dump --single-transaction --quick bench | mariadb bench",
    }

    def __init__(self, lab):
        self.lab = lab

    def fill(self, sizes):
        self.lab.old.run(["mariadb"], input=MARIADB.format(**sizes), timeout=1800)
        return int(self.lab.old.run(["mariadb", "-N", "-e", "SELECT SUM(DATA_LENGTH + INDEX_LENGTH) FROM information_schema.TABLES "
                                     "WHERE TABLE_SCHEMA = 'bench'"]).stdout)

    def clear(self):
        self.lab.new.sh("rm -rf /var/tmp/bench /run/bench.sock; mariadb -e 'DROP DATABASE IF EXISTS bench'; "
                        "mariadb -e 'SET GLOBAL local_infile = 1'")

    def check(self):
        """Whether the two servers' own checksums are the same; the other tools round a FLOAT."""
        sums = [host.run(["mariadb", "-N", "-e", "CHECKSUM TABLE bench.sbtest1, bench.sbtest2, bench.orders, bench.documents"],
                         check=False, timeout=600).stdout for host in (self.lab.old, self.lab.new)]
        assert "NULL" not in sums[1] and len(sums[1].split()) == 8, sums
        return sums[0] == sums[1]


class PostgreSql:
    name = "postgresql"
    tools = {
        "rehome": "rehome copy --no-input --no-proof root@old:postgresql:bench postgresql:bench || test $? = 3",
        "rehome proven": "rehome copy --no-input root@old:postgresql:bench postgresql:bench || test $? = 3",
        "pgcopydb": TUNNEL.format(local="127.0.0.1:15432", remote="127.0.0.1:5432") + "; runuser -u postgres -- createdb bench; cd /; "
                    "runuser -u postgres -- pgcopydb clone --dir /var/tmp/bench --table-jobs 2 --index-jobs 2 --skip-vacuum --no-role-passwords "
                    "--source 'host=127.0.0.1 port=15432 user=bench password=bench dbname=bench' --target 'dbname=bench'; " + CLOSE,
        "pg_dump": TUNNEL.format(local="127.0.0.1:15432", remote="127.0.0.1:5432") + "; runuser -u postgres -- createdb bench; cd /; "
                   "runuser -u postgres -- pg_dump -Fd -j2 -Z0 -f /var/tmp/bench -d 'host=127.0.0.1 port=15432 user=bench password=bench dbname=bench' && "
                   "runuser -u postgres -- pg_restore -j2 -d bench /var/tmp/bench; " + CLOSE,
    }

    def __init__(self, lab):
        self.lab = lab

    def psql(self, host, sql, database="postgres"):
        return host.run([*PSQL, "-d", database, "-f", "-"], input=sql, cwd="/", timeout=1800).stdout

    def fill(self, sizes):
        self.psql(self.lab.old, POSTGRESQL.format(**sizes))
        return int(self.psql(self.lab.old, "SELECT pg_database_size('bench')"))

    def clear(self):
        self.lab.new.sh("rm -rf /var/tmp/bench")
        self.psql(self.lab.new, "DROP DATABASE IF EXISTS bench WITH (FORCE)")
        self.psql(self.lab.new, "CHECKPOINT")

    def check(self):
        ask = ("SELECT count(*), sum(hash_record_extended(o, 0)) FROM orders o; SELECT count(*), sum(hashtextextended(body, 0)) FROM documents; "
               "SELECT count(*), sum(hash_record_extended(h, 0)) FROM history h; SELECT count(*) FROM pg_indexes WHERE schemaname = 'public'")
        sums = [self.psql(host, ask, "bench") for host in (self.lab.old, self.lab.new)]
        assert sums[0] == sums[1], sums
        return True


def packages(say):
    """The other tools' packages, fetched by apt as the lab's are, into its cache."""
    found = []
    for suite, names in PACKAGES.items():
        top = settings.cache_dir() / "debs" / f"bench-{suite}"
        for part in ("state/lists/partial", "cache/archives/partial"):
            (top / part).mkdir(parents=True, exist_ok=True)
        mirror = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)"], capture_output=True, text=True,
                                check=True).stdout.split("\n")
        uri = next(line.split(" ")[0] for line in mirror if line.endswith(("bookworm", "trixie")))
        (top / "sources.list").write_text(f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] {uri} {suite} main\n")
        apt = ["apt-get", "-q", "-o", f"Dir::State={top}/state", "-o", f"Dir::Cache={top}/cache", "-o", f"Dir::Etc::SourceList={top}/sources.list",
               "-o", "Dir::Etc::SourceParts=/dev/null", "-o", "Dir::State::status=/dev/null", "-o", "APT::Sandbox::User=root"]
        for name in names:
            if not list(top.glob(f"{name}_*.deb")):
                say(f"bench: fetching {name} of {suite}")
                subprocess.run([*apt, "update"], check=True, capture_output=True)
                subprocess.run([*apt, "download", name], check=True, capture_output=True, cwd=top)
            found.append(max(top.glob(f"{name}_*.deb")))
    return found


def prepare(lab):
    lab.up()
    lab.install(os.environ.get("REHOME_BUILD", str(ROOT / "build")))
    lab.new.sh(f"mkdir -p /root/.ssh /root/debs; printf 'Host *\\n  Ciphers {CIPHER}\\n' >>/root/.ssh/config")
    for path in packages(print):
        lab.new.run(["/bin/sh", "-c", f"cat >/root/debs/{path.name}"], input=path.read_bytes(), text=False)
    lab.new.sh("cd /root/debs && for p in *.deb; do dpkg-deb -x $p /opt/bench; done; cp -n /opt/bench/usr/bin/* /usr/local/bin/; "
               "cp -an /opt/bench/usr/lib/x86_64-linux-gnu/. /opt/bench/lib/x86_64-linux-gnu/. /usr/local/lib/ 2>/dev/null; ldconfig; true")


def cpu(lab, role):
    for line in (settings.cgroup_base() / f"{lab.name}-{role}" / "cpu.stat").read_text().splitlines():
        if line.startswith("usage_usec"):
            return int(line.split()[1]) / 1e6
    raise RuntimeError("this machine's cgroups count no CPU")


def busy():
    with open("/proc/stat", encoding="ascii") as file:
        values = [int(word) for word in file.readline().split()[1:9]]
    return (sum(values) - values[3] - values[4]) / os.sysconf("SC_CLK_TCK")


def trial(engine, line):
    """What a command cost: wall, CPU of each server, and how much CPU others had meanwhile."""
    lab = engine.lab
    engine.clear()
    for host in (lab.old, lab.new):
        host.sh("rm -rf /var/lib/rehome; sync")
    others, begun = busy(), time.monotonic()
    before = cpu(lab, "old"), cpu(lab, "new")
    done = lab.new.run(["/bin/bash", "-c", line], check=False, timeout=1800)
    wall = time.monotonic() - begun
    out = {"wall": wall, "source": cpu(lab, "old") - before[0], "target": cpu(lab, "new") - before[1]}
    out["others"] = max(0.0, busy() - others - out["source"] - out["target"])
    try:
        out["equal"] = engine.check()
    except Exception as e:
        raise RuntimeError(f"{line}: {done.stdout[-1500:]} {done.stderr[-1500:]}") from e
    return out


def run_engine(engine, options):
    sizes = {"sb": int(1_500_000 * options.scale), "orders": int(1_500_000 * options.scale), "docs": int(60_000 * options.scale)}
    size = engine.fill(sizes)
    print(f"{engine.name}: {size / 1e9:.2f} GB, scale {options.scale}", flush=True)
    tools = {name: line for name, line in engine.tools.items() if not options.tools or name in options.tools.split(",")}
    trials = {name: [] for name in tools}
    for number in range(options.pairs):
        order = list(tools)
        for name in order[::-1] if number % 2 else order:
            trials[name].append(trial(engine, tools[name]))
            print(f"  {number + 1}/{options.pairs} {name:14} " + "  ".join(f"{k} {v:6.2f}" for k, v in trials[name][-1].items() if k != "equal")
                  + ("" if trials[name][-1]["equal"] else "  ALTERED"), flush=True)
    return {"engine": engine.name, "bytes": size, "pairs": options.pairs, "tools": tools, "trials": trials}


def table(result):
    """The medians as a table in markdown; the ratios are medians of the pairs'."""
    print(f"\n| {result['engine']}, {result['bytes'] / 1e9:.2f} GB | wall | CPU of the target | CPU of the source | times rehome's wall | times its target CPU |")
    print("|---|---|---|---|---|---|")
    own = result["trials"].get("rehome")
    for name, each in result["trials"].items():
        mid = {key: statistics.median(t[key] for t in each) for key in ("wall", "source", "target")}
        ratio = {key: statistics.median(b[key] / a[key] for a, b in zip(own, each)) if own else 0 for key in ("wall", "target")}
        name += "" if all(t["equal"] for t in each) else " (altered values)"
        print(f"| {name} | {mid['wall']:.1f} | {mid['target']:.1f} | {mid['source']:.1f} | {ratio['wall']:.2f} | {ratio['target']:.2f} |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--engine", choices=["mariadb", "postgresql"])
    parser.add_argument("--tools")
    parser.add_argument("--json")
    parser.add_argument("--keep", action="store_true", help="leave the lab up")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    engines = [kind for kind in (MariaDb, PostgreSql) if options.engine in (None, kind.name)]
    if options.list:
        for kind in engines:
            print(kind.name, *kind.tools, sep="\n  ")
        return
    lab = Lab(os.environ.get("REHOME_LAB_NAME", "bench"), databases=True)
    lab.down()
    results = []
    try:
        prepare(lab)
        print(f"machine: {os.cpu_count()} cores, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}")
        for kind in engines:
            results.append(run_engine(kind(lab), options))
            table(results[-1])
    finally:
        if not options.keep:
            lab.down()
        if options.json and results:
            pathlib.Path(options.json).write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
