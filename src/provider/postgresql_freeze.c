/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The freeze of a PostgreSQL database: no session may begin (connection limit
 * 0, which superusers pass) and none can write by default, sessions are
 * ended, and the server's own counters show that nothing was written since.
 * Both settings lie in its catalog: they survive a restart.
 */
#include "provider/postgresql_home.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

enum { TRIES = 15, TRY_MS = 100, SETTLE_TRIES = 30, WAIT_LOOKS = 50 };

static char *
record_of (const struct step_call *call)
{
  return steps_path (call, "freeze/postgresql-%ld.json", call->step->item);
}

static const char frozen_sql[]
    = "SET default_transaction_read_only = off;"
      " ALTER DATABASE \"%s\" CONNECTION LIMIT 0;"
      " ALTER DATABASE \"%s\" SET default_transaction_read_only = on;";

static char *
thaw_sql (const char *db, const json_t *before)
{
  const json_t *limit = json_at (before, "connections");
  const char *readonly = json_string_value (json_at (before, "readonly"));
  return mem_printf (
      "SET default_transaction_read_only = off;"
      " ALTER DATABASE \"%s\" %s;"
      " ALTER DATABASE \"%s\" CONNECTION LIMIT %lld;",
      db,
      readonly == NULL ? "RESET default_transaction_read_only"
      : strcmp (readonly, "on") == 0
          ? "SET default_transaction_read_only = on"
          : "SET default_transaction_read_only = off",
      db, limit == NULL ? -1LL : (long long)json_integer_value (limit));
}

/* Sessions in the database (a walsender of ours only reads what was written),
 * and rows written into its tables and large objects
 * since the server began to count.  The server's own vacuum is no session and
 * writes into catalogs alone. */
#define OTHERS                                                               \
  " pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker' AND NOT" \
  " (backend_type = 'walsender' AND application_name LIKE 'rehome\\_%%')"

static const char count_sql[]
    = "SELECT json_build_object('sessions', (SELECT count(*) FROM"
      " pg_stat_activity WHERE datname = current_database() AND" OTHERS "),"
      " 'prepared', (SELECT count(*) FROM pg_prepared_xacts WHERE database ="
      " current_database()), 'written', (SELECT coalesce(sum(n_tup_ins +"
      " n_tup_upd + n_tup_del), 0) FROM pg_stat_all_tables WHERE relid ="
      " 'pg_catalog.pg_largeobject'::regclass OR schemaname NOT IN"
      " ('pg_catalog', 'information_schema', 'pg_toast')), 'since',"
      " stats_reset) FROM pg_stat_database WHERE datname ="
      " current_database();";

static struct err *
count (const struct step_call *call, json_t **out)
{
  return postgresql_json (call->source, postgresql_database (call), count_sql,
                          out);
}

/* What is prepared is in no copy, and could still be committed. */
static struct err *
none_prepared (const struct step_call *call, const json_t *now)
{
  long long n = (long long)json_integer_value (json_at (now, "prepared"));
  if (n == 0)
    return NULL;
  return err_todo (err_new (ERR_REFUSED, "RH-POSTGRESQL-PREPARED",
                            "%lld prepared transactions wait in %s", n,
                            postgresql_database (call)),
                   "COMMIT PREPARED or ROLLBACK PREPARED each of them");
}

/* Nobody else begins a session, those that are there end, and what the server
 * has counted then: one session says and does it all.  *out is set once none
 * is left. */
static struct err *
close_once (const struct step_call *call, json_t **out)
{
  const char *db = postgresql_database (call);
  char *freeze CLEANUP_FREE = mem_printf (frozen_sql, db, db);
  char *end CLEANUP_FREE = mem_printf (
      "%s DO $rehome$ BEGIN PERFORM pg_terminate_backend(pid) FROM"
      " pg_stat_activity WHERE datname = current_database() AND" OTHERS ";"
      " FOR i IN 1..%d LOOP PERFORM pg_stat_clear_snapshot(); EXIT WHEN NOT"
      " EXISTS (SELECT FROM pg_stat_activity WHERE datname ="
      " current_database() AND" OTHERS "); PERFORM pg_sleep(0.01); END LOOP;"
      " END $rehome$;\n%s",
      freeze, WAIT_LOOKS, count_sql);
  json_t *now CLEANUP_JSON = NULL;
  TRY (postgresql_json (call->source, db, end, &now));
  if (json_integer_value (json_at (now, "sessions")) == 0)
    *out = STEAL (now);
  return NULL;
}

static struct err *
end_sessions (const struct step_call *call, json_t **out)
{
  const char *db = postgresql_database (call);
  for (int i = 0; i < TRIES; i++) {
    TRY (close_once (call, out));
    if (*out != NULL)
      return none_prepared (call, *out);
    TRY (remote_pause (call, TRY_MS));
  }
  return err_todo (err_new (ERR_REFUSED, "RH-POSTGRESQL-SESSION",
                            "sessions in database %s do not end", db),
                   "SELECT * FROM pg_stat_activity WHERE datname = '%s' on the "
                   "source says which; end what starts them",
                   db);
}

