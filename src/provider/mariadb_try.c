/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks of the proof at single records of a MariaDB database: samples side by
 * side (samples.h), and writes that are rolled back (writes.h).
 */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "provider/remote.h"
#include "provider/samples.h"
#include "provider/writes.h"

#include <inttypes.h>

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
try_one (struct buf *sql, size_t i, const json_t *table)
{
  const char *key = json_text (table, "key");
  const char *quoted = json_text (table, "quoted");
  const char *columns = json_text (table, "own");
  if (*key == '\0' || *columns == '\0')
    return NULL;
  return buf_printf (
      sql,
      "SET @k = NULL; SELECT MIN(%s) INTO @k FROM %s;\n"
      "UPDATE %s SET %s = @k - 1 WHERE %s = @k AND @k >= 1;\n"
      "SELECT CONCAT_WS(' ', %zu, ROW_COUNT(), IFNULL(@k >= 1, 0));\n"
      "REPLACE INTO %s (%s) SELECT %s FROM %s WHERE %s = @k - 1 AND @k >= 1;\n"
      "SELECT CONCAT_WS(' ', %zu, ROW_COUNT(), IFNULL(@k >= 1, 0));\n",
      key, quoted, quoted, key, key, i, quoted, columns, columns, quoted, key,
      i);
}

static struct err *
try_run (const struct step_call *call, const char *sql, char **out)
{
  return mariadb_run (call->target, sql, out);
}

struct err *
mariadb_try_writes (const struct step_call *call, json_t *tables,
                    json_t *differences, json_t **tried)
{
  static const struct writes_engine engine = { .one = try_one,
                                               .begin = "START TRANSACTION;\n",
                                               .end = "ROLLBACK;\n",
                                               .run = try_run };
  const char *db = mariadb_database (call);
  json_t *columns CLEANUP_JSON = NULL;
  json_t *list CLEANUP_JSON = json_array ();
  size_t i;
  json_t *one;
  TRY (mariadb_pairs (call->target, columns_sql, db, &columns));
  json_array_foreach (tables, i, one)
  {
    json_object_set_new (
        one, "own", json_string (json_text (columns, json_text (one, "name"))));
  }
  TRY (err_wrap (writes_try (call, &engine, tables, list, differences, NULL),
                 "trying a change and a new row in database %s, rolled back",
                 db));
  *tried = json_incref (list);
  return NULL;
}
