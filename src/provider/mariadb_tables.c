/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of a MariaDB database: how their rows are read and written
 * without loss, and digests of what they hold.
 *
 * Rows are what the client's batch mode prints, in which tab, newline, zero
 * byte and backslash are escaped as LOAD DATA reads them.  It prints NULL as
 * it prints the text 'NULL', so a column that may be NULL has a flag of its
 * own before it.  Texts are the bytes that are stored, in the column's own
 * character set; a FLOAT is read as the DOUBLE that it is (as text it loses
 * digits), and what has a name for its number (ENUM, SET, BIT) as the number.
 */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/remote.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PARTS_ALL = 12000 }; /* of what program.digest takes */

/* What cannot be NULL and is stored as it is written goes into its column
 * straight, but for a counter: beside a SET, LOAD DATA would count where a 0
 * stands. */
static const char tables_sql[]
    = "SELECT t.TABLE_NAME, CONCAT('`%s`.`', REPLACE(t.TABLE_NAME, '`', '``'),"
      "  '`'), IF(TABLE_TYPE = 'SEQUENCE', 'S', 'T'), IF(TABLE_TYPE ="
      "  'SEQUENCE', 'next_not_cached_value, minimum_value, maximum_value,"
      "  start_value, increment, cache_size, cycle_option, cycle_count', sel),"
      "  IFNULL(plain, ''), IFNULL(fields, ''), IFNULL(sets, ''),"
      "  IFNULL(k, ''), IFNULL(DATA_LENGTH, 0), IF(ENGINE = 'InnoDB' AND"
      "  CREATE_OPTIONS NOT REGEXP 'partitioned|stats_persistent=0',"
      "  IF(LOCATE('stats_persistent=1', CREATE_OPTIONS), '1', 'DEFAULT'), '')"
      " FROM information_schema.TABLES t LEFT JOIN"
      " (SELECT TABLE_NAME,"
      "  GROUP_CONCAT(CONCAT(flag, expr) ORDER BY ORDINAL_POSITION SEPARATOR"
      "   ', ') AS sel,"
      "  GROUP_CONCAT(IF(own, CONCAT(flag, expr), NULL) ORDER BY"
      "   ORDINAL_POSITION SEPARATOR ', ') AS plain,"
      "  GROUP_CONCAT(IF(own, IF(plainly, q, CONCAT(IF(flag = '', '',"
      "   CONCAT('@n', n, ', ')), '@c', n)), NULL) ORDER BY n SEPARATOR ', ')"
      "   AS fields,"
      "  GROUP_CONCAT(IF(own AND NOT plainly, CONCAT(q, ' = ', IF(flag = '',"
      "   val, CONCAT('IF(@n', n, ', NULL, ', val, ')'))), NULL) ORDER BY n"
      "   SEPARATOR ', ') AS sets,"
      "  IF(SUM(pri) = 1, MAX(IF(pri AND isint, q, NULL)), NULL) AS k"
      "  FROM (SELECT c.*, IF(IS_NULLABLE = 'YES', CONCAT('ISNULL(', q,"
      "    '), '), '') AS flag, IS_NULLABLE <> 'YES' AND k IN ('', 'f') AND"
      "   EXTRA NOT LIKE '%auto_increment%' AS"
      "   plainly,"
      "   CASE k WHEN 'f' THEN CONCAT('CAST(', q, ' AS DOUBLE)')"
      "    WHEN 'n' THEN CONCAT('CAST(', q, ' AS UNSIGNED)') WHEN 'x' THEN"
      "    CONCAT('CAST(', q, ' AS CHAR CHARACTER SET latin1)') ELSE q END AS"
      "    expr,"
      "   CASE k WHEN 'n' THEN CONCAT('CAST(@c', n, ' AS UNSIGNED)') WHEN 'x'"
      "    THEN CONCAT('CONVERT(@c', n, ' USING latin1)') ELSE"
      "    CONCAT('@c', n) END AS val"
      "   FROM (SELECT TABLE_NAME, ORDINAL_POSITION, ORDINAL_POSITION AS n,"
      "    EXTRA, COLUMN_KEY = 'PRI' AS pri, DATA_TYPE IN ('tinyint', "
      "'smallint',"
      "    'mediumint', 'int', 'bigint') AS isint,"
      "    IS_NULLABLE, IS_GENERATED = 'NEVER' AS own,"
      "    CONCAT('`', REPLACE(COLUMN_NAME, '`', '``'), '`') AS q,"
      "    CASE WHEN DATA_TYPE IN ('float', 'double') THEN 'f'"
      "     WHEN DATA_TYPE IN ('bit', 'enum', 'set') THEN 'n'"
      "     WHEN DATA_TYPE IN ('uuid', 'inet6', 'inet4') THEN 'x'"
      "     ELSE '' END AS k FROM information_schema.COLUMNS"
      "    WHERE TABLE_SCHEMA = '%s') AS c) AS d GROUP BY TABLE_NAME) AS e"
      " ON e.TABLE_NAME = t.TABLE_NAME WHERE TABLE_SCHEMA = '%s' AND"
      " TABLE_TYPE IN ('BASE TABLE', 'SEQUENCE') ORDER BY t.TABLE_NAME;";

static struct err *
add_table (json_t *out, char *line)
{
  static const char *const keys[]
      = { "name",   "quoted", "kind", "digest", "select",
          "fields", "sets",   "key",  "bytes",  "stats" };
  json_t *one CLEANUP_JSON = json_object ();
  char *at = line;
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    const char *word = strsep (&at, "\t");
    if (word == NULL)
      return err_new (ERR_CORRUPT, "RH-MARIADB-ANSWER",
                      "the list of tables is cut short");
    json_object_set_new (one, keys[i], json_string (word));
  }
  json_array_append (out, one);
  return NULL;
}

