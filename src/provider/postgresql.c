/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PostgreSQL provider: one database, with the roles it needs.  Rounds
 * compare digests of its tables on both servers and copy those that differ;
 * the last one is behind the freeze, for which package defaults
 * (wal_level=replica) are enough; or the servers replicate.
 */
#include "provider/postgresql_home.h"

#include "base/mem.h"
#include "base/text.h"
#include "provider/credentials.h"
#include "provider/pace.h"
#include "provider/queries.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

#define SAID_MAX ((size_t)64 << 20)

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
      = { "postgresql", "roles",   "remote",      "overwrite",     "in-step",
          "restart",    "queries", "credentials", "latency-limit", NULL };
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
  if (json_at (spec, "credentials") != NULL
      && strcmp (json_text (spec, "in-step"), "replicate") == 0)
    return err_new (ERR_CORRECT, "RH-PLAN-NOTYET",
                    "'credentials' with 'in-step: replicate', whose servers "
                    "are let in as postgres alone; expected one of them");
  if (json_at (spec, "latency-limit") != NULL
      && strcmp (json_text (spec, "in-step"), "replicate") == 0)
    return err_new (ERR_CORRECT, "RH-PLAN-NOTYET",
                    "'latency-limit' with 'in-step: replicate', whose servers "
                    "copy by themselves; expected one of them");
  TRY (one_of (spec, "restart", "allowed", "allowed"));
  TRY (credentials_check (spec));
  TRY (pace_check (spec));
  TRY (queries_check (spec));
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
postgresql_output (struct port *p, const char *database, const char *sql,
                   char **out)
{
  char *input CLEANUP_FREE = text_base64 (sql, strlen (sql));
  json_t *argv
      = postgresql_argv (p, "psql",
                         ARGV ("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                               "-d", database, "-f", "-"));
  return remote_output (
      p, json_pack ("{s:o, s:s}", "argv", argv, "input", input), SAID_MAX, out);
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

/* Statistics are not part of a dump: without them the first queries are slow.
 */
static struct err *
run_open (const struct step_call *call, json_t **result)
{
  (void)result;
  return postgresql_long (call->target, postgresql_database (call), "ANALYZE;");
}

static struct err *
run_queries (const struct step_call *call, json_t **result)
{
  return queries_after (call, &postgresql_queries, result);
}

static struct err *
run_clean (const struct step_call *call, json_t **result)
{
  (void)result;
  char *record CLEANUP_FREE = postgresql_record (call);
  TRY (postgresql_archive_remove (call));
  return remote_remove (call->target, record);
}

/* Its undo is the same: whatever interrupts a first copy, an abort leaves no
 * archive, although the copy stays. */
static struct err *
run_stale (const struct step_call *call, json_t **result)
{
  (void)result;
  return postgresql_archive_remove (call);
}

static struct err *
run_seed (const struct step_call *call, json_t **result)
{
  return postgresql_streams (call->item)
             ? postgresql_stream_begin (call, result)
             : pace_run (call, &postgresql_queries, postgresql_seed, result);
}

static struct err *
run_round (const struct step_call *call, json_t **result)
{
  return pace_run (call, &postgresql_queries, postgresql_round, result);
}

static struct err *
probe_seed (const struct step_call *call, enum probe_state *out)
{
  return postgresql_streams (call->item) ? postgresql_stream_probe (call, out)
                                         : steps_probe_again (call, out);
}

/* Of databases that are replicated; the first three are of their first. */
static const struct step_row level_rows[] = {
  { "level", "PostgreSQL of the target writes what a way back needs",
    STAGE_PREPARE, STEP_REVERSIBLE, SIDE_TARGET, 0 },
  { "level-end", "PostgreSQL of the target is set as it was", STAGE_ACCEPT,
    STEP_FORWARD, SIDE_TARGET, 60000 },
  { "back-level-end", "PostgreSQL of the target is set as it was",
    STAGE_BACK_OPEN, STEP_FORWARD, SIDE_TARGET, 60000 },
};
static const struct step_row stream_rows[] = {
  { "leave", "nothing is left of the replication of %s", STAGE_VERIFY,
    STEP_IDEMPOTENT, SIDE_BOTH, 0 },
  { "home", "the way back of %s by replication is tried", STAGE_VERIFY,
    STEP_REVERSIBLE, SIDE_BOTH, 0 },
  { "home-end", "nothing is left of the way back of %s", STAGE_ACCEPT,
    STEP_FORWARD, SIDE_BOTH, 0 },
  { "back-home-end", "nothing is left of the way back of %s", STAGE_BACK_OPEN,
    STEP_FORWARD, SIDE_BOTH, 0 },
};

static const struct step_row rows[] = {
  { "look", "database %s can be moved", STAGE_PREFLIGHT, STEP_PURE, SIDE_BOTH,
    60000 },
  { "roles", "roles of database %s", STAGE_PREPARE, STEP_IDEMPOTENT, SIDE_BOTH,
    60000 },
  { "stale", "no interrupted copy of %s has left an archive", STAGE_PREPARE,
    STEP_REVERSIBLE, SIDE_TARGET, 60000 },
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

static void
add_needs (const struct plan *plan, const struct plan_item *item,
           const char *op, struct needs *needs)
{
  const struct plan_item *first = postgresql_first_streamed (plan);
  if (strcmp (op, "seed") == 0)
    needs_add (needs, "%s#roles", item->name);
  if (strcmp (op, "seed") == 0 && !postgresql_streams (item))
    needs_add (needs, "%s#stale", item->name);
  if (strcmp (op, "roles") == 0 && first != NULL) /* a server may restart */
    needs_add (needs, "%s#level", first->name);
  if (strcmp (op, "back-admit") == 0)
    needs_add (needs, "%s#back-verify", item->name);
  if (strcmp (op, "stop") == 0) /* or they would log errors first */
    needs_services (needs, plan, "");
  if (strcmp (op, "back-stop") == 0)
    needs_services (needs, plan, "back-");
  /* At the same time: the row on trial is in no publication of the source, and
   * nothing else goes back before both have ended. */
  if (strcmp (op, "leave") == 0 || strcmp (op, "home") == 0)
    needs_add (needs, "%s#verify", item->name);
}

static struct err *
add_rows (const struct plan *plan, const struct plan_item *item,
          const struct step_row *all, size_t n, struct graph *g)
{
  const char *colon = strchr (item->name, ':');
  const char *shown = colon == NULL ? item->name : colon + 1;
  long at = steps_item_index (plan, item);
  for (size_t i = 0; i < n; i++) {
    struct needs needs CLEANUP_NEEDS = { 0 };
    struct step_row row = all[i];
    if (strcmp (row.op, "stale") == 0 && postgresql_streams (item))
      continue;
    add_needs (plan, item, row.op, &needs);
    if (strcmp (row.op, "seed") == 0 && postgresql_streams (item))
      row.cls = STEP_REVERSIBLE;
    TRY (
        steps_add (g, &row, "postgresql", item->name, shown, at, NULL, &needs));
  }
  return NULL;
}

#define COUNT(a) (sizeof (a) / sizeof (a)[0])

/* Needs within a stage, and the roles before the copy. */
static struct err *
describe (const struct plan *plan, const struct plan_item *item,
          struct graph *g)
{
  const char *colon = strchr (item->name, ':');
  const char *shown = colon == NULL ? item->name : colon + 1;
  long at = steps_item_index (plan, item);
  TRY (credentials_alike (plan, item));
  if (postgresql_first_streamed (plan) == item)
    TRY (add_rows (plan, item, level_rows, COUNT (level_rows), g));
  TRY (add_rows (plan, item, rows, COUNT (rows), g));
  TRY (queries_describe (g, "postgresql", item, shown, at));
  return postgresql_streams (item)
             ? add_rows (plan, item, stream_rows, COUNT (stream_rows), g)
             : NULL;
}

static const struct step_op ops[] = {
  { "look", postgresql_look, NULL, NULL },
  { "roles", postgresql_roles, steps_probe_again, NULL },
  { "stale", run_stale, steps_probe_again, run_stale },
  { "seed", run_seed, probe_seed, postgresql_stream_undo },
  { "leave", postgresql_stream_undo, steps_probe_again, NULL },
  { "level", postgresql_level, steps_probe_again, postgresql_level_undo },
  { "level-end", postgresql_level_undo, steps_probe_again, NULL },
  { "home", postgresql_home, postgresql_home_probe, postgresql_home_end },
  { "home-end", postgresql_home_end, steps_probe_again, NULL },
  { "round", run_round, steps_probe_again, NULL },
  { "prove", postgresql_prove, NULL, NULL },
  { "stop", postgresql_stop, postgresql_stop_probe, postgresql_stop_undo },
  { "final", postgresql_round, steps_probe_again, NULL },
  { "verify", postgresql_verify, NULL, NULL },
  { "still", postgresql_still, NULL, NULL },
  { "open", run_open, steps_probe_again, NULL },
  { "queries", run_queries, NULL, NULL },
  { "clean", run_clean, steps_probe_again, NULL },
  { "lay", postgresql_lay, steps_probe_again, NULL },
  { "apply", postgresql_apply, steps_probe_again, NULL },
  { "sweep", postgresql_sweep, steps_probe_again, NULL },
  { "back-sweep", postgresql_sweep, steps_probe_again, NULL },
  { NULL, NULL, NULL, NULL },
};

/* Of a busy lab (docs/BENCHMARKS.md): the end of one stream, and the start of
 * the other with a row on trial. */
static const struct step_cost costs[] = {
  { "leave", 450 },
  { "home", 600 },
  { NULL, 0 },
};

static const struct back_op back_ops[] = {
  { "level", BACK_MIRRORED, "level" },
  { "level-end", BACK_MIRRORED, "level-end" },
  { "back-level-end", BACK_MIRRORED, "level-end" },
  { "home", BACK_MIRRORED, "home" },
  { "home-end", BACK_MIRRORED, "home-end" },
  { "back-home-end", BACK_MIRRORED, "home-end" },
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
  .enter = credentials_enter,
  .ops = ops,
  .back_ops = back_ops,
  .reverse = REVERSE_DELTA,
  .costs = costs,
  .discover = NULL,
  .discard = postgresql_discard,
};
