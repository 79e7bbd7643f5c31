/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Setting up a database's stream back, its rehearsal, and taking it away again;
 * see postgresql_home.h.  Both databases are equal when it is set up, and
 * nobody writes in either: the slot's place is the moment of the proof.
 */
#include "provider/postgresql_home.h"

#include "base/mem.h"
#include "provider/beside.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

enum {
  OLDEST = 15, /* which tells how often its applier failed */
  REHEARSAL_LOOKS = 10,
  LOG_BYTES = 64 << 10
};

char *
postgresql_home_record (const struct step_call *call)
{
  return steps_path (call, "results/postgresql-home-%ld.json",
                     call->step->item);
}

/* ---- What the log says ---- */

/* Of "...[PID] ... CONTEXT: ..." the "[PID]". */
static char *
process_of (const char *line)
{
  const char *from = strchr (line, '[');
  const char *to = from != NULL ? strchr (from, ']') : NULL;
  return to == NULL ? NULL : mem_printf ("%.*s", (int)(to - from + 1), from);
}

/* The last error of the process whose words are in that line. */
static char *
error_before (char *text, const char *line)
{
  static const char mark[] = "ERROR:  ";
  char *process CLEANUP_FREE = process_of (line);
  const char *found = NULL;
  for (char *at = text; process != NULL && at != NULL && at < line;) {
    char *end = strchr (at, '\n');
    char *error = strstr (at, mark);
    char *by = strstr (at, process);
    if (error != NULL && by != NULL && end != NULL && error < end && by < end)
      found = error + sizeof mark - 1;
    at = end == NULL ? NULL : end + 1;
  }
  return found == NULL ? NULL
                       : mem_printf ("%.*s", (int)strcspn (found, "\n"), found);
}

/* Begins the line that holds `at`. */
static const char *
line_of (const char *text, const char *at)
{
  while (at > text && at[-1] != '\n')
    at--;
  return at;
}

/* The server's words of the last row that the applier of `origin` could not
 * take, with its table: "ERROR (TABLE)". */
char *
postgresql_log_error (char *text, const char *origin)
{
  char *mark CLEANUP_FREE
      = mem_printf ("processing remote data for replication origin \"%s\"",
                    origin);
  const char *last = NULL;
  for (char *at = text; (at = strstr (at, mark)) != NULL; at++)
    last = at;
  if (last == NULL)
    return mem_strdup ("");
  char *error CLEANUP_FREE = error_before (text, line_of (text, last));
  const char *of = strstr (last, "target relation \"");
  const char *end = strchr (last, '\n');
  if (error == NULL)
    return mem_strdup ("");
  if (of == NULL || (end != NULL && of > end))
    return STEAL (error);
  of += strlen ("target relation \"");
  return mem_printf ("%s (%.*s)", error, (int)strcspn (of, "\"\n"), of);
}

/* Debian's place of a cluster's log; where it is another there is no text. */
static struct err *
read_error (const struct step_call *call, char **out)
{
  char *name CLEANUP_FREE = postgresql_stream_name (call);
  char *sql CLEANUP_FREE = mem_printf (
      "SELECT json_build_object('log', '/var/log/postgresql/postgresql-' ||"
      " replace(current_setting('cluster_name'), '/', '-') || '.log',"
      " 'origin', coalesce((SELECT 'pg_' || oid FROM pg_subscription WHERE"
      " subname = '%s'), ''));",
      name);
  json_t *said CLEANUP_JSON = NULL;
  struct ran ran CLEANUP_RAN = { 0 };
  TRY (postgresql_json (call->target, "postgres", sql, &said));
  char *most CLEANUP_FREE = mem_printf ("%d", LOG_BYTES);
  TRY (remote_run (
      call->target,
      remote_argv (ARGV ("tail", "-c", most, "--", json_text (said, "log"))),
      NULL, 10000, &ran));
  *out = ran.status == 0
             ? postgresql_log_error (ran.out, json_text (said, "origin"))
             : mem_strdup ("");
  return NULL;
}

char *
postgresql_home_error (const struct step_call *call)
{
  char *out = NULL;
  err_free (read_error (call, &out));
  return out == NULL ? mem_strdup ("") : out;
}

/* ---- Setting it up ---- */

/* Both sides of the table by which it is rehearsed.  Triggers of the user's on
 * such statements do not run. */
