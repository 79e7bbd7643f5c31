# SPDX-License-Identifier: Apache-2.0
"""Watches a move's journal from outside and kills behind its points."""
import json
import sqlite3
import threading
import time
import zlib

import victims

STRIDE = 10
VICTIMS = {  # name: (which server, what)
    "owner": ("new", "owner"),
    "source agent": ("old", "agent"),
    "target agent": ("new", "agent"),
    "source keeper": ("old", "keeper"),
    "target keeper": ("new", "keeper"),
}
JOURNAL = "var/lib/rehome/controller/shop/journal.db"


def point_of(record):
    """What a record is, whichever number it has: a move that is begun again passes the same points."""
    data = record["data"]
    return " ".join(str(word) for word in (record["type"], record.get("step") or data.get("to") or data.get("request") or "",
                                           "undo" if data.get("undo") else "") if word)


class Killer(threading.Thread):
    """Kills once, for each victim, behind each point whose checksum leaves that victim's offset.

    `offsets` is {victim: offset}, each another offset: behind one point one process dies. `since` is the number of
    the record behind which it begins."""

    def __init__(self, lab, offsets, since=0):
        super().__init__(daemon=True)
        assert len(set(offsets.values())) == len(offsets)
        self.lab, self.since = lab, since
        self.by_offset = {offset: name for name, offset in offsets.items()}
        self.journal = lab.new.root / JOURNAL
        self.points = set()  # that were passed, hit or not
        self.kills = {}  # point: (the record's number, the victim)
        self.enough = threading.Event()
        self.failed = None

    def _take(self, seq, line):
        point = point_of(json.loads(line))
        self.points.add(point)
        name = self.by_offset.get(zlib.crc32(point.encode()) % STRIDE)
        if name is None or point in self.kills:
            return
        role, kind = VICTIMS[name]
        if victims.kill(self.lab.host(role), kind):
            self.kills[point] = (seq, name)

    def _watch(self, db):
        seen = self.since
        while not self.enough.is_set():
            rows = db.execute("SELECT seq, line FROM record WHERE seq > ? ORDER BY seq", (seen,)).fetchall()
            for seq, line in rows:
                self._take(seq, line)
                seen = self.since = seq
            time.sleep(0.001)

    def run(self):
        while not self.enough.is_set():
            try:
                db = sqlite3.connect(f"file:{self.journal}?mode=ro", uri=True, timeout=1)
                try:
                    self._watch(db)
                finally:
                    db.close()
            except sqlite3.Error:
                time.sleep(0.01)
            except Exception as failure:  # pylint: disable=broad-except
                self.failed = failure
                return

    def end(self):
        """No more kills; what went wrong in watching is raised here."""
        self.enough.set()
        self.join()
        if self.failed:
            raise self.failed
