/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accounts and roles: made on the target as the source's server describes
 * them, with their hashes, and locked there until everything is proven.  What
 * the servers say of them stays in memory: it is neither in a result nor in
 * an error.
 */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/text.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <nettle/sha2.h>
#include <string.h>

/* Those with rights on the database or on all, definers of its objects, who
 * has the roles among them, and the roles that these have. */
static const char names_sql[]
    = "WITH RECURSIVE own AS (SELECT User, Host FROM mysql.db WHERE '%s' LIKE"
      "  Db UNION SELECT User, Host FROM mysql.tables_priv WHERE Db = '%s'"
      "  UNION SELECT User, Host FROM mysql.columns_priv WHERE Db = '%s'"
      "  UNION SELECT User, Host FROM mysql.procs_priv WHERE Db = '%s'"
      "  UNION SELECT User, Host FROM mysql.global_priv WHERE"
      "  CAST(JSON_VALUE(Priv, '$.access') AS UNSIGNED) > 0"
      "  UNION SELECT SUBSTRING_INDEX(d, '@', 1), SUBSTRING_INDEX(d, '@', -1)"
      "  FROM (SELECT CONVERT(DEFINER USING utf8mb4) AS d FROM"
      "   information_schema.VIEWS WHERE TABLE_SCHEMA = '%s' UNION SELECT"
      "   CONVERT(DEFINER USING utf8mb4) FROM information_schema.TRIGGERS"
      "   WHERE TRIGGER_SCHEMA = '%s' UNION SELECT CONVERT(DEFINER USING"
      "   utf8mb4) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA ="
      "   '%s' UNION SELECT CONVERT(DEFINER USING utf8mb4) FROM"
      "   information_schema.EVENTS WHERE EVENT_SCHEMA = '%s') AS d),"
      " up AS (SELECT User, Host FROM own UNION SELECT m.User, m.Host FROM"
      "  mysql.roles_mapping m JOIN up ON m.Role = up.User AND up.Host = ''"
      "  WHERE NOT (m.User = 'root' AND m.Host = 'localhost')),"
      " allof AS (SELECT User, Host FROM up UNION SELECT m.Role, '' FROM"
      "  mysql.roles_mapping m JOIN allof ON m.User = allof.User AND m.Host ="
      "  allof.Host)"
      " SELECT IF(JSON_VALUE(Priv, '$.is_role') = 1, 'R', 'U'),"
      "  IF(JSON_VALUE(Priv, '$.account_locked') = 1, 'L', ''),"
      "  CONCAT('`', REPLACE(g.User, '`', '``'), '`', IF(JSON_VALUE(Priv,"
      "   '$.is_role') = 1, '', CONCAT('@`', REPLACE(g.Host, '`', '``'), '`')))"
      " FROM allof JOIN mysql.global_priv g ON g.User = allof.User AND g.Host"
      "  = allof.Host WHERE NOT (g.Host = 'localhost' AND g.User IN ('root',"
      "  'mysql', 'mariadb.sys', 'debian-sys-maint')) AND g.User <> 'PUBLIC'"
      " ORDER BY 1, 3;";

/* Roles come first, so that they are there when they are granted. */
static struct err *
names_of (struct port *p, const char *database, json_t **out)
{
  char *text CLEANUP_FREE = NULL;
  json_t *list CLEANUP_JSON = json_object ();
  TRY (mariadb_ask (p, names_sql, database, &text));
  char *at = text;
  for (char *line; (line = strsep (&at, "\n")) != NULL;) {
    const char *kind = strsep (&line, "\t");
    const char *locked = line == NULL ? NULL : strsep (&line, "\t");
    if (locked == NULL)
      continue;
    if (strchr (line, '\\') != NULL)
      return err_new (ERR_BLOCKED, "RH-MARIADB-ACCOUNT",
                      "the name of account %s has a backslash or a control "
                      "character, which is not carried",
                      line);
    json_object_set_new (list, line,
                         json_pack ("{s:b, s:b, s:s, s:[]}", "role",
                                    *kind == 'R', "locked", *locked == 'L',
                                    "create", "", "grants"));
  }
  *out = STEAL (list);
  return NULL;
}

static struct err *
script_of (const json_t *list, char **out)
{
  struct buf b CLEANUP_BUF = BUF_INIT;
  const char *name;
  json_t *one;
  TRY (buf_printf (&b, "SET SESSION sql_mode = '';\n"));
  json_object_foreach ((json_t *)list, name, one)
  {
    TRY (buf_printf (&b, "SELECT '';\n"));
    if (json_is_true (json_at (one, "role")))
      TRY (buf_printf (&b, "SELECT 'CREATE ROLE %s';\n", name));
    else
      TRY (buf_printf (&b, "SHOW CREATE USER %s;\n", name));
    TRY (buf_printf (&b, "SHOW GRANTS FOR %s;\n", name));
  }
  TRY (buf_put (&b, "", 1));
  *out = buf_steal_str (&b);
  return NULL;
}

