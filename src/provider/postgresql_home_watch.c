/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A database's stream back while it runs: whether the old server's applier goes
 * on and how far it is behind, that it is given up where it does not, and its
 * end; see postgresql_home.h.
 *
 * A stream that was given up stays so, and the rounds take its place: what the
 * old server holds then is not what was proven, so they compare with what it
 * holds.
 */
#include "provider/postgresql_home.h"

#include "base/mem.h"
#include "provider/beside.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

enum { LOOK_MS = 500, QUIET_LOOKS = 40, REACH_STILL = 20 };

/* On the old server: why the stream was given up, and what it held then. */
static char *
marker_of (const struct step_call *call)
{
  return steps_path (call, "back/postgresql-home-%ld.json", call->step->item);
}

/* ---- How it stands ---- */

static const char source_sql[]
    = "SELECT json_build_object('slot', (SELECT count(*) FROM"
      " pg_replication_slots s WHERE slot_name = '%s' AND coalesce(to_jsonb(s)"
      " ->> 'wal_status', '') <> 'lost'), 'active', coalesce((SELECT active"
      " FROM pg_replication_slots WHERE slot_name = '%s'), false), 'bytes',"
      " coalesce((SELECT pg_wal_lsn_diff(pg_current_wal_lsn(),"
      " confirmed_flush_lsn) FROM pg_replication_slots WHERE slot_name = '%s')"
      "::bigint, 0), 'lsn', (SELECT confirmed_flush_lsn FROM"
      " pg_replication_slots WHERE slot_name = '%s'), 'ms', coalesce((SELECT"
      " (extract(epoch FROM replay_lag) * 1000)::bigint FROM"
      " pg_stat_replication WHERE application_name = '%s' LIMIT 1), 0),"
      " 'large', (SELECT count(*) FROM pg_largeobject_metadata));";

static const char target_sql[]
    = "SELECT json_build_object('there', (SELECT count(*) FROM pg_subscription"
      " WHERE subname = '%s'), 'enabled', (SELECT count(*) FROM"
      " pg_subscription WHERE subname = '%s' AND subenabled), 'errors',"
      " coalesce((SELECT apply_error_count + sync_error_count FROM"
      " pg_stat_subscription_stats WHERE subname = '%s'), 0));";

/* What both servers say, asked at the same time. */
struct stand {
  const struct step_call *call;
  json_t *source, *target;
};

static void
stand_clear (struct stand *s)
{
  json_decref (STEAL (s->source));
  json_decref (STEAL (s->target));
}

static struct err *
ask_source (void *ctx)
{
  struct stand *s = ctx;
  char *n CLEANUP_FREE = postgresql_stream_name (s->call);
  char *sql CLEANUP_FREE = mem_printf (source_sql, n, n, n, n, n);
  return postgresql_json (s->call->source, postgresql_database (s->call), sql,
                          &s->source);
}

static struct err *
ask_target (void *ctx)
{
  struct stand *s = ctx;
  char *n CLEANUP_FREE = postgresql_stream_name (s->call);
  char *sql CLEANUP_FREE = mem_printf (target_sql, n, n, n);
  return postgresql_json (s->call->target, postgresql_database (s->call), sql,
                          &s->target);
}

static struct err *
ask (struct stand *s)
{
  const struct beside both[] = { { ask_source, s }, { ask_target, s } };
  stand_clear (s);
  return beside_run (s->call, both, 2, 2);
}

static json_int_t
number (const json_t *o, const char *key)
{
  return json_integer_value (json_at (o, key));
}

/* Why it cannot go on, from one look; NULL: nothing is known against it. */
static const char *
lost (const struct stand *s)
{
  if (number (s->target, "there") == 0)
    return "its subscription on the source is gone";
  if (number (s->source, "slot") == 0)
    return "the target has let go of its slot (a full disk, or nobody came for "
           "half a day)";
  return NULL;
}

/* The old server's words on it. */
static char *
stopped (const struct step_call *call)
{
  char *error CLEANUP_FREE = postgresql_home_error (call);
  return mem_printf ("PostgreSQL on the source cannot apply what the target's "
                     "sends: %s",
                     error[0] != '\0' ? error : "its log says why");
}

