/* SPDX-License-Identifier: Apache-2.0 */
/* The proof of a PostgreSQL database: the digest of each table on both sides,
 * sequences, relations, a census of all objects with their definitions and
 * rights, and roles; and writes that the copy takes and gives up. */
#include "provider/postgresql.h"

#include "base/mem.h"
#include "provider/beside.h"
#include "provider/queries.h"
#include "provider/relations.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <stdlib.h>
#include <string.h>

/*
 * What there is, as {"KIND NAME": definition}.  Definitions of views are
 * spelt differently by different versions, so of them the columns count; the
 * owner's own rights and MAINTAIN, which versions imply differently, are left
 * out.
 */
const char postgresql_census_sql[]
    = "SET search_path = pg_catalog;"
      /* Compiling it takes seconds, running it milliseconds. */
      "DO $rehome$ BEGIN PERFORM set_config('jit', 'off', false); EXCEPTION"
      " WHEN undefined_object THEN NULL; END $rehome$;"
      "WITH n AS (SELECT oid, nspname, nspowner, nspacl FROM pg_namespace"
      "  WHERE nspname NOT IN ('pg_catalog', 'information_schema')"
      "  AND nspname NOT LIKE 'pg\\_toast%' AND nspname NOT LIKE"
      "  'pg\\_temp%'),"
      " c AS (SELECT c.*, format('%I.%I', nspname, relname) AS name"
      "  FROM pg_class c JOIN n ON n.oid = relnamespace"
      "  WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f')),"
      " f AS (SELECT p.*, format('%I.%s', nspname, p.oid::regprocedure)"
      "  AS name FROM pg_proc p JOIN n ON n.oid = pronamespace WHERE NOT"
      "  EXISTS (SELECT FROM pg_depend d WHERE d.classid ="
      "  'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')),"
      " acl AS (SELECT 'relation ' || name AS what, relowner AS own, relacl"
      "  AS acl FROM c UNION ALL SELECT 'function ' || name, proowner, proacl"
      "  FROM f UNION ALL SELECT 'schema ' || nspname, nspowner, nspacl"
      "  FROM n UNION ALL SELECT 'database', datdba, datacl FROM pg_database"
      "  WHERE datname = current_database() UNION ALL SELECT 'column ' ||"
      "  c.name || '.' || attname, relowner, attacl FROM pg_attribute a"
      "  JOIN c ON c.oid = attrelid WHERE attacl IS NOT NULL)"
      " SELECT coalesce(json_object_agg(k, v ORDER BY k), '{}') FROM ("
      " SELECT 'relation ' || name AS k, relkind::text || ' ' ||"
      "  pg_get_userbyid(relowner) || ' ' || relrowsecurity || ' ' ||"
      "  relforcerowsecurity || ' ' || relpersistence::text AS v FROM c"
      " UNION ALL SELECT 'column ' || c.name || '.' || attname,"
      "  format_type(atttypid, atttypmod) || ' ' || attnotnull || ' ' ||"
      "  attidentity::text || attgenerated::text || ' ' || "
      "coalesce(pg_get_expr(adbin,"
      "  adrelid), '') || ' ' || attcollation::regcollation::text"
      "  FROM pg_attribute a JOIN c ON c.oid = attrelid LEFT JOIN pg_attrdef"
      "  d ON adrelid = attrelid AND adnum = attnum WHERE attnum > 0"
      "  AND NOT attisdropped AND relkind <> 'S'"
      " UNION ALL SELECT 'index ' || format('%I.%I', nspname, i.relname),"
      "  pg_get_indexdef(i.oid) || ' ' || indisvalid FROM pg_index x"
      "  JOIN pg_class i ON i.oid = indexrelid JOIN n"
      "  ON n.oid = i.relnamespace WHERE i.relkind = 'i'"
      " UNION ALL SELECT 'constraint ' || coalesce(conrelid::regclass::text,"
      "  contypid::regtype::text) || ' ' || conname,"
      "  pg_get_constraintdef(o.oid) || ' ' || convalidated"
      "  FROM pg_constraint o JOIN n ON n.oid = connamespace"
      "  WHERE contype <> 'n'"
      " UNION ALL SELECT 'trigger ' || c.name || ' ' || tgname,"
      "  pg_get_triggerdef(t.oid) || ' ' || tgenabled::text FROM pg_trigger t"
      "  JOIN c ON c.oid = tgrelid WHERE NOT tgisinternal"
      " UNION ALL SELECT 'function ' || name, md5(prosrc) || ' ' ||"
      "  pg_get_userbyid(proowner) || ' ' || prosecdef || ' ' || "
      "provolatile::text"
      "  || ' ' || coalesce(proconfig::text, '') || ' ' ||"
      "  pg_get_function_result(oid) FROM f"
      " UNION ALL SELECT 'type ' || format('%I.%I', nspname, typname),"
      "  typtype::text || ' ' || pg_get_userbyid(typowner) || ' ' || coalesce("
      "  (SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM"
      "  pg_enum e WHERE enumtypid = t.oid), '') FROM pg_type t JOIN n"
      "  ON n.oid = typnamespace WHERE typtype IN ('e', 'd', 'r', 'c')"
      "  AND (typrelid = 0 OR EXISTS (SELECT FROM pg_class WHERE oid ="
      "  typrelid AND relkind = 'c'))"
      " UNION ALL SELECT 'sequence ' || c.name, s::text FROM c JOIN LATERAL"
      "  (SELECT seqtypid::regtype, seqstart, seqincrement, seqmax, seqmin,"
      "  seqcache, seqcycle FROM pg_sequence WHERE seqrelid = c.oid) s ON true"
      " UNION ALL SELECT 'policy ' || c.name || ' ' || polname, polcmd::text "
      "|| ' '"
      "  || coalesce(pg_get_expr(polqual, polrelid), '') FROM pg_policy"
      "  JOIN c ON c.oid = polrelid"
      " UNION ALL SELECT 'publication ' || pubname, pg_get_userbyid(pubowner)"
      "  || ' ' || puballtables || ' ' || pubinsert || ' ' || pubupdate || ' '"
      "  || pubdelete || ' ' || pubtruncate FROM pg_publication WHERE pubname"
      "  NOT LIKE 'rehome\\_%'"
      " UNION ALL SELECT 'published ' || pubname || ' ' ||"
      "  format('%I.%I', schemaname, tablename), coalesce(to_jsonb(p) ->>"
      "  'rowfilter', '') FROM pg_publication_tables p WHERE pubname"
      "  NOT LIKE 'rehome\\_%'"
      " UNION ALL SELECT 'extension ' || extname, '' FROM pg_extension"
      " UNION ALL SELECT 'schema ' || nspname, pg_get_userbyid(nspowner)"
      "  FROM n WHERE nspname <> 'public'"
      " UNION ALL SELECT 'database', pg_encoding_to_char(encoding) || ' ' ||"
      "  datcollate || ' ' || datctype || ' ' || pg_get_userbyid(datdba)"
      "  FROM pg_database WHERE datname = current_database()"
      " UNION ALL SELECT 'rights ' || what || ' ' || CASE grantee WHEN 0 THEN"
      "  'PUBLIC' ELSE pg_get_userbyid(grantee) END, string_agg("
      "  privilege_type || ' ' || is_grantable, ',' ORDER BY privilege_type)"
      "  FROM acl, aclexplode(acl) WHERE grantee <> own"
      "  AND privilege_type <> 'MAINTAIN' GROUP BY 1) AS t;";

