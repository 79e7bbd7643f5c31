#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Copying trees of files against Debian's rsync, in interleaved pairs over ssh with one cipher; asserts no time.

    sudo python3 tests/bench/trees.py [--pairs 5] [--scale 1] [--only NAME,...] [--tools NAME,...]
                                       [--json FILE] [--images DIR]
    sudo python3 tests/bench/trees.py --list
    sudo python3 tests/bench/trees.py --final      all that docs/BENCHMARKS.md shows; goes on where it was interrupted

Each trial of a first copy has a fresh loop filesystem. CPU is that of both ends: all of the machine's (idle subtracted)
and, since other work may run, that of a cgroup that holds only the two ends. Both run until the target is on its disk.
The figure that counts is the lower quartile of the ratios of CPU, and the median of the ratios of wall time.
--scale 0.01 makes everything a hundredth.
"""
import argparse
import json
import os
import pathlib
import platform
import random
import signal
import statistics
import subprocess
import sys
import time

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parent)]

from stage import BASE, TREE, Disk, Stage, drop_caches, enter_namespace, machine_busy, run  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
GIB = 1 << 30
RSYNC = f"rsync -aHAX old:{TREE}/ {TREE}/"
PROVEN = f"{{rehome}} copy --no-input old:{TREE} {TREE}"
COPY = f"{PROVEN} --no-proof"


class Case:
    """One comparison: `tools` maps a name to the shell line that is measured, rehome first, then what it is held against.

    Each tool has a target of its own where `keeps_target`, filled once, before the first trial; else a fresh one a trial.
    """
    name = title = source = None
    keeps_target = False
    watch = False
    wanted = ""
    final_pairs = 5

    def __init__(self, stage, scale):
        self.stage, self.scale = stage, scale
        self.targets = {}

    def tools(self):
        return {"rehome": COPY, "rsync": RSYNC}

    def target_size(self):
        return 6 * GIB

    def inodes(self):
        return 1_000_000

    def open(self):
        """The source, mounted; the old server; the targets."""
        self.stage.open_old(SOURCES[self.source](self.stage, self.scale))

    def before(self, tool):
        """Before each trial, not measured."""

    def fill(self, tool):
        """What brings a kept target to where the trials begin."""
        return self.tools()[tool]

    def target(self, tool):
        if tool not in self.targets:
            name = f"target-{tool.split()[0]}-{len(self.targets)}" if self.keeps_target else "target"
            self.targets[tool] = self.stage.disk(name, BASE / name, self.target_size(), self.inodes())
        return self.targets[tool]

    def line(self, text):
        return text.replace("{rehome}", str(self.stage.rehome))

    def trial(self, tool):
        disk = self.target(tool)
        if not self.keeps_target:
            run("bash", "-c", f"umount {TREE} 2>/dev/null; true")
            for other in self.targets.values():
                other.umount()
            self.stage.forget()
            disk.fresh()
            self.stage.at_tree(disk.at)
        elif not disk.mounted:
            disk.fresh()
            self.stage.at_tree(disk.at)
            self.stage.measure(self.line(self.fill(tool)))
        else:
            self.stage.at_tree(disk.at)
        self.before(tool)
        return self.stage.measure(self.line(self.tools()[tool]), watch=self.watch or self.stage.verbose)

    def close(self):
        run("bash", "-c", f"umount {TREE} 2>/dev/null; true")
        self.stage.close_old()
        self.stage.forget()
        for disk in self.targets.values():
            disk.remove()


class SmallFirst(Case):
    name, source = "small", "small"
    title = "200k small files, first copy, no proof"
    wanted = "2.2x CPU and 2x wall of rsync, less wall than tar"

    def tools(self):
        return {"rehome": COPY, "rsync": RSYNC,
                "tar": f"ssh old tar -C {TREE} --numeric-owner -cf - . | tar -C {TREE} --numeric-owner -xpf -"}


class SmallProof(Case):
    name, source = "proof", "small"
    title = "200k small files, first copy, with proof"
    wanted = "1.8x CPU"

    def tools(self):
        sums = f"cd {TREE} && find . -type f -print0 | sort -z | xargs -0 sha256sum"
        return {"rehome": PROVEN,
                "rsync": f"{RSYNC}; ssh old '{sums}' >/run/sums-old; ({sums}) >/run/sums-new; "
                         "cmp /run/sums-old /run/sums-new"}


class SameWarm(Case):
    name, source, keeps_target = "same-warm", "small", True
    title = "200k small files, nothing changed, warm"
    wanted = "2x CPU"


class SameCold(SameWarm):
    name = "same-cold"
    title = "200k small files, nothing changed, cold"
    wanted = "4x wall"

    def before(self, tool):
        drop_caches()


class BigFirst(Case):
    name, source = "big", "big"
    title = "one 4 GiB file, first copy"
    wanted = "no slower than rsync -a"

    def tools(self):
        return {"rehome": COPY, "rsync": f"rsync -a old:{TREE}/ {TREE}/"}


class BigDelta(Case):
    """1 % of the blocks of 4 KiB rewritten in place, others each time."""
    name, source, keeps_target = "big-delta", "big", True
    title = "4 GiB, 1 % of its 4 KiB blocks changed in place"
    wanted = "20x wall of rsync, 4x CPU of rsync --inplace"
    final_pairs = 3

    def target_size(self):
        return 10 * GIB  # rsync's default writes the file anew beside the old one

    def tools(self):
        return {"rehome": COPY, "rsync": f"rsync -a old:{TREE}/ {TREE}/",
                "rsync --inplace": f"rsync -a --inplace old:{TREE}/ {TREE}/"}

    def fill(self, tool):
        return COPY if tool == "rehome" else f"cp -a {BASE}/source/. {TREE}/"

    def open(self):
        super().open()
        self.turn = 0

    def before(self, tool):
        self.turn += 1
        rng = random.Random(f"{os.getpid()} {self.turn}")  # the source is kept between runs
        path = BASE / "source/big"
        blocks = path.stat().st_size // 4096
        with open(path, "r+b", buffering=0) as file:
            for block in sorted(rng.sample(range(blocks), max(1, blocks // 100))):
                os.pwrite(file.fileno(), rng.randbytes(4096), block * 4096)


class Watched(Case):
    """100 files of 200k are changed, the same for both; rehome's connections are open and its keeper watches."""
    name, source, keeps_target = "watched", "small", True
    title = "100 of 200k small files changed, watched, connection open"
    wanted = "50x wall of rsync -a"

    def tools(self):
        return {"rehome": "bench-rounds old", "rsync": f"rsync -a old:{TREE}/ {TREE}/"}

    def open(self):
        super().open()
        self.turn, self.seen, self.rounds = 0, set(), None

    def ask(self, word):
        if self.rounds is None:
            at = self.stage.build / "tests/bench/bench-rounds"
            self.rounds = subprocess.Popen([at, "old", TREE, BASE / "target-rehome-0", self.stage.build / "rehome-agent"],
                                           preexec_fn=self.stage.group.join, stdin=subprocess.PIPE,
                                           stdout=subprocess.PIPE, text=True)
        self.rounds.stdin.write(word + "\n")
        self.rounds.stdin.flush()
        said = json.loads(self.rounds.stdout.readline())
        assert "error" not in said, said
        return said

    def before(self, tool):
        """Another hundred files, once for both."""
        if self.seen and tool not in self.seen:
            self.seen.add(tool)
            return
        self.seen = {tool}
        self.turn += 1
        rng = random.Random(f"{os.getpid()} {self.turn}")  # the source is kept between runs
        root = BASE / "source"
        leaves = sorted(path for top in root.iterdir() if top.name.startswith("top") for path in top.iterdir())
        for leaf in rng.sample(leaves, min(100, len(leaves))):
            path = rng.choice(sorted(leaf.iterdir()))
            path.write_bytes(rng.randbytes(max(1, path.stat().st_size)))

    def trial(self, tool):
        if tool != "rehome":
            return super().trial(tool)
        disk = self.target(tool)
        if not disk.mounted:
            disk.fresh()
            self.ask("seed")
            assert self.ask("round")["hinted"]
        self.before(tool)
        os.sync()
        busy, own, begun = machine_busy(), self.stage.group.seconds(), time.monotonic()
        said = self.ask("round")
        wall = time.monotonic() - begun
        result = {"wall": wall, "durable": wall, "cpu": machine_busy() - busy, "own": self.stage.group.seconds() - own}
        assert said["hinted"] and said["files"] == 100, said
        return result

    def close(self):
        if self.rounds is not None:
            self.rounds.stdin.close()
            self.rounds.wait()
        differ = subprocess.run(["diff", "-r", "-q", "-x", "lost+found", BASE / "source", BASE / "target-rehome-0"],
                                capture_output=True, text=True, check=False)
        super().close()
        assert differ.returncode == 0, differ.stdout[:1000] + differ.stderr[:1000]


