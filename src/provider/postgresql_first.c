/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first copy of a PostgreSQL database, of one moment: a session of the
 * source exports its snapshot and keeps it until the end (PostgreSQL's manual,
 * 9.27.5); pg_dump and the sessions that read rows use it.  Rows go from COPY
 * to COPY, several tables at a time, the largest first; indexes and
 * constraints are made when the rows are there.  Nothing touches a disk in
 * between, and nothing is read twice: lines are digested as they leave.
 */
#include "provider/postgresql.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "provider/beside.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { AT_ONCE = 2, NAMED_MS = 60000 };

/* The session tells the snapshot by its name, since what it prints arrives only
 * when there is enough of it.  It asks again each second, so that the server
 * soon notices when its client is gone, and does not hold it for nobody. */
static const char holding_sql[]
    = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = "
      "0;\n"
      "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;\n"
      "SELECT set_config('application_name', '%s ' || pg_export_snapshot(),"
      " false);\n"
      "SELECT 1 \\watch 1\n";
static const char asking_sql[]
    = "SELECT split_part(application_name, ' ', 2) FROM pg_stat_activity"
      " WHERE application_name LIKE '%s %%';";

/* ---- The snapshot ---- */

struct snapshot {
  const struct step_call *call;
  char name[40]; /* of the session, one of its own */
  char id[64];
  pthread_t thread;
  pthread_mutex_t lock; /* of what follows */
  bool ended, over;
  struct err *failed;
};

static bool
is_over (void *ctx)
{
  struct snapshot *s = ctx;
  pthread_mutex_lock (&s->lock);
  bool over = s->over;
  pthread_mutex_unlock (&s->lock);
  return over;
}

static bool
has_ended (struct snapshot *s)
{
  pthread_mutex_lock (&s->lock);
  bool ended = s->ended;
  pthread_mutex_unlock (&s->lock);
  return ended;
}

static struct err *
drop (void *ctx, const void *data, size_t len)
{
  (void)ctx, (void)data, (void)len;
  return NULL;
}

static void *
hold (void *arg)
{
  struct snapshot *s = arg;
  struct sink to = { drop, NULL };
  json_t *result CLEANUP_JSON = NULL;
  char *sql CLEANUP_FREE = mem_printf (holding_sql, s->name);
  char *input CLEANUP_FREE = text_base64 (sql, strlen (sql));
  json_t *argv
      = postgresql_argv ("psql",
                         ARGV ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                               "-d", postgresql_database (s->call), "-f", "-"));
  port_cancel_hook (is_over, s);
  struct err *e
      = port_read (s->call->source, "program.read",
                   json_pack ("{s:o, s:s}", "argv", argv, "input", input), &to,
                   &result);
  pthread_mutex_lock (&s->lock);
  s->failed = e;
  s->ended = true;
  pthread_mutex_unlock (&s->lock);
  return NULL;
}

static void
snapshot_close (struct snapshot *s)
{
  pthread_mutex_lock (&s->lock);
  s->over = true;
  pthread_mutex_unlock (&s->lock);
  pthread_join (s->thread, NULL);
  err_free (s->failed);
}

/* It is there within a moment; "" while it is not. */
static struct err *
ask_name (struct snapshot *s)
{
  static const struct timespec moment = { 0, 20000000 };
  char *sql CLEANUP_FREE = mem_printf (asking_sql, s->name);
  for (int64_t end = monotonic_ms () + NAMED_MS; *s->id == '\0';) {
    char *text CLEANUP_FREE = NULL;
    if (has_ended (s) || port_is_cancelled () || monotonic_ms () > end)
      return NULL;
    TRY (postgresql_run (s->call->source, "postgres", sql, &text));
    size_t len = strspn (text, "0123456789ABCDEF-");
    if (len > 0 && len < sizeof s->id && text[len] == '\n')
      memcpy (s->id, text, len);
    else
      nanosleep (&moment, NULL);
  }
  return NULL;
}

static struct err *
snapshot_open (struct snapshot *s)
{
  snprintf (s->name, sizeof s->name, "rehome-%" PRIx64,
            (uint64_t)monotonic_ms ());
  if (pthread_create (&s->thread, NULL, hold, s) != 0)
    return err_new (ERR_TRANSIENT, "RH-EXEC-THREAD", "cannot make a thread");
  struct err *e = ask_name (s);
  if (e == NULL && *s->id != '\0')
    return NULL;
  if (e == NULL && has_ended (s))
    e = STEAL (s->failed);
  snapshot_close (s);
  return e != NULL ? e
                   : err_new (ERR_TRANSIENT, "RH-POSTGRESQL-SERVER",
                              "the source gave no snapshot");
}

/* ---- Rows ---- */

struct first {
  struct snapshot *snapshot;
  json_t *sent;
};

static json_t *
reader_of (const struct first *f, const struct step_call *call,
           const json_t *table)
{
  char *of CLEANUP_FREE
      = mem_printf ("SET TRANSACTION SNAPSHOT '%s'", f->snapshot->id);
  char *copy CLEANUP_FREE
      = mem_printf ("COPY (SELECT %s FROM ONLY %s) TO STDOUT",
                    json_text (table, "columns"), json_text (table, "name"));
  return postgresql_argv (
      "psql", ARGV ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-d",
                    postgresql_database (call), "-c", POSTGRESQL_CANONICAL,
                    "-c", "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY",
                    "-c", of, "-c", copy));
}

