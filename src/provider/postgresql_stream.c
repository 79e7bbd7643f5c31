/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setting up a database's logical replication, and taking it away again.
 * What is changed on the source is recorded there first: the setting
 * wal_level, and which tables had another identity for changed rows (one
 * without a key needs all of its columns, or the source would refuse to
 * change it).
 */
#include "provider/postgresql_stream.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <nettle/sha2.h>
#include <string.h>

enum {
  RESTART_LOOKS = 120,
  RESTART_MS = 500,
  FLOOR_PART = 20,    /* of the disk: a twentieth stays free */
  GUARD_S = 12 * 3600 /* without a round */
};

bool
postgresql_streams (const struct plan_item *item)
{
  const char *how = json_string_value (json_at (item->spec, "in-step"));
  return how != NULL && strcmp (how, "replicate") == 0;
}

char *
postgresql_stream_called (const char *migration, long item, bool back)
{
  struct sha256_ctx ctx;
  uint8_t raw[8];
  sha256_init (&ctx);
  sha256_update (&ctx, strlen (migration), (const uint8_t *)migration);
  sha256_digest (&ctx, sizeof raw, raw);
  char *hex CLEANUP_FREE = text_hex (raw, sizeof raw);
  return mem_printf ("rehome_%s_%ld%s", hex, item, back ? "_back" : "");
}

char *
postgresql_stream_name (const struct step_call *call)
{
  return postgresql_stream_called (call->migration, call->step->item,
                                   call->back);
}

static char *
record_of (const struct step_call *call)
{
  return steps_path (call, "results/postgresql-stream-%ld.json",
                     call->step->item);
}

/* ---- The source ---- */

/* Tables whose rows travel, and of them those that need another identity:
 * without a key that the server would use by itself. */
static const char tables_sql[]
    = "SELECT json_build_object('level', current_setting('wal_level'),"
      " 'cluster', current_setting('cluster_name'), 'own', (SELECT setting"
      "  FROM pg_file_settings WHERE name = 'wal_level' AND sourcefile LIKE"
      "  '%/postgresql.auto.conf' LIMIT 1), 'tables', (SELECT"
      "  coalesce(json_agg(json_build_object('name', format('%I.%I',"
      "  n.nspname, c.relname), 'identity', c.relreplident, 'index', (SELECT"
      "  quote_ident(x.relname) FROM pg_index i JOIN pg_class x ON x.oid ="
      "  i.indexrelid WHERE i.indrelid = c.oid AND i.indisreplident), 'bare',"
      "  CASE c.relreplident WHEN 'n' THEN true WHEN 'd' THEN NOT EXISTS"
      "  (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)"
      "  ELSE false END) ORDER BY 1), '[]') FROM pg_class c JOIN"
      "  pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND"
      "  c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog',"
      "  'information_schema') AND NOT EXISTS (SELECT FROM pg_depend d WHERE"
      "  d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype ="
      "  'e')));";

struct err *
postgresql_stream_tables (const struct step_call *call, json_t **out)
{
  return postgresql_json (call->source, postgresql_database (call), tables_sql,
                          out);
}

bool
postgresql_is_logical (const json_t *seen)
{
  return strcmp (json_text (seen, "level"), "logical") == 0;
}

static struct err *
not_logical (const struct step_call *call, const char *why)
{
  return err_advise (
      err_new (ERR_BLOCKED, "RH-POSTGRESQL-WAL",
               "database %s is to be replicated, and the source's server %s",
               postgresql_database (call), why),
      "nothing was changed",
      "set wal_level = logical there and restart it; or write 'restart: "
      "allowed' on the item, and the move restarts it once; or take 'in-step' "
      "out: rounds need neither");
}