#define QUIETLY POSTGRESQL_WRITABLE "SET session_replication_role = replica;\n"
static const char way_sql[]
    = QUIETLY "CREATE SCHEMA IF NOT EXISTS %s;\n"
              "CREATE TABLE IF NOT EXISTS %s.way (n bigint PRIMARY KEY);\n";

struct side {
  struct port *port;
  const char *database, *name;
};

static struct err *
make_way (void *ctx)
{
  struct side *s = ctx;
  char *sql CLEANUP_FREE = mem_printf (way_sql, s->name, s->name);
  return postgresql_run (s->port, s->database, sql, NULL);
}

static struct err *
drop_way (void *ctx)
{
  struct side *s = ctx;
  char *sql CLEANUP_FREE
      = mem_printf (QUIETLY "DROP SCHEMA IF EXISTS %s CASCADE;\n", s->name);
  return postgresql_run (s->port, s->database, sql, NULL);
}

static struct err *
on_both (const struct step_call *call, const char *name,
         struct err *(*work) (void *ctx))
{
  struct side sides[] = { { call->source, postgresql_database (call), name },
                          { call->target, postgresql_database (call), name } };
  const struct beside both[] = { { work, &sides[0] }, { work, &sides[1] } };
  return beside_run (call, both, 2, 2);
}

/* The slot, from here on, and behind it the row that is to arrive. */
static struct err *
make_slot (const struct step_call *call, const char *name, char **lsn)
{
  char *sql CLEANUP_FREE = mem_printf (
      POSTGRESQL_WRITABLE
      "DO $rehome$ BEGIN PERFORM pg_create_logical_replication_slot('%s',"
      " 'pgoutput'); END $rehome$;\n"
      "INSERT INTO %s.way VALUES (1);\nSELECT pg_current_wal_insert_lsn();\n",
      name, name);
  TRY (postgresql_run (call->source, postgresql_database (call), sql, lsn));
  (*lsn)[strcspn (*lsn, "\n")] = '\0';
  return NULL;
}

/* While it is rehearsed what was applied is durable at once. */
static struct err *
subscribe (const struct step_call *call, const char *name)
{
  char *where CLEANUP_FREE = NULL;
  TRY (postgresql_stream_way (call, &where));
  char *quoted CLEANUP_FREE = postgresql_literal (where);
  char *sql CLEANUP_FREE = mem_printf (
      POSTGRESQL_WRITABLE
      "CREATE SUBSCRIPTION %s CONNECTION %s PUBLICATION %s WITH (slot_name ="
      " '%s', create_slot = false, copy_data = false, synchronous_commit ="
      " 'local');\n",
      name, quoted, name, name);
  return postgresql_run (call->target, postgresql_database (call), sql, NULL);
}

static struct err *
did_not_arrive (const struct step_call *call)
{
  char *error CLEANUP_FREE = postgresql_home_error (call);
  return err_advise (
      err_new (ERR_REFUSED, "RH-POSTGRESQL-HOME",
               "a row that was sent back for trial did not arrive in database "
               "%s on the target%s%s",
               postgresql_database (call), error[0] != '\0' ? ": " : "", error),
      "the way back is taken away again",
      "the log of the target's PostgreSQL says why; or take 'in-step' out of "
      "the item: the way back is by rounds then");
}

/* The old server has told that it has made the row durable. */
static struct err *
await_row (const struct step_call *call, const char *name, const char *lsn)
{
  char *sql CLEANUP_FREE = mem_printf (
      "DO $rehome$ BEGIN FOR i IN 1..200 LOOP EXIT WHEN EXISTS (SELECT FROM"
      " pg_replication_slots WHERE slot_name = '%s' AND confirmed_flush_lsn >="
      " '%s'); PERFORM pg_sleep(0.005); END LOOP; END $rehome$;\n"
      "SELECT json_build_object('reached', EXISTS (SELECT FROM"
      " pg_replication_slots WHERE slot_name = '%s' AND confirmed_flush_lsn >="
      " '%s'));",
      name, lsn, name, lsn);
  for (int i = 0; i < REHEARSAL_LOOKS; i++) {
    json_t *now CLEANUP_JSON = NULL;
    TRY (postgresql_json (call->source, postgresql_database (call), sql, &now));
    if (json_is_true (json_at (now, "reached")))
      return NULL;
    TRY (remote_pause (call, 10));
  }
  return did_not_arrive (call);
}

