/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Collations whose library sorts otherwise on the target.  What is copied row
 * by row is sorted there by the target's own library; the versions that the
 * copy's catalogs have recorded are made those of that library, and a proof
 * finds one that is not: then an index may have been built by another one.
 * PostgreSQL's manual, ALTER COLLATION.
 */
#include "provider/postgresql.h"

#include "base/mem.h"

#include <string.h>

/* "default" is the database's.  A version of its own is told by servers from
 * 15 on; of one that does not, that of a collation of the same name counts. */
#define ACTUAL                                                               \
  "coalesce(CASE WHEN current_setting('server_version_num')::int >= 150000"  \
  " THEN (xpath('/row/v/text()', query_to_xml('SELECT"                       \
  " pg_database_collation_actual_version(oid) AS v FROM pg_database WHERE"   \
  " datname = current_database()', false, true, '')))[1]::text END, (SELECT" \
  " max(pg_collation_actual_version(c.oid)) FROM pg_collation c WHERE"       \
  " collprovider = 'c' AND collcollate = datcollate))"

/* Those in use, as {"versions": {NAME: {"recorded", "actual"}}, "ranges":
 * [{"table", "collation"}]}: tables that are partitioned by ranges of text. */
const char postgresql_collations_sql[]
    = "SET search_path = pg_catalog;"
      " WITH used AS (SELECT attcollation AS id FROM pg_attribute a JOIN"
      " pg_class r ON r.oid = attrelid WHERE relnamespace NOT IN (SELECT oid"
      " FROM pg_namespace WHERE nspname IN ('pg_catalog',"
      " 'information_schema', 'pg_toast')) UNION SELECT unnest(indcollation)"
      " FROM pg_index WHERE indexrelid >= 16384)"
      " SELECT json_build_object('versions', (SELECT"
      " coalesce(json_object_agg(name, json_build_object('recorded', recorded,"
      " 'actual', actual)), '{}') FROM (SELECT 'default' AS name, to_jsonb(d)"
      " ->> 'datcollversion' AS recorded, " ACTUAL " AS actual FROM pg_database"
      " d WHERE datname = current_database() UNION ALL SELECT"
      " format('%I.%I', nspname, collname), collversion,"
      " pg_collation_actual_version(c.oid) FROM pg_collation c JOIN"
      " pg_namespace n ON n.oid = collnamespace WHERE c.oid IN (SELECT id FROM"
      " used) AND collprovider <> 'd') AS v WHERE recorded IS NOT NULL OR"
      " actual IS NOT NULL), 'ranges', (SELECT"
      " coalesce(json_agg(json_build_object('table', format('%I.%I',"
      " n.nspname, r.relname), 'collation', CASE WHEN c.collprovider = 'd' THEN"
      " 'default' ELSE format('%I.%I', m.nspname, collname) END)), '[]') FROM"
      " pg_partitioned_table p JOIN pg_class r ON r.oid = partrelid JOIN"
      " pg_namespace n ON n.oid = r.relnamespace JOIN pg_collation c ON c.oid ="
      " ANY (partcollation::oid[]) JOIN pg_namespace m ON m.oid ="
      " collnamespace WHERE partstrat = 'r'));";

const char postgresql_collations_refresh_sql[]
    = "SELECT format('ALTER COLLATION %I.%I REFRESH VERSION', nspname,"
      " collname) FROM pg_collation c JOIN pg_namespace n ON n.oid ="
      " collnamespace WHERE collversion IS DISTINCT FROM"
      " pg_collation_actual_version(c.oid) AND collversion IS NOT NULL"
      " \\gexec\n"
      "SELECT format('ALTER DATABASE %I REFRESH COLLATION VERSION', datname)"
      " FROM pg_database d WHERE datname = current_database() AND"
      " to_jsonb(d) ->> 'datcollversion' IS NOT NULL \\gexec\n";

static void
compare_one (const char *name, const json_t *source, const json_t *target,
             json_t *findings, json_t *differences)
{
  const char *recorded = json_string_value (json_at (target, "recorded"));
  const char *actual = json_string_value (json_at (target, "actual"));
  const char *was = json_string_value (json_at (source, "actual"));
  if (recorded != NULL && (actual == NULL || strcmp (recorded, actual) != 0))
    json_array_append_new (
        differences,
        json_sprintf ("collation %s: what is sorted by it on the target was "
                      "by version %s, and its library is %s now: REINDEX",
                      name, recorded, actual == NULL ? "another" : actual));
  if (was != NULL && actual != NULL && strcmp (was, actual) != 0)
    json_array_append_new (
        findings,
        json_sprintf ("collation %s is version %s on the source and %s on the "
                      "target, which has built the indexes over it",
                      name, was, actual));
}

/* Whether the two libraries are known to sort the same. */
static bool
is_same (const json_t *source, const json_t *target)
{
  const json_t *a = json_at (source, "actual"), *b = json_at (target, "actual");
  return json_equal (a, b);
}

void
postgresql_collations_compare (const json_t *source, const json_t *target,
                               json_t *findings, json_t *differences)
{
  const json_t *here = json_at (source, "versions");
  const json_t *there = json_at (target, "versions");
  const char *name;
  size_t i;
  json_t *one;
  json_object_foreach ((json_t *)(uintptr_t)there, name, one)
  {
    compare_one (name, json_object_get (here, name), one, findings,
                 differences);
  }
  json_array_foreach (json_at (source, "ranges"), i, one)
  {
    const char *by = json_text (one, "collation");
    if (!is_same (json_object_get (here, by), json_object_get (there, by)))
      json_array_append_new (
          findings,
          json_sprintf ("table %s is partitioned by ranges of text in the "
                        "collation %s, which is of another version on the "
                        "target: each row lies where that version says",
                        json_text (one, "table"), by));
  }
}
