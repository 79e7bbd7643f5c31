/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a PostgreSQL database, and digests of what they hold. */
#include "provider/postgresql.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/remote.h"

#include <pthread.h>
#include <string.h>

/*
 * Tables and filled materialized views, large objects as one more table.
 * Columns that are computed are left out: the target computes them.  Tables
 * of extensions belong to the extension, but for those that it declares as
 * having data of users.
 */
static const char tables_sql[]
    = "SELECT coalesce(json_agg(json_build_object('name', name,"
      " 'kind', kind, 'columns', columns) ORDER BY name), '[]') FROM ("
      " SELECT format('%I.%I', n.nspname, c.relname) AS name,"
      "  c.relkind AS kind,"
      "  (SELECT coalesce(string_agg(quote_ident(attname), ', '"
      "    ORDER BY attname), '') FROM pg_attribute a WHERE"
      "    a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped"
      "    AND attgenerated = '') AS columns"
      " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
      " WHERE c.relkind IN ('r', 'm') AND (c.relkind <> 'm'"
      "   OR c.relispopulated) AND n.nspname NOT IN"
      "   ('pg_catalog', 'information_schema')"
      "  AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE"
      "   'pg\\_temp%' AND (NOT EXISTS (SELECT FROM pg_depend d"
      "   WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
      "   AND d.deptype = 'e') OR EXISTS (SELECT FROM pg_extension"
      "   WHERE c.oid = ANY (extconfig)))"
      " UNION ALL SELECT 'pg_catalog.pg_largeobject', 'L',"
      "  'loid, pageno, data' WHERE EXISTS (SELECT FROM"
      "  pg_largeobject_metadata)) AS t;";

/* Text that means the same everywhere, and loses nothing. */
#define CANONICAL                                                     \
  "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD';"                 \
  " SET IntervalStyle = 'postgres'; SET extra_float_digits = 3;"      \
  " SET bytea_output = 'hex'; SET lc_monetary = 'C'; SET xmloption =" \
  " 'content'; SET row_security = off; SET search_path = pg_catalog;" \
  " SET statement_timeout = 0; SET lock_timeout = 0;"                 \
  " SET idle_in_transaction_session_timeout = 0;\n"

struct err *
postgresql_tables (struct port *p, const char *database, json_t **out)
{
  return postgresql_json (p, database, tables_sql, out);
}

static const char *
text_of (const json_t *o, const char *key)
{
  const char *v = json_string_value (json_at (o, key));
  return v == NULL ? "" : v;
}

/* One script for all tables; each line begins with the table's number, which
 * the digests are grouped by, and one column more: a table may have none. */
static struct err *
script_of (const json_t *tables, char **out)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  TRY (buf_printf (&b, CANONICAL
                   "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;\n"));
  json_array_foreach (tables, i, one)
  {
    const char *columns = text_of (one, "columns");
    bool only = strcmp (text_of (one, "kind"), "r") == 0;
    TRY (buf_printf (&b, "COPY (SELECT %zu, 0%s%s FROM %s%s) TO STDOUT;\n", i,
                     columns[0] != '\0' ? ", " : "", columns,
                     only ? "ONLY " : "", text_of (one, "name")));
  }
  TRY (buf_printf (&b, "COMMIT;\n"));
  *out = buf_steal_str (&b);
  return NULL;
}

/* One side's part of postgresql_digests, in a thread of its own. */
struct digesting {
  struct port *port;
  const char *database;
  const json_t *tables;
  json_t *out;
  struct err *failed;
};

static struct err *
digest_side (struct digesting *d)
{
  char *script CLEANUP_FREE = NULL;
  json_t *got CLEANUP_JSON = NULL;
  TRY (script_of (d->tables, &script));
  char *input CLEANUP_FREE = text_base64 (script, strlen (script));
  json_t *argv = postgresql_argv ("psql", ARGV ("-X", "-q", "-A", "-t", "-v",
                                                "ON_ERROR_STOP=1", "-d",
                                                d->database, "-f", "-"));
  TRY (port_call (d->port, "program.digest",
                  json_pack ("{s:o, s:s, s:b}", "argv", argv, "input", input,
                             "group", 1),
                  &got));
  d->out = json_object ();
  size_t i;
  json_t *one;
  json_array_foreach (d->tables, i, one)
  {
    char key[24];
    snprintf (key, sizeof key, "%zu", i);
    json_t *sum = json_object_get (json_at (got, "groups"), key);
    json_object_set_new (d->out, text_of (one, "name"),
                         sum != NULL ? json_incref (sum) : json_string ("0"));
  }
  return NULL;
}

static void *
digest_thread (void *arg)
{
  struct digesting *d = arg;
  d->failed = digest_side (d);
  return NULL;
}

struct err *
postgresql_digest (struct port *p, const char *database, const json_t *tables,
                   json_t **out)
{
  struct digesting d = { p, database, tables, NULL, NULL };
  struct err *e = digest_side (&d);
  *out = d.out;
  return e;
}

struct err *
postgresql_digests (const struct step_call *call, const json_t *tables,
                    json_t **source, json_t **target)
{
  const char *db = postgresql_database (call);
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

struct err *
postgresql_sequences (struct port *p, const char *database, json_t **out)
{
  char *query CLEANUP_FREE = NULL;
  /* The state stands in each sequence itself: the server composes the
   * statement that reads them all. */
  TRY (postgresql_run (
      p, database,
      "SELECT 'SELECT coalesce(json_object_agg(n, v), ''{}'') FROM ('"
      " || coalesce(string_agg(format('SELECT %L AS n, last_value || '' '' ||"
      " is_called AS v FROM %I.%I', format('%I.%I', n.nspname, c.relname),"
      " n.nspname, c.relname), ' UNION ALL '),"
      " 'SELECT NULL::text AS n, NULL::text AS v WHERE false') || ') AS t;'"
      " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
      " WHERE c.relkind = 'S' AND n.nspname NOT LIKE 'pg\\_temp%';",
      &query));
  return postgresql_json (p, database, query, out);
}