/* The row is there; the applier stands still until the guard. */
static struct err *
hold_still (const struct step_call *call, const char *name)
{
  char *sql CLEANUP_FREE = mem_printf (
      POSTGRESQL_WRITABLE
      "ALTER SUBSCRIPTION %s DISABLE;\n"
      "ALTER SUBSCRIPTION %s SET (synchronous_commit ="
      " 'off');\n" POSTGRESQL_END_APPLIER
      "SELECT json_build_object('rows', (SELECT count(*) FROM %s.way),"
      " 'running', (SELECT count(*) FROM pg_stat_subscription WHERE subname ="
      " '%s' AND pid IS NOT NULL));",
      name, name, name, name, name, name);
  json_t *now CLEANUP_JSON = NULL;
  TRY (postgresql_json (call->target, postgresql_database (call), sql, &now));
  if (json_integer_value (json_at (now, "rows")) == 1
      && json_integer_value (json_at (now, "running")) == 0)
    return NULL;
  return did_not_arrive (call);
}

static struct err *
rehearse (const struct step_call *call, const char *name, const char *lsn)
{
  TRY (await_row (call, name, lsn));
  TRY (hold_still (call, name));
  return on_both (call, name, drop_way);
}

static void
add_way (json_t *seen, const char *name)
{
  json_array_append_new (json_at (seen, "tables"),
                         json_pack ("{s:o, s:s, s:b}", "name",
                                    json_sprintf ("%s.way", name), "identity",
                                    "d", "bare", 0));
}

static struct err *
set_up (const struct step_call *call, json_t *seen)
{
  char *path CLEANUP_FREE = postgresql_home_record (call);
  char *name CLEANUP_FREE = postgresql_stream_name (call);
  char *lsn CLEANUP_FREE = NULL;
  json_t *catalog CLEANUP_JSON = NULL;
  TRY (remote_record (call->source, path, seen));
  TRY (on_both (call, name, make_way));
  add_way (seen, name);
  TRY (postgresql_stream_publish (call, seen, name));
  TRY (make_slot (call, name, &lsn));
  TRY (postgresql_stream_guard (call));
  TRY (err_wrap (subscribe (call, name), "the way back of database %s",
                 postgresql_database (call)));
  TRY (rehearse (call, name, lsn));
  TRY (postgresql_json (call->source, postgresql_database (call),
                        postgresql_catalog_sql, &catalog));
  json_object_set (seen, "catalog", catalog);
  return remote_record (call->source, path, seen);
}

/* The older version's server does not tell that its applier has stopped. */
static const char *
why_rounds (const struct step_call *call, const json_t *seen)
{
  const json_t *look = steps_input (call, "%s#look", call->item->name);
  json_int_t version = json_integer_value (json_at (look, "version"));
  if (!postgresql_is_logical (seen))
    return "PostgreSQL on the target has another wal_level than logical";
  return version / 10000 < OLDEST ? "PostgreSQL on the source is older than 15"
                                  : NULL;
}

struct err *
postgresql_home (const struct step_call *call, json_t **result)
{
  json_t *seen CLEANUP_JSON = NULL;
  TRY (postgresql_home_end (call, NULL)); /* begun before */
  TRY (postgresql_stream_tables (call, &seen));
  const char *why = why_rounds (call, seen);
  if (why != NULL) {
    *result = json_pack (
        "{s:s, s:s, s:[o]}", "reverse", reverse_name (REVERSE_DELTA), "why",
        why, "findings",
        json_sprintf ("what the target takes comes back by rounds: %s", why));
    return NULL;
  }
  TRY (set_up (call, seen));
  *result = json_pack ("{s:s, s:b}", "reverse",
                       reverse_name (REVERSE_REPLICATE), "rehearsed", 1);
  return NULL;
}

struct err *
postgresql_home_probe (const struct step_call *call, enum probe_state *out)
{
  char *path CLEANUP_FREE = postgresql_home_record (call);
  return steps_probe_record (call->source, path, out);
}

struct err *
postgresql_home_end (const struct step_call *call, json_t **result)
{
  (void)result;
  char *path CLEANUP_FREE = postgresql_home_record (call);
  char *name CLEANUP_FREE = postgresql_stream_name (call);
  json_t *record CLEANUP_JSON = NULL;
  TRY (postgresql_stream_away (call, path, &record));
  if (record == NULL)
    return NULL;
  if (json_at (record, "catalog") == NULL) /* stopped half-way */
    TRY (on_both (call, name, drop_way));
  return remote_remove (call->source, path);
}
