/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first copy of a PostgreSQL database, of one moment: a session of the
 * source exports its snapshot and keeps it; pg_dump and the sessions that read
 * rows use it.  Rows go from COPY to COPY, touch no disk in between and are
 * digested as they leave; indexes and constraints are made when the rows are
 * there.  Sessions that load do not wait for the log at each commit: the first
 * that does, at the end, waits for all of it.
 */
#include "provider/postgresql_first.h"

#include "base/mem.h"
#include "provider/beside.h"
#include "provider/remote.h"

#include <string.h>

#define MIB ((uint64_t)1 << 20)
enum { ROWS_MOST = 4, INDEXES_MOST = 8, BUILD_MIN = 64, BUILD_MAX = 1024 };

/* ---- How much at a time ---- */

static unsigned
within (unsigned n, unsigned least, unsigned most)
{
  return n < least ? least : n > most ? most : n;
}

/* An eighth of the target's memory for all that build at the same time. */
static struct err *
bounds_of (const struct step_call *call, struct load_bounds *out)
{
  json_t *facts CLEANUP_JSON = NULL;
  uint64_t memory;
  TRY (port_call (call->target, "facts", json_object (), &facts));
  TRY (json_get_u64 (facts, "memory", &memory));
  unsigned cpus = (unsigned)json_integer_value (json_at (facts, "cpus"));
  out->rows = within (cpus / 2, 2, ROWS_MOST);
  out->indexes = within (cpus, 2, INDEXES_MOST);
  out->cpus = within (cpus, 1, INDEXES_MOST);
  uint64_t each = memory / 8 / out->indexes / MIB;
  out->memory = MIB
                * (each < BUILD_MIN   ? BUILD_MIN
                   : each > BUILD_MAX ? BUILD_MAX
                                      : each);
  return NULL;
}

/* What psql and pg_restore give each session that loads: libpq's PGOPTIONS,
 * which outdo the settings of a frozen database, too.  `workers`: that a build
 * may have besides. */
static json_t *
loading_env (const struct step_call *call, const struct load_bounds *b,
             unsigned workers)
{
  char *options CLEANUP_FREE = mem_printf (
      "-c default_transaction_read_only=off -c synchronous_commit=off"
      " -c client_min_messages=warning -c statement_timeout=0"
      " -c lock_timeout=0 -c idle_in_transaction_session_timeout=0"
      " -c maintenance_work_mem=%lluMB"
      " -c max_parallel_maintenance_workers=%u%s",
      (unsigned long long)(b->memory / MIB), workers,
      postgresql_has_lz4 (call->target) ? " -c wal_compression=lz4" : "");
  return json_pack ("{s:o}", "PGOPTIONS",
                    json_bytes (options, strlen (options)));
}

/* ---- What the source has, by the snapshot ---- */

/* What tables weigh, and the list's numbers of what is made of each: catalog
 * and OID.  An index that a constraint needs comes with the constraint. */
static const char more_sql[]
    = "SELECT coalesce(json_object_agg(format('%I.%I', nspname, relname),"
      " json_build_object('bytes', pg_total_relation_size(c.oid), 'member',"
      " EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass"
      " AND d.objid = c.oid AND d.deptype = 'e'), 'constraints', (SELECT"
      " coalesce(json_agg('2606 ' || o.oid), '[]') FROM pg_constraint o WHERE"
      " conrelid = c.oid AND contype IN ('p', 'u', 'x')), 'indexes', (SELECT"
      " coalesce(json_agg('1259 ' || indexrelid), '[]') FROM pg_index WHERE"
      " indrelid = c.oid AND NOT EXISTS (SELECT FROM pg_constraint WHERE"
      " conindid = indexrelid AND contype IN ('p', 'u', 'x'))))), '{}') FROM"
      " pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relkind ="
      " 'r' AND nspname NOT IN ('pg_catalog', 'information_schema') AND"
      " relpersistence <> 't';";

struct first {
  const struct step_call *call;
  struct snapshot *snapshot;
  struct archive archive;
  struct load_bounds bounds;
  json_t *tables, *more, *sequences;
  json_t *catalog[2]; /* before the definitions were read, and after */
  char *list, *schema;
};

static void
first_clear (struct first *f)
{
  postgresql_archive_clear (&f->archive);
  json_decref (f->tables);
  json_decref (f->more);
  json_decref (f->sequences);
  json_decref (f->catalog[0]);
  json_decref (f->catalog[1]);
  free (f->list);
  free (f->schema);
}

static struct err *
ask_source (void *ctx)
{
  struct first *f = ctx;
  char *tables CLEANUP_FREE
      = mem_printf ("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;\n"
                    "SET TRANSACTION SNAPSHOT '%s';\n%s",
                    f->snapshot->id, postgresql_tables_sql);
  const char *const sql[]
      = { postgresql_catalog_sql, tables, more_sql, postgresql_sequences_sql };
  json_t *said[4] = { NULL, NULL, NULL, NULL };
  struct err *e
      = postgresql_jsons (f->call->source, postgresql_database (f->call), sql,
                          4, said);
  f->catalog[1] = said[0];
  f->tables = said[1];
  f->more = said[2];
  f->sequences = said[3];
  return e;
}

