# SPDX-License-Identifier: Apache-2.0
# Where the order service keeps its orders: files, or a database `shop` in MariaDB or PostgreSQL; chosen, made and read.
import collections
import dataclasses

STORES = ("files", "mariadb", "postgresql")
HISTORY = 20_000  # orders that a database holds from the beginning
WORKERS = 8       # of the service, each with a connection of its own

Line = collections.namedtuple("Line", "attempt order host time")

TABLES = """
CREATE TABLE orders (name VARCHAR(64) PRIMARY KEY, item VARCHAR(40) NOT NULL, count INTEGER NOT NULL,
  host VARCHAR(64) NOT NULL, at BIGINT NOT NULL);
CREATE TABLE attempts (id {serial} PRIMARY KEY, attempt VARCHAR(64) NOT NULL, name VARCHAR(64) NOT NULL REFERENCES orders (name),
  host VARCHAR(64) NOT NULL, at BIGINT NOT NULL);
CREATE TABLE items (id {serial} PRIMARY KEY, attempt VARCHAR(64) NOT NULL, name VARCHAR(64) NOT NULL REFERENCES orders (name),
  item VARCHAR(40) NOT NULL, count INTEGER NOT NULL);
CREATE TABLE stock (shelf INTEGER PRIMARY KEY, amount BIGINT NOT NULL);
CREATE TABLE movements (id {serial} PRIMARY KEY, attempt VARCHAR(64) NOT NULL, shelf INTEGER NOT NULL REFERENCES stock (shelf),
  count INTEGER NOT NULL);
CREATE INDEX attempts_at ON attempts (at);
"""
# The history of before the client: its orders, with attempts and items, and a full stock.
FILL = """
INSERT INTO orders SELECT {h}, 'pear', 1 + n % 7, 'shop-old', 1000000000 * n FROM {numbers};
INSERT INTO attempts (attempt, name, host, at) SELECT {h}, {h}, 'shop-old', 1000000000 * n FROM {numbers};
INSERT INTO items (attempt, name, item, count) SELECT {h}, {h}, 'pear', 1 + n % 7 FROM {numbers};
INSERT INTO stock SELECT DISTINCT n % 100, 1000000 FROM {numbers};
"""
MADE = {
    "mariadb": "CREATE DATABASE shop; CREATE USER shop@localhost IDENTIFIED VIA unix_socket; "
               "GRANT SELECT, INSERT, UPDATE, DELETE ON shop.* TO shop@localhost; USE shop;"
               + TABLES.format(serial="BIGINT AUTO_INCREMENT")
               + FILL.format(h="CONCAT('h-', n)", numbers=f"(SELECT seq AS n FROM seq_1_to_{HISTORY}) s"),
    "postgresql": "CREATE ROLE shop LOGIN; CREATE DATABASE shop OWNER shop;\n\\connect shop\nSET ROLE shop;"
                  + TABLES.format(serial="bigserial")
                  + FILL.format(h="'h-' || n", numbers=f"generate_series(1, {HISTORY}::bigint) n"),
}
# Each kind of row that an order makes, as attempt and what else it says; the marks tell them apart in one answer.
ROWS = {
    "orders": "SELECT 'orders', name, item, count, host, at FROM orders",
    "attempts": "SELECT 'attempts', id, attempt, name, host, at FROM attempts",
    "items": "SELECT 'items', id, attempt, name, item, count FROM items",
    "movements": "SELECT 'movements', id, attempt, shelf, count FROM movements",
    "stock": "SELECT 'stock', shelf, amount, (SELECT COALESCE(SUM(count), 0) FROM movements WHERE movements.shelf = stock.shelf) "
             "FROM stock",
}
# MariaDB answers each statement anew; in one transaction all see the same moment.
AT_ONCE = {"mariadb": "START TRANSACTION WITH CONSISTENT SNAPSHOT;", "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ;"}


@dataclasses.dataclass
class Books:
    """What a host's store holds."""

    orders: set       # names of the orders
    lines: list       # one for each attempt taken (Line)
    parts: list       # for each further kind of row that an attempt makes: its attempts
    unbalanced: list  # shelves whose stock and movements do not add up


def check_name(store):
    if store not in STORES:
        raise ValueError(f"store {store!r}: one of {', '.join(STORES)}")
    return store


def choose(root, store):
    """Set it on a server's disk, before it boots."""
    path = root / "etc/default/shop-orders"
    text = path.read_text().replace("SHOP_STORE=files", f"SHOP_STORE={store}")
    if store != "files":
        text = text.replace("SHOP_WORKERS=24", f"SHOP_WORKERS={WORKERS}")
    path.write_text(text)


def ask(host, sql, store=None, database="shop"):
    """What the engine's own client says as the server's administrator, over its socket: lines of tab-separated values."""
    argv = {"mariadb": ["mariadb", "-N", "-B", *([database] if database else [])],
            "postgresql": ["runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1",
                           "-d", database or "postgres"]}[store or host.store]
    return host.run(argv, input=sql, cwd="/", timeout=120).stdout


def create(host, store):
    """The database with its account and its history, once on each disk."""
    if store == "files":
        return
    there = {"mariadb": "SHOW DATABASES LIKE 'shop'", "postgresql": "SELECT datname FROM pg_database WHERE datname = 'shop'"}
    if not ask(host, there[store], store, None).strip():
        ask(host, MADE[store], store, None)


def rows(host, tables=tuple(ROWS)):
    """Tables of a host's database as sets of rows, each a tuple of texts; of one moment."""
    said = ask(host, AT_ONCE[host.store] + ";".join(ROWS[table] for table in tables) + "; COMMIT;")
    found = {table: [] for table in tables}
    for line in said.splitlines():
        mark, *values = line.split("\t")
        found[mark].append(tuple(values))
    return found


def books(host):
    """Reads a host's store: the disk of one with files, the running server of one with a database."""
    return _files(host) if host.store == "files" else _database(host)


def _database(host):
    found = rows(host)
    first = 1_000_000
    return Books(
        orders={name for name, *_ in found["orders"]},
        lines=[Line(attempt, name, who, int(at) / 1e9) for _, attempt, name, who, at in found["attempts"]],
        parts=[[attempt for _, attempt, *_ in found[table]] for table in ("items", "movements")],
        unbalanced=[shelf for shelf, amount, moved in found["stock"] if int(amount) + int(moved) != first])


def _files(host):
    """orders.log as the server itself would read it; torn lines and empty files do not count."""
    log = host.root / "srv/shop/orders.log"
    lines = [line.split(" ") for line in log.read_text().splitlines()] if log.exists() else []
    names = {path.name[:-len(".json")] for path in (host.root / "srv/shop/orders").glob("??/*.json") if path.stat().st_size > 0}
    return Books(names, [Line(*words[:3], int(words[3]) / 1e9) for words in lines if len(words) == 4], [], [])
