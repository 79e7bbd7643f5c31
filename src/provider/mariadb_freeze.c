/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The freeze of a MariaDB database.  Accounts with rights on it are locked,
 * their sessions ended, events stopped, and the server is read-only, also
 * after a restart (a file in its configuration): other databases of the server
 * stand still with it.  Only root passes that; the server's own count of
 * changed rows shows that nobody did.
 */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

enum { TRIES = 300, TRY_MS = 100 };

static const char conf_dir[] = "/etc/mysql/mariadb.conf.d";

char *
mariadb_freeze_conf (const struct step_call *call)
{
  return mem_printf ("%s/zz-rehome-%s.cnf", conf_dir, call->migration);
}

char *
mariadb_freeze_record (const struct step_call *call)
{
  return steps_path (call, "freeze/mariadb-%s.json", mariadb_database (call));
}

/* ---- Before it ---- */

/* Whether another item's freeze holds the server already. */
static struct err *
is_held (const struct step_call *call, bool *out)
{
  char *dir CLEANUP_FREE = steps_path (call, "freeze");
  json_t *names CLEANUP_JSON = NULL;
  size_t i;
  json_t *one;
  *out = false;
  TRY (remote_names (call->source, dir, &names));
  json_array_foreach (names, i, one)
  {
    if (strncmp (json_string_value (one), "mariadb-", 8) == 0)
      *out = true;
  }
  return NULL;
}

/* What the thaw puts back; durable before anything is changed. */
static struct err *
record_before (const struct step_call *call, json_t **out)
{
  char *path CLEANUP_FREE = mariadb_freeze_record (call);
  json_t *accounts CLEANUP_JSON = NULL;
  json_t *before CLEANUP_JSON = NULL;
  json_t *open CLEANUP_JSON = json_array ();
  const char *name;
  json_t *one;
  bool held;
  TRY (remote_recall (call->source, path, out));
  if (*out != NULL)
    return NULL;
  TRY (is_held (call, &held));
  TRY (mariadb_accounts (call->source, mariadb_database (call), &accounts));
  TRY (mariadb_pairs (call->source,
                      "SELECT 'read_only', @@GLOBAL.read_only + 0;"
                      " SELECT 'events', @@GLOBAL.event_scheduler;"
                      " SELECT 'userstat', @@GLOBAL.userstat + 0;",
                      "", &before));
  json_object_foreach (accounts, name, one)
  {
    if (!json_is_true (json_at (one, "locked"))
        && !json_is_true (json_at (one, "role")))
      json_array_append_new (open, json_string (name));
  }
  *out = json_pack ("{s:O, s:O, s:b}", "before", before, "accounts", open,
                    "held", held);
  return remote_record (call->source, path, *out);
}

/* ---- Sessions ---- */

/* 'a', 'b': names of users, from those of accounts. */
static struct err *
users_of (const json_t *accounts, struct buf *out)
{
  size_t i;
  json_t *one;
  TRY (buf_printf (out, "''"));
  json_array_foreach (accounts, i, one)
  {
    const char *name = json_string_value (one);
    const char *end = strstr (name, "`@`");
    TRY (buf_printf (out, ", '"));
    for (const char *p = name + 1; end != NULL && p < end; p++) {
      if (*p == '\'')
        TRY (buf_put (out, "'", 1));
      if (*p == '`')
        p++;
      TRY (buf_put (out, p, 1));
    }
    TRY (buf_printf (out, "'"));
  }
  return NULL;
}

static struct err *
sessions_of (const struct step_call *call, const json_t *accounts, char **out)
{
  struct buf users CLEANUP_BUF = BUF_INIT;
  TRY (users_of (accounts, &users));
  char *sql CLEANUP_FREE = mem_printf (
      "SELECT CONCAT('KILL ', ID, ';') FROM information_schema.PROCESSLIST"
      " WHERE ID <> CONNECTION_ID() AND USER NOT IN ('system user',"
      " 'event_scheduler') AND (DB = '%s' OR USER IN (%.*s));",
      mariadb_database (call), (int)users.len, (const char *)users.data);
  return mariadb_run (call->source, sql, out);
}

