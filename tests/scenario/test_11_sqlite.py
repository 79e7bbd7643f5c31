# SPDX-License-Identifier: Apache-2.0
"""Two SQLite databases under a writer, one with a WAL and one with a rollback journal, and a directory of others, move
and come back: every row that was acknowledged is there once, by Python's own sqlite3 and by the writer's log.

S1.4, S2.25 partly.
"""
import json
import time

import pytest

from story import PLAN, codes, wait_for

DATA = "/srv/ledger/data"
DBS = [f"{DATA}/wal.db", f"{DATA}/plain.db"]

# One that the plan does not name, open, with its first 20 rows in its WAL: it moves as a file, with what lies beside it.
REST = f"{DATA}/rest.db"

# Writes n into the databases and then, once they have it on the disk, into its log; two accounts always sum up to 0.
WRITER = r'''#!/usr/bin/python3
import os, random, sqlite3, time
log = os.open("/srv/ledger/acked.log", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
def last():
    text = os.pread(log, 64, max(0, os.fstat(log).st_size - 64)).split()
    return int(text[-1]) if text else 0
dbs = []
for name, mode in (("wal", "wal"), ("plain", "delete"), ("rest", "wal")):
    db = sqlite3.connect(f"/srv/ledger/data/{name}.db", isolation_level=None, timeout=10)
    db.execute(f"pragma journal_mode={mode}")
    db.execute("pragma synchronous=full")
    db.execute("create table if not exists ledger(n integer, who text, note text)")
    db.execute("create table if not exists account(id integer primary key, amount integer)")
    db.execute("create index if not exists by_note on ledger(note)")
    db.execute("pragma user_version=7")
    db.execute("insert or ignore into account values(1,0),(2,0)")
    dbs.append(db)
n = last()
for db in dbs:  # what was written and never acknowledged is taken back, as a client would ask again
    db.execute("delete from ledger where n>?", (n,))
while True:
    n += 1
    for db in dbs if n <= 20 else dbs[:2]:
        db.execute("begin immediate")
        db.execute("insert into ledger values(?,?,?)", (n, os.uname().nodename, os.urandom(300).hex()))
        db.execute("update account set amount=amount+? where id=1", (n,))
        db.execute("update account set amount=amount-? where id=2", (n,))
        db.execute("commit")
    os.write(log, b"%d\n" % n)
    os.fsync(log)
    time.sleep(random.random() * 0.01)
'''

# What a stranger sees in a database: run on the host with its own Python.
LOOK = r'''
import json, sqlite3, sys
out = {}
acked = [int(x) for x in open("/srv/ledger/acked.log").read().split()]
for path in sys.argv[2:]:
    db = sqlite3.connect(f"file:{path}?{sys.argv[1]}", uri=True)
    one = lambda q: db.execute(q).fetchone()[0]
    try:
        rows = [r[0] for r in db.execute("select n from ledger")]
        seen = set(rows)
        out[path] = {"integrity": one("pragma integrity_check"), "mode": one("pragma journal_mode"),
                     "version": one("pragma user_version"), "sum": one("select sum(amount) from account"),
                     "lost": sum(n not in seen for n in acked), "doubled": len(rows) - len(seen), "rows": len(rows)}
    except sqlite3.Error as e:
        out[path] = {"integrity": str(e), "lost": None}
print(json.dumps(out))
'''


def look(host, how="mode=rw", paths=DBS):  # a stopped writer may leave a journal to be rolled back
    return json.loads(host.run(["/usr/bin/python3", "-c", LOOK, how, *paths]).stdout)


def sql(host, path, text):
    return host.run(["/usr/bin/python3", "-c", "import sqlite3,sys; d=sqlite3.connect(sys.argv[1]); "
                     "print(d.execute(sys.argv[2]).fetchall()); d.commit()", path, text]).stdout.strip()


def install(old):
    old.sh("useradd -m ledger; mkdir -p /srv/ledger/data /srv/more/deep; chown -R ledger: /srv/ledger /srv/more; "
           "chmod 750 /srv/ledger")
    old.run(["tee", "/usr/local/bin/ledger"], input=WRITER)
    old.run(["tee", "/etc/systemd/system/ledger.service"],
            input="[Service]\nUser=ledger\nUMask=0027\nExecStart=/usr/local/bin/ledger\n"
                  "[Install]\nWantedBy=multi-user.target\n")
    old.sh("chmod 755 /usr/local/bin/ledger; systemctl daemon-reload; systemctl enable -q --now ledger")
    for name in ("one.sqlite", "deep/two", "deep/gone"):
        sql(old, f"/srv/more/{name}", "create table t as select 1 as x, hex(randomblob(9000)) as y")
    old.sh("echo no database > /srv/more/deep/text; setfattr -n user.kept -v yes /srv/more/deep/two")


def outcomes(move, path, op):
    return [r for r in move.records() if r["type"] == "outcome" and r.get("step") == f"sqlite:{path}#{op}"
            and "result" in r["data"]]


def acked(host):
    return int(host.sh("wc -l < /srv/ledger/acked.log"))