class Usr(Case):
    name, source = "usr", "usr"
    title = "/usr of a Debian system (the lab's server), first copy"
    wanted = "2x wall"


class Memory(Case):
    name, source, watch = "memory", "small", True
    title = "resident memory of each agent, 200k files"
    wanted = "32 MiB"
    final_pairs = 1

    def tools(self):
        return {"rehome": f"{PROVEN} && {PROVEN}"}


class MemoryMillions(Memory):
    """Long: half an hour. Real empty files."""
    name, source = "memory-10m", "empty"
    title = "resident memory of each agent, 10 million empty files"
    wanted = "64 MiB"

    def target_size(self):
        return 12 * GIB

    def inodes(self):
        return int(10_500_000 * self.scale) + 10_000


def kept(stage, name, size, fill, inodes=None):
    """A source that is made once and kept among the images."""
    mark = stage.images / f"keep-{name}.made"
    disk = Disk(stage.images / f"keep-{name}.img", BASE / "source", size, inodes)
    for other in stage.disks:
        if other.at == disk.at:
            other.umount()
    stage.disks.append(disk)
    if mark.exists() and disk.image.exists():
        disk.mount()
    else:
        disk.fresh()
        fill(disk.at)
        os.sync()
        mark.write_text("")
    return disk.at


def fill_small(root, count):
    """`count` files of 5 KB on average, 50 a directory, and a directory above each hundred of those."""
    rng = random.Random(1)
    pool = rng.randbytes(1 << 24)
    for leaf in range((count + 49) // 50):
        directory = root / f"top{leaf // 100:03}" / f"dir{leaf % 100:03}"
        directory.mkdir(parents=True, exist_ok=True)
        for number in range(min(50, count - leaf * 50)):
            size = min(int(rng.expovariate(1 / 5000)), 100_000)
            at = rng.randrange(len(pool) - size)
            with open(directory / f"file{number:02}.dat", "wb", buffering=0) as file:
                file.write(pool[at:at + size])
            if number % 10 == 3:
                os.chmod(directory / f"file{number:02}.dat", 0o600)
                os.chown(directory / f"file{number:02}.dat", 1000, 1000)


def fill_big(root, size):
    rng = random.Random(2)
    with open(root / "big", "wb", buffering=0) as file:
        for _ in range(max(1, size >> 20)):
            file.write(rng.randbytes(1 << 20))


def fill_empty(root, count):
    for leaf in range((count + 999) // 1000):
        directory = root / f"top{leaf // 100:03}" / f"dir{leaf % 100:03}"
        directory.mkdir(parents=True, exist_ok=True)
        top = os.open(directory, os.O_RDONLY)
        for number in range(min(1000, count - leaf * 1000)):
            os.close(os.open(f"file{number:03}", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=top))
        os.close(top)


def small(stage, scale):
    count = max(100, int(200_000 * scale))
    return kept(stage, f"small-{count}", 4 * GIB, lambda root: fill_small(root, count), max(20_000, int(1.2 * count)))


def big(stage, scale):
    size = max(1 << 20, int(4 * GIB * scale))
    return kept(stage, f"big-{size}", 5 * GIB, lambda root: fill_big(root, size))


def usr(stage, scale):
    """Of the server that the lab made with mmdebstrap; without a lab, what this machine documents of itself."""
    made = sorted(pathlib.Path("/var/cache/rehome-lab").glob("base-target-*.tar.zst"), key=os.path.getmtime)
    if scale < 1 or not made:
        return "/usr/share/doc"
    return kept(stage, "usr", 4 * GIB, lambda root: run("tar", "--zstd", "--numeric-owner", "--xattrs", "-C", root,
                                                        "-xf", made[-1], "./usr"))


def empty(stage, scale):
    count = int(10_000_000 * scale)
    return kept(stage, f"empty-{count}", 8 * GIB, lambda root: fill_empty(root, count), int(1.02 * count) + 10_000)


SOURCES = {"small": small, "big": big, "usr": usr, "empty": empty}
# By importance: --final runs them in this order. Another case is a class and a word here.
CASES = [SmallFirst, BigFirst, SameWarm, Watched, SmallProof, SameCold, BigDelta, Usr, Memory, MemoryMillions]
LONG = {"memory-10m"}


def quartile(values):
    """The lower quartile."""
    return statistics.quantiles(values, n=4, method="inclusive")[0] if len(values) > 1 else values[0]


def ratios(trials, other):
    """How many times the other's cost rehome's is contained in it, pair by pair."""
    out = {}
    for key in ("wall", "durable", "cpu", "own"):
        each = [b[key] / max(a[key], 1e-3) for a, b in zip(trials["rehome"], trials[other])]
        out[key] = {"median": statistics.median(each), "lower": quartile(each)}
    return out


def run_case(kind, stage, pairs, scale, tools=()):
    case = kind(stage, scale)
    trials = {tool: [] for tool in case.tools() if not tools or tool in tools}
    try:
        case.open()
        for number in range(pairs):
            order = list(trials)
            for tool in order[::-1] if number % 2 else order:
                trials[tool].append(case.trial(tool))
                last = trials[tool][-1]
                print(f"  {number + 1}/{pairs} {tool:16} wall {last['wall']:7.2f}  durable {last['durable']:7.2f}  "
                      f"cpu {last['cpu']:7.2f}  own {last['own']:7.2f}  "
                      f"{' '.join(f'{k} {v} KiB' for k, v in last.get('peak_kib', {}).items())}", flush=True)
    finally:
        case.close()
    return {"name": kind.name, "title": kind.title, "wanted": kind.wanted, "scale": scale, "pairs": pairs,
            "tools": case.tools(), "trials": trials,
            "ratios": {tool: ratios(trials, tool) for tool in trials if tool != "rehome" and "rehome" in trials}}


def rows(result):
    """The result as lines of a table in markdown."""
    out = []
    for tool, each in result["trials"].items():
        mid = {key: statistics.median(t[key] for t in each) for key in ("wall", "durable", "cpu", "own")}
        ratio = result["ratios"].get(tool)
        said = "" if ratio is None else (
            f"{ratio['wall']['median']:.2f} ({ratio['durable']['median']:.2f}) | {ratio['cpu']['lower']:.2f} "
            f"({ratio['own']['lower']:.2f})")
        peak = max((v for t in each for v in t.get("peak_kib", {}).values()), default=0)
        out.append(f"| {result['title'] if ratio is None else ''} | {tool} | {mid['wall']:.2f} ({mid['durable']:.2f}) | "
                   f"{mid['cpu']:.2f} ({mid['own']:.2f}) | {said or ' | '} | "
                   f"{result['wanted'] if ratio is None else ''}{f' ({peak / 1024:.1f} MiB)' if peak else ''} |")
    return out


HEAD = ("| case | tool | wall s (until durable) | CPU s (own) | its wall / rehome's, median (durable) "
        "| its CPU / rehome's, lower quartile (own) | wanted |\n|---|---|---|---|---|---|---|")


def machine():
    """What the figures come from."""
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8")
                  if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    version = run("rsync", "--version").split("\n")[0]
    return f"{os.cpu_count()} cores {model}, {memory:.0f} GiB, Linux {platform.release()}; {version}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int)
    parser.add_argument("--scale", type=float, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--tools", type=lambda text: text.split(","), default=[], help="only these of each case")
    parser.add_argument("--processes", action="store_true", help="show the CPU of each process (and disturb a little)")
    parser.add_argument("--json")
    parser.add_argument("--images", default="/var/tmp/rehome-bench")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--final", action="store_true")
    options = parser.parse_args()
    if options.list:
        print("\n".join(f"{kind.name:12} {kind.title} (wanted: {kind.wanted})" for kind in CASES))
        return 0
    enter_namespace()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # so that what was made is removed
    wanted = options.only.split(",") if options.only else [kind.name for kind in CASES if kind.name not in LONG]
    unknown = set(wanted) - {kind.name for kind in CASES}
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    path = pathlib.Path(options.json or pathlib.Path(options.images) / ("final.json" if options.final else "last.json"))
    return run_all(options, wanted, path)


def run_all(options, wanted, path):
    done, failed = [], []
    if options.final and path.exists():
        done = json.loads(path.read_text())["cases"]
    build = os.environ.get("REHOME_BUILD", str(ROOT / "build"))
    print(machine())
    with Stage(options.images, build) as stage:
        stage.verbose = options.processes
        for kind in CASES:
            if kind.name not in wanted or any(each["name"] == kind.name for each in done):
                continue
            print(f"\n{kind.name}: {kind.title}", flush=True)
            try:
                pairs = options.pairs or (kind.final_pairs if options.final else 5)
                done.append(run_case(kind, stage, pairs, options.scale, options.tools))
            except (RuntimeError, AssertionError) as error:
                failed.append(kind.name)
                print(f"  NOT MEASURED: {error}", flush=True)
                continue
            print("\n".join(rows(done[-1])), flush=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"machine": machine(), "cases": done}, indent=1))
    print("\n" + machine() + "\n\n" + HEAD + "\n" + "\n".join(line for each in done for line in rows(each)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