/* One account's lines: what makes it, then its grants. */
static void
take_line (json_t *one, const char *line, const char *database)
{
  if (*json_text (one, "create") == '\0') {
    char *create CLEANUP_FREE = mariadb_unlocked (line);
    json_object_set_new (one, "create", json_string (create));
    return;
  }
  char *grant CLEANUP_FREE = mariadb_grant (line, database);
  if (grant != NULL)
    words_add (json_at (one, "grants"), grant);
}

struct err *
mariadb_accounts (struct port *p, const char *database, json_t **out)
{
  json_t *list CLEANUP_JSON = NULL;
  char *script CLEANUP_FREE = NULL;
  char *text CLEANUP_FREE = NULL;
  TRY (names_of (p, database, &list));
  TRY (script_of (list, &script));
  json_t *argv
      = mariadb_argv (p, "mariadb",
                      ARGV ("--batch", "--skip-column-names", "--raw"));
  TRY (remote_must (p, argv, script, &text));
  size_t len = text == NULL ? 0 : strlen (text);
  void *iter = NULL;
  char *at = text;
  for (char *line; (line = strsep (&at, "\n")) != NULL;)
    if (*line != '\0' && iter != NULL)
      take_line (json_object_iter_value (iter), line, database);
    else if (at != NULL) /* not the text's end: the next account */
      iter = iter == NULL ? json_object_iter (list)
                          : json_object_iter_next (list, iter);
  if (len > 0) /* it has hashes */
    explicit_bzero (text, len);
  *out = STEAL (list);
  return NULL;
}

/* No word of the statements may be in the error: they have hashes. */
static struct err *
run_secret (struct port *p, const char *account, const char *sql)
{
  struct ran ran CLEANUP_RAN = { 0 };
  json_t *argv
      = mariadb_argv (p, "mariadb", ARGV ("--batch", "--skip-column-names"));
  TRY (remote_run (p, argv, sql, 60000, &ran));
  if (ran.status == 0)
    return NULL;
  char number[12] = "?";
  const char *error = strstr (ran.err, "ERROR ");
  if (error != NULL)
    sscanf (error, "ERROR %11[0-9]", number);
  return err_todo (err_new (ERR_REFUSED, "RH-MARIADB-ACCOUNT",
                            "MariaDB on the %s does not take account %s or "
                            "its rights: its error %s",
                            p->name, account, number),
                   "a plugin of authentication may be missing there; or take "
                   "the account's rights on this database away");
}

static struct err *
in_way (const char *account)
{
  return err_advise (
      err_new (ERR_BLOCKED, "RH-MARIADB-ACCOUNT",
               "account %s is on the target already, and is another one "
               "(password, plugin or limits)",
               account),
      "nothing was changed for it", "drop or rename it on one of the servers");
}

/* Rights on tables and routines can only be granted once these are there. */
static bool
is_wide (const char *grant)
{
  return strstr (grant, " ON *.* TO ") != NULL
         || strstr (grant, "`.* TO ") != NULL || strstr (grant, " ON ") == NULL;
}

static bool
role_of (const json_t *one)
{
  return json_is_true (json_at (one, "role"));
}

static struct err *
make_one (const struct step_call *call, const char *name, const json_t *one,
          const json_t *there, bool wide)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  bool role = role_of (one);
  size_t i;
  json_t *grant;
  if (there != NULL
      && strcmp (json_text (one, "create"), json_text (there, "create")) != 0)
    return in_way (name);
  TRY (mariadb_note_account (call, name, there));
  if (there == NULL)
    TRY (buf_printf (&sql, "%s%s;\n", json_text (one, "create"),
                     role ? "" : " ACCOUNT LOCK"));
  json_array_foreach (json_at (one, "grants"), i, grant)
  {
    if (!wide || is_wide (json_string_value (grant)))
      TRY (buf_printf (&sql, "%s;\n", json_string_value (grant)));
  }
  TRY (buf_put (&sql, "", 1));
  struct err *e = run_secret (call->target, name, (const char *)sql.data);
  explicit_bzero (sql.data, sql.len);
  return e;
}

/* For the list of what an abort leaves. */
static struct err *
made_here (const struct step_call *call, json_t *copied)
{
  char *path CLEANUP_FREE = mariadb_accounts_record (call);
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->target, path, &record));
  mariadb_name_accounts (json_at (record, "made"), copied);
  mariadb_name_found (call, record, copied);
  return NULL;
}

struct err *
mariadb_make_accounts (const struct step_call *call, json_t **result)
{
  json_t *list CLEANUP_JSON = NULL;
  json_t *locked CLEANUP_JSON = json_array ();
  json_t *names CLEANUP_JSON = json_array ();
  json_t *copied CLEANUP_JSON = json_array ();
  const char *name;
  json_t *one;
  TRY (mariadb_accounts (call->source, mariadb_database (call), &list));
  json_object_foreach (list, name, one)
  {
    json_t *there CLEANUP_JSON = NULL;
    TRY (mariadb_there (call, name, role_of (one), &there));
    TRY (make_one (call, name, one, there, true));
    json_array_append_new (names, json_string (name));
    if (json_is_true (json_at (one, "locked")))
      json_array_append_new (locked, json_string (name));
  }
  TRY (made_here (call, copied));
  *result = json_pack ("{s:O, s:O, s:O}", "accounts", names, "locked", locked,
                       "copied", copied);
  return NULL;
}

