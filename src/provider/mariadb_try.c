/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks of the proof at single records of a MariaDB database: samples side by
 * side, and whether the copy takes a change and a new row, in a transaction
 * that is rolled back.  Before the freeze, when nobody waits; what it left
 * would be found by the next round, which compares the copy with its record.
 */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "provider/remote.h"
#include "provider/samples.h"
#include "provider/steps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Samples ---- */

static struct err *
sample_reach (struct buf *sql, size_t index, const json_t *table)
{
  const char *key = json_text (table, "key");
  return buf_printf (sql, "SELECT %zu, MIN(%s), MAX(%s) FROM %s;\n", index, key,
                     key, json_text (table, "quoted"));
}

static struct err *
sample_record (struct buf *sql, size_t index, const json_t *table, int64_t from)
{
  const char *key = json_text (table, "key");
  return buf_printf (sql,
                     "SELECT %zu, %s, t.* FROM %s t WHERE %s >= %" PRId64
                     " ORDER BY %s LIMIT 1;\n",
                     index, key, json_text (table, "quoted"), key, from, key);
}

static struct err *
sample_run (const struct step_call *call, struct port *p, const char *sql,
            char **out)
{
  (void)call;
  char *script CLEANUP_FREE
      = mem_printf ("SET character_set_results = NULL;\n%s", sql);
  return mariadb_run (p, script, out);
}

struct err *
mariadb_samples (const struct step_call *call, const json_t *tables,
                 json_t *differences, json_t **out)
{
  static const struct samples_engine engine
      = { sample_reach, sample_record, sample_run };
  return samples_compare (call, &engine, tables, differences, out);
}

/* ---- Writes that are rolled back ---- */

/* Tables that can be tried: their own columns.  What a trigger does need not
 * be undone by a rollback, and nothing is where there are no transactions. */
static const char columns_sql[]
    = "SELECT c.TABLE_NAME, GROUP_CONCAT(CONCAT('`', REPLACE(COLUMN_NAME, '`',"
      "  '``'), '`') ORDER BY ORDINAL_POSITION SEPARATOR ', ') FROM"
      "  information_schema.COLUMNS c JOIN information_schema.TABLES t USING"
      "  (TABLE_SCHEMA, TABLE_NAME) WHERE TABLE_SCHEMA = '%s' AND TABLE_TYPE ="
      "  'BASE TABLE' AND ENGINE = 'InnoDB' AND IS_GENERATED = 'NEVER' AND"
      "  c.TABLE_NAME NOT IN (SELECT EVENT_OBJECT_TABLE FROM"
      "   information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '%s') GROUP BY"
      "  c.TABLE_NAME;";

/* The record of the least key gets one below, so that no counter moves, and is
 * put in anew. */
static struct err *
try_one (struct buf *sql, size_t i, const json_t *table, const char *columns)
{
  const char *key = json_text (table, "key");
  const char *quoted = json_text (table, "quoted");
  return buf_printf (
      sql,
      "SET @k = NULL; SELECT MIN(%s) INTO @k FROM %s;\n"
      "UPDATE %s SET %s = @k - 1 WHERE %s = @k AND @k >= 1;\n"
      "SELECT %zu, ROW_COUNT(), IFNULL(@k >= 1, 0);\n"
      "REPLACE INTO %s (%s) SELECT %s FROM %s WHERE %s = @k - 1 AND @k >= 1;\n"
      "SELECT %zu, ROW_COUNT(), IFNULL(@k >= 1, 0);\n",
      key, quoted, quoted, key, key, i, quoted, columns, columns, quoted, key,
      i);
}

static struct err *
compose (const json_t *tables, const json_t *columns, char **out)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  TRY (buf_printf (&sql, "START TRANSACTION;\n"));
  json_array_foreach ((json_t *)(uintptr_t)tables, i, one)
  {
    const char *own = json_text (columns, json_text (one, "name"));
    if (*json_text (one, "key") != '\0' && *own != '\0')
      TRY (try_one (&sql, i, one, own));
  }
  TRY (buf_printf (&sql, "ROLLBACK;\n"));
  *out = buf_steal_str (&sql);
  return NULL;
}

/* "INDEX, rows changed, a row could be": a line for each statement. */
static void
judge (const json_t *tables, char *said, json_t *tried, json_t *differences)
{
  char *at = said;
  for (char *line; (line = strsep (&at, "\n")) != NULL;) {
    unsigned index, could;
    long rows;
    if (sscanf (line, "%u %ld %u", &index, &rows, &could) != 3 || could == 0)
      continue;
    const char *name = json_text (json_array_get (tables, index), "name");
    words_add (tried, name);
    if (rows < 1)
      json_array_append_new (differences,
                             json_sprintf ("table %s takes no change", name));
  }
}

struct err *
mariadb_try_writes (const struct step_call *call, const json_t *tables,
                    json_t *differences, json_t **tried)
{
  const char *db = mariadb_database (call);
  json_t *columns CLEANUP_JSON = NULL;
  json_t *list CLEANUP_JSON = json_array ();
  char *sql CLEANUP_FREE = NULL;
  char *said CLEANUP_FREE = NULL;
  TRY (mariadb_pairs (call->target, columns_sql, db, &columns));
  TRY (compose (tables, columns, &sql));
  TRY (err_wrap (mariadb_run (call->target, sql, &said),
                 "trying a change and a new row in database %s, rolled back",
                 db));
  judge (tables, said, list, differences);
  *tried = json_incref (list);
  return NULL;
}