/* An error that grows while the slot stays where it is: an applier tries again
 * every few seconds.  One connection may have broken meanwhile, two of them
 * with nothing taken in between have not. */
static struct err *
judge (const struct step_call *call, struct stand *s, char **why)
{
  char *lsn CLEANUP_FREE = mem_strdup (json_text (s->source, "lsn"));
  json_int_t first = number (s->target, "errors");
  for (int i = 0;; i++) {
    const char *gone = lost (s);
    bool active = json_is_true (json_at (s->source, "active"));
    json_int_t errors = number (s->target, "errors");
    bool moved = number (s->source, "bytes") <= 0
                 || strcmp (json_text (s->source, "lsn"), lsn) != 0;
    bool fails = errors >= first + 2 && !moved;
    if (gone != NULL)
      *why = mem_strdup (gone);
    else if (fails || (i >= QUIET_LOOKS && !active))
      *why = stopped (call);
    if (*why != NULL || (active && (errors == 0 || moved)) || i >= QUIET_LOOKS)
      return NULL;
    TRY (remote_pause (call, LOOK_MS));
    TRY (ask (s));
  }
}

/* ---- Definitions ---- */

struct census {
  const struct step_call *call;
  json_t *said[2];
};

static struct err *
census_source (void *ctx)
{
  struct census *c = ctx;
  return postgresql_json (c->call->source, postgresql_database (c->call),
                          postgresql_census_sql, &c->said[0]);
}

static struct err *
census_target (void *ctx)
{
  struct census *c = ctx;
  return postgresql_json (c->call->target, postgresql_database (c->call),
                          postgresql_census_sql, &c->said[1]);
}

/* The first that one has and the other has not, or otherwise. */
static const char *
first_other (const json_t *one, const json_t *other)
{
  const char *key;
  json_t *value;
  json_object_foreach ((json_t *)(uintptr_t)one, key, value)
  {
    json_t *is = json_object_get (other, key);
    if (is == NULL || !json_equal (is, value))
      return key;
  }
  return NULL;
}

struct err *
postgresql_home_schema (const struct step_call *call, char **why)
{
  struct census c = { .call = call };
  const struct beside both[] = { { census_source, &c }, { census_target, &c } };
  struct err *e = beside_run (call, both, 2, 2);
  json_t *source CLEANUP_JSON = c.said[0];
  json_t *target CLEANUP_JSON = c.said[1];
  TRY (e);
  const char *key = first_other (source, target);
  if (key == NULL)
    key = first_other (target, source);
  if (key != NULL)
    *why = mem_printf ("the schema was changed on the target since it opened: "
                       "%s",
                       key);
  return NULL;
}

/* Only a catalog that has changed is worth a census. */
static struct err *
check_schema (const struct step_call *call, json_t *record, char **why)
{
  char *path CLEANUP_FREE = postgresql_home_record (call);
  json_t *catalog CLEANUP_JSON = NULL;
  TRY (postgresql_json (call->source, postgresql_database (call),
                        postgresql_catalog_sql, &catalog));
  if (json_equal (catalog, json_at (record, "catalog")))
    return NULL;
  TRY (postgresql_home_schema (call, why));
  if (*why != NULL)
    return NULL;
  json_object_set (record, "catalog", catalog);
  return remote_record (call->source, path, record);
}

/* ---- The look ---- */

static struct err *
give_up (const struct step_call *call, const char *why)
{
  char *path CLEANUP_FREE = marker_of (call);
  json_t *marker CLEANUP_JSON = json_pack ("{s:s}", "why", why);
  TRY (remote_record (call->target, path, marker));
  return postgresql_home_end (call, NULL);
}

/* What the old server holds once nothing is applied there any more. */
static struct err *
recall_given_up (const struct step_call *call, json_t *marker)
{
  const char *db = postgresql_database (call);
  char *path CLEANUP_FREE = marker_of (call);
  json_t *tables CLEANUP_JSON = NULL;
  json_t *base CLEANUP_JSON = NULL;
  TRY (postgresql_home_end (call, NULL)); /* it may have been interrupted */
  if (json_at (marker, "base") != NULL)
    return NULL;
  TRY (postgresql_tables (call->target, db, &tables));
  TRY (postgresql_digest (call->target, db, tables, &base));
  json_object_set (marker, "base", base);
  return remote_record (call->target, path, marker);
}