/* A materialized view that nobody refreshed of late holds what its query gave
 * then; on the target it was made of the rows as they are, and is no table
 * that could be lost. */
static void
pass_views (const json_t *tables, const json_t *source, const json_t *target,
            json_t *compared, json_t *findings)
{
  size_t i;
  json_t *one;
  json_array_foreach (tables, i, one)
  {
    const char *name = json_string_value (json_at (one, "name"));
    const char *kind = json_string_value (json_at (one, "kind"));
    json_t *is = json_object_get (target, name);
    if (kind == NULL || strcmp (kind, "m") != 0 || is == NULL
        || json_equal (json_object_get (source, name), is))
      continue;
    json_object_set (compared, name, is);
    json_array_append_new (
        findings, json_sprintf ("the materialized view %s was made anew; on "
                                "the source it is older than its tables",
                                name));
  }
}

/* What the proof reads of both servers. */
struct proof {
  const struct step_call *call;
  bool data; /* tables and sequences, too */
  json_t *census[2], *sequences[2];
  json_t *collations[2]; /* not with data */
  json_t *tables;        /* the list */
  json_t *digests[2];
  json_t *differences;      /* of roles */
  json_t *samples, *unlike; /* what differs of these */
  json_t *relations[2];     /* NULL: there is too much to read it again */
};

