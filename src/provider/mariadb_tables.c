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

#include <pthread.h>
#include <string.h>

static const char tables_sql[]
    = "SELECT t.TABLE_NAME, CONCAT('`%s`.`', REPLACE(t.TABLE_NAME, '`', '``'),"
      "  '`'), IF(TABLE_TYPE = 'SEQUENCE', 'S', 'T'), IF(TABLE_TYPE ="
      "  'SEQUENCE', 'next_not_cached_value, minimum_value, maximum_value,"
      "  start_value, increment, cache_size, cycle_option, cycle_count', sel),"
      "  IFNULL(plain, ''), IFNULL(fields, ''), IFNULL(sets, '')"
      " FROM information_schema.TABLES t LEFT JOIN"
      " (SELECT TABLE_NAME,"
      "  GROUP_CONCAT(CONCAT(flag, expr) ORDER BY ORDINAL_POSITION SEPARATOR"
      "   ', ') AS sel,"
      "  GROUP_CONCAT(IF(own, CONCAT(flag, expr), NULL) ORDER BY"
      "   ORDINAL_POSITION SEPARATOR ', ') AS plain,"
      "  GROUP_CONCAT(IF(own, CONCAT(IF(flag = '', '', CONCAT('@n', n, ', ')),"
      "   '@c', n), NULL) ORDER BY n SEPARATOR ', ') AS fields,"
      "  GROUP_CONCAT(IF(own, CONCAT(q, ' = ', IF(flag = '', val,"
      "   CONCAT('IF(@n', n, ', NULL, ', val, ')'))), NULL) ORDER BY n"
      "   SEPARATOR ', ') AS sets"
      "  FROM (SELECT c.*, IF(IS_NULLABLE = 'YES', CONCAT('ISNULL(', q,"
      "    '), '), '') AS flag,"
      "   CASE k WHEN 'f' THEN CONCAT('CAST(', q, ' AS DOUBLE)')"
      "    WHEN 'n' THEN CONCAT('CAST(', q, ' AS UNSIGNED)') WHEN 'x' THEN"
      "    CONCAT('CAST(', q, ' AS CHAR CHARACTER SET latin1)') ELSE q END AS"
      "    expr,"
      "   CASE k WHEN 'n' THEN CONCAT('CAST(@c', n, ' AS UNSIGNED)') WHEN 'x'"
      "    THEN CONCAT('CONVERT(@c', n, ' USING latin1)') ELSE"
      "    CONCAT('@c', n) END AS val"
      "   FROM (SELECT TABLE_NAME, ORDINAL_POSITION, ORDINAL_POSITION AS n,"
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
      = { "name", "quoted", "kind", "digest", "select", "fields", "sets" };
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
  *out = STEAL (list);
  return NULL;
}

/* Each line begins with the table's number, which the digests are grouped by.
 * Results are not converted: they are the bytes that are stored. */
static struct err *
script_of (const json_t *tables, char **out)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  TRY (buf_printf (&b, MARIADB_SESSION
                   "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ;\n"
                   "START TRANSACTION WITH CONSISTENT SNAPSHOT;\n"
                   "SET character_set_results = NULL;\n"));
  json_array_foreach (tables, i, one)
  {
    TRY (buf_printf (&b, "SELECT %zu, %s FROM %s;\n", i,
                     mariadb_text (one, "digest"),
                     mariadb_text (one, "quoted")));
  }
  TRY (buf_printf (&b, "COMMIT;\n"));
  *out = buf_steal_str (&b);
  return NULL;
}

struct err *
mariadb_digest (struct port *p, const char *database, const json_t *tables,
                json_t **out)
{
  char *script CLEANUP_FREE = NULL;
  json_t *got CLEANUP_JSON = NULL;
  size_t i;
  json_t *one;
  TRY (script_of (tables, &script));
  char *input CLEANUP_FREE = text_base64 (script, strlen (script));
  json_t *argv = mariadb_argv ("mariadb",
                               ARGV ("--batch", "--skip-column-names",
                                     "--quick", "--skip-reconnect", database));
  TRY (port_call (p, "program.digest",
                  json_pack ("{s:o, s:s, s:b}", "argv", argv, "input", input,
                             "group", 1),
                  &got));
  *out = json_object ();
  json_array_foreach (tables, i, one)
  {
    char key[24];
    snprintf (key, sizeof key, "%zu", i);
    json_t *sum = json_object_get (json_at (got, "groups"), key);
    json_object_set_new (*out, mariadb_text (one, "name"),
                         sum != NULL ? json_incref (sum) : json_string ("0"));
  }
  return NULL;
}

/* One side's part of mariadb_digests, in a thread of its own. */
struct digesting {
  struct port *port;
  const char *database;
  const json_t *tables;
  json_t *out;
  struct err *failed;
};

static void *
digest_thread (void *arg)
{
  struct digesting *d = arg;
  d->failed = mariadb_digest (d->port, d->database, d->tables, &d->out);
  return NULL;
}

struct err *
mariadb_digests (const struct step_call *call, const json_t *tables,
                 json_t **source, json_t **target)
{
  const char *db = mariadb_database (call);
  struct digesting a = { call->source, db, tables, NULL, NULL };
  struct digesting b = { call->target, db, tables, NULL, NULL };
  pthread_t other;
  bool apart = pthread_create (&other, NULL, digest_thread, &a) == 0;
  if (!apart)
    digest_thread (&a);
  digest_thread (&b);
  if (apart)
    pthread_join (other, NULL);
  *source = a.out;
  *target = b.out;
  if (a.failed != NULL)
    err_free (b.failed);
  return a.failed != NULL ? a.failed : b.failed;
}
