/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A copy of a MariaDB database is kept in step by the source's binary log
 * where the plan says so: each round plays the changes of rows from the
 * position (GTID) that the last one reached.  mariadb-binlog reads them over
 * the source's own socket, so there is no account, port, replica or setting
 * of a move on either server that could be left.
 *
 * The target records the position behind what it belongs to: a round that was
 * interrupted leaves none, and the next one compares digests.  Such a round
 * knows only a position from before it read the tables; what is played from
 * there on may be there already (slave_exec_mode = IDEMPOTENT for that once),
 * and a table without a key may get rows twice: the last round, behind the
 * freeze, compares digests in any case and mends that.
 */
#include "provider/mariadb.h"

#include "base/mem.h"
#include "base/monotonic.h"
#include "base/text.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <stdlib.h>
#include <string.h>

bool
mariadb_replicates (const struct plan_item *item)
{
  const char *how = json_string_value (json_at (item->spec, "in-step"));
  return how != NULL && strcmp (how, "replicate") == 0;
}

bool
mariadb_follows (const struct step_call *call)
{
  return mariadb_replicates (call->item) && !call->back;
}

/* ---- Whether the source's log can be followed ---- */

static const char log_sql[]
    = "SELECT 'version', VERSION();\n"
      "SELECT 'log', @@log_bin + 0;\n"
      "SELECT 'format', @@GLOBAL.binlog_format;\n"
      "SELECT 'image', @@GLOBAL.binlog_row_image;\n"
      "SELECT 'engine', IFNULL(GROUP_CONCAT(CONCAT(TABLE_NAME, ' (', ENGINE,"
      "  ')') SEPARATOR ', '), '') FROM information_schema.TABLES WHERE"
      "  TABLE_SCHEMA = '%s' AND TABLE_TYPE = 'BASE TABLE' AND ENGINE <>"
      "  'InnoDB';\n";

static struct err *
cannot (const char *code, const char *todo, const char *fmt, const char *what)
{
  return err_todo (err_new (ERR_BLOCKED, code, "%s%s", fmt, what), "%s", todo);
}

static const char in_rounds[]
    = "take 'in-step: replicate' out of the plan: rounds that compare digests "
      "need no log";

static struct err *
look_format (const struct step_call *call, const json_t *s)
{
  if (strcmp (json_text (s, "log"), "1") != 0)
    return mariadb_may_restart (call)
               ? NULL
               : err_todo (
                     err_new (ERR_BLOCKED, "RH-MARIADB-BINLOG",
                              "the source's server keeps no binary log"),
                     "write 'restart: allowed' on the item, and the first "
                     "copy begins with one restart of that server; or set "
                     "log_bin and binlog_format = ROW there and restart it; or "
                     "%s",
                     in_rounds);
  if (strcmp (json_text (s, "format"), "ROW") == 0
      && strcmp (json_text (s, "image"), "FULL") == 0)
    return NULL;
  return err_todo (
      err_new (
          ERR_BLOCKED, "RH-MARIADB-BINLOG",
          "the source's binary log is of format %s, with %s images of rows",
          json_text (s, "format"), json_text (s, "image")),
      "SET GLOBAL binlog_format = ROW, binlog_row_image = FULL (sessions keep "
      "theirs until they connect again); or %s",
      in_rounds);
}

/* Its fourth and third column: databases that it leaves out, or has alone. */
static struct err *
look_filters (const struct step_call *call)
{
  char *status CLEANUP_FREE = NULL;
  TRY (mariadb_run (call->source, "SHOW MASTER STATUS;", &status));
  char *at = status;
  (void)strsep (&at, "\t");
  (void)strsep (&at, "\t");
  if (at == NULL || strspn (at, "\t\n") == strlen (at))
    return NULL;
  return cannot ("RH-MARIADB-BINLOG", in_rounds,
                 "the source's binary log leaves databases out: ", at);
}

/* Positions that are GTIDs are known to it since 10.8; it does not say which
 * it is, and comes with the server. */
static struct err *
look_client (const struct step_call *call, const json_t *s)
{
  struct ran ran CLEANUP_RAN = { 0 };
  int major = 0, minor = 0;
  sscanf (json_text (s, "version"), "%d.%d", &major, &minor);
  TRY (remote_run (call->source,
                   remote_argv (ARGV ("mariadb-binlog", "--version")), NULL,
                   60000, &ran));
  if (ran.status == 0 && major * 1000 + minor >= 10008)
    return NULL;
  return cannot ("RH-MARIADB-BINLOG", in_rounds,
                 "the source has no mariadb-binlog of version 10.8 or later",
                 "");
}

struct err *
mariadb_look_log (const struct step_call *call)
{
  json_t *s CLEANUP_JSON = NULL;
  char *mode CLEANUP_FREE = NULL;
  if (!mariadb_follows (call))
    return NULL;
  TRY (mariadb_run (call->target, "SELECT @@GLOBAL.slave_exec_mode;", &mode));
  if (strncmp (mode, "STRICT", 6) != 0)
    return cannot ("RH-MARIADB-SETTING", "SET GLOBAL slave_exec_mode = STRICT",
                   "the target's slave_exec_mode is ", mode);
  TRY (mariadb_pairs (call->source, log_sql, mariadb_database (call), &s));
  TRY (look_format (call, s));
  if (*json_text (s, "engine") != '\0')
    return cannot ("RH-MARIADB-BINLOG", in_rounds,
                   "tables that are no InnoDB have no transactions to follow: ",
                   json_text (s, "engine"));
  TRY (look_filters (call));
  return look_client (call, s);
}

/* ---- Positions ---- */