@pytest.fixture(scope="module")
def moved(lab, move):
    old, new = lab.old, lab.new
    story = {"move": move}
    install(old)
    move.write_plan(template="ledger.yaml")
    wait_for(lambda: acked(old) > 120)
    new.sh("mkdir -p /srv/alone")
    story["alone"] = move.rehome("copy", f"root@old:sqlite:{DBS[0]}", "sqlite:/srv/alone/wal.db")
    story["alone again"] = move.rehome("copy", f"root@old:sqlite:{DBS[0]}", "sqlite:/srv/alone/wal.db")
    story["alone seen"] = sql(new, "/srv/alone/wal.db", "select (select sum(amount) from account), "
                              "(select integrity_check from pragma_integrity_check), count(*) > 0 from ledger")
    story["raw"] = move.rehome("copy", "root@old:/srv/ledger", "/srv/raw", expect=None)
    story["draft"] = move.rehome("plan", "root@old") and new.sh("cat plan.yaml /root/plan.yaml 2>/dev/null")
    story["sync"] = move.sync()
    story["live copy"] = look(new, "immutable=1")
    # What a copy of the bytes would be: the file of the same live database, without what the WAL has.
    old.sh(f"cp {DBS[0]} /root/raw.db")
    story["raw copy"] = look(old, "immutable=1", ["/root/raw.db"])
    old.sh("rm /root/raw.db")
    sql(new, DBS[1], "update ledger set who='nobody' where n=57")
    story["planted"] = move.cutover(expect=None)
    story["status"] = move.status()
    sql(old, "/srv/more/one.sqlite", "update t set x=2")
    old.sh("rm /srv/more/deep/gone")
    move.sync()
    story["check"] = move.rehome("check", PLAN, expect=None)
    story["cutover"] = move.cutover()
    story["at the pivot"] = acked(old)
    wait_for(lambda: acked(new) > story["at the pivot"] + 50)
    new.sh("systemctl stop ledger")
    story["moved"] = look(new)
    story["moved as a file"] = look(new, paths=[REST])[REST]
    new.sh("systemctl start ledger")
    return story


def whole(seen):
    return all(s["integrity"] == "ok" and s["lost"] == 0 and s["doubled"] == 0 and s["sum"] == 0 and s["version"] == 7
               for s in seen.values())


def test_a_copy_made_while_it_is_written_is_whole_and_of_one_moment(moved):
    for seen in moved["live copy"].values():
        assert seen["integrity"] == "ok" and seen["sum"] == 0 and seen["rows"] > 0 and seen["doubled"] == 0


def test_a_copy_of_the_bytes_would_have_lost_rows(moved):
    raw = moved["raw copy"]["/root/raw.db"]
    assert raw["lost"] is None or raw["lost"] > 0 or raw["integrity"] != "ok", raw


def test_a_database_is_copied_alone_and_again(moved):
    assert moved["alone seen"] == "[(0, 'ok', 1)]"
    assert "equal: 1 databases" in moved["alone again"], moved["alone again"]


def test_files_are_not_copied_raw_where_a_database_in_them_is_in_use(lab, moved):
    assert "RH-FILES-DATABASE" in codes(moved["raw"]) and "/srv/ledger/data/wal.db" in moved["raw"], moved["raw"]
    assert lab.new.sh("ls /srv/raw 2>/dev/null || true") == ""
    for path in DBS:
        assert f"- sqlite: {path}" in moved["draft"], moved["draft"]


def test_a_database_that_the_plan_does_not_name_is_said_and_whole_at_rest(moved):
    assert "RH-FILES-DATABASE" in codes(moved["check"]) and REST in moved["check"], moved["check"]
    assert DBS[0] not in moved["check"].split("RH-FILES-DATABASE")[1].splitlines()[0]
    assert moved["moved as a file"]["integrity"] == "ok" and moved["moved as a file"]["rows"] == 20


def test_a_row_changed_on_the_target_stops_the_cutover_and_is_named(moved):
    said = moved["planted"]
    assert "RH-SQLITE-TOUCHED" in codes(said) and "plain.db" in said and "ledger, rows " in said, said
    assert moved["status"].startswith("SERVING shop-old"), moved["status"]


def test_every_acknowledged_row_is_on_the_target_once(moved):
    assert moved["at the pivot"] > 200
    assert whole(moved["moved"]), moved["moved"]
    assert [moved["moved"][path]["mode"] for path in DBS] == ["wal", "delete"]


def test_owner_mode_and_attributes_are_kept_and_the_ids_are_the_targets(lab, moved):
    for path in DBS:
        assert lab.new.sh(f"stat -c '%U %G %a' {path}") == lab.old.sh(f"stat -c '%U %G %a' {path}") == "ledger ledger 640"
    assert lab.new.sh("getfattr --only-values -n user.kept /srv/more/deep/two") == "yes"


def test_all_databases_of_a_directory_move_and_only_they(lab, moved):
    assert lab.new.sh("cd /srv/more && find . -type f | sort") == "./deep/two\n./one.sqlite"
    assert sql(lab.new, "/srv/more/one.sqlite", "select x from t") == "[(2,)]"


def test_what_the_target_took_comes_back(lab, moved):
    move, old, new = moved["move"], lab.old, lab.new
    before = acked(new)
    wait_for(lambda: acked(new) > before + 50)
    since = time.time() * 1000
    wait_for(lambda: all(any(r["time"] > since for r in outcomes(move, path, "back-round")) for path in DBS),
             every=1)
    move.rehome("rollback", PLAN, "--no-input", "--confirm=shop-new")
    assert acked(old) > before + 50
    wait_for(lambda: old.sh("systemctl is-active ledger || true") == "active")
    time.sleep(0.5)
    old.sh("systemctl stop ledger")
    seen = look(old)
    assert whole(seen), seen
    assert look(old, paths=[REST])[REST]["rows"] == 20
    for path in DBS:  # most of it had been laid up before, the rest came in the freeze
        laid = outcomes(move, path, "back-apply")[-1]["data"]["result"]["applied"][path]
        last = outcomes(move, path, "back-final")[-1]["data"]["result"]["databases"][path]
        assert laid["written"] > 0 and last["sent"] < int(last["pages"])
    hosts = sql(old, DBS[0], "select distinct who from ledger order by who")
    assert hosts == "[('shop-new',), ('shop-old',)]"
