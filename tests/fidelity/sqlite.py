# SPDX-License-Identifier: Apache-2.0
"""SQLite databases of every shape, made and read by the host's own Python: `make DIRECTORY` or `look DIRECTORY`, which prints
as JSON for each file its schema, its pragmas and all values as SQLite's quote() writes them, with their types."""
import json
import pathlib
import sqlite3
import struct
import sys

COMMON = """
CREATE TABLE kinds (id INTEGER PRIMARY KEY, n NUMERIC, r REAL, t TEXT, b BLOB, x);
CREATE TABLE "it's ""odd"" \\ %s" ("from" INT, [a b] TEXT DEFAULT 'it''s', `q` AS ("from" * 2) STORED, v AS ("from" || 'x') VIRTUAL);
CREATE TABLE keyed (a TEXT, b INT, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE strict (i INTEGER, a ANY, t TEXT NOT NULL) STRICT;
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, x);
CREATE TABLE child (id INTEGER PRIMARY KEY, p REFERENCES counted ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE no_rows (a, b);
CREATE TABLE log (what);
CREATE INDEX partial ON kinds (lower(t) COLLATE NOCASE DESC, n) WHERE n > 0 AND typeof(t) = 'text';
CREATE UNIQUE INDEX once ON keyed (b DESC);
CREATE VIEW v1 AS SELECT id, t FROM kinds;
CREATE VIEW v_on_v1 AS SELECT count(*) AS n FROM v1;
CREATE TRIGGER fires AFTER INSERT ON kinds BEGIN INSERT INTO log VALUES (new.id || ' \\ '); END;
CREATE TRIGGER instead INSTEAD OF INSERT ON v1 BEGIN INSERT INTO log VALUES ('view'); END;
"""
VALUES = [0, -1, 2**63 - 1, -2**63, 0.1, -0.0, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), 16777216.0, 1e23, None, "", "NULL",
          "a\0b", "😀é\u0301\n\t\\'\"", "1e5", "0x10", b"", b"\0\xff'", bytes(range(256)), "x" * 100000, b"y" * 300000, "12345678901234567890"]


def fill(db, utf16=False):
    db.executescript(COMMON)
    for n, value in enumerate(VALUES):
        db.execute("INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?)", (n - 3, value, value, value, value, value))
    db.execute("INSERT INTO kinds (id, x) VALUES (?, 1), (?, 2)", (2**63 - 1, -2**63))
    if not utf16:
        db.execute("INSERT INTO kinds (id, x) VALUES (500, CAST(x'fffe80c3' AS TEXT))")  # no UTF-8
    db.executemany('INSERT INTO "it\'s ""odd"" \\ %s" VALUES (?, ?)', [(1, "a"), (1, "a"), (None, None), (-7, "b")])
    db.executemany("INSERT INTO keyed VALUES (?, ?)", [("a", 1), ("A", 2), ("", 3)])
    db.execute("INSERT INTO strict VALUES (1, x'00', 't'), (2, 1.5, '')")
    db.execute("INSERT INTO counted VALUES (9, 'nine')")
    db.execute("DELETE FROM counted")
    db.execute("UPDATE sqlite_sequence SET seq = 4711")
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute("INSERT INTO child VALUES (1, NULL)")
    db.execute("CREATE VIRTUAL TABLE words USING fts5 (body)")
    db.execute("INSERT INTO words VALUES ('some words to find')")
    db.execute("CREATE VIRTUAL TABLE boxes USING rtree (id, x0, x1)")
    db.execute("INSERT INTO boxes VALUES (1, 0.5, 1.5)")
    db.execute("PRAGMA user_version = -5")
    db.execute("PRAGMA application_id = 252006673")


SHAPES = {
    "plain.db": [], "wal.db": ["journal_mode = wal"], "small-pages.db": ["page_size = 512"], "large-pages.db": ["page_size = 65536"],
    "utf16le.db": ["encoding = 'UTF-16le'"], "utf16be.db": ["encoding = 'UTF-16be'"], "vacuumed.db": ["auto_vacuum = full"],
    "it's \"odd\" ü.db": ["auto_vacuum = incremental"], "truncate.db": ["journal_mode = truncate"],
}


def make(top):
    for name, pragmas in SHAPES.items():
        db = sqlite3.connect(top / name)
        for pragma in pragmas:
            db.execute(f"PRAGMA {pragma}")
        fill(db, "utf16" in name)
        db.commit()
        db.execute("CREATE TABLE freed AS SELECT randomblob(5000) AS b FROM kinds")
        db.execute("DROP TABLE freed")
        db.commit()
        db.close()
    db = sqlite3.connect(top / "no-tables.db")
    db.execute("PRAGMA user_version = 1")
    db.commit()


def look(top):
    out = {}
    for path in sorted(top.iterdir()):
        if path.name.endswith(("-wal", "-shm", "-journal")):
            continue
        db = sqlite3.connect(path)
        db.text_factory = bytes
        one = {pragma: str(db.execute(f"PRAGMA {pragma}").fetchone()) for pragma in (
            "page_size", "encoding", "journal_mode", "user_version", "application_id", "auto_vacuum", "schema_version", "page_count", "integrity_check")}
        one["schema"] = [[str(x) for x in row] for row in db.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY 1, 2")]
        for name, in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            table = name.decode().replace('"', '""')
            rows = []
            for row in db.execute(f'SELECT * FROM "{table}"'):
                rows.append(" ".join(struct.pack(">d", x).hex() if isinstance(x, float) else f"{type(x).__name__} {x!r}" for x in row))
            one[f"rows {name!r}"] = sorted(rows)
        out[path.name] = one
    print(json.dumps(out))


if __name__ == "__main__":
    {"make": make, "look": look}[sys.argv[1]](pathlib.Path(sys.argv[2]))