/* Debian's unit of a cluster "15/main". */
static struct err *
restart (const struct step_call *call, const json_t *seen)
{
  char *unit CLEANUP_FREE
      = mem_printf ("postgresql@%s.service", json_text (seen, "cluster"));
  char *slash = strchr (unit, '/');
  if (slash == NULL)
    return not_logical (call, "is none of Debian's clusters, so that nothing "
                              "is known of how it is restarted");
  *slash = '-';
  TRY (remote_must (call->source,
                    remote_argv (ARGV ("systemctl", "restart", "--", unit)),
                    NULL, NULL));
  for (int i = 0;; i++) {
    char *said CLEANUP_FREE = NULL;
    struct err *e
        = postgresql_run (call->source, "postgres", "SELECT 1;", &said);
    if (e == NULL || i >= RESTART_LOOKS)
      return e;
    err_free (e);
    TRY (remote_pause (call, RESTART_MS));
  }
}

struct err *
postgresql_make_logical (const struct step_call *call, const json_t *seen)
{
  if (postgresql_is_logical (seen))
    return NULL;
  if (json_at (call->item->spec, "restart") == NULL)
    return not_logical (call, "has wal_level other than logical");
  TRY (postgresql_run (call->source, "postgres",
                       "ALTER SYSTEM SET wal_level = 'logical';", NULL));
  return restart (call, seen);
}

struct err *
postgresql_put_back_level (const struct step_call *call, const json_t *record)
{
  const char *own = json_string_value (json_at (record, "own"));
  if (strcmp (json_text (record, "level"), "logical") == 0)
    return NULL;
  char *quoted CLEANUP_FREE = postgresql_literal (own == NULL ? "" : own);
  char *sql CLEANUP_FREE
      = own == NULL ? mem_strdup ("ALTER SYSTEM RESET wal_level;")
                    : mem_printf ("ALTER SYSTEM SET wal_level = %s;", quoted);
  return postgresql_run (call->source, "postgres", sql, NULL);
}

/* Identities first: a published table without one cannot be changed. */
struct err *
postgresql_stream_publish (const struct step_call *call, const json_t *seen,
                           const char *name)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  size_t i, n = 0;
  json_t *one;
  TRY (buf_printf (
      &sql, POSTGRESQL_WRITABLE "BEGIN;\nDROP PUBLICATION IF EXISTS %s;\n",
      name));
  json_array_foreach (json_at (seen, "tables"), i, one)
  {
    if (json_is_true (json_at (one, "bare")))
      TRY (buf_printf (&sql, "ALTER TABLE ONLY %s REPLICA IDENTITY FULL;\n",
                       json_text (one, "name")));
  }
  TRY (buf_printf (&sql, "CREATE PUBLICATION %s", name));
  json_array_foreach (json_at (seen, "tables"), i, one)
  {
    TRY (buf_printf (&sql, "%s%s", n++ == 0 ? " FOR TABLE ONLY " : ", ONLY ",
                     json_text (one, "name")));
  }
  TRY (buf_printf (&sql, ";\nCOMMIT;\n"));
  return postgresql_run (call->source, postgresql_database (call),
                         (const char *)sql.data, NULL);
}

/* What a table had; it may be gone. */
static struct err *
identity_back (const json_t *one, struct buf *sql)
{
  char *quoted CLEANUP_FREE = postgresql_literal (json_text (one, "name"));
  const char *was
      = strcmp (json_text (one, "identity"), "n") == 0 ? "NOTHING" : "DEFAULT";
  if (!json_is_true (json_at (one, "bare")))
    return NULL;
  return buf_printf (sql,
                     "SELECT format('ALTER TABLE ONLY %%s REPLICA IDENTITY "
                     "%s', %s) WHERE to_regclass(%s) IS NOT NULL \\gexec\n",
                     was, quoted, quoted);
}

/* A table's first copy has a slot of its own, which its worker makes.  No other
 * slot is in this database: preflight refuses one. */
#define OURS                                                                 \
  " (slot_name = '%s' OR (database = current_database() AND slot_name LIKE " \
  "'pg\\_%%\\_sync\\_%%'))"

