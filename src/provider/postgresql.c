/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL provider: one database, with the roles it needs.  Rounds
 * compare digests of its tables on both servers and copy those that differ;
 * the last one is behind the freeze, for which package defaults
 * (wal_level=replica) are enough; or the servers replicate.
 */
#include "provider/postgresql_stream.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

/* No "=": libpq would take the name for a connection string. */
static bool
is_name (const char *s)
{
  size_t len = strspn (s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789_.-");
  return s[0] != '\0' && s[0] != '-' && s[len] == '\0' && len <= 63
         && strcmp (s, "postgres") != 0 && strncmp (s, "template", 8) != 0;
}

static struct err *
one_of (const json_t *spec, const char *key, const char *one, const char *other)
{
  const json_t *v = json_at (spec, key);
  const char *s = json_string_value (v);
  if (v == NULL
      || (s != NULL && (strcmp (s, one) == 0 || strcmp (s, other) == 0)))
    return NULL;
  return err_new (ERR_CORRECT, "RH-PLAN-VALUE", "'%s': expected %s%s%s", key,
                  one, strcmp (one, other) == 0 ? "" : " or ",
                  strcmp (one, other) == 0 ? "" : other);
}

static struct err *
check (const json_t *spec)
{
  static const char *const keys[]
      = { "postgresql", "roles",   "remote", "overwrite",
          "in-step",    "restart", NULL };
  TRY (spec_keys (spec, keys));
  const char *db = json_string_value (json_at (spec, "postgresql"));
  const json_t *remote = json_at (spec, "remote");
  if (db == NULL || !is_name (db))
    return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                    "'postgresql': expected the name of a database (letters, "
                    "digits, '_', '.', '-'; not postgres or a template)");
  if (remote != NULL
      && (!json_is_string (remote)
          || strcmp (json_string_value (remote), "accepted") != 0))
    return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                    "'remote': expected accepted");
  TRY (one_of (spec, "in-step", "rounds", "replicate"));
  TRY (one_of (spec, "restart", "allowed", "allowed"));
  TRY (spec_words (spec, "roles", false, is_name, "names of roles"));
  return spec_flag (spec, "overwrite");
}

static char *
name (const json_t *spec)
{
  const char *db = json_string_value (json_at (spec, "postgresql"));
  return mem_strdup (db == NULL ? "" : db);
}

const char *
postgresql_database (const struct step_call *call)
{
  return json_string_value (json_at (call->item->spec, "postgresql"));
}

/* A backslash would be an escape where standard_conforming_strings is off. */
char *
postgresql_literal (const char *text)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  bool escaped = strchr (text, '\\') != NULL;
  err_free (buf_put (&b, escaped ? " E'" : "'", escaped ? 3 : 1));
  for (; *text != '\0'; text++) {
    if (*text == '\'' || *text == '\\')
      err_free (buf_put (&b, text, 1));
    err_free (buf_put (&b, text, 1));
  }
  err_free (buf_put (&b, "'", 1));
  return buf_steal_str (&b);
}

struct err *
postgresql_run (struct port *p, const char *database, const char *sql,
                char **out)
{
  json_t *argv
      = postgresql_argv (p, "psql",
                         ARGV ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                               "-d", database, "-f", "-"));
  return remote_must (p, argv, sql, out);
}

/* What it says is dropped. */
struct err *
postgresql_long (struct port *p, const char *database, const char *sql)
{
  char *input CLEANUP_FREE = text_base64 (sql, strlen (sql));
  json_t *argv = postgresql_argv (p, "psql",
                                  ARGV ("-X", "-q", "-v", "ON_ERROR_STOP=1",
                                        "-d", database, "-f", "-"));
  return port_call (p, "program.digest",
                    json_pack ("{s:o, s:s}", "argv", argv, "input", input),
                    NULL);
}

struct err *
postgresql_json (struct port *p, const char *database, const char *sql,
                 json_t **out)
{
  char *text CLEANUP_FREE = NULL;
  TRY (postgresql_run (p, database, sql, &text));
  return err_wrap (json_parse (text, strlen (text), 4 << 20, out),
                   "what PostgreSQL on the %s said", p->name);
}

/* A line that no JSON text can hold, since it escapes what ends a line. */
#define MARK "=#="

