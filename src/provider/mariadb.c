/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The MariaDB provider: one database, with the accounts that have rights on
 * it.  Rounds compare digests of its tables on both servers and copy those
 * that differ, so that package defaults (no binary log) are enough; or they
 * play the source's binary log.  The last one is behind the freeze.
 */
#include "provider/mariadb.h"

#include "base/mem.h"
#include "provider/credentials.h"
#include "provider/pace.h"
#include "provider/queries.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

/* Names that mean the same in SQL, in patterns of grants and on disks. */
static bool
is_name (const char *s)
{
  static const char *const own[]
      = { "mysql", "sys", "information_schema", "performance_schema" };
  size_t len = strspn (s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          "0123456789_-");
  for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
    if (strcasecmp (s, own[i]) == 0)
      return false;
  return s[0] != '\0' && s[0] != '-' && s[len] == '\0' && len <= 64;
}

static struct err *
check (const json_t *spec)
{
  static const char *const keys[]
      = { "mariadb",  "in-step",     "restart",       "queries",
          "settings", "credentials", "latency-limit", NULL };
  const json_t *restart = json_at (spec, "restart");
  const json_t *settings = json_at (spec, "settings");
  const json_t *how = json_at (spec, "in-step");
  TRY (spec_keys (spec, keys));
  const char *db = json_string_value (json_at (spec, "mariadb"));
  if (db == NULL || !is_name (db))
    return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                    "'mariadb': expected the name of a database (letters, "
                    "digits, '_', '-'; none of the server's own)");
  if (how != NULL
      && (!json_is_string (how)
          || (strcmp (json_string_value (how), "replicate") != 0
              && strcmp (json_string_value (how), "rounds") != 0)))
    return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                    "'in-step': expected rounds or replicate");
  if (restart != NULL
      && (!json_is_string (restart)
          || strcmp (json_string_value (restart), "allowed") != 0))
    return err_new (ERR_CORRECT, "RH-PLAN-VALUE",
                    "'restart': expected allowed");
  if (settings != NULL
      && (!json_is_string (settings)
          || strcmp (json_string_value (settings), "carry") != 0))
    return err_new (ERR_CORRECT, "RH-PLAN-VALUE", "'settings': expected carry");
  TRY (credentials_check (spec));
  TRY (pace_check (spec));
  return queries_check (spec);
}

static char *
name (const json_t *spec)
{
  const char *db = json_string_value (json_at (spec, "mariadb"));
  return mem_strdup (db == NULL ? "" : db);
}

const char *
mariadb_database (const struct step_call *call)
{
  return json_string_value (json_at (call->item->spec, "mariadb"));
}

/* Statistics do not travel; events run from now on where they did before. */
static struct err *
run_open (const struct step_call *call, json_t **result)
{
  const json_t *look = steps_input (call, "%s#look", call->item->name);
  (void)result;
  TRY (mariadb_compose (
      call->target,
      "SELECT CONCAT('ANALYZE NO_WRITE_TO_BINLOG TABLE `%s`.`',"
      " REPLACE(TABLE_NAME, '`', '``'), '`;') FROM"
      " information_schema.TABLES WHERE TABLE_SCHEMA = '%s' AND"
      " TABLE_TYPE = 'BASE TABLE';",
      mariadb_database (call), call->target));
  if (!json_is_true (json_at (look, "events_run")))
    return NULL;
  return mariadb_run (call->target, "SET GLOBAL event_scheduler = ON;", NULL);
}

static struct err *
run_seed (const struct step_call *call, json_t **result)
{
  return pace_run (call, &mariadb_queries, mariadb_seed, result);
}

static struct err *
run_round (const struct step_call *call, json_t **result)
{
  return pace_run (call, &mariadb_queries, mariadb_round, result);
}

static struct err *
run_queries (const struct step_call *call, json_t **result)
{
  return queries_after (call, &mariadb_queries, result);
}

static struct err *
run_clean (const struct step_call *call, json_t **result)
{
  char *record CLEANUP_FREE = mariadb_record (call);
  char *accounts CLEANUP_FREE = mariadb_accounts_record (call);
  json_t *left CLEANUP_JSON = json_array ();
  TRY (mariadb_settings_left (call, left));
  *result = json_pack ("{s:{s:O}}", "left", "target", left);
  TRY (remote_remove (call->target, record));
  return remote_remove (call->target, accounts);
}