/* Whoever reads the slots is ended, and awaited. */
#define END_READERS                                                        \
  "DO $rehome$ BEGIN FOR i IN 1..200 LOOP PERFORM"                         \
  " pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE" OURS \
  " AND active; EXIT WHEN NOT EXISTS (SELECT FROM pg_replication_slots"    \
  " WHERE" OURS " AND active); PERFORM pg_sleep(0.05); END LOOP; END"      \
  " $rehome$;"
#define DROP_SLOTS                                                       \
  "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots" \
  " WHERE" OURS ";"

/* A slot keeps what is written until somebody reads it: production wins.  The
 * source's own keeper drops it where the disk of the server gets full, or when
 * no round has come for half a day. */
struct err *
postgresql_stream_guard (const struct step_call *call)
{
  char *name CLEANUP_FREE = postgresql_stream_name (call);
  char *end CLEANUP_FREE = mem_printf (END_READERS, name, name);
  char *drop CLEANUP_FREE = mem_printf (DROP_SLOTS, name);
  char *dir CLEANUP_FREE = NULL;
  uint64_t total;
  json_t *space CLEANUP_JSON = NULL;
  TRY (postgresql_run (call->source, "postgres", "SHOW data_directory;", &dir));
  dir[strcspn (dir, "\n")] = '\0';
  TRY (port_call (call->source, "space",
                  json_pack ("{s:o}", "path", json_bytes (dir, strlen (dir))),
                  &space));
  TRY (json_get_u64 (space, "bytes_total", &total));
  json_t *argv = postgresql_as (
      "psql", ARGV ("-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1",
                    "-d", postgresql_database (call), "-c", end, "-c", drop));
  TRY (port_call (call->source, "keeper.start",
                  json_pack ("{s:s}", "migration", call->migration), NULL));
  return port_call (call->source, "keeper.guard",
                    json_pack ("{s:s, s:s, s:o, s:o, s:o, s:I}", "migration",
                               call->migration, "name", name, "argv", argv,
                               "path", json_bytes (dir, strlen (dir)), "floor",
                               json_u64 (total / FLOOR_PART), "idle_s",
                               (json_int_t)GUARD_S),
                    NULL);
}

/* Where no keeper runs there is nothing to be forgotten. */
static void
unguard (const struct step_call *call, const char *name)
{
  err_free (port_call (call->source, "keeper.unguard",
                       json_pack ("{s:s, s:s}", "migration", call->migration,
                                  "name", name),
                       NULL));
}

struct err *
postgresql_leave_source (const struct step_call *call, const json_t *record)
{
  char *name CLEANUP_FREE = postgresql_stream_name (call);
  struct buf sql CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  TRY (buf_printf (&sql,
                   POSTGRESQL_WRITABLE END_READERS
                   "\n" DROP_SLOTS "\nDROP PUBLICATION IF EXISTS %s;\n",
                   name, name, name, name));
  json_array_foreach (json_at (record, "tables"), i, one)
  {
    TRY (identity_back (one, &sql));
  }
  TRY (postgresql_run (call->source, postgresql_database (call),
                       (const char *)sql.data, NULL));
  unguard (call, name);
  return postgresql_put_back_level (call, record);
}

/* ---- The target ---- */

/* The slot is the source's matter: it may not be in reach. */
struct err *
postgresql_leave_target (const struct step_call *call)
{
  const char *db = postgresql_database (call);
  char *name CLEANUP_FREE = postgresql_stream_name (call);
  bool there;
  TRY (postgresql_exists (call->target, db, &there));
  if (!there)
    return NULL;
  char *sql CLEANUP_FREE = mem_printf (
      POSTGRESQL_WRITABLE
      "SELECT format(c, '%s') FROM (VALUES (1, 'ALTER SUBSCRIPTION %%s"
      " DISABLE'), (2, 'ALTER SUBSCRIPTION %%s SET (slot_name = NONE)'), (3,"
      " 'DROP SUBSCRIPTION %%s')) AS v (n, c) WHERE EXISTS (SELECT FROM"
      " pg_subscription WHERE subname = '%s') ORDER BY n \\gexec\n",
      name, name);
  return postgresql_run (call->target, db, sql, NULL);
}

