/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database's logical replication while it runs: the way that the target's
 * server takes, how far it is behind, and whether it has reached the source.
 * A slot's confirmed_flush_lsn is what the target has made durable.
 */
#include "provider/postgresql_stream.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <stdlib.h>
#include <string.h>

enum {
  READY_MS = 500,
  REACH_LOOKS = 60,
  QUIET_LOOKS = 60,
  STUCK_LOOKS = 30,
  SYNC_ERRORS = 6
};

/* ---- The way ---- */

/* Its socket is where psql finds it. */
static struct err *
socket_of (struct port *p, char **out)
{
  static const char sql[]
      = "SELECT json_build_object('dirs', current_setting("
        "'unix_socket_directories'), 'port', current_setting('port'));";
  json_t *said CLEANUP_JSON = NULL;
  TRY (postgresql_json (p, "postgres", sql, &said));
  const char *dirs = json_text (said, "dirs");
  *out = mem_printf ("%.*s/.s.PGSQL.%s", (int)strcspn (dirs, ", "), dirs,
                     json_text (said, "port"));
  return NULL;
}

/* The port that the subscription has, 0 where there is none yet. */
static struct err *
port_of (const struct step_call *call, const char *name, unsigned *out)
{
  char *said CLEANUP_FREE = NULL;
  char *sql CLEANUP_FREE = mem_printf (
      "SELECT coalesce((SELECT substring(subconninfo from 'port=([0-9]+)')"
      " FROM pg_subscription WHERE subname = '%s'), '0');",
      name);
  TRY (postgresql_run (call->target, "postgres", sql, &said));
  *out = (unsigned)strtoul (said, NULL, 10);
  return NULL;
}

static struct err *
open_way (const struct step_call *call, const char *name, unsigned wanted,
          unsigned *port)
{
  struct tunnel_way way = { .name = name, .port = wanted };
  char *socket CLEANUP_FREE = NULL;
  TRY (socket_of (call->source, &socket));
  uint32_t near[2], far[2];
  TRY (postgresql_ids (call->target, &near[0], &near[1]));
  TRY (postgresql_ids (call->source, &far[0], &far[1]));
  way.uid = near[0];
  way.far_uid = far[0];
  way.far_gid = far[1];
  way.socket = socket;
  struct err *e = port_tunnel (call->target, call->source, &way, port);
  if (e == NULL || wanted == 0 || strcmp (err_code (e), "RH-TUNNEL-PORT") != 0)
    return e;
  err_free (e); /* somebody else has it by now */
  way.port = 0;
  return port_tunnel (call->target, call->source, &way, port);
}

static char *
where_of (const struct step_call *call, const char *name, unsigned port)
{
  return mem_printf ("host=127.0.0.1 port=%u user=postgres dbname=%s "
                     "application_name=%s sslmode=disable gssencmode=disable",
                     port, postgresql_database (call), name);
}

struct err *
postgresql_stream_way (const struct step_call *call, char **where)
{
  char *name CLEANUP_FREE = postgresql_stream_name (call);
  unsigned had, port = 0;
  TRY (port_of (call, name, &had));
  TRY (open_way (call, name, had, &port));
  char *now CLEANUP_FREE = where_of (call, name, port);
  if (had != 0 && port != had) {
    char *quoted CLEANUP_FREE = postgresql_literal (now);
    char *sql CLEANUP_FREE = mem_printf (POSTGRESQL_WRITABLE
                                         "ALTER SUBSCRIPTION %s CONNECTION %s;",
                                         name, quoted);
    TRY (postgresql_run (call->target, postgresql_database (call), sql, NULL));
  }
  if (where != NULL)
    *where = STEAL (now);
  return NULL;
}

/* ---- How it stands ---- */

static struct err *
broken (const char *what, const char *todo)
{
  return err_advise (err_new (ERR_REFUSED, "RH-POSTGRESQL-STREAM", "%s", what),
                     "the source serves as before", todo);
}

#define LOG_SAYS                                                           \
  "the log of the target's PostgreSQL says why; 'rehome abort' takes the " \
  "replication away, and 'rehome sync' then begins anew"

static const char target_sql[]
    = "SELECT json_build_object('there', (SELECT count(*) FROM"
      " pg_subscription WHERE subname = '%s' AND subenabled), 'waiting',"
      " (SELECT count(*) FROM pg_subscription_rel r JOIN pg_subscription s ON"
      " s.oid = r.srsubid WHERE subname = '%s' AND srsubstate <> 'r'),"
      " 'errors', (SELECT coalesce(sum((j ->> 'apply_error_count')::bigint +"
      " (j ->> 'sync_error_count')::bigint), 0) FROM (SELECT to_jsonb(t) AS j"
      " FROM pg_stat_subscription_stats t WHERE subname = '%s') AS x));";

static struct err *
look_target (const struct step_call *call, json_t **out)
{
  char *name CLEANUP_FREE = postgresql_stream_name (call);
  char *sql CLEANUP_FREE = mem_printf (target_sql, name, name, name);
  TRY (postgresql_json (call->target, postgresql_database (call), sql, out));
  if (json_integer_value (json_at (*out, "there")) != 1)
    return broken ("the subscription on the target is gone or disabled",
                   LOG_SAYS);
  return NULL;
}

static json_int_t
number (const json_t *o, const char *key)
{
  return json_integer_value (json_at (o, key));
}

static struct err *
cannot_apply (void)
{
  return broken ("the target's server cannot apply what the source's sends",
                 LOG_SAYS);
}