static struct err *
bring_sequences (const struct step_call *call)
{
  const char *db = postgresql_database (call);
  json_t *wanted CLEANUP_JSON = NULL;
  json_t *is CLEANUP_JSON = NULL;
  TRY (postgresql_sequences (call->source, db, &wanted));
  TRY (postgresql_sequences (call->target, db, &is));
  return postgresql_set_sequences (call, wanted, is);
}

/* The applier stood still from the rehearsal on. */
static struct err *
let_run (const struct step_call *call, const struct stand *s)
{
  char *name CLEANUP_FREE = postgresql_stream_name (call);
  char *sql CLEANUP_FREE
      = mem_printf (POSTGRESQL_WRITABLE "ALTER SUBSCRIPTION %s ENABLE;", name);
  if (number (s->target, "there") == 0 || number (s->target, "enabled") == 1)
    return NULL;
  return postgresql_run (call->target, postgresql_database (call), sql, NULL);
}

static json_t *
say_stand (const struct stand *s, const char *why)
{
  json_t *out = json_pack ("{s:s, s:O, s:O, s:[]}", "reverse",
                           reverse_name (why == NULL ? REVERSE_REPLICATE
                                                     : REVERSE_NONE),
                           "lag_bytes", json_at (s->source, "bytes"), "lag_ms",
                           json_at (s->source, "ms"), "tables");
  if (why != NULL) {
    json_object_set_new (out, "why", json_string (why));
    json_object_set_new (out, "findings", json_pack ("[s]", why));
  }
  return out;
}

/* What no stream and no round carries. */
static struct err *
limits (const struct step_call *call, const struct stand *s, json_t *record,
        char **why)
{
  json_int_t large = number (s->source, "large");
  if (large > 0) {
    *why = mem_printf ("%lld large objects were made on the target, which do "
                       "not come back",
                       (long long)large);
    return NULL;
  }
  return check_schema (call, record, why);
}

static struct err *
look (const struct step_call *call, json_t *record, struct stand *s,
      json_t **result, char **why)
{
  char *limit CLEANUP_FREE = NULL;
  TRY (ask (s));
  if (lost (s) == NULL) {
    TRY (postgresql_stream_way (call, NULL));
    TRY (let_run (call, s));
  }
  TRY (judge (call, s, why));
  if (*why != NULL)
    return NULL;
  TRY (limits (call, s, record, &limit));
  if (limit == NULL)
    TRY (bring_sequences (call));
  TRY (postgresql_stream_guard (call));
  *result = say_stand (s, limit);
  return NULL;
}

struct err *
postgresql_home_look (const struct step_call *call, json_t **result,
                      json_t **given_up)
{
  char *path CLEANUP_FREE = postgresql_home_record (call);
  char *marker CLEANUP_FREE = marker_of (call);
  char *why CLEANUP_FREE = NULL;
  CLEANUP (stand_clear) struct stand s = { .call = call };
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->target, marker, given_up));
  if (*given_up != NULL)
    return recall_given_up (call, *given_up);
  TRY (remote_recall (call->source, path, &record));
  if (record == NULL)
    return NULL;
  TRY (look (call, record, &s, result, &why));
  if (why == NULL)
    return NULL;
  TRY (give_up (call, why));
  TRY (remote_recall (call->target, marker, given_up));
  return recall_given_up (call, *given_up);
}

/* ---- Its end ---- */

