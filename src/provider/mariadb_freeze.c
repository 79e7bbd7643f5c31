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
#include "provider/credentials.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

enum { TRIES = 60, TRY_MS = 100, WAIT_LOOKS = 50 };

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

/* Which of PROCESSLIST are of the database, or of its accounts; the caller
 * frees. */
static struct err *
others_of (const struct step_call *call, const json_t *accounts, char **out)
{
  struct buf users CLEANUP_BUF = BUF_INIT;
  TRY (users_of (accounts, &users));
  *out = mem_printf (
      "information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND USER NOT"
      " IN ('system user', 'event_scheduler') AND (DB = '%s' OR USER IN"
      " (%.*s))",
      mariadb_database (call), (int)users.len, (const char *)users.data);
  return NULL;
}

/* Ends them, and waits half a second at the most; one that has ended by itself
 * is no error. */
static struct err *
put_kills (struct buf *sql, const char *others)
{
  return buf_printf (
      sql,
      "DELIMITER //\n"
      "BEGIN NOT ATOMIC\n"
      "DECLARE looks INT DEFAULT 0;\n"
      "DECLARE CONTINUE HANDLER FOR 1094 BEGIN END;\n"
      "WHILE looks < %d AND EXISTS (SELECT * FROM %s) DO\n"
      "FOR one IN (SELECT ID FROM %s) DO EXECUTE IMMEDIATE CONCAT('KILL ',"
      " one.ID); END FOR;\n"
      "DO SLEEP(0.01);\n"
      "SET looks = looks + 1;\n"
      "END WHILE;\n"
      "END//\n"
      "DELIMITER ;\n",
      WAIT_LOOKS, others, others);
}

/* ---- The freeze ---- */

static struct err *
put_locks (struct buf *sql, const json_t *accounts, const char *how)
{
  size_t i;
  json_t *one;
  json_array_foreach (accounts, i, one)
  {
    TRY (buf_printf (sql, "ALTER USER IF EXISTS %s ACCOUNT %s;\n",
                     json_string_value (one), how));
  }
  return NULL;
}

/* Rows that anybody changed, tables that were made, restarts; where the binary
 * log is followed, its position, too. */
static char *
fingerprint_sql (const struct step_call *call)
{
  const char *db = mariadb_database (call);
  return mem_printf (
      "SELECT CONCAT_WS(' ', @@GLOBAL.read_only + 0, @@GLOBAL.userstat + 0,"
      " (SELECT IFNULL(SUM(ROWS_CHANGED), 0) FROM"
      "  information_schema.TABLE_STATISTICS WHERE TABLE_SCHEMA = '%s'),"
      " (SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA ="
      "  '%s'), (SELECT IFNULL(MAX(CREATE_TIME), '') FROM"
      "  information_schema.TABLES WHERE TABLE_SCHEMA = '%s')%s);\n",
      db, db, db, mariadb_follows (call) ? ", @@GLOBAL.gtid_binlog_pos" : "");
}

static struct err *
fingerprint (const struct step_call *call, char **out)
{
  char *sql CLEANUP_FREE = fingerprint_sql (call);
  TRY (mariadb_run (call->source, sql, out));
  (*out)[strcspn (*out, "\n")] = '\0';
  return NULL;
}

/* One session says and does it all, since each costs a program.  It prints how
 * many sessions are left, prepared transactions, and the fingerprint. */
static struct err *
close_sql (const struct step_call *call, const json_t *record, char **out)
{
  const json_t *accounts = json_at (record, "accounts");
  const char *events = json_text (json_at (record, "before"), "events");
  char *print CLEANUP_FREE = fingerprint_sql (call);
  char *others CLEANUP_FREE = NULL;
  struct buf sql CLEANUP_BUF = BUF_INIT;
  TRY (others_of (call, accounts, &others));
  TRY (put_locks (&sql, accounts, "LOCK"));
  TRY (put_kills (&sql, others));
  if (strcmp (events, "DISABLED") != 0)
    TRY (buf_printf (&sql, "SET GLOBAL event_scheduler = OFF;\n"));
  TRY (buf_printf (&sql, "SET SESSION lock_wait_timeout = 60;\n"
                         "SET GLOBAL read_only = 1;\n"
                         "SET GLOBAL userstat = 1;\n"));
  TRY (put_kills (&sql, others));
  TRY (buf_printf (&sql, "SELECT COUNT(*) FROM %s;\nXA RECOVER;\n%s", others,
                   print));
  *out = buf_steal_str (&sql);
  return NULL;
}

static struct err *
not_closed (const struct step_call *call)
{
  return err_todo (err_new (ERR_REFUSED, "RH-MARIADB-SESSION",
                            "sessions of database %s do not end",
                            mariadb_database (call)),
                   "SHOW PROCESSLIST on the %s says which; a large "
                   "transaction may still be rolled back",
                   call->source->name);
}

/* *print: the fingerprint, once no session is left. */
static struct err *
close_server (const struct step_call *call, const json_t *record, char **print)
{
  char *sql CLEANUP_FREE = NULL;
  TRY (close_sql (call, record, &sql));
  for (int i = 0; i < TRIES; i++) {
    char *said CLEANUP_FREE = NULL;
    TRY (mariadb_run (call->source, sql, &said));
    char *rest = said;
    const char *left = strsep (&rest, "\n");
    char *last = strsep (&rest, "\n");
    if (last == NULL || rest == NULL)
      return err_new (ERR_CORRUPT, "RH-MARIADB-ANSWER",
                      "the server does not say whether it is closed");
    if (strcmp (left, "0") != 0) {
      TRY (remote_pause (call, TRY_MS));
      continue;
    }
    if (*rest != '\0')
      return err_todo (err_new (ERR_REFUSED, "RH-MARIADB-PREPARED",
                                "a prepared transaction waits on the %s",
                                call->source->name),
                       "XA COMMIT or XA ROLLBACK it");
    *print = mem_strdup (last);
    return NULL;
  }
  return not_closed (call);
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
  TRY (record_before (call, &record));
  TRY (remote_write (call->source, path, conf, sizeof conf - 1, 0644));
  TRY (close_server (call, record, &print));
  *result
      = json_pack ("{s:s, s:I}", "print", print, "accounts",
                   (json_int_t)json_array_size (json_at (record, "accounts")));
  return NULL;
}

struct err *
mariadb_stop_probe (const struct step_call *call, enum probe_state *out)
{
  char *path CLEANUP_FREE = mariadb_freeze_record (call);
  return steps_probe_record (call->source, path, out);
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
  struct buf locks CLEANUP_BUF = BUF_INIT;
  TRY (remote_recall (call->source, path, &record));
  if (record == NULL)
    return NULL;
  if (!json_is_true (json_at (record, "held"))) {
    char *sql CLEANUP_FREE = mariadb_thaw_sql (json_at (record, "before"));
    TRY (remote_remove (call->source, conf));
    TRY (mariadb_run (call->source, sql, NULL));
  }
  TRY (put_locks (&locks, json_at (record, "accounts"), "UNLOCK"));
  TRY (buf_put (&locks, "", 1));
  TRY (mariadb_run (call->source, (const char *)locks.data, NULL));
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
  const char *path = credentials_path (item, call->source);
  char *file CLEANUP_FREE
      = path == NULL ? NULL : mem_printf ("--defaults-extra-file=%s", path);
  json_t *argv = remote_argv (ARGV ("mariadb", file));
  remote_word (argv, "--execute");
  remote_word (argv, (const char *)all.data);
  json_array_append_new (out, json_pack ("{s:s, s:o}", "why",
                                         "the database takes writes again",
                                         "argv", argv));
}
