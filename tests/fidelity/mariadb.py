# SPDX-License-Identifier: Apache-2.0
"""What a MariaDB server itself says of a database, value for value, through its own client: two servers, one text.

Strings and bytes in hexadecimal, numbers as the server's DOUBLE or DECIMAL, moments as text at UTC; structure and objects from
information_schema. Nothing here is rehome's.
"""

BEGIN = "SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES', group_concat_max_len = 16777216;\n"


def ask(host, sql, database=None):
    """The lines that the client prints."""
    out = host.run(["mariadb", "-N", "-B", "--binary-mode", "--default-character-set=utf8mb4", *([database] if database else [])],
                   input=BEGIN + sql).stdout
    return out.splitlines()


def quoted(name):
    return "`" + name.replace("`", "``") + "`"


def canonical(name, kind):
    """An expression whose text is the value, and nothing but it."""
    q = quoted(name)
    if kind in ("float", "double"):
        return f"IFNULL({q} + 0e0, 'null')"
    if kind in ("bit", "enum", "set"):
        return f"IFNULL(CONCAT({q} + 0, '=', HEX({q})), 'null')"
    if kind in ("uuid", "inet6"):
        return f"IFNULL(HEX(CAST({q} AS BINARY(16))), 'null')"
    if kind == "inet4":
        return f"IFNULL(HEX(CAST({q} AS BINARY(4))), 'null')"
    if kind in ("char", "varchar", "tinytext", "text", "mediumtext", "longtext", "json", "binary", "varbinary", "tinyblob", "blob",
                "mediumblob", "longblob", "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
                "geometrycollection"):
        return f"IFNULL(CONCAT(LENGTH({q}), ':', IF(LENGTH({q}) > 9000, SHA2({q}, 256), HEX({q}))), 'null')"
    return f"IFNULL(CAST({q} AS CHAR), 'null')"


def tables(host, database):
    """{table: [(column, type)...]}, names as the server has them."""
    lines = ask(host, "SELECT HEX(TABLE_NAME), HEX(COLUMN_NAME), DATA_TYPE FROM information_schema.COLUMNS JOIN "
                      f"information_schema.TABLES t USING (TABLE_SCHEMA, TABLE_NAME) WHERE TABLE_SCHEMA = '{database}' AND "
                      "t.TABLE_TYPE IN ('BASE TABLE', 'SEQUENCE') ORDER BY TABLE_NAME, ORDINAL_POSITION")
    out = {}
    for line in lines:
        table, column, kind = line.split("\t")
        out.setdefault(bytes.fromhex(table).decode(), []).append((bytes.fromhex(column).decode(), kind))
    return out


def rows(host, database):
    """{table: its rows as sorted text}."""
    out, script, known = {}, [], tables(host, database)
    for number, (table, columns) in enumerate(known.items()):
        each = ", '|', ".join(canonical(*column) for column in columns)
        script.append(f"SELECT {number}, CONCAT({each}) AS r FROM {quoted(table)} ORDER BY r;")
    names = list(known)
    out = {name: [] for name in names}
    for line in ask(host, "\n".join(script), database):
        number, _, text = line.partition("\t")
        out[names[int(number)]].append(text)
    return {name: sorted(found) for name, found in out.items()}


# page_checksum=1 is what every Aria table has by default; a server says it of those alone that were made with the word.
STRUCTURE = {
    "database": "SELECT DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME, HEX(SCHEMA_COMMENT) FROM information_schema.SCHEMATA "
                "WHERE SCHEMA_NAME = '{db}'",
    "tables": "SELECT HEX(TABLE_NAME), TABLE_TYPE, ENGINE, ROW_FORMAT, TABLE_COLLATION, HEX(REPLACE(CONCAT(' ', CREATE_OPTIONS), "
              "' page_checksum=1', '')), HEX(TABLE_COMMENT), "
              "IFNULL(AUTO_INCREMENT, '-') FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{db}'",
    "columns": "SELECT HEX(TABLE_NAME), ORDINAL_POSITION, HEX(COLUMN_NAME), HEX(COLUMN_TYPE), IS_NULLABLE, HEX(COLUMN_DEFAULT), "
               "CHARACTER_SET_NAME, COLLATION_NAME, COLUMN_KEY, EXTRA, HEX(COLUMN_COMMENT), HEX(GENERATION_EXPRESSION), NUMERIC_PRECISION, "
               "NUMERIC_SCALE, DATETIME_PRECISION FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{db}'",
    "indexes": "SELECT HEX(TABLE_NAME), HEX(INDEX_NAME), SEQ_IN_INDEX, NON_UNIQUE, HEX(COLUMN_NAME), COLLATION, SUB_PART, INDEX_TYPE, "
               "HEX(INDEX_COMMENT), IGNORED FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = '{db}'",
    "keys": "SELECT HEX(TABLE_NAME), HEX(CONSTRAINT_NAME), ORDINAL_POSITION, HEX(COLUMN_NAME), HEX(REFERENCED_TABLE_NAME), "
            "HEX(REFERENCED_COLUMN_NAME) FROM information_schema.KEY_COLUMN_USAGE WHERE TABLE_SCHEMA = '{db}'",
    "references": "SELECT HEX(TABLE_NAME), HEX(CONSTRAINT_NAME), UPDATE_RULE, DELETE_RULE, HEX(REFERENCED_TABLE_NAME) FROM "
                  "information_schema.REFERENTIAL_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = '{db}'",
    "checks": "SELECT HEX(TABLE_NAME), HEX(CONSTRAINT_NAME), HEX(CHECK_CLAUSE) FROM information_schema.CHECK_CONSTRAINTS "
              "WHERE CONSTRAINT_SCHEMA = '{db}'",
    "partitions": "SELECT HEX(TABLE_NAME), PARTITION_NAME, SUBPARTITION_NAME, PARTITION_METHOD, HEX(PARTITION_EXPRESSION), "
                  "HEX(PARTITION_DESCRIPTION), SUBPARTITION_METHOD FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = '{db}' AND "
                  "PARTITION_NAME IS NOT NULL",
    "views": "SELECT HEX(TABLE_NAME), HEX(VIEW_DEFINITION), CHECK_OPTION, DEFINER, SECURITY_TYPE, ALGORITHM FROM "
             "information_schema.VIEWS WHERE TABLE_SCHEMA = '{db}'",
    "triggers": "SELECT HEX(TRIGGER_NAME), EVENT_MANIPULATION, HEX(EVENT_OBJECT_TABLE), ACTION_ORDER, HEX(ACTION_STATEMENT), ACTION_TIMING, "
                "SQL_MODE, DEFINER, CHARACTER_SET_CLIENT, COLLATION_CONNECTION FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{db}'",
    "routines": "SELECT HEX(name), type, language, sql_data_access, is_deterministic, security_type, HEX(param_list), HEX(returns), HEX(body), "
                "definer, sql_mode, HEX(comment), character_set_client, aggregate FROM mysql.proc WHERE db = '{db}'",
    "events": "SELECT HEX(EVENT_NAME), DEFINER, TIME_ZONE, HEX(EVENT_DEFINITION), EVENT_TYPE, EXECUTE_AT, INTERVAL_VALUE, INTERVAL_FIELD, SQL_MODE, "
              "STARTS, ENDS, STATUS, ON_COMPLETION, HEX(EVENT_COMMENT) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{db}'",
}


def structure(host, database):
    """{what: sorted lines}."""
    return {what: sorted(ask(host, sql.format(db=database))) for what, sql in STRUCTURE.items()}