static void
proof_clear (struct proof *p)
{
  for (size_t i = 0; i < 2; i++) {
    json_decref (p->census[i]);
    json_decref (p->sequences[i]);
    json_decref (p->collations[i]);
    json_decref (p->digests[i]);
    json_decref (p->relations[i]);
  }
  json_decref (p->tables);
  json_decref (p->differences);
  json_decref (p->samples);
  json_decref (p->unlike);
}

/* Before the freeze: objects and collations. */
static struct err *
read_objects (struct proof *p, size_t side)
{
  const char *const sql[]
      = { postgresql_census_sql, postgresql_collations_sql };
  struct port *port = side == 0 ? p->call->source : p->call->target;
  json_t *said[2] = { NULL, NULL };
  struct err *e
      = postgresql_jsons (port, postgresql_database (p->call), sql, 2, said);
  p->census[side] = said[0];
  p->collations[side] = said[1];
  return e;
}

static const json_t *
final_of (const struct proof *p)
{
  return steps_input (p->call, "%s#final", p->call->item->name);
}

/* Behind it: objects and sequences, and of what its tables hold the digests. */
static struct err *
read_side (struct proof *p, size_t side, bool digests)
{
  const char *const sql[] = { postgresql_census_sql, postgresql_sequences_sql,
                              postgresql_tables_sql };
  if (!p->data)
    return read_objects (p, side);
  struct port *port = side == 0 ? p->call->source : p->call->target;
  const char *db = postgresql_database (p->call);
  json_t *said[3] = { NULL, NULL, NULL };
  struct err *e = postgresql_jsons (port, db, sql, 3, said);
  json_t *tables CLEANUP_JSON = said[2];
  p->census[side] = said[0];
  p->sequences[side] = said[1];
  if (e != NULL)
    return e;
  if (digests)
    TRY (postgresql_digest (port, db, tables, &p->digests[side]));
  if (relations_looked_at (final_of (p)))
    TRY (postgresql_relations (port, db, &p->relations[side]));
  if (side == 0)
    p->tables = STEAL (tables);
  return NULL;
}

/* What the last round read of the frozen source need not be read again: the
 * server's counters say that it is the same. */
static struct err *
read_source (void *ctx)
{
  struct proof *p = ctx;
  json_t *known = json_at (final_of (p), "digests");
  p->digests[0] = json_incref (known);
  TRY (read_side (p, 0, known == NULL));
  return p->data
             ? postgresql_samples (p->call, p->tables, p->unlike, &p->samples)
             : NULL;
}

static struct err *
read_target (void *ctx)
{
  return read_side (ctx, 1, true);
}

static struct err *
read_roles (void *ctx)
{
  struct proof *p = ctx;
  return p->call->back ? NULL
                       : postgresql_roles_compare (p->call, p->differences);
}

