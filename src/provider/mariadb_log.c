/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A binary log for the time of the move, where the source keeps none and the
 * plan allows one restart for it.  Once the target is open, or after an abort,
 * the setting and the log's content go; the server itself stops to write it
 * with its next restart, which is left to its administrator.
 */
#include "provider/mariadb.h"

#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

static char *
record_of (const struct step_call *call)
{
  return steps_path (call, "results/mariadb-log.json");
}

static char *
conf_of (const struct step_call *call)
{
  return mem_printf ("/etc/mysql/mariadb.conf.d/zz-rehome-%s-log.cnf",
                     call->migration);
}

bool
mariadb_may_restart (const struct step_call *call)
{
  return json_at (call->item->spec, "restart") != NULL;
}

struct err *
mariadb_has_log (struct port *p, bool *out)
{
  char *text CLEANUP_FREE = NULL;
  TRY (mariadb_run (p, "SELECT @@log_bin + 0;", &text));
  *out = *text == '1';
  return NULL;
}

static struct err *
restart (const struct step_call *call)
{
  bool on;
  TRY (remote_must (call->source,
                    remote_argv (ARGV ("systemctl", "restart",
                                       "mariadb."
                                       "service")),
                    NULL, NULL));
  TRY (mariadb_has_log (call->source, &on));
  if (on)
    return NULL;
  return err_todo (err_new (ERR_REFUSED, "RH-MARIADB-BINLOG",
                            "the source's server was restarted, and still "
                            "keeps no binary log"),
                   "look for 'skip-log-bin' in its configuration; or take "
                   "'in-step: replicate' out of the plan");
}

/* Several items of one server share it. */
struct err *
mariadb_log_on (const struct step_call *call, json_t **result)
{
  char *path CLEANUP_FREE = record_of (call);
  char *conf CLEANUP_FREE = conf_of (call);
  char *text CLEANUP_FREE = mem_printf (
      "# Written by rehome: a binary log until the move is over.\n"
      "[mariadbd]\nlog_bin = rehome-%s\nbinlog_format = ROW\n"
      "binlog_row_image = FULL\nbinlog_expire_logs_seconds = 259200\n",
      call->migration);
  json_t *made CLEANUP_JSON = json_pack ("{s:s}", "conf", conf);
  bool on, begun;
  TRY (mariadb_has_log (call->source, &on));
  TRY (remote_exists (call->source, path, &begun));
  if ((!on || begun) && mariadb_may_restart (call)) {
    TRY (remote_record (call->source, path, made));
    TRY (remote_write (call->source, conf, text, strlen (text), 0644));
    if (!on)
      TRY (restart (call));
  }
  *result = json_pack ("{s:b}", "restarted", !on);
  if (!on)
    json_object_set_new (
        *result, "findings",
        json_pack ("[o]",
                   json_sprintf ("the source's MariaDB was restarted once; "
                                 "until its next restart it writes a binary "
                                 "log, emptied at the end of the move, of "
                                 "which rehome-%s.* stays in its directory",
                                 call->migration)));
  return NULL;
}

static struct err *
log_off (const struct step_call *call)
{
  char *path CLEANUP_FREE = record_of (call);
  char *conf CLEANUP_FREE = conf_of (call);
  bool begun, on;
  TRY (remote_exists (call->source, path, &begun));
  if (!begun)
    return NULL;
  TRY (remote_remove (call->source, conf));
  TRY (mariadb_has_log (call->source, &on));
  if (on)
    TRY (mariadb_run (call->source, "RESET MASTER;", NULL));
  return remote_remove (call->source, path);
}

/* What a play that was interrupted left set on the target is lost with the
 * server's process, so one that is not reached hinders nobody. */
struct err *
mariadb_log_off (const struct step_call *call, json_t **result)
{
  (void)result;
  TRY (log_off (call));
  struct err *e = mariadb_log_strict (call);
  if (e != NULL && !port_is_lost (e)
      && strncmp (err_code (e), "RH-PROGRAM-", 11) != 0)
    return e;
  err_free (e);
  return NULL;
}