/* From where to where the keys reach, on the host that is copied from; what
 * lies outside on the other one is one more part. */
static struct err *
add_cuts (struct port *p, json_t *tables)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  json_t *reach CLEANUP_JSON = NULL;
  size_t i, keyed = 0;
  json_t *one;
  json_array_foreach (tables, i, one)
  {
    const char *key = json_text (one, "key");
    keyed += *key != '\0';
    if (*key != '\0')
      TRY (buf_printf (&sql,
                       "SELECT %zu, CONCAT(MIN(%s), ' ', MAX(%s)) FROM"
                       " %s;\n",
                       i, key, key, json_text (one, "quoted")));
  }
  if (keyed == 0)
    return NULL;
  TRY (buf_put (&sql, "", 1));
  TRY (mariadb_rows (p, (const char *)sql.data, &reach));
  json_array_foreach (tables, i, one)
  {
    char number[24];
    int64_t min = -1, max = -1;
    snprintf (number, sizeof number, "%zu", i);
    const char *text = json_text (reach, number);
    if (sscanf (text, "%" SCNd64 " %" SCNd64, &min, &max) != 2
        || max == INT64_MAX) /* also where it is none, or more than that */
      continue;
    struct parts_cut c = parts_cut_of (min, max, PARTS_ALL / (int64_t)keyed);
    if (c.by)
      json_object_set_new (one, "cut",
                           json_pack ("{s:i, s:I, s:I}", "shift", c.shift,
                                      "low", (json_int_t)c.low, "high",
                                      (json_int_t)c.high));
  }
  return NULL;
}

struct parts_cut
mariadb_cut (const json_t *table)
{
  const json_t *cut = json_at (table, "cut");
  return (struct parts_cut){ .by = cut != NULL,
                             .shift
                             = (int)json_integer_value (json_at (cut, "shift")),
                             .low = json_integer_value (json_at (cut, "low")),
                             .high
                             = json_integer_value (json_at (cut, "high")) };
}

struct err *
mariadb_tables (struct port *p, const char *database, json_t **out)
{
  char *text CLEANUP_FREE = NULL;
  json_t *list CLEANUP_JSON = json_array ();
  TRY (mariadb_ask (p, tables_sql, database, &text));
  char *at = text;
  for (char *line; (line = strsep (&at, "\n")) != NULL;)
    if (*line != '\0')
      TRY (add_table (list, line));
  TRY (add_cuts (p, list));
  *out = STEAL (list);
  return NULL;
}

/* What a table's lines are grouped by: its number and, by a key, the part. */
static char *
group_of (const json_t *table, size_t index, bool by_part)
{
  struct parts_cut c = mariadb_cut (table);
  const char *key = json_text (table, "key");
  if (!by_part || !c.by)
    return mem_printf ("%zu", index);
  return mem_printf ("CONCAT('%zu:', IF(%s >> %d BETWEEN %" PRId64
                     " AND %" PRId64 ", %s >> %d, 'x'))",
                     index, key, c.shift, c.low, c.high, key, c.shift);
}

/* Each line begins with its group, which the digests are made by.  Results are
 * not converted: they are the bytes that are stored. */
static struct err *
script_of (const json_t *tables, bool by_part, char **out)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  TRY (buf_printf (&b, MARIADB_SNAPSHOT));
  json_array_foreach (tables, i, one)
  {
    char *group CLEANUP_FREE = group_of (one, i, by_part);
    const char *where = json_text (one, "where");
    TRY (buf_printf (&b, "SELECT %s, %s FROM %s%s%s;\n", group,
                     json_text (one, "digest"), json_text (one, "quoted"),
                     *where != '\0' ? " WHERE " : "", where));
  }
  TRY (buf_printf (&b, "COMMIT;\n"));
  *out = buf_steal_str (&b);
  return NULL;
}

static struct err *
read_sums (struct port *p, const char *database, const json_t *tables,
           bool by_part, struct mariadb_sums *out)
{
  char *script CLEANUP_FREE = NULL;
  json_t *got CLEANUP_JSON = NULL;
  TRY (script_of (tables, by_part, &script));
  char *input CLEANUP_FREE = text_base64 (script, strlen (script));
  json_t *argv = mariadb_argv (p, "mariadb",
                               ARGV ("--batch", "--skip-column-names",
                                     "--quick", "--skip-reconnect", database));
  TRY (port_call (p, "program.digest",
                  json_pack ("{s:o, s:s, s:b}", "argv", argv, "input", input,
                             "group", 1),
                  &got));
  out->tables = json_object ();
  out->parts = json_incref (json_at (got, "groups"));
  return parts_totals (tables, out->parts, out->tables);
}

struct err *
mariadb_digest (struct port *p, const char *database, const json_t *tables,
                json_t **out)
{
  struct mariadb_sums sums CLEANUP_SUMS = { 0 };
  TRY (read_sums (p, database, tables, false, &sums));
  *out = json_incref (sums.tables);
  return NULL;
}

struct reading {
  const json_t *tables;
  struct mariadb_sums *source, *target;
};

static struct err *
read_side (struct port *p, const char *database, bool is_source, void *ctx)
{
  const struct reading *r = ctx;
  return read_sums (p, database, r->tables, true,
                    is_source ? r->source : r->target);
}

struct err *
mariadb_digests (const struct step_call *call, const json_t *tables,
                 struct mariadb_sums *source, struct mariadb_sums *target)
{
  struct reading r = { tables, source, target };
  return mariadb_sides (call, read_side, &r);
}

void
mariadb_sums_clear (struct mariadb_sums *s)
{
  json_decref (s->tables);
  json_decref (s->parts);
  *s = (struct mariadb_sums){ NULL, NULL };
}
