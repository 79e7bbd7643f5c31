/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a PostgreSQL database, and digests of what they hold. */
#include "provider/postgresql.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/beside.h"
#include "provider/parts.h"
#include "provider/remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHIFT_MIN 10
#define SHIFT_MAX 62
#define PARTS_ALL 12000

/*
 * Tables and filled materialized views, large objects as one more table.
 * Columns that are computed are left out: the target computes them.  Tables
 * of extensions belong to the extension, but for those that it declares as
 * having data of users.  `key` is a primary key of one integer column, `span`
 * how far it reaches.
 */
const char postgresql_tables_sql[]
    = "SELECT coalesce(json_agg(json_build_object('name', name,"
      " 'kind', kind, 'columns', columns, 'key', key, 'bytes', bytes, 'span', "
      "CASE WHEN key IS"
      " NOT NULL THEN (xpath('/row/span/text()', query_to_xml(format('SELECT"
      " max(%s)::numeric - min(%s) AS span FROM ONLY %s', key, key, name),"
      " false, true, '')))[1]::text END) ORDER BY name), '[]') FROM ("
      " SELECT format('%I.%I', n.nspname, c.relname) AS name,"
      "  c.relkind AS kind, pg_table_size(c.oid) AS bytes,"
      "  (SELECT coalesce(string_agg(quote_ident(attname), ', '"
      "    ORDER BY attname), '') FROM pg_attribute a WHERE"
      "    a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped"
      "    AND attgenerated = '') AS columns,"
      "  (SELECT quote_ident(attname) FROM pg_index i JOIN pg_attribute a"
      "    ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE"
      "    i.indrelid = c.oid AND indisprimary AND indisvalid AND indnkeyatts"
      "    = 1 AND atttypid IN (20, 21, 23)) AS key"
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
      "  0, 'loid, pageno, data', NULL WHERE EXISTS (SELECT FROM"
      "  pg_largeobject_metadata)) AS t;";

const char postgresql_canonical_sql[] = POSTGRESQL_CANONICAL;

/* A table with a key is read in parts of 2^shift values of it, so many that
 * the parts of all tables are below what program.digest takes. */
void
postgresql_shifts (json_t *tables)
{
  size_t i, keyed = 0;
  json_t *one;
  json_array_foreach (tables, i, one)
  {
    keyed += json_is_string (json_at (one, "key"));
  }
  json_array_foreach (tables, i, one)
  {
    uint64_t span = strtoull (json_text (one, "span"), NULL, 10);
    int shift = SHIFT_MIN;
    while (shift < SHIFT_MAX && (span >> shift) >= PARTS_ALL / (keyed + 1))
      shift++;
    if (json_is_string (json_at (one, "key")))
      json_object_set_new (one, "shift", json_integer (shift));
  }
}

struct err *
postgresql_tables (struct port *p, const char *database, json_t **out)
{
  TRY (postgresql_json (p, database, postgresql_tables_sql, out));
  postgresql_shifts (*out);
  return NULL;
}

int
postgresql_shift (const json_t *table)
{
  return (int)json_integer_value (json_at (table, "shift"));
}

/* One script for all tables; each line begins with the table's number, and
 * behind a colon that of the part where it has some, by which the digests are
 * grouped. */
static struct err *
script_of (const json_t *tables, bool parts, char **out)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  TRY (buf_printf (&b, POSTGRESQL_CANONICAL
                   "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;\n"));
  json_array_foreach (tables, i, one)
  {
    const char *columns = json_text (one, "columns");
    bool only = strcmp (json_text (one, "kind"), "r") == 0;
    char *group CLEANUP_FREE
        = parts && json_is_string (json_at (one, "key"))
              ? mem_printf (" || ':' || (%s::int8 >> %d)",
                            json_text (one, "key"), postgresql_shift (one))
              : mem_strdup ("");
    TRY (buf_printf (&b, "COPY (SELECT '%zu'%s, %s FROM %s%s) TO STDOUT;\n", i,
                     group, columns[0] != '\0' ? columns : "0",
                     only ? "ONLY " : "", json_text (one, "name")));
  }
  TRY (buf_printf (&b, "COMMIT;\n"));
  *out = buf_steal_str (&b);
  return NULL;
}

/* One side's part of postgresql_digests. */
struct digesting {
  struct port *port;
  const char *database;
  const json_t *tables;
  bool by_part;
  json_t *out;
  json_t *parts; /* {"INDEX:PART": "ROWS SUM"}, where it is by part */
};

static struct err *
digest_side (struct digesting *d)
{
  char *script CLEANUP_FREE = NULL;
  json_t *got CLEANUP_JSON = NULL;
  TRY (script_of (d->tables, d->by_part, &script));
  char *input CLEANUP_FREE = text_base64 (script, strlen (script));
  json_t *argv = postgresql_argv ("psql", ARGV ("-X", "-q", "-A", "-t", "-v",
                                                "ON_ERROR_STOP=1", "-d",
                                                d->database, "-f", "-"));
  TRY (port_call (d->port, "program.digest",
                  json_pack ("{s:o, s:s, s:b}", "argv", argv, "input", input,
                             "group", 1),
                  &got));
  d->out = json_object ();
  d->parts = json_incref (json_at (got, "groups"));
  return parts_totals (d->tables, d->parts, d->out);
}

static struct err *
digest_beside (void *ctx)
{
  return digest_side (ctx);
}

struct err *
postgresql_digest (struct port *p, const char *database, const json_t *tables,
                   json_t **out)
{
  struct digesting d = { .port = p, .database = database, .tables = tables };
  struct err *e = digest_side (&d);
  json_decref (d.parts);
  *out = d.out;
  return e;
}

struct err *
postgresql_digests (const struct step_call *call, const json_t *tables,
                    struct postgresql_read *source,
                    struct postgresql_read *target)
{
  const char *db = postgresql_database (call);
  struct digesting a = {
    .port = call->source, .database = db, .tables = tables, .by_part = true
  };
  struct digesting b = a;
  b.port = call->target;
  const struct beside both[] = { { digest_beside, &a }, { digest_beside, &b } };
  struct err *e = beside_run (call, both, 2, 2);
  *source = (struct postgresql_read){ a.out, a.parts };
  *target = (struct postgresql_read){ b.out, b.parts };
  return e;
}

void
postgresql_read_clear (struct postgresql_read *r)
{
  json_decref (r->tables);
  json_decref (r->parts);
  *r = (struct postgresql_read){ NULL, NULL };
}

/* What is published under our own names. */
const char postgresql_published_sql[]
    = "SELECT coalesce(json_agg(format('%I.%I', schemaname, tablename)), '[]')"
      " FROM pg_publication_tables WHERE pubname LIKE 'rehome\\_%';";

/* The state stands in each sequence itself: the server composes the statement
 * that reads them all. */
const char postgresql_sequences_sql[]
    = "SELECT 'SELECT coalesce(json_object_agg(n, v), ''{}'') FROM ('"
      " || coalesce(string_agg(format('SELECT %L AS n, last_value || '' '' ||"
      " is_called AS v FROM %I.%I', format('%I.%I', n.nspname, c.relname),"
      " n.nspname, c.relname), ' UNION ALL '),"
      " 'SELECT NULL::text AS n, NULL::text AS v WHERE false') || ') AS t'"
      " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
      " WHERE c.relkind = 'S' AND n.nspname NOT LIKE 'pg\\_temp%' \\gexec";

struct err *
postgresql_sequences (struct port *p, const char *database, json_t **out)
{
  return postgresql_json (p, database, postgresql_sequences_sql, out);
}
