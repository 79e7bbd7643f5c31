/* SPDX-License-Identifier: Apache-2.0 */
/* A moment of the source that several sessions read: PostgreSQL's manual,
 * 9.27.5 (pg_export_snapshot). */
#include "provider/postgresql_first.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "provider/remote.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { NAMED_MS = 60000 };

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
/* The server itself waits for it: a session costs more than a look. */
static const char asking_sql[]
    = "DO $rehome$ BEGIN FOR i IN 1..100 LOOP PERFORM"
      " pg_stat_clear_snapshot(); EXIT WHEN EXISTS (SELECT FROM"
      " pg_stat_activity WHERE application_name LIKE '%s %%'); PERFORM"
      " pg_sleep(0.01); END LOOP; END $rehome$;\n"
      "SELECT split_part(application_name, ' ', 2) FROM pg_stat_activity"
      " WHERE application_name LIKE '%s %%';";

static bool
is_over (void *ctx)
{
  struct snapshot *s = ctx;
  pthread_mutex_lock (&s->lock);
  bool over = s->over;
  pthread_mutex_unlock (&s->lock);
  return over;
}

void
postgresql_snapshot_release (struct snapshot *s)
{
  pthread_mutex_lock (&s->lock);
  if (!s->over)
    s->lost = s->ended;
  s->over = true;
  pthread_mutex_unlock (&s->lock);
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
      = postgresql_argv (s->call->source, "psql",
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

void
postgresql_snapshot_close (struct snapshot *s)
{
  postgresql_snapshot_release (s);
  pthread_join (s->thread, NULL);
  err_free (s->failed);
  pthread_mutex_destroy (&s->lock);
}

static struct err *
lost (void)
{
  return err_new (ERR_TRANSIENT, "RH-POSTGRESQL-SERVER",
                  "the source ended the session that holds the snapshot");
}

struct err *
postgresql_snapshot_held (struct snapshot *s)
{
  postgresql_snapshot_release (s);
  return s->lost ? lost () : NULL;
}

/* It is there within a moment; "" while it is not. */
static struct err *
ask_name (struct snapshot *s)
{
  char *sql CLEANUP_FREE = mem_printf (asking_sql, s->name, s->name);
  for (int64_t end = monotonic_ms () + NAMED_MS; *s->id == '\0';) {
    char *text CLEANUP_FREE = NULL;
    if (has_ended (s) || port_is_cancelled () || monotonic_ms () > end)
      return NULL;
    TRY (postgresql_run (s->call->source, "postgres", sql, &text));
    size_t len = strspn (text, "0123456789ABCDEF-");
    if (len > 0 && len < sizeof s->id && text[len] == '\n')
      memcpy (s->id, text, len);
  }
  return NULL;
}

struct err *
postgresql_snapshot_open (struct snapshot *s, const struct step_call *call)
{
  *s = (struct snapshot){ .call = call, .lock = PTHREAD_MUTEX_INITIALIZER };
  snprintf (s->name, sizeof s->name, "rehome-%" PRIx64 "-%ld",
            (uint64_t)monotonic_ms (), call->step->item);
  if (pthread_create (&s->thread, NULL, hold, s) != 0)
    return err_new (ERR_TRANSIENT, "RH-EXEC-THREAD", "cannot make a thread");
  struct err *e = ask_name (s);
  if (e == NULL && *s->id != '\0')
    return NULL;
  if (e == NULL && has_ended (s))
    e = STEAL (s->failed);
  postgresql_snapshot_close (s);
  return e != NULL ? e
                   : err_new (ERR_TRANSIENT, "RH-POSTGRESQL-SERVER",
                              "the source gave no snapshot");
}
