/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views, triggers, routines and events of a MariaDB database, by mariadb-dump:
 * where they differ all of them are made again, as one may need the other.
 *
 * On the way back that is done on the server to which one goes back.  So what
 * it has is kept there in a file until what comes is there, with the grants on
 * routines, which go with a routine: a server that does not take a definition
 * of the newer one has its own again.
 */
#include "provider/mariadb.h"

#include "base/buf.h"
#include "base/mem.h"
#include "provider/remote.h"
#include "provider/steps.h"

#include <string.h>

#define KEPT_MAX ((size_t)3 << 20)

struct err *
mariadb_define (const struct step_call *call, json_t *from)
{
  json_t *into
      = mariadb_argv (call->target, "mariadb",
                      ARGV ("--batch", "--skip-column-names",
                            "--init-command=SET foreign_key_checks = 0",
                            mariadb_database (call)));
  return err_wrap (mariadb_stream (call, from, into, NULL, NULL),
                   "copying definitions of database %s",
                   mariadb_database (call));
}

struct err *
mariadb_views (struct port *p, const char *database, char **out)
{
  return mariadb_ask (p,
                      "SELECT TABLE_NAME FROM information_schema.VIEWS WHERE"
                      " TABLE_SCHEMA = '%s';",
                      database, out);
}

static json_t *
dump_others (struct port *p, const char *db)
{
  return mariadb_argv (p, "mariadb-dump",
                       ARGV ("--no-create-info", "--no-data", "--triggers",
                             "--routines", "--events", "--skip-comments",
                             "--skip-lock-tables", "--skip-tz-utc", db));
}

/* NULL: there are none. */
static struct err *
dump_views (struct port *p, const char *db, json_t **out)
{
  char *views CLEANUP_FREE = NULL;
  *out = NULL;
  TRY (mariadb_views (p, db, &views));
  if (*views == '\0')
    return NULL;
  json_t *argv
      = mariadb_argv (p, "mariadb-dump",
                      ARGV ("--no-data", "--skip-triggers", "--skip-comments",
                            "--skip-lock-tables", db));
  char *at = views;
  for (char *line; (line = strsep (&at, "\n")) != NULL;)
    if (*line != '\0')
      remote_word (argv, line);
  *out = argv;
  return NULL;
}

static struct err *
drop_objects (const struct step_call *call)
{
  return mariadb_compose (
      call->target,
      "SELECT CONCAT('DROP TRIGGER `%s`.`', REPLACE(TRIGGER_NAME, '`', '``'),"
      " '`;') FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '%s';\n"
      "SELECT CONCAT('DROP VIEW `%s`.`', REPLACE(TABLE_NAME, '`', '``'), '`;')"
      " FROM information_schema.VIEWS WHERE TABLE_SCHEMA = '%s';\n"
      "SELECT CONCAT('DROP EVENT `%s`.`', REPLACE(EVENT_NAME, '`', '``'),"
      " '`;') FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '%s';\n"
      "SELECT CONCAT('DROP ', ROUTINE_TYPE, ' IF EXISTS `%s`.`',"
      " REPLACE(ROUTINE_NAME, '`', '``'), '`;') FROM"
      " information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '%s' ORDER BY"
      " ROUTINE_TYPE;\n",
      mariadb_database (call), call->target);
}

static struct err *
make_objects (const struct step_call *call)
{
  const char *db = mariadb_database (call);
  json_t *views;
  TRY (drop_objects (call));
  TRY (mariadb_define (call, dump_others (call->source, db)));
  TRY (dump_views (call->source, db, &views));
  return views == NULL ? NULL : mariadb_define (call, views);
}

static bool
are_equal (const json_t *source, const json_t *target)
{
  return json_equal (json_at (source, "objects"), json_at (target, "objects"));
}

/* The censuses were taken before the rows were copied, which changes neither.
 */
struct err *
mariadb_copy_objects (const struct step_call *call, const json_t *source,
                      const json_t *target)
{
  return are_equal (source, target) ? NULL : make_objects (call);
}

/* ---- The way back ---- */

static char *
kept_path (const struct step_call *call)
{
  return steps_path (call, "results/mariadb-%s-objects.sql",
                     mariadb_database (call));
}

static char *
grants_path (const struct step_call *call)
{
  return steps_path (call, "results/mariadb-%s-objects.json",
                     mariadb_database (call));
}

/* {"procedure NAME": its grants as statements}, by names as the census has
 * them. */
