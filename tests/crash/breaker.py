# SPDX-License-Identifier: Apache-2.0
"""Watches a move's journal from outside and does something to its hosts and links when a phase begins."""
import json
import sqlite3
import threading
import time

from killer import JOURNAL

PIVOTS = {"move#pivot": "opening", "move#back-pivot": "back-opening"}
SHORT, LONG = 4, 22  # of a cut: a connection lives through the first; ssh gives up after 15 s


def begins(record):
    """The phase that begins with a record, or None. The intent of a pivot is itself the beginning of the opening."""
    if record["type"] == "phase":
        return record["data"]["to"]
    return PIVOTS.get(record.get("step")) if record["type"] == "intent" and not record["data"].get("undo") else None


def reboot(role):
    def fault(lab):
        lab.host(role).power_cut()
        lab.host(role).start()
    return fault


def cut(one, other, seconds):
    """Nothing passes between the two hosts' management addresses."""
    def fault(lab):
        lab.network.block(one, other)
        time.sleep(seconds)
        lab.network.unblock(one, other)
    return fault


class Breaker(threading.Thread):
    """Does `fault(lab)` once for each of `phases` when it begins."""

    def __init__(self, lab, controller, fault, phases):
        super().__init__(daemon=True)
        self.lab, self.fault, self.due = lab, fault, set(phases)
        self.journal = controller.root / JOURNAL
        self.hit = []  # (phase, the record's number)
        self.busy = False
        self.enough = threading.Event()
        self.failed = None

    def _new(self, seen):
        db = sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True, timeout=1)
        try:
            return db.execute("SELECT seq, line FROM record WHERE seq > ? ORDER BY seq", (seen,)).fetchall()
        finally:
            db.close()

    def _take(self, rows):
        """A fault takes time: the last phase that was passed counts, not those before it."""
        phases = [(phase, seq) for seq, line in rows if (phase := begins(json.loads(line)))]
        if phases and phases[-1][0] in self.due:
            self.due.remove(phases[-1][0])
            self.hit.append(phases[-1])
            self.busy = True
            self.fault(self.lab)
            self.busy = False

    def run(self):
        seen = 0
        while not self.enough.is_set():
            try:
                rows = self._new(seen)
                seen = rows[-1][0] if rows else seen
                self._take(rows)
            except sqlite3.Error:
                pass
            except Exception as failure:  # pylint: disable=broad-except
                self.failed = failure
                return
            time.sleep(0.002)

    def settle(self):
        """Until the fault at hand is over."""
        time.sleep(1)
        while self.busy and self.is_alive():
            time.sleep(0.1)

    def end(self):
        """No more faults; what went wrong in making them is raised here."""
        self.enough.set()
        self.join()
        if self.failed:
            raise self.failed