struct err *
postgresql_jsons (struct port *p, const char *database, const char *const *sql,
                  size_t n, json_t **out)
{
  struct buf all CLEANUP_BUF = BUF_INIT;
  char *text CLEANUP_FREE = NULL;
  for (size_t i = 0; i < n; i++)
    TRY (buf_printf (&all, "%s\n\\echo " MARK "\n", sql[i]));
  TRY (postgresql_run (p, database, (const char *)all.data, &text));
  char *at = text;
  for (size_t i = 0; i < n; i++) {
    char *end = strstr (at, "\n" MARK "\n");
    if (end == NULL)
      return err_new (ERR_CORRUPT, "RH-WIRE-JSON",
                      "PostgreSQL on the %s said less than it was asked",
                      p->name);
    TRY (err_wrap (json_parse (at, (size_t)(end - at), 4 << 20, &out[i]),
                   "what PostgreSQL on the %s said", p->name));
    at = end + strlen ("\n" MARK "\n");
  }
  return NULL;
}

struct err *
postgresql_exists (struct port *p, const char *database, bool *out)
{
  char *quoted CLEANUP_FREE = postgresql_literal (database);
  char *sql CLEANUP_FREE
      = mem_printf ("SELECT count(*) FROM pg_database WHERE datname = %s;",
                    quoted);
  char *text CLEANUP_FREE = NULL;
  TRY (postgresql_run (p, "postgres", sql, &text));
  *out = text[0] == '1';
  return NULL;
}

static struct err *
probe_again (const struct step_call *call, enum probe_state *out)
{
  (void)call;
  *out = PROBED_PARTIAL;
  return NULL;
}

/* Statistics are not part of a dump: without them the first queries are slow.
 */
static struct err *
run_open (const struct step_call *call, json_t **result)
{
  (void)result;
  return postgresql_long (call->target, postgresql_database (call), "ANALYZE;");
}

static struct err *
run_clean (const struct step_call *call, json_t **result)
{
  (void)result;
  char *record CLEANUP_FREE = postgresql_record (call);
  TRY (postgresql_archive_remove (call));
  return remote_remove (call->target, record);
}

static struct err *
run_seed (const struct step_call *call, json_t **result)
{
  return postgresql_streams (call->item)
             ? postgresql_stream_begin (call, result)
             : postgresql_seed (call, result);
}

static struct err *
probe_seed (const struct step_call *call, enum probe_state *out)
{
  return postgresql_streams (call->item) ? postgresql_stream_probe (call, out)
                                         : probe_again (call, out);
}

static const struct step_row leave_row
    = { "leave",    "nothing is left of the replication of %s",
        STAGE_OPEN, STEP_FORWARD,
        SIDE_BOTH,  0 };

static const struct step_row rows[] = {
  { "look", "database %s can be moved", STAGE_PREFLIGHT, STEP_PURE, SIDE_BOTH,
    60000 },
  { "roles", "roles of database %s", STAGE_PREPARE, STEP_IDEMPOTENT, SIDE_BOTH,
    60000 },
  { "seed", "first copy of database %s", STAGE_PREPARE, STEP_IDEMPOTENT,
    SIDE_BOTH, 0 },
  { "round", "tables of %s that changed", STAGE_ROUND, STEP_IDEMPOTENT,
    SIDE_BOTH, 0 },
  { "prove", "objects, rights and roles of database %s", STAGE_PROVE, STEP_PURE,
    SIDE_BOTH, 0 },
  { "stop", "database %s takes no sessions", STAGE_FREEZE, STEP_REVERSIBLE,
    SIDE_SOURCE, 0 },
  { "final", "last round of database %s", STAGE_FINAL, STEP_IDEMPOTENT,
    SIDE_BOTH, 0 },
  { "verify", "database %s is equal", STAGE_VERIFY, STEP_PURE, SIDE_BOTH, 0 },
  { "still", "nothing was written in database %s since", STAGE_OUTSIDE,
    STEP_PURE, SIDE_SOURCE, 60000 },
  { "open", "database %s is analyzed", STAGE_OPEN, STEP_FORWARD, SIDE_TARGET,
    0 },
  { "clean", "records of database %s removed", STAGE_ACCEPT, STEP_FORWARD,
    SIDE_TARGET, 60000 },
  { "back-round", "what %s took is laid up on the source", STAGE_BACK_ROUND,
    STEP_IDEMPOTENT, SIDE_BOTH, 0 },
  { "back-apply", "what was laid up goes into %s", STAGE_BACK_APPLY,
    STEP_IDEMPOTENT, SIDE_SOURCE, 0 },
  { "sweep", "what was laid up of %s is removed", STAGE_ACCEPT, STEP_FORWARD,
    SIDE_SOURCE, 60000 },
  { "back-sweep", "what was laid up of %s is removed", STAGE_BACK_OPEN,
    STEP_FORWARD, SIDE_SOURCE, 60000 },
  { "back-stop", "database %s takes no sessions on the target",
    STAGE_BACK_FREEZE, STEP_REVERSIBLE, SIDE_TARGET, 0 },
  { "back-final", "what %s took comes back", STAGE_BACK_FINAL, STEP_IDEMPOTENT,
    SIDE_BOTH, 0 },
  { "back-verify", "database %s is equal", STAGE_BACK_VERIFY, STEP_PURE,
    SIDE_BOTH, 0 },
  { "back-admit", "database %s takes sessions on the source again",
    STAGE_BACK_VERIFY, STEP_REVERSIBLE, SIDE_SOURCE, 60000 },
  { "back-still", "nothing was written in database %s on the target since",
    STAGE_BACK_OUTSIDE, STEP_PURE, SIDE_TARGET, 60000 },
};

