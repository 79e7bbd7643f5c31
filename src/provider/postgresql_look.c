/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a PostgreSQL database can be moved: what both servers are, what is
 * in the way, and what this version refuses by name. */
#include "provider/postgresql_stream.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/beside.h"
#include "provider/credentials.h"
#include "provider/queries.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

/* Everything that is asked of the source in one statement.  Columns that older
 * versions do not have are read through to_jsonb. */
static const char source_sql[]
    = "SELECT json_build_object("
      " 'version', current_setting('server_version_num')::int,"
      " 'encoding', pg_encoding_to_char(d.encoding),"
      " 'size', pg_database_size(d.oid),"
      " 'holds', (SELECT json_build_object("
      "   'tables', count(*) FILTER (WHERE relkind IN ('r', 'p')),"
      "   'rows', coalesce(sum(greatest(reltuples, 0)) FILTER"
      "    (WHERE relkind = 'r'), 0)::bigint,"
      "   'views', count(*) FILTER (WHERE relkind = 'v'),"
      "   'materialized', count(*) FILTER (WHERE relkind = 'm'),"
      "   'sequences', count(*) FILTER (WHERE relkind = 'S'),"
      "   'routines', (SELECT count(*) FROM pg_proc p WHERE p.oid >= 16384"
      "    AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = p.oid"
      "    AND e.classid = 'pg_proc'::regclass AND e.deptype = 'e')),"
      "   'triggers', (SELECT count(*) FROM pg_trigger WHERE NOT"
      "    tgisinternal),"
      "   'extensions', (SELECT count(*) FROM pg_extension),"
      "   'large', (SELECT count(*) FROM pg_largeobject_metadata))"
      "   FROM pg_class WHERE oid >= 16384),"
      " 'connections', d.datconnlimit,"
      " 'readonly', (SELECT split_part(c, '=', 2) FROM pg_db_role_setting s,"
      "   unnest(s.setconfig) c WHERE s.setdatabase = d.oid AND s.setrole = 0"
      "   AND c LIKE 'default_transaction_read_only=%'),"
      " 'extensions', (SELECT coalesce(json_agg(json_build_object("
      "   'name', extname, 'version', extversion) ORDER BY extname), '[]')"
      "   FROM pg_extension),"
      " 'tablespaces', (SELECT coalesce(json_agg(spcname), '[]')"
      "   FROM pg_tablespace t WHERE spcname NOT IN"
      "   ('pg_default', 'pg_global') AND (t.oid = d.dattablespace OR EXISTS"
      "   (SELECT FROM pg_class c WHERE c.reltablespace = t.oid))),"
      " 'superusers', (SELECT coalesce(json_agg(DISTINCT a.usename), '[]')"
      "   FROM pg_stat_activity a JOIN pg_roles r ON r.rolname = a.usename"
      "   WHERE a.datid = d.oid AND r.rolsuper"
      "   AND a.pid <> pg_backend_pid()"
      "   AND a.backend_type = 'client backend'),"
      " 'prepared', (SELECT count(*) FROM pg_prepared_xacts"
      "   WHERE database = d.datname),"
      " 'slots', (SELECT coalesce(json_agg(slot_name), '[]')"
      "   FROM pg_replication_slots WHERE database = d.datname"
      "   AND slot_name NOT LIKE 'rehome\\_%'),"
      " 'level', current_setting('wal_level'),"
      " 'large', (SELECT count(*) FROM pg_largeobject_metadata),"
      " 'subscriptions', (SELECT count(*) FROM pg_subscription"
      "   WHERE subdbid = d.oid),"
      " 'always', (SELECT count(*) FROM pg_trigger"
      "   WHERE tgenabled IN ('A', 'R')) + (SELECT count(*) FROM pg_rewrite"
      "   WHERE ev_enabled IN ('A', 'R')),"
      " 'foreign', (SELECT count(*) FROM pg_class WHERE relkind = 'f'),"
      " 'others', (SELECT coalesce(json_agg(datname ORDER BY datname), '[]')"
      "   FROM pg_database WHERE NOT datistemplate"
      "   AND datname NOT IN ('postgres', d.datname)))"
      " FROM pg_database d WHERE d.datname = current_database();";