static json_t *
writer_of (const struct step_call *call, const json_t *table)
{
  const char *columns = json_text (table, "columns");
  char *copy CLEANUP_FREE
      = columns[0] != '\0'
            ? mem_printf ("COPY %s (%s) FROM STDIN", json_text (table, "name"),
                          columns)
            : mem_printf ("COPY %s FROM STDIN", json_text (table, "name"));
  return postgresql_argv (
      "psql",
      ARGV ("-X", "-q", "-v", "ON_ERROR_STOP=1", "-d",
            postgresql_database (call), "-c", POSTGRESQL_CANONICAL, "-c",
            "SET default_transaction_read_only = off", "-c", copy));
}

static struct err *
send_table (void *ctx, const struct step_call *call, const json_t *table,
            json_t **digest)
{
  json_t *out CLEANUP_JSON
      = json_pack ("{s:o, s:b}", "argv", reader_of (ctx, call, table), "digest",
                   1);
  json_t *in CLEANUP_JSON
      = json_pack ("{s:o}", "argv", writer_of (call, table));
  json_t *sent CLEANUP_JSON = NULL;
  json_t *taken CLEANUP_JSON = NULL;
  TRY (err_wrap (call->source->ops->pipe (call->source, "program.read", out,
                                          call->target, "program.write", in,
                                          call->tick, call->ctx, &sent, &taken),
                 "copying table %s", json_text (table, "name")));
  const char *rows = json_text (sent, "rows");
  *digest = strcmp (rows, "0") == 0
                ? json_string ("0")
                : json_sprintf ("%s %s", rows, json_text (sent, "sum"));
  return NULL;
}

/* A row without columns is no line that could be compared. */
static void
note_sent (void *ctx, const json_t *table, json_t *digest)
{
  struct first *f = ctx;
  if (*json_text (table, "columns") != '\0')
    json_object_set (f->sent, json_text (table, "name"), digest);
}

static int
by_size (const void *a, const void *b)
{
  const json_t *const *x = a, *const *y = b;
  json_int_t p = json_integer_value (json_at (*x, "bytes"));
  json_int_t q = json_integer_value (json_at (*y, "bytes"));
  return (p < q) - (p > q);
}

static struct err *
send_rows (struct snapshot *s, const json_t *tables, json_t *sent)
{
  size_t i, all = json_array_size (tables);
  const json_t **order CLEANUP_FREE = mem_alloc ((all + 1) * sizeof *order);
  struct first f = { s, sent };
  struct beside_tables t
      = { .order = order, .copy = send_table, .done = note_sent, .ctx = &f };
  const json_t *one;
  json_array_foreach (tables, i, one)
  {
    if (strcmp (json_text (one, "kind"), "r") == 0)
      order[t.n++] = one;
  }
  qsort (order, t.n, sizeof *order, by_size);
  return beside_tables (s->call, &t, AT_ONCE);
}

/* ---- The whole ---- */

/* One section of pg_dump into psql. */
static struct err *
section (struct snapshot *s, const char *name, const char *more,
         const char *database)
{
  const struct step_call *call = s->call;
  char *of CLEANUP_FREE = mem_printf ("--section=%s", name);
  char *at CLEANUP_FREE = mem_printf ("--snapshot=%s", s->id);
  json_t *dump = postgresql_argv ("pg_dump", ARGV ("--quote-all-identifiers",
                                                   of, at, more, "--dbname",
                                                   postgresql_database (call)));
  json_t *load = postgresql_argv (
      "psql",
      ARGV ("-X", "-q", "-o", "/dev/null", "-v", "ON_ERROR_STOP=1", "-d",
            database, "-c", "SET maintenance_work_mem = '256MB'", "-c",
            "SET default_transaction_read_only = off", "-f", "-"));
  return postgresql_stream (call, dump, load);
}

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

static struct err *
copy_of_one_moment (struct snapshot *s, json_t *sent)
{
  const char *db = postgresql_database (s->call);
  json_t *tables CLEANUP_JSON = NULL; /* as they are by that snapshot */
  json_t *objects CLEANUP_JSON = NULL;
  json_t *wanted CLEANUP_JSON = NULL;
  json_t *is CLEANUP_JSON = NULL;
  TRY (section (s, "pre-data", "--create", "postgres"));
  TRY (postgresql_tables (s->call->target, db, &tables));
  TRY (send_rows (s, tables, sent));
  TRY (postgresql_tables (s->call->source, db, &objects));
  if (has_large_objects (objects))
    TRY (section (s, "data", "--exclude-table-data=*.*", db));
  TRY (section (s, "post-data", "--no-sync", db));
  TRY (postgresql_sequences (s->call->source, db, &wanted));
  TRY (postgresql_sequences (s->call->target, db, &is));
  return postgresql_set_sequences (s->call, wanted, is);
}

struct err *
postgresql_first (const struct step_call *call, json_t *sent)
{
  struct snapshot s = { .call = call, .lock = PTHREAD_MUTEX_INITIALIZER };
  TRY (snapshot_open (&s));
  struct err *e = copy_of_one_moment (&s, sent);
  snapshot_close (&s);
  return e;
}
