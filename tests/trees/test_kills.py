# SPDX-License-Identifier: Apache-2.0
"""kill -9 of either end or of what leads them, at any moment of a first copy and of deltas; each time the copy goes on and ends equal.

20 kills, 200 in `./check full`; REHOME_SEED repeats a run.
"""
import os
import pathlib
import random
import signal
import subprocess
import time

import checker

KILLS = 200 if os.environ.get("REHOME_LONG") else 20
SEED = int(os.environ.get("REHOME_SEED", "0")) or random.randrange(1, 1 << 30)
BLOCK = 4096


def _children(pid):
    """All descendants of a process that we started, as (pid, words of its command line)."""
    out = []
    try:
        tasks = list(pathlib.Path(f"/proc/{pid}/task").iterdir())
    except OSError:
        return out
    for task in tasks:
        try:
            pids = [int(p) for p in (task / "children").read_text().split()]
        except OSError:
            continue
        for child in pids:
            try:
                out.append((child, pathlib.Path(f"/proc/{child}/cmdline").read_bytes()))
            except OSError:
                continue
            out += _children(child)
    return out


def _make(rng, top):
    top.mkdir()
    for number in range(300):
        place = top / f"d{number % 17}"
        place.mkdir(exist_ok=True)
        (place / f"f{number}").write_bytes(rng.randbytes(rng.randrange(20000)))
    for number in range(3):
        (top / f"d{number}/big{number}").write_bytes(rng.randbytes((number + 2) << 22))
    os.link(top / "d1/f1", top / "d2/again")
    os.symlink("d1/f1", top / "link")


def _edit(rng, top):
    """In place, appended, cut, inserted, a hole, replaced, new, gone."""
    files = [p for p in top.rglob("*") if p.is_file() and not p.is_symlink()]
    for path in rng.sample(files, 6) + rng.sample([p for p in files if p.stat().st_size > 1 << 20] or files[:1], 1):
        if not path.exists():
            continue
        size = path.stat().st_size
        what = rng.randrange(8)
        if what <= 2 and size > 0:
            with open(path, "r+b") as file:
                for _ in range(rng.randrange(1, 40)):
                    file.seek(rng.randrange(size))
                    file.write(rng.randbytes(rng.randrange(1, 5000)))
        elif what == 3:
            with open(path, "ab") as file:
                file.write(rng.randbytes(rng.randrange(1, 200000)))
        elif what == 4:
            os.truncate(path, rng.randrange(size + 1))
        elif what == 5:
            content = path.read_bytes()
            at = rng.randrange(len(content) + 1)
            path.write_bytes(content[:at] + b"inserted" + content[at:])
        elif what == 6 and size > 3 * BLOCK:
            at = rng.randrange(size // BLOCK - 1) * BLOCK
            subprocess.run(["fallocate", "-p", "-o", str(at), "-l", str(2 * BLOCK), path], check=True)
        elif what == 7 and size < 1 << 20:
            path.unlink()
            if rng.random() < 0.5:
                path.write_bytes(rng.randbytes(500))


def _killed(rng, rehome, source, target, longest, into):
    """Starts a copy and kills an agent or the controller on its way; how long it ran, and whether one was met."""
    begin = time.monotonic()
    running = rehome.popen("copy", "--no-input", "--no-proof", *into, source, target)
    wait = rng.uniform(0, longest)
    try:
        running.communicate(timeout=wait)
        return time.monotonic() - begin, False
    except subprocess.TimeoutExpired:
        pass
    agents = [pid for pid, words in _children(running.pid) if b"rehome-agent" in words.split(b"\0")[0]]
    met = bool(agents)
    if met:
        try:
            os.kill(rng.choice([*agents, running.pid]), signal.SIGKILL)
        except ProcessLookupError:
            met = False
    running.communicate(timeout=300)
    return longest, met


def test_killed_at_any_moment_it_goes_on_and_ends_equal(tmp_path, rehome):
    print(f"REHOME_SEED={SEED}")
    rng = random.Random(SEED)
    source = tmp_path / "source"
    met, number, longest = 0, 0, 2.0
    while met < KILLS:
        number += 1
        target = tmp_path / f"target{number}"
        into = rng.choice([(), ("--delete",), ("--merge",)])
        if number == 1:
            _make(rng, source)
        for _ in range(5):  # the first copy and deltas of one target
            took, killed = _killed(rng, rehome, source, target, longest, into)
            longest = min(3.0, max(0.3, took * 1.1)) if not killed else longest
            met += killed
            if rng.random() < 0.6:
                _edit(rng, source)
            if rng.random() < 0.5:
                continue
            rehome("copy", "--no-input", "--no-proof", *into, source, target)
            found = checker.differences(checker.look(source), checker.look(target))
            assert not found, f"REHOME_SEED={SEED}, after {met} kills, {into}: " + "\n".join(found)
        rehome("copy", "--no-input", *into, source, target)
        found = checker.differences(checker.look(source), checker.look(target))
        assert not found, f"REHOME_SEED={SEED}, after {met} kills, {into}: " + "\n".join(found)
        left = [p for p in tmp_path.rglob("*") if ".rehome-tmp" in p.name]
        assert not left, left
        subprocess.run(["rm", "-rf", target], check=True)


def _is_receiver(pid, words):
    """The worker of a tree that reads its stream (descriptor 4)."""
    try:
        flags = pathlib.Path(f"/proc/{pid}/fdinfo/4").read_text().split("flags:")[1].split()[0]
    except OSError:
        return False
    return words.split(b"\0")[1:2] == [b"--worker"] and int(flags, 8) & os.O_ACCMODE == os.O_RDONLY


def _state_and_parent(pid):
    state, parent = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    return state, int(parent)


def _runs(pid):
    try:
        return _state_and_parent(pid)[0] != "Z"
    except OSError:
        return False


def _receiver_at_work(running, target):
    """The receiver and its agent, once some files have come."""
    for _ in range(3000):
        met = [pid for pid, words in _children(running.pid) if _is_receiver(pid, words)]
        if met and target.is_dir() and len(list(target.rglob("f*"))) > 20:
            return met[0], _state_and_parent(met[0])[1]
        assert running.poll() is None, running.communicate()
        time.sleep(0.001)
    raise AssertionError("no copy was met at work")


def test_what_an_older_agent_still_holds_never_comes_behind_the_next_copy(tmp_path, rehome):
    """Its processes stand still, with a full pipe, while the controller dies and the copy is taken up again."""
    source, target = tmp_path / "source", tmp_path / "target"
    for number in range(6000):
        place = source / f"d{number // 100:02}"
        place.mkdir(exist_ok=True, parents=True)
        (place / f"f{number}").write_bytes(b"%d" % number * 1000)
    running = rehome.popen("copy", "--no-input", "--no-proof", source, target)
    old = _receiver_at_work(running, target)
    try:
        for pid in old:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(0.5)  # the pipe fills
        running.kill()
        running.wait()
        gone = [p for p in source.rglob("f*") if not (target / p.relative_to(source)).exists()]
        assert len(gone) > 100, "the copy was nearly over"
        for path in gone:
            path.unlink()
        rehome("copy", "--no-input", "--no-proof", source, target)
    finally:
        for pid in old:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass
    for pid in old:
        for _ in range(300):
            if not _runs(pid):
                break
            time.sleep(0.1)
        else:
            raise AssertionError(f"the older agent's {pid} goes on")
    assert not checker.differences(checker.look(source), checker.look(target))