static const char target_sql[]
    = "SELECT json_build_object("
      " 'version', current_setting('server_version_num')::int,"
      " 'listen', current_setting('listen_addresses'),"
      " 'extensions', (SELECT coalesce(json_object_agg(name,"
      "   default_version), '{}') FROM pg_available_extensions),"
      " 'tablespaces', (SELECT json_agg(spcname) FROM pg_tablespace),"
      " 'there', EXISTS (SELECT FROM pg_database WHERE datname = %s));";

static struct err *
no_server (struct err *e, const char *side)
{
  if (port_is_lost (e))
    return e;
  struct err *cause CLEANUP_ERR = e;
  return err_advise (err_new (ERR_BLOCKED, "RH-POSTGRESQL-SERVER",
                              "PostgreSQL on the %s cannot be asked: %s", side,
                              err_message (cause)),
                     "nothing was changed",
                     "install and start it there; the operating system's user "
                     "postgres must be let in over the socket (peer in "
                     "pg_hba.conf)");
}

static struct err *
refuse (const char *code, char *message, const char *todo)
{
  char *text CLEANUP_FREE = message;
  return err_advise (err_new (ERR_BLOCKED, code, "%s", text),
                     "nothing was changed", todo);
}

static json_int_t
number (const json_t *o, const char *key)
{
  return json_integer_value (json_at (o, key));
}

/* What this version cannot carry, or not safely. */
static struct err *
look_contents (const struct step_call *call, const json_t *s)
{
  const char *db = postgresql_database (call);
  if (json_array_size (json_at (s, "superusers")) > 0)
    return refuse ("RH-POSTGRESQL-SUPERUSER",
                   mem_printf ("'%s' works in database %s and is a superuser, "
                               "whom no freeze binds",
                               json_string_value (json_array_get (
                                   json_at (s, "superusers"), 0)),
                               db),
                   "give the application a role of its own that is none, or "
                   "end that session");
  if (number (s, "prepared") > 0)
    return refuse ("RH-POSTGRESQL-PREPARED",
                   mem_printf ("%lld prepared transactions wait in %s",
                               (long long)number (s, "prepared"), db),
                   "COMMIT PREPARED or ROLLBACK PREPARED each of them");
  if (json_array_size (json_at (s, "slots")) > 0
      || number (s, "subscriptions") > 0)
    return refuse ("RH-POSTGRESQL-REPLICA",
                   mem_printf ("%s is replicated (slots or subscriptions), and "
                               "what reads it would not follow",
                               db),
                   "take the replication down first, and set it up anew "
                   "against the target");
  if (number (s, "always") > 0)
    return refuse (
        "RH-POSTGRESQL-TRIGGER",
        mem_printf ("%lld triggers or rules of %s are ENABLE ALWAYS or "
                    "ENABLE REPLICA: they would run for rows that "
                    "are copied",
                    (long long)number (s, "always"), db),
        "ALTER TABLE ... ENABLE TRIGGER for them, and put it back "
        "after the move");
  return NULL;
}

/* What logical replication needs, or does not carry. */
static struct err *
look_stream (const struct step_call *call, const json_t *s)
{
  const char *db = postgresql_database (call);
  if (!postgresql_streams (call->item))
    return NULL;
  if (number (s, "large") > 0)
    return refuse (
        "RH-POSTGRESQL-LARGE",
        mem_printf ("%s has %lld large objects, which no replication "
                    "carries",
                    db, (long long)number (s, "large")),
        "take 'in-step' out: rounds carry them");
  if (strcmp (json_string_value (json_at (s, "level")), "logical") != 0
      && json_at (call->item->spec, "restart") == NULL)
    return refuse (
        "RH-POSTGRESQL-WAL",
        mem_printf ("%s is to be replicated, and the source's server has "
                    "wal_level = %s",
                    db, json_string_value (json_at (s, "level"))),
        "set wal_level = logical there and restart it; or write 'restart: "
        "allowed' on the item, and the first copy begins with one restart; or "
        "take 'in-step' out: rounds need neither");
  return NULL;
}