struct err *
mariadb_log_position (struct port *p, json_t **out)
{
  char *text CLEANUP_FREE = NULL;
  char *status CLEANUP_FREE = NULL;
  long long at = 0;
  TRY (mariadb_run (p, "SELECT @@GLOBAL.gtid_binlog_pos; SHOW MASTER STATUS;",
                    &text));
  char *rest = strchr (text, '\n');
  if (rest == NULL)
    return err_new (ERR_CORRUPT, "RH-MARIADB-ANSWER",
                    "the server does not say where its binary log is");
  *rest++ = '\0';
  size_t file = strcspn (rest, "\t");
  if (rest[file] == '\t')
    at = strtoll (rest + file + 1, NULL, 10);
  *out = json_pack ("{s:s, s:o, s:I, s:I}", "gtid", text, "file",
                    json_stringn (rest, file), "at", (json_int_t)at, "ms",
                    (json_int_t)monotonic_ms ());
  return NULL;
}

/* The log of the first changes, for the client; which are sent the position
 * decides. */
static struct err *
first_log (struct port *p, char **out)
{
  TRY (mariadb_run (p, "SHOW BINARY LOGS;", out));
  (*out)[strcspn (*out, "\t\n")] = '\0';
  if (**out == '\0' || **out == '-')
    return err_new (ERR_REFUSED, "RH-MARIADB-BINLOG",
                    "the source's server keeps no binary log any more");
  return NULL;
}

/* ---- Playing ---- */

static struct err *
set_mode (const struct step_call *call, const char *mode)
{
  char *sql CLEANUP_FREE
      = mem_printf ("SET GLOBAL slave_exec_mode = '%s';", mode);
  return mariadb_run (call->target, sql, NULL);
}

/* #look takes no other one. */
struct err *
mariadb_log_strict (const struct step_call *call)
{
  return set_mode (call, "STRICT");
}

static json_t *
reader (const struct step_call *call, const char *from, const char *to,
        const char *log)
{
  char *start CLEANUP_FREE = mem_printf ("--start-position=%s", from);
  char *stop CLEANUP_FREE = mem_printf ("--stop-position=%s", to);
  char *database CLEANUP_FREE
      = mem_printf ("--database=%s", mariadb_database (call));
  json_t *argv = mariadb_login (call->source, "mariadb-binlog");
  const char *const *word
      = ARGV ("--read-from-remote-server", "--to-last-log",
              "--skip-annotate-row-events", start, stop, database, log);
  for (; *word != NULL; word++)
    remote_word (argv, *word);
  return argv;
}

static struct err *
play (const struct step_call *call, const char *from, const char *to,
      json_int_t *bytes)
{
  char *log CLEANUP_FREE = NULL;
  TRY (first_log (call->source, &log));
  json_t *out CLEANUP_JSON
      = json_pack ("{s:o, s:b}", "argv", reader (call, from, to, log), "binlog",
                   1);
  json_t *in CLEANUP_JSON = json_pack (
      "{s:o}", "argv",
      mariadb_argv (call->target, "mariadb",
                    ARGV ("--batch", "--binary-mode", "--skip-reconnect")));
  json_t *sent CLEANUP_JSON = NULL;
  json_t *taken CLEANUP_JSON = NULL;
  uint64_t n = 0;
  TRY (err_wrap (remote_pipe (call, out, in, &sent, &taken),
                 "playing what database %s took", mariadb_database (call)));
  TRY (json_get_u64 (sent, "bytes", &n));
  *bytes = (json_int_t)n;
  return NULL;
}

/* A definition that was changed, a log that is gone, a row that is not there:
 * the next thing to do is the same, to compare digests. */
static bool
is_unclear (const struct err *e)
{
  return strncmp (err_code (e), "RH-PROGRAM-", 11) == 0;
}

struct err *
mariadb_play (const struct step_call *call, const json_t *from,
              const json_t *to, struct mariadb_played *out)
{
  const char *start = json_text (from, "gtid");
  const char *stop = json_text (to, "gtid");
  bool again = !json_is_true (json_at (from, "exact"));
  *out = (struct mariadb_played){ .done = strcmp (start, stop) == 0 };
  if (out->done || *start == '\0')
    return NULL;
  if (again)
    TRY (set_mode (call, "IDEMPOTENT"));
  struct err *e = play (call, start, stop, &out->bytes);
  if (again) {
    struct err *back = set_mode (call, "STRICT");
    if (e == NULL)
      e = back;
    else
      err_free (back);
  }
  out->done = e == NULL;
  if (e == NULL || !is_unclear (e))
    return e;
  snprintf (out->why, sizeof out->why, "%s", err_message (e));
  err_free (e);
  return NULL;
}

/* How far behind the copy is, once it has reached `reached`. */
struct err *
mariadb_lag (const struct step_call *call, const json_t *reached,
             json_t *result)
{
  json_t *now CLEANUP_JSON = NULL;
  TRY (mariadb_log_position (call->source, &now));
  json_int_t a = json_integer_value (json_at (reached, "at"));
  json_int_t b = json_integer_value (json_at (now, "at"));
  bool same_file
      = json_equal (json_at (reached, "file"), json_at (now, "file"));
  bool same = json_equal (json_at (reached, "gtid"), json_at (now, "gtid"));
  json_int_t ms = json_integer_value (json_at (now, "ms"))
                  - json_integer_value (json_at (reached, "ms"));
  json_object_set_new (result, "lag_ms", json_integer (same ? 0 : ms));
  json_object_set_new (result, "lag_bytes",
                       json_integer (same_file ? b - a : b));
  return NULL;
}