static struct err *
begin_target (void *ctx)
{
  struct first *f = ctx;
  return postgresql_archive_begin (&f->archive);
}

static struct err *
read_list (void *ctx)
{
  struct first *f = ctx;
  return postgresql_archive_list (&f->archive, &f->list);
}

/* ---- The whole ---- */

static bool
has_large_objects (const json_t *tables)
{
  size_t i;
  const json_t *one;
  json_array_foreach (tables, i, one)
  {
    if (strcmp (json_text (one, "kind"), "L") == 0)
      return true;
  }
  return false;
}

/* What large objects hold, which no COPY gives. */
static struct err *
copy_large (const struct first *f)
{
  const struct step_call *call = f->call;
  const char *db = postgresql_database (call);
  char *at CLEANUP_FREE = mem_printf ("--snapshot=%s", f->snapshot->id);
  if (!has_large_objects (f->tables))
    return NULL;
  json_t *dump
      = postgresql_argv (call->source, "pg_dump",
                         ARGV ("--quote-all-identifiers", "--section=data", at,
                               "--exclude-table-data=*.*", "--dbname", db));
  json_t *load = postgresql_argv (
      call->target, "psql",
      ARGV ("-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-d", db,
            "-c", "SET default_transaction_read_only = off", "-f", "-"));
  return postgresql_stream (call, dump, load);
}

static struct err *
make_archive (void *ctx)
{
  struct first *f = ctx;
  return postgresql_archive_make (&f->archive, f->snapshot);
}

static struct err *
read_schema (void *ctx)
{
  struct first *f = ctx;
  return postgresql_schema (f->call, &f->schema);
}

/* The definitions, as an archive and as text. */
static struct err *
read_definitions (struct first *f)
{
  const struct beside both[] = { { make_archive, f }, { read_schema, f } };
  return beside_run (f->call, both, 2, 2);
}

/* Everything that needs the snapshot. */
static struct err *
copy_of_one_moment (struct first *f, json_t *sent, char **rest)
{
  const struct beside at_once[]
      = { { begin_target, f }, { ask_source, f }, { read_list, f } };
  TRY (read_definitions (f));
  TRY (beside_run (f->call, at_once, 3, 3));
  TRY (copy_large (f));
  const struct load load = { .call = f->call,
                             .snapshot = f->snapshot,
                             .archive = &f->archive,
                             .bounds = f->bounds,
                             .tables = f->tables,
                             .more = f->more,
                             .list = f->list,
                             .sent = sent };
  TRY (postgresql_load (&load, rest));
  return postgresql_snapshot_held (f->snapshot);
}

/* ---- Before it ---- */

static struct err *
drop_copy (void *ctx)
{
  const struct first *f = ctx;
  return postgresql_drop (f->call);
}

static struct err *
read_catalog (void *ctx)
{
  struct first *f = ctx;
  return postgresql_json (f->call->source, postgresql_database (f->call),
                          postgresql_catalog_sql, &f->catalog[0]);
}

static struct err *
ask_bounds (void *ctx)
{
  struct first *f = ctx;
  TRY (bounds_of (f->call, &f->bounds));
  f->archive = (struct archive){
    .call = f->call,
    .env = loading_env (f->call, &f->bounds, 0),
    .alone = loading_env (f->call, &f->bounds, f->bounds.cpus - 1),
  };
  return NULL;
}

static struct err *
prepare (struct first *f)
{
  const struct beside all[]
      = { { drop_copy, f }, { read_catalog, f }, { ask_bounds, f } };
  return beside_run (f->call, all, 3, 3);
}

/* The text of definitions that somebody changed meanwhile is of no use. */
static void
give_schema (struct first *f, char **schema)
{
  if (json_equal (f->catalog[0], f->catalog[1]))
    *schema = STEAL (f->schema);
}

struct err *
postgresql_first (const struct step_call *call, json_t *sent, char **schema)
{
  CLEANUP (first_clear) struct first f = { .call = call };
  struct snapshot snapshot;
  char *rest CLEANUP_FREE = NULL;
  TRY (prepare (&f));
  TRY (postgresql_snapshot_open (&snapshot, call));
  f.snapshot = &snapshot;
  struct err *e = copy_of_one_moment (&f, sent, &rest);
  postgresql_snapshot_close (&snapshot);
  if (e == NULL && rest != NULL)
    e = postgresql_archive_make_of (&f.archive, "rest", rest,
                                    (int)f.bounds.indexes, f.archive.env);
  if (e == NULL)
    e = postgresql_set_sequences (call, f.sequences, NULL);
  struct err *kept = postgresql_archive_remove (call);
  if (e != NULL) {
    err_free (kept);
    return e;
  }
  give_schema (&f, schema);
  return kept;
}