static struct err *
subscribe (const struct step_call *call, const char *name)
{
  char *where CLEANUP_FREE = NULL;
  TRY (postgresql_stream_way (call, &where));
  char *quoted CLEANUP_FREE = postgresql_literal (where);
  char *sql CLEANUP_FREE
      = mem_printf (POSTGRESQL_WRITABLE
                    "CREATE SUBSCRIPTION %s CONNECTION %s PUBLICATION "
                    "%s WITH (slot_name = '%s');\n",
                    name, quoted, name, name);
  return err_wrap (postgresql_long (call->target, postgresql_database (call),
                                    sql),
                   "replicating database %s", postgresql_database (call));
}

/* A view of which the source has rows has none yet: it is in no publication.
 * They come in the order in which they were made, for one may need another. */
static struct err *
fill_views (const struct step_call *call)
{
  char *sql CLEANUP_FREE = NULL;
  TRY (postgresql_run (
      call->source, postgresql_database (call),
      "SELECT format('REFRESH MATERIALIZED VIEW %I.%I;', nspname, relname)"
      " FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE"
      " relkind = 'm' AND relispopulated ORDER BY c.oid;",
      &sql));
  return sql[0] == '\0'
             ? NULL
             : postgresql_long (call->target, postgresql_database (call), sql);
}

/* ---- Both ---- */

static struct err *
set_up (const struct step_call *call, const char *path)
{
  char *name CLEANUP_FREE = postgresql_stream_name (call);
  json_t *seen CLEANUP_JSON = NULL;
  json_t *before CLEANUP_JSON = NULL;
  TRY (postgresql_stream_tables (call, &seen));
  if (!postgresql_is_logical (seen)
      && json_at (call->item->spec, "restart") == NULL)
    return not_logical (call, "has wal_level other than logical");
  TRY (remote_recall (call->source, path, &before));
  if (before == NULL)
    TRY (remote_record (call->source, path, seen));
  TRY (postgresql_make_logical (call, seen));
  TRY (postgresql_leave_target (
      call)); /* no database is dropped that subscribes */
  TRY (postgresql_empty (call));
  TRY (postgresql_stream_publish (call, seen, name));
  TRY (postgresql_note_schema (call));
  TRY (postgresql_stream_guard (call));
  TRY (subscribe (call, name));
  TRY (postgresql_stream_await (call));
  return fill_views (call);
}

struct err *
postgresql_stream_begin (const struct step_call *call, json_t **result)
{
  char *path CLEANUP_FREE = record_of (call);
  const json_t *look = steps_input (call, "%s#look", call->item->name);
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->source, path, &record));
  if (record != NULL) { /* begun before */
    TRY (postgresql_stream_undo (call, NULL));
  }
  TRY (set_up (call, path));
  *result = json_pack ("{s:O*}", "bytes", json_at (look, "bytes"));
  return NULL;
}

struct err *
postgresql_stream_probe (const struct step_call *call, enum probe_state *out)
{
  char *path CLEANUP_FREE = record_of (call);
  return steps_probe_record (call->source, path, out);
}

/* The target's first: its server would go on asking for the slot. */
struct err *
postgresql_stream_away (const struct step_call *call, const char *path,
                        json_t **record)
{
  char *name CLEANUP_FREE = postgresql_stream_name (call);
  TRY (remote_recall (call->source, path, record));
  if (*record == NULL)
    return NULL;
  TRY (postgresql_leave_target (call));
  port_tunnel_close (call->target, name);
  return postgresql_leave_source (call, *record);
}

struct err *
postgresql_stream_undo (const struct step_call *call, json_t **result)
{
  (void)result;
  char *path CLEANUP_FREE = record_of (call);
  json_t *record CLEANUP_JSON = NULL;
  TRY (postgresql_stream_away (call, path, &record));
  return record == NULL ? NULL : remote_remove (call->source, path);
}
