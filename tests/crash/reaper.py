# SPDX-License-Identifier: Apache-2.0
"""Kills at random: behind some of the journal's records after a moment, and now and then while a step works."""
import json
import random
import sqlite3
import threading
import time

import killer
import victims

VICTIMS = killer.VICTIMS | {  # name: (which server, what)
    "source's client": ("old", "client"),
    "target's client": ("new", "client"),
    "source's server": ("old", "server"),
    "target's server": ("new", "server"),
}
BEHIND_A_RECORD = 0.02   # of all records
IN_A_SECOND = 0.25       # kills, beside those
LONGEST_MOMENT = 0.4     # seconds between a record and the kill behind it


class Reaper(threading.Thread):
    """SIGKILL to at most `most` processes from start to end, by a generator that its seed repeats (not the timing)."""

    def __init__(self, lab, seed, most):
        super().__init__(daemon=True)
        self.lab, self.seed, self.left = lab, seed, most
        self.early = most // 2  # the others wait for the cutover
        self.chance = random.Random(seed)
        self.journal = lab.new.root / killer.JOURNAL
        self.seen, self.point = 0, "begin"
        self.kills = []  # (victim, the last point before it)
        self.enough, self.paused = threading.Event(), threading.Event()
        self.failed = None

    def _kill(self):
        names = list(VICTIMS)
        self.chance.shuffle(names)
        for name in names:  # the first that lives just now
            role, kind = VICTIMS[name]
            if self.lab.host(role).running() and victims.kill_one(self.lab.host(role), kind, self.chance):
                self.kills.append((name, self.point))
                self.left, self.early = self.left - 1, self.early - 1
                return

    def _records(self):
        try:
            db = sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True, timeout=1)
            try:
                return db.execute("SELECT seq, line FROM record WHERE seq > ? ORDER BY seq", (self.seen,)).fetchall()
            finally:
                db.close()
        except sqlite3.Error:
            return []

    def _due(self, passed):
        """Is it time? Looks at what the journal has since the last look, and at the time that passed."""
        behind = False
        for seq, line in self._records():
            self.seen, self.point = seq, killer.point_of(json.loads(line))
            self.early = max(self.early, self.left) if self.point == "phase holding" else self.early
            behind = behind or self.chance.random() < BEHIND_A_RECORD
        if behind:
            time.sleep(self.chance.random() * LONGEST_MOMENT)
        return behind or self.chance.random() < IN_A_SECOND * passed

    def run(self):
        last = time.monotonic()
        while not self.enough.is_set():
            time.sleep(0.01)
            now = time.monotonic()
            try:
                if self._due(now - last) and min(self.left, self.early) > 0 and not self.paused.is_set() and self.seen:
                    self._kill()
            except Exception as failure:  # pylint: disable=broad-except
                self.failed = failure
                return
            last = now

    def end(self):
        """No more kills; what went wrong is raised here."""
        self.enough.set()
        self.join()
        if self.failed:
            raise self.failed
