# SPDX-License-Identifier: Apache-2.0
"""What a MariaDB server is besides its rows: every setting, account with its rights, database, replication and file of
configuration, as its own client and find say it; and what of that changed."""
SETTINGS = """SELECT VARIABLE_NAME, GLOBAL_VALUE FROM information_schema.SYSTEM_VARIABLES WHERE GLOBAL_VALUE IS NOT NULL
  AND VARIABLE_NAME NOT LIKE 'GTID\\_%' ORDER BY 1;"""
ACCOUNTS = """SELECT User, Host, JSON_VALUE(Priv, '$.is_role') = 1 FROM mysql.global_priv ORDER BY 1, 2;"""


def _ask(host, sql):
    return host.run(["mariadb", "-N", "-B", "--raw", "--default-character-set=utf8mb4"], input=sql).stdout


def _accounts(host):
    names = [line.split("\t") for line in _ask(host, ACCOUNTS).splitlines()]
    sql = ""
    for user, at, role in names:
        account = f"`{user}`" if role == "1" else f"`{user}`@`{at}`"
        sql += f"SELECT '=== {account}';" + ("" if role == "1" else f"SHOW CREATE USER {account};") + f"SHOW GRANTS FOR {account};\n"
    found = {}
    for part in _ask(host, "SET sql_mode = '';\n" + sql).split("=== ")[1:]:
        name, *lines = part.splitlines()
        # Who makes a role may grant it, until it goes.
        found["account", name] = sorted(line for line in lines if not line.endswith(" TO `root`@`localhost` WITH ADMIN OPTION"))
    return found


def look(host):
    """By kind and name."""
    found = {("setting", line.split("\t")[0].lower()): line.split("\t")[1] for line in _ask(host, SETTINGS).splitlines()}
    found |= {("database", name): "" for name in _ask(host, "SHOW DATABASES").split()}
    found |= {("event", name): "" for name in _ask(host, "SELECT CONCAT(EVENT_NAME, ' ', STATUS) FROM information_schema.EVENTS")
              .splitlines()}
    found |= {("file", line.split("  ", 1)[1]): line.split(" ")[0]
              for line in host.sh("find /etc/mysql -type f -exec sha256sum {} +").splitlines()}
    found["replication", ""] = _ask(host, "SHOW ALL SLAVES STATUS; SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE "
                                          "COMMAND LIKE 'Binlog Dump%' OR COMMAND LIKE 'Slave%';")
    return found | _accounts(host)


def changed(before, after):
    """{(kind, name): (before, after)}; None where it is not there."""
    return {key: (before.get(key), after.get(key)) for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def named(facts, side):
    """What the report says is left on the source or the target."""
    return [one["what"] for one in facts["left"] if one["host"] == side]


def is_named(key, what):
    """Is a change of that kind and name one that the report names?"""
    kind, name = key
    if kind == "account":
        return any(one.startswith(f"MariaDB's account {name}") for one in what)
    if kind == "database":
        return f"MariaDB's database {name}" in what
    if kind == "event":  # of a database that is named
        return any(one.startswith("MariaDB's database ") for one in what)
    if kind == "file":
        return name in what
    server = [one for one in what if one.startswith("MariaDB's server:")]
    return kind == "setting" and any({"read_only": "read-only", "event_scheduler": "events"}.get(name, "?") in one for one in server)


def unnamed(before, after, what):
    return {key: values for key, values in changed(before, after).items() if not is_named(key, what)}
