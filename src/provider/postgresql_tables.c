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
 * how far it reaches.  `binary`: all columns are of types whose binary form is
 * the same in every version and loses nothing: bool bytea char name int8 int2
 * int4 text oid json float4 float8 cidr macaddr inet bpchar varchar date time
 * timestamp timestamptz interval timetz bit varbit numeric uuid jsonb, by OID.
 */
const char postgresql_tables_sql[]
    = "SELECT coalesce(json_agg(json_build_object('name', name,"
      " 'kind', kind, 'columns', columns, 'key', key, 'bytes', bytes, 'binary',"
      " fixed AND columns <> '', 'span', "
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
      "  NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid"
      "    AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND"
      "    atttypid NOT IN (16, 17, 18, 19, 20, 21, 23, 25, 26, 114, 650, 700,"
      "    701, 829, 869, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1266, 1560,"
      "    1562, 1700, 2950, 3802)) AS fixed,"
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
      "  0, 'loid, pageno, data', false, NULL WHERE EXISTS (SELECT FROM"
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

bool
postgresql_is_binary (const json_t *table)
{
  return json_is_true (json_at (table, "binary"));
}

static bool
is_parted (const json_t *table, bool parts)
{
  return parts && json_is_string (json_at (table, "key"));
}

/* Each line begins with the table's number, and behind a colon that of the part
 * where it has some, by which the digests are grouped. */
static struct err *
put_lines (struct buf *b, size_t i, const json_t *one, bool parts)
{
  const char *columns = json_text (one, "columns");
  bool only = strcmp (json_text (one, "kind"), "r") == 0;
  char *group CLEANUP_FREE
      = is_parted (one, parts)
            ? mem_printf (" || ':' || (%s::int8 >> %d)", json_text (one, "key"),
                          postgresql_shift (one))
            : mem_strdup ("");
  return buf_printf (b, "COPY (SELECT '%zu'%s, %s FROM %s%s) TO STDOUT;\n", i,
                     group, columns[0] != '\0' ? columns : "0",
                     only ? "ONLY " : "", json_text (one, "name"));
}

/* A stream of its own, whose first field is the part where it has some. */
static struct err *
put_tuples (struct buf *b, size_t i, const json_t *one, bool parts,
            json_t *streams)
{
  bool parted = is_parted (one, parts);
  char *part CLEANUP_FREE
      = parted ? mem_printf ("(%s::int8 >> %d), ", json_text (one, "key"),
                             postgresql_shift (one))
               : mem_strdup ("");
  bool only = strcmp (json_text (one, "kind"), "r") == 0;
  json_array_append_new (streams, json_sprintf ("%zu%s", i, parted ? ":" : ""));
  return buf_printf (b,
                     "COPY (SELECT %s%s FROM %s%s) TO STDOUT (FORMAT"
                     " binary);\n",
                     part, json_text (one, "columns"), only ? "ONLY " : "",
                     json_text (one, "name"));
}

/* One script for all tables of one of the two forms; NULL: there is none. */
static struct err *
script_of (const json_t *tables, bool parts, bool binary, json_t *streams,
           char **out)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  size_t i, n = 0;
  json_t *one;
  TRY (buf_printf (&b, POSTGRESQL_CANONICAL
                   "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;\n"));
  json_array_foreach (tables, i, one)
  {
    if (postgresql_is_binary (one) != binary)
      continue;
    n++;
    TRY (binary ? put_tuples (&b, i, one, parts, streams)
                : put_lines (&b, i, one, parts));
  }
  TRY (buf_printf (&b, "COMMIT;\n"));
  *out = n == 0 ? NULL : buf_steal_str (&b);
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

/* Those of one form, added to `groups`. */
static struct err *
digest_form (const struct digesting *d, bool binary, json_t *groups)
{
  char *script CLEANUP_FREE = NULL;
  json_t *got CLEANUP_JSON = NULL;
  json_t *streams CLEANUP_JSON = json_array ();
  TRY (script_of (d->tables, d->by_part, binary, streams, &script));
  if (script == NULL)
    return NULL;
  char *input CLEANUP_FREE = text_base64 (script, strlen (script));
  json_t *argv = postgresql_bulk_argv (
      d->port, ARGV ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d",
                     d->database, "-f", "-"));
  TRY (port_call (d->port, "program.digest",
                  json_pack ("{s:o, s:s, s:b, s:O*}", "argv", argv, "input",
                             input, "group", !binary, "streams",
                             binary ? streams : NULL),
                  &got));
  json_object_update (groups, json_at (got, "groups"));
  return NULL;
}

static struct err *
digest_side (struct digesting *d)
{
  d->out = json_object ();
  d->parts = json_object ();
  TRY (digest_form (d, true, d->parts));
  TRY (digest_form (d, false, d->parts));
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