static struct err *
look_extensions (const json_t *s, const json_t *t, json_t *findings)
{
  size_t i;
  json_t *one;
  json_array_foreach (json_at (s, "extensions"), i, one)
  {
    const char *name = json_string_value (json_at (one, "name"));
    const char *has = json_string_value (json_at (one, "version"));
    const char *there
        = json_string_value (json_object_get (json_at (t, "extensions"), name));
    if (there == NULL)
      return refuse ("RH-POSTGRESQL-EXTENSION",
                     mem_printf ("the target has no extension '%s'", name),
                     "install the package that has it there (apt-cache search "
                     "postgresql)");
    if (has != NULL && strcmp (has, there) != 0)
      json_array_append_new (findings,
                             json_sprintf ("extension %s is %s on the source "
                                           "and will be %s",
                                           name, has, there));
  }
  return NULL;
}

/* Until the gate opens nobody but local sessions may reach the target. */
static struct err *
look_listen (const struct step_call *call, const json_t *t)
{
  const char *listen = json_string_value (json_at (t, "listen"));
  static const char *const local[]
      = { "", "localhost", "127.0.0.1", "::1", "127.0.0.1,::1" };
  for (size_t i = 0; i < sizeof local / sizeof local[0]; i++)
    if (listen != NULL && strcmp (listen, local[i]) == 0)
      return NULL;
  if (json_at (call->item->spec, "remote") != NULL)
    return NULL;
  return refuse (
      "RH-POSTGRESQL-REMOTE",
      mem_printf ("PostgreSQL on the target listens on '%s': others could "
                  "write there before it opens",
                  listen == NULL ? "?" : listen),
      "set listen_addresses to localhost there until the move is over; or "
      "write 'remote: accepted' on the item when nobody has its address");
}

static struct err *
look_in_way (const struct step_call *call, const json_t *t)
{
  json_t *made CLEANUP_JSON = NULL;
  char *record CLEANUP_FREE = postgresql_record (call);
  TRY (remote_recall (call->target, record, &made));
  if (!json_is_true (json_at (t, "there")) || made != NULL)
    return NULL;
  return refuse ("RH-POSTGRESQL-INWAY",
                 mem_printf ("the target has a database %s already",
                             postgresql_database (call)),
                 "rename or drop it there; rehome only ever drops one that it "
                 "made itself");
}

static struct err *
look_tablespaces (const json_t *s, const json_t *t)
{
  size_t i;
  json_t *one;
  json_array_foreach (json_at (s, "tablespaces"), i, one)
  {
    if (!words_have (json_at (t, "tablespaces"), json_string_value (one)))
      return refuse ("RH-POSTGRESQL-TABLESPACE",
                     mem_printf ("the target has no tablespace '%s'",
                                 json_string_value (one)),
                     "CREATE TABLESPACE there, with its own directory");
  }
  return NULL;
}

static void
note_findings (const json_t *s, json_t *findings)
{
  size_t i;
  json_t *one;
  if (number (s, "foreign") > 0)
    json_array_append_new (
        findings, json_sprintf ("%lld foreign tables: their data stays where "
                                "it is, and must be reachable from the target",
                                (long long)number (s, "foreign")));
  json_array_foreach (json_at (s, "others"), i, one)
  {
    json_array_append_new (
        findings,
        json_sprintf ("database %s of the same server stays on the source "
                      "unless it is an item too",
                      json_string_value (one)));
  }
}

/* What both servers say. */
struct asked {
  const struct step_call *call;
  json_t *source, *target;
  json_t *settings[2];
};

static void
asked_clear (struct asked *a)
{
  json_decref (a->source);
  json_decref (a->target);
  json_decref (a->settings[0]);
  json_decref (a->settings[1]);
}