/* Needs within a stage, and the roles before the copy. */
static struct err *
describe (const struct plan *plan, const struct plan_item *item,
          struct graph *g)
{
  const char *colon = strchr (item->name, ':');
  const char *shown = colon == NULL ? item->name : colon + 1;
  long at = steps_item_index (plan, item);
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct needs needs CLEANUP_NEEDS = { 0 };
    if (strcmp (rows[i].op, "seed") == 0)
      needs_add (&needs, "%s#roles", item->name);
    if (strcmp (rows[i].op, "back-admit") == 0)
      needs_add (&needs, "%s#back-verify", item->name);
    if (strcmp (rows[i].op, "stop") == 0) /* or they would log errors first */
      needs_services (&needs, plan, "");
    if (strcmp (rows[i].op, "back-stop") == 0)
      needs_services (&needs, plan, "back-");
    struct step_row row = rows[i];
    if (strcmp (row.op, "seed") == 0 && postgresql_streams (item))
      row.cls = STEP_REVERSIBLE;
    TRY (
        steps_add (g, &row, "postgresql", item->name, shown, at, NULL, &needs));
  }
  if (!postgresql_streams (item))
    return NULL;
  struct needs open CLEANUP_NEEDS = { 0 };
  needs_add (&open, "%s#open", item->name);
  return steps_add (g, &leave_row, "postgresql", item->name, shown, at, NULL,
                    &open);
}

static const struct step_op ops[] = {
  { "look", postgresql_look, NULL, NULL },
  { "roles", postgresql_roles, probe_again, NULL },
  { "seed", run_seed, probe_seed, postgresql_stream_undo },
  { "leave", postgresql_stream_undo, probe_again, NULL },
  { "round", postgresql_round, probe_again, NULL },
  { "prove", postgresql_prove, NULL, NULL },
  { "stop", postgresql_stop, postgresql_stop_probe, postgresql_stop_undo },
  { "final", postgresql_round, probe_again, NULL },
  { "verify", postgresql_verify, NULL, NULL },
  { "still", postgresql_still, NULL, NULL },
  { "open", run_open, probe_again, NULL },
  { "clean", run_clean, probe_again, NULL },
  { "lay", postgresql_lay, probe_again, NULL },
  { "apply", postgresql_apply, probe_again, NULL },
  { "sweep", postgresql_sweep, probe_again, NULL },
  { "back-sweep", postgresql_sweep, probe_again, NULL },
  { NULL, NULL, NULL, NULL },
};

static const struct back_op back_ops[] = {
  { "back-round", BACK_MIRRORED, "lay" },
  { "back-apply", BACK_MIRRORED, "apply" },
  { "back-stop", BACK_MIRRORED, "stop" },
  { "back-final", BACK_MIRRORED, "final" },
  { "back-verify", BACK_MIRRORED, "verify" },
  { "back-still", BACK_MIRRORED, "still" },
  { "back-admit", BACK_UNDONE, "stop" },
  { NULL, BACK_MIRRORED, NULL },
};

const struct provider provider_postgresql = {
  .kind = { "postgresql", check, name },
  .about = "a PostgreSQL database, with its roles",
  .describe = describe,
  .ops = ops,
  .back_ops = back_ops,
  .reverse = REVERSE_DELTA,
  .discover = NULL,
  .discard = postgresql_discard,
};
