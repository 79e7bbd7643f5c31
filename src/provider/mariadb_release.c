/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a move of a MariaDB database: what its servers are given back
 * once nobody can go back any more, and what is left on them, by name.
 *
 * After a rollback the source serves, and the target's server is what it was:
 * writable, as its other databases need it.  The copy there is nobody's second
 * writer: the accounts that the move made stay locked, its events do not run.
 * After an acceptance the source's server stays closed, or it would take
 * writes beside the target.
 */
#include "provider/mariadb.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

/* ---- After a rollback ---- */

/* A journal from before this was looked at knows what the freeze found, which
 * is after #open: events ran. */
static json_t *
before_of (const struct step_call *call, const json_t *record)
{
  const json_t *look = steps_input (call, "%s#look", call->item->name);
  json_t *then = json_at (look, "target_before");
  if (then != NULL)
    return json_incref (then);
  then = json_deep_copy (json_at (record, "before"));
  json_object_set_new (then, "events", json_string ("OFF"));
  return then;
}

static struct err *
open_target (const struct step_call *call, const json_t *record)
{
  char *path CLEANUP_FREE = mariadb_freeze_record (call);
  char *conf CLEANUP_FREE = mariadb_freeze_conf (call);
  json_t *before CLEANUP_JSON = before_of (call, record);
  char *sql CLEANUP_FREE = mariadb_thaw_sql (before);
  TRY (remote_remove (call->target, conf));
  TRY (mariadb_run (call->target, sql, NULL));
  TRY (mariadb_give_back (call));
  return remote_remove (call->target, path);
}

struct err *
mariadb_release (const struct step_call *call, json_t **result)
{
  char *path CLEANUP_FREE = mariadb_freeze_record (call);
  char *accounts CLEANUP_FREE = mariadb_accounts_record (call);
  json_t *record CLEANUP_JSON = NULL;
  json_t *made CLEANUP_JSON = NULL;
  TRY (remote_recall (call->target, path, &record));
  TRY (remote_recall (call->target, accounts, &made));
  if (record != NULL)
    TRY (open_target (call, record));
  TRY (mariadb_settings_back (call, NULL));
  json_t *left CLEANUP_JSON = json_array ();
  json_array_append_new (left, json_sprintf ("MariaDB's database %s",
                                             mariadb_database (call)));
  mariadb_name_accounts (json_at (made, "made"), left);
  *result = json_pack ("{s:{s:O}}", "left", "target", left);
  return NULL;
}

/* ---- After an acceptance ---- */

static struct err *
left_on_source (const struct step_call *call, json_t *left)
{
  char *path CLEANUP_FREE = mariadb_freeze_record (call);
  char *conf CLEANUP_FREE = mariadb_freeze_conf (call);
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->source, path, &record));
  if (record == NULL)
    return NULL;
  words_add (left, conf);
  words_add (left, "MariaDB's server: read-only, its events do not run");
  mariadb_name_accounts (json_at (record, "accounts"), left);
  const json_t *before = json_at (record, "before");
  if (json_is_true (json_at (record, "held"))
      || strcmp (json_text (before, "userstat"), "1") == 0)
    return NULL;
  return mariadb_run (call->source, "SET GLOBAL userstat = 0;", NULL);
}

/* A source that is off, or its server, stays as it is. */
struct err *
mariadb_sweep (const struct step_call *call, json_t **result)
{
  json_t *left CLEANUP_JSON = json_array ();
  json_t *findings CLEANUP_JSON = json_array ();
  struct err *e = left_on_source (call, left);
  if (e != NULL && !port_is_lost (e)
      && strncmp (err_code (e), "RH-PROGRAM-", 11) != 0)
    return e;
  if (e != NULL)
    json_array_append_new (
        findings, json_sprintf ("the source's MariaDB was not reached, and "
                                "counts rows until its next restart: %s",
                                err_message (e)));
  err_free (e);
  *result = json_pack ("{s:{s:O}, s:O}", "left", "source", left, "findings",
                       findings);
  return NULL;
}