/* What a server says, and its settings. */
static struct err *
ask (struct port *p, const char *database, const char *sql, json_t **out,
     json_t **settings)
{
  const char *const both[] = { sql, postgresql_settings_sql };
  json_t *said[2] = { NULL, NULL };
  struct err *e = postgresql_jsons (p, database, both, 2, said);
  *out = said[0];
  *settings = said[1];
  return e;
}

/* A server without the database lets nobody in there: that is told apart. */
static struct err *
ask_source (void *ctx)
{
  struct asked *a = ctx;
  const char *db = postgresql_database (a->call);
  bool there;
  struct err *said
      = ask (a->call->source, db, source_sql, &a->source, &a->settings[0]);
  if (said == NULL)
    return NULL;
  struct err *cause CLEANUP_ERR = said;
  struct err *e = postgresql_exists (a->call->source, db, &there);
  if (e != NULL)
    return no_server (e, "source");
  if (there)
    return STEAL (cause);
  return refuse ("RH-POSTGRESQL-ABSENT",
                 mem_printf ("the source has no database %s", db),
                 "correct the item, or take it out of the plan");
}

static struct err *
ask_target (void *ctx)
{
  struct asked *a = ctx;
  char *name CLEANUP_FREE = postgresql_literal (postgresql_database (a->call));
  char *sql CLEANUP_FREE = mem_printf (target_sql, name);
  struct err *e
      = ask (a->call->target, "postgres", sql, &a->target, &a->settings[1]);
  return e == NULL ? NULL : no_server (e, "target");
}

/* Snapshots, roles with their hashes and everybody's tables. */
static struct err *
look_login (struct port *p)
{
  char *said CLEANUP_FREE = NULL;
  struct err *e = postgresql_run (
      p, "postgres",
      "SELECT current_user, rolsuper FROM pg_roles WHERE rolname ="
      " current_user;",
      &said);
  if (e != NULL)
    return no_server (e, p->name);
  said[strcspn (said, "\n")] = '\0';
  const char *mark = strrchr (said, '|');
  if (mark != NULL && strcmp (mark, "|t") == 0)
    return NULL;
  return err_advise (
      err_new (ERR_BLOCKED, "RH-CREDENTIALS-ACCOUNT",
               "on the %s PostgreSQL's programs log in as %.*s, who is no "
               "superuser",
               p->name, mark == NULL ? 0 : (int)(mark - said), said),
      "nothing was changed",
      "put a superuser into the file of credentials, such as postgres");
}

struct err *
postgresql_look (const struct step_call *call, json_t **result)
{
  CLEANUP (asked_clear) struct asked asked = { .call = call };
  json_t *findings CLEANUP_JSON = json_array ();
  const struct beside both[]
      = { { ask_source, &asked }, { ask_target, &asked } };
  TRY (credentials_look (call, look_login));
  TRY (beside_run (call, both, 2, 2));
  const json_t *s = asked.source, *t = asked.target;
  if (number (s, "version") / 10000 > number (t, "version") / 10000)
    return refuse (
        "RH-POSTGRESQL-OLDER",
        mem_printf ("the target has PostgreSQL %lld, the source %lld",
                    (long long)number (t, "version") / 10000,
                    (long long)number (s, "version") / 10000),
        "install the same version there, or a later one");
  TRY (look_contents (call, s));
  TRY (queries_try (call, &postgresql_queries));
  TRY (look_stream (call, s));
  TRY (look_extensions (s, t, findings));
  TRY (look_tablespaces (s, t));
  TRY (look_listen (call, t));
  TRY (look_in_way (call, t));
  note_findings (s, findings);
  json_t *carry CLEANUP_JSON
      = postgresql_settings_carried (asked.settings[0], asked.settings[1],
                                     findings);
  TRY (postgresql_settings_try (call->target, carry, findings));
  *result = json_pack ("{s:I, s:I, s:O, s:O, s:O, s:O, s:O, s:O}", "version",
                       number (s, "version"), "target_version",
                       number (t, "version"), "bytes", json_at (s, "size"),
                       "holds", json_at (s, "holds"), "connections",
                       json_at (s, "connections"), "readonly",
                       json_at (s, "readonly"), "findings", findings, "carry",
                       carry);
  return NULL;
}