struct err *
postgresql_stop (const struct step_call *call, json_t **result)
{
  const char *db = postgresql_database (call);
  char *path CLEANUP_FREE = record_of (call);
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->source, path, &record));
  if (record == NULL) {
    json_t *now CLEANUP_JSON = NULL;
    char *literal CLEANUP_FREE = postgresql_literal (db);
    char *sql CLEANUP_FREE = mem_printf (
        "SELECT json_build_object('connections', d.datconnlimit, 'readonly',"
        " (SELECT split_part(c, '=', 2) FROM pg_db_role_setting s,"
        " unnest(s.setconfig) c WHERE s.setdatabase = d.oid AND s.setrole = 0"
        " AND c LIKE 'default_transaction_read_only=%%'))"
        " FROM pg_database d WHERE datname = %s;",
        literal);
    TRY (postgresql_json (call->source, "postgres", sql, &now));
    TRY (remote_record (call->source, path, now));
  }
  return end_sessions (call, result);
}

struct err *
postgresql_stop_probe (const struct step_call *call, enum probe_state *out)
{
  char *path CLEANUP_FREE = record_of (call);
  return steps_probe_record (call->source, path, out);
}

struct err *
postgresql_stop_undo (const struct step_call *call, json_t **result)
{
  (void)result;
  char *path CLEANUP_FREE = record_of (call);
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->source, path, &record));
  if (record == NULL)
    return NULL;
  char *sql CLEANUP_FREE = thaw_sql (postgresql_database (call), record);
  TRY (postgresql_run (call->source, "postgres", sql, NULL));
  return remote_remove (call->source, path);
}

/* Sessions by which rehome has just read may take a moment to end. */
static struct err *
count_settled (const struct step_call *call, json_t **out)
{
  for (int i = 0;; i++) {
    TRY (count (call, out));
    if (i >= SETTLE_TRIES
        || json_integer_value (json_at (*out, "sessions")) == 0)
      return NULL;
    json_decref (STEAL (*out));
    TRY (remote_pause (call, TRY_MS));
  }
}

struct err *
postgresql_still (const struct step_call *call, json_t **result)
{
  const json_t *then = steps_input (call, "%s#stop", call->item->name);
  json_t *now CLEANUP_JSON = NULL;
  TRY (count_settled (call, &now));
  long long sessions
      = (long long)json_integer_value (json_at (now, "sessions"));
  long long prepared
      = (long long)json_integer_value (json_at (now, "prepared"));
  if (sessions == 0 && prepared == 0
      && json_equal (json_at (now, "written"), json_at (then, "written"))
      && json_equal (json_at (now, "since"), json_at (then, "since")))
  {
    *result = json_incref (now);
    return NULL;
  }
  return err_todo (
      err_new (ERR_REFUSED, "RH-POSTGRESQL-WRITTEN",
               "database %s was used while it was frozen: %lld sessions, rows "
               "written %lld before and %lld now",
               postgresql_database (call), sessions,
               (long long)json_integer_value (json_at (then, "written")),
               (long long)json_integer_value (json_at (now, "written"))),
      "find the superuser's session that did it (pg_stat_activity, the "
      "server's log), end it, and cut over again");
}

/* What the stream back has applied stays; nothing more is taken.  psql sends a
 * DO statement as it is. */
static void
add_leave (const struct step_call *call, const struct plan_item *item,
           json_t *out)
{
  const char *db = json_string_value (json_at (item->spec, "postgresql"));
  long at = steps_item_index (call->plan, item);
  char *name CLEANUP_FREE
      = postgresql_stream_called (call->migration, at, true);
  char *drop CLEANUP_FREE = mem_printf (
      "DO $rehome$ BEGIN IF EXISTS (SELECT FROM pg_subscription WHERE subname ="
      " '%s') THEN ALTER SUBSCRIPTION %s DISABLE; ALTER SUBSCRIPTION %s SET"
      " (slot_name = NONE); DROP SUBSCRIPTION %s; END IF; END $rehome$",
      name, name, name, name);
  if (!postgresql_streams (item) || call->back)
    return;
  const char *const words[] = {
    "-X",
    "-d",
    db,
    "-c",
    "SET default_transaction_read_only = off",
    "-c",
    drop,
    "-c",
    postgresql_raise_sql,
  };
  json_t *argv = postgresql_by_hand (item, call->source);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    remote_word (argv, words[i]);
  json_array_append_new (
      out, json_pack ("{s:s, s:o}", "why",
                      "what came back by replication stays, and no more comes",
                      "argv", argv));
}

void
postgresql_thaw (const struct step_call *call, const struct plan_item *item,
                 json_t *out)
{
  const json_t *look = steps_input (call, "%s#look", item->name);
  const char *db = json_string_value (json_at (item->spec, "postgresql"));
  char *sql CLEANUP_FREE = thaw_sql (db, look);
  add_leave (call, item, out);
  /* Several statements of one -c would be one transaction, in which the first
   * could not make it writable. */
  json_t *argv = postgresql_by_hand (item, call->source);
  remote_word (argv, "-X");
  remote_word (argv, "-d");
  remote_word (argv, "postgres");
  char *rest CLEANUP_FREE = mem_strdup (sql);
  char *at = rest;
  for (char *one; (one = strsep (&at, ";")) != NULL;) {
    one += strspn (one, " ");
    if (*one != '\0') {
      remote_word (argv, "-c");
      remote_word (argv, one);
    }
  }
  json_array_append_new (out, json_pack ("{s:s, s:o}", "why",
                                         "the database takes sessions again",
                                         "argv", argv));
}
