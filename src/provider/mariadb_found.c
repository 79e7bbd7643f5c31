/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The record, on the target, of accounts: which of them the move made there
 * ("made"), and of those that were there before whether they were locked and
 * what rights on the database they had ("found").  It says what to take away
 * and what to give back, and has no hashes.
 */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

char *
mariadb_accounts_record (const struct step_call *call)
{
  return steps_path (call, "results/mariadb-accounts.json");
}

/* ---- What is there ---- */

static struct err *
has_role (const struct step_call *call, const char *name, bool *out)
{
  char *ask CLEANUP_FREE
      = mem_printf ("SELECT COUNT(*) FROM mysql.global_priv WHERE CONCAT('`',"
                    " REPLACE(User, '`', '``'), '`') = '%s' AND Host = '' AND"
                    " JSON_VALUE(Priv, '$.is_role') = 1;",
                    name);
  char *count CLEANUP_FREE = NULL;
  TRY (mariadb_run (call->target, ask, &count));
  *out = *count == '1';
  return NULL;
}

static json_t *
account_of (char *said, const char *name, bool role, const char *database)
{
  char *at = said;
  char *first CLEANUP_FREE = role ? mem_printf ("CREATE ROLE %s", name)
                                  : mem_strdup (strsep (&at, "\n"));
  char *create CLEANUP_FREE = mariadb_unlocked (first);
  json_t *grants = json_array ();
  for (char *line; (line = strsep (&at, "\n")) != NULL;) {
    char *grant CLEANUP_FREE
        = *line == '\0' ? NULL : mariadb_grant (line, database);
    if (grant != NULL)
      words_add (grants, grant);
  }
  return json_pack ("{s:s, s:b, s:o}", "create", create, "locked",
                    strcmp (create, first) != 0, "grants", grants);
}

struct err *
mariadb_there (const struct step_call *call, const char *name, bool role,
               json_t **out)
{
  char *sql CLEANUP_FREE
      = role ? mem_printf ("SHOW GRANTS FOR %s;", name)
             : mem_printf ("SHOW CREATE USER %s; SHOW GRANTS FOR %s;", name,
                           name);
  struct ran ran CLEANUP_RAN = { 0 };
  bool there = true;
  *out = NULL;
  if (role)
    TRY (has_role (call, name, &there));
  if (!there)
    return NULL;
  json_t *argv
      = mariadb_argv (call->target, "mariadb",
                      ARGV ("--batch", "--skip-column-names", "--raw"));
  TRY (remote_run (call->target, argv, sql, 60000, &ran));
  if (ran.status == 0) /* no such account: 1141, 1269 and others */
    *out = account_of (ran.out, name, role, mariadb_database (call));
  explicit_bzero (ran.out, strlen (ran.out)); /* it has hashes */
  return NULL;
}

/* ---- The record ---- */

static void
note_found (json_t *record, const char *name, const char *database,
            const json_t *there)
{
  if (json_at (record, "found") == NULL)
    json_object_set_new (record, "found", json_object ());
  json_t *found = json_at (record, "found");
  json_t *one = json_object_get (found, name);
  if (one == NULL) {
    one = json_pack ("{s:O, s:{}}", "locked", json_at (there, "locked"),
                     "grants");
    json_object_set_new (found, name, one);
  }
  if (json_object_get (json_at (one, "grants"), database) == NULL)
    json_object_set (json_at (one, "grants"), database,
                     json_at (there, "grants"));
}

struct err *
mariadb_note_account (const struct step_call *call, const char *name,
                      const json_t *there)
{
  char *path CLEANUP_FREE = mariadb_accounts_record (call);
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->target, path, &record));
  if (record == NULL)
    record = json_pack ("{s:[]}", "made");
  json_t *before CLEANUP_JSON = json_deep_copy (record);
  if (words_have (json_at (record, "made"), name))
    return NULL;
  if (there == NULL)
    words_add (json_at (record, "made"), name);
  else
    note_found (record, name, mariadb_database (call), there);
  return json_equal (before, record)
             ? NULL
             : remote_record (call->target, path, record);
}

void
mariadb_name_accounts (const json_t *names, json_t *out)
{
  size_t i;
  json_t *one;
  json_array_foreach (names, i, one)
  {
    const char *name = json_string_value (one);
    bool user = strchr (name, '@') != NULL;
    json_array_append_new (out, json_sprintf ("MariaDB's account %s%s", name,
                                              user ? ": locked" : ""));
  }
}

void
mariadb_name_found (const struct step_call *call, const json_t *record,
                    json_t *out)
{
  const char *name;
  json_t *one;
  json_object_foreach (json_at (record, "found"), name, one)
  {
    json_array_append_new (
        out, json_sprintf ("MariaDB's account %s: its rights on database %s",
                           name, mariadb_database (call)));
  }
}

/* ---- Giving back ---- */

/* Rights that it had are granted anew, since a revoked one may have been part
 * of several. */
static struct err *
give_back (const struct step_call *call, const char *name, const json_t *was)
{
  const json_t *then
      = json_object_get (json_at (was, "grants"), mariadb_database (call));
  json_t *now CLEANUP_JSON = NULL;
  struct buf sql CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  TRY (mariadb_there (call, name, strchr (name, '@') == NULL, &now));
  if (now == NULL || then == NULL)
    return NULL;
  json_array_foreach (json_at (now, "grants"), i, one)
  {
    char *revoke CLEANUP_FREE
        = words_have (then, json_string_value (one))
              ? NULL
              : mariadb_revoke (json_string_value (one), name);
    if (revoke != NULL)
      TRY (buf_printf (&sql, "%s", revoke));
  }
  json_array_foreach (then, i, one)
  {
    if (sql.len > 0)
      TRY (buf_printf (&sql, "%s;\n", json_string_value (one)));
  }
  if (json_is_false (json_at (was, "locked")) && strchr (name, '@') != NULL)
    TRY (buf_printf (&sql, "ALTER USER %s ACCOUNT UNLOCK;\n", name));
  TRY (buf_put (&sql, "", 1));
  return mariadb_run (call->target, (const char *)sql.data, NULL);
}

struct err *
mariadb_give_back (const struct step_call *call)
{
  char *path CLEANUP_FREE = mariadb_accounts_record (call);
  json_t *record CLEANUP_JSON = NULL;
  const char *name;
  json_t *was;
  TRY (remote_recall (call->target, path, &record));
  json_object_foreach (json_at (record, "found"), name, was)
  {
    TRY (give_back (call, name, was));
  }
  return NULL;
}