static struct err *
grants_of (struct port *p, const char *db, json_t **out)
{
  return mariadb_pairs (
      p,
      "SELECT CONCAT(LOWER(Routine_type), ' ', Routine_name), GROUP_CONCAT("
      "CONCAT('GRANT ', IF(FIND_IN_SET('Execute', Proc_priv), 'EXECUTE',"
      " 'USAGE'), IF(FIND_IN_SET('Alter Routine', Proc_priv),"
      " ', ALTER ROUTINE', ''), ' ON ', Routine_type, ' `%s`.`',"
      " REPLACE(Routine_name, '`', '``'), '` TO `', REPLACE(User, '`', '``'),"
      " '`', IF(Host = '', '', CONCAT('@`', Host, '`')),"
      " IF(FIND_IN_SET('Grant', Proc_priv), ' WITH GRANT OPTION', ''), ';')"
      " SEPARATOR ' ') FROM mysql.procs_priv WHERE Db = '%s' GROUP BY"
      " Routine_type, Routine_name;",
      db, out);
}

static struct err *
keep (const struct step_call *call)
{
  const char *db = mariadb_database (call);
  char *path CLEANUP_FREE = kept_path (call);
  char *beside CLEANUP_FREE = grants_path (call);
  struct buf text CLEANUP_BUF = BUF_INIT_MAX (KEPT_MAX);
  json_t *grants CLEANUP_JSON = NULL;
  json_t *args, *views;
  TRY (grants_of (call->target, db, &grants));
  TRY (remote_record (call->target, beside, grants));
  args = json_pack ("{s:o}", "argv", dump_others (call->target, db));
  TRY (remote_gather (call->target, args, &text));
  TRY (dump_views (call->target, db, &views));
  if (views != NULL) {
    args = json_pack ("{s:o}", "argv", views);
    TRY (remote_gather (call->target, args, &text));
  }
  return remote_write (call->target, path, (const char *)text.data, text.len,
                       0600);
}

/* Of the routines that are there now. */
static struct err *
grant_again (const struct step_call *call)
{
  char *beside CLEANUP_FREE = grants_path (call);
  struct buf sql CLEANUP_BUF = BUF_INIT;
  json_t *grants CLEANUP_JSON = NULL;
  json_t *now CLEANUP_JSON = NULL;
  const char *routine;
  json_t *one;
  TRY (remote_recall (call->target, beside, &grants));
  TRY (mariadb_census (call->target, mariadb_database (call), &now));
  json_object_foreach (grants, routine, one)
  {
    if (json_object_get (json_at (now, "objects"), routine) != NULL)
      TRY (buf_printf (&sql, "%s\n", json_string_value (one)));
  }
  if (sql.len == 0)
    return NULL;
  TRY (buf_put (&sql, "", 1));
  return mariadb_run (call->target, (const char *)sql.data, NULL);
}

static struct err *
drop_kept (const struct step_call *call)
{
  char *path CLEANUP_FREE = kept_path (call);
  char *beside CLEANUP_FREE = grants_path (call);
  TRY (remote_remove (call->target, path));
  return remote_remove (call->target, beside);
}

struct err *
mariadb_objects_kept (const struct step_call *call)
{
  struct remote_file f CLEANUP_REMOTE = { 0 };
  char *path CLEANUP_FREE = kept_path (call);
  TRY (remote_read (call->target, path, &f));
  if (!f.exists)
    return NULL;
  TRY (drop_objects (call));
  json_t *argv = mariadb_argv (call->target, "mariadb",
                               ARGV ("--batch", mariadb_database (call)));
  TRY (remote_must (call->target, argv, f.content, NULL));
  TRY (grant_again (call));
  return drop_kept (call);
}

/* Its own again; the server's word of what it does not take is the error. */
static struct err *
not_taken (const struct step_call *call, struct err *why)
{
  struct err *e = mariadb_objects_kept (call);
  if (e != NULL || strcmp (err_code (why), "RH-PROGRAM-FAILED") != 0) {
    if (e != NULL)
      err_free (e); /* the file stays, and is put in by the next try */
    return why;
  }
  struct err *out
      = err_new (ERR_REFUSED, "RH-MARIADB-OBJECT",
                 "the old server does not take a view, trigger, routine or "
                 "event that was changed on the new one: %s",
                 err_message (why));
  err_free (why);
  return err_advise (out, "the old server's own are as they were",
                     "change it on the new server into what both take, or "
                     "drop it there, and go back then");
}

struct err *
mariadb_objects_back (const struct step_call *call, const json_t *source,
                      const json_t *target)
{
  char *path CLEANUP_FREE = kept_path (call);
  bool begun;
  TRY (remote_exists (call->target, path, &begun));
  if (!begun && are_equal (source, target))
    return NULL;
  if (!begun)
    TRY (keep (call));
  struct err *e = make_objects (call);
  if (e == NULL)
    e = grant_again (call);
  return e == NULL ? drop_kept (call) : not_taken (call, e);
}
