/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What rows mean to each other (relations.h), as PostgreSQL's servers see it:
 * rounds copy with the checks of foreign keys off, so each key gets an
 * anti-join; and for each column of time the buckets that hold rows, and the
 * gaps between them.  The server composes the statements itself.
 */
#include "provider/postgresql.h"

#include "base/mem.h"

#include <string.h>

/* Tables of extensions are the target's own. */
#define OWN(table)                                         \
  " NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid =" \
  " 'pg_class'::regclass AND d.objid = " table ".oid AND d.deptype = 'e')"

/*
 * As the server's own look when a key is added (comparison by the key's
 * operators, in the collation of what is referred to): MATCH SIMPLE lets rows
 * pass with any NULL, MATCH FULL those with nothing but NULLs.  The key of a
 * partitioned table counts for all of its partitions, once.
 */
static const char keys_sql[]
    = "SELECT format('SELECT json_build_object(%L, count(*)::text) FROM %s c"
      " WHERE (%s) AND NOT EXISTS (SELECT FROM %s p WHERE %s)',"
      "  o.conrelid::regclass || '.' || quote_ident(o.conname),"
      "  CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END ||"
      "   o.conrelid::regclass, k.given, CASE r.relkind WHEN 'p' THEN '' ELSE"
      "   'ONLY ' END || o.confrelid::regclass, k.same) FROM pg_constraint o"
      " JOIN pg_class c ON c.oid = o.conrelid JOIN pg_class r ON r.oid ="
      "  o.confrelid CROSS JOIN LATERAL (SELECT string_agg(format('c.%I IS NOT"
      "  NULL', a.attname), CASE o.confmatchtype WHEN 'f' THEN ' OR ' ELSE"
      "  ' AND ' END) AS given, string_agg(format('p.%I OPERATOR(%I.%s) c.%I',"
      "  b.attname, n.nspname, f.oprname, a.attname) || CASE WHEN"
      "  b.attcollation <> a.attcollation AND b.attcollation <> 0 AND"
      "  a.attcollation <> 0 THEN ' COLLATE ' || b.attcollation::regcollation"
      "  ELSE '' END, ' AND ') AS same FROM unnest(o.conkey, o.confkey,"
      "  o.conpfeqop) AS u (child, parent, operator) JOIN pg_attribute a ON"
      "  a.attrelid = o.conrelid AND a.attnum = child JOIN pg_attribute b ON"
      "  b.attrelid = o.confrelid AND b.attnum = parent JOIN pg_operator f ON"
      "  f.oid = operator JOIN pg_namespace n ON n.oid = f.oprnamespace) AS k"
      " WHERE o.contype = 'f' AND o.conparentid = 0 AND" OWN ("c") " \\gexec\n";

/*
 * "ROWS BUCKETS FIRST LAST GAPS LONGEST": buckets with rows, gaps without.  A
 * bucket is an hour, of a date a day.  What is infinite is in none.
 */
static const char hours_sql[]
    = "SELECT format('SELECT json_build_object(%L, concat_ws('' '',"
      "  coalesce(sum(n), 0), count(*), coalesce(min(h)::text, ''-''),"
      "  coalesce(max(h)::text, ''-''), count(*) FILTER (WHERE gap > 0),"
      "  coalesce(max(gap), 0))) FROM (SELECT h, n, lead(s) OVER (ORDER BY s)"
      "  - s - 1 AS gap FROM (SELECT h, (extract(epoch FROM h) / %s)::int8 AS"
      "  s, count(*) AS n FROM (SELECT %s AS h FROM %s WHERE isfinite(%I)) AS"
      "  one GROUP BY h, s) AS hours) AS gaps',"
      "  c.oid::regclass || '.' || quote_ident(attname),"
      "  CASE base WHEN 1082 THEN 86400 ELSE 3600 END,"
      "  CASE base WHEN 1082 THEN format('%I::date', attname) ELSE"
      "   format('date_trunc(''hour'', %I)', attname) END,"
      "  CASE relkind WHEN 'p' THEN '' ELSE 'ONLY ' END || c.oid::regclass,"
      "  attname) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
      " JOIN (SELECT a.*, coalesce(nullif(typbasetype, 0), t.oid) AS base FROM"
      "  pg_attribute a JOIN pg_type t ON t.oid = atttypid) AS a ON attrelid ="
      "  c.oid WHERE relkind IN ('r', 'p') AND NOT relispartition AND"
      "  relpersistence <> 't' AND nspname NOT IN ('pg_catalog',"
      "  'information_schema') AND attnum > 0 AND NOT attisdropped AND base IN"
      "  (1082, 1114, 1184) AND" OWN (
          "c") " AND (relkind = 'r' OR NOT EXISTS"
               "  (SELECT FROM pg_partition_tree(c.oid) t JOIN pg_class l ON "
               "l.oid ="
               "  t.relid WHERE l.relkind = 'f')) \\gexec\n";

/* Between the two; no line of JSON is it. */
#define MARK "=#="

/* An object a line. */
static struct err *
take (char *said, json_t *keys, json_t *hours)
{
  json_t *out = keys;
  char *at = said;
  for (char *line; (line = strsep (&at, "\n")) != NULL;) {
    json_t *one CLEANUP_JSON = NULL;
    bool mark = strcmp (line, MARK) == 0;
    if (mark)
      out = hours;
    if (mark || *line == '\0')
      continue;
    TRY (err_wrap (json_parse (line, strlen (line), 4096, &one),
                   "what PostgreSQL said of relations"));
    json_object_update (out, one);
  }
  return NULL;
}

struct err *
postgresql_relations (struct port *p, const char *database, json_t **out)
{
  json_t *keys CLEANUP_JSON = json_object ();
  json_t *hours CLEANUP_JSON = json_object ();
  char *said CLEANUP_FREE = NULL;
  char *sql CLEANUP_FREE
      = mem_printf ("%sBEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;\n"
                    "%s\\echo " MARK "\n%sCOMMIT;\n",
                    postgresql_canonical_sql, keys_sql, hours_sql);
  TRY (postgresql_output (p, database, sql, &said));
  TRY (take (said, keys, hours));
  *out = json_pack ("{s:O, s:O}", "keys", keys, "hours", hours);
  return NULL;
}