static struct err *
read_both (struct proof *p)
{
  const struct beside all[]
      = { { read_source, p }, { read_target, p }, { read_roles, p } };
  p->differences = json_array ();
  p->unlike = json_array ();
  return beside_run (p->call, all, 3, 3);
}

static void
compare_data (const struct proof *p, json_t *differences, json_t *findings)
{
  json_t *compared CLEANUP_JSON = json_copy (p->digests[0]);
  pass_views (p->tables, p->digests[0], p->digests[1], compared, findings);
  steps_compare ("table ", compared, p->digests[1], differences);
  steps_compare ("sequence ", p->sequences[0], p->sequences[1], differences);
  relations_compare (p->relations[0], p->relations[1], differences);
}

static int64_t
rows_of (const json_t *digests)
{
  const char *key;
  json_t *value;
  int64_t n = 0;
  json_object_foreach ((json_t *)digests, key, value)
  {
    n += strtoll (json_string_value (value), NULL, 10);
  }
  return n;
}

static struct err *
judge (const json_t *differences)
{
  if (json_array_size (differences) == 0)
    return NULL;
  return err_todo (steps_unequal ("RH-POSTGRESQL-UNEQUAL",
                                  "the database is not equal", differences),
                   "run 'rehome sync' again, which copies what differs; what "
                   "it does not put right, put right on the target");
}

static struct err *
takes_writes (const struct step_call *call, json_t *tried, json_t *findings)
{
  json_t *differences CLEANUP_JSON = json_array ();
  TRY (postgresql_try_writes (call, tried, differences, findings));
  if (json_array_size (differences) == 0)
    return NULL;
  return err_todo (steps_unequal ("RH-POSTGRESQL-UNEQUAL",
                                  "the copy does not take writes", differences),
                   "look at these tables on the target, and at its log");
}

struct err *
postgresql_prove (const struct step_call *call, json_t **result)
{
  CLEANUP (proof_clear) struct proof p = { .call = call };
  json_t *findings CLEANUP_JSON = json_array ();
  json_t *tried CLEANUP_JSON = json_array ();
  TRY (read_both (&p));
  steps_compare ("", p.census[0], p.census[1], p.differences);
  postgresql_collations_compare (p.collations[0], p.collations[1], findings,
                                 p.differences);
  TRY (judge (p.differences));
  TRY (postgresql_untouched (call));
  TRY (takes_writes (call, tried, findings));
  char *path CLEANUP_FREE = postgresql_record (call);
  json_t *made CLEANUP_JSON = NULL;
  TRY (remote_recall (call->target, path, &made));
  *result = json_pack ("{s:I, s:I, s:i, s:O, s:O}", "objects",
                       (json_int_t)json_object_size (p.census[0]), "rows",
                       (json_int_t)rows_of (json_at (made, "tables")),
                       "differences", 0, "findings", findings, "tried", tried);
  queries_before (call, &postgresql_queries, *result);
  return NULL;
}

struct err *
postgresql_verify (const struct step_call *call, json_t **result)
{
  CLEANUP (proof_clear) struct proof p = { .call = call, .data = true };
  json_t *differences CLEANUP_JSON = json_array ();
  json_t *findings CLEANUP_JSON = json_array ();
  json_t *still CLEANUP_JSON = NULL;
  TRY (read_both (&p));
  compare_data (&p, differences, findings);
  steps_compare ("", p.census[0], p.census[1], differences);
  json_array_extend (differences, p.differences);
  json_array_extend (differences, p.unlike);
  TRY (postgresql_still (call, &still));
  TRY (judge (differences));
  *result
      = json_pack ("{s:O, s:I, s:I, s:i, s:O, s:O}", "digests", p.digests[0],
                   "rows", (json_int_t)rows_of (p.digests[0]), "objects",
                   (json_int_t)json_object_size (p.census[0]), "differences", 0,
                   "findings", findings, "samples", p.samples);
  if (p.relations[0] != NULL)
    json_object_set (*result, "relations", p.relations[0]);
  return NULL;
}