static struct err *
end_sessions (const struct step_call *call, const json_t *accounts)
{
  for (int i = 0; i < TRIES; i++) {
    struct ran ran CLEANUP_RAN = { 0 };
    char *kills CLEANUP_FREE = NULL;
    TRY (sessions_of (call, accounts, &kills));
    if (*kills == '\0')
      return NULL;
    json_t *argv = mariadb_argv ("mariadb", ARGV ("--batch", "--force"));
    TRY (remote_run (call->source, argv, kills, 60000, &ran)); /* gone: fine */
    TRY (remote_pause (call, TRY_MS));
  }
  return err_todo (err_new (ERR_REFUSED, "RH-MARIADB-SESSION",
                            "sessions of database %s do not end",
                            mariadb_database (call)),
                   "SHOW PROCESSLIST on the %s says which; a large "
                   "transaction may still be rolled back",
                   call->source->name);
}

/* ---- The freeze ---- */

static struct err *
set_locks (const struct step_call *call, const json_t *accounts,
           const char *how)
{
  struct buf sql CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  json_array_foreach (accounts, i, one)
  {
    TRY (buf_printf (&sql, "ALTER USER IF EXISTS %s ACCOUNT %s;\n",
                     json_string_value (one), how));
  }
  TRY (buf_put (&sql, "", 1));
  return mariadb_run (call->source, (const char *)sql.data, NULL);
}

/* Rows that anybody changed, tables that were made, restarts; where the binary
 * log is followed, its position, too. */
static struct err *
fingerprint (const struct step_call *call, char **out)
{
  static const char counts[]
      = "SELECT CONCAT_WS(' ', @@GLOBAL.read_only + 0, @@GLOBAL.userstat + 0,"
        " (SELECT IFNULL(SUM(ROWS_CHANGED), 0) FROM"
        "  information_schema.TABLE_STATISTICS WHERE TABLE_SCHEMA = '%s'),"
        " (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA ="
        "  '%s'), (SELECT IFNULL(MAX(CREATE_TIME), '') FROM"
        "  information_schema.TABLES WHERE TABLE_SCHEMA = '%s')";
  char *sql CLEANUP_FREE
      = mem_printf ("%s%s);", counts,
                    mariadb_follows (call) ? ", @@GLOBAL.gtid_binlog_pos" : "");
  TRY (mariadb_ask (call->source, sql, mariadb_database (call), out));
  (*out)[strcspn (*out, "\n")] = '\0';
  return NULL;
}

struct err *
mariadb_stop (const struct step_call *call, json_t **result)
{
  static const char conf[] = "# Written by rehome: this database moved.\n"
                             "[mariadbd]\nread_only = 1\n"
                             "event_scheduler = OFF\n";
  char *path CLEANUP_FREE = mariadb_freeze_conf (call);
  json_t *record CLEANUP_JSON = NULL;
  char *print CLEANUP_FREE = NULL;
  char *prepared CLEANUP_FREE = NULL;
  TRY (record_before (call, &record));
  const json_t *accounts = json_at (record, "accounts");
  const json_t *before = json_at (record, "before");
  TRY (remote_write (call->source, path, conf, sizeof conf - 1, 0644));
  TRY (set_locks (call, accounts, "LOCK"));
  TRY (end_sessions (call, accounts));
  if (strcmp (json_text (before, "events"), "DISABLED") != 0)
    TRY (mariadb_run (call->source, "SET GLOBAL event_scheduler = OFF;", NULL));
  TRY (mariadb_run (call->source,
                    "SET SESSION lock_wait_timeout = 60;"
                    " SET GLOBAL read_only = 1; SET GLOBAL userstat = 1;",
                    NULL));
  TRY (end_sessions (call, accounts));
  TRY (mariadb_run (call->source, "XA RECOVER;", &prepared));
  if (*prepared != '\0')
    return err_todo (err_new (ERR_REFUSED, "RH-MARIADB-PREPARED",
                              "a prepared transaction waits on the %s",
                              call->source->name),
                     "XA COMMIT or XA ROLLBACK it");
  TRY (fingerprint (call, &print));
  *result = json_pack ("{s:s, s:I}", "print", print, "accounts",
                       (json_int_t)json_array_size (accounts));
  return NULL;
}