/* Those that were made since are made here, too. */
struct err *
mariadb_grant_all (const struct step_call *call)
{
  json_t *list CLEANUP_JSON = NULL;
  const char *name;
  json_t *one;
  TRY (mariadb_accounts (call->source, mariadb_database (call), &list));
  json_object_foreach (list, name, one)
  {
    json_t *there CLEANUP_JSON = NULL;
    TRY (mariadb_there (call, name, role_of (one), &there));
    TRY (make_one (call, name, one, there, false));
  }
  return NULL;
}

static void
compare_one (const char *name, const json_t *one, const json_t *there,
             json_t *differences)
{
  size_t i;
  json_t *grant;
  if (there == NULL) {
    json_array_append_new (differences,
                           json_sprintf ("account %s is missing there", name));
    return;
  }
  if (!json_equal (json_at (one, "create"), json_at (there, "create")))
    json_array_append_new (
        differences,
        json_sprintf ("account %s has another password or limit", name));
  json_array_foreach (json_at (one, "grants"), i, grant)
  {
    if (!words_have (json_at (there, "grants"), json_string_value (grant)))
      json_array_append_new (differences,
                             json_sprintf ("missing there: %s",
                                           json_string_value (grant)));
  }
  json_array_foreach (json_at (there, "grants"), i, grant)
  {
    if (!words_have (json_at (one, "grants"), json_string_value (grant)))
      json_array_append_new (differences,
                             json_sprintf ("only there: %s",
                                           json_string_value (grant)));
  }
}

/* In place of what makes an account stands its digest. */
struct err *
mariadb_account_record (const struct step_call *call, json_t **out)
{
  json_t *list CLEANUP_JSON = NULL;
  const char *name;
  json_t *one;
  TRY (mariadb_accounts (call->target, mariadb_database (call), &list));
  json_object_foreach (list, name, one)
  {
    const char *create = json_text (one, "create");
    struct sha256_ctx ctx;
    uint8_t raw[SHA256_DIGEST_SIZE];
    sha256_init (&ctx);
    sha256_update (&ctx, strlen (create), (const uint8_t *)create);
    sha256_digest (&ctx, sizeof raw, raw);
    char *hex CLEANUP_FREE = text_hex (raw, sizeof raw);
    json_object_set_new (one, "create", json_string (hex));
  }
  *out = STEAL (list);
  return NULL;
}

struct err *
mariadb_check_accounts (const struct step_call *call, const json_t *recorded,
                        json_t *differences)
{
  json_t *now CLEANUP_JSON = NULL;
  const char *name;
  json_t *one;
  TRY (mariadb_account_record (call, &now));
  json_object_foreach ((json_t *)recorded, name, one)
  {
    compare_one (name, one, json_object_get (now, name), differences);
  }
  return NULL;
}

/* Accounts that the target alone has are its own, as are those of another
 * item's database. */
struct err *
mariadb_compare_accounts (const struct step_call *call, json_t *differences)
{
  json_t *a CLEANUP_JSON = NULL;
  json_t *b CLEANUP_JSON = NULL;
  const char *name;
  json_t *one;
  TRY (mariadb_both (call, mariadb_accounts, &a, &b));
  json_object_foreach (a, name, one)
  {
    compare_one (name, one, json_object_get (b, name), differences);
  }
  return NULL;
}

/* Of those that were not locked on the source before the move; what was open
 * on the target before is not locked. */
static struct err *
set_locks (const struct step_call *call, const json_t *found, const char *how)
{
  const json_t *made = steps_input (call, "%s#accounts", call->item->name);
  struct buf sql CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  json_array_foreach (json_at (made, "accounts"), i, one)
  {
    const char *name = json_string_value (one);
    if (strchr (name, '@') != NULL
        && !words_have (json_at (made, "locked"), name)
        && !json_is_false (json_at (json_object_get (found, name), "locked")))
      TRY (buf_printf (&sql, "ALTER USER %s ACCOUNT %s;\n", name, how));
  }
  TRY (buf_put (&sql, "", 1));
  return mariadb_run (call->target, (const char *)sql.data, NULL);
}

struct err *
mariadb_admit (const struct step_call *call, json_t **result)
{
  (void)result;
  return set_locks (call, NULL, "UNLOCK");
}

struct err *
mariadb_admit_undo (const struct step_call *call, json_t **result)
{
  char *path CLEANUP_FREE = mariadb_accounts_record (call);
  json_t *record CLEANUP_JSON = NULL;
  (void)result;
  TRY (remote_recall (call->target, path, &record));
  return set_locks (call, json_at (record, "found"), "LOCK");
}