static const struct step_row rows[] = {
  { "look", "database %s can be moved", STAGE_PREFLIGHT, STEP_PURE, SIDE_BOTH,
    120000 },
  { "accounts", "accounts of database %s", STAGE_PREPARE, STEP_IDEMPOTENT,
    SIDE_BOTH, 120000 },
  { "log", "the source's server keeps a binary log for %s", STAGE_PREPARE,
    STEP_REVERSIBLE, SIDE_SOURCE, 300000 },
  { "seed", "first copy of database %s", STAGE_PREPARE, STEP_IDEMPOTENT,
    SIDE_BOTH, 0 },
  { "round", "tables of %s that changed", STAGE_ROUND, STEP_IDEMPOTENT,
    SIDE_BOTH, 0 },
  { "prove", "copy of database %s read back", STAGE_PROVE, STEP_PURE, SIDE_BOTH,
    0 },
  { "settled", "nobody else wrote in %s on the target", STAGE_HOLD, STEP_PURE,
    SIDE_BOTH, 0 },
  { "settings", "settings of the source's server, for %s", STAGE_HOLD,
    STEP_REVERSIBLE, SIDE_TARGET, 60000 },
  { "stop", "database %s takes no writes", STAGE_FREEZE, STEP_REVERSIBLE,
    SIDE_SOURCE, 0 },
  { "final", "last round of database %s", STAGE_FINAL, STEP_IDEMPOTENT,
    SIDE_BOTH, 0 },
  { "verify", "database %s is equal", STAGE_VERIFY, STEP_PURE, SIDE_BOTH, 0 },
  { "admit", "accounts of database %s may log in on the target", STAGE_VERIFY,
    STEP_REVERSIBLE, SIDE_TARGET, 60000 },
  { "still", "database %s stands still on the source", STAGE_STILL, STEP_PURE,
    SIDE_SOURCE, 60000 },
  { "leave", "the source's server needs no binary log for %s any more",
    STAGE_OPEN, STEP_FORWARD, SIDE_SOURCE, 60000 },
  { "open", "database %s is analyzed", STAGE_OPEN, STEP_FORWARD, SIDE_TARGET,
    0 },
  { "clean", "records of database %s removed", STAGE_ACCEPT, STEP_FORWARD,
    SIDE_TARGET, 60000 },
  { "sweep", "what is left of %s on the source is named", STAGE_ACCEPT,
    STEP_FORWARD, SIDE_SOURCE, 60000 },
  { "back-round", "what %s took is laid up on the source", STAGE_BACK_ROUND,
    STEP_IDEMPOTENT, SIDE_BOTH, 0 },
  { "back-apply", "what was laid up goes into %s", STAGE_BACK_APPLY,
    STEP_IDEMPOTENT, SIDE_SOURCE, 0 },
  { "back-stop", "database %s takes no writes on the target", STAGE_BACK_FREEZE,
    STEP_REVERSIBLE, SIDE_TARGET, 0 },
  { "back-final", "what %s took comes back", STAGE_BACK_FINAL, STEP_IDEMPOTENT,
    SIDE_BOTH, 0 },
  { "back-verify", "database %s is equal", STAGE_BACK_VERIFY, STEP_PURE,
    SIDE_BOTH, 0 },
  { "back-admit", "database %s takes writes on the source again",
    STAGE_BACK_VERIFY, STEP_REVERSIBLE, SIDE_SOURCE, 60000 },
  { "back-release", "the target's server is as before %s came", STAGE_BACK_OPEN,
    STEP_FORWARD, SIDE_TARGET, 60000 },
};

/* Freezes and thaws touch the whole server: items one after the other. */
static void
needs_others (struct needs *needs, const struct plan *plan,
              const struct plan_item *item, const char *op)
{
  for (size_t i = 0; i < plan_item_count (plan); i++) {
    const struct plan_item *other = plan_item (plan, i);
    if (other == item)
      return;
    if (strcmp (other->kind, "mariadb") == 0)
      needs_add (needs, "%s#%s", other->name, op);
  }
}