/* A connection that broke counts as an error, too, and is made again. */
struct err *
postgresql_stream_await (const struct step_call *call)
{
  for (;;) {
    json_t *now CLEANUP_JSON = NULL;
    TRY (look_target (call, &now));
    if (number (now, "waiting") == 0)
      return NULL;
    if (number (now, "errors") >= SYNC_ERRORS)
      return cannot_apply ();
    TRY (remote_pause (call, READY_MS));
  }
}

static const char source_sql[]
    = "SELECT json_build_object('slot', (SELECT count(*) FROM"
      " pg_replication_slots s WHERE slot_name = '%s' AND coalesce(to_jsonb(s)"
      " ->> 'wal_status', '') <> 'lost'), 'active', coalesce((SELECT active"
      " FROM pg_replication_slots WHERE slot_name = '%s'), false), 'bytes',"
      " (SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)"
      " FROM pg_replication_slots WHERE slot_name = '%s')::bigint, 'lsn',"
      " (SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name"
      " = '%s'), 'ms',"
      " coalesce((SELECT (extract(epoch FROM replay_lag) * 1000)::bigint FROM"
      " pg_stat_replication WHERE application_name = '%s' LIMIT 1), 0));";

static struct err *
look_source (const struct step_call *call, json_t **out)
{
  char *n CLEANUP_FREE = postgresql_stream_name (call);
  char *sql CLEANUP_FREE = mem_printf (source_sql, n, n, n, n, n);
  TRY (postgresql_json (call->source, postgresql_database (call), sql, out));
  if (json_integer_value (json_at (*out, "slot")) == 1)
    return NULL;
  return broken ("the source's replication slot is gone or has lost what it "
                 "kept",
                 "'rehome abort', then 'rehome sync', which copies anew");
}

/* What cannot be applied is tried again every few seconds: the number of errors
 * grows, and the slot stays where it is. */
static struct err *
moves_on (const struct step_call *call, const json_t *source,
          const json_t *target)
{
  if (number (target, "errors") == 0)
    return NULL;
  for (int i = 0; i < STUCK_LOOKS; i++) {
    json_t *later CLEANUP_JSON = NULL;
    json_t *there CLEANUP_JSON = NULL;
    TRY (remote_pause (call, READY_MS));
    TRY (look_source (call, &later));
    if (number (later, "bytes") <= 0
        || !json_equal (json_at (later, "lsn"), json_at (source, "lsn")))
      return NULL;
    TRY (look_target (call, &there));
    if (number (there, "errors") > number (target, "errors"))
      return cannot_apply ();
  }
  return NULL; /* a large transaction, maybe */
}

struct err *
postgresql_stream_round (const struct step_call *call, json_t **result)
{
  json_t *source CLEANUP_JSON = NULL;
  json_t *target CLEANUP_JSON = NULL;
  json_t *findings CLEANUP_JSON = json_array ();
  TRY (postgresql_stream_way (call, NULL));
  TRY (postgresql_same_schema (call));
  for (int i = 0; i < QUIET_LOOKS; i++) { /* it reconnects by itself */
    json_decref (STEAL (source));
    TRY (look_source (call, &source));
    if (json_is_true (json_at (source, "active")))
      break;
    TRY (remote_pause (call, READY_MS));
  }
  if (!json_is_true (json_at (source, "active")))
    return broken ("nobody reads the source's replication slot", LOG_SAYS);
  TRY (look_target (call, &target));
  TRY (moves_on (call, source, target));
  TRY (postgresql_stream_guard (call));
  *result
      = json_pack ("{s:O, s:O, s:O}", "lag_bytes", json_at (source, "bytes"),
                   "lag_ms", json_at (source, "ms"), "findings", findings);
  return NULL;
}

/* ---- The end ---- */

/* The server itself waits, so that the answer comes at once. */
struct err *
postgresql_stream_reach (const struct step_call *call, json_t **result)
{
  char *name CLEANUP_FREE = postgresql_stream_name (call);
  char *lsn CLEANUP_FREE = NULL;
  /* The message makes what came before it durable, or it would not be sent. */
  TRY (postgresql_run (
      call->source, postgresql_database (call),
      "SET default_transaction_read_only = off;"
      " SELECT WHERE pg_logical_emit_message(true, 'rehome', '') IS NULL;"
      " SELECT pg_current_wal_insert_lsn();",
      &lsn));
  lsn[strcspn (lsn, "\n")] = '\0';
  char *wanted CLEANUP_FREE = postgresql_literal (lsn);
  char *sql CLEANUP_FREE = mem_printf (
      "DO $rehome$ BEGIN FOR i IN 1..200 LOOP EXIT WHEN EXISTS (SELECT FROM"
      " pg_replication_slots WHERE slot_name = '%s' AND confirmed_flush_lsn >="
      " %s::pg_lsn); PERFORM pg_sleep(0.01); END LOOP; END $rehome$;\n"
      "SELECT json_build_object('reached', EXISTS (SELECT FROM"
      " pg_replication_slots WHERE slot_name = '%s' AND confirmed_flush_lsn >="
      " %s::pg_lsn));",
      name, wanted, name, wanted);
  for (int i = 0; i < REACH_LOOKS; i++) {
    json_t *now CLEANUP_JSON = NULL;
    json_t *source CLEANUP_JSON = NULL;
    TRY (postgresql_json (call->source, postgresql_database (call), sql, &now));
    if (json_is_true (json_at (now, "reached"))) {
      *result = json_pack ("{s:s}", "lsn", lsn);
      return NULL;
    }
    TRY (look_source (call, &source));
    TRY (remote_pause (call, 20));
  }
  return broken ("the target's server does not reach what the source's has "
                 "written",
                 LOG_SAYS);
}