/* The old server's flush lags behind what it has applied by a moment. */
static struct err *
await_lsn (const struct step_call *call, const char *lsn, bool *out)
{
  char *name CLEANUP_FREE = postgresql_stream_name (call);
  char *sql CLEANUP_FREE = mem_printf (
      "DO $rehome$ BEGIN FOR i IN 1..100 LOOP EXIT WHEN EXISTS (SELECT FROM"
      " pg_replication_slots WHERE slot_name = '%s' AND confirmed_flush_lsn >="
      " '%s'); PERFORM pg_sleep(0.01); END LOOP; END $rehome$;\n"
      "SELECT json_build_object('reached', coalesce((SELECT"
      " confirmed_flush_lsn >= '%s' FROM pg_replication_slots WHERE slot_name ="
      " '%s'), false), 'lsn', (SELECT confirmed_flush_lsn FROM"
      " pg_replication_slots WHERE slot_name = '%s'));",
      name, lsn, lsn, name, name);
  char *before CLEANUP_FREE = mem_strdup ("");
  for (int still = 0; still < REACH_STILL; still++) {
    json_t *now CLEANUP_JSON = NULL;
    TRY (postgresql_json (call->source, postgresql_database (call), sql, &now));
    *out = json_is_true (json_at (now, "reached"));
    const char *is = json_string_value (json_at (now, "lsn"));
    if (*out || is == NULL)
      return NULL;
    if (strcmp (before, is) != 0) {
      free (before);
      before = mem_strdup (is);
      still = 0;
    }
    TRY (remote_pause (call, 10));
  }
  return NULL;
}

struct err *
postgresql_home_reach (const struct step_call *call)
{
  char *path CLEANUP_FREE = postgresql_home_record (call);
  char *lsn CLEANUP_FREE = NULL;
  bool standing, reached = false;
  TRY (remote_exists (call->source, path, &standing));
  if (!standing)
    return NULL;
  TRY (postgresql_run (
      call->source, postgresql_database (call),
      POSTGRESQL_WRITABLE
      "SELECT WHERE pg_logical_emit_message(true, 'rehome', '') IS NULL;"
      " SELECT pg_current_wal_insert_lsn();",
      &lsn));
  lsn[strcspn (lsn, "\n")] = '\0';
  TRY (postgresql_stream_way (call, NULL));
  TRY (await_lsn (call, lsn, &reached));
  if (reached)
    return NULL;
  char *why CLEANUP_FREE = stopped (call);
  return give_up (call, why);
}

const char postgresql_raise_sql[]
    = "DO $rehome$ DECLARE r record; most bigint; last bigint; BEGIN FOR r IN"
      " SELECT s.oid::regclass AS name, c.oid::regclass AS of, a.attname,"
      " q.seqmax FROM pg_class s JOIN pg_sequence q ON q.seqrelid = s.oid JOIN"
      " pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = s.oid AND"
      " d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype"
      " IN ('a', 'i') JOIN pg_class c ON c.oid = d.refobjid JOIN pg_attribute a"
      " ON a.attrelid = c.oid AND a.attnum = d.refobjsubid WHERE s.relkind ="
      " 'S' AND q.seqincrement > 0 AND a.atttypid IN ('int2'::regtype,"
      " 'int4'::regtype, 'int8'::regtype) LOOP EXECUTE format('SELECT max(%I)"
      " FROM %s', r.attname, r.of) INTO most; EXECUTE format('SELECT last_value"
      " FROM %s', r.name) INTO last; IF most > last AND most <= r.seqmax THEN"
      " PERFORM setval(r.name, most); END IF; END LOOP; END $rehome$;";

/* Sequences before the subscription goes: what is interrupted between the two
 * is done again. */
struct err *
postgresql_home_keep (const struct step_call *call, bool *was)
{
  const char *db = postgresql_database (call);
  char *name CLEANUP_FREE = postgresql_stream_name (call);
  char *ask_sql CLEANUP_FREE = mem_printf (
      "SELECT count(*) FROM pg_subscription WHERE subname = '%s';", name);
  char *said CLEANUP_FREE = NULL;
  TRY (postgresql_run (call->target, db, ask_sql, &said));
  *was = said[0] == '1';
  if (!*was)
    return NULL;
  char *sql CLEANUP_FREE
      = mem_printf (POSTGRESQL_WRITABLE
                    "ALTER SUBSCRIPTION %s DISABLE;\n" POSTGRESQL_END_APPLIER
                    "%s\n",
                    name, name, name, postgresql_raise_sql);
  TRY (postgresql_long (call->target, db, sql));
  TRY (postgresql_leave_target (call));
  port_tunnel_close (call->target, name);
  return NULL;
}