static void
needs_of (struct needs *needs, const struct plan *plan,
          const struct plan_item *item, const char *op)
{
  static const char *const behind[][2] = { { "seed", "accounts" },
                                           { "admit", "verify" },
                                           { "back-admit", "back-verify" } };
  static const char *const alone[]
      = { "stop",         "back-stop", "back-admit",
          "back-release", "accounts",  "settings" };
  if (strcmp (op, "stop") == 0) /* or they would log errors first */
    needs_services (needs, plan, "");
  if (strcmp (op, "back-stop") == 0)
    needs_services (needs, plan, "back-");
  for (size_t i = 0; i < sizeof behind / sizeof behind[0]; i++)
    if (strcmp (op, behind[i][0]) == 0)
      needs_add (needs, "%s#%s", item->name, behind[i][1]);
  for (size_t i = 0; i < sizeof alone / sizeof alone[0]; i++)
    if (strcmp (op, alone[i]) == 0)
      needs_others (needs, plan, item, op);
}

static bool
is_of_log (const char *op)
{
  return strcmp (op, "log") == 0 || strcmp (op, "leave") == 0;
}

static struct err *
describe (const struct plan *plan, const struct plan_item *item,
          struct graph *g)
{
  bool follows = mariadb_replicates (item);
  TRY (credentials_alike (plan, item));
  const char *colon = strchr (item->name, ':');
  const char *shown = colon == NULL ? item->name : colon + 1;
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    struct needs needs CLEANUP_NEEDS = { 0 };
    if (!follows && is_of_log (rows[i].op))
      continue;
    if (!mariadb_carries (item) && strcmp (rows[i].op, "settings") == 0)
      continue;
    if (follows && strcmp (rows[i].op, "accounts") == 0) /* it restarts it */
      needs_add (&needs, "%s#log", item->name);
    needs_of (&needs, plan, item, rows[i].op);
    TRY (steps_add (g, &rows[i], "mariadb", item->name, shown,
                    steps_item_index (plan, item), NULL, &needs));
  }
  return queries_describe (g, "mariadb", item, shown,
                           steps_item_index (plan, item));
}

static const struct step_op ops[] = {
  { "look", mariadb_look, NULL, NULL },
  { "accounts", mariadb_make_accounts, steps_probe_again, NULL },
  { "log", mariadb_log_on, steps_probe_again, mariadb_log_off },
  { "seed", run_seed, steps_probe_again, NULL },
  { "round", run_round, steps_probe_again, NULL },
  { "prove", mariadb_prove, NULL, NULL },
  { "settled", mariadb_settled, NULL, NULL },
  { "settings", mariadb_settings_put, steps_probe_again,
    mariadb_settings_back },
  { "stop", mariadb_stop, mariadb_stop_probe, mariadb_stop_undo },
  { "final", mariadb_final, steps_probe_again, NULL },
  { "verify", mariadb_verify, NULL, NULL },
  { "admit", mariadb_admit, steps_probe_again, mariadb_admit_undo },
  { "still", mariadb_still, NULL, NULL },
  { "leave", mariadb_log_off, steps_probe_again, NULL },
  { "open", run_open, steps_probe_again, NULL },
  { "queries", run_queries, NULL, NULL },
  { "clean", run_clean, steps_probe_again, NULL },
  { "sweep", mariadb_sweep, steps_probe_again, NULL },
  { "lay", mariadb_lay, steps_probe_again, NULL },
  { "apply", mariadb_apply, steps_probe_again, NULL },
  { "back-release", mariadb_release, steps_probe_again, NULL },
  { NULL, NULL, NULL, NULL },
};

static const struct back_op back_ops[] = {
  { "back-round", BACK_MIRRORED, "lay" },
  { "back-apply", BACK_MIRRORED, "apply" },
  { "back-stop", BACK_MIRRORED, "stop" },
  { "back-final", BACK_MIRRORED, "final" },
  { "back-verify", BACK_MIRRORED, "verify" },
  { "back-admit", BACK_UNDONE, "stop" },
  { NULL, BACK_MIRRORED, NULL },
};

const struct provider provider_mariadb = {
  .kind = { "mariadb", check, name },
  .about = "a MariaDB database, with its accounts",
  .describe = describe,
  .enter = credentials_enter,
  .ops = ops,
  .back_ops = back_ops,
  .reverse = REVERSE_DELTA,
  .last_percent = 50, /* a round also reads all accounts, and the copy twice */
  .discover = NULL,
  .discard = mariadb_discard,
};