struct err *
mariadb_stop_probe (const struct step_call *call, enum probe_state *out)
{
  char *path CLEANUP_FREE = mariadb_freeze_record (call);
  bool begun;
  TRY (remote_exists (call->source, path, &begun));
  *out = begun ? PROBED_PARTIAL : PROBED_NOT_DONE;
  return NULL;
}

char *
mariadb_thaw_sql (const json_t *before)
{
  bool events = strcmp (json_text (before, "events"), "ON") == 0;
  return mem_printf ("SET GLOBAL read_only = %s; SET GLOBAL userstat = %s;%s",
                     *json_text (before, "read_only") == '1' ? "1" : "0",
                     *json_text (before, "userstat") == '1' ? "1" : "0",
                     events ? " SET GLOBAL event_scheduler = ON;" : "");
}

struct err *
mariadb_stop_undo (const struct step_call *call, json_t **result)
{
  (void)result;
  char *path CLEANUP_FREE = mariadb_freeze_record (call);
  char *conf CLEANUP_FREE = mariadb_freeze_conf (call);
  json_t *record CLEANUP_JSON = NULL;
  TRY (remote_recall (call->source, path, &record));
  if (record == NULL)
    return NULL;
  if (!json_is_true (json_at (record, "held"))) {
    char *sql CLEANUP_FREE = mariadb_thaw_sql (json_at (record, "before"));
    TRY (remote_remove (call->source, conf));
    TRY (mariadb_run (call->source, sql, NULL));
  }
  TRY (set_locks (call, json_at (record, "accounts"), "UNLOCK"));
  return remote_remove (call->source, path);
}

struct err *
mariadb_still (const struct step_call *call, json_t **result)
{
  const json_t *then
      = steps_input (call, call->back ? "%s#back-stop" : "%s#stop",
                     call->item->name);
  const char *print = json_text (then, "print");
  char *now CLEANUP_FREE = NULL;
  TRY (fingerprint (call, &now));
  if (strcmp (now, print) == 0) {
    *result = json_pack ("{s:s}", "print", now);
    return NULL;
  }
  return err_todo (
      err_new (ERR_REFUSED, "RH-MARIADB-WRITTEN",
               "database %s was written while it was frozen, or its server "
               "restarted (read-only, statistics, rows changed, tables, last "
               "one made: '%s' before, '%s' now)",
               mariadb_database (call), print, now),
      "find the session of root that did it (SHOW PROCESSLIST, the server's "
      "log), end it, and cut over again");
}

void
mariadb_thaw (const struct step_call *call, const struct plan_item *item,
              json_t *out)
{
  const json_t *look = steps_input (call, "%s#look", item->name);
  const json_t *made = steps_input (call, "%s#accounts", item->name);
  char *conf CLEANUP_FREE = mariadb_freeze_conf (call);
  char *sql CLEANUP_FREE = mariadb_thaw_sql (json_at (look, "before"));
  struct buf all CLEANUP_BUF = BUF_INIT;
  size_t i;
  json_t *one;
  json_array_append_new (
      out, json_pack ("{s:s, s:o}", "why", "the database server may write",
                      "argv", remote_argv (ARGV ("rm", "-f", conf))));
  err_free (buf_printf (&all, "%s", sql));
  json_array_foreach (json_at (made, "accounts"), i, one)
  {
    const char *name = json_string_value (one);
    if (strchr (name, '@') != NULL
        && !words_have (json_at (made, "locked"), name))
      err_free (
          buf_printf (&all, " ALTER USER IF EXISTS %s ACCOUNT UNLOCK;", name));
  }
  json_array_append_new (
      out,
      json_pack ("{s:s, s:o}", "why", "the database takes writes again", "argv",
                 remote_argv (
                     ARGV ("mariadb", "--execute", (const char *)all.data))));
}
